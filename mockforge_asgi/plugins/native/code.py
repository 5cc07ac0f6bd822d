"""Where native code comes from: a plugin's files under module names of their own, or the developer's own object.

Each loading gives modules that no other generation shares, so an edited plugin starts afresh and an old one can be
forgotten whole.
"""

from __future__ import annotations

import inspect
import itertools
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from mockforge_asgi.errors import PluginRejected
from mockforge_plugin.bundle import Bundle
from mockforge_plugin.operations.dispatch import PluginObject
from mockforge_plugin.operations.loading import load_plugin

_generations = itertools.count(1)


class NativeCode(Protocol):
    """Code that plugin objects are made from."""

    @property
    def author_files(self) -> Mapping[str, str]:
        """File names as tracebacks know them, and as they are shown."""
        ...

    def load(self) -> PluginObject:
        """Run the code and give its plugin. Raises whatever the code raises."""
        ...

    def close(self) -> None:
        """Forget what was loaded."""
        ...


class FileCode:
    """The Python files of a package. `folder` makes file names whole, for debuggers; imports look among the files first."""

    def __init__(self, plugin: str, files: Mapping[str, bytes], entry: str, folder: Path | None = None) -> None:
        self.plugin, self.entry = plugin, entry
        self.files = {path: source_text(plugin, path, data) for path, data in files.items() if path.endswith(".py")}
        self.prefix = f"mockforge_native_{re.sub(r'[^0-9A-Za-z_]', '_', plugin)}_{next(_generations)}"
        # Python keeps source lines by file name for the whole process, so two archives must not both have a bare `plugin.py`.
        self._bundle = Bundle(self.files, prefix=self.prefix, folder=f"<{plugin}>" if folder is None else str(folder))

    @property
    def author_files(self) -> Mapping[str, str]:
        """See NativeCode."""
        return self._bundle.author_files

    def load(self) -> PluginObject:
        """See NativeCode."""
        return load_plugin(self._bundle.run(self.entry))

    def close(self) -> None:
        """See NativeCode."""
        self._bundle.close()


class ObjectCode:
    """An object, or a class to make one of, that the developer hands over."""

    def __init__(self, target: object) -> None:
        self._target = target
        made_of = target if isinstance(target, type) else type(target)
        try:
            file = inspect.getsourcefile(made_of)
        except (OSError, TypeError):
            file = None
        self.author_files: Mapping[str, str] = {file: os.path.basename(file)} if file else {}

    def load(self) -> PluginObject:
        """See NativeCode."""
        return load_plugin(self._target)

    def close(self) -> None:
        """See NativeCode: the object is the developer's to keep."""


def source_text(plugin: str, path: str, data: bytes) -> str:
    """A source file as text. Raises PluginRejected."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise PluginRejected(plugin, f"its file {path} is not UTF-8 text.") from None
