"""`plugin.yaml` as written: the pydantic models, and the step from them to the frozen `Manifest`.

Loaded only when a manifest is read. The JSON Schema for editors comes from here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from mockforge_asgi.bounded_json import crowded
from mockforge_asgi.config.fields import Id, InnerPath, LimitsModel, Methods, Strict, as_list, matching, short_form
from mockforge_asgi.config.objects import LimitOverrides
from mockforge_asgi.config.parsing.json_schema import check_schema
from mockforge_asgi.config.parsing.locations import Locations
from mockforge_asgi.config.parsing.pydantic_errors import fault, in_order, problems_of, suggest
from mockforge_asgi.contract import CONTRACT
from mockforge_asgi.errors import Problem
from mockforge_asgi.plugins.package.manifest import DEFAULT_LIMITS, Dependency, Endpoint, Entry, Manifest, Requires
from mockforge_asgi.plugins.package.permission_models import PermissionsModel, is_key
from mockforge_asgi.plugins.package.versions import is_range, is_version
from mockforge_asgi.text import quote

_VERSION = re.compile(
    r"(?:0|[1-9][0-9]{0,8})\.(?:0|[1-9][0-9]{0,8})\.(?:0|[1-9][0-9]{0,8})(?:-[0-9A-Za-z.-]{1,64})?(?:\+[0-9A-Za-z.-]{1,64})?\Z"
)
_EXPORT = re.compile(r"[A-Za-z_$][\w$.:/-]{0,255}\Z", re.ASCII)
_FUNCTION = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z")
_ENDPOINT = re.compile(r"/[A-Za-z0-9._~-]{1,64}(?:/[A-Za-z0-9._~-]{1,64}){0,7}\Z")
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z")
_EXTRA = re.compile(r"[a-z][a-z0-9-]{0,31}\Z")
_SUFFIXES = {"native": ".py", "python": ".py", "component": ".wasm", "extism": ".wasm"}
_CEILING = {"memory_mb": 512, "cpu_ms": 10_000, "timeout_ms": 60_000, "output_kb": 16_384, "vars_kb": 16_384}


def _version(value: str) -> str:
    if not is_version(value):
        raise fault(f"{quote(value)} is not a version.", 'Write three numbers, such as "1.0.0", or "1.0.0-rc.1".')
    return value


def _range(value: str) -> str:
    if not is_range(value):
        raise fault(f"{quote(value)} is not a range of versions.", "Write one such as ^1.2, ~1.2.3, >=1 <3, or * for any.")
    return value


Export = Annotated[str, *matching(_EXPORT, "the name of an export", "Write the name as the code exports it.")]
Function = Annotated[str, *matching(_FUNCTION, "the name of a function", "Write letters, digits and '_'.")]


class EntryModel(Strict):
    """The file, and for an Extism plugin that knows nothing of this contract, what its exports are for."""

    file: InnerPath = Field(description="The file that holds the code, relative to plugin.yaml.", examples=["plugin.wasm"])
    response: Export | None = Field(default=None, description="The export that answers requests: request body in, answer's body out.")
    template: dict[Function, Export] = Field(default_factory=dict, description="Template functions and the exports behind them.")


class EndpointModel(Strict):
    """A path of the plugin's own."""

    path: Annotated[str, *matching(_ENDPOINT, "a path of an endpoint", "Write one such as /callback.")] = Field(
        description="Path below the plugin's prefix.", examples=["/callback"]
    )
    methods: Methods = Field(default_factory=list, description="Methods it answers; all if left out.")


class DependencyModel(Strict):
    """Another plugin that must be there."""

    id: Id = Field(description="Its id.", examples=["other-plugin"])
    version: Annotated[str, Field(max_length=128), AfterValidator(_range)] = Field(default="*", description="Versions that fit.")
    optional: bool = Field(default=False, description="Whether it may be missing.")


class RequiresModel(Strict):
    """Python modules that a native plugin imports beside the standard library: where one is not installed, it is not loaded."""

    modules: Annotated[
        list[Annotated[str, *matching(_MODULE, "a module at the top", "Write what stands behind `import`, up to the first dot.")]],
        Field(min_length=1, max_length=32),
        *short_form(as_list, {"type": "string"}),
    ] = Field(description="Their names as they are imported.", examples=["[joserfc]"])
    extra: Annotated[str, *matching(_EXTRA, "the name of an extra", "Write one such as auth.")] | None = Field(
        default=None, description="The extra of mockforge-asgi that installs them."
    )
    system: dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=300)]] = Field(
        default_factory=dict, max_length=8, description="What they are built with, where they are built from source: system, command."
    )

    def build(self) -> Requires:
        """The frozen form."""
        return Requires(tuple(self.modules), self.extra or "", dict(self.system))


class ManifestLimits(LimitsModel):
    """What one call of the plugin may use. An operator may set more."""

    @model_validator(mode="after")
    def _bounded(self) -> ManifestLimits:
        for name, most in _CEILING.items():
            if (getattr(self, name) or 0) > most:
                raise fault(
                    f"{name} is more than the {most} that a manifest may ask for.", "Ask for less; operators may set more themselves."
                )
        return self


Endpoints = list[Annotated[EndpointModel, *short_form(lambda v: {"path": v} if isinstance(v, str) else v, {"type": "string"})]]
Dependencies = list[Annotated[DependencyModel, *short_form(lambda v: {"id": v} if isinstance(v, str) else v, {"type": "string"})]]


class ManifestModel(Strict):
    """The whole of plugin.yaml."""

    manifest_version: Literal[1] = Field(description="Version of this format.", examples=["1"])
    id: Id = Field(description="The plugin's id: lower-case words joined by '-'.", examples=["my-plugin"])
    version: Annotated[str, *matching(_VERSION, "a version", 'Write three numbers, such as "1.0.0".'), AfterValidator(_version)] = Field(
        description="Its version (semver.org).", examples=["1.0.0"]
    )
    contract: str = Field(description="Version of the plugin contract that it speaks.", examples=[f'"{CONTRACT}"'])
    kinds: Annotated[
        list[Literal["auth", "template", "response", "modifier", "data_source", "endpoint"]],
        Field(min_length=1),
        *short_form(as_list, {"type": "string"}),
    ] = Field(description="What it is.", examples=["[response]"])
    runtime: Literal["native", "python", "component", "extism"] = Field(description="What runs its code.", examples=["python"])
    entry: Annotated[EntryModel, *short_form(lambda v: {"file": v} if isinstance(v, str) else v, {"type": "string"})] = Field(
        description="Where its code begins.", examples=["plugin.py"]
    )
    priority: float | None = Field(default=None, description="Its place in its chain, lowest first.")
    description: str = Field(default="", max_length=2000, description="What it does, in a sentence.")
    license: str = Field(default="", max_length=200, description="Its license (spdx.org).")
    authors: Annotated[list[str], *short_form(as_list, {"type": "string"})] = Field(default_factory=list, description="Who wrote it.")
    homepage: str = Field(default="", max_length=500, description="Where to read about it.")
    permissions: PermissionsModel = Field(default_factory=PermissionsModel, description="What it asks for.")
    limits: ManifestLimits = Field(default_factory=ManifestLimits, description="What one call may use.")
    isolation: Literal["reused", "per_request"] = Field(default="reused", description="How long an instance serves.")
    config: dict[str, Any] | None = Field(default=None, description="JSON Schema of its configuration.")
    endpoints: Endpoints = Field(default_factory=list, description="Paths of its own, below its prefix.")
    dependencies: Dependencies = Field(default_factory=list, description="Plugins that it needs.")
    requires: RequiresModel | None = Field(default=None, description="Native: Python modules that must be installed.")


def check(value: dict[str, Any], places: Locations) -> Manifest | list[Problem]:
    """The manifest, or everything that is wrong with it."""
    if (long := crowded({key: inner for key, inner in value.items() if key != "config"})) is not None:
        return [places.problem(long[0], f"has {long[1]}.", "Keep what the plugin needs.")]
    problems = [*_config_problems(value, places), *_unfit(value, places)]
    try:
        model = ManifestModel.model_validate(value)
    except ValidationError as error:
        return in_order([*problems_of(error, ManifestModel, places), *problems])
    return in_order(problems) if problems else _build(model, places)


def _config_problems(value: dict[str, Any], places: Locations) -> list[Problem]:
    schema = value.get("config")
    return check_schema(schema, places, ("config",)) if isinstance(schema, dict) else []


def _unfit(value: dict[str, Any], places: Locations) -> Iterator[Problem]:
    """What is well-formed but does not fit together; whatever has the wrong form is skipped."""
    contract, runtime, entry = value.get("contract"), value.get("runtime"), value.get("entry")
    if isinstance(contract, str) and contract != CONTRACT:
        yield places.problem(("contract",), f"{quote(contract)} is not a contract that this version speaks.", f'It speaks "{CONTRACT}".')
    file = entry.get("file") if isinstance(entry, dict) else entry
    suffix = _SUFFIXES.get(runtime) if isinstance(runtime, str) else None
    if isinstance(file, str) and suffix and not file.endswith(suffix):
        yield places.problem(("entry",), f"{quote(file)} is not what the runtime '{runtime}' runs.", f"Its code is a {suffix} file.")
    if isinstance(entry, dict) and runtime != "extism" and (maps := sorted({"response", "template"} & set(entry))):
        yield places.problem(
            ("entry", maps[0]), f"exports are mapped for the runtime 'extism' only, not for {quote(runtime)}.", "Remove it."
        )
    if "requires" in value and runtime != "native" and suffix:
        yield places.problem(("requires",), f"modules are installed for the runtime 'native' only, not for {quote(runtime)}.", "Remove it.")
    yield from _keys_unknown(value, places)
    limits = value.get("limits")
    if isinstance(limits, dict) and "vars_kb" in limits and suffix and runtime != "extism":
        yield places.problem(("limits", "vars_kb"), f"variables are for the runtime 'extism' only, not for {quote(runtime)}.", "Remove it.")
    for key, name in (("kinds", ""), ("endpoints", "path"), ("dependencies", "id")):
        given: set[str] = set()
        for i, entry in enumerate(_list(value.get(key))):
            one = entry.get(name) if isinstance(entry, dict) else entry
            if not isinstance(one, str):
                continue
            if one in given:
                yield places.problem((key, i), f"{quote(one)} is given twice.", "Keep one of them.")
            elif key == "dependencies" and one == value.get("id"):
                yield places.problem((key, i), "the plugin depends on itself.", "Remove it.")
            given.add(one)


def _keys_unknown(value: dict[str, Any], places: Locations) -> Iterator[Problem]:
    """Keys of the configuration that permissions name and its schema does not have; only the first part of each is looked at."""
    permissions, schema = value.get("permissions"), value.get("config")
    for name, asked in permissions.items() if isinstance(permissions, dict) else ():
        for key in _list(as_list(asked.get("config"))) if isinstance(asked, dict) else ():
            known = _properties(schema)
            if isinstance(key, str) and is_key(key) and known is not None and (first := key.partition(".")[0]) not in known:
                yield places.problem(
                    ("permissions", str(name), "config"),
                    f"{quote(key)} is not in the schema of its configuration.",
                    suggest(first, known) or "Add it there, under `config: {properties: …}`.",
                )


def _properties(schema: Any) -> set[str] | None:
    """The keys that a configuration has; None where that cannot be told."""
    if not isinstance(schema, dict):
        return set()
    properties = schema.get("properties")
    others = {"patternProperties", "$ref", "allOf", "anyOf", "oneOf"} & set(schema)
    if not isinstance(properties, dict) or others or schema.get("additionalProperties", False) is not False:
        return None
    return set(map(str, properties))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _build(model: ManifestModel, places: Locations) -> Manifest:
    return Manifest(
        id=model.id,
        version=model.version,
        contract=model.contract,
        kinds=frozenset(model.kinds),
        runtime=model.runtime,
        entry=Entry(model.entry.file, model.entry.response or "", dict(model.entry.template)),
        priority=model.priority,
        description=model.description,
        license=model.license,
        authors=tuple(model.authors),
        homepage=model.homepage,
        permissions=model.permissions.build(),
        limits=DEFAULT_LIMITS[model.runtime].overridden(LimitOverrides(**model.limits.model_dump())),
        isolation=model.isolation,
        config_schema=model.config,
        endpoints=tuple(Endpoint(e.path.strip("/"), e.path, frozenset(e.methods)) for e in model.endpoints),
        dependencies=tuple(Dependency(d.id, d.version, d.optional) for d in model.dependencies),
        requires=model.requires.build() if model.requires else Requires(),
        places=places,
    )
