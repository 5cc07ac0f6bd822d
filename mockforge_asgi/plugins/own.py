"""The developer's own plugins, `MockForge(plugins=[MyAuth()])`: their code, trusted and named so.

No manifest, no grants, no package: the object is the plugin, and its class gives it its name (`MyAuth` is `my-auth`).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection, Iterable
from types import ModuleType
from typing import Final

from mockforge_asgi.contract import CONTRACT, OPS, Description
from mockforge_asgi.errors import ConfigError, Problem
from mockforge_asgi.http.documents import EVERYTHING
from mockforge_asgi.http.headers import RESTRICTED
from mockforge_asgi.plugins.answers import AnswerReader
from mockforge_asgi.plugins.doors import PluginDoors, Rooms
from mockforge_asgi.plugins.native import own_host
from mockforge_asgi.plugins.plugin import DEFAULT_PRIORITY, Plugin, PluginFacts, alias_of
from mockforge_asgi.security.permissions import Effective
from mockforge_plugin import AuthPlugin

_CORS: Final = ("origin", "credentials", "methods", "headers", "max-age", "expose-headers", "private-network")
_ANY_HEADER: Final = frozenset({name.decode() for name in RESTRICTED} | {f"access-control-allow-{n}" for n in _CORS})
TRUSTED: Final = Effective(request_view=EVERYTHING, response_headers=None, response_body=True, set_headers=_ANY_HEADER)
"""What the developer's own code sees of requests and answers; its doors are all open besides."""

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


async def load_own(targets: Iterable[object], rooms: Rooms, *, taken: Collection[str] = ()) -> AsyncIterator[Plugin]:
    """A started plugin for each object, class or module. Raises ConfigError where a name is taken, PluginRejected, PluginFailed."""
    names = set(taken)
    for target in targets:
        name = own_name(target)
        if name in names:
            what = f"two plugins are called '{name}'."
            raise ConfigError("a plugin's name must be its own:", [Problem("plugins=", what, "Give one of them an attribute `name`.")])
        names.add(name)
        yield await _load(name, target, rooms)


def own_name(target: object) -> str:
    """The object's `name`, if it has one, or its class's name with hyphens."""
    named = getattr(target, "name", None)
    if isinstance(named, str) and named:
        return named
    if isinstance(target, ModuleType):
        return target.__name__.rpartition(".")[2].replace("_", "-")
    made_of = target if isinstance(target, type) else type(target)
    return _HUMP.sub("-", made_of.__name__.strip("_")).replace("_", "-").lower()


async def _load(name: str, target: object, rooms: Rooms) -> Plugin:
    doors = PluginDoors(name, None, rooms, kinds=("auth",) if _authenticates(target) else ())
    host = own_host(name, target, doors, rooms.events)
    try:
        description = await host.open()
        await host.start()
    except BaseException:
        await host.close()
        raise
    priority = getattr(target, "priority", DEFAULT_PRIORITY)
    facts = PluginFacts(name, name, "0", "", "native", kinds_of(description), float(priority), alias=alias_of(name))
    return Plugin(facts, description, host, TRUSTED, AnswerReader(name, _ANY_HEADER))


def kinds_of(description: Description) -> frozenset[str]:
    """The kinds that a plugin's operations make it."""
    assert description.contract == CONTRACT
    kinds = {kind for kind, ops in OPS.items() if kind != "template" and all(op in description.ops for op in ops)}
    return frozenset(kinds | ({"template"} if description.functions else set()))


def _authenticates(target: object) -> bool:
    made_of = target if isinstance(target, type) else type(target)
    return issubclass(made_of, AuthPlugin) or hasattr(target, "authenticate")
