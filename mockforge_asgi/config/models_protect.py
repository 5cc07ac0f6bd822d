"""The `protect:` of `mockforge.yaml`, as written: which plugins decide about which paths, and what callers must have."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from mockforge_asgi.config.fields import Glob, Methods, Strict, as_list, matching, short_form
from mockforge_asgi.config.models_backoff import Backoff, BackoffModel
from mockforge_asgi.config.objects import ProtectRule, Requirement
from mockforge_asgi.config.parsing.pydantic_errors import fault
from mockforge_asgi.text import quote


def _role(value: str) -> str:
    if not value or not value.isprintable() or value != value.strip():
        raise fault(f"{quote(value)} is not the name of a role.", "Write it as the auth plugin tells it.")
    return value


Role = Annotated[str, Field(max_length=256), AfterValidator(_role)]
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,256}\Z")
Scope = Annotated[str, *matching(_SCOPE, "a scope", "Scopes are ASCII without blanks, quotes and backslashes (RFC 6749 §3.3).")]


class RolesAndScopes(Strict):
    """Roles and scopes, all of them needed."""

    roles: Annotated[list[Role], Field(min_length=1, max_length=100), *short_form(as_list, {"type": "string"})] = Field(
        default_factory=list, description="Roles that the principal must have.", examples=["[admin]"]
    )
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=100), *short_form(as_list, {"type": "string"})] = Field(
        default_factory=list, description="Scopes that the claims must tell of.", examples=["[orders:write]"]
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise fault("requires nothing.", "Write {roles: [admin]} or {scopes: [orders:write]}.")
        return self

    def build(self) -> Requirement:
        """The frozen form."""
        return Requirement(tuple(dict.fromkeys(self.roles)), tuple(dict.fromkeys(self.scopes)))


class RequireModel(RolesAndScopes):
    """What a caller that auth lets pass must have."""

    any: Annotated[list[RolesAndScopes], Field(min_length=1, max_length=100)] = Field(
        default_factory=list, description="Alternatives, one of which is enough."
    )

    def build(self) -> Requirement:
        """The frozen form."""
        return replace(super().build(), any=tuple(one.build() for one in self.any))


class ProtectModel(Strict):
    """One rule: who decides about requests to these paths."""

    path: Glob = Field(description="Path glob: `*` within a segment, `**` for any number of them.", examples=["/hello/**"])
    auth: Annotated[list[str], Field(min_length=1), *short_form(as_list, {"type": "string"})] = Field(
        description="Auth plugins by their name under `plugins:`.", examples=["[my-auth]"]
    )
    mode: Literal["first", "any", "all", "optional"] = Field(default="first", description="How several decisions become one.")
    methods: Methods = Field(default_factory=list, description="Methods it holds for; all if left out.")
    preflight: Literal["cors", "app"] = Field(
        default="cors", description="Who answers CORS preflights before auth: `cors` of this configuration, or the wrapped `app`."
    )

    backoff: Backoff | None = Field(
        default=None, description="`false`, or numbers of its own for callers with wrong credentials; those of `backoff:` if left out."
    )
    require: RequireModel | None = Field(
        default=None, description="Roles and scopes that whoever auth lets pass must have, all of them; of `any`, one alternative."
    )

    @model_validator(mode="after")
    def _requires_a_caller(self) -> ProtectModel:
        if self.require is not None and self.mode == "optional":
            raise fault(
                "`require` with `mode: optional` would be met by sending no credentials.", "Write `mode: first`, or leave one of them out."
            )
        return self

    def build(self, backoff: BackoffModel) -> ProtectRule:
        """The frozen form; `backoff` holds where the rule has none of its own."""
        require = None if self.require is None else self.require.build()
        kept = backoff.build() if self.backoff is None else self.backoff.build(scope=self.path)
        return ProtectRule(self.path, tuple(self.auth), self.mode, frozenset(self.methods), self.preflight, kept, require)

    @model_validator(mode="after")
    def _covers_preflights(self) -> ProtectModel:
        if "preflight" in self.model_fields_set and self.methods and "OPTIONS" not in self.methods:
            raise fault("`preflight` has no effect: the rule does not hold for OPTIONS.", "Add OPTIONS to `methods`, or leave it out.")
        return self
