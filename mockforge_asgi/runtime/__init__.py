"""The owner of everything that lives longer than a request: what there is on one event loop, and on several at once."""

from mockforge_asgi.runtime.runtime import PluginRuntime

__all__ = ["PluginRuntime"]
