"""What a plugin is, whatever runs it: the operations, the payload, and the Protocols of host and lease.

The value types are the author's package's own (`mockforge_plugin`), re-exported here. How a host runs code is
`wasm/` and `plugins/native/host.py`; how documents are built from requests is `http/request_document.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Final, Protocol

from mockforge_asgi.types import Json
from mockforge_plugin.failure import CODES as ERROR_CODES
from mockforge_plugin.values import (
    Allow,
    Decision,
    Deny,
    FunctionMetadata,
    Parameter,
    Principal,
    Reply,
)

CONTRACT: Final = "0.1"
"""The contract version this host speaks; a plugin that names another one is refused by name."""

NOTHING: Final = b"{}"
"""The document of operations without input."""

KINDS: Final = ("auth", "template", "response", "modifier", "data_source", "endpoint")
"""The plugin kinds."""

OPS: Final[Mapping[str, tuple[str, ...]]] = {
    "auth": ("auth.authenticate",),
    "template": ("template.call",),
    "response": ("response.generate",),
    "modifier": ("response.modify",),
    "data_source": ("data.query",),
    "endpoint": ("endpoint.call",),
}
"""The operations that a plugin of each kind must implement."""

OPTIONAL_OPS: Final = (
    "plugin.validate_config",
    "plugin.init",
    "plugin.destroy",
    "plugin.start",
    "plugin.stop",
    "plugin.health",
    "response.can_handle",
    "data.connect",
    "data.schema",
    "endpoint.call",
)
"""Operations that a plugin may leave out; the host then does without."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a plugin says of itself: operations implemented, template functions, endpoints handled (None: it does not say), capabilities."""

    contract: str
    ops: frozenset[str]
    functions: tuple[FunctionMetadata, ...] = ()
    capabilities: Mapping[str, Json] = field(default_factory=dict)
    kit: str = ""
    endpoints: tuple[str, ...] | None = None


class BodyReader(Protocol):
    """The request that a call belongs to, as the host sees it: its bodies, and whether its client is still there."""

    async def read_body(self, of: str) -> bytes:
        """The whole body of the `request` or of the `response` being modified; raises HostCallError.

        `request.raw` is that of the request with its content coding, as it came.
        """
        ...

    def watched(self) -> AbstractContextManager[None]:
        """`with request.watched(): await …` raises ClientDisconnected once the client has left. Entered only where a call must wait."""
        ...


def watched(request: BodyReader | None) -> AbstractContextManager[None]:
    """The watch over the client of a call that must wait; a call without a request has no client."""
    return nullcontext() if request is None else request.watched()


class HostCalls(Protocol):
    """The guarded host functions of one plugin under its grants."""

    def call_now(self, name: str, payload: Mapping[str, Json]) -> Json:
        """The result of a host call that needs no waiting, or `NotImplemented`; raises HostCallError."""
        ...

    async def call(self, name: str, payload: Mapping[str, Json], request: BodyReader | None) -> Json:
        """The result of any host call; raises HostCallError."""
        ...

    async def close(self) -> None:
        """Close what the host calls keep open; for the host, at its own end."""
        ...


class Lease(Protocol):
    """A plugin for the length of one request: takes an instance when first called, gives it back on release."""

    async def call(self, op: str, document: bytes, request: BodyReader | None = None) -> Json:
        """Run one operation. Raises PluginFailed, LimitExceeded, PluginUnavailable."""
        ...

    def begin(self, op: str, document: bytes, request: BodyReader | None = None) -> Json:
        """The same: the result where nothing has to be waited for, else a coroutine that gives it."""
        ...

    def release(self) -> None:
        """Give the instance back (or throw it away); the lease is over."""
        ...


class PluginHost(Protocol):
    """One generation of one plugin's code, whatever runs it."""

    async def open(self) -> Description:
        """Instantiate once, describe, validate the configuration, make ready. Raises PluginRejected, ConfigError."""
        ...

    def lease(self) -> Lease:
        """A lease for one request or one task."""
        ...

    async def start(self) -> None:
        """Run the plugin's `start` once for this generation."""
        ...

    async def close(self) -> None:
        """Drain running calls, run `stop`, destroy the instances."""
        ...


__all__ = [
    "CONTRACT",
    "ERROR_CODES",
    "KINDS",
    "NOTHING",
    "OPS",
    "OPTIONAL_OPS",
    "Allow",
    "BodyReader",
    "Decision",
    "Deny",
    "Description",
    "FunctionMetadata",
    "HostCalls",
    "Json",
    "Lease",
    "Parameter",
    "PluginHost",
    "Principal",
    "Reply",
    "watched",
]
