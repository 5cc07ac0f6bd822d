"""An author's source files, run as modules of their own: nothing of them enters `sys.path`, and two plugins may both have a `helper.py`.

Imports in the author's code look into the bundle first; everything else goes to the importer that the world provides:
Python's own natively, the published list of standard-library modules in the sandbox.
"""

from __future__ import annotations

import builtins
import linecache
import sys
from collections.abc import Callable, Mapping, Sequence
from types import CodeType, ModuleType
from typing import Any, TypeAlias

Importer: TypeAlias = Callable[[str, Mapping[str, object] | None, Mapping[str, object] | None, Sequence[str], int], ModuleType]


class Bundle:
    """Source files by their path within the plugin's folder, `/` between parts."""

    def __init__(
        self,
        files: Mapping[str, str],
        *,
        prefix: str = "",
        importer: Importer | None = None,
        builtin_names: Mapping[str, object] | None = None,
        folder: str = "",
    ) -> None:
        """`prefix` sets the modules apart in `sys.modules`; `folder` makes the code's file names whole paths, for debuggers."""
        self._files = dict(files)
        self._prefix = f"{prefix}." if prefix else ""
        self._folder = f"{folder.rstrip('/')}/" if folder else ""
        self._import: Importer = importer or builtins.__import__
        self._modules: dict[str, ModuleType] = {}
        self._builtins = {**vars(builtins), **(builtin_names or {}), "__import__": self._import_for_author}

    @property
    def author_files(self) -> dict[str, str]:
        """File names as the code knows them → names to show, for `error_envelope`."""
        return {self._folder + path: path for path in self._files}

    def run(self, entry: str) -> ModuleType:
        """The module of the entry file, its code run. Raises: what the code raises; SyntaxError; FileNotFoundError."""
        if entry not in self._files:
            raise FileNotFoundError(f"the plugin has no file '{entry}'; it has {', '.join(sorted(self._files))}")
        return self._load(_module_name(entry), entry)

    def close(self) -> None:
        """Forget the modules."""
        for name in self._modules:
            sys.modules.pop(self._prefix + name, None)
        self._modules.clear()

    def _load(self, name: str, path: str) -> ModuleType:
        loaded = self._modules.get(name)
        if loaded is not None:
            return loaded
        parent = name.rpartition(".")[0]
        if parent:
            self._module(parent)
        source = self._files[path]
        shown = self._folder + path
        linecache.cache[shown] = (len(source), None, source.splitlines(keepends=True), shown)
        code = _compile(source, shown)
        module = self._new_module(name, is_package=path.endswith("/__init__.py"))
        module.__file__ = shown
        try:
            exec(code, module.__dict__)
        except BaseException:
            self._modules.pop(name, None)
            sys.modules.pop(self._prefix + name, None)
            raise
        self._tell_parent(name, module)
        return module

    def _new_module(self, name: str, *, is_package: bool) -> ModuleType:
        module = ModuleType(self._prefix + name)
        module.__package__ = self._prefix + name if is_package else (self._prefix + name.rpartition(".")[0]).rstrip(".")
        if is_package:
            module.__path__ = []
        module.__dict__["__builtins__"] = self._builtins
        self._modules[name] = sys.modules[self._prefix + name] = module
        return module

    def _tell_parent(self, name: str, module: ModuleType) -> None:
        parent, _, last = name.rpartition(".")
        if parent in self._modules:
            setattr(self._modules[parent], last, module)

    def _module(self, name: str) -> ModuleType | None:
        """The module of this bundle, run if need be. A folder without `__init__.py` is a package too."""
        loaded = self._modules.get(name)
        if loaded is not None:
            return loaded
        path = self._path_of(name)
        if path is not None:
            return self._load(name, path)
        if not self._is_folder(name):
            return None
        if "." in name:
            self._module(name.rpartition(".")[0])
        module = self._new_module(name, is_package=True)
        self._tell_parent(name, module)
        return module

    def _is_folder(self, name: str) -> bool:
        base = name.replace(".", "/") + "/"
        return any(path.startswith(base) for path in self._files)

    def _path_of(self, name: str) -> str | None:
        """The file of a module of this bundle."""
        base = name.replace(".", "/")
        return next((path for path in (f"{base}.py", f"{base}/__init__.py") if path in self._files), None)

    def _import_for_author(
        self,
        name: str,
        globals_: Mapping[str, Any] | None = None,
        locals_: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """`__import__` as the author's modules see it."""
        if level:
            name = self._absolute(name, globals_ or {}, level)
        if not name:
            return self._beside(fromlist or ())
        is_theirs = not level and name in sys.stdlib_module_names and self._path_of(name) is None  # as on `sys.path`
        module = None if is_theirs else self._module(name)
        if module is None:
            if level:
                raise self._missing(name)
            return self._import(name, globals_, locals_, fromlist or (), 0)
        for attribute in fromlist or ():
            if not hasattr(module, attribute):
                self._module(f"{name}.{attribute}")
        return module if fromlist or level else self._modules[name.partition(".")[0]]

    def _missing(self, name: str) -> ImportError:
        return ImportError(f"the plugin has no module '{name}'; it has {', '.join(sorted(self._files))}", name=name)

    def _absolute(self, name: str, globals_: Mapping[str, Any], level: int) -> str:
        """The name within the bundle that a relative import means."""
        package = str(globals_.get("__package__") or "").removeprefix(self._prefix.rstrip(".")).strip(".")
        parts = package.split(".") if package else []
        if level - 1 > len(parts):
            raise ImportError("a relative import goes above the plugin's folder", name=name)
        kept = parts[: len(parts) - (level - 1)]
        return ".".join([*kept, *([name] if name else [])])

    def _beside(self, names: Sequence[str]) -> ModuleType:
        """A stand-in for the folder itself, for `from . import helper`."""
        folder = ModuleType(self._prefix.rstrip(".") or "plugin")
        for name in names:
            module = self._module(name)
            if module is None:
                raise self._missing(name)
            setattr(folder, name, module)
        return folder


def _compile(source: str, shown: str) -> CodeType:
    """The code of a source file. Raises: SyntaxError with its line, though there may be no file to read it from."""
    try:
        return compile(source, shown, "exec", dont_inherit=True)
    except SyntaxError as error:
        if error.text is None and error.lineno:
            error.text = "".join(source.splitlines(keepends=True)[error.lineno - 1 : error.lineno]) or None
        raise


def _module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
