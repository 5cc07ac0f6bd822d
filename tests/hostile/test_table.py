"""Every hostile guest of the table ends in its budget: the process lives, others are answered, and nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from mockforge_asgi.errors import MockForgeError, PluginUnavailable
from mockforge_asgi.events import CallFinished
from mockforge_asgi.wasm import host
from mockforge_asgi.wasm.component import rerun
from mockforge_asgi.wasm.fiber import Budget
from tests.hostile.arena import LATE_S, Arena, arena, ask
from tests.hostile.cases import Case
from tests.hostile.python_cases import plugin
from tests.hostile.table import CASES

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Arena]:
    """One product for all cases: what one of them left behind, the others would show."""
    subprocess.run([sys.executable, "-m", "tests.hostile.precompile"], cwd=ROOT, check=True, timeout=300)
    async with arena(tmp_path_factory.mktemp("arena")) as made:
        made.put(await made.load(plugin("pass"), "python", {}))  # loads the component that all of them share
        await made.take_out()
        gc.collect()
        gc.freeze()  # or each count of what is left would look through all that pytest holds
        yield made
        gc.unfreeze()


@pytest.fixture(autouse=True)
def short_setup(monkeypatch: pytest.MonkeyPatch) -> None:
    """The budgets of making an instance ready and of running a call again, shortened: what never ends takes all of them."""
    monkeypatch.setattr(host, "SETUP", Budget(cpu_s=0.1, timeout_s=30.0, output_bytes=1 << 20, is_fixed=True))
    monkeypatch.setattr(rerun, "_LEAST_S", 0.03)
    monkeypatch.setattr(rerun, "_MOST_S", 0.03)


def check(case: Case, said: object) -> None:
    """It ended as the table says."""
    if case.ends == "null":
        assert said is None
    elif case.ends == "an answer":
        assert not isinstance(said, Exception) and said is not None, said
    else:
        assert case.ends in [kind.__name__ for kind in type(said).__mro__], f"{type(said).__name__}: {said}"
        assert re.search(case.words, str(said)), said
        assert len(str(said)) < 20_000


async def ended(ground: Arena, case: Case) -> object:
    """How it ended, with other requests on their way meanwhile."""
    try:
        plugin = await ground.load(case.code, case.runtime, case.all_limits, case.more)
    except MockForgeError as error:
        return error
    ground.put(plugin)
    try:
        if case.step == "call":
            return await ask(plugin)
    finally:
        ground.seen.clear()
        await ground.take_out()
    return next((f"LimitExceeded {e.error}" for e in ground.seen if isinstance(e, CallFinished) and e.outcome == "limit"), None)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_a_hostile_guest_ends_in_its_budget(ground: Arena, case: Case) -> None:
    before = await ground.settle()
    async with ground.probed():
        said = await ended(ground, case)
    if case.step == "stop":
        assert str(said).startswith(case.ends) and re.search(case.words, str(said)), said
    else:
        check(case, said)
    assert ground.slowest_s < LATE_S
    assert (await ground.client.get("/good")).text == "good"
    del said
    assert not (await ground.settle(before)).beyond(before)


@pytest.mark.parametrize("case", [c for c in CASES if c.step == "call" and c.many], ids=lambda case: case.id)
async def test_twenty_of_a_kind_end_as_one_does(ground: Arena, case: Case) -> None:
    before = await ground.settle()
    more = {**case.more, "isolation": "per_request"}
    plugin = await ground.load(case.code, case.runtime, case.limits_of_many, more)
    ground.put(plugin)
    async with ground.probed():
        ends = await asyncio.gather(*(ask(plugin) for _ in range(20)))
        await ground.take_out()
    told = [said for said in ends if not isinstance(said, PluginUnavailable)]
    assert told
    for said in told:
        check(case, said)
    assert ground.slowest_s < LATE_S
    del plugin, ends, told, said
    assert not (await ground.settle(before)).beyond(before)
