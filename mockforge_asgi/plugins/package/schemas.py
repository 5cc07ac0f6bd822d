"""The JSON Schemas of `plugin.yaml` and `mockforge.yaml`, for editors; made from what the readers check."""

from __future__ import annotations

from typing import Any, Literal

from mockforge_asgi.config.models import ConfigModel
from mockforge_asgi.plugins.package.manifest_models import ManifestModel

TITLES = {"manifest": "plugin.yaml", "config": "mockforge.yaml"}


def json_schema(which: Literal["manifest", "config"]) -> dict[str, Any]:
    """The schema of one of the two files (JSON Schema 2020-12)."""
    model = ManifestModel if which == "manifest" else ConfigModel
    schema = model.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_without_titles(schema), "title": TITLES[which]}


def _without_titles(value: Any, is_properties: bool = False) -> Any:
    """Without the titles that only repeat the names of keys."""
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if is_properties or k != "title" or not isinstance(v, str)}
        return {k: _without_titles(v, k in ("properties", "$defs") and not is_properties) for k, v in kept.items()}
    return [_without_titles(v) for v in value] if isinstance(value, list) else value
