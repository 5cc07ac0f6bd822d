"""Host calls from inside the sandbox: one imported function, JSON text both ways."""

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
        self.ask = ask
        self._failure = failure

    def call_now(self, name: str, payload: dict[str, Json]) -> Json:
        """Call the host. Raises: HostError."""
        text = encode(payload, name)
        try:
            return loads(self.ask(name, text))
        except self._failure as exc:
            raise HostError.from_envelope(loads(getattr(exc, "value", "null"))) from None

    call_blocking = call_now

    async def call(self, name: str, payload: dict[str, Json]) -> Json:
        """Call the host; nothing is ever left to await."""
        return self.call_now(name, payload)
