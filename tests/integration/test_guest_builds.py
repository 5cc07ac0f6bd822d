"""Guests in other languages: built from source where the toolchain is here, and the prebuilt ones belong to their sources."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import pytest

from mockforge_asgi.plugins.testkit.harness import Harness
from tests.support.extism_guests import GREET, PLAIN, ROOT, ExtismBench, extism_bench
from tests.support.toolchains import missing

KIT = ROOT / "sdk" / "rust"
CRATES = {GREET.parent: GREET, PLAIN.parent / "rust": PLAIN} | {KIT / name: KIT / name / f"{name}.wasm" for name in ("golden", "hello")}
MOST_KIB = {"golden": 440, "hello": 220}
"""The size of a module that is kept; 200 unless it is named here."""
RUSTC, CARGO = os.environ.get("RUSTC", "/usr/bin/rustc"), os.environ.get("CARGO", "/usr/bin/cargo")


@pytest.fixture
async def stand() -> AsyncIterator[ExtismBench]:
    async with extism_bench() as made:
        yield made


@pytest.mark.parametrize("crate", CRATES, ids=lambda crate: crate.name)
def test_a_prebuilt_plugin_was_built_from_the_sources_beside_it(crate: Path) -> None:
    _, *lines = (crate / "built-from.txt").read_text().splitlines()
    recorded = {name: digest for digest, name in (line.split() for line in lines)}
    sources = {
        path.relative_to(crate).as_posix(): path for path in (crate / "Cargo.toml", crate / "Cargo.lock", *(crate / "src").glob("*.rs"))
    }
    if crate.parent == KIT:
        sources |= {f"kit/{path.relative_to(KIT).as_posix()}": path for path in (KIT / "Cargo.toml", *(KIT / "src").glob("*.rs"))}
    assert recorded == {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in sources.items()}
    assert CRATES[crate].stat().st_size <= MOST_KIB.get(crate.name, 200) << 10


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder to build in, so that the standard library is compiled once: its place is part of the compiler's arguments.

    It is laid out as `sdk/rust`: the kit, and a crate below it.
    """
    made = tmp_path_factory.mktemp("workshop")
    for name in ("Cargo.toml", "Cargo.lock"):
        shutil.copy(KIT / name, made)
    shutil.copytree(KIT / "src", made / "src")
    shutil.copytree(KIT / "tests", made / "tests")
    shutil.copytree(KIT / "hello", made / "hello", ignore=shutil.ignore_patterns("target", "*.wasm"))
    return made


def cargo_test(crate: Path, workshop: Path) -> subprocess.CompletedProcess[str]:
    """The crate's own tests."""
    environment = {**os.environ, "RUSTC": RUSTC, "CARGO_TARGET_DIR": str(workshop / "target")}
    return subprocess.run(
        [CARGO, "test", "--quiet", "--lib", "--tests"], cwd=crate, env=environment, capture_output=True, text=True, check=False, timeout=400
    )


def go_build(made: Path) -> subprocess.CompletedProcess[str]:
    """The plugin in Go."""
    build = ["go", "build", "-mod=readonly", "-trimpath", "-buildmode=c-shared", "-o", str(made), "."]
    environment = {**os.environ, "GOOS": "wasip1", "GOARCH": "wasm"}
    return subprocess.run(build, cwd=PLAIN.parent / "go", env=environment, capture_output=True, text=True, check=False)


Beside: TypeAlias = dict[str, Future[subprocess.CompletedProcess[str]]]


@pytest.fixture(scope="module")
def beside(request: pytest.FixtureRequest, workshop: Path) -> Iterator[Beside]:
    """What runs beside the builds of Rust modules, which leave a core free for long: one at a time, and only for tests that run."""
    asked_for = {item.name for item in request.session.items}
    work: dict[str, Callable[[], subprocess.CompletedProcess[str]]] = {
        f"{cargo_tests}[kit]": lambda: cargo_test(workshop, workshop),
        f"{cargo_tests}[hello]": lambda: cargo_test(workshop / "hello", workshop),
        test_a_go_plugin_counts_prints_and_sleeps.__name__: lambda: go_build(workshop / "go.wasm"),
    }
    has_tool = {name: Path(CARGO).exists() if "[" in name else shutil.which("go") is not None for name in work}
    with ThreadPoolExecutor(1) as lane:
        yield {name: lane.submit(run) for name, run in work.items() if name in asked_for and has_tool[name]}
        lane.shutdown(cancel_futures=True)


@pytest.mark.parametrize("crate", CRATES, ids=lambda crate: crate.name)
def test_the_same_toolchain_builds_the_same_bytes(crate: Path, workshop: Path, beside: Beside) -> None:
    wanted = (crate / "built-from.txt").read_text().splitlines()[0]
    found = (
        subprocess.run([RUSTC, "--version"], capture_output=True, text=True, check=False).stdout.strip() if Path(RUSTC).exists() else "none"
    )
    if found != wanted:
        missing(f"needs {wanted} as {RUSTC}, with the sources of its standard library, cargo and lld; here is {found}")
    copy, made = workshop / "crate", workshop / "made.wasm"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(crate, copy, ignore=shutil.ignore_patterns("target", "*.wasm"))
    environment = {**os.environ, "RUSTC": RUSTC, "CARGO": CARGO, "CARGO_TARGET_DIR": str(workshop / "target")}
    built = subprocess.run([ROOT / "sdk/rust/build.sh", copy, made], env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[-2000:]
    assert (copy / "built-from.txt").read_text() == (crate / "built-from.txt").read_text()
    assert made.read_bytes() == CRATES[crate].read_bytes()


def test_a_compiler_that_cannot_make_webassembly_is_told_with_the_way_out(tmp_path: Path) -> None:
    rustc = tmp_path / "rustc"
    rustc.write_text(f"#!/bin/sh\necho {tmp_path}\n")
    rustc.chmod(0o755)
    command = [ROOT / "sdk/rust/build.sh", KIT / "hello", tmp_path / "made.wasm"]
    built = subprocess.run(command, env={**os.environ, "RUSTC": str(rustc)}, capture_output=True, text=True, check=False)
    assert built.returncode == 1 and "With rustup run: rustup target add wasm32-unknown-unknown" in built.stderr
    assert "RUSTC=/usr/bin/rustc CARGO=/usr/bin/cargo" in built.stderr and not (tmp_path / "made.wasm").exists()


@pytest.mark.parametrize("crate", ["kit", "hello"])
def test_the_kit_and_its_example_pass_their_own_tests(crate: str, beside: Beside) -> None:
    if not Path(CARGO).exists():
        missing(f"needs cargo as {CARGO}")
    done = beside[f"{cargo_tests}[{crate}]"].result()
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "test result: ok." in done.stdout and " 0 failed" in done.stdout


cargo_tests = test_the_kit_and_its_example_pass_their_own_tests.__name__


async def test_the_kits_example_passes_its_cases() -> None:
    async with Harness(KIT / "hello") as trial:
        assert [verdict.differs async for verdict in trial.run()] == [None, None, None]


async def test_a_go_plugin_counts_prints_and_sleeps(stand: ExtismBench, workshop: Path, beside: Beside) -> None:
    if shutil.which("go") is None:
        missing("needs Go")
    built = beside[test_a_go_plugin_counts_prints_and_sleeps.__name__].result()
    if built.returncode:
        missing(f"Go cannot build it here: {built.stderr[-300:]}")
    ours = await stand.instance((workshop / "go.wasm").read_bytes(), memory_bytes=16 << 20)
    assert await ours.invoke(stand.fiber(), "count_vowels", b"Hello") == b'{"count":2,"total":2}'
    assert await ours.invoke(stand.fiber(), "count_vowels", b"World") == b'{"count":1,"total":3}'
    assert await ours.invoke(stand.fiber(), "chatter", b"") == b"7 1700000000 0"
    assert stand.doors.log == [("info", "to standard output"), ("warn", "to standard error"), ("info", "by the log function")]
    await ours.invoke(stand.fiber(), "sleeps", b"")
    assert stand.doors.asked == [("clock.sleep", {"ns": 1_000_000})]
