"""Reads documentation pages: which files they show, which Python they run, which commands and answers they promise."""

from __future__ import annotations

import re
import shlex
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
OTHER_PAGES = sorted(
    [*(p for p in ROOT.glob("*.md") if p not in PAGES), *(ROOT / "benchmarks").glob("*.md"), *(ROOT / "examples").rglob("*.md")]
)
"""Pages without code that could be run: their links are looked at."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    title: str
    text: str


@dataclass(slots=True)
class Curl:
    """A curl command, and the answer that the page shows below it."""

    url: str
    method: str = "GET"
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    shows_head: bool = False
    shown: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        """Path and query of the URL."""
        return "/" + self.url.split("/", 3)[3]

    def differences(self, status: int, headers: tuple[tuple[str, str], ...], body: str) -> list[str]:
        """Where the page shows another answer than the one given. Of the head, what is shown must be there."""
        lines = list(self.shown)
        wrong = []
        if self.shows_head:
            end = lines.index("") if "" in lines else len(lines)
            head, lines = lines[:end], lines[end + 1 :]
            if head and head[0].split()[1] != str(status):
                wrong.append(f"{self.path}: shown {head[0]!r}, answered {status} {body[:200]}")
            given = [f"{name}: {value}" for name, value in headers]
            wrong += [f"{self.path}: shown header {line!r}, answered {given}" for line in head[1:] if line not in given]
            if not lines:
                return wrong
        if (shown := "\n".join(lines)) and flat(shown) != flat(body):
            wrong.append(f"{self.path}: shown {shown!r}, answered {body!r}")
        return wrong


def flat(text: str) -> str:
    """Text without differences of white space that mean nothing here."""
    return re.sub(r"([{,\[:])\s+|\s+(?=[}\]])", r"\1", text.strip())


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found = []
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        if token.type == "fence":
            language, _, rest = token.info.partition(" ")
            title = re.search(r'title="([^"]+)"', rest)
            found.append(Block(page, (token.map or [0])[0] + 1, language, title[1] if title else "", token.content))
    return found


@dataclass(frozen=True, slots=True)
class Serve:
    """A command that serves a configuration from there on."""

    file: str
    reload: bool


@dataclass(slots=True)
class Try:
    """A command that tries a plugin, and all that the page shows of what it prints."""

    words: list[str]
    shown: list[str] = field(default_factory=list)

    def differences(self, printed: str) -> list[str]:
        """Where it printed something else. Times and sizes are its machine's own; so is whether something had to be compiled."""
        lines = [line for line in printed.splitlines() if not line.startswith("compiling ")]
        wrong = [f"shown {s!r}, printed {p!r}" for s, p in zip_longest(self.shown, lines) if s is None or p is None or own(s) != own(p)]
        return wrong if self.shown else []


def own(line: str) -> str:
    """The line without what differs between two runs."""
    return re.sub(r"within one slice|\d+\.\d+ ms computing in \d+ slices|\d+\.\d+ (?=ms|MiB)", "…", line)


@dataclass(frozen=True, slots=True)
class Npm:
    """A command of npm's, in the folder of a project."""

    folder: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BuildRust:
    """The command that builds a Rust plugin."""

    folder: str
    output: str


@dataclass(frozen=True, slots=True)
class Sqlite:
    """`sqlite3 DATABASE < SCRIPT`."""

    database: str
    script: str


def commands(block: Block) -> Iterator[BuildRust | Curl | Npm | Serve | Sqlite | Try]:
    """The commands of a console block that build, serve, ask what is served, or try a plugin."""
    current: Curl | Try | None = None
    for line in block.text.splitlines():
        if line.startswith("$ "):
            if current is not None:
                yield current
            words = shlex.split(line[2:], comments=True)
            current = parse(words[1:]) if words and words[0] == "curl" else None
            if words[:2] == ["mockforge", "plugin"]:
                current = Try(words)
            if words == ["./scripts/serve"]:
                yield Serve("examples/quickstart/mockforge.yaml", reload=False)
            if words[:2] == ["mockforge", "serve"]:
                yield Serve(words[-1], "--reload" in words)
            if words and words[0].endswith("sdk/rust/build.sh"):
                yield BuildRust(*words[1:])
            if words[:1] == ["sqlite3"]:
                yield Sqlite(words[1], words[3])
            if words[:2] == ["npm", "--prefix"]:
                yield Npm(words[2], tuple(words[3:]))
        elif current is not None:
            current.shown.append(line)
    if current is not None:
        yield current


def parse(words: list[str]) -> Curl:
    """A curl command line, as far as the documentation uses it."""
    command = Curl("")
    rest = iter(words)
    for word in rest:
        match word:
            case "-i":
                command.shows_head = True
            case "-s":
                pass
            case "-X":
                command.method = next(rest)
            case "-d":
                command.body, command.method = next(rest).encode(), "POST" if command.method == "GET" else command.method
            case "-H":
                name, _, value = next(rest).partition(":")
                command.headers.append((name, value.strip()))
            case "-u":
                command.headers.append(("authorization", "Basic " + b64encode(next(rest).encode()).decode()))
            case _ if word.startswith("http"):
                command.url = word
            case _:
                raise ValueError(f"curl {word}: not known to the tests of the documentation")
    if command.body and all(name.lower() != "content-type" for name, _ in command.headers):
        command.headers.append(("content-type", "application/x-www-form-urlencoded"))  # as curl itself does
    return command
