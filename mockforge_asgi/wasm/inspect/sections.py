"""Walks the sections of a WebAssembly file: what it holds, as `WasmFacts`.

Written from the WebAssembly core specification §5.5 and the component model's `Binary.md`. Reads only what is counted
or named, in time linear in the bytes' number, and no more sections and entries than asked for. How bytes are read is `binary.py`'s
affair, what may be accepted `limits.py`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from mockforge_asgi.wasm.inspect.binary import Allowance, Malformed, Reader, leb

if TYPE_CHECKING:
    from mockforge_asgi.wasm.engine import EngineKind

CORE_HEADER: Final = b"\0asm\x01\0\0\0"
COMPONENT_HEADER: Final = b"\0asm\x0d\0\x01\0"
_NESTED: Final = (1, 4)
"""Sections of a component that are a core module or a component."""
_EXTERN = ("func", "table", "memory", "global", "tag")
_COMPONENT_EXTERN = ("core module", "func", "value", "type", "component", "instance")


@dataclass(frozen=True, slots=True)
class Import:
    """Something the file wants from its host. Components have no module: `module` is then empty."""

    module: str
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Export:
    """Something the file offers."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WasmFacts:
    """What a file holds. For a component, counts are the sums over the modules within it."""

    kind: EngineKind
    size_bytes: int
    functions: int = 0
    largest_function_bytes: int = 0
    memories: int = 0
    memory_pages: int = 0
    """Minimum size of the largest memory, in pages of 64 KiB."""
    tables: int = 0
    data_bytes: int = 0
    has_start: bool = False
    imports: tuple[Import, ...] = ()
    exports: tuple[Export, ...] = ()
    truncated_names: bool = field(default=False, compare=False)
    """A component's import or export list that this reader does not understand; the compiler has the last word."""


def walk(wasm: bytes, kind: EngineKind, *, most: int | None = None) -> WasmFacts:
    """What follows the 8-byte header, reading at most that many sections and entries of lists. Raises: Malformed, TooMany."""
    reader = Reader(wasm, Allowance(most), 8)
    return replace(_walk_core(reader) if kind == "core" else _walk_component(reader, 0), size_bytes=len(wasm))


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


def _walk_core(reader: Reader) -> WasmFacts:
    """Sections of a core module up to the reader's end."""
    facts = WasmFacts(kind="core", size_bytes=0)
    while reader.pos < reader.end:
        section, part = _section(reader)
        if section == 0:
            continue
        if section > 13:
            raise Malformed(f"it has a section of unknown number {section}")
        match section:
            case 2:
                facts = _add_imports(facts, part)
            case 4:
                facts = replace(facts, tables=facts.tables + part.count())
            case 5:
                facts = _add_memories(facts, part)
            case 6:
                part.count()  # globals, which each instance holds beside its memory
            case 7:
                exports = tuple(Export(part.name(), _extern(part.byte(), part.u())) for _ in range(part.count()))
                facts = replace(facts, exports=exports)
            case 8:
                facts = replace(facts, has_start=True)
            case 10:
                bodies = _bodies(part)
                facts = replace(facts, functions=len(bodies), largest_function_bytes=max(bodies, default=0))
            case 11:
                facts = replace(facts, data_bytes=part.end - part.pos)
            case _:
                pass  # types, tables of numbers, names of no interest here
    return facts


def _extern(kind: int, _index: int = 0) -> str:
    if kind >= len(_EXTERN):
        raise Malformed(f"it has an import or export of unknown kind {kind}")
    return _EXTERN[kind]


def _bodies(part: Reader) -> list[int]:
    sizes = []
    for _ in range(part.count()):
        size = part.u()
        part.skip(size)
        sizes.append(size)
    return sizes


def _limits(part: Reader) -> int:
    """The minimum of a memory's or table's limits (§5.3.10, with 64-bit, shared and page-size flags)."""
    flags = part.byte()
    if flags > 15:
        raise Malformed("a memory has unknown flags")
    minimum = part.u(64)
    if flags & 1:
        part.u(64)
    if flags & 8:
        part.u()
    return minimum


def _add_memories(facts: WasmFacts, part: Reader) -> WasmFacts:
    pages = [_limits(part) for _ in range(part.count())]
    return replace(facts, memories=facts.memories + len(pages), memory_pages=max(facts.memory_pages, *pages, 0))


def _heap_type(part: Reader) -> None:
    if part.byte() in (0x63, 0x64):
        part.u(33)


def _add_imports(facts: WasmFacts, part: Reader) -> WasmFacts:
    found = []
    for _ in range(part.count()):
        module, name, kind = part.name(), part.name(), part.byte()
        match kind:
            case 0:
                part.u()
            case 1:
                _heap_type(part)
                _limits(part)
            case 2:
                _limits(part)
            case 3:
                _heap_type(part)
                part.byte()
            case 4:
                part.byte()
                part.u()
        found.append(Import(module, name, _extern(kind)))
    return replace(facts, imports=tuple(found))


def _walk_component(reader: Reader, depth: int) -> WasmFacts:
    """Sections of a component; modules and components within it are walked too, and added up."""
    if depth > 8:
        raise Malformed("components are nested too deeply")
    facts = WasmFacts(kind="component", size_bytes=0)
    imports: list[Import] = []
    exports: list[Export] = []
    unread = False
    while reader.pos < reader.end:
        section, part = _section(reader)
        match section:
            case n if n in _NESTED:
                facts = _add_nested(facts, part, n == 1, depth)
            case 10:
                try:
                    imports += (Import("", n, k) for n, k in _component_names(part, is_import=True))
                except Malformed:
                    unread = True
            case 11:
                try:
                    exports += (Export(n, k) for n, k in _component_names(part, is_import=False))
                except Malformed:
                    unread = True
            case n if n > 12:
                raise Malformed(f"it has a section of unknown number {n}")
            case _:
                pass
    return replace(facts, imports=tuple(imports), exports=tuple(exports), truncated_names=unread)


def _add_nested(facts: WasmFacts, part: Reader, is_core: bool, depth: int) -> WasmFacts:
    start = part.pos
    part.skip(8)
    if bytes(part.data[start : part.pos]) != (CORE_HEADER if is_core else COMPONENT_HEADER):
        raise Malformed("something nested in it has no WebAssembly header")
    inner = _walk_core(part) if is_core else _walk_component(part, depth + 1)
    return replace(
        facts,
        functions=facts.functions + inner.functions,
        largest_function_bytes=max(facts.largest_function_bytes, inner.largest_function_bytes),
        memories=facts.memories + inner.memories,
        memory_pages=max(facts.memory_pages, inner.memory_pages),
        tables=facts.tables + inner.tables,
        data_bytes=facts.data_bytes + inner.data_bytes,
        has_start=facts.has_start or inner.has_start,
    )


def _component_names(part: Reader, *, is_import: bool) -> list[tuple[str, str]]:
    found = []
    for _ in range(part.count()):
        form, name = part.byte(), part.name()
        if form > 1:
            raise Malformed("a name has an unknown form")
        if is_import:
            kind = _extern_description(part)
        else:
            kind = _COMPONENT_EXTERN[_sort(part)]
            part.u()
            if part.byte():
                _extern_description(part)
        found.append((name, kind))
    return found


def _sort(part: Reader) -> int:
    sort = part.byte()
    if (sort == 0 and part.byte() != 0x11) or sort >= len(_COMPONENT_EXTERN):
        raise Malformed("an import or export has an unknown sort")
    return sort


def _extern_description(part: Reader) -> str:
    sort = _sort(part)
    if sort in (2, 3) and part.byte() not in (0, 1):
        raise Malformed("a bound has an unknown form")
    if not (sort == 3 and part.data[part.pos - 1] == 1):
        part.u(33)
    return _COMPONENT_EXTERN[sort]
