"""What a plugin depends on starts before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from mockforge_asgi.errors import PluginRejected
from mockforge_asgi.plugins.package.manifest import Manifest, manifest_of
from mockforge_asgi.plugins.start_order import cycle_of, start_order
from tests.support.plugin_packages import MANIFEST

DATA: dict[str, Any] = yaml.safe_load(MANIFEST)


@dataclass(frozen=True)
class Described:
    manifest: Manifest


def plugins(**needs: list[str]) -> dict[str, Described]:
    return {
        name: Described(manifest_of({**DATA, "id": f"id-{name}", "dependencies": [f"id-{n}" for n in wanted]}))
        for name, wanted in needs.items()
    }


def test_dependencies_come_first_and_otherwise_as_configured() -> None:
    made = plugins(a=["c"], b=[], c=["d"], d=[])
    order = [one.manifest.id[-1] for one in start_order(made)]
    assert order.index("d") < order.index("c") < order.index("a")
    assert [one.manifest.id[-1] for one in start_order(plugins(b=[], a=[], c=[]))] == ["b", "a", "c"]


def test_a_dependency_that_is_not_there_changes_nothing() -> None:
    assert len(start_order(plugins(a=["x"], b=[]))) == 2


def test_a_cycle_is_told_in_the_order_in_which_they_need_each_other() -> None:
    made = plugins(a=["b"], b=["c"], c=["a"], d=[])
    cycle = cycle_of(made)
    assert cycle[0] == cycle[-1] and set(cycle) == {"a", "b", "c"}
    assert "".join(cycle) in ("abca", "bcab", "cabc")
    with pytest.raises(PluginRejected, match="in a cycle"):
        start_order(made)
    assert cycle_of(plugins(a=["b"], b=[])) == ()
