"""Formats of text: by the end of a template's name, which content type it makes and how values are put into it.

In JSON, a value put inside quotes is escaped for there, and one put elsewhere is written as JSON; so `{"name": "{{ name }}"}` stays
JSON whatever the name is. HTML and XML escape `& < > " '`. Plain text takes values as they are. Lists and mappings are written as JSON
everywhere. `| safe` puts a text in as it stands.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from json.encoder import encode_basestring
from typing import Any, Final

import orjson
from jinja2.runtime import Undefined
from markupsafe import Markup
from markupsafe import escape as html_escape

from mockforge_asgi.exact_json import WrittenNumber, dumps
from mockforge_asgi.templates.bounds.meter import METER, meter
from mockforge_asgi.types import Json

_SHORT: Final = 64
"""Text put into a text is counted beyond this length, in characters: macros and blocks collect theirs, and look at it only when whole."""


LONG: Final = 32 * 1024
"""Strings beyond this length, in characters, are written as JSON by what takes equally long for all characters."""
_PRINTABLE: Final = (bool, int, float, list, tuple, Mapping, range)


class NotPrintable(TypeError):
    """A template puts something into its text that is not a JSON value."""


def to_json(value: Json) -> str:
    """The value as JSON text. Raises NotPrintable."""
    if type(value) is str:
        return _quoted(value)
    if isinstance(value, Undefined):
        str(value)  # raises what an undefined value raises
    if isinstance(value, float) and not math.isfinite(value):
        raise NotPrintable(f"{value} cannot be written as JSON")
    if type(value) is int:
        return str(value)
    used = meter()
    used.check_text(used.check_values(value))
    try:
        return dumps(value, default=_plain).decode()
    except TypeError as error:
        raise NotPrintable(f"a value cannot be written as JSON: {error}") from None


def _quoted(text: str) -> str:
    """A string as JSON. What is escaped takes orjson ten times as long as what is not; Python's own encoder takes equally long for all."""
    return orjson.dumps(text).decode() if len(text) <= LONG else encode_basestring(text)


def _plain(value: object) -> Json:
    if isinstance(value, WrittenNumber):
        return orjson.Fragment(value.spelled)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, range):
        return list(meter().rounds(value))
    if isinstance(value, Undefined):
        str(value)
    raise NotPrintable(f"{type(value).__name__} is not a value that can be written")


def to_text(value: Json) -> str:
    """The value as it stands in plain text; none is nothing. Raises NotPrintable."""
    if isinstance(value, str):
        return value
    if type(value) is int:
        return str(value)
    if value is None:
        return ""
    if isinstance(value, Undefined):
        return str(value)
    if isinstance(value, _PRINTABLE):
        return to_json(value)
    raise NotPrintable(f"{type(value).__name__} is not a value that can be written")


class JsonText(Markup):
    """Text that is ready to stand in JSON; what is joined to it is escaped first."""

    __slots__ = ()

    @classmethod
    def escape(cls, s: Any, /) -> JsonText:
        """The value ready to stand in JSON."""
        return str.__new__(cls, json_escape(s))

    def unescape(self) -> str:
        """The text as it was before; one that cannot stand in a JSON string, as it is."""
        try:
            return str(orjson.loads(f'"{self}"'))
        except orjson.JSONDecodeError:
            return str(self)


def json_escape(value: Json) -> str:
    """The value as it stands in JSON: text escaped as inside quotes, everything else as JSON."""
    known = type(value)
    if known is str:
        text = _quoted(value)[1:-1]
        return text if len(text) <= _SHORT else meter().check_made(text)
    if known is int:
        return str(value)
    if isinstance(value, Markup):
        return value
    if isinstance(value, str):
        return meter().check_made(_quoted(str(value))[1:-1])
    return "null" if value is None else to_text(value)


def _markup_escape(value: Json) -> str:
    text = html_escape(value if isinstance(value, str) else to_text(value))
    return text if len(text) <= _SHORT else meter().check_made(text)


def _joined(parts: Iterable[str]) -> str:
    used, texts, size = meter(), list[str](), 0
    for text in parts:
        texts.append(text)
        size += len(text)
        if size > used.limits.output_bytes:
            break
    used.check_text(size)
    return "".join(texts)


@dataclass(frozen=True, slots=True)
class Format:
    """One format of text. `finish` checks and encodes what was rendered."""

    name: str
    content_type: bytes
    put: Callable[[Json], str]
    """A value as it is put into the text."""
    ready: type[str]
    """The type of text that is put in as it stands."""
    escapes: bool = True

    def marked(self, text: str) -> str:
        """A text that stands in this format as it is, so that it is not escaped again."""
        return str.__new__(self.ready, text)

    def join(self, parts: Collection[Json]) -> str:
        """The `~` of templates."""
        size = 0
        for part in parts:
            if type(part) is not str:
                return self._join(parts)
            size += len(part)
        used = METER.get() or meter()
        used.text_left -= size
        if used.text_left < 0 or size > used.limits.output_bytes:
            used.check_text(size)
        return "".join(parts)

    def _join(self, parts: Collection[Json]) -> str:
        for part in parts:
            if isinstance(part, Markup):
                return self.marked(_joined(map(self.put, parts)))
        return _joined(map(to_text, parts))

    def finish(self, text: str) -> bytes:
        """The body. Raises NotPrintable for a JSON template that made no JSON."""
        try:
            body = text.encode()
        except UnicodeEncodeError:
            raise NotPrintable("the text holds a lone surrogate, which UTF-8 cannot carry") from None
        if self.name == "json":
            try:
                orjson.loads(body)
            except orjson.JSONDecodeError as error:
                place = f"line {error.lineno}, column {error.colno} of the result"
                remedy = 'Text is put in without quotes: write "{{ … }}" or {{ … | json }}.'
                raise NotPrintable(f"the result is not JSON: {error.msg} ({place}). {remedy}") from None
        return body


JSON: Final = Format("json", b"application/json", json_escape, JsonText)
HTML: Final = Format("html", b"text/html; charset=utf-8", _markup_escape, Markup)
XML: Final = Format("xml", b"application/xml", _markup_escape, Markup)
TEXT: Final = Format("text", b"text/plain; charset=utf-8", to_text, str, escapes=False)

FORMATS: Final[Mapping[str, Format]] = {
    ".json": JSON,
    ".html": HTML,
    ".htm": HTML,
    ".xml": XML,
    ".svg": replace(XML, content_type=b"image/svg+xml"),
    ".xhtml": replace(XML, content_type=b"application/xhtml+xml"),
}
"""The formats by the end of a template's name; any other name makes plain text. A last `.j2` does not count."""
_STRUCTURED: Final = re.compile(r"\.[a-z0-9_-]+\+(json|xml)")
"""Ends such as `.problem+json` (RFC 6839): JSON or XML of the type `application/problem+json`."""


def format_of(name: str) -> Format:
    """The format of the template of that name."""
    name = name.removesuffix(".j2").removesuffix(".jinja").lower()
    suffix = name[name.rfind(".") :] if "." in name else ""
    if (structured := _STRUCTURED.fullmatch(suffix)) is not None:
        return replace(JSON if structured.group(1) == "json" else XML, content_type=f"application/{suffix[1:]}".encode())
    return FORMATS.get(suffix, TEXT)
