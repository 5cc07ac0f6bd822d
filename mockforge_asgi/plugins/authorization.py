"""What one plugin may: its digest, native trust, grants, configuration and limits, checked together against what it asks for.

The step between reading a package and running it. Nothing runs here, and nothing is remembered. What plugins are to each other is
`consistency.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import Final

from mockforge_asgi.config.builtin import builtin_plugins, is_builtin
from mockforge_asgi.config.objects import Config, Isolation, PluginUse
from mockforge_asgi.config.parsing.locations import Locations, Path
from mockforge_asgi.errors import ConfigError, PluginRejected, Problem
from mockforge_asgi.exact_json import Json
from mockforge_asgi.plugins.asked import resolved
from mockforge_asgi.plugins.package.manifest import GIVEN, Limits, Manifest
from mockforge_asgi.plugins.package.package import Package, read_package
from mockforge_asgi.security.messages import grant_remedy, missing_problems, unasked_problems
from mockforge_asgi.security.permissions import EffectivePermissions, Permission, Right, intersect, what_it_asks
from mockforge_asgi.text import clip

ASK_FOR_BODY: Final = "Add `request.body: {reason: …}` under `permissions:` in its manifest, and grant it."


@dataclass(frozen=True, slots=True)
class Authorization:
    """A package that may run as it was configured, and everything that decides how."""

    use: PluginUse
    package: Package
    manifest: Manifest
    effective: EffectivePermissions
    config: Json
    """The plugin's configuration with defaults filled in."""
    limits: Limits
    isolation: Isolation
    places: Locations
    """Of the whole configuration."""
    warnings: tuple[Problem, ...] = ()
    is_dev: bool = False
    """Whether it is for development mode."""

    def where(self, part: str) -> str:
        """The place of a part of the plugin's configuration that the plugin itself names."""
        return self.places.where_named((*self.use.place, "config"), part)


def authorize(use: PluginUse, config: Config) -> Authorization:
    """Read the plugin's package and hold it against the configuration.

    Raises PluginRejected for the author's faults, ConfigError for the operator's, each with every problem found.
    """
    if not use.path.exists():
        meant = use.use.replace("_", "-")
        hint = f" Or is the built-in plugin meant? Write `use: {meant}`." if meant in builtin_plugins() else ""
        problem = config.places.problem(
            (*use.place, "use"), f"{clip(use.use, 200)}: is neither a folder nor a file.", f"Check the path.{hint}"
        )
        raise ConfigError(f"plugin '{use.name}' not loaded:", [problem])
    return authorize_package(use, read_package(use.path, use.use), config)


def authorize_package(use: PluginUse, package: Package, config: Config) -> Authorization:
    """The same for a package that is read already."""
    from mockforge_asgi.config.parsing.json_schema import apply_schema

    manifest = package.manifest
    if manifest.entry.file not in package.files:
        what = f"there is no file '{manifest.entry.file}' in the package."
        raise PluginRejected(manifest.id, "its code is missing:", [manifest.places.problem(("entry",), what, remedy_for_absent(manifest))])
    places, base = config.places, use.place
    values, faults = apply_schema(manifest.config_schema, use.config, places, (*base, "config"))
    permissions, unfit = resolved(manifest.permissions, values, places, (*base, "config"))
    grants = what_it_asks(permissions, any_host=not use.is_builtin) if use.grants_what_it_asks else use.grants
    met = intersect(permissions, grants)
    problems = [
        *_identity_problems(package, config, base),
        *_requirement_problems(manifest, config, base),
        *_digest_problems(use, package, config, base),
        *_native_problems(use, package, manifest, config, base),
        *missing_problems(met.missing, grants, places, base, secrets=config.secrets),
        *_limit_problems(use, manifest, config, base),
        *_extra_problems(met.effective, config, base),
        *_secret_problems(use, met.effective, config, base),
        *(faults or unfit),
    ]
    if problems:
        raise ConfigError(f"plugin '{use.name}' not loaded:", problems)
    warnings = (*unasked_problems(met.unasked, places, (*base, "grants")), *_warnings(use, manifest, met.effective, config, base))
    if config.dev:
        from mockforge_asgi.plugins.package.python_source import unasked_uses

        warnings += tuple(unasked_uses(package))
    limits, isolation = manifest.limits.overridden(use.limits), use.isolation or manifest.isolation
    return Authorization(use, package, manifest, met.effective, values, limits, isolation, places, warnings, config.dev)


def remedy_for_absent(manifest: Manifest) -> str:
    """What to do when its entry is not in its package."""
    return "Build it, or correct the path." if manifest.entry.file.endswith(".wasm") else "Correct the path, or add the file."


def _identity_problems(package: Package, config: Config, base: Path) -> Iterator[Problem]:
    """A package that calls itself what a built-in plugin is called."""
    id = package.manifest.id
    if id in builtin_plugins() and (package.folder is None or not is_builtin(package.folder)):
        what = f"the package calls itself '{id}', which is a built-in plugin."
        remedy = f"Write `use: {id}` for that one, or give this one another id in its plugin.yaml."
        yield config.places.problem((*base, "use"), what, remedy)


def _requirement_problems(manifest: Manifest, config: Config, base: Path) -> Iterator[Problem]:
    if missing := manifest.requires.missing:
        word = "module" if len(missing) == 1 else "modules"
        what = f"needs the Python {word} {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed."
        yield config.places.problem((*base, "use"), what, manifest.requires.remedy)


def _secret_problems(use: PluginUse, rights: EffectivePermissions, config: Config, base: Path) -> Iterator[Problem]:
    """Secrets of a built-in plugin that there are not. What is granted in writing is looked up where it stands."""
    if use.is_builtin and use.grants_what_it_asks:
        from mockforge_asgi.config.parsing.pydantic_errors import suggest

        for name in sorted(rights.secrets - config.secrets.keys()):
            hint = suggest(name, config.secrets) if config.secrets else ""
            what = f"asks for a secret '{clip(name)}', which there is not."
            yield config.places.problem((*base, "config"), what, f"{hint} Add it under `secrets:`, such as `{name}: {{env: …}}`.".strip())


def _extra_problems(rights: EffectivePermissions, config: Config, base: Path) -> Iterator[Problem]:
    if rights.network and find_spec("httpcore2") is None:
        remedy = "In a clone: pip install '.[http]'; else: pip install 'mockforge-asgi[http]'."
        yield config.places.problem((*base, "grants", "network"), "needs the http extra, which is not installed.", remedy)


def _digest_problems(use: PluginUse, package: Package, config: Config, base: Path) -> Iterator[Problem]:
    is_archive = package.folder is None
    if use.digest is None:
        if is_archive and not config.dev:
            what = "an archive needs its digest, so that no other can take its place."
            yield config.places.problem((*base, "use"), what, f"If you trust it, add `digest: {package.digest}`.")
    elif use.digest != package.digest and (is_archive or not config.dev):
        what = f"the package is not the approved one; its digest is {package.digest}."
        yield config.places.problem(
            (*base, "digest"), what, "If you have checked the change, write that digest; otherwise restore the package."
        )


def _limit_problems(use: PluginUse, manifest: Manifest, config: Config, base: Path) -> Iterator[Problem]:
    """Limits that the manifest asks for and only the operator can give."""
    most = GIVEN.get(manifest.runtime, {})
    asked = {name: value for name in most if (value := getattr(manifest.limits, name)) > most[name] and getattr(use.limits, name) is None}
    if asked:
        own = {name: value for name, value in asdict(use.limits).items() if value is not None}
        line = ", ".join(f"{name}: {value}" for name, value in {**own, **asked}.items())
        told = "; ".join(f"{name}={value}, over {most[name]}" for name, value in asked.items())
        what = f"the plugin asks for {told}: a call may hold the event loop for long, so that is for you to say."
        yield config.places.problem((*base, "limits"), what, f"If that is meant, write `limits: {{{line}}}`; lower numbers may do.")


def _native_problems(use: PluginUse, package: Package, manifest: Manifest, config: Config, base: Path) -> Iterator[Problem]:
    if manifest.runtime != "native" or use.is_builtin:
        return
    remedy = f"If you trust its code, add `native: {{trust: {package.digest}}}`" + (" or `native: {trust: path}`." if config.dev else ".")
    if use.native is None or not use.native.trust:
        what = "the plugin is native: it runs unconfined in this process, with every right of the operator."
        yield config.places.problem(base, what, remedy)
    elif use.native.trust == "path":
        if not config.dev:
            yield config.places.problem((*base, "native", "trust"), "`path` is for dev mode only.", f"Write `trust: {package.digest}`.")
    elif use.native.trust != package.digest:
        what = f"the native plugin is not the trusted one; its digest is {package.digest}."
        yield config.places.problem((*base, "native", "trust"), what, "If you have checked the change, write that digest.")


def hidden_query(manifest: Manifest, place: str) -> Iterator[Problem]:
    """A plugin that takes its query parameters from itself: what it may read to authenticate, its other kinds are not shown."""
    if "auth" in manifest.kinds and manifest.kinds & {"response", "modifier"} and "request.query" in manifest.permissions.asked:
        what = "authenticates too, so that query parameters count as credentials: on paths it protects, what else it is does not see them."
        yield Problem(place, what, "Take the value from the path, or make two plugins of it.")


def empty_input(manifest: Manifest, place: str, remedy: str) -> Iterator[Problem]:
    """An export that is mapped to answer requests, without the right to the body that it is sent."""
    if export := manifest.entry.response:
        what = f"'{export}' answers requests from their body, which it may not read: its input is always empty."
        yield Problem(place, what, remedy)


def _warnings(use: PluginUse, manifest: Manifest, rights: EffectivePermissions, config: Config, base: Path) -> Iterator[Problem]:
    yield from hidden_query(manifest, config.places.where(base))
    if not rights.request_view.body:
        is_asked = "request.body" in manifest.permissions.asked
        granting = grant_remedy([Permission(Right("request.body"))], use.grants)
        yield from empty_input(manifest, config.places.where(base), granting if is_asked else ASK_FOR_BODY)
    if use.is_builtin and use.native is not None and use.native.trust:
        yield config.places.problem((*base, "native", "trust"), "has no effect: the plugin is built in.", "Remove it.")
    if use.native is not None and manifest.runtime != "native":
        yield config.places.problem((*base, "native"), f"has no effect: the plugin's runtime is {manifest.runtime}.", "Remove it.")
    if use.failure_answer is not None and not manifest.kinds & {"response", "modifier"}:
        what = "has no effect: only response plugins and modifiers have an answer in their place."
        yield config.places.problem((*base, "on_failure"), what, "Write `error` or `skip`.")
    if use.templates and "response" not in manifest.kinds and "auth" not in manifest.kinds and not manifest.endpoints:
        yield config.places.problem((*base, "templates"), "has no effect: the plugin answers no requests.", "Remove it.")
