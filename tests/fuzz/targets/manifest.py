"""plugin.yaml: a manifest, or a refusal that names its problems; nothing else, and in bounded words."""

from __future__ import annotations

import yaml

from mockforge_asgi.errors import PluginRejected
from mockforge_asgi.plugins.package.manifest import Manifest, read_manifest
from mockforge_asgi.plugins.package.package import checked_path
from mockforge_asgi.plugins.package.versions import is_range, is_version
from mockforge_asgi.security.messages import describe
from tests.fuzz.fuzzing import ROOT, Target, kept
from tests.fuzz.said import in_bounds
from tests.fuzz.trees import changer

SEEDS = tuple(path.read_bytes() for path in sorted((ROOT / "examples").glob("*/plugins/*/plugin.yaml")))


def check(data: bytes) -> None:
    """Read it, and look at what was read."""
    try:
        manifest = read_manifest(data)
    except PluginRejected as error:
        in_bounds(error)
        return
    assert isinstance(manifest, Manifest) and manifest == read_manifest(data)
    assert checked_path(manifest.entry.file) == manifest.entry.file
    assert is_version(manifest.version) and all(is_range(d.version) for d in manifest.dependencies)
    assert all(describe(permission.right).isprintable() for permission in manifest.permissions.asked.values())
    assert yaml.load(data, Loader=yaml.CSafeLoader)["id"] == manifest.id


TARGET = Target(check, 1_000, SEEDS, changer([*SEEDS, *kept("manifest")]), max_bytes=8192)
