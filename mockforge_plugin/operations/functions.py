"""The metadata of template functions, read from their signatures and docstrings.

The same on every interpreter: annotations are looked at as names, never evaluated.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

from mockforge_plugin.failure import PluginError
from mockforge_plugin.plugin import FUNCTION_MARK, PROVIDER
from mockforge_plugin.values import Fake, FunctionMetadata, Parameter

_types = {
    "str": "string",
    "bytes": "string",
    "datetime": "string",
    "date": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "None": "null",
    "NoneType": "null",
    "list": "array",
    "tuple": "array",
    "set": "array",
    "Sequence": "array",
    "Iterable": "array",
    "dict": "object",
    "Mapping": "object",
}

_argument = re.compile(r"^\s*\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.+)$")


def metadata(method: Callable[..., Any]) -> FunctionMetadata:
    """What a function marked `@function` is called, takes and gives."""
    about = getattr(method, FUNCTION_MARK, {})
    plain = inspect.unwrap(getattr(method, "__func__", method))
    summary, arguments = _docstring(plain.__doc__)
    kinds = inspect.Parameter
    parameters = []
    for p in _signature(method).parameters.values():
        many = p.kind in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)
        required = p.default is kinds.empty and not many
        default = None if p.default is kinds.empty else _json_default(p.default)
        parameters.append(Parameter(p.name, type_name(p.annotation), arguments.get(p.name, ""), required, default, many))
    annotation = _signature(method).return_annotation
    return FunctionMetadata(
        about.get("name") or plain.__name__,
        about.get("description") or summary,
        tuple(parameters),
        about.get("returns") or type_name(annotation),
        tuple(about.get("examples", ())),
        about.get("category"),
        bool(about.get("pure")),
    )


def _signature(method: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(method)
    except NameError:  # 3.14 evaluates annotations late; an unknown name there is no reason to fail
        from annotationlib import Format  # type: ignore[import-not-found, unused-ignore]  # only in 3.14 and later

        return inspect.signature(method, annotation_format=Format.STRING)  # type: ignore[call-arg, unused-ignore]  # the same


def type_name(annotation: object) -> str:
    """The JSON type that an annotation means: string, integer, number, boolean, array, object, null or any."""
    if annotation is inspect.Parameter.empty:
        return "any"
    plain = isinstance(annotation, type) and not hasattr(annotation, "__args__")
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "") if plain else str(annotation)
    names = {part.strip().strip("'\"").partition("[")[0].rpartition(".")[2] for part in _alternatives(text)}
    found = {_types.get(name, "any") for name in names} - {"null"}
    return found.pop() if len(found) == 1 else "any"


def _alternatives(text: str) -> list[str]:
    """`str | None` and `Optional[str]` taken apart."""
    inner = re.fullmatch(r"(?:typing\.)?(?:Optional|Union)\[(.*)\]", text)
    return re.split(r"[|,](?![^\[]*\])", inner.group(1) if inner else text) if inner or "|" in text else [text]


def _json_default(value: object) -> Any:
    return value if value is None or isinstance(value, str | int | float | bool | list | dict) else str(value)


def _docstring(text: str | None) -> tuple[str, dict[str, str]]:
    """The first paragraph, and what an `Args:` block says of each parameter."""
    if not text:
        return "", {}
    lines = inspect.cleandoc(text).splitlines()
    summary = " ".join(line.strip() for line in _until_blank(lines))
    arguments = {}
    if "Args:" in (stripped := [line.strip() for line in lines]):
        for line in _until_blank(lines[stripped.index("Args:") + 1 :]):
            if found := _argument.match(line):
                arguments[found.group(1)] = found.group(2).strip()
    return summary, arguments


def _until_blank(lines: list[str]) -> list[str]:
    taken: list[str] = []
    for line in lines:
        if not line.strip():
            break
        taken.append(line)
    return taken


def caller(method: Callable[..., Any], name: str) -> Callable[[Sequence[Any], dict[str, Any] | None], Any]:
    """A caller of the function that words a wrong set of arguments for whoever wrote the template."""

    is_provider = getattr(method, FUNCTION_MARK, {}).get("category") == PROVIDER

    def call(args: Sequence[Any], kwargs: dict[str, Any] | None) -> Any:
        if is_provider and kwargs and "fake" in kwargs:
            kwargs = {**kwargs, "fake": Fake(**kwargs["fake"])}
        try:
            return method(*args, **kwargs) if kwargs else method(*args)
        except TypeError as exc:
            if exc.__traceback__ is None or exc.__traceback__.tb_next is not None:
                raise  # from inside the function: the author's
            raise PluginError(f"{name}{_shown(method)} does not take these arguments: {exc}", code="invalid_input") from None

    call.__dict__["__wrapped__"] = method  # whose place is told where its answer is wrong
    return call


def _shown(method: Callable[..., Any]) -> str:
    return "(" + ", ".join(str(p).split(":")[0].split("=")[0] for p in _signature(method).parameters.values()) + ")"
