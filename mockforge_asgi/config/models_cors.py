"""The `cors:` of `mockforge.yaml`, as written."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from mockforge_asgi.config.fields import AnyMethod, HeaderName, Strict, as_list, short_form
from mockforge_asgi.config.parsing.pydantic_errors import fault
from mockforge_asgi.http.cors import Cors
from mockforge_asgi.text import quote

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?\Z")
_HOST_END = re.compile(r"[/?#\s]")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_TEXT = {"type": "string"}


def _origin(value: str) -> str:
    """An origin as browsers write it; anything else would never be equal to what they send."""
    if value in ("*", "null"):
        return value
    scheme, _, rest = value.lower().partition("://")
    host = _HOST_END.split(rest, maxsplit=1)[0].rpartition("@")[2]
    right = f"{scheme}://{host}".removesuffix(_DEFAULT_PORTS.get(scheme, " "))
    if not _ORIGIN.match(value) or value != right:
        meant = f"Write {quote(right)}." if _ORIGIN.match(right) else "Write one such as https://app.example.com, or '*' for all."
        raise fault(f"{quote(value)} is not an origin as browsers send it.", meant)
    return value


Names = Annotated[list[HeaderName], Field(max_length=256), *short_form(as_list, _TEXT)]


class CorsModel(Strict):
    """Which pages of other origins may read answers, and what they may send."""

    origins: Annotated[list[Annotated[str, AfterValidator(_origin)]], Field(max_length=1024), *short_form(as_list, _TEXT)] = Field(
        description="Origins of pages that may read answers; `*` for all, [] for none.", examples=["[https://app.example.com]"]
    )
    credentials: bool = Field(default=False, description="Whether these pages may send cookies and other credentials of the browser.")
    methods: Annotated[list[AnyMethod], Field(max_length=32), *short_form(as_list, _TEXT)] = Field(
        default=["*"], description="Methods that pages may use; `*` for all."
    )
    headers: Names = Field(default=["*"], description="Request headers that pages may set; `*` for all.")
    expose: Names = Field(default=["*"], description="Headers of answers that pages may read; `*` for all.")
    max_age_s: int = Field(default=600, ge=0, le=86_400, description="How long browsers may remember a preflight.")
    private_network: bool = Field(default=False, description="Whether public pages may call a server in a private network.")

    @model_validator(mode="after")
    def _credentials_are_for_named_origins(self) -> CorsModel:
        if self.credentials and (unnamed := next((o for o in ("*", "null") if o in self.origins), None)):
            raise fault(f"`credentials` and the origin '{unnamed}' would open what users may see to any page.", "Name the origins.")
        if self.credentials and "expose" in self.model_fields_set and "*" in self.expose:
            raise fault("`expose: '*'` has no effect beside `credentials`.", "Name the headers.")
        return self

    def build(self) -> Cors:
        """What it says."""
        return Cors(
            frozenset(self.origins),
            frozenset(self.methods),
            frozenset(self.headers),
            tuple(name for name in self.expose if not (self.credentials and name == "*")),
            self.credentials,
            self.max_age_s,
            self.private_network,
        )
