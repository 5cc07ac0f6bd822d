"""Servers that go away and come back."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import threading
import time
from contextlib import suppress

import pytest

from plugins_builtin.auth_ldap.failures import Misconfigured, Unreachable
from plugins_builtin.auth_ldap.servers import Servers
from plugins_builtin.auth_ldap.settings import Server
from plugins_builtin.auth_ldap.tests.fake_server import BIND, Fake, fake_server, result
from plugins_builtin.auth_ldap.tests.mock import WAYS, client, login, reached, searching
from tests.support.openldap import OpenLdap
from tests.support.server_processes import free_port

INVALID_CREDENTIALS = 49
FIRST, SECOND = (Server(f"ldap://{name}", name, 389, "none") for name in ("first", "second"))


class Clock:
    """A clock that stands."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_server_that_failed_is_left_alone_longer_each_time() -> None:
    clock = Clock()
    servers = Servers((FIRST, SECOND), longest_s=1.0, trial_s=2.0, clock=clock)
    for pause_s in (0.25, 0.5, 1.0, 1.0):
        assert servers.next() is FIRST
        servers.failed(FIRST, Unreachable("first is gone"))
        clock.now += pause_s * 0.99
        assert servers.next() is SECOND
        clock.now += pause_s * 0.02
    assert servers.next() is FIRST
    assert servers.next() is SECOND  # one thread alone tries it
    servers.works(FIRST)
    assert (servers.next(), servers.next(), servers.down) == (FIRST, FIRST, {})


def test_when_all_failed_the_next_is_told_why_at_once() -> None:
    servers = Servers((FIRST, SECOND), longest_s=10, trial_s=2, clock=Clock())
    servers.failed(FIRST, Misconfigured("the account"))
    servers.failed(SECOND, Unreachable("second is gone"))
    with pytest.raises(Unreachable, match="the account; second is gone"):
        servers.next()
    alone = Servers((FIRST,), longest_s=10, trial_s=2, clock=Clock())
    alone.failed(FIRST, Misconfigured("the account"))
    with pytest.raises(Misconfigured):
        alone.next()


@pytest.mark.parametrize("way", WAYS)
async def test_a_restart_is_not_noticed(own_directory: OpenLdap, way: str) -> None:
    async with client(searching(reached(own_directory, way))) as at:
        for _ in range(3):
            assert [(await login(at, "alice")).status for _ in range(3)] == [200] * 3
            own_directory.restart()


async def test_a_server_that_comes_back_is_used_again(own_directory: OpenLdap) -> None:
    config = searching(reached(own_directory, "ldaps"), timeouts={"retry_s": 0.1})
    own_directory.stop()
    async with client(config) as at:  # it starts all the same
        for _ in range(2):
            assert (await login(at, "alice")).status == 503
            own_directory.start()
            async with asyncio.timeout(30):
                while (await login(at, "alice")).status != 200:
                    await asyncio.sleep(0.02)
            own_directory.stop()


async def test_the_next_server_is_asked_within_the_same_login(
    directory: OpenLdap, own_directory: OpenLdap, caplog: pytest.LogCaptureFixture
) -> None:
    nobody = f"ldap://127.0.0.1:{free_port()}"
    servers = [nobody, own_directory.plain, directory.plain]
    async with client(searching({"servers": servers, "insecure": True})) as at:
        assert (await login(at, "alice")).status == 200
        own_directory.stop()
        assert [(await login(at, "alice")).status for _ in range(5)] == [200] * 5
        own_directory.start()
        directory_only = await login(at, "alice")
        assert directory_only.status == 200


async def test_a_server_that_accepts_and_is_silent_costs_one_time_out(directory: OpenLdap) -> None:
    def silent(fake: Fake, connection: object) -> None:
        fake.request(connection)  # type: ignore[arg-type]
        threading.Event().wait(5)

    with fake_server(silent) as fake:
        config = searching({"servers": [fake.uri, directory.plain], "insecure": True}, timeouts={"connect_s": 0.2, "login_s": 5})
        async with client(config) as at:
            assert [(await login(at, "alice")).status for _ in range(10)] == [200] * 10


async def test_logins_that_waited_until_nearly_too_late_are_no_fault_of_the_server() -> None:
    """Whoever sends many wrong passwords at once would otherwise have it left alone, and everybody with it."""

    def slow(fake: Fake, connection: socket.socket) -> None:
        while True:
            number, _ = fake.request(connection)
            time.sleep(0.2)
            connection.sendall(result(number, BIND, INVALID_CREDENTIALS))

    with fake_server(slow) as fake:
        config = {"servers": [fake.uri], "insecure": True, "bind_as": "uid={user},dc=x", "pool": {"threads": 1}}
        async with client({**config, "timeouts": {"connect_s": 0.3, "login_s": 0.5, "retry_s": 60}}) as at:
            await asyncio.gather(*(login(at, f"name{n}", "wrong") for n in range(6)))
            assert [(await login(at, "alice", "wrong")).status for _ in range(3)] == [401] * 3
            assert fake.connections <= 3


@pytest.mark.parametrize("way", WAYS)
async def test_nothing_is_left_of_connections_that_broke(own_directory: OpenLdap, way: str) -> None:
    before = descriptors()
    async with client(searching(reached(own_directory, way), timeouts={"retry_s": 0.1})) as at:
        for _ in range(10):
            assert (await login(at, "alice")).status == 200
            await asyncio.gather(*(login(at, name, password) for name in ("alice", "nobody") for password in (None, "wrong", "")))
            own_directory.restart()
        assert len(auth_threads()) <= 4
    for thread in auth_threads():
        thread.join(10)
    gc.collect()
    assert (auth_threads(), descriptors() - before) == ([], set())


def descriptors() -> set[str]:
    """The sockets that this process has open."""
    found = set()
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            found.add(os.readlink(f"/proc/self/fd/{descriptor}"))
    return {target for target in found if target.startswith("socket:")}


def auth_threads() -> list[threading.Thread]:
    """The threads of the plugin."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("auth-ldap")]
