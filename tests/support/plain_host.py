"""A plugin host of the tests: operations are plain functions in the process, documents go through JSON as everywhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from inspect import isawaitable
from typing import Any

from mockforge_asgi.contract import BodyReader, Description, Json, Lease, watched
from mockforge_asgi.contract.results import ResultReader
from mockforge_asgi.exact_json import loads
from mockforge_asgi.http.request_document import EVERYTHING, RequestView
from mockforge_asgi.plugins.plugin import Plugin, PluginMeta
from mockforge_asgi.runtime import PluginRuntime
from mockforge_asgi.security.permissions import EffectivePermissions

Operation = Callable[..., Json | Awaitable[Json]]


class PlainHost:
    """Runs operations by name; `log` has every call, start and end."""

    def __init__(self, operations: Mapping[str, Operation]) -> None:
        self.operations = dict(operations)
        self.log: list[str] = []

    async def open(self) -> Description:
        return Description("0.1", frozenset(self.operations))

    def lease(self) -> Lease:
        return PlainLease(self)

    async def start(self) -> None:
        self.log.append("start")

    async def close(self) -> None:
        self.log.append("close")


class PlainLease:
    """One request's hold on the host."""

    def __init__(self, host: PlainHost) -> None:
        self._host = host

    async def call(self, op: str, document: bytes, request: BodyReader | None = None) -> Json:
        self._host.log.append(op)
        run = self._host.operations[op]
        said = run(loads(document), request) if run.__code__.co_argcount == 2 else run(loads(document))
        with watched(request):
            return await said if isawaitable(said) else said

    begin = call

    def release(self) -> None:
        self._host.log.append("release")


def plain_plugin(
    name: str,
    kinds: str,
    operations: Mapping[str, Operation],
    *,
    view: RequestView = EVERYTHING,
    may_set: frozenset[str] = frozenset(),
    **facts: Any,
) -> Plugin:
    """A loaded plugin over a `PlainHost`; one lease per request, as isolated plugins have."""
    host = PlainHost(operations)
    about = PluginMeta(name, name, "1.0.0", "sha256-0", "native", frozenset(kinds.split()))
    return Plugin(
        replace(about, **facts),
        Description("0.1", frozenset(operations)),
        host,
        EffectivePermissions(request_view=view, response_headers=None, response_body=True),
        ResultReader(name, may_set),
        leases_per_request=True,
    )


class PlainRuntime(PluginRuntime):
    """A runtime that holds these plugins, as it would hold the developer's own."""

    def __init__(self, config: Mapping[str, Any], *plugins: Plugin) -> None:
        self._plain = plugins
        super().__init__(config)

    @property
    def own_names(self) -> tuple[str, ...]:
        """The names of these plugins."""
        return tuple(plugin.name for plugin in self._plain)

    async def ensure(self) -> None:
        """Be ready, and hold them."""
        is_new = not self.is_ready
        await super().ensure()
        for plugin in self._plain if is_new else ():
            if plugin.name not in self.registry:
                self.registry.put(plugin)
