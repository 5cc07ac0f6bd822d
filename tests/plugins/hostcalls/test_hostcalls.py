"""What the doors grant, refuse, bound and tell."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mockforge_asgi.contract import Json
from mockforge_asgi.errors import HostCallError
from mockforge_asgi.events import Event, EventStream, GuestLogged, HostCallDenied, PluginWarning
from mockforge_asgi.http.request_document import RequestView
from mockforge_asgi.plugins.hostcalls.clock_random import REAL
from mockforge_asgi.plugins.hostcalls.hostcalls import MAX_CHUNK, HostServices, PluginHostCalls
from mockforge_asgi.security.permissions import NOTHING, EffectivePermissions, KvRight, NetworkRule
from mockforge_asgi.security.redaction import Redactor
from mockforge_asgi.security.secrets import Secrets
from mockforge_asgi.state import StateStore
from mockforge_asgi.state.memory import MemoryStore
from mockforge_asgi.state.sqlite import SqliteStore

DOORS = [
    "log", "secret.get", "config.get", "clock.now", "random.bytes", "http.request", "data.query", "body.read", "file.read",
    "kv.get", "kv.set", "kv.delete", "kv.add_if_absent", "kv.incr", "kv.compare_and_set",
]  # fmt: skip


class EchoClient:
    """An HTTP client that repeats what it is asked."""

    def __init__(self, rules: Sequence[NetworkRule] | None) -> None:
        self.rules, self.is_closed = rules, False

    async def request(self, payload: Mapping[str, Json]) -> Json:
        return {"status": 200, "headers": [], "body": {"text": str(payload["url"])}}

    async def close(self) -> None:
        self.is_closed = True


CHANGED: list[str] = []


class EchoSources:
    """Sources that repeat what they are asked."""

    async def query(self, source: str, query: str, params: Mapping[str, Json], **options: Any) -> Json:
        return {"asked": [source, query, dict(params), options]}

    def changed(self, plugin: str) -> None:
        CHANGED.append(plugin)


class Bodies:
    """A request whose bodies are these."""

    async def read_body(self, of: str) -> bytes:
        return b"q" * (MAX_CHUNK + 10) if of == "request" else b"answer"

    def watched(self) -> AbstractContextManager[None]:
        return nullcontext()


@pytest.fixture
def told() -> list[Event]:
    return []


@pytest.fixture(params=["memory", "sqlite"])
async def rooms(request: pytest.FixtureRequest, tmp_path: Path, told: list[Event]) -> AsyncIterator[HostServices]:
    state: StateStore = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "state.db")
    secrets = Secrets({"api_keys": "k1-secret", "other": "hidden-one"})
    events = EventStream(Redactor(secrets))
    events.subscribe(told.append)
    yield HostServices(state=state, events=events, secrets=secrets, sources=EchoSources(), egress=EchoClient)
    await state.close()


def doors(rooms: HostServices, rights: EffectivePermissions | None = NOTHING, **options: Any) -> PluginHostCalls:
    return PluginHostCalls("guest", rights, rooms, **options)


async def refusal(door: PluginHostCalls, name: str, payload: Any) -> HostCallError:
    with pytest.raises(HostCallError) as caught:
        await door.call(name, payload, None)
    return caught.value


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("secret.get", {"name": "api_keys"}), ("kv.get", {"key": "k"}), ("kv.set", {"key": "k", "value": 1}), ("kv.incr", {"key": "k"}),
        ("http.request", {"method": "GET", "url": "http://example.com/"}), ("data.query", {"source": "db", "query": "all"}),
        ("body.read", {"of": "request"}), ("body.read", {"of": "response"}), ("file.read", {"path": "data.json"}),
    ],
)  # fmt: skip
async def test_nothing_is_granted_by_default_and_the_operator_is_told(
    rooms: HostServices, told: list[Event], name: str, payload: dict[str, Json]
) -> None:
    assert (await refusal(doors(rooms, files={"data.json": b"{}"}), name, payload)).code == "denied"
    assert [(e.plugin, e.host_call) for e in told if isinstance(e, HostCallDenied)] == [("guest", name)]


async def test_a_guest_that_is_denied_for_ever_does_not_flood_the_operator(rooms: HostServices, told: list[Event]) -> None:
    door = doors(rooms)
    for _ in range(500):
        await refusal(door, "secret.get", {"name": "x"})
    assert len(told) == 100


async def test_trusted_code_may_ask_for_everything(rooms: HostServices) -> None:
    door = doors(rooms, None, files={"a.txt": b"x"})
    assert await door.call("secret.get", {"name": "api_keys"}, None) == {"value": "k1-secret"}
    assert await door.call("file.read", {"path": "a.txt"}, None) == {"base64": "eA=="}
    assert (await door.call("http.request", {"url": "http://anywhere/"}, None))["status"] == 200
    assert await door.call("data.query", {"source": "db", "query": "any"}, None)
    assert (await door.call("body.read", {"of": "response"}, Bodies()))["total"] == 6


@pytest.mark.parametrize("name", ["", "kv", "kv.drop", "__class__", "LOG"])
async def test_an_unknown_door_is_not_found(rooms: HostServices, name: str) -> None:
    assert (await refusal(doors(rooms), name, {})).code == "not_found"


async def test_a_secret_is_given_by_its_granted_name_only(rooms: HostServices) -> None:
    door = doors(rooms, EffectivePermissions(secrets=frozenset({"api_keys", "missing"})))
    assert door.call_now("secret.get", {"name": "api_keys"}) == {"value": "k1-secret"}
    assert (await refusal(door, "secret.get", {"name": "other"})).code == "denied"
    assert (await refusal(door, "secret.get", {"name": "missing"})).code == "not_found"


async def test_config_values_are_those_of_the_plugin(rooms: HostServices) -> None:
    door = doors(rooms, config={"header": "x-key", "n": [1]})
    assert [door.call_now("config.get", {"key": key}) for key in ("header", "n", "none")] == ["x-key", [1], None]


async def test_the_clock_and_chance_are_real_unless_said_otherwise(rooms: HostServices) -> None:
    door = doors(rooms)
    before = door.call_now("clock.now", {})
    assert door.call_now("clock.now", {})["monotonic_ns"] >= before["monotonic_ns"]
    drawn = {door.call_now("random.bytes", {"n": 16})["hex"] for _ in range(10)}
    assert len(drawn) == 10


@pytest.mark.parametrize("n", [0, -1, 65_537, 1.5, "3", True, None])
async def test_an_odd_amount_of_chance_is_refused(rooms: HostServices, n: object) -> None:
    assert (await refusal(doors(rooms), "random.bytes", {"n": n})).code == "invalid_input"


async def test_frozen_surroundings_are_seen_but_never_by_auth(rooms: HostServices) -> None:
    frozen = HostServices(state=rooms.state, events=rooms.events, clock_random=REAL.frozen_at(5.0).seeded("s"))
    assert doors(frozen, kinds=("response",)).call_now("clock.now", {}) == {"unix_ns": 5_000_000_000, "monotonic_ns": 0}
    assert doors(frozen, kinds=("response", "auth")).call_now("clock.now", {})["unix_ns"] > 10**18


async def test_keys_belong_to_the_plugin(rooms: HostServices) -> None:
    rights = EffectivePermissions(kv=KvRight(max_keys=5, max_bytes=1000))
    one, two = PluginHostCalls("one", rights, rooms), PluginHostCalls("two", rights, rooms)
    await one.call("kv.set", {"key": "k", "value": {"a": 1}}, None)
    assert await one.call("kv.get", {"key": "k"}, None) == {"value": {"a": 1}}
    assert await two.call("kv.get", {"key": "k"}, None) == {"value": None}


async def test_every_kv_door_answers_in_its_shape(rooms: HostServices) -> None:
    door = doors(rooms, EffectivePermissions(kv=KvRight(max_keys=10, max_bytes=1000)))
    asked: list[tuple[str, dict[str, Json], Json]] = [
        ("kv.set", {"key": "k", "value": 1, "ttl_s": 60}, None),
        ("kv.get", {"key": "k"}, {"value": 1}),
        ("kv.add_if_absent", {"key": "k", "value": 2}, {"added": False}),
        ("kv.incr", {"key": "k", "by": 4}, {"value": 5}),
        ("kv.compare_and_set", {"key": "k", "expected": 5, "value": "x"}, {"swapped": True}),
        ("kv.delete", {"key": "k"}, {"deleted": True}),
        ("kv.compare_and_set", {"key": "k", "expected": None, "value": "x"}, {"swapped": True}),
    ]
    for name, payload, answer in asked:
        assert await door.call(name, payload, None) == answer


async def test_the_quota_of_the_grant_holds(rooms: HostServices) -> None:
    door = doors(rooms, EffectivePermissions(kv=KvRight(max_keys=2, max_bytes=100)))
    for key in ("a", "b"):
        await door.call("kv.set", {"key": key, "value": 1}, None)
    assert (await refusal(door, "kv.set", {"key": "c", "value": 1})).code == "limit"
    assert (await refusal(door, "kv.set", {"key": "a", "value": "x" * 200})).code == "limit"


async def test_kv_in_memory_needs_no_waiting(told: list[Event]) -> None:
    door = doors(HostServices(state=MemoryStore(), events=EventStream()), EffectivePermissions(kv=KvRight()))
    assert door.call_now("kv.incr", {"key": "n"}) == {"value": 1}


async def test_a_query_needs_its_own_grant_or_the_raw_one(rooms: HostServices) -> None:
    door = doors(rooms, EffectivePermissions(data=frozenset({"db/by_id"}), data_raw=frozenset({"files"})))
    answer = await door.call("data.query", {"source": "db", "query": "by_id", "params": {"id": 1}, "limit": 5, "cursor": "c"}, None)
    assert answer == {
        "asked": [
            "db",
            "by_id",
            {"id": 1},
            {"limit": 5, "cursor": "c", "count": False, "asker": "guest", "raw": False, "max_values": 20_000},
        ]
    }
    assert (await door.call("data.query", {"source": "files", "query": "select 1"}, None))["asked"][3]["raw"]
    assert (await refusal(door, "data.query", {"source": "db", "query": "select 1"})).code == "denied"


async def test_a_body_is_read_in_chunks(rooms: HostServices) -> None:
    door = doors(rooms, EffectivePermissions(request_view=RequestView(body=True)))
    first = await door.call("body.read", {"of": "request"}, Bodies())
    rest = await door.call("body.read", {"of": "request", "offset": MAX_CHUNK, "length": 10_000_000}, Bodies())
    assert [len(base64.b64decode(part["base64"])) for part in (first, rest)] == [MAX_CHUNK, 10]
    assert first["total"] == MAX_CHUNK + 10
    assert await door.call("body.read", {"of": "request", "offset": 10**9}, Bodies()) == {"base64": "", "total": MAX_CHUNK + 10}
    assert (await refusal(door, "body.read", {"of": "request"})).code == "unavailable"


async def test_the_http_client_is_made_with_the_granted_rules_and_closed(rooms: HostServices) -> None:
    made: list[EchoClient] = []

    def egress(rules: Sequence[NetworkRule] | None) -> EchoClient:
        made.append(EchoClient(rules))
        return made[-1]

    rules = (NetworkRule("https", "idp.example", 443),)
    door = doors(HostServices(state=rooms.state, events=rooms.events, egress=egress), EffectivePermissions(network=rules))
    for _ in range(2):
        await door.call("http.request", {"url": "https://idp.example/"}, None)
    await door.close()
    assert (await refusal(door, "http.request", {"url": "http://a/"})).code == "unavailable"  # a call that outlasted its generation
    assert [(client.rules, client.is_closed) for client in made] == [(rules, True)]


async def test_lines_are_told_without_secrets_and_without_tricks(rooms: HostServices, told: list[Event]) -> None:
    doors(rooms).call_now("log", {"level": "warn", "message": "key k1-secret\n\x1b[31mred\u202eeslaf"})
    (line,) = told
    assert isinstance(line, GuestLogged)
    assert (line.level, line.message) == ("warning", "key [redacted]\\n\\u001b[31mred\\u202eeslaf")


@given(name=st.sampled_from(DOORS), payload=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
async def test_whatever_a_guest_sends_it_gets_an_answer_or_a_door_error(rooms: HostServices, name: str, payload: st.DataObject) -> None:
    json = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3))
    fields = ["key", "value", "ttl_s", "by", "expected", "name", "of", "offset", "length", "n", "path", "source", "query", "params",
    "limit",
              "cursor", "url", "message", "level"]  # fmt: skip
    sent: Any = payload.draw(st.dictionaries(st.sampled_from(fields), json, max_size=5) | json)
    door = doors(rooms, None)
    try:
        await door.call(name, sent, Bodies())
    except HostCallError as error:
        assert error.code in ("invalid_input", "limit", "not_found", "denied")
    except KeyError:
        assert name == "http.request"  # the HTTP client of this test wants a url


def test_headers_left_out_of_answers_are_told_to_the_operator(rooms: HostServices, told: list[Event]) -> None:
    doors(rooms).headers_left_out(["set-cookie"])
    (denied,) = told
    assert (
        isinstance(denied, HostCallDenied)
        and denied.host_call == "response.set_headers"
        and denied.detail.startswith("set-cookie: left out")
    )


async def test_where_the_state_is_kept_is_told_to_the_operator_alone(tmp_path: Path, told: list[Event]) -> None:
    events = EventStream()
    events.subscribe(told.append)
    file = tmp_path / "operators-folder" / "state.db"
    state = SqliteStore(file)
    made = PluginHostCalls("p", EffectivePermissions(kv=KvRight()), HostServices(state=state, events=events))
    with pytest.raises(HostCallError) as caught:
        await made.call("kv.get", {"key": "k"}, None)
    assert (caught.value.code, caught.value.retryable) == ("unavailable", True)
    assert "operators-folder" not in caught.value.message
    assert [event.detail.partition("'")[0] for event in told if isinstance(event, PluginWarning)] == ["kv.get: the state file "]
    await state.close()


async def test_a_source_says_that_its_data_have_changed(rooms: HostServices) -> None:
    CHANGED.clear()
    assert await doors(rooms).call("data.changed", {}, None) is None
    assert CHANGED == ["guest"]
