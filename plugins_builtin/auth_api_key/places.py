"""Where in a request a key may stand, and the bytes of every one that was sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mockforge_plugin import Json, Request


@dataclass(frozen=True, slots=True)
class Places:
    """A header, perhaps with a word in front of the key, a query parameter and a cookie; empty: not looked at."""

    header: str
    prefix: str
    query: str
    cookie: str

    @classmethod
    def of(cls, config: Mapping[str, Json]) -> Places:
        """Those of a configuration."""
        return cls(
            (config.get("header") or "").lower(),
            (config.get("prefix") or "").lower(),
            config.get("query") or "",
            config.get("cookie") or "",
        )

    @staticmethod
    def problems(config: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
        """What does not fit together."""
        header, prefix = config.get("header"), config.get("prefix")
        if not (header or config.get("query") or config.get("cookie")):
            yield "header", "there is no place for a key: name a header, a query parameter or a cookie."
        if prefix and not header:
            yield "prefix", "has no effect without a header. Name one, or remove it."
        if header and header.lower() == "cookie":
            yield "header", "a cookie is not read as a header. Write `header: null` and `cookie: NAME`."
        if header and header.lower() == "authorization" and not prefix:
            yield "prefix", "without it, every scheme of `Authorization` would be taken for a key. Write `prefix: ApiKey`."

    def sent(self, request: Request) -> list[bytes]:
        """Every key that was sent, as its bytes were."""
        found: list[bytes] = []
        if self.header:
            found = [value.encode("latin-1") for value in request.header_values(self.header)]
            if self.prefix and found:
                found = self._behind_prefix(found)
        if self.query:
            found += [value.encode() for name, value in request.query if name == self.query]
        if self.cookie:
            found += self._cookies(request)
        return found

    def _behind_prefix(self, values: list[bytes]) -> list[bytes]:
        """The keys among header values, none where all are of other schemes. The scheme's letters may be of any case (RFC 9110 §11.1)."""
        prefix = self.prefix.encode("ascii")
        parts = [value.partition(b" ") for value in values]
        if not any(scheme.lower() == prefix for scheme, _, _ in parts):
            return []
        return [key.lstrip(b" ") for _, _, key in parts]

    def _cookies(self, request: Request) -> Iterator[bytes]:
        for line in request.header_values("cookie"):
            for crumb in line.split(";"):
                name, _, value = crumb.strip().partition("=")
                if name == self.cookie:
                    yield value.strip('"').encode("latin-1")
