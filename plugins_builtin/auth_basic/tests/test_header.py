"""The header, read strictly: what is a name and a password, what is malformed, what is another scheme's."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins_builtin.auth_basic.header import MAX_BYTES, Credentials, Malformed, credentials


def basic(data: bytes | str) -> str:
    return "Basic " + b64encode(data.encode() if isinstance(data, str) else data).decode()


@pytest.mark.parametrize(
    ("data", "user", "password"),
    [
        ("ada:secret", "ada", "secret"),
        ("ada:", "ada", ""),
        ("ada:a:b::", "ada", "a:b::"),
        ("a d a: x ", "a d a", " x "),
        ("ädä:pässwörd €", "ädä", "pässwörd €"),
        ("e\u0301:x", "e\u0301", "x"),
        ("\u00e9:x", "\u00e9", "x"),
    ],
)
def test_name_and_password_are_the_bytes_around_the_first_colon(data: str, user: str, password: str) -> None:
    assert credentials([basic(data)]) == Credentials(user.encode(), password.encode())


@pytest.mark.parametrize("scheme", ["basic", "BASIC", "bAsIc"])
def test_the_scheme_may_be_of_any_case_and_further_away(scheme: str) -> None:
    assert credentials([f"{scheme}   YWRhOng= "]) == Credentials(b"ada", b"x")


@pytest.mark.parametrize("headers", [[], [""], ["Bearer YWRhOng="], ["Basically YWRhOng="], ["Basic\tYWRhOng="], ["Negotiate x", "Bearer"]])
def test_other_schemes_are_not_its_own(headers: list[str]) -> None:
    assert credentials(headers) is None


MALFORMED = {
    "nothing behind the scheme": ["Basic"],
    "white space behind the scheme": ["Basic   "],
    "no padding": ["Basic YWRhOng"],
    "too much padding": ["Basic YWRhOng=="],
    "padding alone": ["Basic ===="],
    "padding within": ["Basic YWRh=Ong"],
    "bits behind the end": ["Basic YWRhOnh="],
    "URL-safe letters": ["Basic YWRhOn5-fj8_Pw=="],
    "white space within": ["Basic YWRh Ong="],
    "a line break within": ["Basic YWRh\r\nOng="],
    "text": ["Basic ada:x"],
    "not ASCII": ["Basic YWRhOng=é"],
    "a parameter": ['Basic YWRhOng=, charset="UTF-8"'],
    "no colon": [basic("ada")],
    "a full width colon": [basic("ada\uff1ax")],
    "two headers": [basic("ada:x"), basic("ada:x")],
    "another scheme beside it": [basic("ada:x"), "Bearer y"],
    "another scheme before it": ["Bearer y", basic("ada:x")],
    "oversize": [basic("ada:" + "x" * MAX_BYTES)],
}
UNFIT: dict[str, str | bytes] = {
    "no name": ":x",
    "neither": ":",
    "NUL in the name": "ada\0:x",
    "NUL in the password": "ada:x\0",
    "a line break": "ada:x\n",
    "a tab": "a\tda:x",
    "DEL": "ada:x\x7f",
    "latin-1": "äda:x".encode("latin-1"),
    "an overlong NUL": b"ada:\xc0\x80",
    "half a surrogate pair": b"ada:\xed\xa0\x80",
}


@pytest.mark.parametrize("what", MALFORMED)
def test_what_has_not_the_form_is_malformed(what: str) -> None:
    with pytest.raises(Malformed) as raised:
        credentials(MALFORMED[what])
    assert raised.value.is_form and "ada" not in str(raised.value)


@pytest.mark.parametrize("what", UNFIT)
def test_what_no_user_can_have_is_wrong(what: str) -> None:
    with pytest.raises(Malformed) as raised:
        credentials([basic(UNFIT[what])])
    assert not raised.value.is_form


@given(st.text() | st.binary().map(lambda data: basic(data)))
def test_whatever_is_sent_is_credentials_or_malformed_or_not_its_own(told: str) -> None:
    try:
        found = credentials([told])
    except Malformed:
        return
    assert found is None or (found.user and basic(found.user + b":" + found.password)[6:] == told[6:].strip(" "))
