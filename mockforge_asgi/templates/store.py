"""The operator's templates by name: texts from the configuration, and files below one folder.

Everything is read at load. In dev mode a file that changed, or that is new, is seen at the next request. A name is a path below the
folder, with `/`; a text of the configuration goes before a file of the same name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from mockforge_asgi.errors import Problem
from mockforge_asgi.reload.watcher import Watcher

MAX_FILES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Source:
    """The text of one template. `file` None: it stands in the configuration."""

    name: str
    text: str
    file: Path | None = None


class TemplateStore:
    """Templates by name. `problems` holds what could not be read at load."""

    __slots__ = ("_folder", "_inline", "_locations", "_max_bytes", "_sources", "_stale", "_version", "_watch", "is_live", "problems")

    def __init__(
        self,
        folder: Path | None = None,
        inline: Mapping[str, str] | None = None,
        *,
        locations: Mapping[str, str] | None = None,
        max_bytes: int = 256 * 1024,
        watcher: Watcher | None = None,
    ) -> None:
        """`locations` says where texts of the configuration are written. With a `watcher` files are read again when they are edited."""
        self._folder = None if folder is None else folder.resolve()
        self._inline, self._max_bytes = dict(inline or {}), max_bytes
        self._watch = None if watcher is None else watcher.watch()
        self.is_live: Final = watcher is not None
        """Whether files may be edited."""
        self._version = 0
        self._stale: set[str] = set()
        self._locations = dict(locations or {})
        self.problems: list[Problem] = []
        self._sources: dict[str, Source] = {}
        for name in self._names():
            try:
                self._read(name)
            except OSError as error:
                self.problems.append(Problem(f"templates {name}", f"cannot be read: {error.strerror}.", "Check its permissions."))
            except ValueError as error:
                self.problems.append(Problem(f"templates {name}", str(error)))

    def location(self, name: str) -> str:
        """Where the text of that name is written in the configuration; nothing for a file."""
        return self._locations.get(name, "")

    @property
    def names(self) -> frozenset[str]:
        """The names of all templates."""
        return frozenset(self._sources)

    def is_edited(self) -> bool:
        """In dev mode: whether files were edited since this was asked last. They are read again when they are asked for."""
        if self._watch is None or (version := self._watch.look()) == self._version:
            return False
        self._version = version
        self._stale.update(self._sources)
        return True

    def find(self, name: str) -> Source | None:
        """The template of that name; in dev mode also one that is new. Raises ValueError when it cannot be read."""
        source = self._sources.get(name)
        if self._watch is None or (source is not None and name not in self._stale):
            return source
        try:
            source = self._read(name)
        except FileNotFoundError:
            self._sources.pop(name, None)
            return None
        except OSError as error:
            raise ValueError(f"cannot be read: {error.strerror}") from None
        self._stale.discard(name)
        return source

    def _names(self) -> Iterator[str]:
        yield from self._inline
        if self._folder is None:
            return
        if not self._folder.is_dir():
            self.problems.append(Problem("templates.dir", f"{self._folder} is not a folder."))
            return
        count = 0
        for file in sorted(self._folder.rglob("*")):
            name = file.relative_to(self._folder).as_posix()
            if name in self._inline or any(part.startswith(".") for part in name.split("/")) or not file.is_file():
                continue
            count += 1
            if count > MAX_FILES:
                self.problems.append(Problem("templates.dir", f"holds more than {MAX_FILES} files.", "Name a folder of templates only."))
                return
            yield name

    def _read(self, name: str) -> Source:
        text = self._inline.get(name)
        if text is not None:
            if len(text) > self._max_bytes:
                raise ValueError(f"is longer than {self._max_bytes} characters")
            self._sources[name] = Source(name, text)
            return self._sources[name]
        file = self._file(name)
        if self._watch is not None and self._folder is not None:
            self._watch.add(self._folder / name)
        with file.open("rb") as opened:
            data = opened.read(self._max_bytes + 1)
        if len(data) > self._max_bytes:
            raise ValueError(f"is longer than {self._max_bytes} bytes")
        try:
            source = Source(name, data.decode("utf-8-sig"), file)
        except UnicodeDecodeError:
            raise ValueError("is not UTF-8 text") from None
        self._sources[name] = source
        return source

    def _file(self, name: str) -> Path:
        parts = PurePosixPath(name).parts
        if self._folder is None or not parts or name.startswith("/") or "\\" in name or any(p.startswith(".") or "\0" in p for p in parts):
            raise FileNotFoundError(name)
        file = self._folder.joinpath(*parts).resolve()
        if not file.is_relative_to(self._folder) or not file.is_file():
            raise FileNotFoundError(name)
        return file
