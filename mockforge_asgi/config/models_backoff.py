"""The `backoff:` of `mockforge.yaml`, at its top and in a rule of `protect:`, as written."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, PrivateAttr, model_validator

from mockforge_asgi.config.fields import Strict, short_form
from mockforge_asgi.config.parsing.pydantic_errors import fault
from mockforge_asgi.http.backoff import DEFAULT as _DEFAULT
from mockforge_asgi.http.backoff import BackoffConfig


class BackoffModel(Strict):
    """After how many wrong credentials callers have to wait, and how long."""

    attempts: int = Field(default=_DEFAULT.attempts, ge=1, le=10_000, description="So many for one user name from one address.")
    attempts_from_address: int = Field(
        default=_DEFAULT.attempts_from_address, ge=1, le=100_000, description="So many from one address, whatever the names."
    )
    delay_s: float = Field(
        default=_DEFAULT.delay_s, ge=0.1, le=3600, description="The first delay in seconds; each further one doubles it."
    )
    max_delay_s: float = Field(default=_DEFAULT.max_delay_s, ge=0.1, le=86_400, description="The longest delay in seconds.")
    forget_s: float = Field(
        default=_DEFAULT.forget_s,
        ge=1,
        le=86_400,
        description="Seconds without a failure after which all is forgotten; a part of them, a part.",
    )
    _is_on: bool = PrivateAttr(default=True)

    @classmethod
    def switched(cls, is_on: bool) -> BackoffModel:
        """A word in place of numbers: those that are not written, or none."""
        model = cls.model_construct()
        model._is_on = is_on
        return model

    @model_validator(mode="after")
    def _fits(self) -> BackoffModel:
        if self.delay_s > self.max_delay_s:
            raise fault(f"delay_s ({self.delay_s:g}) is more than max_delay_s ({self.max_delay_s:g}).", "Raise max_delay_s.")
        return self

    def build(self, scope: str = "") -> BackoffConfig | None:
        """What it says; None: nobody ever waits."""
        return BackoffConfig(**self.model_dump(), scope=scope) if self._is_on else None


def _switch(value: Any) -> Any:
    return BackoffModel.switched(value) if isinstance(value, bool) else value


Backoff = Annotated[BackoffModel, *short_form(_switch, {"type": "boolean"})]
"""Numbers, or true or false."""
