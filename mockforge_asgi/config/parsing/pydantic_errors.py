"""Turns what pydantic finds wrong into problems: place, what, remedy.

Used by the readers of `mockforge.yaml` and `plugin.yaml`. Values are quoted only where they cannot be secret.
"""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from mockforge_asgi.config.parsing.locations import Locations, Path
from mockforge_asgi.errors import Problem
from mockforge_asgi.text import clip, quote

_SECRET_SECTIONS = frozenset({"secrets"})
_TYPES = {
    "string": "text",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "a mapping",
    "model": "a mapping",
    "model_attributes": "a mapping",
    "mapping": "a mapping",
    "tuple": "a list",
    "none_required": "null",
}


def fault(what: str, remedy: str = "") -> PydanticCustomError:
    """What a validator raises: the two parts stay apart until the place is known."""
    return PydanticCustomError("fault", "{what}", {"what": what, "remedy": remedy})


def suggest(word: str, known: Iterable[str]) -> str:
    """`Did you mean 'x'?` where something known is close, else the list of what is known."""
    names = sorted(known)
    close = difflib.get_close_matches(word[:80], names, n=1, cutoff=0.6)
    if close:
        return f"Did you mean '{close[0]}'?"
    return f"Known: {', '.join(names)}." if names else ""


def problems_of(error: ValidationError, model: type[BaseModel], places: Locations, base: Path = ()) -> list[Problem]:
    """Every fault of a validation, in the order of the document. `base` is where the model stands in it."""
    found = []
    for detail in error.errors(include_url=False, include_context=True):
        path = (*base, *_path(detail, model))
        is_secret = bool(_SECRET_SECTIONS & {p for p in path[:1] if isinstance(p, str)})
        what, remedy = _words(detail, model, is_secret)
        found.append(places.problem(path, what, remedy))
    return in_order(found)


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """The problems by line, each once."""
    return sorted(dict.fromkeys(problems), key=lambda p: _line(p.place))


def _line(place: str) -> int:
    digits = place.split(" ", 1)[0].rpartition(":")[2]
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def _path(detail: ErrorDetails, model: type[BaseModel]) -> Path:
    loc = tuple(part for part in detail["loc"] if part != "[key]")
    return loc[:-1] if detail["type"] == "missing" else loc


def _words(detail: ErrorDetails, model: type[BaseModel], is_secret: bool) -> tuple[str, str]:
    kind, context, loc = detail["type"], detail.get("ctx", {}), detail["loc"]
    shown = "the value" if is_secret else quote(detail.get("input"))
    if kind == "fault":
        return str(context["what"]), str(context["remedy"])
    if kind == "missing":
        return f"`{loc[-1]}` is missing.", _example(model, loc)
    if kind == "extra_forbidden":
        return f"the key '{clip(str(loc[-1]))}' is not known.", suggest(str(loc[-1]), _keys(model, loc[:-1]))
    if kind == "literal_error":
        choices = _choices(model, loc)
        if str(detail.get("input")) in choices:
            return f"must be the number {shown.strip(chr(39))}, not text.", "Write it without quotes."
        return f"{shown} is not one of {', '.join(choices)}.", _closest(detail.get("input"), choices)
    if kind.endswith("_type") and kind.removesuffix("_type") in _TYPES:
        what, remedy = _wrong_type(kind.removesuffix("_type"), detail.get("input"), shown)
        return what, remedy or (_form(_owner(model, loc)) if kind.startswith("model") else "")
    return _bounds(kind, context, shown) or (f"{clip(detail['msg'], 200)}.", "")


def _wrong_type(kind: str, value: object, shown: str) -> tuple[str, str]:
    what = f"must be {_TYPES[kind]}." if shown == "the value" else f"must be {_TYPES[kind]}, not {shown}."
    if kind == "string" and isinstance(value, int | float):
        return what, f'Put it in quotes: "{str(value).lower()}".' if shown != "the value" else "Put it in quotes."
    if kind in ("int", "float") and isinstance(value, str):
        return what, "Write the number without quotes." if value.strip().lstrip("-").replace(".", "", 1).isdigit() else ""
    if kind == "bool" and value in ("yes", "no", "on", "off", 0, 1):
        return what, "Write true or false."
    if kind == "list" and isinstance(value, str):
        return what, "Put it in brackets." if shown == "the value" else f"Write [{clip(value)}]."
    if value is None:
        return f"is empty; it must be {_TYPES[kind]}.", "Give it a value, or remove the key."
    return what, ""


def _bounds(kind: str, context: Mapping[str, Any], shown: str) -> tuple[str, str] | None:
    signs = {
        "greater_than": ("gt", "more than"),
        "greater_than_equal": ("ge", "at least"),
        "less_than": ("lt", "less than"),
        "less_than_equal": ("le", "at most"),
    }
    if kind in signs:
        key, words = signs[kind]
        return f"{shown} must be {words} {context[key]}.", ""
    if kind in ("too_short", "string_too_short"):
        return "is empty." if context.get("min_length") == 1 else f"needs at least {context.get('min_length')} items.", ""
    if kind in ("too_long", "string_too_long"):
        return f"is too long; the most is {context.get('max_length')}.", ""
    if kind == "int_from_float":
        return f"must be an integer, not {shown}.", ""
    return None


def _closest(value: object, choices: list[str]) -> str:
    close = difflib.get_close_matches(str(value)[:80].lower(), choices, n=1, cutoff=0.5)
    return f"Did you mean '{close[0]}'?" if close else ""


def _example(model: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    owner = _owner(model, loc[:-1])
    for name, info in owner.model_fields.items() if owner else ():
        if (info.alias or name) == loc[-1] and info.examples:
            return f"Add `{loc[-1]}: {info.examples[0]}`."
    return "Add it."


def _form(owner: type[BaseModel] | None) -> str:
    """How a mapping of that model looks: what it must have (or its `main_key`, where several do), or else what it may."""
    if owner is None:
        return ""
    fields = {info.alias or name: info for name, info in owner.model_fields.items()}
    main = getattr(owner, "main_key", None)
    needed = [
        f"{name}: {_quoted(str(info.examples[0]))}"
        for name, info in fields.items()
        if info.examples and (info.is_required() or name == main)
    ]
    return f"Write {{{', '.join(needed)}}}." if needed else f"Its keys: {', '.join(fields)}."


def _quoted(example: str) -> str:
    return f'"{example}"' if not example.startswith(("{", "[", '"')) and set(example) & set("{}[]*") else example


def _keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    owner = _owner(model, loc)
    return [info.alias or name for name, info in owner.model_fields.items()] if owner else []


def _choices(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    found = next((a for a in _follow(model, loc) if typing.get_origin(a) is typing.Literal), None)
    return [quote(choice).strip("'") for choice in typing.get_args(found)]


def _owner(model: type[BaseModel], loc: tuple[int | str, ...]) -> type[BaseModel] | None:
    return next((a for a in _follow(model, loc) if isinstance(a, type) and issubclass(a, BaseModel)), None)


def _follow(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[Any]:
    """The annotations that may stand at a location, unions and containers taken apart."""
    found: list[Any] = [model]
    for part in loc:
        if part == "[key]":
            found = [typing.get_args(a)[0] for a in found if typing.get_origin(a) is dict]
        elif isinstance(part, int):
            found = [typing.get_args(a)[0] for a in found if typing.get_origin(a) is list]
        else:
            found = [inner for a in found for inner in _into(a, part)]
        found = [inner for a in found for inner in _parts(a)]
    return found


def _into(annotation: Any, key: str) -> list[Any]:
    if typing.get_origin(annotation) is dict:
        return [typing.get_args(annotation)[1]]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [info.annotation for name, info in annotation.model_fields.items() if (info.alias or name) == key]
    return []


def _parts(annotation: Any) -> list[Any]:
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _parts(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [inner for arm in typing.get_args(annotation) for inner in _parts(arm)]
    return [annotation]
