"""A source with a plugin of its own, from its configuration to what it is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockforge_asgi.errors import HostCallError, MockForgeError
from mockforge_asgi.runtime import PluginRuntime

PLUGIN = '''\
"""Answers with what it is asked."""

from mockforge_plugin import Column, DataResult, DataSourcePlugin, PluginError


class Echo(DataSourcePlugin):
    def query(self, query, params, *, limit=None, types=None, name="", order=(), write=False, count=False, max_bytes=None, timeout_ms=None):
        if query == "conflict":
            raise PluginError("unique violation of users_pkey: (id)=(5)", code="conflict")
        asked = [query, dict(params), limit, types, name, list(order), write, count, max_bytes, timeout_ms]
        return DataResult((Column("asked", "json"),), ((asked,),), affected=1 if write else None)
'''
MANIFEST = """\
manifest_version: 1
id: {id}
version: 1.0.0
contract: "0.1"
kinds: [{kind}]
runtime: {runtime}
entry: plugin.py
"""
CONFIG = """\
version: 1
dev: true
sources:
  shop:
    use: ./shop
    {native}
    limits: {{max_rows: 50, max_mb: 1, timeout_ms: 700}}
    queries:
      by_id: {{query: "select :id", params: {{id: integer, born: {{type: date, default: "2000-01-01"}}}}}}
      users: {{from: users, where: {{city: {{type: text, optional: true}}}}, order: [-id], limit: 7}}
      add: {{query: [a, b], params: {{price: decimal}}, write: true}}
      twice: {{query: conflict, write: true}}
"""


def write(folder: Path, runtime: str, kind: str = "data_source") -> Path:
    (folder / "shop").mkdir()
    (folder / "shop" / "plugin.yaml").write_text(MANIFEST.format(id="shop-data", runtime=runtime, kind=kind))
    (folder / "shop" / "plugin.py").write_text(PLUGIN)
    file = folder / "mockforge.yaml"
    file.write_text(CONFIG.format(native="native: {trust: path}" if runtime == "native" else "cache_s: 0"))
    return file


@pytest.mark.parametrize("runtime", ["native", "python"])
async def test_a_source_is_asked_with_types_name_order_and_limits(tmp_path: Path, runtime: str) -> None:
    plugins = PluginRuntime(write(tmp_path, runtime))
    await plugins.start()
    try:
        bounds = [1 << 20, 700]

        async def asked(name: str, params: dict[str, object], *, count: bool = False) -> object:
            return (await plugins.sources.query("shop", name, params, count=count))["rows"][0][0]

        types = {"id": "integer", "born": "date"}
        expected = ["select :id", {"id": 5, "born": "2000-01-01"}, 50, types, "by_id", [], False, False, *bounds]
        assert await asked("by_id", {"id": "5"}) == expected
        portable = {"from": "users", "where": ["city"]}
        assert await asked("users", {}, count=True) == [portable, {}, 7, {"city": "text"}, "users", ["-id"], False, True, *bounds]
        assert await asked("add", {"price": "1.10"}) == [
            ["a", "b"],
            {"price": "1.10"},
            50,
            {"price": "decimal"},
            "add",
            [],
            True,
            False,
            *bounds,
        ]
        assert (await plugins.sources.query("shop", "add", {"price": 1}))["affected"] == 1
        with pytest.raises(HostCallError) as caught:
            await plugins.sources.query("shop", "twice", {})
        assert caught.value.code == "conflict" and "5" not in caught.value.message
    finally:
        await plugins.stop()


async def test_a_source_whose_plugin_is_of_another_kind_is_told_at_its_place(tmp_path: Path) -> None:
    file = write(tmp_path, "native", "response")
    with pytest.raises(MockForgeError, match=r"sources\.shop\.use: 'shop' is of the kinds response, not data_source"):
        await PluginRuntime(file).start()
