"""What built-in plugins find wrong with their configuration, told without a start: their code is this product's, and is asked nothing else.

They may read secrets for it and do nothing else: no network, no state. Of a secret that cannot be read here nothing is said: it may well
be there where the server starts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from mockforge_asgi.config.objects import Config
from mockforge_asgi.contract import BodyReader, Json
from mockforge_asgi.errors import ConfigError, HostCallError, MockForgeError
from mockforge_asgi.events import EventStream
from mockforge_asgi.plugins.authorization import Authorization
from mockforge_asgi.plugins.consistency import CheckReport
from mockforge_asgi.plugins.loader import opened
from mockforge_asgi.security.secrets import Secrets


def check_builtin_configs(config: Config, report: CheckReport) -> CheckReport:
    """The report with those built-in plugins refused, too, that would not start with their configuration."""
    faults = asyncio.run(_faults(config, [a for a in report.authorized.values() if a.use.is_builtin]))
    left = {name: authorization for name, authorization in report.authorized.items() if name not in faults}
    return CheckReport(left, {**report.refused, **faults}, report.idle)


async def _faults(config: Config, authorizations: list[Authorization]) -> dict[str, MockForgeError]:
    return {a.use.name: fault for a in authorizations if (fault := await _fault(a, config)) is not None}


async def _fault(authorization: Authorization, config: Config) -> MockForgeError | None:
    from mockforge_asgi.plugins.native.host import native_host

    secrets = SecretsOnly(authorization, config)
    in_threads = replace(authorization, use=replace(authorization.use, native=None))
    host = native_host(in_threads, secrets, EventStream())
    try:
        await opened(host, authorization)
    except ConfigError as error:
        problems = [problem for problem in error.problems if not any(words in problem.what for words in secrets.unread)]
        return ConfigError(str(error).partition("\n")[0], problems) if problems else None
    except MockForgeError as error:
        return error
    finally:
        await host.close()
    return None


class SecretsOnly:
    """Host calls of which only `secret.get` is answered, and lines of the log are dropped; see `contract.HostCalls`."""

    def __init__(self, authorization: Authorization, config: Config) -> None:
        self._granted, self._config = authorization.effective.secrets, config
        self.unread: list[str] = []
        """What was answered for secrets that cannot be read, word for word."""

    def call_now(self, name: str, payload: Mapping[str, Json]) -> Json:
        """The value of a granted secret. Raises HostCallError for anything else."""
        if name == "log":
            return None
        if name != "secret.get" or (wanted := payload["name"]) not in self._granted:
            raise HostCallError("denied", f"{name} is not answered while a configuration is checked")
        try:
            value = Secrets.load(self._config.secrets, needed=[wanted]).get(wanted)
        except ConfigError:
            value = None
        if value is None:
            self.unread.append(words := f"the secret {wanted!r} cannot be read here")
            raise HostCallError("not_found", words)
        return {"value": value}

    async def call(self, name: str, payload: Mapping[str, Json], request: BodyReader | None) -> Json:
        """The same: nothing waits. Raises HostCallError."""
        return self.call_now(name, payload)

    async def close(self) -> None:
        """Nothing is kept open."""
