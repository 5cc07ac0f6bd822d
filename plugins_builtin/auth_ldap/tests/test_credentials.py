"""Reading Basic credentials: whatever comes, either two checked strings or a refusal."""

from __future__ import annotations

import unicodedata
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins_builtin.auth_ldap.credentials import BadCredentials, Credentials, read_credentials
from plugins_builtin.auth_ldap.names import dn_key, filled_filter, folded, is_below, is_dn_template, login_name
from plugins_builtin.auth_ldap.verified import Verified


@given(st.lists(st.one_of(st.text(max_size=60), st.text(max_size=60).map("Basic ".__add__)), max_size=3))
def test_any_header_is_read_or_refused(lines: list[str]) -> None:
    try:
        assert isinstance(read_credentials(lines), Credentials | None)
    except BadCredentials:
        pass


@given(st.text(min_size=1, max_size=300), st.text(max_size=300))
def test_what_is_read_is_what_was_sent_and_means_one_thing(name: str, password: str) -> None:
    try:
        token = b64encode(f"{name}:{password}".encode()).decode()
        found = read_credentials([f"basic {token}"])
    except (BadCredentials, UnicodeEncodeError):
        return
    assert found is not None
    first, _, rest = f"{name}:{password}".partition(":")
    assert (found.name, found.password) == (unicodedata.normalize("NFC", first), rest)
    assert found.name.strip() and found.password.strip() and "\0" not in found.name + found.password and len(found.name) <= 256


@given(st.text(min_size=1, max_size=40))
def test_a_value_in_a_filter_is_one_value(value: str) -> None:
    filled = filled_filter("(&(uid={user})(o=x))", user=value)
    assert filled.startswith("(&(uid=") and filled.endswith(")(o=x))")
    assert not set("()*\0") & set(filled[len("(&(uid=") : -len(")(o=x))")])


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40))
def test_a_value_in_a_dn_is_one_value(value: str) -> None:
    key = dn_key(login_name("uid={user},dc=x", value) or "")
    assert key is not None and len(key) == 2 and key[0] == (("uid", folded(value)),)


def test_dns_are_compared_as_directories_do() -> None:
    assert dn_key("CN=A  b , OU=X") == dn_key("cn=a b,ou=x") != dn_key("cn=ab,ou=x")
    assert dn_key("cn=a+sn=b,ou=x") == dn_key("sn=B+cn=A,ou=x")
    assert dn_key("not a dn") is dn_key("") is None
    inner, base = dn_key("cn=a,ou=x"), dn_key("ou=x")
    assert inner and base and is_below(inner, base) and not is_below(base, inner)
    assert is_dn_template("uid={user},dc=x") and not is_dn_template("{user}@x") and not is_dn_template("X\\{user}")


class Clock:
    """A clock that stands."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_verified_logins_are_forgotten_in_time_and_number() -> None:
    clock = Clock()
    kept: Verified[str] = Verified(10, 2, clock)
    one, two, three = (Credentials(name, "p") for name in ("one", "two", "three"))
    kept.keep(one, "1")
    assert kept.get(one) == "1" and kept.get(Credentials("one", "q")) is None and kept.get(Credentials("on", "ep")) is None
    clock.now = 10
    assert kept.get(one) is None
    for each in (one, two, three):
        kept.keep(each, each.name)
    assert [kept.get(each) for each in (one, two, three)] == [None, "two", "three"]
    off: Verified[str] = Verified(0, 2)
    off.keep(one, "1")
    assert off.get(one) is None


@pytest.mark.parametrize("secret", ["one", "p"])
def test_neither_names_nor_passwords_are_kept(secret: str) -> None:
    kept: Verified[str] = Verified(10, 2)
    kept.keep(Credentials("one", "p"), "1")
    assert all(secret.encode() not in key or len(key) == 32 for key in kept._kept)
