"""Results of every kind, and a plugin over one host that is called with values and with documents: to hold both ways side by side."""

from __future__ import annotations

import datetime
import enum
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any, Final

from hypothesis import strategies as st

from mockforge_asgi.contract import Json
from mockforge_asgi.contract.results import ResultReader
from mockforge_asgi.errors import MockForgeError
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
from tests.support.native_hosts import Told, doors

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


def says(both: Both, make: Make) -> None:
    both.host.runner._object.target.make = make  # type: ignore[attr-defined]
