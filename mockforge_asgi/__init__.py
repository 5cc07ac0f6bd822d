"""Composable ASGI middleware for API mocking, with sandboxed plugins in the request path.

The names below are loaded when first asked for, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mockforge_asgi.auth.middleware import AuthMiddleware as AuthMiddleware
    from mockforge_asgi.middleware import MockForge as MockForge
    from mockforge_asgi.mocks.middleware import ResponseMiddleware as ResponseMiddleware
    from mockforge_asgi.runtime import PluginRuntime as PluginRuntime
    from mockforge_asgi.templates.middleware import TemplateMiddleware as TemplateMiddleware

__version__ = "0.1.0"

_HOMES = {
    "AuthMiddleware": "mockforge_asgi.auth.middleware",
    "MockForge": "mockforge_asgi.middleware",
    "PluginRuntime": "mockforge_asgi.runtime",
    "ResponseMiddleware": "mockforge_asgi.mocks.middleware",
    "TemplateMiddleware": "mockforge_asgi.templates.middleware",
}

__all__ = ["AuthMiddleware", "MockForge", "PluginRuntime", "ResponseMiddleware", "TemplateMiddleware", "__version__"]


if not TYPE_CHECKING:  # or any name would be an attribute to a type checker

    def __getattr__(name: str) -> object:
        if name in _HOMES:
            return getattr(import_module(_HOMES[name]), name)
        raise AttributeError(f"module 'mockforge_asgi' has no attribute '{name}'")
