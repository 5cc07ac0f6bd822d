"""`python -m benchmarks.soak_auth` (`scripts/soak auth`): authenticated requests for a long time, while those who are asked fail.

One app in this process behind every built-in auth plugin; npm's `oidc-provider` and OpenLDAP beside it, each in a process of its own. In
each round requests with right and wrong credentials are sent, the provider is silent, slow, endless and answers garbage, and both are
stopped and started again. Then right credentials must pass again, without a restart of ours, and what the process holds is counted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.auth_cases import basic, guarded, signatures
from benchmarks.conditions import machine
from benchmarks.soak import AT_ONCE, MIB, PooledInstance, _children, _rss, _threads, faults
from mockforge_asgi import MockForge
from mockforge_asgi.testing import Client
from tests.support.identity_provider import AUDIENCE, IdentityProvider, identity_provider
from tests.support.openldap import PASSWORD, OpenLdap, openldap

MOODS: Final = ("down", "slow", "trickle", "garbage", "html", "error", "huge", "empty")
"""What the provider does when it is asked, of `tests/support/oidc/server.mjs`."""
ALLOWED: Final = frozenset({200, 400, 401, 502, 503})
HOST: Final = "testserver"
_LOCAL: Final = ("api_key", "basic", "jwt", "webhook")
"""Plugins that ask nobody."""
_RECOVERY_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Work:
    """How much to do, in all."""

    requests: int = 50_000
    rounds: int = 10


@dataclass(slots=True)
class Done:
    """Requests by status, and how long right credentials took to pass again."""

    statuses: Counter[int] = field(default_factory=Counter)
    restarts: int = 0
    slowest_recovery_s: float = 0.0


class Soak:
    """The app, and who it asks."""

    def __init__(self, work: Work, provider: IdentityProvider, directory: OpenLdap) -> None:
        self.work, self.provider, self.directory, self.done = work, provider, directory, Done()
        cases = {name.replace("_", "-"): guarded(name, provider.introspection_url, directory.plain) for name in (*_LOCAL, "signed")}
        self._right: dict[str, Mapping[str, str]] = {name: case.headers for name, case in cases.items()}
        plugins: dict[str, Any] = {name: {"use": case.plugin, "config": dict(case.config)} for name, case in cases.items()}
        held = {key: value for case in cases.values() for key, value in case.secrets.items()}
        jwks = {
            "jwks_url": provider.jwks_url, "issuer": provider.issuer, "audience": AUDIENCE,
            "jwks_times": {"fresh_min_s": 1, "fresh_max_s": 1, "stale_s": 0, "refetch_s": 1, "timeout_ms": 200}, "cache_entries": 100,
        }  # fmt: skip
        asked = {
            "introspection_url": provider.introspection_url, "client_id": "gateway", "client_secret": "gateway", "clients": ["shop"],
            "principal": "client_id", "cache_s": 1, "negative_cache_s": 1, "timeout_ms": 200, "cache_entries": 100,
        }  # fmt: skip
        logins = {"servers": [directory.plain], "insecure": True, "bind_as": "uid={user},ou=people,dc=example,dc=com"}
        plugins |= {"jwks": {"use": "auth-jwt", "config": jwks}, "oauth2": {"use": "auth-oauth2", "config": asked}}
        plugins["ldap"] = {"use": "auth-ldap", "config": {**logins, "timeouts": {"retry_s": 1}}}
        self.names = tuple(plugins)
        config = {
            "version": 1,
            "backoff": False,
            "plugins": plugins,
            "secrets": {name: {"value": value} for name, value in {**held, "gateway": "gateway-secret"}.items()},
            "protect": [{"path": f"/{name}/**", "auth": name} for name in plugins] + [{"path": "/health", "auth": "signed"}],
            "routes": [{"match": {"path": "/**"}, "response": {"text": "passed"}}],
        }
        self.client = Client(MockForge(config=config), host=HOST)

    async def run(self) -> list[PooledInstance]:
        """Do all the work; what was held after each round."""
        held = []
        async with self.client:
            for number in range(1, self.work.rounds + 1):
                await self.renew()
                await self.call(self.work.requests // self.work.rounds)
                for mood in MOODS:
                    await self.provider.control(mood=mood)
                    await self.call(2 * AT_ONCE, only=("jwks", "oauth2"))
                await self.provider.control(mood="ok")
                await self.restart()
                await self.recover()
                held.append(self.held(number))
        return held

    async def renew(self) -> None:
        """Right credentials of the parties that are asked."""
        signed, opaque = await self.provider.token(resource=AUDIENCE), await self.provider.token()
        self._right |= {"jwks": {"authorization": f"Bearer {signed}"}, "oauth2": {"authorization": f"Bearer {opaque}"}}
        self._right["ldap"] = basic("alice", PASSWORD)

    async def call(self, times: int, only: tuple[str, ...] = ()) -> None:
        """That many requests, some at once, to each plugin in turn; one in four with credentials that are not right."""
        names = only or self.names
        for first in range(0, times, AT_ONCE):
            numbers = range(first, min(times, first + AT_ONCE))
            answers = await asyncio.gather(*(self._send(names[i % len(names)], wrong=i // len(names) % 4) for i in numbers))
            assert set(answers) <= ALLOWED, answers
            self.done.statuses.update(answers)

    async def _send(self, name: str, wrong: int = 1) -> int:
        path, headers = f"/{name}/x", self._right.get(name, {})
        if name == "signed":
            path, (about, signature) = "/health", signatures(HOST, 1)[0]
            headers = {"signature-input": about, "signature": signature}
        if wrong == 0:
            headers = {key: _spoilt(value) for key, value in headers.items()}
        return (await self.client.get(path, headers=headers)).status

    async def restart(self) -> None:
        """Stop both parties while requests come, and start them again."""
        self.directory.stop()
        await self.call(AT_ONCE, only=("ldap",))
        self.directory.start()
        port = int(self.provider.issuer.rpartition(":")[2])
        self.provider.process.kill()
        await asyncio.to_thread(self.provider.process.wait)
        await self.call(AT_ONCE, only=("jwks", "oauth2"))
        self._started.close()
        self._started = contextlib.ExitStack()
        self.provider = self._started.enter_context(identity_provider(port))
        self.done.restarts += 1

    _started: contextlib.ExitStack = contextlib.ExitStack()

    async def recover(self) -> None:
        """Right credentials pass everywhere within some seconds. Raises AssertionError."""
        await self.renew()
        began = time.perf_counter()
        left = set(self.names)
        while left:
            waited = time.perf_counter() - began
            assert waited < _RECOVERY_S, f"after {waited:.0f} s these still let nobody pass: {sorted(left)}"
            left = {name for name in left if await self._send(name) != 200}
            await asyncio.sleep(0.1 if left else 0)
        self.done.slowest_recovery_s = max(self.done.slowest_recovery_s, time.perf_counter() - began)

    def held(self, number: int) -> PooledInstance:
        """What the process holds now."""
        gc.collect()
        descriptors, objects = len(os.listdir("/proc/self/fd")), len(gc.get_objects())
        return PooledInstance(number, _rss() / MIB, descriptors, _threads(), len(_children()), 0.0, objects)

    def close(self) -> None:
        """Stop the provider that was started last."""
        self._started.close()


def _spoilt(value: str) -> str:
    """Credentials that nobody has, of the same kind."""
    if value.startswith("Basic"):
        return basic("alice", secrets.token_hex(8))["authorization"]
    return value[: len(value) // 2] + secrets.token_hex(8)


def run(work: Work) -> tuple[list[PooledInstance], Done]:
    """All of it; what was held after each round, and what was done."""
    with tempfile.TemporaryDirectory() as folder, openldap(Path(folder) / "directory") as directory, identity_provider() as provider:
        soak = Soak(work, provider, directory)
        try:
            return asyncio.run(soak.run()), soak.done
        finally:
            soak.close()


def growth(held: list[PooledInstance]) -> Iterator[str]:
    """What has grown, as `soak` judges it; pooled connections come and go, so that a few descriptors more are none."""
    start = held[max(1, len(held) // 4) - 1].descriptors
    for fault in faults(held):
        if not (fault.startswith("descriptors") and held[-1].descriptors <= start + 8):
            yield fault


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="scripts/soak auth", description="Authenticated requests while those who are asked fail.")
    for name, value in asdict(Work()).items():
        parser.add_argument(f"--{name}", type=int, default=value, metavar="N", help=f"default {value}")
    work = Work(**vars(parser.parse_args(arguments)))
    began = time.perf_counter()
    held, done = run(work)
    for each in held:
        print(json.dumps({name: round(value, 1) for name, value in asdict(each).items()}))
    found = list(growth(held))
    told = {"statuses": dict(done.statuses), "restarts": done.restarts, "slowest_recovery_s": round(done.slowest_recovery_s, 2)}
    print(json.dumps({"work": asdict(work), "done": told, "wall_s": round(time.perf_counter() - began, 1), "faults": found, **machine()}))
    for fault in found:
        print(f"scripts/soak auth: {fault}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
