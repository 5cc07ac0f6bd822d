"""The documents of operations, read from the host's JSON text: of a request only what the plugin looks at, for all is half of a call.

The host writes a request's document without spaces, its members in the order of `FIRST` (`http/request_document.py`). Within a string of
JSON text quotation marks are escaped, and of the members in `FIRST` only the last has names of its own. So the first place of
`"headers":` is that member's, whatever a client sent.
"""

from __future__ import annotations

from json import JSONDecoder, loads
from typing import Any, Final

from mockforge_plugin.request import Request
from mockforge_plugin.sandbox.depth import MAX_DEPTH
from mockforge_plugin.values import Json

FIRST: Final = ("method", "scheme", "host", "path", "raw_path", "query", "headers", "client", "route", "path_params")
"""What a request's document begins with."""
_MARKS: Final = {name: f'"{name}":' for name in FIRST}
_LAST: Final = {
    "response.can_handle": '"fingerprint":',
    "response.generate": '"fingerprint":',
    "response.modify": '"response":',
    "endpoint.call": '"endpoint":',
}
"""The member beside the request, which comes first, in the documents of other operations on requests."""
_BEGINS: Final = '{"method":"'
_REQUEST: Final = '{"request":'
_WITHIN: Final = _REQUEST + _BEGINS
_value_at: Final[Any] = JSONDecoder().scan_once  # type: ignore[attr-defined]  # known to `json` alone
"""(text, place) → the value that begins there, and the place where it ends. How deep the text is it does not look."""


def read(op: str, text: str) -> Json:
    """The document of an operation; a request in it is a `SentRequest`, where the host has written it."""
    if op == "auth.authenticate" and text.startswith(_BEGINS):
        return SentRequest(text, 0, "")
    if (mark := _LAST.get(op)) is not None and text.startswith(_WITHIN) and (at := text.rfind(mark)) > 0:
        name, last = mark[1:-2], _value_at(text, at + len(mark))[0]
        return {"request": SentRequest(text, len(_REQUEST), last if name == "fingerprint" else ""), name: last}
    return _value_at(text, 0)[0] if len(text) <= MAX_DEPTH else loads(text)


class SentRequest(Request):
    """A request whose document stands in a text, from `start` on. Copied or pickled it is a plain `Request`."""

    __slots__ = ("_known", "_start", "_text")

    def __init__(self, text: str, start: int, fingerprint: str) -> None:
        self._text, self._start, self.fingerprint, self._is_by_hand = text, start, fingerprint, False
        self._headers = self._body = self._cookies = self._query = self._principal = None
        self._known: dict[str, Json] = {}

    def _get(self, name: str, default: Json = None) -> Json:
        """See Request."""
        known = self._known
        if name not in known:
            if (mark := _MARKS.get(name)) is None or (at := self._text.find(mark, self._start)) < 0:
                return self._document.get(name, default)
            known[name] = _value_at(self._text, at + len(mark))[0]
        return known[name]

    @property
    def _document(self) -> dict[str, Json]:  # type: ignore[override]  # never assigned
        if "body" not in self._known:
            document = loads(self._text)
            self._known = {**(document["request"] if self._start else document), **self._known}
        return self._known

    def __reduce__(self) -> tuple[Any, ...]:
        return Request.from_document, (self._document, self.fingerprint)
