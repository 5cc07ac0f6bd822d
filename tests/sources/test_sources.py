"""Sources answer in one shape, and never wait for themselves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.config.sources.objects import NamedQuery, QueryParameter, SourceConfig, SourceLimits
from mockforge_asgi.contract.source_query import SourceQuery
from mockforge_asgi.errors import HostCallError, LimitExceeded, PluginFailed, PluginUnavailable, SourceFailed
from mockforge_asgi.events import EventStream
from mockforge_asgi.sources.parameters import ordered
from mockforge_asgi.sources.results import checked_result
from mockforge_asgi.sources.sources import Sources

Json = Any
USERS = {"columns": [{"name": "id", "type": "integer"}], "rows": [[1], [2], [3]], "truncated": False, "next": "c2", "total": 9, "extra": 1}


class Source:
    """A data source whose answer is made by a function."""

    def __init__(self, name: str, answer: Callable[..., Awaitable[Json]]) -> None:
        self.name, self._answer, self.kinds = name, answer, frozenset({"data_source"})
        self.asked: list[tuple[Any, ...]] = []
        self.keeps_deadlines = False

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
    every = sources(source)
    answer = await every.query("db", "all", {"a": 1})
    following = answer.pop("next")
    assert answer == {"columns": USERS["columns"], "rows": [[1], [2], [3]], "truncated": False, "total": 9}
    await every.query("db", "all", {"a": 1}, cursor=following)
    assert source.asked == [("all", {"a": 1}, 10_000, None), ("all", {"a": 1}, 10_000, "c2")]


@pytest.mark.parametrize(
    "forge", [lambda c: c[:-1], lambda c: c + "A", lambda c: "c2", lambda c: "", lambda c: "é", lambda c: c + "=" * 5000]
)
async def test_a_forged_cursor_and_one_of_another_query_are_the_clients_fault(forge: Callable[[str], str]) -> None:
    every = sources(Source("db", found(USERS)))
    cursor = (await every.query("db", "all", {"a": 1}))["next"]
    for params, given_cursor in (({"a": 1}, forge(cursor)), ({"a": 2}, cursor)):
        with pytest.raises(SourceFailed) as caught:
            await every.query("db", "all", params, cursor=given_cursor)
        assert (caught.value.code, caught.value.status) == ("invalid_input", 400)


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
        (PluginFailed("db", "data.query", "secret inside"), "bad_data", False),
        (PluginFailed("db", "data.query", "secret inside", code="conflict"), "conflict", False),
        (PluginFailed("db", "data.query", "secret inside", code="unavailable"), "unavailable", True),
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


FAST = SourceLimits(max_rows=1000, max_mb=0.001, timeout_ms=50)


def one(source: Source, query: NamedQuery, **options: Any) -> Sources:
    """A source with one query, `q`."""
    return Sources({"s": SourceConfig("s", "db", {"q": query}, FAST)}, {"db": source}, **options)


async def test_a_query_ends_at_its_deadline_also_where_its_driver_will_not_be_cancelled() -> None:
    stuck, may_end = asyncio.Event(), asyncio.Event()

    async def hang() -> Json:
        while not may_end.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                stuck.set()
                await may_end.wait()
        return USERS

    every = one(Source("db", hang), NamedQuery("q", "select 1"))
    with pytest.raises(SourceFailed) as caught:
        await every.query("s", "q", {})
    assert (caught.value.code, caught.value.status) == ("timeout", 504)
    assert stuck.is_set() and len(every._slots["s"]) == 1, "its slot stays taken until it ends"
    may_end.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(every._slots["s"]) == 0


async def test_whoever_leaves_cancels_its_query() -> None:
    begun, was_cancelled = asyncio.Event(), asyncio.Event()

    async def wait() -> Json:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            was_cancelled.set()

    every = one(Source("db", wait), NamedQuery("q", "select 1"))
    asking = asyncio.create_task(every.query("s", "q", {}))
    await begun.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.wait_for(was_cancelled.wait(), 5)


async def test_cached_rows_are_read_once_for_all_and_again_after_a_write() -> None:
    source = Source("db", found(USERS))
    queries = {"q": NamedQuery("q", "select 1", cache_s=60), "w": NamedQuery("w", "insert", write=True)}
    every = Sources({"s": SourceConfig("s", "db", queries)}, {"db": source})
    first = await asyncio.gather(*(every.query("s", "q", {}) for _ in range(5)))
    assert len(source.asked) == 1 and all(answer == first[0] for answer in first)
    first[0]["rows"].clear()
    assert len((await every.query("s", "q", {}))["rows"]) == 3 and len(source.asked) == 1
    await every.query("s", "w", {})
    await every.query("s", "q", {})
    every.changed("db")
    await every.query("s", "q", {})
    assert [asked[0] for asked in source.asked] == ["select 1", "insert", "select 1", "select 1"]


async def test_a_write_by_one_source_empties_what_is_cached_of_others_of_its_plugin() -> None:
    source = Source("db", found(USERS))
    reads, writes = {"q": NamedQuery("q", "select 1", cache_s=60)}, {"w": NamedQuery("w", "insert", write=True)}
    every = Sources({"a": SourceConfig("a", "db", reads), "b": SourceConfig("b", "db", writes)}, {"db": source})
    for source_name, query in (("a", "q"), ("b", "w"), ("a", "q")):
        await every.query(source_name, query, {})
    assert [asked[0] for asked in source.asked] == ["select 1", "insert", "select 1"]


async def test_cached_rows_are_those_of_their_parameters_order_limit_and_page() -> None:
    source = Source("db", found(USERS))
    query = NamedQuery("q", "select 1", {"n": QueryParameter("integer")}, cache_s=60, sort=frozenset({"a"}))
    every = Sources({"s": SourceConfig("s", "db", {"q": query})}, {"db": source})
    following = (await every.query("s", "q", {"n": 1}))["next"]
    asks: list[dict[str, Any]] = [{}, {"limit": 2}, {"order": ["a"]}, {"order": ["-a"]}, {"count": True}, {"cursor": following}]
    for options in (*asks, *asks):
        await every.query("s", "q", {"n": 1}, **options)
    await every.query("s", "q", {"n": 2})
    assert len(source.asked) == len(asks) + 1


async def test_whoever_waits_for_cached_rows_gets_them_when_the_first_who_asked_has_left() -> None:
    go, begun = asyncio.Event(), asyncio.Event()

    async def give() -> Json:
        begun.set()
        await go.wait()
        return USERS

    source = Source("db", give)
    every = Sources({"s": SourceConfig("s", "db", {"q": NamedQuery("q", "select 1", cache_s=60)})}, {"db": source})
    first, second = (asyncio.create_task(every.query("s", "q", {})) for _ in range(2))
    await begun.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    go.set()
    assert len((await second)["rows"]) == 3 and len(source.asked) == 1


async def test_a_cursor_is_one_of_its_source_query_parameters_and_order() -> None:
    def query(name: str) -> NamedQuery:
        return NamedQuery(name, "select 1", {"user": QueryParameter("text")}, sort=frozenset({"a"}))

    plugins = {name: Source(name, found(USERS)) for name in ("db", "other")}
    queries = {name: query(name) for name in ("q", "r")}
    every = Sources({name: SourceConfig(name, name, queries) for name in plugins}, plugins)
    cursor = (await every.query("db", "q", {"user": "ada"}))["next"]
    await every.query("db", "q", {"user": "ada"}, cursor=cursor)
    flipped = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")
    for source, name, user, order, sent in (
        ("db", "q", "bo", [], cursor), ("db", "r", "ada", [], cursor), ("other", "q", "ada", [], cursor), ("db", "q", "ada", ["a"], cursor),
        ("db", "q", "ada", [], flipped), ("db", "q", "ada", [], f"{cursor}="), ("db", "q", "ada", [], f" {cursor}"),
    ):  # fmt: skip
        with pytest.raises(SourceFailed) as caught:
            await every.query(source, name, {"user": user}, order=order, cursor=sent)
        assert caught.value.status == 400


async def test_rows_beyond_max_mb_are_refused() -> None:
    every = one(Source("db", found({**USERS, "rows": [[10**15]] * 200})), NamedQuery("q", "select 1"))
    with pytest.raises(SourceFailed, match="more than its max_mb") as caught:
        await every.query("s", "q", {})
    assert (caught.value.code, caught.value.status) == ("limit", 502)


async def test_an_answer_too_large_for_whoever_asks_is_asked_for_anew_with_fewer_rows_but_a_write_is_not() -> None:
    source = Source("db", found(USERS))
    queries = {"q": NamedQuery("q", "select 1"), "w": NamedQuery("w", "insert", write=True)}
    every = Sources({"s": SourceConfig("s", "db", queries)}, {"db": source})
    answer = await every.query("s", "q", {}, max_values=2)
    assert (answer["rows"], answer["truncated"], "next" in answer) == ([[1], [2]], True, True)
    await every.query("s", "q", {}, max_values=2)
    assert [asked[2] for asked in source.asked] == [1000, 2, 2]
    answer = await every.query("s", "w", {}, max_values=2)
    assert (answer["rows"], answer["truncated"], "next" in answer, len(source.asked)) == ([[1], [2]], True, False, 4)


async def test_a_source_that_is_down_is_left_alone_for_a_while_and_one_that_is_busy_is_not() -> None:
    down = Source("db", found(PluginFailed("db", "data.query", "x", code="unavailable")))
    every = one(down, NamedQuery("q", "select 1"))
    for _ in range(5):
        with pytest.raises(SourceFailed) as caught:
            await every.query("s", "q", {})
        assert (caught.value.code, caught.value.status) == ("unavailable", 503)
    assert len(down.asked) == 3 and 0 < caught.value.retry_after_s <= 1
    busy = Source("db", found(PluginFailed("db", "data.query", "x", code="unavailable", details={"busy": True})))
    every = one(busy, NamedQuery("q", "select 1"))
    for _ in range(5):
        with pytest.raises(SourceFailed):
            await every.query("s", "q", {})
    assert len(busy.asked) == 5


async def test_an_order_is_one_that_the_query_allows_before_its_own() -> None:
    query = NamedQuery("q", {"from": "t", "where": []}, order=("id",), sort=frozenset({"name", "city"}))
    assert ordered(query, []) == ("id",)
    assert ordered(query, ["-name", "city"]) == ("-name", "city", "id")
    for wanted in (["id"], ["--name"], ["name", "-name"], [""]):
        with pytest.raises(SourceFailed) as caught:
            ordered(query, wanted)
        assert caught.value.status == 400


async def test_an_event_tells_of_each_query_without_its_values() -> None:
    events, heard = EventStream(), list[Any]()
    events.subscribe(heard.append)
    query = NamedQuery("q", "select :v", {"v": QueryParameter("text")}, cache_s=60)
    every = one(Source("db", found({**USERS, "waited_ms": 3})), query, events=events)
    await every.query("s", "q", {"v": "hush-hush"})
    await every.query("s", "q", {"v": "hush-hush"})
    bad = one(Source("db", found(PluginFailed("db", "data.query", "masked", code="conflict"))), query, events=events)
    with pytest.raises(SourceFailed):
        await bad.query("s", "q", {"v": "hush-hush"})
    told = [(e.source, e.query, e.rows, e.size_bytes, e.waited_s, e.is_cached, e.outcome, e.reason) for e in heard]
    assert told == [
        ("s", "q", 3, 13, 0.003, False, "ok", ""), ("s", "q", 3, 0, 0.0, True, "ok", ""),
        ("s", "q", 0, 0, 0.0, False, "conflict", "masked"),
    ]  # fmt: skip
    assert "hush-hush" not in repr(heard)


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
