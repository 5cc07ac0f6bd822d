"""What was tried against signatures, and what came of it: native, and the whole table once more in the sandbox."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from mockforge_asgi import MockForge
from mockforge_asgi.testing import Client
from plugins_builtin.auth_hmac.tests.mock import mock
from plugins_builtin.auth_hmac.tests.signing import KEY, Signer, content_digest

CONFIG = {"cover": ["content-type", "x-tenant"], "may_cover": ["x-note"]}
BODY = b'{"item": "tea"}'
SIGNER = Signer()
LONG = SIGNER.but(keyid="long", key=KEY.encode() * 2, algorithm="sha512")


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it is sent."""

    headers: Mapping[str, str] | list[tuple[str, str]]
    body: bytes = b""
    target: str = "/orders/7"
    method: str = "POST"


def post(signer: Signer = SIGNER, body: bytes = BODY, /, **headers: str) -> dict[str, str]:
    """The headers of a signed POST."""
    return signer.headers("POST", "/orders/7", body, **headers)


def posted(signer: Signer = SIGNER, /, **headers: str) -> Sent:
    """It, as it is."""
    return Sent(post(signer, **headers), BODY)


def get(signer: Signer = SIGNER, target: str = "/orders/7", to: str | None = None, method: str = "GET") -> Sent:
    """A signed GET, sent elsewhere perhaps."""
    return Sent(signer.headers("GET", target), b"", target if to is None else to, method)


def told(**parameters: str | int | None) -> Sent:
    """A GET whose signature has these parameters."""
    return get(SIGNER.but(parameters=parameters))


def covering(*components: str, body: bytes = b"") -> Sent:
    """A signature that covers only these."""
    return Sent(post(SIGNER.but(components=components), body), body)


def but(**changes: str | None) -> Sent:
    """A signed POST with headers changed after; None: taken out."""
    headers: dict[str, str | None] = {**post(content_type="text/plain"), **{name.replace("_", "-"): v for name, v in changes.items()}}
    return Sent({name: value for name, value in headers.items() if value is not None}, BODY)


def signed_by(make: Callable[[bytes], bytes | str]) -> Sent:
    """A GET whose signature is made from its base in another way."""
    headers = SIGNER.headers("GET", "/orders/7")
    about = headers["signature-input"].removeprefix("sig=")
    base = f'"@method": GET\n"@authority": testserver\n"@path": /orders/7\n"@query": ?\n"@signature-params": {about}'
    made = make(base.encode())
    return Sent({**headers, "signature": f"sig=:{made if isinstance(made, str) else b64encode(made).decode()}:"}, method="GET")


def mac(base: bytes) -> bytes:
    return hmac.digest(KEY.encode(), base, "sha256")


def loose(base: bytes) -> str:
    """A signature in base64 whose last digit has bits that no byte has."""
    text = b64encode(mac(base)).decode()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return f"{text[:-2]}{alphabet[alphabet.index(text[-2]) + 1]}="


def twice() -> Sent:
    """Two signatures, both right."""
    one, other = post(), post()
    both = {name: f"{one[name]}, {other[name].replace('sig=', 'too=', 1)}" for name in ("signature", "signature-input")}
    return Sent({**one, **both}, BODY)


def lines(*pairs: tuple[str, str], first: bool = False) -> Sent:
    """A signed POST with more header lines."""
    headers = list(post(content_type="text/plain").items())
    return Sent([*pairs, *headers] if first else [*headers, *pairs], BODY)


ZIPPED = gzip.compress(BODY, mtime=0)
NOW = int(time.time())

ATTACKS: dict[str, tuple[Callable[[], Sent], int]] = {
    # what is right
    "a POST": (posted, 200),
    "a GET with a query": (lambda: get(target="/orders/7?b=2&a=1&a=%20"), 200),
    "SHA-512": (lambda: get(LONG), 200),
    "headers in another order": (lambda: Sent(list(post(content_type="text/plain").items())[::-1], BODY), 200),
    "the whole target at once": (lambda: get(SIGNER.but(components=("@method", "@target-uri"))), 200),
    "a body in gzip, as it is sent": (lambda: Sent(post(SIGNER, ZIPPED) | {"content-encoding": "gzip"}, ZIPPED), 200),
    "a header in Latin-1": (lambda: posted(x_tenant="Zoë"), 200),
    "a digest by SHA-512": (lambda: posted(content_digest=content_digest(BODY, "sha512")), 200),
    "299 s old": (lambda: get(SIGNER.but(created=int(time.time()) - 298)), 200),
    "25 s ahead": (lambda: get(SIGNER.but(created=int(time.time()) + 25)), 200),
    # time
    "302 s old": (lambda: get(SIGNER.but(created=int(time.time()) - 302)), 401),
    "35 s ahead": (lambda: get(SIGNER.but(created=int(time.time()) + 35)), 401),
    "expired": (lambda: told(expires=NOW - 5), 401),
    "no time": (lambda: told(created=None), 401),
    "time as text": (lambda: told(created=str(NOW)), 401),
    "a time of 16 digits": (lambda: told(created=10**15), 400),
    "a time before 1970": (lambda: told(created=-1), 401),
    # the body
    "body cut": (lambda: Sent(post(), BODY[:-1]), 401),
    "body longer": (lambda: Sent(post(), BODY + b" "), 401),
    "body another": (lambda: Sent(post(), b'{"item": "gin"}'), 401),
    "body left out": (lambda: Sent(post(), b""), 401),
    "body added to a GET": (lambda: Sent(SIGNER.headers("GET", "/orders/7"), BODY, method="GET"), 401),
    "body and its digest another": (lambda: Sent(post() | {"content-digest": content_digest(b"gin")}, b"gin"), 401),
    "digest not covered": (lambda: covering("@method", "@authority", "@path", "@query", body=BODY), 401),
    "digest added": (lambda: Sent(SIGNER.headers("POST", "/orders/7") | {"content-digest": content_digest(BODY)}, BODY), 401),
    "digest by MD5 only": (lambda: posted(content_digest=f"md5=:{b64encode(hashlib.md5(BODY).digest()).decode()}:"), 401),
    "digests, one of them wrong": (lambda: posted(content_digest=f"{content_digest(BODY)}, {content_digest(b'', 'sha512')}"), 401),
    "digest in two lines": (lambda: lines(("content-digest", content_digest(b"gin"))), 401),
    "digest cut": (lambda: posted(content_digest=content_digest(BODY)[:20] + ":"), 400),
    "digest in hexadecimal": (lambda: posted(content_digest=f"sha-256={hashlib.sha256(BODY).hexdigest()}"), 400),
    "body in gzip, signed as it was before": (lambda: Sent(post() | {"content-encoding": "gzip"}, ZIPPED), 401),
    "body in gzip, packed anew": (lambda: Sent(post(SIGNER, ZIPPED) | {"content-encoding": "gzip"}, gzip.compress(BODY, 1, mtime=9)), 401),
    "an empty body in gzip": (lambda: Sent(SIGNER.headers("POST", "/orders/7") | {"content-encoding": "gzip"}, gzip.compress(b"")), 401),
    "body over the limit": (lambda: Sent(post(SIGNER, bytes(1 << 21)), bytes(1 << 21)), 413),
    # headers
    "covered header changed": (lambda: but(content_type="text/html"), 401),
    "covered header taken out": (lambda: but(content_type=None), 401),
    "header that must be covered added": (lambda: but(x_tenant="other"), 401),
    "covered header twice": (lambda: lines(("content-type", "text/html")), 401),
    "covered header twice, in front": (lambda: lines(("content-type", "text/html"), first=True), 401),
    "covers a header that is not readable": (lambda: posted(x_secret="1"), 401),
    "covers a header that is not there": (lambda: covering("@method", "@authority", "@path", "@query", "x-note"), 401),
    # query and path
    "query in another order": (lambda: get(target="/orders/7?a=1&b=2", to="/orders/7?b=2&a=1"), 401),
    "query with a field twice": (lambda: get(target="/orders/7?a=1", to="/orders/7?a=1&a=2"), 401),
    "query taken out": (lambda: get(target="/orders/7?a=1", to="/orders/7"), 401),
    "query added": (lambda: get(to="/orders/7?a=1"), 401),
    "query in other percent-encoding": (lambda: get(target="/orders/7?a=A", to="/orders/7?a=%41"), 401),
    "query with + for %20": (lambda: get(target="/orders/7?a=%20", to="/orders/7?a=+"), 401),
    "query with a bare &": (lambda: get(target="/orders/7?a=1", to="/orders/7?a=1&"), 401),
    "query with another wrong byte": (lambda: get(target="/orders/7?a=%ff", to="/orders/7?a=%fe"), 401),
    "path in other percent-encoding": (lambda: get(to="/orders/%37"), 401),
    "path with a slash at its end": (lambda: get(to="/orders/7/"), 401),
    "path with two slashes": (lambda: get(to="/orders//7"), 400),
    "path with dots": (lambda: get(to="/orders/x/../7"), 400),
    "path in another Unicode form": (lambda: get(target="/orders/%C3%BC", to="/orders/u%CC%88"), 401),
    "query moved into the path": (lambda: get(target="/orders/7?a=1", to="/orders/7%3Fa=1"), 401),
    # method and host
    "another method": (lambda: get(method="DELETE"), 401),
    "HEAD for GET": (lambda: get(method="HEAD"), 401),
    "for another host": (lambda: get(SIGNER.but(host="staging.test")), 401),
    "for another port": (lambda: get(SIGNER.but(host="testserver:8080")), 401),
    # what it covers
    "nothing covered": (lambda: covering(), 401),
    "without the method": (lambda: covering("@authority", "@path", "@query"), 401),
    "without the host": (lambda: covering("@method", "@path", "@query"), 401),
    "without the path": (lambda: covering("@method", "@authority", "@query"), 401),
    "without the query": (lambda: covering("@method", "@authority", "@path"), 401),
    "covers something twice": (lambda: covering("@method", "@method", "@authority", "@path", "@query"), 400),
    "covers what is of responses": (lambda: covering("@method", "@authority", "@path", "@query", "@status"), 401),
    "covers @signature-params itself": (lambda: covering("@method", "@authority", "@path", "@query", "@signature-params"), 401),
    "component in capitals": (lambda: covering("@method", "@authority", "@path", "@query", "Date"), 400),
    "component with a parameter": (lambda: covering("@method", "@authority", "@path", '@query";req"'), 400),
    "33 components": (lambda: covering(*(f"x-{i}" for i in range(33))), 400),
    # the key
    "unknown key": (lambda: told(keyid="nobody"), 401),
    "another key's name": (lambda: get(SIGNER.but(keyid="long")), 401),
    "another key": (lambda: get(SIGNER.but(key=KEY.encode() * 2)), 401),
    "empty key": (lambda: get(SIGNER.but(key=b"")), 401),
    "empty key, unknown name": (lambda: get(SIGNER.but(key=b"", keyid="nobody")), 401),
    "no key named": (lambda: told(keyid=None), 401),
    "key as a number": (lambda: told(keyid=1), 401),
    "key as a path": (lambda: told(keyid="../../dev/null"), 401),
    "key as SQL": (lambda: told(keyid="ci' OR '1'='1"), 401),
    "key with an escape": (lambda: told(keyid='ci\\"'), 401),
    "key in capitals": (lambda: told(keyid="CI"), 401),
    "key twice": (lambda: told(keyid='nobody";keyid="ci'), 400),
    "key in Unicode": (lambda: told(keyid="cï"), 400),
    "a new line in a parameter": (lambda: told(tag='x\n"@path": /other'), 400),
    # the algorithm
    "SHA-1": (lambda: get(SIGNER.but(algorithm="sha1")), 401),
    "SHA-1, not told": (lambda: get(SIGNER.but(algorithm="sha1", parameters={"alg": None})), 401),
    "SHA-512 with a key for SHA-256": (lambda: get(SIGNER.but(algorithm="sha512")), 401),
    "SHA-512, told as SHA-256": (lambda: get(SIGNER.but(algorithm="sha512", parameters={"alg": "hmac-sha256"})), 401),
    "no algorithm": (lambda: told(alg="none"), 401),
    "a public key's algorithm": (lambda: told(alg="ed25519"), 401),
    "no MAC, but a hash of key and text, which could be made longer": (
        lambda: signed_by(lambda base: hashlib.sha256(KEY.encode() + base).digest()), 401),
    "a hash without key": (lambda: signed_by(lambda base: hashlib.sha256(base).digest()), 401),
    # how the signature is written
    "right by hand": (lambda: signed_by(mac), 200),
    "signature cut": (lambda: signed_by(lambda base: mac(base)[:16]), 401),
    "signature empty": (lambda: signed_by(lambda base: b""), 401),
    "signature longer": (lambda: signed_by(lambda base: mac(base) + b"\0"), 401),
    "signature in hexadecimal": (lambda: signed_by(lambda base: mac(base).hex()), 401),
    "signature in hexadecimal, capitals": (lambda: signed_by(lambda base: mac(base).hex().upper()), 401),
    "signature in URL's base64": (lambda: signed_by(lambda base: urlsafe_b64encode(b"\xfb\xff" + mac(base)).decode()), 400),
    "signature in loose base64": (lambda: signed_by(loose), 400),
    "no Signature": (lambda: but(signature=None), 401),
    "no Signature-Input": (lambda: but(signature_input=None), 401),
    "two signatures": (twice, 401),
    "a signature's name twice": (lambda: Sent([*post().items(), *post().items()], BODY), 400),
    "another name": (lambda: but(signature=post()["signature"].replace("sig=", "other=")), 401),
    "blank in the parameters": (lambda: but(signature_input=post()["signature-input"].replace(";", "; ")), 400),
    "signature longer than 8 KiB": (lambda: but(signature=f"sig=:{'A' * 9000}:"), 400),
    "100 signatures": (lambda: but(signature=", ".join(f"s{i}=:AAAA:" for i in range(100))), 400),
    # nonce
    "no nonce": (lambda: told(nonce=None), 401),
    "a short nonce": (lambda: told(nonce="1234567"), 401),
    "a long nonce": (lambda: told(nonce="x" * 257), 401),
    "a nonce that is a number": (lambda: told(nonce=12345678901), 401),
}  # fmt: skip


async def sent(client: Client, what: Sent) -> int:
    """The status that it is answered with."""
    response = await client.request(what.method, what.target, headers=what.headers, body=what.body)
    if response.status == 200 and what.method != "HEAD":
        assert response.text.split()[0] in ("ci", "long")
    elif response.status == 401:
        assert str(response.header("www-authenticate")).startswith("Signature realm=")
    assert KEY not in response.text
    return response.status


@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack_ends_as_the_table_says(name: str) -> None:
    make, status = ATTACKS[name]
    async with Client(MockForge(config=mock(CONFIG))) as client:
        assert await sent(client, make()) == status
        assert await sent(client, posted()) == 200, "who signs rightly is served after it"


async def test_in_the_sandbox_all_attacks_end_the_same(tmp_path: Path) -> None:
    async with Client(MockForge(config=mock(CONFIG, sandbox=tmp_path))) as client:
        found = {name: await sent(client, make()) for name, (make, _) in ATTACKS.items()}
    assert found == {name: status for name, (_, status) in ATTACKS.items()}
