"""Several workers need a store that all of them see, where it matters."""

from __future__ import annotations

import pytest

from mockforge_asgi.config import load_config
from mockforge_asgi.config.workers import check_workers
from mockforge_asgi.errors import ConfigError

KEEPS = {"version": 1, "plugins": {"counter": {"use": "./c", "grants": {"kv": True}}}}


def test_several_workers_with_the_memory_store_are_refused_where_it_matters() -> None:
    with pytest.raises(ConfigError, match=r"url: sqlite:///mockforge-state\.db") as raised:
        check_workers(load_config(KEEPS), 2)
    assert [str(p) for p in raised.value.problems] == ["configuration plugins.counter: 'counter' keeps data in key-value storage."]


@pytest.mark.parametrize(
    ("config", "workers"),
    [(KEEPS, 1), ({**KEEPS, "state": {"url": "sqlite:///x.db"}}, 4), ({"version": 1, "plugins": {"a": {"use": "./a"}}}, 4)],
)
def test_anything_else_may_run(config: dict[str, object], workers: int) -> None:
    check_workers(load_config(config), workers)
