"""Secrets are found in text however they are spelt."""

from __future__ import annotations

import base64
import json
from html import escape
from typing import ClassVar, SupportsIndex
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mockforge_asgi.security.redaction import MAX_TEXT, Redactor
from mockforge_asgi.security.secrets import Secrets

SECRET = 'p@ss "wörd"/1+2'


@pytest.mark.parametrize(
    "spelt",
    [
        SECRET, json.dumps(SECRET), repr(SECRET), quote(SECRET, safe=""), quote(SECRET, safe="").lower(),
        "".join(f"%{byte:02x}" for byte in SECRET.encode()), base64.b64encode(SECRET.encode()).decode(), SECRET.encode().hex(),
        SECRET.encode().hex().upper(), quote(SECRET), quote(SECRET, safe="@+"), quote_plus(SECRET), "p%40ss%20%22w%c3%B6rd%22/%31+2",
        ascii(SECRET), repr(SECRET.encode()), repr(f"it's {SECRET}")[6:], escape(SECRET), SECRET.encode().decode("latin-1"),
    ],
    ids=[
        "plain", "json", "repr", "url", "url in lower case", "every byte escaped", "base64", "hex", "HEX", "path of a url", "part of a url",
        "form", "some bytes escaped", "ascii", "repr of bytes", "repr of a longer text", "html", "a header's text",
    ],
)  # fmt: skip
def test_a_secret_is_hidden_in_every_spelling(spelt: str) -> None:
    hidden = Redactor(Secrets({"a": SECRET}))(f"before {spelt} after")
    assert spelt.strip("\"'") not in hidden
    assert hidden.startswith("before ") and hidden.endswith(" after")


@pytest.mark.parametrize("end", ["", "%", "%3", "%3D"])
def test_a_percent_encoded_secret_that_was_cut_shows_nothing_of_its_beginning(end: str) -> None:
    assert Redactor(Secrets({"a": "key/of=many"}))(f"50% of it: key%2Fof{end}").startswith("50% of it: [redacted]")


def test_what_stands_around_a_percent_encoded_secret_stays_as_it_was() -> None:
    hide = Redactor(Secrets({"a": "key/of=many"}))
    assert hide("ä%C3%A4%FF%e key%2Fof%3Dmany%20%C3%A4 100%, key/of=many") == "ä%C3%A4%FF%e [redacted]%20%C3%A4 100%, [redacted]"


def test_each_part_of_a_secret_with_several_is_hidden() -> None:
    hide = Redactor(Secrets({"keys": "first-key-1=ada,second-key-2=bob"}))
    assert hide("first-key-1 and second-key-2") == "[redacted] and [redacted]"


def test_short_secrets_do_not_blank_out_words() -> None:
    assert Redactor(Secrets({"a": "the"}))("the end") == "the end"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Authorization: Bearer abcdefgh12345", "Authorization: Bearer [redacted]"),
        ("Basic dXNlcjpwYXNz", "Basic [redacted]"),
        ('{"password": "x y"}', '{"password": "[redacted] y"}'),
        ("client_secret=abc&x=1", "client_secret=[redacted]&x=1"),
        ("postgres://user:pw@host/db", "postgres://user:[redacted]@host/db"),
        ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "token [redacted]"),
        ("nothing here", "nothing here"),
        ("password=ab(c", "password=[redacted]"),
        ("password: hunter2", "password: [redacted]"),
        ("password: str-9f8a", "password: [redacted]"),
        ("password = none-of-yours", "password = [redacted]"),
        ('secret = "hunter2"', 'secret = "[redacted]"'),
        ('if api_key == "hunter2":', 'if api_key == "[redacted]":'),
        ("if password != 'hunter2':", "if password != '[redacted]':"),
    ],
)
def test_what_is_a_credential_by_its_form_is_hidden(text: str, hidden: str) -> None:
    assert Redactor()(text) == hidden


@pytest.mark.parametrize(
    "line",
    [
        'if access_token == secret("token"):',
        'api_key = secret("token")',
        'if secret("token") != request.header("x-api-key"):',
        'password = os.environ["PASSWORD"]',
        'client_secret = self.config["client_secret"]',
        "password = read_password()",
        "connect(user, password=decrypt(blob))",
        "id_token = parse(text, 1)",
        "api_key = self.api_key",
        "def login(self, password: str) -> None:",
        'secret: str = secret("token")',
        "password: str | None = None",
        "secret = keys[name]",
    ],
)
def test_a_line_of_source_in_a_traceback_is_shown_as_it_is_written(line: str) -> None:
    assert Redactor()(f"  File plugin.py, line 3\n    {line}") == f"  File plugin.py, line 3\n    {line}"


@pytest.mark.parametrize("shown", [1, 5, 14])
def test_a_secret_that_the_cut_goes_through_is_hidden(shown: int) -> None:
    secret, before = "abcdefghijklmnop", MAX_TEXT - shown
    hidden = Redactor(Secrets({"a": secret}))("." * before + secret + "." * 50)
    assert "[redacted]".startswith(hidden.strip(".…")) and MAX_TEXT - len(secret) <= len(hidden) <= MAX_TEXT + 1


def test_a_secret_at_the_cut_stays_hidden_where_others_before_it_shrank() -> None:
    secret = "abcdefghijklmnop"
    hidden = Redactor(Secrets({"a": secret}))(f"{secret}." * MAX_TEXT)
    assert hidden.endswith("…") and "abc" not in hidden and len(hidden) <= MAX_TEXT + 1


@pytest.mark.parametrize("before", ["", "a", "ab", "abc", "user:"])
@pytest.mark.parametrize("after", ["", "x", "xy", "xyz"])
def test_a_secret_inside_the_base64_of_a_longer_text_is_hidden(before: str, after: str) -> None:
    secret = "correct-horse-battery"
    packed = base64.b64encode(f"{before}{secret}{after}".encode()).decode()
    hidden = Redactor(Secrets({"a": secret}))(f"packed {packed}")
    left = hidden.removeprefix("packed ").replace("[redacted]", "")
    assert "[redacted]" in hidden and len(left) <= len(packed) - len(secret) * 8 // 6 + 2


@pytest.mark.parametrize("kept", [6, 10, 15])
def test_a_text_that_was_cut_in_the_middle_of_a_secret_shows_nothing_of_its_beginning(kept: int) -> None:
    secret = "abcdefghijklmnop"
    assert Redactor(Secrets({"a": secret}))(f"it said {secret[:kept]}") == "it said [redacted]"


def test_the_words_before_a_cut_stay() -> None:
    assert Redactor(Secrets({"a": "abcdefghijklmnop"}))("abcdefgh and abcde") == "abcdefgh and abcde"


def test_a_long_secret_at_the_cut_stays_hidden_where_others_before_it_shrank() -> None:
    secret = "".join(f"{n:05d}" for n in range(2000))
    hidden = Redactor(Secrets({"key": secret}))(f"{secret}." * 20)
    assert "00000" not in hidden and "0100" not in hidden


def test_the_longest_secret_that_begins_somewhere_is_hidden_whole() -> None:
    hide = Redactor(Secrets({"short": "abcdefgh", "long": "abcdefghijkl", "inner": "efghijklmnop"}))
    assert hide("abcdefghijklmnop, abcdefghij, efghijklmnop") == "[redacted]mnop, [redacted]ij, [redacted]"


class Counted(str):
    """A text that counts how often a part of it is taken, and how long the parts are."""

    parts: ClassVar[list[int]] = []

    def __getitem__(self, key: SupportsIndex | slice) -> str:
        part = str.__getitem__(self, key)
        Counted.parts.append(len(part))
        return part


PEM = "-----BEGIN PRIVATE KEY-----\n" + "\n".join(base64.b64encode(bytes(range(n, n + 48))).decode() for n in range(26))
WORST = {
    "dashes": "-",
    "the head of a PEM file": "-----BEGIN PRIVATE KEY-----\n",
    "beginnings of secrets": "secret-0",
    "secrets but for their end": "secret-00000-of-man",
    "a beginning of a JWT": "eyJ-",
    "hex": PEM[:40].encode().hex(),
}


@pytest.mark.parametrize("text", WORST.values(), ids=WORST)
@pytest.mark.parametrize("keys", [1, 1000])
def test_known_secrets_are_looked_up_a_few_times_a_place_however_many_there_are(text: str, keys: int) -> None:
    """A client may send 32 KiB of it, a guest log it fifty times a second; the loop does nothing else meanwhile."""
    hide = Redactor(Secrets({"pem": PEM, **{f"k{n}": f"secret-{n:05d}-of-many" for n in range(keys)}}))
    counted = Counted(text * (4096 // len(text)))
    Counted.parts.clear()
    assert hide._known.without(counted)
    assert len(Counted.parts) < 1.4 * len(counted)


def test_a_secret_of_many_parts_is_found_in_few_spellings() -> None:
    assert len(Redactor(Secrets({"pem": PEM}))._known.spellings) <= 50


SECRETS = st.lists(st.text("ab-", min_size=4, max_size=12), min_size=1, max_size=6)


@given(SECRETS, st.text("ab-.", max_size=60))
def test_what_is_found_is_what_a_search_for_each_secret_finds(secrets: list[str], text: str) -> None:
    hide = Redactor(Secrets({str(n): secret for n, secret in enumerate(secrets)}))
    known, expected, at = hide._known.spellings, "", 0
    while at < len(text):
        rest = text[at:]
        found = max((len(s) for s in known if rest.startswith(s)), default=0)
        if len(rest) >= 6 and any(s.startswith(rest) for s in known):
            found = len(rest)
        expected += "[redacted]" if found else text[at]
        at += found or 1
    assert hide._known.without(text) == expected


@given(st.text(min_size=8, max_size=30).filter(lambda s: len(s.strip()) >= 8), st.text(max_size=20), st.text(max_size=20))
def test_whatever_the_secret_it_does_not_come_through(secret: str, before: str, after: str) -> None:
    assume(secret.strip() not in "[redacted]")
    assert secret.strip() not in Redactor(Secrets({"a": secret}))(f"{before}|{secret}|{after}")
