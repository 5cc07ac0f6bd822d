"""Which templates a plugin's answer may name."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from mockforge_asgi.errors import PluginFailed
from mockforge_asgi.plugins.permits import permit_template


@dataclass(frozen=True)
class Rights:
    templates: frozenset[str]


@pytest.mark.parametrize("listed", ["login.html", "*"])
def test_a_listed_template_is_permitted(listed: str) -> None:
    permit_template("sso", Rights(frozenset({listed})), "auth.authenticate", "login.html")


@pytest.mark.parametrize("listed", [(), ("Login.html",), ("login",), ("*.html",)])
def test_any_other_is_refused_with_what_to_write(listed: tuple[str, ...]) -> None:
    with pytest.raises(PluginFailed, match=r"templates: \[login.html\]. under plugins.sso") as caught:
        permit_template("sso", Rights(frozenset(listed)), "auth.authenticate", "login.html")
    assert caught.value.code == "denied"
