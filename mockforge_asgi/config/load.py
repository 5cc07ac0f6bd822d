"""Loads `mockforge.yaml` (or JSON, or a mapping): reads, checks, and builds the frozen `Config`.

All faults are found in one go and raised together. Plugins themselves are not looked at here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from mockforge_asgi.config import models as schema
from mockforge_asgi.config import models_routes as schema_routes
from mockforge_asgi.config import objects
from mockforge_asgi.config.builtin import builtin_plugins
from mockforge_asgi.config.parsing.json_values import not_json
from mockforge_asgi.config.parsing.locations import Locations
from mockforge_asgi.config.parsing.pydantic_errors import in_order, problems_of
from mockforge_asgi.config.parsing.reader import Unreadable, read
from mockforge_asgi.config.references import builtin_source, check_description, is_path
from mockforge_asgi.config.sources.models import SourceModel
from mockforge_asgi.config.sources.objects import SourceConfig
from mockforge_asgi.errors import ConfigError
from mockforge_asgi.text import clip, quote

MAX_BYTES = 8 * 1024 * 1024
SOURCE_GRACE_MS = 500
"""How much longer than a query its plugin's call may take: the query's own deadline comes first."""
MIN_OUTPUT_KB = 64


def load(
    source: str | os.PathLike[str] | Mapping[str, Any],
    *,
    base_dir: Path | None = None,
    dev: bool | None = None,
    own: Collection[str] = (),
) -> objects.Config:
    """The configuration of a file or mapping; see `load_config`. Raises ConfigError with every problem found."""
    if isinstance(source, Mapping):
        return _from_mapping(source, (base_dir or Path.cwd()).absolute(), dev, own)
    name = os.fspath(source)
    file = Path(name).expanduser().absolute()
    try:
        value, places = read(_bytes(file, name), name, max_bytes=MAX_BYTES, aliases=True, exact=True)
    except Unreadable as error:
        raise ConfigError(f"'{clip(name, 200)}' cannot be used:", error.problems) from None
    return _check(value, places, base_dir or file.parent, file, dev, own)


def _bytes(file: Path, name: str) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"there is no file '{clip(name, 200)}'. Check the path, or make one that begins with `version: 1`.") from None
    except OSError as error:
        raise ConfigError(f"'{clip(name, 200)}' cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise ConfigError(f"'{clip(name, 200)}' is not a path: {error}.") from None


def _from_mapping(source: Mapping[str, Any], base_dir: Path, dev: bool | None, own: Collection[str]) -> objects.Config:
    places = Locations("configuration")
    value = _plain(source)
    if problems := not_json(value, places, exact=True):
        raise ConfigError("the configuration cannot be used:", problems)
    return _check(value, places, base_dir, None, dev, own)


def _plain(value: Any, depth: int = 0) -> Any:
    """Mappings, tuples and paths as the dicts, lists and texts that a file would give."""
    if depth > 100:
        return value
    if isinstance(value, Mapping):
        return {k: _plain(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v, depth + 1) for v in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _check(value: Any, places: Locations, base_dir: Path, file: Path | None, dev: bool | None, own: Collection[str]) -> objects.Config:
    head = f"'{clip(places.name, 200)}' cannot be used:" if file else "the configuration cannot be used:"
    if not isinstance(value, dict):
        what = "is empty." if value is None else f"must be a mapping, not {quote(value)}."
        raise ConfigError(head, [places.problem((), what, "Begin it with `version: 1`.")])
    if "version" not in value and (word := next((key for key in ("openapi", "swagger") if key in value), None)):
        raise ConfigError(
            f"{head} it is an OpenAPI document ({word} {quote(value[word])}), and those are not served yet. "
            "Write its paths as `routes:` in a mockforge.yaml."
        )
    value = {key: item for key, item in value.items() if not key.startswith(schema.ASIDE)}
    faults = check_description(value, own)
    problems = [places.problem(*fault) for fault in faults]
    try:
        model = schema.ConfigModel.model_validate(value)
    except ValidationError as error:
        faulty = [*(path for path, _, _ in faults), *(detail["loc"] for detail in error.errors(include_url=False))]
        problems = in_order([*problems_of(error, schema.ConfigModel, places), *problems])
        raise ConfigError(head, problems, _rest(value, faulty, places, base_dir, file, dev)) from None
    if problems:
        raise ConfigError(head, in_order(problems), _rest(value, [path for path, _, _ in faults], places, base_dir, file, dev))
    return _build(model, places, base_dir, file, dev)


def _rest(
    value: dict[str, Any], faulty: list[tuple[str | int, ...]], places: Locations, base_dir: Path, file: Path | None, dev: bool | None
) -> objects.Config | None:
    """The configuration without its faulty entries; None where more than routes, rules and plugins have faults."""
    entries = {path[:2] for path in faulty}
    if any(len(entry) < 2 or entry[0] not in ("plugins", "protect", "routes") for entry in entries):
        return None
    left = {key: _without(key, section, entries) if key in ("plugins", "protect", "routes") else section for key, section in value.items()}
    try:
        return _build(schema.ConfigModel.model_validate(left), places, base_dir, file, dev)
    except ValidationError:
        return None


def _without(key: str, section: Any, entries: set[tuple[str | int, ...]]) -> Any:
    """A section without its faulty entries. One of a list leaves another in its place, so that the places of those behind it stay right."""
    if isinstance(section, dict):
        return {name: item for name, item in section.items() if (key, name) not in entries}
    return [_stand_in(key, i) if (key, i) in entries else item for i, item in enumerate(section)]


def _stand_in(key: str, i: int) -> dict[str, Any]:
    path = f"/in place of entry {i}"
    return {"match": {"path": path}, "response": {"status": 500}} if key == "routes" else {"path": path, "auth": ["none"]}


def _build(model: schema.ConfigModel, places: Locations, base_dir: Path, file: Path | None, dev: bool | None) -> objects.Config:
    def at(path: str | None) -> Path | None:
        return None if path is None else Path(os.path.normpath(base_dir / Path(path).expanduser()))

    return objects.Config(
        version=model.version,
        plugins={
            name: _plugin(name, plugin, builtin_plugins().get(plugin.use) or cast(Path, at(plugin.use)), at)
            for name, plugin in model.plugins.items()
        }
        | {name: _source_plugin(name, source, source.use, at) for name, source in model.sources.items() if source.use is not None},
        secrets={name: _secret(s, at(s.file)) for name, s in model.secrets.items()},
        protect=tuple(rule.build(model.backoff) for rule in model.protect),
        cors=model.cors.build() if model.cors else None,
        routes=tuple(_route(r, at(r.response.file), places.where(("routes", i))) for i, r in enumerate(model.routes)),
        templates=objects.TemplatesConfig(
            at(model.templates.dir), dict(model.templates.inline), model.templates.seed, model.templates.locale
        ),
        sources={name: _source(name, s) for name, s in model.sources.items()},
        state=objects.StateConfig(_state_url(model.state.url, base_dir)),
        limits=objects.LimitsConfig(**model.limits.model_dump()),
        server=objects.ServerConfig(
            **model.server.model_dump(exclude={"ssl_keyfile", "ssl_certfile"}),
            ssl_keyfile=at(model.server.ssl_keyfile),
            ssl_certfile=at(model.server.ssl_certfile),
        ),
        trusted_proxies=model.trusted_proxies.build() if model.trusted_proxies else None,
        dev=model.dev if dev is None else dev,
        base_dir=base_dir,
        file=file,
        places=places,
    )


def _plugin(name: str, model: schema.PluginModel, path: Path, at: Callable[[str | None], Path | None]) -> objects.PluginUse:
    is_builtin = not is_path(model.use)
    return objects.PluginUse(
        name=name,
        use=model.use,
        path=path,
        config=dict(model.config),
        grants=model.grants.build(),
        grants_what_it_asks=is_builtin and "grants" not in model.model_fields_set,
        is_builtin=is_builtin,
        digest=model.digest,
        enabled=model.enabled,
        priority=model.priority,
        alias=model.alias or name.replace("-", "_"),
        prefix=model.prefix or f"/{name}",
        endpoints=model.endpoints,
        isolation=model.isolation,
        on_failure=model.on_failure.word or "error",
        failure_answer=None if model.on_failure.word else _answer(model.on_failure, at(model.on_failure.file)),
        limits=objects.LimitOverrides(**model.limits.model_dump()),
        instances=objects.InstancesConfig(**model.instances.model_dump()),
        breaker=objects.BreakerConfig(**model.breaker.model_dump()),
        native=objects.NativeTrust(model.native.trust or "", model.native.workers, model.native.max_workers) if model.native else None,
        templates=frozenset(model.templates),
        modifies=model.modifies.build(),
        base_dir=at(""),
    )


def _secret(model: schema.SecretModel, file: Path | None) -> objects.SecretSource:
    if model.env is not None:
        return objects.SecretSource("env", env=model.env)
    return objects.SecretSource("file", file=file) if file else objects.SecretSource("value", value=model.value or "")


def _route(model: schema_routes.RouteModel, file: Path | None, place: str) -> objects.RouteConfig:
    match, response = model.match, model.response
    return objects.RouteConfig(
        match=objects.RouteMatch(
            match.path,
            tuple(match.method),
            {k: c.model_dump(exclude_unset=True) for k, c in match.headers.items()},
            {k: c.model_dump(exclude_unset=True) for k, c in match.query.items()},
            dict(match.body),
        ),
        response=_answer(response, file, response.vars),
        name=model.name,
        place=place,
    )


def _answer(model: schema_routes.AnswerModel, file: Path | None, variables: Mapping[str, Any] | None = None) -> objects.RouteResponse:
    return objects.RouteResponse(
        cast(Any, model.kind),
        str(file) if model.kind == "file" else model.content,
        model.status,
        tuple((k, v) for k, values in model.headers.items() for v in values),
        dict(variables or {}),
    )


def _source(name: str, model: SourceModel) -> SourceConfig:
    return SourceConfig(name, model.plugin or name, model.build_queries(), model.limits.build())


def _source_plugin(name: str, model: SourceModel, use: str, at: Callable[[str], Path | None]) -> objects.PluginUse:
    """The plugin of a source that has one of its own."""
    known = builtin_plugins()
    id, limits = builtin_source(use, known), model.limits.build()
    return objects.PluginUse(
        name=name,
        use=id or use,
        path=known[id] if id else cast(Path, at(use)),
        config=dict(model.config),
        grants=model.grants.build(),
        grants_what_it_asks=id is not None and "grants" not in model.model_fields_set,
        is_builtin=id is not None,
        digest=model.digest,
        limits=objects.LimitOverrides(
            timeout_ms=limits.timeout_ms + SOURCE_GRACE_MS, output_kb=max(MIN_OUTPUT_KB, 2 * limits.max_bytes // 1024)
        ),
        native=objects.NativeTrust(model.native.trust, model.native.workers) if model.native else None,
        section="sources",
        base_dir=at(""),
    )


def _state_url(url: str, base_dir: Path) -> str:
    if not url.startswith("sqlite:///"):
        return "memory://"
    return f"sqlite:///{os.path.normpath(base_dir / Path(url.removeprefix('sqlite:///')).expanduser())}"
