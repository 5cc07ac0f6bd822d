"""An author's source files, run as modules of their own: nothing of them enters `sys.path`, and two plugins may both have a `helper.py`.

Imports in the author's code look into the bundle first; everything else goes to the importer that the world provides:
Python's own natively, the published list of standard-library modules in the sandbox.
"""

from __future__ import annotations

import builtins
import linecache
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import CodeType, ModuleType
from typing import Any, TypeAlias

_IS_SANDBOX: bool = sys.platform == "wasi"

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
        parent, _, last = name.rpartition(".")
        if parent and (above := self._path_of(parent)):
            self._load(parent, above)
        source = self._files[path]
        shown = self._folder + path
        linecache.cache[shown] = (len(source), None, source.splitlines(keepends=True), shown)
        code = _compile(source, shown)
        module = ModuleType(self._prefix + name)
        module.__file__ = shown
        is_package = path.endswith("/__init__.py")
        module.__package__ = self._prefix + name if is_package else (self._prefix + parent).rstrip(".")
        if is_package:
            module.__path__ = []
        module.__dict__["__builtins__"] = self._builtins
        self._modules[name] = sys.modules[self._prefix + name] = module
        try:
            exec(code, module.__dict__)
        except BaseException:
            self._modules.pop(name, None)
            sys.modules.pop(self._prefix + name, None)
            raise
        if parent in self._modules:
            setattr(self._modules[parent], last, module)
        return module

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
        path = self._path_of(name) if name else None
        if path is None and not level:
            return self._import(name, globals_, locals_, fromlist or (), 0)
        if name and path is None:
            raise ImportError(f"the plugin has no module '{name}'; it has {', '.join(sorted(self._files))}", name=name)
        if path is not None:
            module = self._load(name, path)
            for attribute in fromlist or ():
                below = f"{name}.{attribute}"
                if not hasattr(module, attribute) and (found := self._path_of(below)):
                    self._load(below, found)
            return module if fromlist or level else self._modules[name.partition(".")[0]]
        return self._beside(fromlist or ())

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
            path = self._path_of(name)
            if path is None:
                raise ImportError(f"the plugin has no module '{name}'; it has {', '.join(sorted(self._files))}", name=name)
            setattr(folder, name, self._load(name, path))
        return folder


def _compile(source: str, shown: str) -> CodeType:
    """The code of a source file. Raises: SyntaxError that names the file.

    For an error CPython opens the file to show the line, and in the sandbox opening a file ends the guest. So there it is
    compiled under a name that cannot be opened, and renamed.
    """
    if not _IS_SANDBOX:
        return compile(source, shown, "exec", dont_inherit=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they would show that name
            return _renamed(compile(source, "\ud800", "exec", dont_inherit=True), shown)
    except SyntaxError as error:
        error.filename = shown
        if error.text is None and error.lineno:
            error.text = "".join(source.splitlines(keepends=True)[error.lineno - 1 : error.lineno]) or None
        raise


def _renamed(code: CodeType, name: str) -> CodeType:
    inner = tuple(_renamed(c, name) if isinstance(c, CodeType) else c for c in code.co_consts)
    return code.replace(co_filename=name, co_consts=inner)


def _module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
