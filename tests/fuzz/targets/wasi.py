"""The host's side of the WASI shims, with any arguments over a guest memory that holds anything.

Whatever is asked, an error number comes back, at once or after a door, and only as many bytes change as that function may write.
"""

from __future__ import annotations

from functools import cache
from random import Random

import wasmtime

from mockforge_asgi.plugins.hostcalls.hostcalls import MAX_RANDOM
from mockforge_asgi.wasm.extism.wasi import (
    CLOCK_RES_GET,
    CLOCK_TIME_GET,
    FD_FDSTAT_GET,
    FD_WRITE,
    NO_STRINGS,
    POLL_ONEOFF,
    RANDOM_GET,
    GuestMemory,
    serve,
)
from tests.fuzz.fuzzing import Choices, Target

SIZE = 1 << 16
ERRORS = frozenset({0, 8, 21, 28, 29, 52, 58})
MAY_WRITE = {FD_WRITE: 4, CLOCK_TIME_GET: 8, CLOCK_RES_GET: 8, RANDOM_GET: SIZE, NO_STRINGS: 8, FD_FDSTAT_GET: 24, POLL_ONEOFF: 64 * 32 + 4}
MAX_PRINTED = 1 << 16


@cache
def memory() -> tuple[wasmtime.Store, wasmtime.Memory]:
    """One page, as a guest would have it."""
    store = wasmtime.Store()
    return store, wasmtime.Memory(store, wasmtime.MemoryType(wasmtime.Limits(1, 1)))


def check(data: bytes) -> None:
    """One call."""
    choices = Choices(data)
    store, raw = memory()
    guest = GuestMemory(store._context(), raw._memory)
    number = 15 + choices.number() % 10
    arguments = tuple(_argument(choices) for _ in range(8))
    at, content = choices.number(2), choices.rest()
    raw.write(store, bytes(SIZE))
    raw.write(store, content[: SIZE - at], at)
    before = bytes(raw.read(store))
    printed: list[tuple[int, bytes]] = []
    answer = serve(guest, number, arguments, lambda fd, text: printed.append((fd, text)))
    if not isinstance(answer, int):
        answer = _through_the_door(*answer)
    assert answer in ERRORS, answer
    after = bytes(raw.read(store))
    changed = sum(map(int.__ne__, before, after)) if before != after else 0
    assert changed <= MAY_WRITE.get(number, 0), (number, arguments)
    assert all(fd in (1, 2) and len(text) <= MAX_PRINTED for fd, text in printed)
    assert serve(None, number, arguments, lambda fd, text: None) == 52


def _through_the_door(name: str, payload: object, finish: object) -> int:
    """What the guest is told once the door has answered."""
    assert isinstance(payload, dict) and callable(finish)
    if name == "clock.now":
        return int(finish({"unix_ns": 1_700_000_000_000_000_000, "monotonic_ns": 42}))
    if name == "random.bytes":
        assert 0 < payload["n"] <= MAX_RANDOM
        return int(finish({"hex": "ab" * payload["n"]}))
    assert name == "clock.sleep" and 0 < payload["ns"] < 1 << 64
    return int(finish(None))


def _argument(choices: Choices) -> int:
    match choices.number() % 4:
        case 0:
            return choices.number()
        case 1:
            return choices.number(2)
        case 2:
            return (SIZE + choices.number() - 128) % (1 << 32)
    return choices.number(4)


TARGET = Target(check, 2_500, tuple(Random(n).randbytes(60 * n) for n in range(1, 8)), max_bytes=1024)
