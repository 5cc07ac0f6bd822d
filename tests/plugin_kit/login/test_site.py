"""Where browsers reach an application, whatever they say of it themselves."""

from __future__ import annotations

import pytest

from mockforge_plugin import PluginError, PluginInfo, Request
from mockforge_plugin.login import Site, origin_of, url_problems

INFO = PluginInfo("auth", "1.0.0")
SITE = Site.of("https://app.example", INFO)
BELOW = Site.of("https://app.example/shop/", PluginInfo("auth", "1.0.0", prefix="/sso"))


def test_addresses_are_those_of_the_configuration() -> None:
    request = Request("GET", "/orders", host="evil.example", scheme="http", query={"page": "2"})
    assert (SITE.base(request), SITE.url(request, "callback")) == ("https://app.example", "https://app.example/auth/callback")
    assert (SITE.here(request), SITE.path(request, "/x")) == ("/orders?page=2", "/x")
    assert (BELOW.url(request, "callback"), BELOW.path(request, "/")) == ("https://app.example/shop/sso/callback", "/shop/")


@pytest.mark.parametrize(
    ("path", "here"), [("/orders", "/shop/orders"), ("/shop/orders", "/shop/orders"), ("/shopping", "/shop/shopping"), ("/shop", "/shop")]
)
def test_a_page_below_a_mount_is_known_with_the_path_of_the_mount(path: str, here: str) -> None:
    assert BELOW.here(Request("GET", path)) == here


def test_without_an_address_only_development_and_this_machine_will_do() -> None:
    with pytest.raises(PluginError, match="public_url: outside development"):
        Site.of(None, INFO)
    site = Site.of(None, PluginInfo("auth", "1.0.0", development=True))
    for host in ("127.0.0.1:8000", "localhost:8000", "[::1]:8000"):
        assert site.url(Request("GET", "/", host=host), "login") == f"http://{host}/auth/login"
    for host in ("app.example", "192.0.2.1:8000", "127.0.0.1.evil.example", "", "localhost@evil.example"):
        with pytest.raises(PluginError, match="another machine"):
            site.base(Request("GET", "/", host=host))


@pytest.mark.parametrize(
    ("headers", "is_own"),
    [
        ({"origin": "https://app.example"}, True),
        ({"origin": "https://app.example", "sec-fetch-site": "same-origin"}, True),
        ({"origin": "null", "sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"origin": "https://app.example:8443"}, False),
        ({"origin": "http://app.example"}, False),
        ({"origin": "https://app.example.evil.example"}, False),
        ({"origin": "https://evil.example", "sec-fetch-site": "same-origin"}, False),
        ({"origin": "null", "sec-fetch-site": "cross-site"}, False),
        ({"origin": "null"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({}, False),
    ],
)
def test_pages_of_others_are_told_from_its_own(headers: dict[str, str], is_own: bool) -> None:
    assert SITE.is_own_page(Request("POST", "/auth/logout", headers=headers)) is is_own
    assert Site.of("https://app.example:443/shop", INFO).is_own_page(Request("POST", "/", headers=headers)) is is_own


def test_origins_are_written_as_browsers_write_them() -> None:
    written = {
        "https://App.Example:443/x?y": "https://app.example",
        "http://[::1]:8080/": "http://[::1]:8080",
        "http://h:80": "http://h",
        "https://h:80": "https://h:80",
    }
    assert {url: origin_of(url) for url in written} == written
    with pytest.raises(ValueError, match="range"):
        origin_of("https://h:99999/")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://app.example", ""),
        ("https://app.example:8443/shop", ""),
        ("http://127.0.0.1:8000", ""),
        ("http://localhost:8000", ""),
        ("http://app.example", "plain http"),
        ("app.example", "not an address"),
        ("ftp://app.example", "not an address"),
        ("https://", "not an address"),
        ("https://user:word@app.example", "not an address"),
        ("https://app.example/?x=1", "not an address"),
        ("https://app.example/#x", "not an address"),
        ("https://[::1", "not an address"),
        ("https://bücher.example", "punycode"),
        ("https://app.example/a b", "punycode"),
    ],
)
def test_what_is_wrong_with_an_address_is_said(url: str, words: str) -> None:
    found = list(url_problems(url, may_be_plain=False))
    assert (len(found), all(words in each for each in found)) == (bool(words), True)
    assert not list(url_problems("http://app.example", may_be_plain=True))
