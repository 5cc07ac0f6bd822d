"""Native code in this process, where several calls share one object."""

from __future__ import annotations

import asyncio

import pytest

from mockforge_asgi.exact_json import dumps
from tests.support.native_hosts import host


@pytest.mark.parametrize("is_async", [True, False])
async def test_queries_at_once_open_their_source_once(is_async: bool) -> None:
    source = """
        from mockforge_plugin import DataSourcePlugin, kv, sleep

        class Source(DataSourcePlugin):
            async def connect(self):
                await sleep(0)
                return await kv.incr("opened")

            async def query(self, query, params):
                return [{"connection": self.connection}]
        """
    if not is_async:
        source = (
            source.replace("async def", "def")
            .replace("await sleep(0)", "sleep(0).result()")
            .replace('await kv.incr("opened")', 'kv.incr("opened").result()')
        )
    plugin = host(source)
    await plugin.open()
    await plugin.start()
    answers = await asyncio.gather(*(plugin.call("data.query", dumps({"query": "q", "params": {}})) for _ in range(3)))
    await plugin.close()
    assert [answer["rows"] for answer in answers] == [[[1]]] * 3
