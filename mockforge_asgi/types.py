"""The ASGI types that all layers share."""

from __future__ import annotations

from typing import TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mockforge_asgi.exact_json import Json

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]
"""Header pairs as ASGI carries them: lower-case names."""

__all__ = ["ASGIApp", "Headers", "Json", "Message", "Receive", "Scope", "Send"]
