"""Sources answer in one shape, and never wait for themselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.config.sources.objects import NamedQuery, QueryParameter, SourceConfig
from mockforge_asgi.contract.source_query import SourceQuery
from mockforge_asgi.errors import HostCallError, LimitExceeded, PluginFailed, PluginUnavailable
from mockforge_asgi.sources.sources import Sources, checked_result

Json = Any
USERS = {"columns": [{"name": "id", "type": "integer"}], "rows": [[1], [2], [3]], "truncated": False, "next": "c2", "total": 9, "extra": 1}


class Source:
    """A data source whose answer is made by a function."""

    def __init__(self, name: str, answer: Callable[..., Awaitable[Json]]) -> None:
        self.name, self._answer, self.kinds = name, answer, frozenset({"data_source"})
        self.asked: list[tuple[Any, ...]] = []

    async def query(self, exchange: None, asked: SourceQuery) -> Json:
        self.asked.append((asked.query, dict(asked.params), asked.limit, asked.cursor))
        return await self._answer()


def found(answer: Json) -> Callable[[], Awaitable[Json]]:
    async def give() -> Json:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return give


def sources(*made: Source) -> Sources:
    return Sources({}, {source.name: source for source in made})


async def test_a_named_query_gives_rows() -> None:
    source = Source("db", found(USERS))
    answer = await sources(source).query("db", "all", {"a": 1}, cursor="c1")
    assert answer == {"columns": USERS["columns"], "rows": [[1], [2], [3]], "truncated": False, "next": "c2", "total": 9}
    assert source.asked == [("all", {"a": 1}, 10_000, "c1")]


async def test_rows_beyond_the_limit_are_cut_and_said_to_be() -> None:
    answer = await sources(Source("db", found(USERS))).query("db", "all", {}, limit=2)
    assert (answer["rows"], answer["truncated"]) == ([[1], [2]], True)


CONFIGURED = SourceConfig(
    "users", "db", {"by_id": NamedQuery("by_id", "select * from users where id = :id", {"id": QueryParameter("integer")}, limit=2)}
)


async def test_a_configured_query_is_sent_in_its_own_words_with_typed_parameters_and_its_limit() -> None:
    source = Source("db", found(USERS))
    every = Sources({"users": CONFIGURED}, {"db": source})
    assert len((await every.query("users", "by_id", {"id": "42"}, limit=100))["rows"]) == 2
    assert source.asked == [("select * from users where id = :id", {"id": 42}, 2, None)]
    await every.query("users", "select 1", {}, raw=True)
    assert source.asked[1][0] == "select 1"


@pytest.mark.parametrize(
    ("query", "params", "code"), [("by_name", {}, "not_found"), ("by_id", {"id": "x"}, "invalid_input"), ("by_id", {}, "invalid_input")]
)
async def test_what_is_not_configured_so_is_refused(query: str, params: dict[str, str], code: str) -> None:
    source = Source("db", found(USERS))
    with pytest.raises(HostCallError) as caught:
        await Sources({"users": CONFIGURED}, {"db": source}).query("users", query, params)
    assert caught.value.code == code
    assert not source.asked


async def test_a_plugin_of_another_kind_is_no_source() -> None:
    source = Source("db", found(USERS))
    source.kinds = frozenset({"auth"})
    with pytest.raises(HostCallError, match="no data source"):
        await sources(source).query("db", "all", {})


async def test_an_unknown_source_is_not_found() -> None:
    with pytest.raises(HostCallError) as caught:
        await sources().query("db", "all", {})
    assert caught.value.code == "not_found"


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (PluginFailed("db", "data.query", "secret inside", code="not_found"), "not_found", False),
        (PluginFailed("db", "data.query", "secret inside"), "unavailable", False),
        (LimitExceeded("db", "data.query", "timeout_ms", 5), "timeout", False),
        (LimitExceeded("db", "data.query", "output_kb", 5), "limit", False),
        (PluginUnavailable("db", "secret inside"), "unavailable", True),
    ],
)
async def test_a_source_that_fails_is_told_without_its_inside(error: Exception, code: str, retryable: bool) -> None:
    with pytest.raises(HostCallError) as caught:
        await sources(Source("db", found(error))).query("db", "all", {})
    assert (caught.value.code, caught.value.retryable) == (code, retryable)
    assert "secret" not in caught.value.message


async def test_a_source_never_waits_for_itself() -> None:
    async def ask_back() -> Json:
        return await every.query("db", "all", {}, asker="view")

    async def ask_view() -> Json:
        return await every.query("view", "all", {}, asker="db")

    every = sources(Source("db", ask_view), Source("view", ask_back))
    with pytest.raises(HostCallError, match="would wait for itself: caller → db → view → db"):
        await every.query("db", "all", {}, asker="caller")
    with pytest.raises(HostCallError, match="would wait for itself"):
        await every.query("db", "all", {}, asker="db")


async def test_chains_are_bounded() -> None:
    def asks(name: str, below: str) -> Source:
        return Source(name, lambda: every.query(below, "all", {}, asker=name))

    every = sources(*(asks(f"s{n}", f"s{n + 1}") for n in range(10)))
    with pytest.raises(HostCallError, match="more than 4 deep"):
        await every.query("s0", "all", {}, asker="caller")


async def test_a_failed_chain_leaves_nothing_behind() -> None:
    every = sources(Source("db", found(USERS)), Source("bad", found(PluginFailed("bad", "data.query", "x"))))
    for _ in range(10):
        with pytest.raises(HostCallError):
            await every.query("bad", "all", {}, asker="db")
    assert (await every.query("db", "all", {}, asker="caller"))["rows"]


@pytest.mark.parametrize(
    "answer",
    [None, [], {}, {"columns": [], "rows": {}}, {"columns": ["id"], "rows": []}, {"columns": [{"name": 1}], "rows": []},
     {"columns": [{"name": "a"}], "rows": [[1, 2]]}, {"columns": [{"name": "a"}], "rows": [1]}, {"columns": [{"name": "a", "type": 5}],
     "rows": []}],
)  # fmt: skip
async def test_an_odd_answer_is_refused(answer: Json) -> None:
    with pytest.raises(HostCallError, match="cannot be read"):
        await sources(Source("db", found(answer))).query("db", "all", {})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("columns", "rows", "truncated", "next", "total"), JSON)))
def test_whatever_a_source_answers_is_a_result_or_a_door_error(answer: Json) -> None:
    try:
        result = checked_result("db", answer, 5)
    except HostCallError:
        return
    assert all(len(row) == len(result["columns"]) for row in result["rows"])
