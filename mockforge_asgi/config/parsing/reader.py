"""Reads YAML (1.2's plain types) or JSON text into data, and remembers the line of every value.

Refuses what has no place in a configuration: tags, duplicate keys, several documents, values that JSON cannot say, and text
that is too long, too deep or not UTF-8. Aliases and merge keys are read only where the caller says so; what they unfold to is
bounded like the rest. Knows nothing of what the data means.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import yaml

from mockforge_asgi.config.parsing.anchors import MERGE_KEY, Anchors, TooLarge, merged
from mockforge_asgi.config.parsing.json_values import MAX_DEPTH, MAX_VALUES, no_json_scalar, not_json
from mockforge_asgi.config.parsing.locations import Locations, Path
from mockforge_asgi.errors import Problem
from mockforge_asgi.exact_json import Json, written
from mockforge_asgi.text import clip

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STR_TAG = "tag:yaml.org,2002:str"
_INT = re.compile(r"[-+]?[0-9]{1,300}\Z|0x[0-9a-fA-F]{1,15}\Z|0o[0-7]{1,20}\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]{1,40}|[0-9]{1,40}(?:\.[0-9]{0,40})?)(?:[eE][-+]?[0-9]{1,3})?\Z")
_NOT_JSON = re.compile(r"[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z|[-+]?[0-9]{301}")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+\Z")
_WORDS: dict[str, Json] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


class Unreadable(Exception):
    """The text cannot be used; `problems` says why, each with its place."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


def read(data: bytes | str, name: str, *, max_bytes: int, aliases: bool = False, exact: bool = False) -> tuple[Json, Locations]:
    """The document's data and places. `aliases`: anchors and merge keys are accepted. `exact`: numbers keep their text, and may have
    more than 64 bits (see `exact_json`). Raises Unreadable with every fault found."""
    text = _text(data, name, max_bytes)
    if name.lower().endswith(".json"):
        return _read_json(text, name, exact)
    builder = _build(text, name, aliases, exact)
    if builder.problems:
        raise Unreadable(builder.problems)
    return builder.root, Locations(name, builder.lines)


def _text(data: bytes | str, name: str, max_bytes: int) -> str:
    if len(data) > max_bytes:
        raise Unreadable([Problem(name, f"is longer than {max_bytes // 1024} KiB.", "Split it, or move large bodies to files.")])
    if isinstance(data, str):
        return data.removeprefix("\ufeff")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise Unreadable([Problem(f"{name}:{line}", "is not UTF-8 text.", "Save the file as UTF-8.")]) from None


@dataclass(slots=True)
class _Frame:
    """A list or mapping being filled; `seen` has the line of each key of a mapping."""

    value: list[Json] | dict[str, Json]
    path: Path
    anchor: str | None = None
    key: str | None = None
    merges: bool = False
    seen: dict[str, int] = field(default_factory=dict)

    def wants_key(self) -> bool:
        return isinstance(self.value, dict) and self.key is None

    def next_path(self) -> Path:
        if isinstance(self.value, dict):
            return (*self.path, self.key if self.key is not None else "?")
        return (*self.path, len(self.value))

    def put(self, item: Json) -> None:
        if isinstance(self.value, dict):
            self.value[self.key or ""] = item
            self.key = None
        else:
            self.value.append(item)


@dataclass(slots=True)
class _Builder:
    """Makes data from parser events, without recursion."""

    name: str
    aliases: bool = False
    exact: bool = False
    values: int = 0
    anchors: Anchors = field(default_factory=Anchors)
    root: Json = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    stack: list[_Frame] = field(default_factory=list)
    documents: int = 0

    def fault(self, line: int, what: str, remedy: str = "") -> None:
        if len(self.problems) < 100:
            self.problems.append(Problem(f"{self.name}:{line}", what, remedy))

    def take(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.ScalarEvent):
            self.scalar(event, line)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self.open({} if isinstance(event, yaml.MappingStartEvent) else [], event, line)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self.close()
        elif isinstance(event, yaml.AliasEvent):
            self.alias(event.anchor or "", line)
        elif isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents == 2:
                self.fault(line, "a second document starts here.", "Keep one document per file: remove '---' and what follows.")

    def open(self, value: list[Json] | dict[str, Json], event: Any, line: int) -> None:
        self.no_tag(event.tag and not event.implicit, line)
        if len(self.stack) >= MAX_DEPTH:
            raise self.too_much(f"values are nested more than {MAX_DEPTH} deep.", line)
        self.no_key(line, "a list or mapping is used as a key.", "Keys are text.")
        path = self.place(value, line)
        self.stack.append(_Frame(value, path, event.anchor))

    def close(self) -> None:
        frame = self.stack.pop()
        if frame.merges and isinstance(frame.value, dict):
            line = frame.seen[MERGE_KEY]
            keys = merged(frame.value)
            if keys is None:
                self.fault(line, "a merge key (<<) takes a mapping, or a list of them.", "Write `<<: *name`, or put '<<' in quotes.")
            self.lines.update({(*frame.path, key): line for key in keys or ()})
        if frame.anchor:
            self.anchors.values[frame.anchor] = frame.value

    def alias(self, name: str, line: int) -> None:
        # No name of an alias, anchor or tag is shown: it may be a secret that begins so and lacks its quotes.
        self.no_key(line, "an alias (*…) is used as a key.", "Write the key out.")
        value: Json = {}
        if not self.aliases:
            self.fault(line, "an alias (*…) is not accepted.", "Write the value out where it is used, in quotes if it is text.")
        elif name not in self.anchors.values:
            self.fault(line, "an alias (*…) names no anchor (&…) that ends before it.", "Put it in quotes if it is text.")
        else:
            try:
                value, count = self.anchors.copy(name, MAX_VALUES - self.values, MAX_DEPTH - len(self.stack))
            except TooLarge as error:
                raise self.too_much(str(error), line) from None
            self.values += count - 1
        self.place(value, line)

    def no_key(self, line: int, what: str, remedy: str) -> None:
        if self.stack and self.stack[-1].wants_key():
            self.fault(line, what, remedy)
            self.stack[-1].key = "?"

    def too_much(self, what: str, line: int) -> Unreadable:
        return Unreadable([*self.problems, Problem(f"{self.name}:{line}", what)])

    def no_tag(self, is_given: object, line: int) -> None:
        if is_given:
            self.fault(line, "a tag (!…) is not accepted.", "Remove it, or put the text in quotes.")

    def scalar(self, event: Any, line: int) -> None:
        is_plain = event.implicit[0] and not event.style
        if self.stack and self.stack[-1].wants_key():
            self.key(event.value, line, is_merge=is_plain and event.value == MERGE_KEY)
            return
        self.no_tag(event.tag and not any(event.implicit) and event.tag != _STR_TAG, line)
        value = self.number(event.value, resolve(event.value), line) if is_plain else event.value
        if event.anchor:
            self.anchors.values[event.anchor] = value
            if is_plain and not event.value:
                self.fault(line, "an anchor (&…) stands before nothing.", "Put it in quotes if it is text.")
        self.place(value, line)

    def number(self, text: str, value: Json, line: int) -> Json:
        """The value of plain text; where it is a number, checked, and with its text where that is asked for."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        if what := no_json_scalar(value, exact=self.exact):
            self.fault(line, what, "Put it in quotes if it is text.")
            return 0
        if self.exact and _LEADING_ZERO.match(text):
            self.fault(line, "is a number, which loses its leading zeros.", "Put it in quotes if it is text, else leave them out.")
        return written(text, value) if self.exact else value

    def key(self, key: str, line: int, is_merge: bool) -> None:
        frame = self.stack[-1]
        if is_merge and not self.aliases:
            self.fault(line, "a merge key (<<) is not accepted.", "Write the keys out, or put '<<' in quotes.")
        frame.merges |= is_merge and self.aliases
        if key in frame.seen:
            first = frame.seen[key]
            self.fault(line, f"the key '{clip(key)}' is given twice (first on line {first}).", "Keep one of them.")
        frame.seen.setdefault(key, line)
        frame.key = key
        self.lines.setdefault((*frame.path, key), line)

    def place(self, value: Json, line: int) -> Path:
        """Put a finished value or an opened container where it belongs; gives its path."""
        if not self.stack:
            if self.documents <= 1:
                self.root = value
            self.lines.setdefault((), line)
            return ()
        self.values += 1
        if self.values > MAX_VALUES:
            raise self.too_much(f"holds more than {MAX_VALUES} values.", line)
        frame = self.stack[-1]
        path = frame.next_path()
        self.lines.setdefault(path, line)
        frame.put(value)
        return path


def resolve(text: str) -> Json:
    """A plain scalar by YAML 1.2's core schema: `no`, `on` and dates are text; numbers JSON cannot say are infinite."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text):
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
    if not text.isdigit() and _FLOAT.match(text):
        return float(text)
    return math.inf if _NOT_JSON.match(text) else text


def _build(text: str, name: str, aliases: bool = False, exact: bool = False) -> _Builder:
    builder = _Builder(name, aliases, exact)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except (yaml.YAMLError, UnicodeError) as error:
        raise Unreadable([*builder.problems, _syntax_problem(error, text, name)]) from None
    return builder


def _syntax_problem(error: yaml.YAMLError | UnicodeError, text: str, name: str) -> Problem:
    """What the parser says, and where."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = (error.context_mark if error.context == "while scanning a simple key" else error.problem_mark) or error.context_mark
        line, said = mark.line if mark else 0, error.problem or error.context
    else:
        line, said = text.count("\n", 0, getattr(error, "position", 0)), str(error).partition("\n")[0]
    remedy = "Check the indentation and the quotes."
    return Problem(f"{name}:{line + 1}", f"is not YAML: {clip(str(said), 200)}.", remedy)


def _read_json(text: str, name: str, exact: bool) -> tuple[Json, Locations]:
    """JSON by the letter of RFC 8259; lines and keys given twice come from the YAML parser where it can read the same text."""
    twice: set[str] = set()

    def pairs(items: list[tuple[str, Json]]) -> dict[str, Json]:
        value: dict[str, Json] = {}
        for key, item in items:
            if key in value:
                twice.add(key)
            value[key] = item
        return value

    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_int=_int if exact else None, parse_float=_float if exact else None)
    except json.JSONDecodeError as error:
        raise Unreadable([Problem(f"{name}:{error.lineno}", f"is not JSON: {error.msg} (column {error.colno}).")]) from None
    except RecursionError:
        raise Unreadable([Problem(name, f"has values nested more than {MAX_DEPTH} deep.")]) from None
    except ValueError as error:
        raise Unreadable([Problem(name, f"is not usable JSON: {clip(str(error), 120)}.")]) from None
    try:
        builder = _build(text, name)
        places, problems = Locations(name, builder.lines), builder.problems if twice else []
    except Unreadable:
        places, problems = Locations(name), []
    if twice and not problems:
        problems = [Problem(name, f"the key '{clip(k)}' is given twice in one object.", "Keep one of them.") for k in sorted(twice)]
    if problems := [*problems, *not_json(value, places, exact=exact)]:
        raise Unreadable(problems)
    return value, places


def _int(text: str) -> int | float:
    return written(text, int(text))


def _float(text: str) -> int | float:
    value = float(text)
    return written(text, value) if math.isfinite(value) else value
