"""Static checks of a WebAssembly file, before anything is compiled.

Checks the header, walks the sections (`sections.py`) and holds what it found against caps; never executes or compiles.
Gives `WasmFacts`, or refuses the plugin with every problem in words. Whether the code is valid is the compiler's affair;
whether the imports are granted is the linker's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mockforge_asgi.errors import PluginRejected, Problem
from mockforge_asgi.wasm.inspect.binary import Malformed, TooMany
from mockforge_asgi.wasm.inspect.sections import COMPONENT_HEADER, CORE_HEADER, WasmFacts, walk

if TYPE_CHECKING:
    from mockforge_asgi.wasm.engine import EngineKind

PAGES_PER_MIB: Final = 16
MIB: Final = 1 << 20
_SMALLER: Final = "Make it smaller (strip it, optimise for size), or split the plugin."
_TEXT_STARTS = (b"(", b";", b" ", b"\n", b"\t", b"\r", b"\xef\xbb\xbf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """The most that a plugin's file may hold; None lifts a cap (for the product's own component).

    What it costs to compile is bounded where it is compiled, tables and memories where it is instantiated.
    """

    file_bytes: int | None = 32 * MIB
    names: int | None = 10_000
    """Imports, and exports: each is read when the code is linked."""
    entries: int | None = 200_000
    """Sections, types, functions, globals and the like of all modules together; globals lie outside a guest's memory."""


TRUSTED: Final = Caps(file_bytes=None, names=None, entries=None)
"""Lifts every cap: for files that ship with the product."""


def inspect(
    wasm: bytes, *, plugin: str, place: str = "the WebAssembly file", expect: EngineKind | None = None, caps: Caps = Caps()
) -> WasmFacts:
    """What the file holds. Raises: PluginRejected, if it is not WebAssembly, not of the expected kind, malformed, or over a cap."""
    if caps.file_bytes is not None and len(wasm) > caps.file_bytes:
        raise PluginRejected(plugin, "its code is too large.", [_over(place, "bytes", len(wasm), caps.file_bytes)])
    kind = _kind(wasm, plugin, place)
    if expect is not None and kind != expect:
        raise PluginRejected(plugin, "its code is of the wrong kind.", [_wrong_kind(place, kind)])
    try:
        facts = walk(wasm, kind, most=caps.entries)
    except TooMany as error:
        raise PluginRejected(plugin, "its code is too large.", [Problem(place, f"is refused: {error}.", _SMALLER)]) from error
    except Malformed as error:
        raise PluginRejected(
            plugin, "its code is damaged.", [Problem(place, f"is not valid WebAssembly: {error}.", "Build it again.")]
        ) from error
    if problems := list(_over_caps(facts, place, caps)):
        raise PluginRejected(plugin, "its code is too large.", problems)
    return facts


def memory_needed(pages: int) -> tuple[str, str]:
    """What is wrong, and what to do, where a module has more memory at the start than its plugin may use."""
    mib = -(-pages // PAGES_PER_MIB)
    return f"needs {mib} MiB of memory at the start.", f"Set limits.memory_mb to {mib} or more, or build it with a smaller stack."


def _kind(wasm: bytes, plugin: str, place: str) -> EngineKind:
    head = wasm[:8]
    if head == CORE_HEADER:
        return "core"
    if head == COMPONENT_HEADER:
        return "component"
    remedy = "Build it for a wasm32 target and give that file."
    if head[:4] == b"\0asm":
        what = f"has a WebAssembly header of an unknown version ({head[4:].hex(' ')})."
    elif head[:4] == b"\x7fELF":
        what, remedy = (
            "is machine code (ELF), perhaps compiled WebAssembly. Compiled code is never taken from a plugin.",
            "Give the .wasm file it was made from.",
        )
    elif head[:2] == b"\x1f\x8b":
        what, remedy = "is compressed with gzip.", "Unpack it first."
    elif head.startswith(_TEXT_STARTS):
        what, remedy = "is text, not a WebAssembly binary.", "Convert it with `wasm-tools parse` and give the .wasm file."
    else:
        what = "is not a WebAssembly binary." if wasm else "is empty."
    raise PluginRejected(plugin, "its code is not WebAssembly.", [Problem(place, what, remedy)])


def _wrong_kind(place: str, kind: EngineKind) -> Problem:
    if kind == "component":
        return Problem(
            place, "is a component, but `runtime: extism` needs a core module.", "Say `runtime: component`, or build a core module."
        )
    return Problem(place, "is a core module, but a component is needed.", "Say `runtime: extism`, or make a component of it.")


def _over(place: str, what: str, found: int, cap: int) -> Problem:
    return Problem(place, f"has {found:,} {what}; the most is {cap:,}.", _SMALLER)


def _over_caps(facts: WasmFacts, place: str, caps: Caps) -> Iterable[Problem]:
    found = (("imports", facts.imports), ("exports", facts.exports))
    return (_over(place, what, count, caps.names) for what, count in found if caps.names is not None and count > caps.names)
