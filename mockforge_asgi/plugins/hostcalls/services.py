"""What answers host calls that reach beyond this process or this plugin: HTTP clients and data sources, as far as host calls see them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

from mockforge_asgi.contract import Json

Payload: TypeAlias = Mapping[str, Json]


class HttpClient(Protocol):
    """What sends requests to other servers (`security.egress.client.Egress`)."""

    async def request(self, payload: Payload) -> Json:
        """Answer an `http.request`."""
        ...

    async def close(self) -> None:
        """Close what is kept open."""
        ...


class Queries(Protocol):
    """Where data comes from (`sources.Sources`)."""

    async def query(self, *args: Any, **options: Any) -> Json:
        """Answer a `data.query`."""
        ...

    def changed(self, plugin: str) -> None:
        """The data that a plugin brings are others now."""
        ...
