"""Back-off: who has to wait after wrong credentials, who has not, and what it costs those who never failed."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mockforge_asgi.auth.backoff import LEAST_AT_ONCE, MAX_CALLERS, Backoff, attempted_name
from mockforge_asgi.auth.middleware import AuthMiddleware
from mockforge_asgi.config.objects import ProtectRule
from mockforge_asgi.contract import Decision, Deny
from mockforge_asgi.errors import PluginFailed, RequestRejected
from mockforge_asgi.events import AuthDecided, CallerDelayed, Event, EventStream, NameAttacked, RequestAnswered
from mockforge_asgi.exact_json import Json
from mockforge_asgi.http.backoff import BackoffConfig
from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.request_document import EVERYTHING, RequestView
from mockforge_asgi.middleware import MockForge
from mockforge_asgi.state import StateStore
from mockforge_asgi.state.memory import MemoryStore
from mockforge_asgi.state.operations import Operation
from mockforge_asgi.state.sqlite import SqliteStore
from mockforge_asgi.state.store import Quota
from mockforge_asgi.testing import Client, Conversation, Response
from mockforge_asgi.types import Message, Receive, Scope, Send
from tests.support.auth_plugins import Decider, Runtime, allow, by_key
from tests.support.plain_host import plain_plugin

FEW = BackoffConfig(attempts=3, attempts_from_address=5, delay_s=1, max_delay_s=60, forget_s=300)
AUTHORIZATION = RequestView(headers=frozenset({"authorization"}))
API_KEY = RequestView(headers=frozenset({"x-api-key"}))


class Clock:
    """A clock that stands until it is turned."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class CountedStore(MemoryStore):
    """A store that knows how often it was asked."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock=clock)
        self.asked = 0

    async def apply(self, space: str, quota: Quota, operation: Operation) -> Json:
        self.asked += 1
        return await super().apply(space, quota, operation)


class Clocked(Runtime):
    """A runtime with a store whose clock is the test's."""

    def __init__(self, deciders: Mapping[str, Decider], store: StateStore) -> None:
        self._store = store
        super().__init__(deciders)

    def _open_state(self) -> StateStore:
        return self._store


async def passed(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        return await send({"type": "websocket.accept"})
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"app"})


async def by_password(exchange: Exchange) -> Decision:
    """Allows Ada with the password `right`, and anybody with the token `good`."""
    told = exchange.snapshot.header("authorization")
    if told is None:
        return None
    return allow("ada") if told in (basic("ada", "right"), "Bearer good") else Deny(401, "wrong", "Basic")


def basic(user: str, password: str = "wrong") -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


class Stand:
    """A guarded app with a clock, a counted store and the events."""

    def __init__(self, config: BackoffConfig | None = FEW, mode: Any = "first", **deciders: Decider) -> None:
        self.clock, self.events = Clock(), list[Event]()
        self.store = CountedStore(self.clock)
        self.deciders = deciders or {"key": Decider(by_password, view=AUTHORIZATION)}
        self.runtime = Clocked(self.deciders, self.store)
        self.runtime.events.subscribe(self.events.append)
        self.rules = [ProtectRule("/**", tuple(self.deciders), mode, backoff=config)]
        self.app = AuthMiddleware(passed, runtime=self.runtime, rules=self.rules)
        self.app._backoffs.clock = self.clock

    @property
    def asked(self) -> int:
        return sum(len(decider.asked) for decider in self.deciders.values())

    async def get(self, authorization: str = "", client: str = "192.0.2.1", **headers: str) -> Response:
        told = ({"authorization": authorization} if authorization else {}) | {k.replace("_", "-"): v for k, v in headers.items()}
        return await Client(self.app, client=client).get("/", headers=told)

    async def statuses(self, *told: str, client: str = "192.0.2.1") -> list[int]:
        return [(await self.get(each, client)).status for each in told]


async def test_after_so_many_wrong_passwords_of_one_name_its_address_waits_and_no_plugin_is_asked() -> None:
    stand = Stand()
    assert await stand.statuses(*[basic("ada")] * 3) == [401] * 3
    assert stand.asked == 3
    answer = await stand.get(basic("ada"))
    assert (answer.status, answer.header("retry-after"), stand.asked) == (429, "1", 3)
    assert "wrong credentials" in answer.json()["message"] and answer.header("cache-control") == "no-store"


@pytest.mark.parametrize("now", [1000.0004, 1000.00099, 1_790_000_000.123456789])
async def test_nobody_waits_before_however_quickly_attempts_follow(now: float) -> None:
    stand = Stand()
    stand.clock.now = now
    assert await stand.statuses(*(basic(f"user{i}") for i in range(5))) == [401] * 5


async def test_a_right_password_is_refused_too_while_its_sender_waits() -> None:
    stand = Stand()
    await stand.statuses(*[basic("ada")] * 3)
    assert (await stand.get(basic("ada", "right"))).status == 429
    stand.clock.now += 1.01
    assert (await stand.get(basic("ada", "right"))).status == 200


async def test_the_delay_doubles_up_to_the_longest_and_a_request_that_is_refused_does_not_lengthen_it() -> None:
    stand, delays = Stand(), []
    await stand.statuses(*[basic("ada")] * 3)
    for _ in range(9):
        answers = [await stand.get(basic("ada", f"guess {i}")) for i in range(3)]
        assert [a.status for a in answers] == [429] * 3
        delays.append(int(answers[-1].header("retry-after") or 0))
        stand.clock.now += delays[-1]
        assert (await stand.get(basic("ada"))).status == 401
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60, 60]


async def test_a_success_forgets_the_failures_of_the_name_and_not_those_of_the_address() -> None:
    stand = Stand()
    for _ in range(2):
        assert await stand.statuses(basic("ada"), basic("ada"), basic("ada", "right")) == [401, 401, 200]
    assert await stand.statuses(basic("ada"), basic("ada")) == [401, 429]


async def test_nobody_is_locked_out_from_elsewhere() -> None:
    stand = Stand()
    for number in range(40):
        await stand.statuses(*[basic("ada")] * 3, client=f"198.51.100.{number}")
    assert await stand.statuses(basic("ada", "right"), client="192.0.2.9") == [200]
    assert await stand.statuses(basic("ada"), basic("ada", "right"), client="192.0.2.10") == [401, 200]


async def test_many_names_from_one_address_are_counted_together() -> None:
    stand = Stand()
    assert await stand.statuses(*(basic(f"user{i}") for i in range(7))) == [401] * 5 + [429] * 2
    assert await stand.statuses(basic("user9"), client="192.0.2.2") == [401]


async def test_credentials_without_a_name_are_counted_for_their_address() -> None:
    stand = Stand()
    assert await stand.statuses(*(f"Bearer {i}" for i in range(6))) == [401] * 5 + [429]


async def test_a_network_of_ipv6_is_one_address() -> None:
    stand = Stand()
    statuses = [(await stand.get("Bearer x", f"2001:db8:1:2::{i:x}")).status for i in range(6)]
    assert statuses == [401] * 5 + [429]
    assert (await stand.get("Bearer x", "2001:db8:1:3::1")).status == 401


async def test_an_address_of_ipv4_is_the_same_when_it_comes_as_one_of_ipv6() -> None:
    stand = Stand()
    await stand.statuses(*["Bearer x"] * 5)
    assert (await stand.get("Bearer x", "::ffff:192.0.2.1")).status == 429


@pytest.mark.parametrize("name", ["ADA", "\uff21da", " ada", "ada ", "\u00e4d\ufe0fa", "a\u034fda", "ad\u200ba"])
async def test_other_spellings_of_a_name_are_the_same_name(name: str) -> None:
    stand = Stand()
    await stand.statuses(*[basic("ada")] * 3)
    assert (await stand.get(basic(name))).status == 429


async def test_failures_are_forgotten_little_by_little() -> None:
    stand = Stand()
    await stand.statuses(basic("ada"), basic("ada"))
    stand.clock.now += 300 / 3 * 1.5
    assert await stand.statuses(basic("ada"), basic("ada")) == [401, 401]
    stand.clock.now += 400
    assert await stand.statuses(*[basic("ada")] * 3) == [401] * 3


async def test_time_spent_waiting_forgets_nothing() -> None:
    stand = Stand(replace(FEW, delay_s=600, max_delay_s=1200))
    await stand.statuses(*[basic("ada")] * 3)
    stand.clock.now += 600
    assert (await stand.get(basic("ada"))).status == 401
    assert (await stand.get(basic("ada"))).header("retry-after") == "1200"


async def test_a_request_without_credentials_is_no_failure() -> None:
    stand = Stand()
    assert await stand.statuses(*[""] * 20) == [401] * 20
    assert stand.store.asked == 0


@pytest.mark.parametrize("status", [400, 403, 502, 503])
async def test_a_refusal_for_another_reason_is_no_failure(status: int) -> None:
    stand = Stand(key=Decider(Deny(status, "no"), view=AUTHORIZATION))
    assert await stand.statuses(*["Bearer x"] * 9) == [status] * 9
    assert stand.store.asked == 0


async def test_of_addresses_that_never_failed_nothing_is_looked_up_whoever_else_did() -> None:
    stand = Stand()
    await stand.statuses(*[basic("ada")] * 4)
    before = stand.store.asked
    clients = [f"10.0.{i // 250}.{i % 250}" for i in range(500)]
    assert {(await stand.get(basic("ada", "right"), client)).status for client in clients} == {200}
    assert stand.store.asked - before <= 4  # a slot is shared by chance, of 262144


async def test_while_a_caller_waits_its_requests_do_not_cost_the_state_anything() -> None:
    stand = Stand()
    await stand.statuses(*[basic("ada")] * 4)
    before = stand.store.asked
    assert await stand.statuses(*[basic("ada")] * 100) == [429] * 100
    assert stand.store.asked == before


async def test_a_caller_that_is_not_told_is_not_counted() -> None:
    stand = Stand()
    for _ in range(9):
        conversation = Conversation()
        scope = {**Client(stand.app).scope("GET", "/", {"authorization": basic("ada")}), "client": None}
        await stand.app(scope, conversation.receive, conversation.send)
        assert conversation.response.status == 401
    assert stand.store.asked == 0


async def test_switched_off_nobody_waits() -> None:
    stand = Stand(None)
    assert await stand.statuses(*[basic("ada")] * 30) == [401] * 30


async def at_once(stand: Stand, slow: asyncio.Event, number: int, authorization: str = "Bearer x") -> list[int]:
    """How that many requests are answered that are there at once, before any of them is decided or counted."""
    many = [asyncio.ensure_future(stand.get(authorization)) for _ in range(number)]
    for _ in range(100):  # turns of the loop: everybody has come as far as may be
        await asyncio.sleep(0)
    slow.set()
    return [(await each).status for each in many]


@pytest.mark.parametrize(
    ("attempts", "attempts_from_address", "authorization", "decided"),
    [
        (3, 5, "Bearer x", LEAST_AT_ONCE),
        (3, 30, "Bearer x", 29),
        (3, 30, basic("ada"), LEAST_AT_ONCE),
        (20, 30, basic("ada"), 19),
        (20, 20, "Bearer good", 19),
    ],
)
async def test_of_a_caller_that_has_failed_as_many_are_decided_at_once_as_it_has_failures_free(
    attempts: int, attempts_from_address: int, authorization: str, decided: int
) -> None:
    release = asyncio.Event()

    async def slow(exchange: Exchange) -> Decision:
        if len(stand.deciders["key"].asked) > 1:
            await release.wait()
        return await by_password(exchange)

    config = replace(FEW, attempts=attempts, attempts_from_address=attempts_from_address)
    stand = Stand(config, key=Decider(slow, view=AUTHORIZATION))
    await stand.get(authorization if authorization != "Bearer good" else "Bearer x")
    statuses = await at_once(stand, release, 50, authorization)
    assert stand.asked == 1 + decided
    assert statuses.count(429) == 50 - decided
    if authorization == "Bearer good":
        assert await stand.statuses(*["Bearer good"] * 5) == [200] * 5


async def test_guesses_do_not_slip_through_while_others_are_still_being_counted() -> None:
    stand = Stand()
    await stand.get("Bearer x")
    counting, apply = asyncio.Event(), stand.store.apply

    async def slowly(space: str, quota: Quota, operation: Operation) -> Json:
        if operation.writes:
            await counting.wait()
        return await apply(space, quota, operation)

    stand.store.apply = slowly  # type: ignore[method-assign]  # a store in which looking is quick and writing is not
    statuses = await at_once(stand, counting, 50)
    assert stand.asked == 1 + LEAST_AT_ONCE
    assert (statuses.count(401), statuses.count(429)) == (LEAST_AT_ONCE, 50 - LEAST_AT_ONCE)


async def test_a_client_that_leaves_does_not_hold_its_place() -> None:
    stuck = asyncio.Event()

    async def slow(exchange: Exchange) -> Decision:
        if exchange.snapshot.header("authorization") != "Bearer first":
            stuck.set()
            await asyncio.Event().wait()
        return Deny(401, "wrong")

    stand = Stand(key=Decider(slow, view=AUTHORIZATION))
    await stand.get("Bearer first")
    for _ in range(LEAST_AT_ONCE * 3):
        stuck.clear()
        request = asyncio.ensure_future(stand.get("Bearer x"))
        await stuck.wait()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
    assert (await stand.get("Bearer first")).status == 401


async def test_a_websocket_is_answered_the_same() -> None:
    stand = Stand()
    await stand.statuses(*["Bearer x"] * 5)
    conversation = Conversation([{"type": "websocket.connect"}])
    scope = Client(stand.app, client="192.0.2.1").scope("GET", "/", {"authorization": "Bearer x"})
    scope.update(type="websocket", extensions={"websocket.http.response": {}})
    await stand.app(scope, conversation.receive, conversation.send)
    assert (conversation.response.status, conversation.response.header("retry-after")) == (429, "1")


async def test_failed_websockets_are_counted() -> None:
    stand = Stand()
    for _ in range(5):
        conversation = Conversation([{"type": "websocket.connect"}])
        scope = {**Client(stand.app, client="192.0.2.1").scope("GET", "/", {"authorization": "Bearer x"}), "type": "websocket"}
        await stand.app(scope, conversation.receive, conversation.send)
        assert conversation.sent[-1]["type"] == "websocket.close"
    assert (await stand.get("Bearer x")).status == 429


async def test_a_guess_beside_other_credentials_that_are_right_is_counted() -> None:
    stand = Stand(mode="any", password=Decider(by_password, view=AUTHORIZATION), key=Decider(by_key, view=API_KEY))
    statuses = [(await stand.get(basic("ada", f"guess {i}"), x_api_key="k1")).status for i in range(5)]
    assert statuses == [200] * 3 + [429] * 2


async def test_credentials_that_another_plugin_accepts_are_no_guess() -> None:
    old = Decider(Deny(401, "not of mine"), view=AUTHORIZATION)
    stand = Stand(mode="any", old=old, new=Decider(by_password, view=AUTHORIZATION))
    assert await stand.statuses(*["Bearer good"] * 20) == [200] * 20
    assert stand.store.asked == 0


async def test_a_mount_inside_another_one_has_a_decision_of_its_own() -> None:
    stand = Stand(mode="any", key=Decider(by_key, view=API_KEY), password=Decider(by_password, view=AUTHORIZATION))
    decided = list[Event]()
    stand.runtime.events.subscribe(decided.append, AuthDecided)
    outer = AuthMiddleware(stand.app, runtime=stand.runtime, rules=[ProtectRule("/**", ("password",), backoff=None)])
    headers = {"x-api-key": "k2", "authorization": basic("ada", "right")}
    assert (await Client(outer).get("/", headers=headers)).status == 200
    assert [event.by for event in decided if isinstance(event, AuthDecided)] == ["password", "password"]


@pytest.mark.parametrize("down", [Deny(503, "unreachable"), PluginFailed("provider", "auth.authenticate", "boom")])
async def test_a_guess_beside_a_provider_that_is_down_is_counted(down: Deny | Exception) -> None:
    elsewhere = Decider(down, view=API_KEY)
    stand = Stand(mode="any", password=Decider(by_password, view=AUTHORIZATION), provider=elsewhere)
    assert await stand.statuses(*[basic("ada", f"guess {i}") for i in range(5)]) == [503] * 3 + [429] * 2
    same_header = Decider(down, view=AUTHORIZATION)
    stand = Stand(mode="any", password=Decider(by_password, view=AUTHORIZATION), provider=same_header)
    assert await stand.statuses(*[basic("ada", f"guess {i}") for i in range(5)]) == [503] * 3 + [429] * 2


async def test_a_token_of_a_provider_that_is_down_is_no_guess() -> None:
    old, new = Decider(Deny(401, "not of mine"), view=AUTHORIZATION), Decider(Deny(503, "unreachable"), view=AUTHORIZATION)
    stand = Stand(mode="any", old=old, new=new)
    assert await stand.statuses(*["Bearer good"] * 20) == [503] * 20
    assert stand.store.asked == 0


async def test_events_tell_of_delays_and_of_a_name_that_is_attacked_from_many_addresses() -> None:
    stand = Stand()
    await stand.statuses(*[basic("ada")] * 3)
    assert [e for e in stand.events if isinstance(e, CallerDelayed)] == [
        replace(e, address="192.0.2.1", failures=3, wait_s=1.0) for e in stand.events if isinstance(e, CallerDelayed)
    ]
    for number in range(60):
        await stand.statuses(basic("ada"), client=f"198.51.100.{number}")
    attacked = [e for e in stand.events if isinstance(e, NameAttacked)]
    assert [(e.name, e.failures) for e in attacked] == [("ada", 30)]


async def test_an_event_tells_who_answered_429() -> None:
    class Refusing:
        name = "refusing"

        async def authenticate(self, request: Any) -> Deny:
            return Deny(401, "wrong")

    config = {"version": 1, "protect": [{"path": "/**", "auth": "refusing"}], "backoff": {"attempts_from_address": 1}}
    app, told = MockForge(config=config, plugins=[Refusing()]), list[Event]()
    app.runtime.events.subscribe(told.append)
    async with Client(app) as client:
        assert [(await client.get("/")).status for _ in range(2)] == [401, 429]
    answered = [e for e in told if isinstance(e, RequestAnswered)]
    assert (answered[-1].answered_by, answered[-1].status) == ("backoff", 429)


async def test_counts_outlive_a_change_of_the_plugins() -> None:
    stand = Stand()
    await stand.statuses(*[basic("ada")] * 3)
    stand.runtime.registry.put(plain_plugin("other", "response", {}, view=EVERYTHING))
    assert (await stand.get(basic("ada"))).status == 429


async def test_a_rule_with_numbers_of_its_own_counts_for_itself() -> None:
    stand = Stand()
    own = ProtectRule("/own/**", ("key",), backoff=replace(FEW, attempts_from_address=2, scope="/own/**"))
    client = Client(AuthMiddleware(passed, runtime=stand.runtime, rules=[*stand.rules, own]))
    told = {"authorization": "Bearer x"}
    assert [(await client.get("/own/x", headers=told)).status for _ in range(3)] == [401, 401, 429]
    assert (await client.get("/", headers=told)).status == 401


@asynccontextmanager
async def workers(store: Any) -> AsyncIterator[tuple[Backoff, Backoff]]:
    """The back-off of two processes over one state."""
    made = [store(), store()]
    try:
        yield Backoff(FEW, lambda: made[0], EventStream()), Backoff(FEW, lambda: made[1], EventStream())
    finally:
        for each in made:
            await each.close()


def request(client: str, told: str = "Bearer x") -> Exchange:
    async def nothing(message: Message) -> None: ...

    return Exchange(Client(passed, client=client).scope("GET", "/", {"authorization": told}), Conversation().receive, nothing)


async def test_workers_that_share_their_state_count_together(tmp_path: Path) -> None:
    async with workers(lambda: SqliteStore(tmp_path / "state.db")) as (one, other):
        for _ in range(4):
            await one.failed(request("192.0.2.1"))
        assert await other.begin(request("192.0.2.1")) is None  # nothing is known of it there yet
        await other.failed(request("192.0.2.1"))
        for worker in (one, other):
            with pytest.raises(RequestRejected) as refused:
                await worker.begin(request("192.0.2.1"))
            assert refused.value.status == 429


async def test_a_hundred_thousand_addresses_fill_no_memory_and_neighbours_of_the_rest_are_counted_together() -> None:
    store = MemoryStore(clock=Clock())
    backoff = Backoff(FEW, lambda: store, EventStream())
    for number in range(100_000):
        await backoff.failed(request(f"{1 + number // 65536}.{number // 256 % 256}.{number % 256}.1"))
    space = store._spaces["auth/backoff"]
    assert len(space.cells) == MAX_CALLERS and space.size < 4 << 20
    assert len(store._spaces["auth/backoff/neighbours"].cells) <= 65536
    with pytest.raises(RequestRejected):
        await backoff.begin(request("2.0.1.1"))  # of those that found no room, and its neighbours have failed more than five times
    await backoff.begin(request("203.0.113.77"))  # whoever has not failed passes, known to be so or looked up


def test_a_name_is_told_by_basic_alone() -> None:
    def name(told: str) -> str:
        return attempted_name(request("192.0.2.1", told).snapshot)

    assert (name(basic("Ada")), name("basic " + basic("ada:x")[6:])) == ("ada", "ada")
    assert [name(told) for told in ("", "Bearer x", "Basic", "Basic ====", "Basic " + b64encode(b"no colon").decode())] == [""] * 5
    assert name("Basic " + "A" * 9000) == ""
    assert name("Basic " + b64encode(b"\xff\0:x").decode()) == "\ufffd\0"
    assert len(name(basic("x" * 4000))) == 256
