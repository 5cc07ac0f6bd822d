"""Walks the sections of a WebAssembly file: how many entries its lists have, and how much memory it starts with.

Written from the WebAssembly core specification §5.5 and the component model's `Binary.md`. Of a list only its length is read, of
memories their limits; whether the rest is valid is the compiler's affair. How bytes are read is `binary.py`'s affair, what may be
accepted `limits.py`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mockforge_asgi.wasm.inspect.binary import Allowance, Malformed, Reader, leb

if TYPE_CHECKING:
    from mockforge_asgi.wasm.engine import EngineKind

CORE_HEADER: Final = b"\0asm\x01\0\0\0"
COMPONENT_HEADER: Final = b"\0asm\x0d\0\x01\0"
_NESTED: Final = (1, 4)
"""Sections of a component that are a core module or a component."""
_CORE_LISTS: Final = {1: "types", 2: "imports", 3: "functions", 4: "tables", 5: "memories", 6: "globals", 7: "exports"}
_COMPONENT_LISTS: Final = {10: "imports", 11: "exports"}


@dataclass(slots=True)
class WasmFacts:
    """What a file holds, with the modules within it."""

    imports: int = 0
    exports: int = 0
    memory_pages: int = 0
    """Minimum size of the largest memory, in pages of 64 KiB."""


def walk(wasm: bytes, kind: EngineKind, *, most: int | None = None) -> WasmFacts:
    """What follows the 8-byte header, with at most that many sections and entries of lists. Raises: Malformed, TooMany."""
    facts = WasmFacts()
    _walk(Reader(wasm, Allowance(most), 8), facts, kind == "core", 0)
    return facts


def _walk(reader: Reader, facts: WasmFacts, is_core: bool, depth: int) -> None:
    """The sections up to the reader's end, and those of what is nested in them."""
    if depth > 8:
        raise Malformed("components are nested too deeply")
    lists = _CORE_LISTS if is_core else _COMPONENT_LISTS
    while reader.pos < reader.end:
        section, part = _section(reader)
        if section > (13 if is_core else 12):
            raise Malformed(f"it has a section of unknown number {section}")
        if section in _NESTED and not is_core:
            header = bytes(part.data[part.pos : part.pos + 8])
            part.skip(8)
            if header != (CORE_HEADER if section == 1 else COMPONENT_HEADER):
                raise Malformed("something nested in it has no WebAssembly header")
            _walk(part, facts, section == 1, depth + 1)
        elif (entries := lists.get(section)) is not None:
            count = part.count()
            if entries == "memories":
                facts.memory_pages = max(facts.memory_pages, *(_minimum(part) for _ in range(count)), 0)
            elif entries == "imports":
                facts.imports += count
            elif entries == "exports":
                facts.exports += count


def _minimum(part: Reader) -> int:
    """The minimum of a memory's limits (§5.3.10, with 64-bit, shared and page-size flags)."""
    flags = part.byte()
    minimum = part.u(64)
    if flags & 1:
        part.u(64)
    if flags & 8:
        part.u()
    return minimum


def without_custom_sections(wasm: bytes) -> bytes:
    """The file without its custom sections and those of what is nested in it. Raises: Malformed.

    They mean nothing to the code. But wasmtime writes the names of functions into the message of each trap, and a C++ name of some
    hundred bytes unfolds to gigabytes.
    """
    return _without_custom(Reader(wasm, Allowance(None)))


def _without_custom(reader: Reader) -> bytes:
    header = bytes(reader.data[reader.pos : reader.pos + 8])
    reader.skip(8)
    kept = bytearray(header)
    while reader.pos < reader.end:
        start = reader.pos
        section, part = _section(reader)
        if section and header == COMPONENT_HEADER and section in _NESTED:
            inner = _without_custom(part)
            kept += bytes([section]) + leb(len(inner)) + inner
        elif section:
            kept += reader.data[start : reader.pos]
    return bytes(kept)


def _section(reader: Reader) -> tuple[int, Reader]:
    reader.allowance.take(1)
    return reader.byte(), reader.part(reader.u())
