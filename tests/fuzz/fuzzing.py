"""What a fuzz target is, which there are, and where their inputs lie.

A target takes any bytes and raises for what must never happen; what the product refuses in its own words is no finding. The
same targets are driven by the corpus alone (`test_fuzz.py`, on every interpreter) and by atheris (`__main__.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Final, TypeAlias, TypeVar

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
CORPUS: Final = HERE / "corpus"
"""A folder for each target: inputs that once broke the product, and a few that reach deep."""

T = TypeVar("T")
Mutate: TypeAlias = Callable[[bytes, Random], bytes]
"""A changed input; libFuzzer's own changes of the bytes come beside it."""


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to fuzz. `runs` is how many inputs the bounded run of the tests tries, `seeds` begin with the kept corpus."""

    check: Callable[[bytes], None]
    runs: int
    seeds: Sequence[bytes] = ()
    mutate: Mutate | None = None
    max_bytes: int = 4096
    words: Sequence[bytes] = ()
    """Texts worth to be inserted."""


TARGETS: Final[Mapping[str, str]] = {
    "manifest": "plugin.yaml",
    "config": "mockforge.yaml, up to the application that is made of it",
    "answers": "what a guest answers to every operation, and what it says of itself",
    "envelope": "the error that a guest reports",
    "doors": "every host call, with any payload",
    "kernel": "the kernel's functions, called in any order, against a model",
    "words": "the host's hands in a kernel memory that holds anything",
    "guest": "a guest that calls whatever it may import, with any arguments, in the production host",
    "wasi": "the WASI shims' host side, over a guest's own memory",
    "module": "a plugin's WebAssembly file, against what wasmtime makes of it",
    "lines": "what guests log and print",
    "redaction": "texts in which secrets are looked for",
    "paths": "request paths, against what servers behind us might read",
    "headers": "header names and values, as they come out of HTTP/1.1",
    "body": "a client's body, read as JSON",
    "archive": "zip archives, against what Python's own reader finds",
}
"""Every target, and what it works on. Each is a module of `targets/`."""


def target(name: str) -> Target:
    """The target of that name; imports what it works on."""
    found = import_module(f"tests.fuzz.targets.{name}").TARGET
    assert isinstance(found, Target)
    return found


def corpus(name: str) -> list[Path]:
    """The kept inputs of a target."""
    return sorted(path for path in (CORPUS / name).glob("*") if path.is_file())


def kept(name: str) -> tuple[bytes, ...]:
    """What stands in them."""
    return tuple(path.read_bytes() for path in corpus(name))


class Choices:
    """Reads decisions out of an input's bytes; when they run out, everything is 0."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def is_over(self) -> bool:
        """Whether nothing is left."""
        return self._at >= len(self._data)

    def take(self, n: int) -> bytes:
        """The next bytes, as many as there are."""
        taken = self._data[self._at : self._at + n]
        self._at += n
        return taken

    def number(self, n: int = 1) -> int:
        """A number of that many bytes."""
        return int.from_bytes(self.take(n), "little")

    def one_of(self, options: Sequence[T]) -> T:
        """One of them."""
        return options[self.number() % len(options)]

    def wild(self) -> int:
        """A 64-bit number: small, near a power of two, or anything."""
        match self.number() % 4:
            case 0:
                return self.number()
            case 1:
                return self.number(3)
            case 2:
                return ((1 << self.number() % 65) + self.number() - 128) % (1 << 64)
        return self.number(8)

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._data))
