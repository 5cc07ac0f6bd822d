"""The plugin's own cases, native as it ships, and sandboxed."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockforge_asgi.testing import Harness
from plugins_builtin.auth_hmac.tests.mock import FOLDER, sandboxed


@pytest.mark.parametrize("runtime", ["native", "python"])
async def test_the_cases_hold(runtime: str, tmp_path: Path) -> None:
    async with Harness(FOLDER if runtime == "native" else sandboxed(tmp_path)) as plugin:
        assert plugin.package.manifest.runtime == runtime
        verdicts = [verdict async for verdict in plugin.run()]
    assert len(verdicts) > 10
    assert [(verdict.case.name, verdict.differs) for verdict in verdicts if verdict.differs is not None] == []
