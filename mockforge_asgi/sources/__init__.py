"""Data sources: named, parameterised queries, whoever asks and whatever plugin answers."""

from mockforge_asgi.sources.sources import Sources

__all__ = ["Sources"]
