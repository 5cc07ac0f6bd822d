"""Randomness comes from the host, but for `random` itself, which is seeded."""

from __future__ import annotations

import pytest

from tests.support.asking_plugin import run
from tests.support.memory_host_calls import HostCalls
from tests.support.python_sandbox_harness import Sandbox


@pytest.mark.parametrize(
    "code",
    [
        "import os; r = os.urandom(4).hex()",
        "import secrets; r = secrets.token_urlsafe(8)",
        "import uuid; r = str(uuid.uuid4())",
        "import uuid; r = str(uuid.uuid1())",
        "import random; r = random.SystemRandom().random()",
        "import random; random.seed(); r = random.random()",
        "import random; r = random.Random().random()",
        "import secrets; r = secrets.choice('abc')",
        "import sys; r = sys.modules['posix'].urandom(4).hex()",
        "import uuid; r = str(uuid.uuid7())",
    ],
)
def test_real_randomness_is_asked_of_the_host(sandbox: Sandbox, code: str) -> None:
    doors = HostCalls()
    assert run(sandbox, code, doors)
    assert "random.bytes" in doors.asked


@pytest.mark.parametrize(
    "code",
    [
        "import random; r = random.random()",
        "import random; r = random.Random(3).random()",
        "import random; random.seed('a'); r = random.gauss(0, 1)",
    ],
)
def test_seeded_randomness_asks_nobody(sandbox: Sandbox, code: str) -> None:
    doors = HostCalls()
    assert run(sandbox, code, doors) == run(sandbox, code)
    assert doors.asked == []
