"""Changes JSON documents as documents: what a change of single bytes would make unreadable comes out as JSON again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

import yaml

from tests.fuzz.fuzzing import Mutate

Json = Any

HOSTILE: tuple[Json, ...] = (
    None, True, False, 0, -1, 1, 200, 999, 99, 600, 2**31, 2**53, 2**63 - 1, -(2**63), 2**64 - 1, 0.0, -0.0, 1e308, 1.5, "", " ", "a",
    "\x00", "\r\n", "a\r\nset-cookie: x=1", "../../etc/passwd", "/", "\\", "é", "\u202e", "\ufeff", "\U0001f600", "e\u0301", "%2F",
    "a" * 600,    "A" * 70_000, "*", "**", "{a}", "{{ 7*7 }}", "[",
    "(?i)(a+)+$", "1.2.3", "nan", "null", "__class__", "sha256-", "=", "a=b",
    [], {}, [[]],    {"": None}, {"a": {"b": []}}, ["a", "a"], [None], list(range(200)), {str(i): i for i in range(200)},
)  # fmt: skip
"""Values that readers of documents stumble over."""

_DEEP = "a value that is deep"


MAX_VALUES = 2000
"""When a document is changed no further."""


def changer(seeds: Iterable[bytes], *, heads: tuple[str, ...] = (), vocabulary: Iterable[Json] = ()) -> Mutate:
    """A mutator for JSON documents (YAML is read, JSON written); the keys and values of the seeds are its vocabulary.

    With `heads` an input is one of these words, a line break, and the document.
    """
    known = list(vocabulary)
    names = {key for value in known for key in _keys(value)}
    for seed in seeds:
        body = seed.partition(b"\n")[2] if heads else seed
        try:
            value = yaml.load(body, Loader=yaml.CSafeLoader)
        except (yaml.YAMLError, UnicodeDecodeError):
            continue
        known += _nodes(value)
        names |= set(_keys(value))
    keys = sorted(names) or ["a"]

    def mutate(data: bytes, random: Random) -> bytes:
        head, _, body = data.partition(b"\n") if heads else (b"", b"", data)
        if heads and random.random() < 0.1:
            head = random.choice(heads).encode()
        value = _loaded(body)
        for _ in range(random.choice((1, 1, 1, 2, 3, 5))):
            value = _changed(value, random, known, keys)
            if sum(1 for _ in _places(value)) > MAX_VALUES:  # copies of copies multiply
                break
        return (head + b"\n" if heads else b"") + _dumped(value, random)

    return mutate


def _loaded(body: bytes) -> Json:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        pass
    try:
        return yaml.load(body[:65_536], Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        return {}


def _dumped(value: Json, random: Random) -> bytes:
    value, depth = [value], 0
    if random.random() < 0.08:  # deeper than a dump goes: written into the text
        holder, key = random.choice(list(_places(value)))
        holder[key], depth = _DEEP, random.choice((60, 70, 100, 249, 251, 253, 255, 500, 900, 1000, 1020, 1025, 5000))
    try:
        text = json.dumps(value[0], ensure_ascii=random.random() < 0.5, default=str)
    except (ValueError, TypeError, RecursionError):
        return b"{}"
    if depth:
        before, after = random.choice((("[", "]"), ('{"a":', "}")))
        text = text.replace(f'"{_DEEP}"', before * depth + "0" + after * depth)
    return text.encode("utf-8", "replace")


def _changed(value: Json, random: Random, known: list[Json], keys: list[str]) -> Json:
    places = list(_places(value))
    if not places or random.random() < 0.03:
        return _fresh(random, known)
    holder, key = random.choice(places)
    match random.randrange(9):
        case 0 | 1 | 2:
            holder[key] = _fresh(random, known)
        case 3:
            del holder[key]
        case 4:
            if isinstance(holder, list):
                holder.extend([holder[key]] * random.choice((1, 2, 101)))
            else:
                holder[random.choice(keys)] = holder[key]
        case 5:
            if isinstance(holder, list):
                holder.insert(key, _fresh(random, known))
            else:
                holder[random.choice(keys)] = _fresh(random, known)
        case 6:
            if isinstance(holder, dict):
                holder[_text(str(key), random)] = holder.pop(key)
            else:
                random.shuffle(holder)
        case 7:
            if isinstance(holder[key], str):
                holder[key] = _text(holder[key], random)
            else:
                holder[key] = [holder[key]] if random.random() < 0.5 else {random.choice(keys): holder[key]}
        case 8:
            other, there = random.choice(places)
            try:
                holder[key] = json.loads(json.dumps(other[there], default=str))
            except (KeyError, IndexError, ValueError, RecursionError):
                pass
    return value


def _fresh(random: Random, known: list[Json]) -> Json:
    value = random.choice(known if known and random.random() < 0.5 else HOSTILE)
    try:
        return json.loads(json.dumps(value, default=str))  # not shared between documents
    except (ValueError, TypeError, RecursionError):
        return None


def _text(text: str, random: Random) -> str:
    at = random.randrange(len(text) + 1)
    sign = random.choice("\x00\r\n\t ./\\%:;,=@#?*{}[]()'\"<>&|~-_+$0aZ\x7f\x85é\u2028\u202e\ufeff\U0001f600")
    return random.choice((text[:at] + sign + text[at:], text[:at] + text[at + 1 :], text + text[:at], text[:at], text.swapcase()))


def _places(value: Json) -> Iterator[tuple[Any, Any]]:
    """(holder, key) of every value in the document but its root; of a large one, of some."""
    todo, seen = [value], 0
    while todo and seen <= MAX_VALUES:
        item = todo.pop()
        for key in list(item) if isinstance(item, dict) else range(len(item)) if isinstance(item, list) else ():
            seen += 1
            yield item, key
            if isinstance(item[key], dict | list):
                todo.append(item[key])


def _nodes(value: Json) -> list[Json]:
    return [value, *(holder[key] for holder, key in _places(value))]


def _keys(value: Json) -> list[str]:
    return [key for node in _nodes(value) if isinstance(node, dict) for key in node if isinstance(key, str)]
