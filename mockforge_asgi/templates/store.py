"""The operator's templates by name: texts from the configuration, and files below one folder.

Everything is read at load. In dev mode a file that changed, or that is new, is seen at the next request. A name is a path below the
folder, with `/`; a text of the configuration goes before a file of the same name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, TypeAlias

from mockforge_asgi.errors import Problem

MAX_FILES: Final = 10_000
Stamp: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Source:
    """The text of one template. `file` None: it stands in the configuration."""

    name: str
    text: str
    file: Path | None = None
    stamp: Stamp = (0, 0)

    @property
    def is_current(self) -> bool:
        """Whether its file is still the one that was read."""
        return self.file is None or _stamp(self.file) == self.stamp


def _stamp(file: Path) -> Stamp:
    try:
        found = file.stat()
    except OSError:
        return (-1, -1)
    return found.st_mtime_ns, found.st_size


class TemplateStore:
    """Templates by name. `problems` holds what could not be read at load."""

    __slots__ = ("_folder", "_inline", "_max_bytes", "_places", "_sources", "is_live", "problems")

    def __init__(
        self,
        folder: Path | None = None,
        inline: Mapping[str, str] | None = None,
        *,
        places: Mapping[str, str] | None = None,
        max_bytes: int = 256 * 1024,
        is_live: bool = False,
    ) -> None:
        """`places` says where texts of the configuration are written."""
        self._folder = None if folder is None else folder.resolve()
        self._inline, self._max_bytes, self.is_live = dict(inline or {}), max_bytes, is_live
        self._places = dict(places or {})
        self.problems: list[Problem] = []
        self._sources: dict[str, Source] = {}
        for name in self._names():
            try:
                self._read(name)
            except OSError as error:
                self.problems.append(Problem(f"templates {name}", f"cannot be read: {error.strerror}.", "Check its permissions."))
            except ValueError as error:
                self.problems.append(Problem(f"templates {name}", str(error)))

    def place(self, name: str) -> str:
        """Where the text of that name is written in the configuration; nothing for a file."""
        return self._places.get(name, "")

    @property
    def names(self) -> frozenset[str]:
        """The names of all templates."""
        return frozenset(self._sources)

    def find(self, name: str) -> Source | None:
        """The template of that name; in dev mode as its file is now. Raises ValueError when that cannot be read."""
        source = self._sources.get(name)
        if not self.is_live or (source is not None and source.is_current):
            return source
        try:
            return self._read(name)
        except FileNotFoundError:
            self._sources.pop(name, None)
            return None
        except OSError as error:
            raise ValueError(f"cannot be read: {error.strerror}") from None

    def _names(self) -> Iterator[str]:
        yield from self._inline
        if self._folder is None:
            return
        if not self._folder.is_dir():
            self.problems.append(Problem("templates.dir", f"{self._folder} is no folder."))
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
        stamp = _stamp(file)
        with file.open("rb") as opened:
            data = opened.read(self._max_bytes + 1)
        if len(data) > self._max_bytes:
            raise ValueError(f"is longer than {self._max_bytes} bytes")
        try:
            source = Source(name, data.decode("utf-8-sig"), file, stamp)
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
