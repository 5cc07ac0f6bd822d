"""What the code generated from a template runs with: its variables, and its macros, which are counted and leave nothing behind."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from jinja2.environment import Environment
from jinja2.nodes import EvalContext
from jinja2.runtime import Context, Macro
from jinja2.utils import missing

from mockforge_asgi.templates.bounds.meter import meter


class BoundMacro(Macro):
    """A macro whose nesting is counted and whose text is of the environment's format."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        used = meter()
        if used.macros is None:
            used.macros = []
        used.macros.append(self)

    def _invoke(self, arguments: list[Any], autoescape: bool) -> str:
        used = meter()
        used.enter()
        text = self._func(*arguments)
        used.leave()
        return self._environment.format.marked(text) if autoescape else text  # type: ignore[attr-defined]


class Values(dict[str, Any]):
    """The variables of a template by name. One that is not there is `missing`, as generated code wants it."""

    __slots__ = ()

    def __missing__(self, name: str) -> Any:
        return missing


class BoundContext(Context):
    """What generated code runs in: the variables in one mapping that is its own, which generated code looks them up in without a detour.

    `parent` is kept as it is if it is of type `Values`, and copied otherwise. What few templates need is made when they ask for it.
    """

    def __init__(self, environment: Environment, parent: dict[str, Any], name: str | None, blocks: Any, globals: Any = None) -> None:
        self.environment, self.name, self._own_blocks = environment, name, blocks
        self.vars = values = parent if type(parent) is Values else Values(parent)
        self.resolve_or_missing = values.__getitem__  # type: ignore[method-assign,assignment]  # the same, in one step

    @property
    def parent(self) -> dict[str, Any]:  # type: ignore[override]  # Jinja keeps what was given apart from what the template sets
        """The variables."""
        return self.vars

    @cached_property
    def exported_vars(self) -> set[str]:  # type: ignore[override]
        """Names of variables that an importing template sees."""
        return set()

    @cached_property
    def blocks(self) -> dict[str, list[Any]]:  # type: ignore[override]
        """The blocks of this template, and of those that it extends."""
        return {name: [block] for name, block in self._own_blocks.items()}

    @cached_property
    def eval_ctx(self) -> EvalContext:  # type: ignore[override]
        """Whether values are escaped."""
        return EvalContext(self.environment, self.name)

    def get_all(self) -> dict[str, Any]:
        """All variables, for a template that is included."""
        return dict(self.vars)
