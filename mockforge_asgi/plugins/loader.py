"""From an authorized package to a started `Plugin`: its host calls, its host, its description checked against the manifest.

What is authorized stands in `authorization.py`, what is loaded in the registry; when something is loaded again is the runtime's
affair.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from mockforge_asgi.contract import OPS, Description, PluginHost
from mockforge_asgi.contract.description import with_config
from mockforge_asgi.contract.results import ResultReader
from mockforge_asgi.errors import PluginRejected
from mockforge_asgi.events import PluginLoaded, PluginWarning
from mockforge_asgi.plugins.authorization import Authorization
from mockforge_asgi.plugins.breaker import Breaker
from mockforge_asgi.plugins.hostcalls.hostcalls import HostServices, PluginHostCalls
from mockforge_asgi.plugins.package.manifest import Manifest
from mockforge_asgi.plugins.plugin import DEFAULT_PRIORITY, Plugin, PluginMeta
from mockforge_asgi.text import clip

if TYPE_CHECKING:
    from mockforge_asgi.wasm.sandbox import Sandbox


class Loader:
    """Loads plugins for one runtime on one loop. `sandbox` is called when the first sandboxed plugin comes."""

    def __init__(
        self, services: HostServices, sandbox: Callable[[], Sandbox], native: Callable[[Authorization, PluginHostCalls], PluginHost]
    ) -> None:
        self.services, self._sandbox, self._native = services, sandbox, native

    async def load(self, authorization: Authorization) -> Plugin:
        """A started generation of that plugin. Raises PluginRejected, ConfigError, PluginFailed."""
        began = time.perf_counter()
        use, manifest, package = authorization.use, authorization.manifest, authorization.package
        host_calls = PluginHostCalls(
            use.name, authorization.effective, self.services, config=authorization.config, files=package.files, kinds=manifest.kinds
        )
        breaker = Breaker(use.name, use.breaker, self.services.events)
        host = await self._host(authorization, host_calls, breaker)
        try:
            description = await opened(host, authorization)
            await host.start()
        except BaseException:
            await host.close()
            raise
        for warning in authorization.warnings:
            self.services.events.emit(PluginWarning(plugin=use.name, detail=str(warning)))
        self.services.events.emit(
            PluginLoaded(
                plugin=use.name, version=manifest.version, digest=package.digest, runtime=manifest.runtime,
                kinds=tuple(sorted(manifest.kinds)), load_s=time.perf_counter() - began,
            )
        )  # fmt: skip
        reader = ResultReader(use.name, authorization.effective.set_headers, host_calls.headers_left_out, self.services.events)
        if manifest.runtime == "native":
            from mockforge_asgi.plugins.native.plugin import native_plugin

            return native_plugin(facts(authorization), description, host, authorization.effective, reader, breaker)
        per_request = authorization.isolation == "per_request"
        return Plugin(
            facts(authorization), description, host, authorization.effective, reader, leases_per_request=per_request, breaker=breaker
        )

    async def _host(self, authorization: Authorization, host_calls: PluginHostCalls, breaker: Breaker) -> PluginHost:
        if authorization.manifest.runtime == "native":
            return self._native(authorization, host_calls)
        from mockforge_asgi.plugins.sandboxed import sandboxed_host

        return await sandboxed_host(self._sandbox(), authorization, host_calls, breaker)


async def opened(host: PluginHost, authorization: Authorization) -> Description:
    """What the code says of itself, once it agreed to its configuration. Raises PluginRejected, ConfigError."""
    name = authorization.use.name
    description = with_config(name, await host.open(), authorization.config)
    check_references(name, authorization.manifest, description)
    return description


def check_references(name: str, manifest: Manifest, description: Description) -> None:
    """Raises PluginRejected when the code does not do what the manifest says."""
    ops, places = description.ops, manifest.places
    problems = [
        places.problem(("kinds",), f"{kind}: the code does not implement {op}.", "Implement it, or leave the kind out.")
        for kind in sorted(manifest.kinds)
        for op in OPS[kind]
        if op not in ops and not (kind == "template" and description.functions)
    ]
    if "endpoint" in manifest.kinds and not manifest.endpoints:
        problems.append(places.problem(("kinds",), "endpoint: there are none under `endpoints`.", "List them, or leave the kind out."))
    if manifest.endpoints and "endpoint.call" not in ops:
        what = "the code does not implement endpoint.call."
        problems.append(places.problem(("endpoints",), what, "Implement it, or leave it out."))
    elif description.endpoints is not None:
        handled = clip(", ".join(description.endpoints), 300)
        problems += [
            places.problem(("endpoints", i), f"the code has no handler '{e.name}'; it has {handled}.", "Mark one so.")
            for i, e in enumerate(manifest.endpoints)
            if e.name not in description.endpoints
        ]
    if problems:
        raise PluginRejected(name, "its code is not what its manifest says:", problems)


def facts(authorization: Authorization) -> PluginMeta:
    """What is known of an authorized plugin without running it."""
    use, manifest = authorization.use, authorization.manifest
    priority = manifest.priority if use.priority is None else use.priority
    return PluginMeta(
        name=use.name,
        id=manifest.id,
        version=manifest.version,
        digest=authorization.package.digest,
        runtime=manifest.runtime,
        kinds=manifest.kinds,
        priority=DEFAULT_PRIORITY if priority is None else priority,
        alias=use.alias,
        prefix=use.prefix,
        endpoints=manifest.endpoints,
        on_failure=use.on_failure,
        templates=use.templates,
        modifies=use.modifies,
        needs=frozenset(wanted.id for wanted in manifest.dependencies),
    )
