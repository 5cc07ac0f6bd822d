"""An authorized plugin's code in the sandbox. Imported with the first sandboxed plugin: nothing else needs wasmtime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mockforge_asgi.contract import Json, PluginHost
from mockforge_asgi.exact_json import dumps
from mockforge_asgi.plugins.authorization import Authorization
from mockforge_asgi.plugins.breaker import Breaker
from mockforge_asgi.plugins.hostcalls.hostcalls import PluginHostCalls
from mockforge_asgi.plugins.package.manifest import Limits
from mockforge_asgi.plugins.plugin import endpoint_prefix
from mockforge_asgi.wasm.extism.entry import ExtismEntry
from mockforge_asgi.wasm.fiber import Budget
from mockforge_asgi.wasm.host import HostOptions
from mockforge_asgi.wasm.sandbox import GuestSpec, Sandbox

KIB: Final = 1024


async def sandboxed_host(sandbox: Sandbox, authorization: Authorization, host_calls: PluginHostCalls, breaker: Breaker) -> PluginHost:
    """A host for it, not yet opened. Raises PluginRejected, UnsupportedPlatform."""
    use, manifest, limits = authorization.use, authorization.manifest, authorization.limits
    if manifest.runtime == "native":
        raise ValueError(f"plugin '{use.name}' is native")
    options = HostOptions(
        use.name,
        manifest.version,
        authorization.config,
        budget(limits),
        authorization.isolation == "per_request",
        use.instances,
        explains=authorization.is_dev,
        where=authorization.where,
        prefix=endpoint_prefix(use.name, use.prefix),
    )
    entry, settings = manifest.entry, extism_settings(authorization.config)
    mapping = ExtismEntry(entry.response, entry.template)
    spec = GuestSpec(manifest.runtime, entry.file, authorization.package.files, limits.memory_mb, settings, limits.vars_kb, mapping=mapping)
    host = await sandbox.host(options, spec, host_calls)
    host.watch, breaker.refuse_waiting = breaker, host.refuse_waiting
    return host


def budget(limits: Limits) -> Budget:
    """A manifest's limits of one call, in the scheduler's units."""
    return Budget(limits.cpu_ms / 1000, limits.timeout_ms / 1000, limits.output_kb * KIB)


def extism_settings(config: Json) -> Mapping[str, str]:
    """Top-level values as Extism's `config_get` gives them: strings as they are, anything else as JSON."""
    if not isinstance(config, Mapping):
        return {}
    return {str(k): v if isinstance(v, str) else dumps(v).decode() for k, v in config.items()}
