"""Randomness inside the sandbox: the host's behind `os.urandom`, `secrets`, `uuid` and `random.SystemRandom`.

`random` itself is seeded by `load`, for every instance anew.
"""

from __future__ import annotations

import os
from typing import Any

_source: list[Any] = []


def start(random_bytes: Any) -> None:
    """From here on bytes come from `random_bytes(n)`."""
    _source[:] = [random_bytes]


def urandom(size: int) -> bytes:
    """Bytes of the operating system's randomness, from the host."""
    if not isinstance(size, int) or size < 0:
        raise ValueError("negative argument not allowed")
    if not _source:
        return bytes(size)
    return bytes(_source[0](size))


def put_in_place() -> None:
    """Replace what would ask the system for randomness."""
    os.urandom = urandom
    os.getrandom = lambda size, flags=0: urandom(size)
    import random
    import uuid

    real_seed = random.Random.seed

    def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
        """Initialise; without a seed from the host's randomness."""
        real_seed(self, int.from_bytes(urandom(32)) if a is None else a, version)

    random.Random.seed = seed  # type: ignore[method-assign]  # C code would ask the system
    inner: Any = random
    inner.seed = inner._inst.seed  # the module's functions are bound methods of this instance
    inner._urandom = urandom  # SystemRandom looks it up here
    ids: Any = uuid
    ids._generate_time_safe = None  # there is no libuuid
    ids.getnode = lambda: int.from_bytes(urandom(6)) | (1 << 40)
