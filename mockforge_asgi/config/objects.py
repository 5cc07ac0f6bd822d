"""What `mockforge.yaml` says, as frozen objects with absolute paths.

Made by `load_config`; read by everything above. Nothing here checks anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias, TypeVar

from mockforge_asgi.config.network import NetworkRule
from mockforge_asgi.config.parsing.locations import Locations
from mockforge_asgi.config.parsing.locations import Path as Place
from mockforge_asgi.config.sources.objects import SourceConfig
from mockforge_asgi.exact_json import Json
from mockforge_asgi.forwarded import TrustedProxies
from mockforge_asgi.http.backoff import DEFAULT as DEFAULT_BACKOFF
from mockforge_asgi.http.backoff import BackoffConfig
from mockforge_asgi.http.body import DEFAULT_LIMITS as BODY_LIMITS
from mockforge_asgi.http.body import BodyLimits
from mockforge_asgi.http.cors import Cors

Isolation: TypeAlias = Literal["reused", "per_request"]
_V = TypeVar("_V")


def _nothing() -> Mapping[str, _V]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Right:
    """One permission with its extent: names, network rules or sizes, as far as it has any. A flag has none."""

    name: str
    names: frozenset[str] = frozenset()
    network: tuple[NetworkRule, ...] = ()
    max_keys: int | None = None
    max_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Grants:
    """What the operator allows one plugin, by permission name (`request.headers`, `secrets`, ...)."""

    rights: Mapping[str, Right] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True)
class SecretSource:
    """Where a secret's value comes from. The value itself never shows."""

    kind: Literal["env", "file", "value"]
    env: str = ""
    file: Path | None = None
    value: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class LimitOverrides:
    """The operator's own limits for a plugin; None leaves the manifest's."""

    memory_mb: int | None = None
    cpu_ms: int | None = None
    timeout_ms: int | None = None
    output_kb: int | None = None
    vars_kb: int | None = None


@dataclass(frozen=True, slots=True)
class InstancesConfig:
    """How many instances a sandboxed plugin has, how many calls may wait for one, and how long each lives."""

    warm: int = 1
    max: int = 16
    max_waiting: int = 256
    recycle_calls: int = 10_000
    recycle_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class BreakerConfig:
    """When a plugin that crashes is quarantined, and for how long."""

    enabled: bool = True
    crashes: int = 20
    """So many crashes within the window, and no call that ended well in it."""
    window_s: float = 10.0
    backoff_s: float = 1.0
    max_backoff_s: float = 30.0


@dataclass(frozen=True, slots=True)
class NativeTrust:
    """The operator's word that a native plugin may run: its package digest, or in dev mode `path`. A built-in plugin needs none."""

    trust: str = ""
    workers: Literal["thread", "process"] = "thread"
    """Where methods that are not async run; processes can be killed."""
    max_workers: int = 8


@dataclass(frozen=True, slots=True)
class ResponseFilter:
    """Which answers a modifier is asked about; an empty part admits all. A content type may end in `/*`.

    `app`: those of the wrapped app too, not only those of mocks and plugins.
    """

    paths: tuple[str, ...] = ()
    methods: frozenset[str] = frozenset()
    status: frozenset[int] = frozenset()
    content_types: frozenset[str] = frozenset()
    app: bool = False


@dataclass(frozen=True, slots=True)
class PluginUse:
    """One plugin as configured. `name` is the key under its section; the manifest's id may be used under several names."""

    name: str
    use: str
    path: Path
    config: Mapping[str, Json] = field(default_factory=_nothing)
    grants: Grants = field(default_factory=Grants)
    grants_what_it_asks: bool = False
    """Whether all that it asks for is granted, in place of `grants`."""
    is_builtin: bool = False
    """Whether `use` is the id of a plugin that ships with this package."""
    digest: str | None = None
    enabled: bool = True
    priority: float | None = None
    alias: str = ""
    prefix: str | None = None
    endpoints: Literal["public", "protected"] | None = None
    """Whether its endpoints are answered before auth; None: if it guards something, or is a built-in identity provider."""
    isolation: Isolation | None = None
    on_failure: Literal["error", "skip"] = "error"
    failure_answer: RouteResponse | None = None
    """What is answered in place of an error."""
    limits: LimitOverrides = field(default_factory=LimitOverrides)
    instances: InstancesConfig = field(default_factory=InstancesConfig)
    breaker: BreakerConfig = field(default_factory=BreakerConfig)
    native: NativeTrust | None = None
    templates: frozenset[str] = frozenset()
    modifies: ResponseFilter = field(default_factory=ResponseFilter)
    section: Literal["plugins", "sources"] = "plugins"
    """Where in the configuration it stands."""
    base_dir: Path | None = None
    """The folder that relative paths begin at."""

    @property
    def place(self) -> Place:
        """The path of its entry in the configuration."""
        return (self.section, self.name)


@dataclass(frozen=True, slots=True)
class Requirement:
    """Roles and scopes that a caller must have, all of them; of `any`, one alternative at the least."""

    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    any: tuple[Requirement, ...] = ()


@dataclass(frozen=True, slots=True)
class ProtectRule:
    """Which plugins decide about requests whose path matches, and what whoever they let pass must have.

    `methods` empty: all of them. `preflight`: who answers CORS preflights.
    """

    path: str
    auth: tuple[str, ...]
    mode: Literal["first", "any", "all", "optional"] = "first"
    methods: frozenset[str] = frozenset()
    preflight: Literal["cors", "app"] = "cors"
    backoff: BackoffConfig | None = DEFAULT_BACKOFF
    """After how many wrong credentials callers have to wait; None: never."""
    require: Requirement | None = None


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """What a request must look like. `methods` empty: any.

    Conditions on headers, query parameters and values in a JSON body are as written: a text (equals), true or false (present,
    absent), or a mapping of `equals`, `contains`, `regex`, `present`, `absent`; for the body, any JSON value (equals).
    """

    path: str
    methods: tuple[str, ...] = ()
    headers: Mapping[str, Json] = field(default_factory=_nothing)
    query: Mapping[str, Json] = field(default_factory=_nothing)
    body: Mapping[str, Json] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True)
class DataResponse:
    """A route's response out of a data source. `one`: the only row, not a list; `total`: a list tells how many rows all pages have."""

    source: str
    query: str
    params: Mapping[str, Json] = field(default_factory=_nothing)
    one: bool = False
    total: bool = False


@dataclass(frozen=True, slots=True)
class ResourceResponse:
    """A route's responses out of a table: a list, and below it its items. Without `methods` those are allowed that the query allows."""

    source: str
    query: str
    methods: frozenset[str] = frozenset()
    total: bool = False


@dataclass(frozen=True, slots=True)
class RouteResponse:
    """What a route answers: `kind` says how `value` is meant."""

    kind: Literal["plugin", "data", "resource", "json", "text", "html", "base64", "file", "template", "template_text", "empty"]
    value: Json
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    vars: Mapping[str, Json] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True)
class RouteConfig:
    """One entry of `routes:`. `place` is where it stands, for messages."""

    match: RouteMatch
    response: RouteResponse
    name: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class TemplatesConfig:
    """The operator's templates: files below `dir`, and texts by name. `seed` makes their chance repeatable: by request, or always."""

    dir: Path | None = None
    inline: Mapping[str, str] = field(default_factory=_nothing)
    seed: Literal["request"] | int | None = None
    locale: str = "en_US"


@dataclass(frozen=True, slots=True)
class StateConfig:
    """Where shared state lives: `memory://`, or `sqlite:///` and an absolute path."""

    url: str = "memory://"

    @property
    def is_shared(self) -> bool:
        """Whether several worker processes see the same state."""
        return not self.url.startswith("memory:")


@dataclass(frozen=True, slots=True)
class LimitsConfig:
    """Bounds of requests, and of all plugins together."""

    max_body_kb: int = BODY_LIMITS.max_bytes // 1024
    max_answer_kb: int = 1024
    body_timeout_ms: int = round(BODY_LIMITS.timeout_s * 1000)
    pool_memory_mb: int = 1024

    @property
    def body(self) -> BodyLimits:
        """Those of a request's body."""
        return BodyLimits(self.max_body_kb * 1024, self.body_timeout_ms / 1000)


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Defaults of `mockforge serve`; its options win."""

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    ssl_keyfile: Path | None = None
    ssl_certfile: Path | None = None
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    stop_timeout_s: int = 10


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration. `file` is None when it came from a mapping; `places` tells where each value stands."""

    version: int = 1
    plugins: Mapping[str, PluginUse] = field(default_factory=_nothing)
    secrets: Mapping[str, SecretSource] = field(default_factory=_nothing)
    protect: tuple[ProtectRule, ...] = ()
    cors: Cors | None = None
    routes: tuple[RouteConfig, ...] = ()
    templates: TemplatesConfig = field(default_factory=TemplatesConfig)
    sources: Mapping[str, SourceConfig] = field(default_factory=_nothing)
    state: StateConfig = field(default_factory=StateConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    server: ServerConfig = field(default_factory=ServerConfig)
    trusted_proxies: TrustedProxies | None = None
    dev: bool = False
    base_dir: Path = field(default_factory=Path.cwd)
    file: Path | None = None
    places: Locations = field(default_factory=lambda: Locations("configuration"), repr=False, compare=False)
