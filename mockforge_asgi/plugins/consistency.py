"""What all plugins of a configuration are together: authorized one by one, then dependencies, parts they are given, names and paths.

The report is made once; the runtime loads what it authorized.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from mockforge_asgi.config.objects import Config
from mockforge_asgi.config.parsing.locations import Path
from mockforge_asgi.errors import ConfigError, MockForgeError, Problem
from mockforge_asgi.plugins.authorization import Authorization, authorize
from mockforge_asgi.plugins.package.versions import fits
from mockforge_asgi.plugins.start_order import cycle_of


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What came of looking at every plugin of a configuration: the authorized ones, and why the others are not."""

    authorized: Mapping[str, Authorization]
    refused: Mapping[str, MockForgeError]
    idle: tuple[Problem, ...] = ()
    """Where plugins are asked for that are not enabled."""

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is odd, though nothing is wrong."""
        return (*(warning for authorization in self.authorized.values() for warning in authorization.warnings), *self.idle)

    def raise_refused(self) -> None:
        """Raises the errors of all refused plugins, as one."""
        errors = list(self.refused.values())
        if len(errors) == 1:
            raise errors[0]
        if errors:
            problems = [p for e in errors for p in getattr(e, "problems", ()) or [Problem("", str(e))]]
            raise ConfigError(f"{len(errors)} plugins cannot be loaded:", problems)


def check_plugins(config: Config) -> CheckReport:
    """Look at every enabled plugin of a configuration, also at what they need of each other. Raises nothing."""
    authorized: dict[str, Authorization] = {}
    refused: dict[str, MockForgeError] = {}
    for name, use in config.plugins.items():
        try:
            if use.enabled:
                authorized[name] = authorize(use, config)
        except MockForgeError as error:
            refused[name] = error
    problems: dict[str, list[Problem]] = {}
    for name, problem in _together(config, authorized, refused):
        problems.setdefault(name, []).append(problem)
    for name, found in problems.items():
        refused.setdefault(name, ConfigError(f"plugin '{name}' not loaded:", found))
        authorized.pop(name, None)
    return CheckReport(authorized, refused, tuple(_idle(config)))


def _together(config: Config, authorized: Mapping[str, Authorization], refused: Collection[str]) -> Iterator[tuple[str, Problem]]:
    """(plugin, problem) of what is wrong between plugins, and between them and the rest of the configuration."""
    for name, authorization in authorized.items():
        yield from ((name, problem) for problem in _dependency_problems(authorization, authorized, refused, config))
    if cycle := cycle_of(authorized):
        what = f"plugins depend on each other in a cycle: {' → '.join(cycle)}."
        yield cycle[0], config.places.problem(config.plugins[cycle[0]].place, what, "Remove one of these dependencies.")
    yield from _misplaced(config, authorized)
    yield from _clashes(config, authorized)


def _misplaced(config: Config, authorized: Mapping[str, Authorization]) -> Iterator[tuple[str, Problem]]:
    """Plugins that are named for what they are not."""
    for path, name, kind in _parts(config):
        if name in authorized and kind not in (kinds := authorized[name].manifest.kinds):
            what = f"'{name}' is of the kinds {', '.join(sorted(kinds))}, not {kind}."
            yield name, config.places.problem(path, what, f"Name a plugin of the kind {kind}.")


def _idle(config: Config) -> Iterator[Problem]:
    for path, name, _ in _parts(config):
        if name in config.plugins and not config.plugins[name].enabled:
            what = f"'{name}' is named here and not enabled: requests that need it are answered 503."
            yield config.places.problem(path, what, "Enable it, or remove it here.")


def _parts(config: Config) -> Iterator[tuple[Path, str, str]]:
    """(place, plugin, kind) wherever the configuration names a plugin for something."""
    for i, rule in enumerate(config.protect):
        yield from ((("protect", i, "auth", j), name, "auth") for j, name in enumerate(rule.auth))
    for i, route in enumerate(config.routes):
        if route.response.kind == "plugin":
            yield ("routes", i, "response", "plugin"), str(route.response.value), "response"
    for source in config.sources.values():
        use = config.plugins.get(source.plugin)
        yield ("sources", source.name, "plugin" if use is None or use.section == "plugins" else "use"), source.plugin, "data_source"


def _clashes(config: Config, authorized: Mapping[str, Authorization]) -> Iterator[tuple[str, Problem]]:
    """Names and paths that two plugins would have."""
    seen: dict[tuple[str, str], str] = {}
    for name, authorization in authorized.items():
        use, manifest = authorization.use, authorization.manifest
        wanted = [("alias", use.alias)] if "template" in manifest.kinds else []
        wanted += [("prefix", f"{(use.prefix or '').rstrip('/')}{endpoint.path}") for endpoint in manifest.endpoints]
        for key, value in wanted:
            if (other := seen.setdefault((key, value), name)) != name:
                what = f"'{value}' would be of '{other}' and of '{name}'."
                yield name, config.places.problem((*use.place, key), what, f"Give one of them another {key}.")


def _dependency_problems(
    authorization: Authorization, others: Mapping[str, Authorization], refused: Collection[str], config: Config
) -> Iterator[Problem]:
    """What the plugin needs of other plugins and does not find among them."""
    path = authorization.use.place
    for wanted in authorization.manifest.dependencies:
        versions = [a.manifest.version for a in others.values() if a.manifest.id == wanted.id]
        if not versions and not wanted.optional:
            is_refused = wanted.id in refused
            what = f"the plugin needs '{wanted.id}', which {'cannot be loaded' if is_refused else 'is not here'}."
            yield config.places.problem(path, what, "Fix that one first." if is_refused else "Add it under `plugins:`.")
        elif versions and not any(fits(version, wanted.version) for version in versions):
            what = f"the plugin needs '{wanted.id}' {wanted.version}, and here is {', '.join(versions)}."
            yield config.places.problem(path, what, "Use a version that fits.")
