"""`mockforge.yaml` as written: the root document, plugins, secrets, server.

Only the form of each value is checked here; what must fit together is checked by `load`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, PrivateAttr, model_validator

from mockforge_asgi.config.fields import Digest, Id, LimitsModel, Name, PlainMapping, Strict, as_list, matching, short_form
from mockforge_asgi.config.grants import GrantsModel
from mockforge_asgi.config.models_backoff import Backoff, BackoffModel
from mockforge_asgi.config.models_cors import CorsModel
from mockforge_asgi.config.models_protect import ProtectModel
from mockforge_asgi.config.models_routes import AnswerModel, ModifiesModel, RouteModel, TemplatesModel
from mockforge_asgi.config.objects import BreakerConfig, InstancesConfig, LimitsConfig, NativeTrust, ServerConfig, StateConfig
from mockforge_asgi.config.parsing.pydantic_errors import fault
from mockforge_asgi.config.sources.models import SourceModel
from mockforge_asgi.forwarded import TrustedProxies, network
from mockforge_asgi.text import quote

ASIDE = "x-"
_ALIAS = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z")
_PREFIX = re.compile(r"/(?:[A-Za-z0-9._~-]+(?:/[A-Za-z0-9._~-]+)*)?\Z")
_ENV = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}\Z")
_TRUST = re.compile(r"path\Z|sha256-[0-9a-f]{64}\Z")
_INSTANCES, _BREAKER, _LIMITS, _NATIVE, _SERVER = InstancesConfig(), BreakerConfig(), LimitsConfig(), NativeTrust(), ServerConfig()
"""What is not written is what these say."""
_STATE = re.compile(r"memory://\Z|memory:\Z|sqlite:///.+\Z")


class SecretModel(Strict):
    """Where a secret's value is: exactly one of env, file, value."""

    env: Annotated[str, *matching(_ENV, "the name of an environment variable", "Write one such as API_KEYS.", is_shown=False)] | None = (
        Field(default=None, description="Environment variable that holds it.")
    )
    file: str | None = Field(default=None, min_length=1, description="File that holds it; one final line break is left out.")
    value: str | None = Field(default=None, description="The value itself; for development.")

    @model_validator(mode="after")
    def _one_source(self) -> SecretModel:
        if len(self.model_fields_set) != 1 or all(v is None for v in (self.env, self.file, self.value)):
            raise fault("a secret has exactly one source.", "Give one of env, file, value.")
        return self


class NativeModel(Strict):
    """Lets a native plugin run unconfined in this process."""

    trust: (
        Annotated[str, *matching(_TRUST, "a digest or the word path", "Give the package's digest (`sha256-…`), or in dev mode `path`.")]
        | None
    ) = Field(
        default=None,
        description="The digest of the package that is trusted; in dev mode also `path`. Built-in plugins need none.",
        examples=["sha256-…"],
    )
    workers: Literal["thread", "process"] = Field(
        default=_NATIVE.workers, description="`process` runs its calls in processes of their own, which are killed when they take too long."
    )
    max_workers: int = Field(default=_NATIVE.max_workers, ge=1, le=256, description="The most worker threads or processes.")


class InstancesModel(Strict):
    """The pool of one sandboxed plugin."""

    warm: int = Field(default=_INSTANCES.warm, ge=0, le=1024, description="Instances kept ready.")
    max: int = Field(default=_INSTANCES.max, ge=1, le=1024, description="The most instances at once.")
    max_waiting: int = Field(default=_INSTANCES.max_waiting, ge=0, le=100_000, description="The most calls that may wait for one.")
    recycle_calls: int = Field(default=_INSTANCES.recycle_calls, ge=1, description="Calls after which an instance is replaced.")
    recycle_s: float = Field(default=_INSTANCES.recycle_s, gt=0, description="Seconds after which an instance is replaced.")

    @model_validator(mode="after")
    def _warm_fits(self) -> InstancesModel:
        if self.warm > self.max:
            raise fault(f"warm ({self.warm}) is more than max ({self.max}).", "Raise max or lower warm.")
        return self


class BreakerModel(Strict):
    """When a plugin that crashes is quarantined, and for how long."""

    enabled: bool = Field(default=_BREAKER.enabled, description="false never quarantines it.")
    crashes: int = Field(default=_BREAKER.crashes, ge=1, le=1_000_000, description="So many crashes within window_s quarantine it ...")
    window_s: float = Field(
        default=_BREAKER.window_s, gt=0, le=3600, description="... where no call has ended well for so long, in seconds."
    )
    backoff_s: float = Field(default=_BREAKER.backoff_s, gt=0, le=3600, description="The first quarantine, in seconds.")
    max_backoff_s: float = Field(default=_BREAKER.max_backoff_s, gt=0, le=86_400, description="The longest quarantine, in seconds.")

    @model_validator(mode="after")
    def _backoff_fits(self) -> BreakerModel:
        if self.backoff_s > self.max_backoff_s:
            raise fault(f"backoff_s ({self.backoff_s:g}) is more than max_backoff_s ({self.max_backoff_s:g}).", "Raise max_backoff_s.")
        return self


class FailureModel(AnswerModel):
    """What is answered when a plugin fails: one of json, text, html, base64, file; a status or headers alone: no body."""

    _word: Literal["error", "skip"] | None = PrivateAttr(default=None)

    @classmethod
    def of(cls, word: Literal["error", "skip"]) -> FailureModel:
        """A word in place of an answer."""
        model = cls.model_construct()
        model._word = word
        return model

    @property
    def word(self) -> Literal["error", "skip"] | None:
        """The word, None for an answer."""
        return self._word

    def _check_kind(self) -> None:
        if self._word is None:
            super()._check_kind()
        if "content-length" in self.headers:
            raise fault("`content-length` follows from the body.", "Remove it.")


def _failure(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value not in ("error", "skip"):
        raise fault(f"{quote(value)} is not one of error, skip.", "Or give an answer, such as {status: 503, json: {error: unavailable}}.")
    return FailureModel.of("error" if value == "error" else "skip")


class PluginModel(Strict):
    """One plugin."""

    use: str = Field(
        min_length=1,
        max_length=4096,
        description="Folder or archive of the plugin, relative to this file; or the id of a built-in one, such as auth-jwt.",
        examples=["./plugins/my_plugin"],
    )
    enabled: bool = Field(default=True, description="false leaves it out without deleting the entry.")
    config: PlainMapping = Field(default_factory=dict, description="Its configuration; the manifest's `config` schema says what fits.")
    grants: GrantsModel = Field(default_factory=GrantsModel, description="What it may reach of what it asks for.")
    digest: Digest | None = Field(default=None, description="The package's digest; another package is refused.")
    priority: float | None = Field(default=None, description="Its place in its chain, lowest first; the manifest's if left out.")
    alias: Annotated[str, *matching(_ALIAS, "an identifier", "Write letters, digits and '_'.")] | None = Field(
        default=None, description="How templates name its functions: `alias.function`. The plugin's name with '_' if left out."
    )
    prefix: Annotated[str, *matching(_PREFIX, "a path prefix", "Write one such as /login, without a final '/'.")] | None = Field(
        default=None, description="Where its endpoints are mounted. `/` and the plugin's name if left out."
    )
    endpoints: Literal["public", "protected"] | None = Field(
        default=None,
        description="`public`: its endpoints are answered before auth. If left out, those of plugins that `protect` names and of built-in "
        "identity providers are.",
    )
    isolation: Literal["reused", "per_request"] | None = Field(
        default=None, description="How long an instance serves; the manifest's if left out."
    )
    on_failure: Annotated[FailureModel, *short_form(_failure, {"enum": ["error", "skip"]})] = Field(
        default_factory=lambda: FailureModel.of("error"),
        description="When it fails: an error (502, 503 or 504), go on as if it had nothing to say, or this answer. Auth always refuses.",
    )
    limits: LimitsModel = Field(default_factory=LimitsModel, description="Limits in place of the manifest's.")
    instances: InstancesModel = Field(default_factory=InstancesModel, description="Its pool of instances.")
    breaker: BreakerModel = Field(default_factory=BreakerModel, description="When it is quarantined because it crashes.")
    native: NativeModel | None = Field(default=None, description="Trust in a native plugin.")
    templates: Annotated[list[str], *short_form(as_list, {"type": "string"})] = Field(
        default_factory=list, description="Templates that its answers may name; `*` for all."
    )
    modifies: ModifiesModel = Field(
        default_factory=ModifiesModel, description="Modifiers: which answers it is asked about; all if left out."
    )


class StateModel(Strict):
    """Where shared state lives."""

    url: Annotated[
        str, *matching(_STATE, "a state store", "Write memory:// for one worker, or sqlite:///state.db for several on one machine.")
    ] = Field(default=StateConfig().url, description="memory://, or sqlite:/// and a path relative to this file.")


class BoundsModel(Strict):
    """Bounds of requests, and of all plugins together."""

    max_body_kb: int = Field(default=_LIMITS.max_body_kb, ge=0, le=1 << 20, description="The largest request body that is read, in KiB.")
    max_answer_kb: int = Field(
        default=_LIMITS.max_answer_kb,
        ge=0,
        le=1 << 20,
        description="The largest answer of the wrapped app that modifiers are given whole, in KiB.",
    )
    body_timeout_ms: int = Field(default=_LIMITS.body_timeout_ms, ge=1, le=600_000, description="How long reading a body may take.")
    pool_memory_mb: int = Field(
        default=_LIMITS.pool_memory_mb, ge=16, le=1 << 20, description="Memory of all instances of all plugins, in MiB."
    )


class ServerModel(Strict):
    """Defaults of `mockforge serve`; its options win."""

    host: str = Field(default=_SERVER.host, min_length=1, description="Address to listen on.")
    port: int = Field(default=_SERVER.port, ge=0, le=65535, description="Port to listen on; 0 for a free one.")
    workers: int = Field(default=_SERVER.workers, ge=1, le=256, description="Worker processes.")
    ssl_keyfile: str | None = Field(default=None, description="TLS key, relative to this file.")
    ssl_certfile: str | None = Field(default=None, description="TLS certificate, relative to this file.")
    log_format: Literal["text", "json"] = Field(default=_SERVER.log_format, description="How log lines look.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default=_SERVER.log_level, description="The least that is logged.")
    stop_timeout_s: int = Field(
        default=_SERVER.stop_timeout_s, ge=0, le=3600, description="How long running requests may take to end when it stops."
    )

    @model_validator(mode="before")
    @classmethod
    def _no_proxies(cls, value: Any) -> Any:
        if isinstance(value, dict) and "trusted_proxies" in value:
            raise fault("`trusted_proxies` stands at the top of the file: it holds when mounted, too.", "Move it there.")
        return value


def _network(value: str) -> str:
    try:
        network(value)
    except ValueError as error:
        raise fault(f"{quote(value)} {error}.", "Write one such as 10.0.0.0/8, or the proxy's address.") from None
    return value


class TrustedProxiesModel(Strict):
    """Whose word of where a request comes from is believed."""

    networks: Annotated[list[Annotated[str, Field(max_length=64), AfterValidator(_network)]], Field(min_length=1, max_length=100)] = Field(
        description="Networks and addresses of proxies.", examples=["[10.0.0.0/8]"]
    )
    header: Literal["x-forwarded-for", "forwarded"] = Field(
        default="x-forwarded-for",
        description="The header that they write: X-Forwarded-For with X-Forwarded-Proto, or Forwarded. The other is not read.",
    )

    def build(self) -> TrustedProxies:
        """The frozen form."""
        return TrustedProxies(tuple(dict.fromkeys(map(network, self.networks))), self.header)


class ConfigModel(Strict):
    """The whole of mockforge.yaml. Keys that begin with `x-` hold what anchors name, and nothing else reads them."""

    model_config = ConfigDict(json_schema_extra={"patternProperties": {f"^{ASIDE}": {}}})

    version: Literal[1] = Field(description="Version of this format.", examples=["1"])
    dev: bool = Field(default=False, description="Development mode: plugins from folders are checked for changes at each request.")
    plugins: dict[Id, PluginModel] = Field(default_factory=dict, description="Plugins by the name they have here.")
    secrets: dict[Name, SecretModel] = Field(default_factory=dict, description="Secrets by the name they have here.")
    protect: list[ProtectModel] = Field(default_factory=list, description="Which paths need which auth plugins.")
    backoff: Backoff = Field(default_factory=BackoffModel, description="How long callers wait who send wrong credentials; `false`: never.")
    cors: CorsModel | None = Field(default=None, description="Which pages of other origins may read answers, and what they may send.")
    routes: list[RouteModel] = Field(default_factory=list, description="Native routes.")
    templates: TemplatesModel = Field(default_factory=TemplatesModel, description="The operator's templates.")
    sources: dict[Name, SourceModel] = Field(default_factory=dict, description="Data sources by the name they have here.")
    state: StateModel = Field(default_factory=StateModel, description="Where shared state lives.")
    limits: BoundsModel = Field(default_factory=BoundsModel, description="Bounds of requests and of all plugins together.")
    server: ServerModel = Field(default_factory=ServerModel, description="Defaults of `mockforge serve`.")
    trusted_proxies: (
        Annotated[
            TrustedProxiesModel,
            *short_form(lambda v: {"networks": v} if isinstance(v, list) else v, {"type": "array", "items": {"type": "string"}}),
        ]
        | None
    ) = Field(default=None, description="Proxies whose word of where a request comes from is believed; nobody's if left out.")
