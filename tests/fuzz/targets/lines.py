"""What guests log and print: lines in order and in bounds, harmless for whoever reads them.

An input is a script of log calls and prints; its tail is a log buffer of its own.
"""

from __future__ import annotations

from random import Random

from mockforge_asgi.errors import HostCallError
from mockforge_asgi.events import Event, EventStream, GuestLogged
from mockforge_asgi.plugins.hostcalls.guest_log import MAX_CHARS, GuestLog, escaped
from mockforge_asgi.telemetry.log import line_of
from mockforge_asgi.wasm.extism.kernel import LOG_LEVELS, log_records
from mockforge_asgi.wasm.extism.log import GuestLines
from tests.fuzz.fuzzing import Choices, Target
from tests.support.extism_kernel_model import Kernel

PIECES = (
    b"", b"\n", b"\r\n", b"word", b"\x1b[2J", b"\xe2\x80\xae", b"\xff", b"\xed\xa0\x80", b"x" * 9000, b"\n" * 300, "é\u2028\x85".encode(),
)  # fmt: skip


def check(data: bytes) -> None:
    """Log, print, take, and hand all lines to the log door."""
    choices, kernel = Choices(data), Kernel()
    lines = GuestLines(kernel.memory)
    expected: list[str] = []
    printed = {1: b"", 2: b""}
    for _ in range(12):
        piece = choices.one_of(PIECES) + choices.take(choices.number() % 16)
        if choices.number() % 3 == 0:
            level = choices.one_of(LOG_LEVELS[2:])
            kernel.memory.begin(b"")
            kernel.call(f"log_{level}", kernel.put(piece))
            if piece:
                expected.append(level)
            lines.drain()
        else:
            fd = 1 + choices.number() % 2
            printed[fd] += piece
            lines.printed(fd, piece)
    found = lines.take()
    assert lines.take() == []
    assert all(len(message) <= 8192 + 100 for _, message in found)
    if not found or "were dropped" not in found[-1][1]:
        assert sum(len(m.encode("utf-8", "replace")) for _, m in found) <= 3 * (256 << 10)
        for fd, level in ((1, "info"), (2, "warn")):
            texts = [t.decode("utf-8", "replace") for t in printed[fd].split(b"\n") if t]
            assert all(len(t) > 8192 or (level, t) in found for t in texts), (fd, texts[:3])
        assert all(level in [each for each, _ in found] for level in expected)
    raw = choices.rest()
    _told([*found, *log_records(raw)])


def _told(lines: list[tuple[str, str]]) -> None:
    events = EventStream()
    seen: list[Event] = []
    events.subscribe(seen.append)
    door = GuestLog("guest", events)
    for level, message in lines:
        try:
            door.write({"level": level, "message": message})
        except HostCallError:
            raise AssertionError((level, message)) from None
    for event in seen:
        assert isinstance(event, GuestLogged) and len(event.message) <= 6 * MAX_CHARS + 60
        assert escaped(event.message) == event.message
        _, line = line_of(event)
        assert len(line.splitlines()) == 1 and not any(0x7F <= ord(c) < 0xA0 or ord(c) < 32 and c != "\t" for c in line), ascii(line)


TARGET = Target(check, 800, tuple(Random(n).randbytes(50 * n) for n in range(1, 8)), max_bytes=600)
