"""auth-basic in front of an app: what is answered, that nobody learns who has an account, guesses from one and from many addresses."""

from __future__ import annotations

import asyncio
import logging
from base64 import b64encode
from typing import Any

import argon2
import bcrypt
import pytest

from mockforge_asgi import MockForge
from mockforge_asgi.events import CallerDelayed, Event, NameAttacked
from mockforge_asgi.testing import Client, Conversation, Response
from mockforge_plugin import Allow, Deny, Request
from plugins_builtin.auth_basic import hashes
from plugins_builtin.auth_basic.checks import Checks
from plugins_builtin.auth_basic.hashing import HashingThreads
from plugins_builtin.auth_basic.plugin import BasicAuth
from plugins_builtin.auth_basic.users import Users, read_users
from plugins_builtin.auth_basic.verified import VerifiedPasswords

BCRYPT = bcrypt.hashpw(b"open sesame", bcrypt.gensalt(4)).decode()
ARGON2 = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash("geheim")
FILE = f"ada:{BCRYPT}\nbob:{ARGON2}"


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


def document(config: dict[str, Any] | None = None, file: str = FILE, **more: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "plugins": {"staff": {"use": "auth-basic", "config": {"users": "staff", **(config or {})}}},
        "secrets": {"staff": {"value": file}},
        "protect": [{"path": "/**", "auth": "staff"}],
        "routes": [{"match": {"path": "/me"}, "response": {"template_text": "{{ request.principal.id }} {{ request.principal.roles }}"}}],
        **more,
    }


async def test_a_known_user_passes_with_its_roles() -> None:
    async with Client(MockForge(config=document({"roles": {"ada": ["admin"]}, "realm": "staff only"}))) as client:
        answer = await client.get("/me")
        assert (answer.status, answer.header("www-authenticate")) == (401, 'Basic realm="staff only", charset="UTF-8"')
        assert (await client.get("/me", headers=basic("ada", "open sesame"))).text == 'ada ["admin"]'
        assert (await client.get("/me", headers=basic("bob", "geheim"))).text == "bob []"


async def test_a_wrong_password_and_an_unknown_user_are_answered_the_same_to_the_byte() -> None:
    async with Client(MockForge(config=document())) as client:
        wrong, unknown, of_another, malformed = [
            await client.get("/me", headers=headers)
            for headers in (basic("ada", "wrong"), basic("eve", "wrong"), basic("eve", "open sesame"), basic("ad\0a", "x"))
        ]
    assert wrong.status == 401 and wrong == unknown == of_another == malformed


class CountedHash:
    """A hash that counts how often it is worked out, and of what."""

    is_weak = False

    def __init__(self, held: hashes.PasswordHash, asked: list[bytes]) -> None:
        self._held, self._asked = held, asked

    def is_of(self, password: bytes) -> bool:
        self._asked.append(password)
        return self._held.is_of(password)


async def plugin(asked: list[bytes], cache_s: float = 60) -> BasicAuth:
    """A plugin whose hashes are counted."""
    found = read_users({"users": "u"}, lambda _: FILE)
    assert isinstance(found, Users)
    counted = {name: type(user)(user.name, CountedHash(user.hash, asked)) for name, user in found.by_name.items()}
    auth = BasicAuth()
    auth.users = Users(counted, tuple(user.hash for user in counted.values()))
    auth.max_bytes, auth.refused = 256, Deny(401, "wrong")
    auth.threads, auth.verified = HashingThreads(1, 8), VerifiedPasswords(cache_s, 10)
    auth.checks = Checks(auth.threads)
    return auth


async def test_a_name_that_nobody_has_costs_one_hash_of_the_same_password_as_a_wrong_password_does() -> None:
    asked = list[bytes]()
    auth = await plugin(asked)
    for user in ("ada", "bob", "eve", "ada ", "Ada", "\u0430da"):
        assert await auth.authenticate(Request(headers=basic(user, f"guess {user}"))) is auth.refused
    assert [each.decode() for each in asked] == [f"guess {u}" for u in ("ada", "bob", "eve", "ada ", "Ada", "\u0430da")]
    auth.destroy()


async def test_somebody_elses_password_does_not_let_a_name_pass_that_nobody_has() -> None:
    asked = list[bytes]()
    auth = await plugin(asked)
    for number in range(40):  # of these names, each is hashed like one of the users
        for password in ("open sesame", "geheim"):
            assert await auth.authenticate(Request(headers=basic(f"nobody{number}", password))) is auth.refused
    assert len(asked) == 80 and len(auth.verified) == 0
    auth.destroy()


async def test_a_right_password_is_hashed_once_and_a_wrong_one_every_time() -> None:
    asked = list[bytes]()
    auth = await plugin(asked)
    for _ in range(3):
        assert isinstance(await auth.authenticate(Request(headers=basic("ada", "open sesame"))), Allow)
        assert await auth.authenticate(Request(headers=basic("ada", "wrong"))) is auth.refused
    assert (asked.count(b"open sesame"), asked.count(b"wrong")) == (1, 3)
    auth.destroy()
    auth = await plugin(asked := [], cache_s=0)
    for _ in range(3):
        assert isinstance(await auth.authenticate(Request(headers=basic("ada", "open sesame"))), Allow)
    assert len(asked) == 3
    auth.destroy()


async def test_forty_connections_with_one_credential_need_no_room_to_wait_in() -> None:
    app = MockForge(config=document({"hashing": {"threads": 1, "waiting": 0}}, backoff={"attempts": 500, "attempts_from_address": 500}))
    async with Client(app) as client:
        right, wrong, unknown = [
            await asyncio.gather(*(client.get("/me", headers=headers) for _ in range(40)))
            for headers in (basic("bob", "geheim"), basic("bob", "wrong"), basic("eve", "wrong"))
        ]
    assert {answer.status for answer in right} == {200}
    assert wrong[0].status == 401 and wrong == unknown == [wrong[0]] * 40


async def test_a_password_that_is_too_long_is_never_hashed() -> None:
    asked = list[bytes]()
    auth = await plugin(asked)
    assert await auth.authenticate(Request(headers=basic("ada", "x" * 257))) is auth.refused
    assert asked == []
    auth.destroy()


async def test_beyond_what_may_wait_the_answer_is_503() -> None:
    auth = await plugin([])
    auth.threads.close()
    auth.threads = HashingThreads(1, 0)
    auth.threads._under_way = 1
    auth.checks = Checks(auth.threads)
    answer = await auth.authenticate(Request(headers=basic("ada", "open sesame")))
    assert isinstance(answer, Deny) and answer.status == 503
    auth.threads.close()


@pytest.mark.parametrize(
    ("config", "file", "words"),
    [
        ({"users": "stuff"}, FILE, "stuff"),
        ({}, "ada:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "htpasswd -nB"),
        ({}, "ada:planted-password", "not hashed"),
        ({"roles": {"eve": ["x"]}}, FILE, "roles.eve"),
        ({"realm": 'x"y'}, FILE, "realm"),
        ({"hashing": {"threads": 0}}, FILE, "threads"),
    ],
)
async def test_a_configuration_that_cannot_be_meant_is_refused(config: dict[str, Any], file: str, words: str) -> None:
    with pytest.raises(Exception, match="staff") as raised:
        async with Client(MockForge(config=document(config, file))):
            pass
    assert words in str(raised.value) and "planted" not in str(raised.value) and "W6ph" not in str(raised.value)


async def test_hashes_that_are_too_quick_are_warned_of_and_no_secret_is_in_any_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "mockforge"):
        async with Client(MockForge(config=document())) as client:
            for password in ("open sesame", "planted-guess"):
                await client.get("/me", headers=basic("ada", password))
    assert "ada, bob are hashed too fast" in caplog.text
    told = basic("ada", "planted-guess")["authorization"][6:]
    assert [word for word in ("open sesame", "planted-guess", told, BCRYPT, ARGON2) if word in caplog.text] == []


async def test_guesses_from_one_address_and_from_many_and_the_victim_elsewhere() -> None:
    events = list[Event]()
    app = MockForge(config=document(backoff={"attempts": 3, "attempts_from_address": 8}))
    app.runtime.events.subscribe(events.append)

    async def guess(user: str, password: str, address: str) -> Response:
        return await Client(app, client=address).get("/me", headers=basic(user, password))

    async with Client(app):
        assert [(await guess("ada", f"guess {i}", "192.0.2.1")).status for i in range(5)] == [401] * 3 + [429] * 2
        assert (await guess("ada", "open sesame", "192.0.2.1")).status == 429
        assert (await guess("bob", "geheim", "192.0.2.1")).status == 200  # a neighbour of the one who guesses
        for number in range(60):  # stuffing, from many addresses
            assert (await guess("ada", f"guess {number}", f"198.51.100.{number}")).status == 401
        assert (await guess("ada", "open sesame", "203.0.113.5")).status == 200
        assert [(await guess(f"user{i}", "x", "192.0.2.7")).status for i in range(9)] == [401] * 8 + [429]
    assert {e.address for e in events if isinstance(e, CallerDelayed)} == {"192.0.2.1", "192.0.2.7"}
    assert [e.name for e in events if isinstance(e, NameAttacked)] == ["ada"]


async def test_websockets_are_guarded_the_same() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})

    guarded = MockForge(app, config=document())
    for headers, sent in ((basic("ada", "open sesame"), "websocket.accept"), (basic("ada", "x"), "websocket.close")):
        conversation = Conversation([{"type": "websocket.connect"}])
        await guarded({**Client(guarded).scope("GET", "/me", headers), "type": "websocket"}, conversation.receive, conversation.send)
        assert conversation.sent[-1]["type"] == sent
