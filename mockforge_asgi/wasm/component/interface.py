"""What a component may import and must export, by name and by type: the world `mockforge:plugin/plugin@0.1.0`.

The host function is defined dynamically, so wasmtime itself takes any type of it: what is not refused here would reach its
C callback as values of another shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from wasmtime import Engine
from wasmtime import _bindings as ffi
from wasmtime.component import Component, ComponentInstanceType, FuncType, ResultType, String, ValType

from mockforge_asgi.errors import PluginRejected, Problem
from mockforge_asgi.text import clip

HOST_INTERFACE: Final = "mockforge:plugin/host@0.1.0"
"""The only interface a component may import, beside WASI, which is linked to traps."""

_HOST_FUNCTION: Final = "call"
_HOST_FUNCTION_TYPE: Final = "(string, string) -> result<string, string>"
EXPORTS: Final[Mapping[str, str]] = {
    "describe": "() -> string",
    "call": "(string, string) -> result<string, string>",
    "load": "(string) -> result<string, string>",
}
"""The functions that the host calls, and their types."""

_OPTIONAL: Final = frozenset({"load"})
_MAX_TOLD: Final = 20
"""Problems that are told; a component may have thousands."""
_MAX_ITEMS: Final = 500
"""Items of a list of imports or exports. The bindings read one with the square of its length: 20,000 took twelve seconds."""
_MAX_STOOD_IN: Final = 3_000
"""Functions and types of WASI that traps are put in for; all of its interfaces have some five hundred."""
_MAX_DEPTH: Final = 3
"""Results within results that are written out: a type made of itself twice, and so on, would be a text without end."""


def check_component(plugin: str, component: Component, engine: Engine) -> None:
    """Raises PluginRejected for an import that no host provides, and for a host function or an export of another type."""
    type_ = component.type
    counts = {
        "imports": ffi._wasmtime_component_type_import_count(type_.ptr(), engine.ptr()),
        "exports": ffi._wasmtime_component_type_export_count(type_.ptr(), engine.ptr()),
    }
    problems = [_too_many("its code", n, what) for what, n in counts.items() if n > _MAX_ITEMS]
    if not problems:
        imports = {name: _item(e) for name, e in type_.imports(engine).items()}
        problems += _wrong_imports(imports, engine)
        problems += _wrong_exports({name: _item(e) for name, e in type_.exports(engine).items()})
    if problems:
        raise PluginRejected(plugin, "it is not a component of the world mockforge:plugin/plugin@0.1.0:", problems[:_MAX_TOLD])


def _too_many(place: str, found: int, what: str) -> Problem:
    return Problem(place, f"has {found:,} {what}; the most is {_MAX_ITEMS:,}.", "Leave out what the host does not call.")


def _size(item: ComponentInstanceType, engine: Engine) -> int:
    return int(ffi._wasmtime_component_instance_type_export_count(item.ptr(), engine.ptr()))


def _wrong_imports(imports: Mapping[str, object], engine: Engine) -> list[Problem]:
    problems: list[Problem] = []
    stood_in = 0
    for name, item in imports.items():
        if name.startswith("wasi:") and stood_in <= _MAX_STOOD_IN:
            stood_in += _items(item, engine, _MAX_STOOD_IN - stood_in)
        if name == HOST_INTERFACE:
            problems += _wrong_host_function(item, engine)
        elif not name.startswith("wasi:"):
            problems.append(
                Problem("import", f"{clip(name, 100)} is not known to this host.", f"A component may import {HOST_INTERFACE} only.")
            )
    if stood_in > _MAX_STOOD_IN:
        room = f"{_MAX_ITEMS:,} in one interface, {_MAX_STOOD_IN:,} in all"
        problems.append(Problem("import", f"of WASI it takes too many functions and types; the most is {room}.", "Build it without them."))
    return problems


def _items(item: object, engine: Engine, most: int) -> int:
    """How many items an interface has, those of interfaces within it included; one more than `most` stands for all that are more."""
    if not isinstance(item, ComponentInstanceType):
        return 1
    found = _size(item, engine)
    if found > min(most, _MAX_ITEMS):
        return most + 1
    for extern in item.exports(engine).values():
        if isinstance(inner := _item(extern), ComponentInstanceType):
            found += _items(inner, engine, most - found)
        if found > most:
            return most + 1
    return found


def _wrong_host_function(item: object, engine: Engine) -> list[Problem]:
    if not isinstance(item, ComponentInstanceType):
        return [Problem("import", f"{HOST_INTERFACE} is imported as something else than an interface.")]
    if (size := _size(item, engine)) > _MAX_ITEMS:
        return [_too_many(f"import {HOST_INTERFACE}", size, "items")]
    problems = []
    for name, extern in item.exports(engine).items():
        if name != _HOST_FUNCTION:
            problems.append(Problem("import", f"{HOST_INTERFACE} has no '{clip(name, 100)}'.", f"It has one function, '{_HOST_FUNCTION}'."))
        elif (found := _signature(_item(extern))) != _HOST_FUNCTION_TYPE:
            problems.append(
                Problem("import", f"{HOST_INTERFACE} '{_HOST_FUNCTION}' has the type {found}, here it is {_HOST_FUNCTION_TYPE}.")
            )
    return problems


def _wrong_exports(exports: Mapping[str, object]) -> list[Problem]:
    problems = []
    for name, wanted in EXPORTS.items():
        if name in exports and (found := _signature(exports[name])) != wanted:
            problems.append(Problem("export", f"'{name}' has the type {found}, the host calls {wanted}."))
        elif name not in exports and name not in _OPTIONAL:
            problems.append(Problem("export", f"the function '{name}' is missing.", f"Its type is {wanted}."))
    return problems


def _item(extern: Any) -> object:
    try:
        return extern.ty
    except TypeError:  # of a kind that the bindings do not know
        return None


def _signature(item: object) -> str:
    if not isinstance(item, FuncType):
        return "no function"
    try:
        returned = item.result
        taken = [_text(type_) for _, type_ in item.params[:_MAX_TOLD]]
        return f"({', '.join(taken)}) -> {'nothing' if returned is None else _text(returned)}"
    except TypeError:
        return "types unknown here"


def _text(type_: ValType, depth: int = 0) -> str:
    if isinstance(type_, ResultType):
        if depth == _MAX_DEPTH:
            return "result<...>"
        return f"result<{', '.join('_' if arm is None else _text(arm, depth + 1) for arm in (type_.ok, type_.err))}>"
    return "string" if isinstance(type_, String) else type(type_).__name__.removesuffix("Type").lower()
