"""mockforge.yaml: an application, or a refusal that names its problems."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mockforge_asgi.config import load_config
from mockforge_asgi.errors import ConfigError
from mockforge_asgi.middleware import MockForge
from tests.fuzz.fuzzing import ROOT, Target, kept
from tests.fuzz.said import in_bounds
from tests.fuzz.trees import changer

SEEDS = tuple(path.read_bytes() for path in sorted((ROOT / "examples").glob("*/mockforge.yaml")))

KEPT = tempfile.TemporaryDirectory(prefix="mockforge-fuzz-")
FOLDER = Path(KEPT.name)
FILE = FOLDER / "mockforge.yaml"
(FOLDER / "templates").mkdir()


async def app(scope: object, receive: object, send: object) -> None:
    """Wrapped, and never called."""


def check(data: bytes) -> None:
    """Load it, and make an application of it; nothing is started."""
    FILE.write_bytes(data)
    try:
        config = load_config(FILE)
        made = MockForge(app, config)
    except ConfigError as error:
        in_bounds(error)
        return
    assert made.config.routes == config.routes


TARGET = Target(check, 600, SEEDS, changer([*SEEDS, *kept("config")]), max_bytes=8192)
