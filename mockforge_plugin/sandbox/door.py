"""The sandbox's end of the host's doors: one imported function, JSON text both ways."""

from __future__ import annotations

from collections.abc import Callable
from json import loads

from mockforge_plugin.encoding import encode
from mockforge_plugin.failure import HostError
from mockforge_plugin.values import Json


class SandboxContext:
    """Asks the host and has the answer when the import returns; the host suspends the whole guest meanwhile."""

    def __init__(self, ask: Callable[[str, str], str], failure: type[Exception]) -> None:
        """`ask` is the component's import; it raises `failure`, whose `value` is the error envelope's text."""
        self._ask = ask
        self._failure = failure

    def door_now(self, name: str, payload: dict[str, Json]) -> Json:
        """Ask a door. Raises: HostError."""
        text = encode(payload, name)
        try:
            return loads(self._ask(name, text))
        except self._failure as exc:
            raise HostError.from_envelope(loads(getattr(exc, "value", "null"))) from None

    door_wait = door_now

    async def door(self, name: str, payload: dict[str, Json]) -> Json:
        """Ask a door; nothing is ever left to await."""
        return self.door_now(name, payload)
