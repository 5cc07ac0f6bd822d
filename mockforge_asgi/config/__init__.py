"""The operator's configuration: `mockforge.yaml` → frozen objects.

Importing this costs nothing; pydantic and YAML are loaded when something is read.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mockforge_asgi.config.objects import (
    Config,
    Grants,
    InstancesConfig,
    LimitOverrides,
    LimitsConfig,
    NativeTrust,
    PluginUse,
    ProtectRule,
    Right,
    RouteConfig,
    RouteMatch,
    RouteResponse,
    SecretSource,
    ServerConfig,
    StateConfig,
    TemplatesConfig,
)
from mockforge_asgi.config.sources.objects import NamedQuery, QueryParameter, SourceConfig, SourceLimits


def load_config(
    source: str | os.PathLike[str] | Mapping[str, Any] | Config | None = None,
    *,
    base_dir: Path | None = None,
    dev: bool | None = None,
    own: Collection[str] = (),
) -> Config:
    """The configuration of a file, of a mapping, or (None) the empty one.

    Relative paths start at the file's folder, or at `base_dir`. `dev` wins over what the document says. `own` names
    plugins that exist without an entry under `plugins:`, the developer's own.
    Raises ConfigError with every problem found.
    """
    if isinstance(source, Config):
        return source if dev in (None, source.dev) else replace(source, dev=dev)
    from mockforge_asgi.config.load import load

    return load({"version": 1} if source is None else source, base_dir=base_dir, dev=dev, own=own)


__all__ = [
    "Config",
    "Grants",
    "InstancesConfig",
    "LimitOverrides",
    "LimitsConfig",
    "NamedQuery",
    "NativeTrust",
    "PluginUse",
    "ProtectRule",
    "QueryParameter",
    "Right",
    "RouteConfig",
    "RouteMatch",
    "RouteResponse",
    "SecretSource",
    "ServerConfig",
    "SourceConfig",
    "SourceLimits",
    "StateConfig",
    "TemplatesConfig",
    "load_config",
]
