"""A plugin of this process, called with values: whatever its methods give, it means what it means by way of JSON."""

from __future__ import annotations

import asyncio
import datetime
import enum
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any, Final, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.contract import Json
from mockforge_asgi.contract.results import ResultReader
from mockforge_asgi.contract.usual import UNUSUAL, UsualResults
from mockforge_asgi.errors import LimitExceeded, MockForgeError, PluginUnavailable
from mockforge_asgi.events import AnswerRefused, CallFinished
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.responses import MockResponse
from mockforge_asgi.plugins.breaker import Breaker
from mockforge_asgi.plugins.native.host import NativeHost, own_host
from mockforge_asgi.plugins.native.inline import TRUSTED
from mockforge_asgi.plugins.native.plugin import NativePlugin, native_plugin
from mockforge_asgi.plugins.plugin import Plugin, PluginMeta
from mockforge_asgi.testing import Conversation
from mockforge_plugin import (
    Allow,
    AuthPlugin,
    Body,
    Deny,
    ModifierPlugin,
    Principal,
    Reply,
    Request,
    Response,
    ResponsePlugin,
    TemplatePlugin,
    endpoint,
    function,
)
from mockforge_plugin.pairs import Headers as KitHeaders
from mockforge_plugin.request import Answer
from tests.support.native_hosts import Told, doors, host

OUTPUT_BYTES = 64 * 1024
META = PluginMeta("native", "native", "1", "", "native", frozenset({"auth", "response", "modifier", "template"}))


class Says(AuthPlugin, ResponsePlugin, ModifierPlugin, TemplatePlugin):
    """Every method gives what it is told to."""

    def __init__(self, make: Callable[[], Any] = lambda: None) -> None:
        self.make = make

    async def authenticate(self, request: Request) -> Any:
        return self.make()

    async def can_handle(self, request: Request) -> Any:
        return self.make()

    async def generate(self, request: Request) -> Any:
        return self.make()

    async def modify(self, request: Request, response: Answer) -> Any:
        return self.make()

    @function
    async def give(self, what: Any = None) -> Any:
        return self.make()

    @endpoint("e")
    async def served(self, request: Request) -> Any:
        return self.make()


class Both:
    """One plugin over one host, called with values and with documents."""

    def __init__(self, opened: NativeHost, description: Any, told: Told) -> None:
        reader = ResultReader("native", frozenset({"set-cookie"}), events=told.stream)
        self.told, self.host = told, opened
        self.values = native_plugin(META, description, opened, TRUSTED, reader, Breaker("native"))
        self.documents = Plugin(META, description, opened, TRUSTED, reader, breaker=Breaker("native"))
        assert type(self.values) is NativePlugin

    @classmethod
    async def of(cls, target: object, output_bytes: int = OUTPUT_BYTES) -> Both:
        told = Told()
        opened = own_host("native", target, doors(told), told.stream)
        opened.options = replace(opened.options, output_bytes=output_bytes)
        opened.runner.output_bytes = output_bytes  # type: ignore[attr-defined]  # it runs in this process
        description = await opened.open()
        await opened.start()
        return cls(opened, description, told)

    async def outcomes(self, ask: Callable[[Plugin], Awaitable[Any]]) -> tuple[Any, Any]:
        """What comes of the same call in both ways, with what is told of it."""
        return await self._outcome(ask, self.values), await self._outcome(ask, self.documents)

    async def _outcome(self, ask: Callable[[Plugin], Awaitable[Any]], plugin: Plugin) -> Any:
        self.told.events.clear()
        try:
            said: Any = exact(await ask(plugin))
        except MockForgeError as error:
            said = (type(error), _words(str(error)), getattr(error, "code", ""), _words(getattr(error, "author_traceback", "")))
        return said, [
            (type(e), e.plugin, e.op, _words(e.error), getattr(e, "outcome", ""))
            for e in self.told.events
            if isinstance(e, CallFinished | AnswerRefused)
        ]


def _words(text: str) -> str:
    """Without addresses of memory."""
    return re.sub(r"0x[0-9a-f]+", "0x", text)


def exact(value: Any) -> Any:
    """A value with the types of all that it is made of, so that 1 is not True and a subclass is not its base."""
    kind = type(value)
    if kind is dict:
        return kind, [(exact(key), exact(item)) for key, item in value.items()]
    if kind in (list, tuple):
        return kind, [exact(item) for item in value]
    slots = getattr(kind, "__slots__", ())
    return (kind, [exact(getattr(value, name)) for name in slots if not name.startswith("_")]) if slots else (kind, repr(value))


def exchange(**over: Any) -> Exchange:
    talk = Conversation()
    scope = {"type": "http", "method": "GET", "path": "/a", "query_string": b"", "headers": [(b"x-key", b"k")], **over}
    return Exchange(scope, talk.receive, talk.send)


RESPONSE = MockResponse(200, ((b"content-type", b"text/plain"), (b"x-old", b"1")), b"as it was")
OPS: dict[str, Callable[[Plugin], Awaitable[Any]]] = {
    "authenticate": lambda plugin: plugin.authenticate(exchange()),
    "can_handle": lambda plugin: plugin.can_handle(exchange()),
    "generate": lambda plugin: plugin.generate(exchange()),
    "modify": lambda plugin: plugin.modify(exchange(), RESPONSE),
    "give": lambda plugin: plugin.call_function(None, "give", [], {}),
    "served": lambda plugin: plugin.call_endpoint(exchange(), "e"),
}


class Text(str):
    pass


class Number(int):
    pass


class Fraction(float):
    pass


class Mapping(dict[Any, Any]):
    def items(self) -> Any:
        return [("other", 1)]


class Sequence(list[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter(["x"])


class Colour(enum.Enum):
    RED = "red"


class Name(enum.StrEnum):
    ADA = "ada"


class Equal:
    """Equal to everything, and true or not as it likes."""

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash(str)

    def __bool__(self) -> bool:
        return False


class Pretends(type):
    """Types that pretend to be str."""

    def __eq__(cls, other: object) -> bool:
        return True

    def __hash__(cls) -> int:
        return hash(str)


class Pretender(metaclass=Pretends):
    pass


class Raises:
    def __getattribute__(self, name: str) -> Any:
        raise KeyError(name)


class MyAllow(Allow):
    pass


class MyResponse(Response):
    pass


def deep(levels: int) -> Json:
    value: Json = 1
    for _ in range(levels):
        value = [value]
    return value


Make = Callable[[], Any]
"""Makes a value, the same each time: each way is to have its own."""
VALUES: list[Make] = [
    *[lambda value=value: value for value in (
        None, True, False, 0, 1, -1, 200, 302, 404, 418, 599, 600, 2**63 - 1, 2**63, -(2**63) - 1, 10**400, 10**5000, 0.5, -0.0, 1e22,
        float("nan"), float("inf"), "", "ada", "é", "\ud800", "\x00", "a\nb", "a\tb", "x" * 600, "x" * 5000, "x" * 17_000,
        "x" * 60_000, "€" * 20_000, "\x01" * 12_000, '"' * 40_000, b"", b"raw", "é".encode(), b"\xff\xfe", b"\xff" * 50_000, b"x" * 60_000,
        b"x" * 70_000, b"\x01" * 12_000, b'"' * 40_000, bytearray(b"x"), Text("ada"), Text(""), Number(200), Fraction(0.5), Colour.RED,
        Name.ADA, datetime.date(2026, 1, 2), Equal(), Pretender(), Body(b"b"), Body(None, 3), Body(None), object(), Exception("x"), str,
        Allow, {}, [], (), {"a": 1}, {"a": {"b": [1, (2, "c")]}}, {1: "a"}, {None: 1}, {"a": float("nan")}, {"\ud800": 1}, {"a": "\ud800"},
        {"é": "é"}, {Text("a"): 1}, {Text("a"): 1, "a": 2}, Mapping(a=1), {"a": Mapping(a=1)}, Sequence([1]), [Sequence([1])],
        {"a": 10**30}, {"a": 10**5000}, {str(n): n for n in range(70)}, {"a": "x" * 40_000}, {"text": "\x01" * 9_000}, {"s"},
        [None, True, 0.5],
        deep(5), deep(20), deep(99), deep(200), ["r"] * 70, ("",) * 30_000, ("r", "s"), ["r", 1], ("r", Text("s")), ("r", "\ud800"),
        [["x-a", "1"]], (("x-a", "1"), ("Set-Cookie", "s=1")), {"x-a": "1"}, [("x-a", "\t1 ")], [("x-a", " 1 ")], [("x-a", "1\n")],
        [("content-type", "text/html; charset=latin-1")], [("location", "/ü")], [("clear-site-data", "*")], [("content-length", "3")],
        [("x-a",)], [("x-a", "1", "2")], ["x-a"], ["xa"], [("", "1")], [("x-a", "ü")], [("x a", "1")], [("x-a", Text("1"))],
        [(Text("x-a"), "1")], [("x-a", "1")] * 101, [("x-a", "1" * 200)] * 90, KitHeaders([("x-a", "1")]), Request(),
        Answer({"status": 200, "headers": [], "body": {"available": 3}}), Principal("ada"), Deny(), Response(), Allow(Principal("ada")),
    )],
    lambda: Raises(), lambda: (role for role in ("r", "s")), lambda: iter([("x-a", "1")]), lambda: {"a": (n for n in range(3))},
    lambda: map(str, [1]), lambda: object.__new__(Allow), lambda: object.__new__(Deny), lambda: object.__new__(Reply),
    lambda: object.__new__(Response), lambda: object.__new__(Principal), lambda: MyAllow(Principal("ada")), lambda: MyResponse(200),
]  # fmt: skip
LATIN: Final = (("content-type", "text/html; charset=latin-1"), ("x-a", "1"))
PLACES: dict[str, Callable[[Any], Any]] = {
    "itself": lambda value: value,
    "principal": lambda value: Allow(value),
    "id": lambda value: Allow(Principal(value)),
    "roles": lambda value: Allow(Principal("ada", value)),
    "groups": lambda value: Allow(Principal("ada", (), value)),
    "name": lambda value: Allow(Principal("ada", name=value)),
    "email": lambda value: Allow(Principal("ada", email=value)),
    "attributes": lambda value: Allow(Principal("ada", attributes=value)),
    "an attribute": lambda value: Allow(Principal("ada", attributes={"a": value})),
    "claims": lambda value: Allow(Principal("ada"), value),
    "a claim": lambda value: Allow(Principal("ada"), {"a": [value]}),
    "set_headers": lambda value: Allow(Principal("ada"), {}, value),
    "a denial's status": lambda value: Deny(value),
    "a reason": lambda value: Deny(403, value),
    "a challenge": lambda value: Deny(401, "no", value),
    "a reply": lambda value: Reply(value),
    "a reply's status": lambda value: Reply(Response(value)),
    "status": lambda value: Response(value),
    "headers": lambda value: Response(200, value),
    "body": lambda value: Response(200, (("x-a", "1"),), value),
    "a body in Latin-1": lambda value: Response(200, LATIN, value),
    "template": lambda value: Response(template=value),
    "vars": lambda value: Response(template="t", vars=value),
    "a variable": lambda value: Response(template="t", vars={"a": value}),
}
RANDOM: st.SearchStrategy[Make] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.integers(0, 100).map(lambda n: VALUES[n]()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=20,
).map(lambda value: lambda: value)
WARM = Response(200, (("x-a", "1"), ("content-type", "text/plain"), ("set-cookie", "s=1"), *LATIN))


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@pytest.fixture(scope="module", params=[OUTPUT_BYTES, 6000])
def both(request: pytest.FixtureRequest, runner: asyncio.Runner) -> Iterator[Both]:
    made = runner.run(Both.of(Says(lambda: WARM), request.param))
    runner.run(made.outcomes(OPS["generate"]))  # names of headers are known by then
    yield made
    runner.run(made.host.close())


def says(both: Both, make: Make) -> None:
    both.host.runner._object.target.make = make  # type: ignore[attr-defined]


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("place", PLACES)
def test_a_result_means_the_same_as_a_value_and_as_json(op: str, place: str, both: Both, runner: asyncio.Runner) -> None:
    for make in VALUES:
        says(both, lambda make=make: PLACES[place](make()))  # type: ignore[misc]
        by_value, by_json = runner.run(both.outcomes(OPS[op]))
        assert by_value == by_json


@pytest.mark.parametrize("op", OPS)
@given(place=st.sampled_from(list(PLACES)), make=RANDOM)
def test_so_does_any_other(op: str, place: str, make: Make, both: Both, runner: asyncio.Runner) -> None:
    says(both, lambda: PLACES[place](make()))
    by_value, by_json = runner.run(both.outcomes(OPS[op]))
    assert by_value == by_json


USUAL: dict[str, list[Any]] = {
    "authenticate": [None, Allow(Principal("ada")), Allow(Principal("ada", ("r",), cast(Any, ["g"]), "Ada", "a@b", {"a": 1}),
                           {"scope": "a b"},
                           WARM.headers),
                     Deny(), Deny(403, "no", "Basic realm=x"), Reply(Response(200, WARM.headers, b"hello"))],
    "can_handle": [True, False],
    "generate": [None, {"a": [1, 2]}, [1], "text", "é", Response(200, WARM.headers, b"b"), Response(body=cast(Any, "b")),
                 Response.render("t", {"a": [1]}), Response(body=b"x" * 20_000)],
    "modify": [None, Response(200, WARM.headers, b"b"), Response(200, WARM.headers, Body(None, 3))],
    "give": [None, True, 1, 0.5, "x", "é", [1, (2,)], {"a": {"b": []}}],
    "served": [{"a": 1}, "text", Response(200)],
}  # fmt: skip


@pytest.mark.parametrize(("op", "value"), [(op, value) for op, values in USUAL.items() for value in values])
def test_usual_results_are_never_json(op: str, value: Any) -> None:
    reader = ResultReader("native", frozenset({"set-cookie"}))
    reader.headers("op", [list(pair) for pair in WARM.headers])
    usual = UsualResults(reader, 1 << 20)
    reads = {"authenticate": usual.decision, "can_handle": usual.flag, "generate": usual.generated, "modify": usual.modified}
    assert {**reads, "give": usual.data, "served": usual.response}[op](value) is not UNUSUAL


async def test_nothing_that_a_plugin_keeps_is_anybodys_else() -> None:
    """Changing it later, or what was made of it, changes nothing for others."""
    claims, attributes, variables = {"a": [1], "b": 2}, {"x": {"y": 1}}, {"rows": [1]}
    kept = Allow(Principal("ada", cast(Any, ["r"]), (), None, None, attributes), claims)
    both = await Both.of(Says(lambda: kept))
    for plugin in (both.values, both.documents):
        found = await plugin.authenticate(exchange())
        assert isinstance(found, Allow) and found == replace(kept, principal=replace(kept.principal, roles=("r",)))
        found.claims["a"].append("changed")
        found.principal.attributes["x"]["y"] = "changed"
        found.claims["c"] = found.principal.attributes["z"] = 3  # type: ignore[index]
        assert (claims, attributes) == ({"a": [1], "b": 2}, {"x": {"y": 1}})
    found = await both.values.authenticate(exchange())
    assert isinstance(found, Allow)
    claims["b"] = attributes["x"]["y"] = "changed"  # type: ignore[assignment]
    kept.principal.roles.append("admin")  # type: ignore[attr-defined]
    assert (found.claims["b"], found.principal.attributes, found.principal.roles) == (2, {"x": {"y": 1}}, ("r",))
    says(both, lambda: Response.render("t", variables))
    rendered = await both.values.generate(exchange())
    variables["rows"].append(2)
    assert rendered is not None and rendered.vars == {"rows": [1]}  # type: ignore[union-attr]
    says(both, lambda: variables)
    given = await both.values.call_function(None, "give", [], {})
    given["rows"].append(3)
    assert variables == {"rows": [1, 2]}
    await both.host.close()


class Changes(AuthPlugin, ResponsePlugin, TemplatePlugin):
    """Changes all that it is given."""

    async def authenticate(self, request: Request) -> Allow:
        return self._change(request)

    async def generate(self, request: Request) -> str:
        self._change(request)
        return request.fingerprint

    def _change(self, request: Request) -> Allow:
        request.cookies["a"] = "changed"
        request.path_params["a"] = "changed"
        assert request.principal is not None
        request.principal.attributes["a"]["b"] = "changed"
        request.claims["a"].append("changed")
        object.__setattr__(request.principal, "id", "changed")
        return Allow(Principal("ada"))

    @function
    async def change(self, rows: list[Any], *, more: dict[str, Any]) -> None:
        rows.append("changed")
        more["a"] = "changed"


async def test_nothing_that_a_plugin_is_given_is_anybodys_else() -> None:
    both = await Both.of(Changes())
    one = exchange(headers=[(b"cookie", b"a=1")])
    one.matched("/{a}", {"a": "b"})
    one.allowed(Principal("ada", attributes={"a": {"b": 1}}), {"a": [1]})
    before = one.document(TRUSTED.request_view)
    await both.values.authenticate(one)
    await both.values.generate(one)
    one.matched("/{a}", one.path_params)
    assert one.document(TRUSTED.request_view) == before
    rows: list[Any] = [1]
    more: dict[str, Any] = {"rows": rows, "wide": list(range(100))}
    await both.values.call_function(one, "change", [rows], {"more": more})
    assert (rows, more) == ([1], {"rows": [1], "wide": list(range(100))})
    await both.host.close()


RAISES = """
    import asyncio
    from mockforge_plugin import *

    class Fails(AuthPlugin, TemplatePlugin):
        {kind} authenticate(self, request):
            raise KeyError("x")

        @function
        {kind} one(self, name):
            return name

        @function
        {kind} leaves(self):
            raise SystemExit(3)

        @function
        {kind} stops(self):
            next(iter(()))

        @function
        {kind} says(self):
            raise PluginError("no", code="not_found", retryable=True, details={{"a": 1}})

        @function
        {kind} later(self):
            return kv.get("k").then(lambda value: value or "later")

        @function
        {kind} waits(self):
            {wait}sleep(0){done}
            raise TimeoutError("mine")
    """


@pytest.mark.parametrize("kind", ["async def", "def"])
@pytest.mark.parametrize("name", ["authenticate", "one", "leaves", "stops", "says", "later", "waits", "nobody"])
async def test_failures_are_told_in_the_same_words(kind: str, name: str) -> None:
    told = Told()
    wait, done = ("await ", "") if kind == "async def" else ("", ".result()")
    opened = host(RAISES.format(kind=kind, wait=wait, done=done), told=told, door=doors(told))
    both = Both(opened, await opened.open(), told)
    await opened.start()
    if name == "later" and kind == "async def":
        name = "nobody"  # a host call that nobody awaits would be warned of
    ask = OPS["authenticate"] if name == "authenticate" else lambda plugin: plugin.call_function(None, name, [], {})
    by_value, by_json = await both.outcomes(ask)
    assert by_value == by_json
    await opened.close()


SLOW = """
    from mockforge_plugin import *

    class Slow(AuthPlugin):
        {kind} authenticate(self, request):
            {wait}sleep(60){done}
    """


@pytest.mark.parametrize("kind", ["async def", "def"])
async def test_a_call_over_its_time_is_ended(kind: str) -> None:
    told = Told()
    wait, done = ("await ", "") if kind == "async def" else ("", ".result()")
    opened = host(SLOW.format(kind=kind, wait=wait, done=done), told=told, door=doors(told), timeout_s=0.05)
    both = Both(opened, await opened.open(), told)
    await opened.start()
    with pytest.raises(LimitExceeded, match="timeout_ms"):
        await both.values.authenticate(exchange())
    assert [event.outcome for event in told.of(CallFinished)] == ["limit"]
    await opened.close()


async def test_a_generation_that_takes_no_more_calls_leaves_them_to_its_successor() -> None:
    old, new = await Both.of(Says(lambda: Deny())), await Both.of(Says(lambda: Allow(Principal("new"))))
    old.values.successor = new.values
    await old.host.close()
    assert await old.values.authenticate(exchange()) == Allow(Principal("new"))
    old.values.successor = None
    with pytest.raises(PluginUnavailable, match="it is stopping"):
        await old.values.authenticate(exchange())
    await new.host.close()
