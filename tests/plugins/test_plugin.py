"""A loaded plugin: which templates its responses may name."""

from __future__ import annotations

import pytest

from mockforge_asgi.errors import PluginFailed
from tests.support.plain_host import plain_plugin


@pytest.mark.parametrize("listed", ["login.html", "*"])
def test_a_listed_template_is_permitted(listed: str) -> None:
    plain_plugin("sso", "auth", {}, templates=frozenset({listed})).permit_template("auth.authenticate", "login.html")


@pytest.mark.parametrize("listed", [(), ("Login.html",), ("login",), ("*.html",)])
def test_any_other_is_refused_with_what_to_write(listed: tuple[str, ...]) -> None:
    plugin = plain_plugin("sso", "auth", {}, templates=frozenset(listed))
    with pytest.raises(PluginFailed, match=r"templates: \[login.html\]. under plugins.sso") as caught:
        plugin.permit_template("auth.authenticate", "login.html")
    assert caught.value.code == "denied"
