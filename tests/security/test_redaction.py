"""Secrets are found in text however they are spelt."""

from __future__ import annotations

import base64
import json
from typing import SupportsIndex
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mockforge_asgi.security.redaction import MAX_TEXT, Redactor, redactor
from mockforge_asgi.security.secrets import Secrets

SECRET = 'p@ss "wörd"/1+2'


@pytest.mark.parametrize(
    "spelt",
    [
        SECRET, json.dumps(SECRET), repr(SECRET), quote(SECRET, safe=""), quote(SECRET, safe="").lower(),
        "".join(f"%{byte:02x}" for byte in SECRET.encode()), base64.b64encode(SECRET.encode()).decode(), SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
    ],
    ids=["plain", "json", "repr", "url", "url in lower case", "every byte escaped", "base64", "hex", "HEX"],
)  # fmt: skip
def test_a_secret_is_hidden_in_every_spelling(spelt: str) -> None:
    hidden = redactor(Secrets({"a": SECRET}))(f"before {spelt} after")
    assert spelt.strip("\"'") not in hidden
    assert hidden.startswith("before ") and hidden.endswith(" after")


def test_each_part_of_a_secret_with_several_is_hidden() -> None:
    hide = redactor(Secrets({"keys": "first-key-1=ada,second-key-2=bob"}))
    assert hide("first-key-1 and second-key-2") == "[redacted] and [redacted]"


def test_short_secrets_do_not_blank_out_words() -> None:
    assert redactor(Secrets({"a": "the"}))("the end") == "the end"


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
    ],
)
def test_what_is_a_credential_by_its_form_is_hidden(text: str, hidden: str) -> None:
    assert Redactor()(text) == hidden


@pytest.mark.parametrize("shown", [1, 5, 14])
def test_a_secret_that_the_cut_goes_through_is_hidden(shown: int) -> None:
    secret, before = "abcdefghijklmnop", MAX_TEXT - shown
    hidden = redactor(Secrets({"a": secret}))("." * before + secret + "." * 50)
    assert "[redacted]".startswith(hidden.strip(".…")) and MAX_TEXT - len(secret) <= len(hidden) <= MAX_TEXT + 1


def test_a_secret_at_the_cut_stays_hidden_where_others_before_it_shrank() -> None:
    secret = "abcdefghijklmnop"
    hidden = redactor(Secrets({"a": secret}))(f"{secret}." * MAX_TEXT)
    assert hidden.endswith("…") and "abc" not in hidden and len(hidden) <= MAX_TEXT + 1


@pytest.mark.parametrize("before", ["", "a", "ab", "abc", "user:"])
@pytest.mark.parametrize("after", ["", "x", "xy", "xyz"])
def test_a_secret_inside_the_base64_of_a_longer_text_is_hidden(before: str, after: str) -> None:
    secret = "correct-horse-battery"
    packed = base64.b64encode(f"{before}{secret}{after}".encode()).decode()
    hidden = redactor(Secrets({"a": secret}))(f"packed {packed}")
    left = hidden.removeprefix("packed ").replace("[redacted]", "")
    assert "[redacted]" in hidden and len(left) <= len(packed) - len(secret) * 8 // 6 + 2


@pytest.mark.parametrize("kept", [6, 10, 15])
def test_a_text_that_was_cut_in_the_middle_of_a_secret_shows_nothing_of_its_beginning(kept: int) -> None:
    secret = "abcdefghijklmnop"
    assert redactor(Secrets({"a": secret}))(f"it said {secret[:kept]}") == "it said [redacted]"


def test_the_words_before_a_cut_stay() -> None:
    assert redactor(Secrets({"a": "abcdefghijklmnop"}))("abcdefgh and abcde") == "abcdefgh and abcde"


def test_a_long_secret_at_the_cut_stays_hidden_where_others_before_it_shrank() -> None:
    secret = "".join(f"{n:05d}" for n in range(2000))
    hidden = redactor(Secrets({"key": secret}))(f"{secret}." * 20)
    assert "00000" not in hidden and "0100" not in hidden


def test_the_longest_secret_that_begins_somewhere_is_hidden_whole() -> None:
    hide = redactor(Secrets({"short": "abcdefgh", "long": "abcdefghijkl", "inner": "efghijklmnop"}))
    assert hide("abcdefghijklmnop, abcdefghij, efghijklmnop") == "[redacted]mnop, [redacted]ij, [redacted]"


class Counted(str):
    """A text that counts how often a part of it is taken."""

    taken = 0

    def __getitem__(self, key: SupportsIndex | slice) -> str:
        Counted.taken += 1
        return str.__getitem__(self, key)


@pytest.mark.parametrize("keys", [1, 1000])
def test_many_secrets_cost_no_more_than_one(keys: int) -> None:
    """A guest may log thousands of characters fifty times a second; the loop does nothing else meanwhile."""
    hide = redactor(Secrets({f"k{n}": f"secret-{n:05d}-of-many" for n in range(keys)}))
    text, Counted.taken = Counted("secret-0000 " * 500), 0
    assert hide._without_known(text) == text
    assert Counted.taken < 2 * len(text)


def test_credentials_in_headers_are_hidden() -> None:
    pairs = [("Authorization", "x"), ("Set-Cookie", "a=b"), ("Accept", "text/html")]
    assert Redactor().headers(pairs) == [("Authorization", "[redacted]"), ("Set-Cookie", "[redacted]"), ("Accept", "text/html")]


@given(st.text(min_size=8, max_size=30).filter(lambda s: len(s.strip()) >= 8), st.text(max_size=20), st.text(max_size=20))
def test_whatever_the_secret_it_does_not_come_through(secret: str, before: str, after: str) -> None:
    assume(secret.strip() not in "[redacted]")
    assert secret.strip() not in redactor(Secrets({"a": secret}))(f"{before}|{secret}|{after}")
