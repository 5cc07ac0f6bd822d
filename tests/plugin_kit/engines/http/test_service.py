"""Links of others lead below the address of the service, or nowhere; waiting times of all forms are read."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_plugin import PluginError
from mockforge_plugin.engines.http.service import Request, Service

SERVICE = Service({"url": "https://api.example:8443/v1"})
WITHIN = Request("GET", "/items?page=1")


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("?page=2", "/items?page=2"), ("/v1/items?page=2", "/items?page=2"), ("more", "/more"), ("https://API.example:8443/v1/x#y", "/x"),
        ("https://api.example/v1/x", None), ("http://api.example:8443/v1/x", None), ("//evil.example/v1/x", None), ("/v2/x", None),
        ("/v1/../v2", None), ("/v1/%2e%2E/v2", None), ("..", None), ("https://a@api.example:8443/v1/x", None), ("javascript:1", None),
        ("https://api.example:99999/v1/x", None), ("\\\\evil.example\\v1", None), ("", "/items?page=1"),
    ],
)  # fmt: skip
def test_a_link_is_one_below_the_address_or_none(link: str, target: str | None) -> None:
    if target is None:
        with pytest.raises(PluginError) as caught:
            SERVICE.target(link, WITHIN)
        assert caught.value.code == "bad_data"
    else:
        assert SERVICE.target(link, WITHIN) == target


@given(st.text() | st.from_regex(r"(https?:)?//[a-z.@:\\]{1,12}/v1/[./%2eE\\]{0,8}"))
def test_whatever_the_link_it_stays_below_the_address(link: str) -> None:
    try:
        target = SERVICE.target(link, WITHIN)
    except PluginError as error:
        assert error.code == "bad_data"
        return
    parts = urlsplit(f"https://api.example:8443/v1{target}")
    assert (parts.hostname, parts.port) == ("api.example", 8443)
    assert not {".", ".."} & set(parts.path.lower().replace("%2e", ".").split("/"))
