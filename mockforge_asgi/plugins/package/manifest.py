"""`plugin.yaml`: what an author says of a plugin, as a frozen `Manifest`.

Read without running anything; every fault is found in one go. It is validated in `manifest_models.py`, where pydantic is, and which is
loaded only when a manifest is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from mockforge_asgi.config.objects import Isolation, LimitOverrides
from mockforge_asgi.config.parsing.locations import Locations
from mockforge_asgi.errors import PluginRejected, Problem
from mockforge_asgi.exact_json import Json
from mockforge_asgi.security.permissions import Permissions
from mockforge_asgi.text import clip, quote

Runtime: TypeAlias = Literal["native", "python", "component", "extism"]

FILE: Final = "plugin.yaml"
MAX_BYTES: Final = 256 * 1024
_UNNAMED: Final = "(without a name)"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call of a plugin may use."""

    memory_mb: int = 16
    cpu_ms: int = 50
    timeout_ms: int = 1000
    output_kb: int = 256
    vars_kb: int = 128

    def overridden(self, limits: LimitOverrides) -> Limits:
        """The same with the operator's own numbers, where there are any."""
        return replace(self, **{name: value for name, value in asdict(limits).items() if value is not None})


DEFAULT_LIMITS: Final[Mapping[Runtime, Limits]] = MappingProxyType(
    {"native": Limits(memory_mb=512, timeout_ms=5000), "python": Limits(memory_mb=64), "component": Limits(), "extism": Limits()}
)
"""Limits where a manifest sets none. CPython needs 64 MiB; of a native plugin only worker processes are bounded."""

GIVEN: Final[Mapping[Runtime, Mapping[str, int]]] = MappingProxyType(
    {
        "python": {"memory_mb": 64, "output_kb": 1024},
        "component": {"memory_mb": 32, "output_kb": 1024},
        "extism": {"memory_mb": 32, "output_kb": 1024},
    }
)
"""The most that a manifest gets without the operator's word, of what holds the event loop in one piece: a bulk memory instruction, a text
that is handed over, an answer that is read. Computing and waiting hold up nobody."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a plugin's code begins: its file, and for a plugin that knows nothing of our contract, its exports."""

    file: str
    response: str = ""
    """The export that answers requests."""
    template: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Template functions and their exports."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path of the plugin's own, below its prefix. `methods` empty: all of them."""

    name: str
    path: str
    methods: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Dependency:
    """Another plugin that must be there, in a version that fits."""

    id: str
    version: str = "*"
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Requires:
    """Python modules that a native plugin imports and that are not in the standard library. `extra` is the one of this package that
    installs them, `system` what they are built with, by system."""

    modules: tuple[str, ...] = ()
    extra: str = ""
    system: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def missing(self) -> tuple[str, ...]:
        """The modules that are not installed. None is imported."""
        return tuple(module for module in self.modules if not _is_installed(module))

    @property
    def remedy(self) -> str:
        """How to install them."""
        if not self.extra:
            return "Install it in the environment that mockforge runs in."
        built = "; ".join(f"on {name}: {command}" for name, command in self.system.items())
        words = f"pip install 'mockforge-asgi[{self.extra}]', or in a clone: pip install '.[{self.extra}]'."
        return f"Install it: {words}" + (f" It is built from source, which needs, {built}." if built else "")


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ValueError:  # a module without a spec is there
        return True


@dataclass(frozen=True, slots=True)
class Manifest:
    """A plugin's manifest. `config_schema` None: it takes no configuration."""

    id: str
    version: str
    contract: str
    kinds: frozenset[str]
    runtime: Runtime
    entry: Entry
    priority: float | None = None
    description: str = ""
    license: str = ""
    authors: tuple[str, ...] = ()
    homepage: str = ""
    permissions: Permissions = field(default_factory=Permissions)
    limits: Limits = field(default_factory=Limits)
    isolation: Isolation = "reused"
    config_schema: Mapping[str, Json] | None = None
    endpoints: tuple[Endpoint, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    requires: Requires = field(default_factory=Requires)
    places: Locations = field(default_factory=lambda: Locations(FILE), repr=False, compare=False)


def read_manifest(data: bytes | str, name: str = FILE) -> Manifest:
    """The manifest of that text; `name` is the file in messages. Raises PluginRejected with every problem found."""
    from mockforge_asgi.config.parsing.reader import Unreadable, read

    try:
        value, places = read(data, name, max_bytes=MAX_BYTES)
    except Unreadable as error:
        raise rejected(_UNNAMED, error.problems) from None
    return manifest_of(value, places)


def manifest_of(value: Json, places: Locations | None = None) -> Manifest:
    """The manifest that the data says. Raises PluginRejected with every problem found."""
    from mockforge_asgi.plugins.package.manifest_models import check

    places = places or Locations(FILE)
    if not isinstance(value, dict):
        what = "is empty." if value is None else f"must be a mapping, not {quote(value)}."
        raise rejected(_UNNAMED, [places.problem((), what, "Begin it with `manifest_version: 1`.")])
    given = value.get("id")
    plugin = clip(given, 64) if isinstance(given, str) and given else _UNNAMED
    checked = check(value, places)
    if isinstance(checked, list):
        raise rejected(plugin, checked)
    return checked


def rejected(plugin: str, problems: tuple[Problem, ...] | list[Problem]) -> PluginRejected:
    """The refusal of a manifest for those problems."""
    count = len(problems)
    return PluginRejected(plugin, f"its manifest has {'a problem' if count == 1 else f'{count} problems'}:", problems)
