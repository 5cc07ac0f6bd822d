"""The same name and password at once: one hash, whoever leaves, and everybody's answer."""

from __future__ import annotations

import asyncio
import threading
from base64 import b64encode
from collections.abc import AsyncIterator

import pytest

from mockforge_plugin import Allow, Deny, Request
from plugins_builtin.auth_basic.checks import Checks
from plugins_builtin.auth_basic.hashing import Busy, HashingThreads
from plugins_builtin.auth_basic.plugin import BasicAuth
from plugins_builtin.auth_basic.users import User, Users
from plugins_builtin.auth_basic.verified import VerifiedPasswords


class Gate:
    """The hash of `right`, worked out when it is told to; knows of what it was."""

    is_weak = False

    def __init__(self) -> None:
        self.release, self.begun = threading.Event(), list[bytes]()

    def is_of(self, password: bytes) -> bool:
        self.begun.append(password)
        assert self.release.wait(20)
        if password == b"broken":
            raise MemoryError
        return password == b"right"

    async def has_begun(self, times: int = 1) -> None:
        while len(self.begun) < times:
            await asyncio.sleep(0)


def request(user: str, password: str) -> Request:
    return Request(headers={"authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()})


class Plugin(BasicAuth):
    """The plugin with one user, one thread and room for two that wait."""

    def __init__(self, cache_s: float = 60, most_callers: int = 100) -> None:
        self.gate = Gate()
        self.users = Users({b"ada": User("ada", self.gate)}, (self.gate,))
        self.max_bytes, self.refused = 256, Deny(401, "wrong")
        self.threads, self.verified = HashingThreads(1, 2), VerifiedPasswords(cache_s, 10)
        self.checks = Checks(self.threads, most_callers)

    async def callers(self, many: int, user: str, password: str) -> list[asyncio.Task[Allow | Deny | None]]:
        """Requests that wait for their answers."""
        tasks = [asyncio.create_task(self.authenticate(request(user, password))) for _ in range(many)]
        await asyncio.sleep(0)
        return tasks

    async def is_idle(self) -> None:
        """Return when nothing is under way, neither here nor in the threads."""
        while len(self.checks) or self.threads._under_way:
            await asyncio.sleep(0)


@pytest.fixture
async def auth() -> AsyncIterator[Plugin]:
    made = Plugin()
    yield made
    made.gate.release.set()
    await made.is_idle()
    made.destroy()


async def left(*tasks: asyncio.Task[Allow | Deny | None]) -> None:
    """Their clients leave."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert all(task.cancelled() for task in tasks)


@pytest.mark.parametrize("cache_s", [60, 0])
async def test_the_right_password_from_a_hundred_connections_is_hashed_once(cache_s: float) -> None:
    auth = Plugin(cache_s)
    waiting = await auth.callers(100, "ada", "right")
    auth.gate.release.set()
    answers = await asyncio.gather(*waiting)
    assert {answer.principal.id for answer in answers if isinstance(answer, Allow)} == {"ada"}
    assert len(answers) == 100 and not any(isinstance(answer, Deny) for answer in answers)
    assert auth.gate.begun == [b"right"]
    await auth.is_idle()
    auth.destroy()


@pytest.mark.parametrize(("user", "password"), [("ada", "wrong"), ("eve", "wrong"), ("eve", "right")])
async def test_wrong_passwords_and_unknown_names_are_hashed_once_for_all_and_again_later(auth: Plugin, user: str, password: str) -> None:
    auth.gate.release.set()
    for times in (1, 2):
        answers = await asyncio.gather(*await auth.callers(100, user, password))
        assert all(answer is auth.refused for answer in answers)
        assert auth.gate.begun == [password.encode()] * times
        await auth.is_idle()


async def test_other_names_and_other_passwords_are_checks_of_their_own(auth: Plugin) -> None:
    waiting = [*await auth.callers(5, "ada", "right"), *await auth.callers(5, "ada", "wrong"), *await auth.callers(5, "eve", "right")]
    auth.gate.release.set()
    answers = await asyncio.gather(*waiting)
    assert [isinstance(answer, Allow) for answer in answers] == [True] * 5 + [False] * 10
    assert sorted(auth.gate.begun) == [b"right", b"right", b"wrong"]


@pytest.mark.parametrize("leaving", [slice(0, 1), slice(0, 9), slice(3, 7)])
async def test_the_others_get_their_answer_whoever_leaves(auth: Plugin, leaving: slice) -> None:
    waiting = await auth.callers(10, "ada", "right")
    await auth.gate.has_begun()
    await left(*waiting[leaving])
    auth.gate.release.set()
    staying = [task for task in waiting if not task.done()]
    assert all(isinstance(answer, Allow) for answer in await asyncio.gather(*staying)) and staying
    assert auth.gate.begun == [b"right"]


async def test_the_others_get_their_answer_also_when_the_first_leaves_before_the_hash_has_begun(auth: Plugin) -> None:
    before = await auth.callers(1, "ada", "wrong")
    await auth.gate.has_begun()
    first, second = await auth.callers(2, "ada", "right")
    await left(first)
    auth.gate.release.set()
    assert isinstance(await second, Allow) and await before[0] is auth.refused
    assert auth.gate.begun == [b"wrong", b"right"]


async def test_when_all_have_left_before_it_begins_nothing_is_hashed_and_there_is_room(auth: Plugin) -> None:
    before = await auth.callers(1, "ada", "wrong")
    await auth.gate.has_begun()
    for _ in range(20):
        await left(*await auth.callers(5, "ada", "right"))
        assert len(auth.checks) == 1
        await asyncio.sleep(0)
    auth.gate.release.set()
    assert await before[0] is auth.refused
    await auth.is_idle()
    assert auth.gate.begun == [b"wrong"]


async def test_clients_that_leave_and_come_again_wait_for_the_hash_that_has_begun(auth: Plugin) -> None:
    for _ in range(20):
        waiting = await auth.callers(1, "ada", "right")
        await auth.gate.has_begun()
        await left(*waiting)
    assert len(auth.checks) == auth.threads._under_way == 1
    [last] = await auth.callers(1, "ada", "right")
    auth.gate.release.set()
    assert isinstance(await last, Allow) and auth.gate.begun == [b"right"]


async def test_who_comes_while_the_answer_is_on_its_way_begins_no_second_hash(auth: Plugin) -> None:
    first = await auth.callers(2, "ada", "right")
    came = list[object]()

    def come(_: object) -> None:
        assert not any(task.done() for task in first) and len(auth.verified) == 0
        try:
            auth.authenticate(request("ada", "right")).send(None)
        except StopIteration as ended:
            came.append(ended.value)

    [check] = auth.checks._under_way.values()
    check.answer.add_done_callback(come)
    auth.gate.release.set()
    answers = await asyncio.gather(*first)
    assert all(isinstance(answer, Allow) for answer in (*answers, *came)) and len(came) == 1
    assert auth.gate.begun == [b"right"] and len(auth.checks) == 0


async def test_more_callers_than_may_wait_for_one_password_are_refused_and_others_are_not() -> None:
    auth = Plugin(most_callers=3)
    waiting = await auth.callers(3, "ada", "right")
    for task in await auth.callers(5, "ada", "right"):
        answer = await task
        assert isinstance(answer, Deny) and answer.status == 503
    other = await auth.callers(3, "ada", "wrong")
    await left(waiting.pop())
    waiting += await auth.callers(1, "ada", "right")  # one that left makes room
    auth.gate.release.set()
    assert all(isinstance(answer, Allow) for answer in await asyncio.gather(*waiting))
    assert await asyncio.gather(*other) == [auth.refused] * 3
    await auth.is_idle()
    auth.destroy()


async def test_there_are_no_more_checks_than_the_threads_take(auth: Plugin) -> None:
    waiting = [task for number in range(3) for task in await auth.callers(4, f"user{number}", "x")]
    for number in range(3, 50):
        [task] = await auth.callers(1, f"user{number}", "x")
        answer = await task
        assert isinstance(answer, Deny) and answer.status == 503 and len(auth.checks) == 3
    auth.gate.release.set()
    assert await asyncio.gather(*waiting) == [auth.refused] * 12
    await auth.is_idle()
    assert len(auth.gate.begun) == 3


async def test_a_hash_that_fails_fails_for_everybody_who_waits_and_is_tried_anew(auth: Plugin) -> None:
    auth.gate.release.set()
    for times in (1, 2):
        answers = await asyncio.gather(*await auth.callers(4, "ada", "broken"), return_exceptions=True)
        assert [type(answer) for answer in answers] == [MemoryError] * 4 and len(auth.gate.begun) == times
        await auth.is_idle()


async def test_a_hash_that_fails_when_nobody_waits_is_no_stray_exception(auth: Plugin) -> None:
    told = list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    waiting = await auth.callers(2, "ada", "broken")
    await auth.gate.has_begun()
    await left(*waiting)
    del waiting
    auth.gate.release.set()
    await auth.is_idle()
    assert told == []


async def test_who_waits_when_the_threads_are_ended_is_told_so(auth: Plugin) -> None:
    begun = await auth.callers(2, "ada", "right")
    await auth.gate.has_begun()
    waiting = await auth.callers(2, "ada", "wrong")
    auth.destroy()
    for task in waiting:
        answer = await task
        assert isinstance(answer, Deny) and answer.status == 503
    auth.gate.release.set()
    assert all(isinstance(answer, Allow) for answer in await asyncio.gather(*begun))
    with pytest.raises(Busy):
        await auth.checks.is_right(b"another", auth.gate, b"x")


async def test_no_password_is_kept_with_what_is_under_way(auth: Plugin) -> None:
    waiting = await auth.callers(1, "ada", "planted-password")
    assert "planted" not in repr(auth.checks._under_way) and [len(digest) for digest in auth.checks._under_way] == [32]
    auth.gate.release.set()
    assert await waiting[0] is auth.refused
