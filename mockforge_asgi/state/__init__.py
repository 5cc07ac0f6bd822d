"""Shared state behind one interface: counters, key-value, nonces, replay caches. Memory or SQLite."""

from mockforge_asgi.state.store import KeySpace, Quota, StateStore, open_store

__all__ = ["KeySpace", "Quota", "StateStore", "open_store"]
