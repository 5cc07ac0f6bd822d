"""What templates see of the request: `request.method`, `request.query.page`, `request.headers["x-trace"]`, `request.json.user.id`.

The operator writes templates, so they see the whole request. The body is there when the template names it: it was read before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from mockforge_asgi.http.exchange import Exchange
from mockforge_asgi.http.snapshot import RequestSnapshot
from mockforge_asgi.templates.bounds.environment import Exposed, NotThere
from mockforge_asgi.types import Json
from mockforge_plugin.charset import decoded

BODY_PARTS: Final = frozenset(["body", "json", "text"])
"""Parts of the request that need its body."""


class Pairs(Exposed):
    """Query parameters or headers by name: the first value. `.all(name)`, `.get(name, default)` and `.names()` as well."""

    __slots__ = ("_snapshot",)
    label = "the request's query or headers"

    def __init__(self, snapshot: RequestSnapshot) -> None:
        self._snapshot = snapshot

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """All of them."""
        return self._snapshot.query

    def expose(self, name: str) -> object:
        """The first value of that name, else a method."""
        value = self.first(name)
        if value is not None:
            return value
        return {"all": self.all, "get": self.get, "names": self.names}[name]

    def first(self, name: str) -> str | None:
        """The first value of that name."""
        return next((value for key, value in self.pairs() if key == name), None)

    def get(self, name: str, default: Json = None) -> Json:
        """The first value of that name, or the default."""
        value = self.first(str(name))
        return default if value is None else value

    def all(self, name: str) -> list[str]:
        """Every value of that name, in order."""
        wanted = str(name)
        return [value for key, value in self.pairs() if key == wanted]

    def names(self) -> list[str]:
        """Every name once, in order."""
        return list(dict.fromkeys(key for key, _ in self.pairs()))


class HeaderPairs(Pairs):
    """Headers, by names in any case and with `_` for `-`. The first of a name is found without looking at others."""

    __slots__ = ()

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """See Pairs."""
        return self._snapshot.headers

    def first(self, name: str) -> str | None:
        """See Pairs."""
        low = _header_name(name)
        if not low.isascii():
            return super().first(low)
        self._snapshot.check_headers()
        return self._snapshot.header(low)

    def all(self, name: str) -> list[str]:
        """See Pairs."""
        return super().all(_header_name(str(name)))


def _header_name(name: str) -> str:
    return name.lower().replace("_", "-")


_HEAD: Final[Mapping[str, Callable[[RequestSnapshot], object]]] = {
    "method": lambda snapshot: snapshot.method,
    "path": lambda snapshot: snapshot.path,
    "raw_path": lambda snapshot: snapshot.raw_path,
    "scheme": lambda snapshot: snapshot.scheme,
    "host": lambda snapshot: snapshot.host,
    "client": lambda snapshot: snapshot.client,
    "query_string": lambda snapshot: snapshot.query_string.decode("latin-1"),
    "query": Pairs,
    "headers": HeaderPairs,
}


class TemplateRequest(Exposed):
    """The request of an exchange."""

    __slots__ = ("_exchange", "_text")
    label = "request"

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._text: str | None = None

    def expose(self, name: str) -> Any:
        """The part of that name."""
        part = _HEAD.get(name)
        if part is not None:
            return part(self._exchange.snapshot)
        if name == "path_params":
            return dict(self._exchange.path_params)
        if name in BODY_PARTS:
            return self._of_body(name)
        if name == "route":
            return self._exchange.route
        if name == "claims":
            return dict(self._exchange.claims)
        if name == "principal":
            return self._principal()
        raise KeyError(name)

    def _of_body(self, name: str) -> Json:
        body, as_json = self._exchange.body_now, self._exchange.json_body
        if body is None or as_json is None:
            raise KeyError(name)
        if name == "json":
            value = as_json.value()
            if as_json.fault:
                raise NotThere(f"the request's body is {as_json.fault}" if body else "the request has no body")
            return value
        if self._text is None:
            try:
                self._text = decoded(body, self._exchange.snapshot.header("content-type") or "", errors="replace")
            except ValueError as error:
                raise NotThere(f"the request's body is {error}") from None
        return self._text

    def _principal(self) -> Json:
        principal = self._exchange.principal
        if principal is None:
            return None
        return {
            "id": principal.id,
            "name": principal.name,
            "email": principal.email,
            "roles": list(principal.roles),
            "groups": list(principal.groups),
            "attributes": dict(principal.attributes),
        }
