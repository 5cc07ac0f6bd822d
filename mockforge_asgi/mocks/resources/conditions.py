"""Entity tags and conditional requests (RFC 9110 §8.8.3, §13)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final

import orjson

from mockforge_asgi.exact_json import Json, dumps
from mockforge_asgi.http.snapshot import RequestSnapshot

_TAG: Final = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def entity_tag(representation: Mapping[str, Json]) -> str:
    """The strong tag of a representation: the same for the same values, in whatever order."""
    return f'"{hashlib.sha256(dumps(representation, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]}"'


def _tags(request: RequestSnapshot, header: str) -> str:
    return ", ".join(value for name, value in request.headers if name == header).strip()


def has_if_match(request: RequestSnapshot) -> bool:
    """Whether its change is for one state of the item alone."""
    return bool(_tags(request, "if-match"))


def is_met(request: RequestSnapshot, tag: str) -> bool:
    """Whether a change of the item with that tag may happen: `If-Match` by strong comparison, `If-None-Match` by weak."""
    wanted, others = _tags(request, "if-match"), _tags(request, "if-none-match")
    if wanted and wanted != "*" and ("", tag) not in _TAG.findall(wanted):
        return False
    return not others or (others != "*" and all(known != tag for _, known in _TAG.findall(others)))


def is_unmodified(request: RequestSnapshot, tag: str) -> bool:
    """Whether the client has the item with that tag already: 304."""
    others = _tags(request, "if-none-match")
    return others == "*" or any(known == tag for _, known in _TAG.findall(others))
