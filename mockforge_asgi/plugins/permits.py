"""Which of the operator's templates a plugin may have rendered: those on the operator's list for it, `*` being all."""

from __future__ import annotations

from typing import Protocol

from mockforge_asgi.errors import PluginFailed


class TemplateRights(Protocol):
    """What is known of a plugin, as far as templates go."""

    @property
    def templates(self) -> frozenset[str]:
        """Names of the templates that its answers may ask for."""
        ...


def permit_template(plugin: str, rights: TemplateRights, op: str, template: str) -> None:
    """Raises PluginFailed when the template is not on the list."""
    if template not in rights.templates and "*" not in rights.templates:
        what = f"it asks for template {template!r}; allow it with `templates: [{template}]` under plugins.{plugin}"
        raise PluginFailed(plugin, op, what, code="denied")
