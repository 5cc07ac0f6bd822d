"""The developer's own plugins, `MockForge(plugins=[MyAuth()])`: their code, trusted and named so.

No manifest, no grants, no package: the object is the plugin, and its class gives it its name (`MyAuth` is `my-auth`). Attributes of the
object say what a manifest and the configuration would: `name`, `priority`, `prefix`, `on_failure`, `modifies`, `breaker`. The configuration
speaks of it by its name; its endpoints are mounted below `/name`, or below its `prefix`, at the names they are marked with.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection, Iterable
from types import ModuleType
from typing import Final

from mockforge_asgi.config.objects import BreakerConfig, ResponseFilter
from mockforge_asgi.contract import OPS, Description
from mockforge_asgi.contract.results import ResultReader
from mockforge_asgi.errors import ConfigError, Problem
from mockforge_asgi.http.request_document import EVERYTHING
from mockforge_asgi.plugins.breaker import Breaker
from mockforge_asgi.plugins.hostcalls.hostcalls import HostServices, PluginHostCalls
from mockforge_asgi.plugins.native.host import own_host
from mockforge_asgi.plugins.native.plugin import native_plugin
from mockforge_asgi.plugins.package.manifest import Endpoint
from mockforge_asgi.plugins.plugin import DEFAULT_PRIORITY, Plugin, PluginMeta, alias_of
from mockforge_asgi.security.permissions import EffectivePermissions
from mockforge_plugin import AuthPlugin


class _EveryName(frozenset[str]):
    """Every header name."""

    def __contains__(self, name: object) -> bool:
        return True


_ANY_HEADER: Final = _EveryName()
TRUSTED: Final = EffectivePermissions(request_view=EVERYTHING, response_headers=None, response_body=True, set_headers=_ANY_HEADER)
"""What the developer's own code sees of requests and answers; all host calls are granted to it besides."""

_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._~-]{1,64}){1,16}")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


async def load_own(
    targets: Iterable[object], services: HostServices, *, taken: Collection[str] = (), is_dev: bool = False
) -> AsyncIterator[Plugin]:
    """A started plugin for each object, class or module. Raises ConfigError where a name is taken, PluginRejected, PluginFailed."""
    names = set(taken)
    for target in targets:
        name = own_name(target)
        if name in names:
            what = f"two plugins are called '{name}'."
            raise ConfigError("a plugin's name must be its own:", [Problem("plugins=", what, "Give one of them an attribute `name`.")])
        names.add(name)
        yield await _load(name, target, services, is_dev)


def own_names(targets: Iterable[object]) -> tuple[str, ...]:
    """The name of each."""
    return tuple(map(own_name, targets))


def own_name(target: object) -> str:
    """The object's `name`, if it has one, or its class's name with hyphens."""
    named = getattr(target, "name", None)
    if isinstance(named, str) and named:
        return named
    if isinstance(target, ModuleType):
        return target.__name__.rpartition(".")[2].replace("_", "-")
    made_of = target if isinstance(target, type) else type(target)
    return _HUMP.sub("-", made_of.__name__.strip("_")).replace("_", "-").lower()


async def _load(name: str, target: object, services: HostServices, is_dev: bool) -> Plugin:
    host_calls = PluginHostCalls(name, None, services, kinds=("auth",) if _authenticates(target) else ())
    host = own_host(name, target, host_calls, services.events, is_dev=is_dev)
    try:
        description = await host.open()
        facts = _facts(name, target, description)
        await host.start()
    except BaseException:
        await host.close()
        raise
    breaker = Breaker(name, _breaker(target), services.events)
    return native_plugin(facts, description, host, TRUSTED, ResultReader(name, _ANY_HEADER, events=services.events), breaker)


def _facts(name: str, target: object, description: Description) -> PluginMeta:
    """What its attributes and its marks say. Raises ConfigError with every fault."""
    priority, prefix, on_failure = (getattr(target, k, None) for k in ("priority", "prefix", "on_failure"))
    place = f"plugins= {name}"
    problems = []
    if priority is not None and (isinstance(priority, bool) or not isinstance(priority, int | float)):
        problems.append(Problem(f"{place}.priority", f"{str(priority)[:40]!r} is no number.", "Lower numbers go first."))
    if prefix is not None and prefix != "/" and not (isinstance(prefix, str) and _PATH.fullmatch(prefix)):
        problems.append(Problem(f"{place}.prefix", f"{str(prefix)[:40]!r} is no path prefix.", "Write one such as /login."))
    if on_failure not in (None, "error", "skip"):
        problems.append(Problem(f"{place}.on_failure", f"{str(on_failure)[:40]!r} is unknown.", "Write 'error' or 'skip'."))
    try:
        modifies = _modifies(target)
    except ValueError as error:
        modifies = ResponseFilter()
        problems.append(Problem(f"{place}.modifies", f"{error}.", "Write it as under `plugins:`, such as {'app': True}."))
    try:
        _breaker(target)
    except ValueError as error:
        problems.append(Problem(f"{place}.breaker", f"{error}.", "Write it as under `plugins:`, such as {'enabled': False}."))
    endpoints = tuple(Endpoint(e, "/" + e.strip("/")) for e in description.endpoints or ())
    problems += [
        Problem(f"{place} endpoint", f"{e.name[:80]!r} is no path below its prefix.", "Name it after its path, such as 'callback'.")
        for e in endpoints
        if not _PATH.fullmatch(e.path)
    ]
    if problems:
        raise ConfigError("the developer's own plugin cannot be used:", problems)
    number = float(DEFAULT_PRIORITY if priority is None else priority)
    return PluginMeta(
        name, name, "0", "", "native", kinds_of(description), number, alias=alias_of(name), prefix=prefix, endpoints=endpoints,
        on_failure=on_failure or "error", templates=frozenset({"*"}), modifies=modifies,
    )  # fmt: skip


def _modifies(target: object) -> ResponseFilter:
    """Which answers it says to modify. Raises ValueError."""
    said = getattr(target, "modifies", None)
    if said is None:
        return ResponseFilter()
    from mockforge_asgi.config.models_routes import ModifiesModel  # loads pydantic

    try:
        return ModifiesModel.model_validate(said).build()
    except ValueError as error:
        raise _in_one_line(error) from None


def _breaker(target: object) -> BreakerConfig:
    """When it says to be quarantined. Raises ValueError."""
    said = getattr(target, "breaker", None)
    if said is None:
        return BreakerConfig()
    from mockforge_asgi.config.models import BreakerModel  # loads pydantic

    try:
        return BreakerConfig(**BreakerModel.model_validate(said).model_dump())
    except ValueError as error:
        raise _in_one_line(error) from None


def _in_one_line(error: ValueError) -> ValueError:
    return ValueError(" ".join(str(error).split())[:300])


def kinds_of(description: Description) -> frozenset[str]:
    """The kinds that a plugin's operations make it."""
    kinds = {kind for kind, ops in OPS.items() if kind != "template" and all(op in description.ops for op in ops)}
    return frozenset(kinds | ({"template"} if description.functions else set()))


def _authenticates(target: object) -> bool:
    made_of = target if isinstance(target, type) else type(target)
    return issubclass(made_of, AuthPlugin) or hasattr(target, "authenticate")
