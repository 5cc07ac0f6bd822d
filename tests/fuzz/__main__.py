"""Fuzzes one target with atheris (libFuzzer), or all of them in turn: `scripts/fuzz [TARGET] [--seconds N | --runs N]`.

What comes of it lies in `.fuzz/TARGET/` (or below `--into`): the grown corpus, and an input for every crash. The exit status is
0 where nothing was found, 2 where atheris is missing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.fuzz.fuzzing import CORPUS, ROOT, TARGETS, Mutate, kept, target

INSTRUMENTED = ["mockforge_asgi", "mockforge_plugin", "zipfile", "tests.support"]
"""Modules whose branches guide the fuzzer."""


def main() -> int:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description="Fuzz the product with atheris.")
    parser.add_argument("target", nargs="?", choices=sorted(TARGETS), help="the target; all in turn if left out")
    bound = parser.add_mutually_exclusive_group()
    bound.add_argument("--seconds", type=int, default=60, help="how long, for each target (default: 60)")
    bound.add_argument("--runs", type=int, help="how many inputs instead")
    parser.add_argument("--seed", type=int, default=0, help="of the fuzzer's choices (default: 0, another one each time)")
    parser.add_argument("--into", type=Path, default=ROOT / ".fuzz", help="where grown corpora and crashes are kept (default: .fuzz)")
    parser.add_argument("--input", type=Path, help="run the target on this one file, without atheris")
    options = parser.parse_args()
    if options.input is not None:
        if options.target is None:
            parser.error("--input needs a target")
        target(options.target).check(options.input.read_bytes())
        return 0
    if options.target is None:
        return _all(sys.argv[1:])
    try:
        import atheris  # noqa: F401
    except ImportError:
        print("scripts/fuzz: atheris is not installed: pip install 'mockforge-asgi[fuzz]'", file=sys.stderr)
        return 2
    bounds = [f"-max_total_time={options.seconds}"] if options.runs is None else [f"-runs={options.runs}"]
    _one(options.target, options.into.absolute() / options.target, [f"-seed={options.seed}", *bounds])
    return 0


def _all(arguments: list[str]) -> int:
    failed = {}
    for name, what in TARGETS.items():
        print(f"== {name}: {what}", file=sys.stderr, flush=True)
        if status := subprocess.run([sys.executable, "-m", "tests.fuzz", name, *arguments], cwd=ROOT, check=False).returncode:
            failed[name] = status
    print(f"found something: {', '.join(failed)}" if failed else "found nothing", file=sys.stderr)
    return max(failed.values(), default=0)


def _one(name: str, folder: Path, flags: list[str]) -> None:
    """Ends the process: libFuzzer does."""
    import atheris

    with atheris.instrument_imports(include=INSTRUMENTED):
        chosen = target(name)
        for seed in (*chosen.seeds, *kept(name)):
            chosen.check(seed)  # what is imported late is instrumented too
    grown, words = folder / "corpus", folder / "words.dict"
    grown.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(chosen.seeds):
        (grown / f"seed-{number}").write_bytes(seed)
    words.write_text("".join('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in chosen.words))
    folders = [str(each) for each in (grown, CORPUS / name) if each.is_dir()]
    limits = [f"-max_len={chosen.max_bytes}", "-len_control=0", "-timeout=60", "-rss_limit_mb=4096"]
    dictionary = [f"-dict={words}"] if chosen.words else []
    arguments = [sys.argv[0], *flags, *limits, *dictionary, f"-artifact_prefix={folder}/", *folders]
    if chosen.mutate is None:
        atheris.Setup(arguments, chosen.check)
    else:
        atheris.Setup(arguments, chosen.check, custom_mutator=_mutator(chosen.mutate))
    atheris.Fuzz()


def _mutator(mutate: Mutate) -> Callable[[bytes, int, int], bytes]:
    """The target's own changes and libFuzzer's, in turn."""
    import atheris

    def changed(data: bytes, max_size: int, seed: int) -> bytes:
        random = Random(seed)
        made = data if random.random() < 0.3 else mutate(data, random)
        if made is data or len(made) > max_size:
            made = atheris.Mutate(data, max_size)  # another function once the fuzzer runs: not to be kept
        return made

    return changed


if __name__ == "__main__":
    sys.exit(main())
