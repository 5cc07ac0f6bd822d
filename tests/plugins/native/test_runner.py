"""Native code in this process, where several calls share one object."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.exact_json import dumps, loads
from mockforge_plugin import Column, DataResult, DataSourcePlugin, Json
from mockforge_plugin.failure import WrongAnswer
from mockforge_plugin.operations.loading import load_plugin
from mockforge_plugin.tables import VALUE_TYPES
from tests.support.native_hosts import host
from tests.support.native_results import exact


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


class Tells(DataSourcePlugin):
    """Gives what it is told to."""

    found: Any = None

    def query(self, query: Json, params: Mapping[str, Json]) -> Any:
        """That."""
        return self.found


CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=3), st.decimals(places=2, allow_nan=True),
    st.dates(), st.datetimes(), st.timedeltas(), st.uuids(), st.just(object()), st.just("\ud800"), st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2) | st.integers(), st.floats() | st.binary(max_size=2) | st.just(object()), max_size=2),
)  # fmt: skip


@given(st.data(), st.integers(0, 3), st.booleans())
def test_rows_given_as_values_are_those_that_json_would_carry(data: st.DataObject, width: int, is_documents: bool) -> None:
    kinds = data.draw(st.lists(st.sampled_from(sorted(VALUE_TYPES)), min_size=width, max_size=width))
    columns = tuple(Column(f"c{n}", kind) for n, kind in enumerate(kinds))
    row = st.fixed_dictionaries({c.name: CELLS for c in columns}) if is_documents else st.tuples(*[CELLS] * width)
    plugin = Tells()
    plugin.found = DataResult(columns, tuple(data.draw(st.lists(row, max_size=3))), documents=is_documents)
    made = load_plugin(plugin)

    def outcome(call: Callable[[Any], Any]) -> Any:
        try:
            found = call({"query": "q", "params": {}})
            dumps(found)  # as `sources` does with all rows
        except (WrongAnswer, TypeError):
            return "refused"
        return exact(loads(found.encode()) if isinstance(found, str) else found)

    assert outcome(made.rows) == outcome(lambda document: made.call("data.query", document))
