"""`mockforge plugin call` and `mockforge plugin test`: the words around `plugins/testkit/harness.py`."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import orjson

from mockforge_asgi.cli.builtin import plugin_folder
from mockforge_asgi.errors import ConfigError, MockForgeError
from mockforge_asgi.events import Compiling
from mockforge_asgi.exact_json import dumps
from mockforge_asgi.plugins.package.manifest import Manifest
from mockforge_asgi.plugins.package.package import is_left_out
from mockforge_asgi.plugins.testkit.case_verdict import Verdict
from mockforge_asgi.plugins.testkit.cases import DESCRIBE, MAX_BYTES, read_json, read_setting
from mockforge_asgi.plugins.testkit.diff import difference_lines, pretty
from mockforge_asgi.plugins.testkit.harness import Harness
from mockforge_asgi.plugins.testkit.outcome import Outcome
from mockforge_asgi.reload.watcher import Watcher
from mockforge_asgi.text import escape
from mockforge_asgi.types import Json

MIB: Final = 1 << 20
WIDTH: Final = 140
"""The longest answer that is shown on one line."""
POLL_S: Final = 0.3
"""How often `--watch` looks for an edit."""
TOLD_BY_TRACEBACK: Final = frozenset({"exception", "file", "line", "source", "traceback"})
"""Details of a failure that its traceback shows as well."""


@dataclass(frozen=True, slots=True)
class TrialOptions:
    """What is tried. `config` and `host_calls` are JSON, `@file` or None."""

    folder: str
    config: str | None = None
    host_calls: str | None = None
    trust_native: bool = False

    def open(self) -> Harness:
        """The trial of it. Raises PluginRejected, ConfigError."""
        trial = Harness(plugin_folder(self.folder), self.folder.rstrip("/") or self.folder, trust_native=self.trust_native)
        trial.setting = read_setting(_text(self.config, "--config"), _text(self.host_calls, "--host-calls"), trial.setting)
        trial.events.subscribe(_compiling, Compiling)
        return trial


def call(options: TrialOptions, op: str, document: str | None) -> int:
    """Run one operation, print the answer on standard output and what it took on standard error; gives the exit code."""
    sent = None if document is None else read_json(_text(document, "the document") or "", "the document")
    trial = options.open()

    async def run() -> Outcome:
        async with trial:
            return await trial.call(op, sent)

    outcome = asyncio.run(run())
    _say([*_heard(trial.loading), *_heard(outcome), *_failure(outcome), *_used(outcome, trial.package.manifest)])
    if outcome.error is None:
        click.echo("\n".join(map(escape, _shown(outcome.answer).splitlines())))
    return 0 if outcome.error is None else 1


def test(options: TrialOptions, *, only: str = "", update: bool = False) -> int:
    """Run a plugin's cases, print each one's verdict, and how those that fail differ; gives the exit code.

    `only`: those whose name or operation has that text. `update`: write what came into the file of cases.
    """
    trial = options.open()
    verdicts = asyncio.run(_run_cases(trial, only))
    name, count = trial.package.manifest.id, len(verdicts)
    failed = [verdict for verdict in verdicts if verdict.differs is not None]
    if update and (changes := {v.place_of_change: v.differs.got for v in failed if v.differs and v.place_of_change}):
        click.echo(escape(f"{trial.update(changes)}: {len(changes)} expectations updated."))
        failed = [verdict for verdict in failed if not verdict.place_of_change]
    click.echo(escape(f"{name}: {len(failed)} of {count} cases failed." if failed else f"{name}: {count} cases passed."))
    return 1 if failed else 0


def watch(options: TrialOptions, *, only: str = "", update: bool = False) -> int:
    """Run the cases, and again after each edit in the plugin's folder, until Ctrl+C."""
    folder = plugin_folder(options.folder)
    edits = Watcher().watch()
    edits.add_tree(folder, is_left_out)
    try:
        while True:
            seen = edits.poll()
            try:
                test(options, only=only, update=update)
            except MockForgeError as error:
                _say(str(error).splitlines())
            _say(["waiting for an edit; Ctrl+C ends"])
            while edits.poll() == seen:
                time.sleep(POLL_S)
    except KeyboardInterrupt:
        return 0


async def _run_cases(trial: Harness, only: str) -> list[Verdict]:
    verdicts = []
    async with trial:
        async for verdict in trial.run(only):
            verdicts.append(verdict)
            click.echo("\n".join(_verdict(verdict)))
    return verdicts


def _verdict(verdict: Verdict) -> Iterator[str]:
    case, differs, outcome = verdict.case, verdict.differs, verdict.outcome
    took = "" if outcome is None else f"  ({outcome.wall_s * 1000:.2f} ms)"
    yield escape(f"{'ok  ' if differs is None else 'FAIL'}  {case.op}  {case.name}{took}")
    if differs is None:
        return
    if outcome is None:
        yield from _indented([f"{verdict.place}: {differs.what}:", *str(differs.got).splitlines()])
        return
    if outcome.error is not None and case.kind != "error":
        yield from _indented([f"{verdict.place}: it failed; expected:", *_shown(differs.expected).splitlines()])
    else:
        yield from _indented([f"{verdict.place}: {differs.what} differs:", *difference_lines(differs.expected, differs.got)])
    yield from _indented([*_failure(outcome), *_heard(outcome)])


def _indented(lines: list[str] | Iterator[str]) -> list[str]:
    return [f"      {escape(line)}" for line in lines]


def _heard(outcome: Outcome) -> list[str]:
    """What a plugin logged and was denied."""
    return [*(f"{level}: {message}" for level, message in outcome.log), *(f"denied: {what}" for what in outcome.denied)]


def _failure(outcome: Outcome) -> list[str]:
    error = outcome.error
    if error is None:
        return []
    traceback = outcome.traceback.splitlines()
    told = TOLD_BY_TRACEBACK if traceback else {"traceback"}
    details = {key: value for key, value in (error.get("details") or {}).items() if key not in told}
    said = f"failed: {error['message']} ({error['code']}{', retryable' if error['retryable'] else ''})"
    return [said, *([f"  details: {_shown(details, 4 * WIDTH)}"] if details else []), *(traceback if len(traceback) > 1 else [])]


def _used(outcome: Outcome, manifest: Manifest) -> list[str]:
    """Time, slices and memory of a call, as far as its runtime tells."""
    if outcome.op == DESCRIBE:
        return []
    parts = [f"{outcome.wall_s * 1000:.2f} ms in all"]
    if manifest.runtime != "native":
        many = f"{outcome.cpu_s * 1000:.2f} ms computing in {outcome.slices} slices"
        computing = many if outcome.slices > 1 else "within one slice"
        memory = outcome.memory_bytes / MIB
        parts += [computing, f"{memory:.1f} MiB of memory" if memory else f"at most {manifest.limits.memory_mb} MiB of memory"]
    return [f"{outcome.op}: {', '.join(parts)}"]


def _shown(answer: Json, width: int = WIDTH) -> str:
    """The answer as JSON: on one line where it is no longer than that."""
    try:
        line = dumps(answer).decode()
    except orjson.JSONEncodeError:
        return "(the answer is nested too deeply to be shown)"
    return line if len(line) <= width else pretty(answer) or line


def _say(lines: list[str]) -> None:
    for line in lines:
        click.echo(escape(line), err=True)


def _compiling(event: object) -> None:
    if isinstance(event, Compiling) and event.begins:
        _say([f"compiling {event.what} ({event.size_bytes / MIB:.1f} MiB): once, then it is in the cache"])


def _text(given: str | None, name: str) -> str | None:
    """What is given, or what the file behind `@` holds, or with `-` standard input. Raises ConfigError."""
    if given is None or (given != "-" and not given.startswith("@")):
        return given
    try:
        if given == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(given[1:]).open("rb") as opened:
                data = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{name} cannot be read: {given}: {error.strerror}.") from error
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{name} cannot be read: {given} is longer than {MAX_BYTES // MIB} MiB.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name} cannot be read: {given} is not UTF-8 text: {error.reason}.") from None
