"""Single logout, by redirect and by form: what ends sessions, what must not, and what the provider is answered and told."""

from __future__ import annotations

import re
import zlib
from base64 import b64decode
from collections.abc import Callable
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from lxml import etree

from plugins_builtin.auth_saml.tests.forge import MORE, SP, encoded, logout, pair, redirected, sign
from plugins_builtin.auth_saml.tests.mock import Begun, Mock
from plugins_builtin.auth_saml.validation.keys import is_signed_by

KEY = pair("idp")
SUCCESS = "<samlp:Status><samlp:StatusCode Value='urn:oasis:names:tc:SAML:2.0:status:Success'/></samlp:Status>"


def logged_in(at: Mock, name: str, plugin: str = "saml") -> Begun:
    """Somebody who has logged in."""
    begun = at.begin(plugin)
    begun.arrive(begun.login(name=name).signed(KEY))
    assert begun.who() is not None
    return begun


def asked(at: Mock, name: str, index: str | None = "_session1", **more: Any) -> str:
    """The provider asks to log somebody out."""
    session = "" if index is None else f"<samlp:SessionIndex>{index}</samlp:SessionIndex>"
    said = {"destination": at.url("slo"), "inside": f"<saml:NameID>{name}</saml:NameID>{session}", **more}
    return logout("LogoutRequest", **said)


def posted(at: Mock, message: str, kind: str = "SAMLRequest", **more: str) -> httpx.Response:
    """A form from another site."""
    return httpx.post(at.url("slo"), data={kind: encoded(message), **more}, trust_env=False)


def signed_xml(message: str, by: Any = KEY, **how: Any) -> str:
    """The message with a signature within."""
    found = re.search(r"ID='([^']+)'", message)
    assert found is not None
    return sign(message, by, found[1], **how)


def answer_of(answer: httpx.Response) -> tuple[Any, dict[str, str]]:
    """What the provider is sent by a redirect: the message, and the query."""
    assert answer.status_code == 302, answer.text
    query = urlsplit(answer.headers["location"]).query
    pairs = {name: values[0] for name, values in parse_qs(query).items()}
    signed, _, signature = query.rpartition("&Signature=")
    assert signature and is_signed_by([pair(SP).certificate], signed.encode(), pairs["SigAlg"], b64decode(pairs["Signature"]))
    message = pairs.get("SAMLResponse") or pairs["SAMLRequest"]
    return etree.fromstring(zlib.decompress(b64decode(message), -15)), pairs


def test_the_provider_ends_a_session_by_redirect(at: Mock) -> None:
    begun, other = logged_in(at, "r1"), logged_in(at, "r2")
    answer = begun.browser.get(f"/saml/slo?{redirected('SAMLRequest', asked(at, 'r1'), KEY, state='opaque & <x>')}")
    root, pairs = answer_of(answer)
    assert answer.headers["location"].startswith("https://idp.example/slo?") and pairs["RelayState"] == "opaque & <x>"
    assert root.tag.endswith("LogoutResponse") and root.find("{*}Status/{*}StatusCode").get("Value").endswith(":Success")
    assert "session=;" in answer.headers["set-cookie"]
    assert begun.who() is None and other.who() is not None


def test_a_session_ends_without_its_browser(at: Mock) -> None:
    begun = logged_in(at, "f1")
    answer = posted(at, signed_xml(asked(at, "f1")), RelayState="x")
    assert answer_of(answer)[1]["RelayState"] == "x" and "set-cookie" not in answer.headers
    assert begun.who() is None


def test_without_an_index_all_sessions_of_the_name_end(at: Mock) -> None:
    one, two = logged_in(at, "all"), logged_in(at, "all")
    posted(at, signed_xml(asked(at, "all", None)))
    assert (one.who(), two.who()) == (None, None)


def test_another_index_or_name_ends_nothing(at: Mock) -> None:
    begun = logged_in(at, "kept")
    for message in (asked(at, "kept", "_another"), asked(at, "kept2"), asked(at, "KEPT", None)):
        assert posted(at, signed_xml(message)).status_code == 302
    assert begun.who() is not None


def test_an_ec_key_signs_too(at: Mock) -> None:
    begun, key = logged_in(at, "ec"), pair("idp-ec", curve=True)
    query = redirected("SAMLRequest", asked(at, "ec"), key, algorithm=f"{MORE}ecdsa-sha256")
    assert answer_of(begun.browser.get(f"/saml/slo?{query}"))[0].tag.endswith("LogoutResponse") and begun.who() is None


BAD: dict[str, tuple[Callable[[Mock], httpx.Response], str]] = {
    "unsigned form": (lambda at: posted(at, asked(at, "bad")), "not signed"),
    "form by another's key": (lambda at: posted(at, signed_xml(asked(at, "bad"), pair("evil"))), "signature is wrong"),
    "form with SHA-1": (lambda at: posted(at, signed_xml(asked(at, "bad"), sha="sha1")), "rsa-sha1"),
    "form changed afterwards": (lambda at: posted(at, signed_xml(asked(at, "other")).replace(">other<", ">bad<")), "signature is wrong"),
    "wrong destination": (lambda at: posted(at, signed_xml(asked(at, "bad", destination="https://x.example/slo"))), "(Destination)"),
    "no destination": (lambda at: posted(at, signed_xml(asked(at, "bad", destination=None))), "(Destination)"),
    "too old": (lambda at: posted(at, signed_xml(asked(at, "bad", made_s=-700))), "too long ago"),
    "of the future": (lambda at: posted(at, signed_xml(asked(at, "bad", made_s=200))), "not valid yet"),
    "over": (lambda at: posted(at, signed_xml(asked(at, "bad", more="NotOnOrAfter='2020-01-01T00:00:00Z'"))), "expired"),
    "another issuer": (lambda at: posted(at, signed_xml(asked(at, "bad", issuer="https://x.example"))), "none of the configured"),
    "a response in its place": (lambda at: posted(at, signed_xml(asked(at, "bad")), "SAMLResponse"), "not what its parameter says"),
    "a login response": (lambda at: posted(at, at.begin().login().signed(KEY)), "not samlp:LogoutRequest or samlp:LogoutResponse"),
    "extensions": (
        lambda at: posted(at, signed_xml(asked(at, "bad", inside="<samlp:Extensions/><saml:NameID>bad</saml:NameID>"))), "Extensions"),
    "unsigned redirect": (lambda at: by_query(at, lambda query: query.partition("&SigAlg")[0]), "not signed"),
    "redirect without its algorithm": (lambda at: by_query(at, lambda query: re.sub("&SigAlg=[^&]*", "", query)), "not signed"),
    "redirect by another's key": (lambda at: by_query(at, by=pair("evil")), "signature is wrong"),
    "redirect with SHA-1": (lambda at: by_query(at, algorithm="http://www.w3.org/2000/09/xmldsig#rsa-sha1"), "rsa-sha1"),
    "RelayState changed": (lambda at: by_query(at, lambda query: query.replace("RelayState=s", "RelayState=t")), "signature is wrong"),
    "RelayState twice": (lambda at: by_query(at, lambda query: query + "&RelayState=t"), "RelayState is too long"),
    "Signature twice": (lambda at: by_query(at, lambda query: query + "&%53ignature=eA=="), "stands twice"),
    "two messages": (lambda at: by_query(at, lambda query: query + "&SAMLResponse=eA=="), "not one SAMLRequest"),
    "not compressed": (lambda at: with_message(at, "PGEvPg=="), "is cut off"),
    "not compressed at all": (lambda at: with_message(at, "/////w=="), "compressed"),
    "no base64": (lambda at: with_message(at, "%"), "not base64"),
    "compressed without an end": (lambda at: with_message(at, _bomb()), "more than 262144"),
}  # fmt: skip


def by_query(at: Mock, change: Callable[[str], str] = str, *, by: Any = KEY, **how: Any) -> httpx.Response:
    """A redirect that was changed."""
    return httpx.get(f"{at.url('slo')}?{change(redirected('SAMLRequest', asked(at, 'bad'), by, **how))}", trust_env=False)


def with_message(at: Mock, message: str) -> httpx.Response:
    """A redirect with any message."""
    return httpx.get(at.url("slo"), params={"SAMLRequest": message, "SigAlg": "x", "Signature": "eA=="}, trust_env=False)


def _bomb() -> str:
    deflate = zlib.compressobj(9, wbits=-15)
    return encoded(deflate.compress(b"<a>" + b" " * 50_000_000) + deflate.flush())[:40_000]


@pytest.fixture(scope="module")
def bad(at: Mock) -> Begun:
    """Somebody who stays logged in."""
    return logged_in(at, "bad")


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_ends_nothing(at: Mock, bad: Begun, name: str) -> None:
    send, why = BAD[name]
    seen = len(at.server.lines)
    answer = send(at)
    assert answer.status_code == 403 and "was not accepted" in answer.text
    assert why in at.reason("saml", seen)
    assert bad.who() is not None


def test_a_logout_message_is_good_once(at: Mock) -> None:
    message = signed_xml(asked(at, "once"))
    assert posted(at, message).status_code == 302
    later, seen = logged_in(at, "once"), len(at.server.lines)
    assert posted(at, message).status_code == 403 and "presented before" in at.reason("saml", seen)
    assert later.who() is not None


def test_logging_out_here_tells_the_provider(at: Mock) -> None:
    begun = logged_in(at, "out")
    browser = begun.browser
    asks = browser.get("/saml/logout")
    assert "Log out?" in asks.text and begun.who() is not None
    assert browser.post("/saml/logout", headers={"origin": "https://evil.example"}).status_code == 403 and begun.who() is not None
    answer = browser.post("/saml/logout", headers={"origin": at.base})
    assert answer.status_code == 303
    root, _ = answer_of(httpx.Response(302, headers=answer.headers))
    assert root.tag.endswith("LogoutRequest") and root.get("Destination") == "https://idp.example/slo"
    assert (root.findtext("{*}NameID"), root.findtext("{*}SessionIndex"), root.findtext("{*}Issuer")) == (
        "out",
        "_session1",
        at.url("metadata"),
    )
    assert begun.who() is None
    done = browser.get("/saml/slo?" + redirected("SAMLResponse", logout("LogoutResponse", at.url("slo"), inside=SUCCESS), KEY, state=None))
    assert (done.status_code, done.headers["location"]) == (303, at.url("logout"))
    partial = SUCCESS.replace(":Success", ":Responder")
    done = browser.get("/saml/slo?" + redirected("SAMLResponse", logout("LogoutResponse", at.url("slo"), inside=partial), KEY, state=None))
    assert "could not log you out everywhere" in unescape(done.text)
