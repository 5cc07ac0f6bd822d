"""What is well-formed in `mockforge.yaml` but does not fit together: names that nothing has, half a key pair.

Works on the data as written, so that these faults are reported beside those of form; whatever has the wrong form is skipped.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Generator, Iterator, Mapping
from typing import Any

from mockforge_asgi.config.builtin import builtin_plugins
from mockforge_asgi.config.parsing.locations import Path
from mockforge_asgi.config.parsing.pydantic_errors import suggest
from mockforge_asgi.text import clip, quote

SOURCE = "data-"
"""What the ids of built-in sources begin with."""
_BY_ID = re.compile(r"[a-z][a-z0-9-]*(?:@[^/\\]+)?\Z")


def is_path(use: str) -> bool:
    """Whether `use:` means a folder or archive, rather than a built-in plugin (`id`) or one of the store (`id@range`)."""
    return not _BY_ID.match(use) or use.endswith((".zip", ".tar", ".tgz", ".gz"))


_Fault = tuple[Path, str, str]


def builtin_source(use: str, known: Collection[str]) -> str | None:
    """The id of the built-in plugin that a source's `use:` means, among those known: `postgresql` is `data-postgresql`."""
    return next((id for id in (f"{SOURCE}{use}", use) if id in known), None)


def check_description(root: Mapping[str, Any], own: Collection[str] = ()) -> list[_Fault]:
    """Every fault of that sort: path, what, remedy. `own` names plugins that need no entry."""
    return list(_References(root, own).find())


class _References:
    """The sections of one document, and the checks between them."""

    def __init__(self, root: Mapping[str, Any], own: Collection[str]) -> None:
        self.root = root
        self.plugins, self.secrets, self.sources = (_mapping(root.get(k)) for k in ("plugins", "secrets", "sources"))
        self.known = {**self.plugins, **dict.fromkeys(own)}
        templates = _mapping(root.get("templates"))
        self.inline = None if templates.get("dir") else _mapping(templates.get("inline"))

    def find(self) -> Iterator[_Fault]:
        for name, plugin in self.plugins.items():
            yield from self._plugin(name, _mapping(plugin))
        for i, rule in enumerate(_list(self.root.get("protect"))):
            for path, auth in _texts(_mapping(rule).get("auth"), ("protect", i, "auth")):
                yield from _missing(path, auth, self.known, "plugin", "plugins")
        for i, route in enumerate(_list(self.root.get("routes"))):
            response = _mapping(_mapping(route).get("response"))
            for path, plugin in _texts(response.get("plugin"), ("routes", i, "response", "plugin")):
                yield from _missing(path, plugin, self.known, "plugin", "plugins")
            yield from self._templates(response.get("template"), ("routes", i, "response", "template"))
            yield from self._rows(response, ("routes", i, "response"))
        for name, source in self.sources.items():
            yield from self._source(name, _mapping(source))
        yield from self._server()

    def _plugin(self, name: str, plugin: Mapping[str, Any]) -> Iterator[_Fault]:
        base, use = ("plugins", name), plugin.get("use")
        if isinstance(use, str) and use and not is_path(use) and use not in builtin_plugins():
            yield (*base, "use"), *_unknown(use)
        grants = _mapping(plugin.get("grants"))
        for path, secret in _texts(grants.get("secrets"), (*base, "grants", "secrets")):
            yield from _missing(path, secret, self.secrets, "secret", "secrets")
        yield from self._data(grants.get("data"), (*base, "grants", "data"))
        yield from self._templates(plugin.get("templates"), (*base, "templates"))

    def _source(self, name: str, source: Mapping[str, Any]) -> Iterator[_Fault]:
        base, use = ("sources", name), source.get("use")
        for path, plugin in _texts(source.get("plugin"), (*base, "plugin")):
            yield from _missing(path, plugin, self.known, "plugin", "plugins")
        if not isinstance(use, str) or not use:
            return
        if not is_path(use) and builtin_source(use, builtin_plugins()) is None:
            yield (*base, "use"), *_unknown_source(use)
        if name in self.known:
            what = f"there is a plugin '{clip(name)}' too, and this source is one of its own."
            yield base, what, f"Give one of them another name, or write `plugin: {clip(name)}`."
        grants = _mapping(source.get("grants"))
        for path, secret in _texts(grants.get("secrets"), (*base, "grants", "secrets")):
            yield from _missing(path, secret, self.secrets, "secret", "secrets")
        yield from self._data(grants.get("data"), (*base, "grants", "data"))

    def _data(self, data: Any, base: Path) -> Iterator[_Fault]:
        queries = _texts(data["queries"], (*base, "queries")) if isinstance(data, dict) and "queries" in data else _texts(data, base)
        for path, query in queries:
            source, slash, wanted = query.partition("/")
            yield from _missing(path, source, self.sources, "source", "sources") if slash else ()
            if slash and source in self.sources:
                known = _mapping(_mapping(self.sources[source]).get("queries"))
                yield from _no_query(path, wanted, known, source)
        for path, source in _texts(_mapping(data).get("raw"), (*base, "raw")):
            yield from _missing(path, source, self.sources, "source", "sources")

    def _rows(self, response: Mapping[str, Any], base: Path) -> Iterator[_Fault]:
        """What a route asks of a data source: there must be such a query, with those parameters."""
        resource = response.get("resource")
        if resource is not None:
            is_short = isinstance(resource, str)
            path = (*base, "resource") if is_short else (*base, "resource", "data")
            asked = resource if is_short else _mapping(resource).get("data")
            if (query := (yield from self._query(asked, path))) is not None:
                yield from _unfit_for_resource(query, path)
            return
        if (query := (yield from self._query(response.get("data"), (*base, "data")))) is None:
            return
        name = str(response["data"]).partition(".")[2]
        known, given = _parameters(query), _mapping(response.get("params"))
        for parameter in given:
            if parameter not in known:
                what = f"the query '{clip(name)}' has no parameter '{clip(parameter)}'."
                yield (*base, "params", parameter), what, suggest(parameter, known) or "It has none."
        for parameter, about in known.items():
            if parameter not in given and not _is_optional(about):
                what = f"the query '{clip(name)}' needs the parameter '{clip(parameter)}'."
                yield base, what, f'Add it: `params: {{{parameter}: "{{{{ request.query.{parameter} }}}}"}}`.'

    def _query(self, asked: Any, path: Path) -> Generator[_Fault, None, Mapping[str, Any] | None]:
        """The query of that name, `source.query`; None where there is none."""
        source, dot, name = asked.partition(".") if isinstance(asked, str) else ("", "", "")
        if not dot:
            return None
        yield from _missing(path, source, self.sources, "source", "sources")
        queries = _mapping(_mapping(self.sources.get(source)).get("queries"))
        if source in self.sources:
            yield from _no_query(path, name, queries, source)
        return _mapping(queries[name]) if name in queries else None

    def _templates(self, names: Any, base: Path) -> Iterator[_Fault]:
        for path, name in _texts(names, base):
            if self.inline is not None and name != "*":
                yield from _missing(path, name, self.inline, "template", "templates.inline")

    def _server(self) -> Iterator[_Fault]:
        server = _mapping(self.root.get("server"))
        key, certificate = server.get("ssl_keyfile"), server.get("ssl_certfile")
        if (key is None) != (certificate is None):
            missing = "ssl_certfile" if certificate is None else "ssl_keyfile"
            yield ("server",), f"`{missing}` is missing.", "TLS needs both the key and the certificate."


def _unknown(use: str) -> tuple[str, str]:
    """(what, remedy) of a bare name that is none of a built-in plugin."""
    id, at, _ = use.partition("@")
    known, folder = builtin_plugins(), f"./plugins/{id.replace('-', '_')[:60]}"
    if at and id in known:
        return f"{quote(use)} asks for a version of a built-in plugin, and there is one.", f"Write `use: {id}`."
    if at:
        what = f"{quote(use)} names a plugin of the store, which this version does not have."
        return what, f"Give a folder or a .zip archive, such as {folder}."
    listed = f"Built in are {', '.join(known)}." if known else "This installation has none."
    close = hint if (hint := suggest(id, known)).startswith("Did") else ""
    return f"there is no built-in plugin {quote(use)}.", f"{close} {listed} A folder has a slash: {folder}.".strip()


def _unknown_source(use: str) -> tuple[str, str]:
    """(what, remedy) of a bare name that is none of a built-in source."""
    known = [id.removeprefix(SOURCE) for id in builtin_plugins() if id.startswith(SOURCE)]
    listed = f"Built in are {', '.join(known)}." if known else "This installation has none."
    close = hint if (hint := suggest(use, known)).startswith("Did") else ""
    return f"there is no built-in source {quote(use)}.", f"{close} {listed} A folder has a slash: ./plugins/my_source.".strip()


def _missing(path: Path, name: str, known: Mapping[str, Any], kind: str, section: str) -> Iterator[_Fault]:
    if name not in known:
        yield path, f"there is no {kind} '{clip(name)}'.", suggest(name, known) or f"Add it under `{section}:`."


def _no_query(path: Path, name: str, known: Mapping[str, Any], source: str) -> Iterator[_Fault]:
    if name not in known:
        hint = suggest(name, known) or f"Add it under `sources.{clip(source)}.queries:`."
        yield path, f"the source '{clip(source)}' has no query '{clip(name)}'.", hint


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _parameters(query: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters of a query as written."""
    return {name: about for part in ("params", "insert", "update", "where") for name, about in _mapping(query.get(part)).items()}


def _is_optional(about: Any) -> bool:
    return isinstance(about, dict) and (about.get("optional") is True or "default" in about)


def _unfit_for_resource(query: Mapping[str, Any], path: Path) -> Iterator[_Fault]:
    """What a query lacks that a resource needs."""
    key = [query["key"]] if isinstance(query.get("key"), str) else _list(query.get("key"))
    if "from" not in query or not key:
        yield path, "a resource needs a query with `from` and `key`.", "Write one: `{from: users, key: id, order: id}`."
    needed = [*key, *([query["version"]] if query.get("version") else ())]
    if hidden := [name for name in needed if _list(query.get("columns")) and name not in query["columns"]]:
        yield path, f"the query's `columns` lack '{clip(str(hidden[0]))}', its `key` or `version`.", "Add it to `columns`."
    if asked := [name for name, about in _mapping(query.get("where")).items() if not _is_optional(about)]:
        yield path, f"the query needs the parameter '{clip(asked[0])}', which a resource's list may not have.", "Make it optional."


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _texts(value: Any, path: Path) -> list[tuple[Path, str]]:
    """The texts of a text or list, each with its path."""
    if isinstance(value, str):
        return [(path, value)]
    return [((*path, i), item) for i, item in enumerate(_list(value)) if isinstance(item, str)]
