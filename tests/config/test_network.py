"""Network rules: the grammar, what a rule allows, and what comes of asking and granting."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.config.network import BadRule, NetworkRule, meet


@pytest.mark.parametrize(
    ("text", "rule", "shown"),
    [
        ("https://api.example.com", ("https", "api.example.com", 443), "https://api.example.com"),
        ("https://API.Example.com:443", ("https", "api.example.com", 443), "https://api.example.com"),
        ("http://api.example.com", ("http", "api.example.com", 80), "http://api.example.com"),
        ("https://api.example.com:8443", ("https", "api.example.com", 8443), "https://api.example.com:8443"),
        ("https://*.example.com", ("https", "*.example.com", 443), "https://*.example.com"),
        ("http://192.0.2.1:81", ("http", "192.0.2.1", 81), "http://192.0.2.1:81"),
        ("http://[2001:DB8:0::1]", ("http", "2001:db8::1", 80), "http://[2001:db8::1]"),
        ("http://xn--bcher-kva.example", ("http", "xn--bcher-kva.example", 80), "http://xn--bcher-kva.example"),
        ("http://localhost:90", ("http", "localhost", 90), "http://localhost:90"),
    ],
)
def test_a_rule_is_read_in_one_form(text: str, rule: tuple[str, str, int], shown: str) -> None:
    found = NetworkRule.parse(text)
    assert (found.scheme, found.host, found.port) == rule
    assert str(found) == shown
    assert NetworkRule.parse(shown) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("api.example.com", "has no scheme"),
        ("ftp://a.example", "'ftp' is not http or https"),
        ("https://user@a.example", "names a user"),
        ("https://a.example/", "has a path"),
        ("https://a.example?x", "has a path or query"),
        ("https://a.example:0", "0 is not a port"),
        ("https://a.example:99999", "99999 is not a port"),
        ("https://*", "would allow every host"),
        ("https://*.com", "'\\*' may only stand"),
        ("https://a.*.example.com", "'\\*' may only stand"),
        ("https://api*.example.com", "'\\*' may only stand"),
        ("https://*.*.example.com", "'\\*' may only stand"),
        ("https://a.example.", "ends with a dot"),
        ("https://bücher.example", "Write it as 'xn--bcher-kva.example'"),
        ("https://127.1", "not an address in its plain form"),
        ("https://0x7f.1", "not an address in its plain form"),
        ("https://0x7f000001", "not an address in its plain form"),
        ("https://2130706433", "not an address in its plain form"),
        ("https://010.0.0.1", "not an address in its plain form"),
        ("https://[::1", "not a network rule"),
        ("https://[fe80::1%eth0]", "not a network rule"),
        ("https://a..example", "not a valid name"),
        ("https://a b", "not a network rule"),
        ("https://a.example\n", "not a network rule"),
        ("https://-a.example", "not a valid name"),
        ("", "has no scheme"),
    ],
)
def test_anything_else_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(BadRule, match=words):
        NetworkRule.parse(text)


@pytest.mark.parametrize(
    ("rule", "place", "is_allowed"),
    [
        ("https://*.example.com", ("https", "a.example.com", 443), True),
        ("https://*.example.com", ("https", "a.b.example.com", 443), True),
        ("https://*.example.com", ("https", "example.com", 443), False),
        ("https://*.example.com", ("https", "evilexample.com", 443), False),
        ("https://*.example.com", ("http", "a.example.com", 443), False),
        ("https://a.example.com", ("https", "a.example.com", 8443), False),
        ("https://a.example.com", ("https", "b.a.example.com", 443), False),
        ("http://192.0.2.1", ("http", "192.0.2.1", 80), True),
        ("http://192.0.2.1", ("http", "192.0.2.10", 80), False),
    ],
)
def test_a_rule_allows_what_it_names(rule: str, place: tuple[str, str, int], is_allowed: bool) -> None:
    assert NetworkRule.parse(rule).matches(*place) is is_allowed


@pytest.mark.parametrize(
    ("asked", "granted", "effective"),
    [
        ("https://*", "https://idp.example.com", "https://idp.example.com"),
        ("https://*", "https://idp.example.com:8443", "https://idp.example.com:8443"),
        ("https://*", "http://idp.example.com", None),
        ("https://*:8443", "https://idp.example.com", None),
        ("https://*.example.com", "https://api.example.com", "https://api.example.com"),
        ("https://api.example.com", "https://*.example.com", "https://api.example.com"),
        ("https://*.example.com", "https://*.eu.example.com", "https://*.eu.example.com"),
        ("https://*.example.com", "https://example.com", None),
        ("https://a.example", "https://b.example", None),
    ],
)
def test_the_narrower_rule_comes_of_asking_and_granting(asked: str, granted: str, effective: str | None) -> None:
    found = meet(NetworkRule.parse(asked, any_host=True), NetworkRule.parse(granted))
    assert (str(found) if found else None) == effective


def test_only_the_operator_says_that_addresses_inside_are_meant() -> None:
    asked, granted = NetworkRule.parse("http://10.0.0.5", private=True), NetworkRule.parse("http://10.0.0.5")
    found = meet(asked, granted)
    assert found is not None and not found.private
    found = meet(granted, asked)
    assert found is not None and found.private


@pytest.mark.parametrize(
    "text", ["http://localhost", "http://x.localhost", "http://127.0.0.1", "http://[::1]", "http://10.1.2.3", "http://169.254.169.254"]
)
def test_addresses_inside_are_known(text: str) -> None:
    assert NetworkRule.parse(text).is_inside


@given(st.text(max_size=80) | st.text(alphabet="htps:/.*[]@0123456789ax-", max_size=40))
def test_a_text_is_a_rule_or_is_refused(text: str) -> None:
    try:
        rule = NetworkRule.parse(text)
    except BadRule:
        return
    assert NetworkRule.parse(str(rule)) == rule


@pytest.mark.parametrize("text", ["http://[::ffff:127.0.0.1]", "http://[64:ff9b::7f00:1]", "http://10.0.0.1", "http://localhost", "http://a.localhost",
                                  "http://100.100.100.200", "http://224.0.0.1"])  # fmt: skip
def test_a_rule_for_an_address_inside_is_known_in_every_disguise(text: str) -> None:
    assert NetworkRule.parse(text).is_inside


@pytest.mark.parametrize("text", ["http://*.192.0.2.1", "http://[192.0.2.1]"])
def test_an_address_stands_for_itself_and_is_written_in_its_own_form(text: str) -> None:
    with pytest.raises(BadRule, match="not an address in its plain form"):
        NetworkRule.parse(text)
