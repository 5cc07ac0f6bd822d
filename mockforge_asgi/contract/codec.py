"""The JSON of the contract as it is put together and taken apart on the host's side."""

from __future__ import annotations

from collections.abc import Mapping

from mockforge_asgi.exact_json import Json, dumps


def around(name: str, inner: bytes, rest: Mapping[str, Json]) -> bytes:
    """An object that holds `inner`, which is JSON text, under that name beside the rest, which is not empty."""
    return b'{"%b":%b,%b' % (name.encode(), inner, dumps(rest)[1:])
