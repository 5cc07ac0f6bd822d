"""The runtime: loading, refusing, reloading, several mounts, other loops, forks."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mockforge_asgi.errors import ConfigError, MockForgeError, PluginRejected, PluginUnavailable, UnsupportedPlatform
from mockforge_asgi.events import Event, PluginLoaded, PluginRefused, PluginStopped
from mockforge_asgi.runtime import PluginRuntime
from tests.support.plugin_packages import minimal

SOURCE = """from mockforge_plugin import TemplatePlugin, function

class Words(TemplatePlugin):
    @function
    def word(self) -> str:
        return {word!r}
"""

Write = Callable[..., dict[str, Any]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a plugin folder and gives its `plugins:` entry."""

    def writes(name: str = "words", word: str = "one", more: str = "", source: str = SOURCE) -> dict[str, Any]:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "plugin.yaml").write_text(minimal(name, more))
        (folder / "plugin.py").write_text(source.format(word=word))
        return {"use": str(folder)}

    return writes


def config(**plugins: dict[str, Any]) -> dict[str, Any]:
    return {"version": 1, "dev": True, "plugins": plugins}


async def word(runtime: PluginRuntime, name: str = "words") -> Any:
    return await runtime.plugin(name).call_function(None, "word", [], {})


def heard(runtime: PluginRuntime) -> list[Event]:
    events: list[Event] = []
    runtime.events.subscribe(events.append)
    return events


async def test_a_started_runtime_answers_and_a_stopped_one_does_not(write: Write) -> None:
    runtime = PluginRuntime(config(words=write()))
    events = heard(runtime)
    await runtime.start()
    assert await word(runtime) == "one"
    await runtime.stop()
    assert [type(e) for e in events if isinstance(e, PluginLoaded | PluginStopped)] == [PluginLoaded, PluginStopped]
    with pytest.raises(UnsupportedPlatform, match="not started"):
        runtime.plugin("words")


async def test_it_stops_with_its_last_mount(write: Write) -> None:
    runtime = PluginRuntime(config(words=write()))
    await asyncio.gather(runtime.start(), runtime.start())
    await runtime.stop()
    assert await word(runtime) == "one"
    await runtime.stop()
    assert not runtime.is_ready


async def test_an_edit_counts_from_the_next_refresh_on(write: Write) -> None:
    runtime = PluginRuntime(config(words=write()))
    await runtime.start()
    before = runtime.registry.generation
    await runtime.refresh()
    assert runtime.registry.generation == before
    write(word="two, and longer")
    await runtime.refresh()
    assert await word(runtime) == "two, and longer"
    await runtime.stop()


async def test_a_call_that_comes_after_an_edit_to_a_request_from_before_it_is_answered(write: Write) -> None:
    runtime = PluginRuntime(config(words=write()))
    await runtime.start()
    before = runtime.plugin("words")
    write(word="two")
    await runtime.refresh()
    await runtime.registry._retired()
    assert await before.call_function(None, "word", [], {}) == "two"
    await runtime.stop()
    with pytest.raises(PluginUnavailable, match="being stopped"):
        await before.call_function(None, "word", [], {})


async def test_a_broken_edit_keeps_the_last_good_one_and_names_the_line(write: Write) -> None:
    runtime = PluginRuntime(config(words=write()))
    await runtime.start()
    events = heard(runtime)
    write(source="from mockforge_plugin import TemplatePlugin\n\ndef broken(:\n    pass\n# {word}\n")
    await runtime.refresh()
    await runtime.refresh()
    refused = [e for e in events if isinstance(e, PluginRefused)]
    assert len(refused) == 1
    assert refused[0].kept_last_good
    assert 'File "plugin.py", line 3' in refused[0].reason
    assert await word(runtime) == "one"
    write(word="mended")
    await runtime.refresh()
    assert await word(runtime) == "mended"
    await runtime.stop()


async def test_an_edit_outlives_the_request_that_began_to_load_it(write: Write) -> None:
    runtime = PluginRuntime(config(words=write()))
    await runtime.start()
    write(word="two, and longer")
    loading = asyncio.ensure_future(runtime.refresh())
    await asyncio.sleep(0)
    loading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loading
    assert await word(runtime) == "one"
    await runtime.refresh()
    assert await word(runtime) == "two, and longer"
    await runtime.stop()


async def test_of_several_edits_each_counts_as_soon_as_it_is_loaded(write: Write) -> None:
    runtime = PluginRuntime(config(one=write("one"), two=write("two")))
    await runtime.start()
    for name in ("one", "two"):
        write(name, word="edited, and longer")
    current: list[Any] = []
    before = {name: runtime.plugin(name) for name in ("one", "two")}
    runtime.events.subscribe(lambda _: current.append([n for n in before if runtime.plugin(n) is not before[n]]), PluginLoaded)
    await runtime.refresh()
    assert current == [[], ["one"]]
    await runtime.stop()


@pytest.mark.parametrize("turns", [1, 20, 200])
async def test_an_edit_that_is_being_loaded_at_the_end_is_stopped_too(write: Write, turns: int) -> None:
    runtime = PluginRuntime(config(**{name: {**write(name), "native": {"trust": "path"}} for name in ("one", "two")}))
    for name in ("one", "two"):
        (Path(runtime.config.plugins[name].path) / "plugin.yaml").write_text(
            minimal(name, "").replace("runtime: python", "runtime: native")
        )
    events = heard(runtime)
    await runtime.start()
    for name in ("one", "two"):
        (Path(runtime.config.plugins[name].path) / "plugin.py").write_text(SOURCE.format(word="edited, and longer"))
    refreshing = asyncio.ensure_future(runtime.refresh())
    for _ in range(turns):
        await asyncio.sleep(0)
    await runtime.stop()
    await refreshing
    loaded, stopped = (sum(isinstance(event, kind) for event in events) for kind in (PluginLoaded, PluginStopped))
    assert loaded == stopped


async def test_a_start_whose_caller_left_serves_the_next_and_ends(write: Write) -> None:
    runtime = PluginRuntime(config(words=write()))
    waiting = asyncio.ensure_future(runtime.ensure())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    while not runtime.is_ready:
        await asyncio.sleep(0.001)
    await runtime.stop()
    await runtime.start()
    assert await word(runtime) == "one"
    await runtime.stop()


async def test_a_start_that_failed_when_its_caller_had_left_is_tried_anew(write: Write) -> None:
    runtime = PluginRuntime(config(words=write(source="{word}(")))
    waiting = asyncio.ensure_future(runtime.ensure())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert runtime._starting is not None
    await asyncio.wait([runtime._starting])
    write()
    await runtime.start()
    assert await word(runtime) == "one"
    await runtime.stop()


async def test_a_second_loop_starts_its_own_while_the_first_still_starts(write: Write) -> None:
    runtime = PluginRuntime(config(words=write()))
    starting = asyncio.ensure_future(runtime.start())
    await asyncio.sleep(0)

    async def elsewhere() -> Any:
        await runtime.start()
        return await word(runtime)

    assert await asyncio.to_thread(lambda: asyncio.run(elsewhere())) == "one"
    await starting
    assert await word(runtime) == "one"
    await runtime.stop()


async def test_calls_of_an_old_generation_end_in_peace(write: Write) -> None:
    runtime = PluginRuntime(config(words=write()))
    await runtime.start()
    old = runtime.plugin("words")
    running = asyncio.ensure_future(old.call_function(None, "word", [], {}))
    write(word="two, and longer")
    await runtime.refresh()
    assert await running == "one"
    assert await word(runtime) == "two, and longer"
    await runtime.stop()


async def test_dependencies_start_first(write: Write) -> None:
    needs = "dependencies: [{id: base, version: ^1.0}]"
    runtime = PluginRuntime(config(words=write(more=needs), base=write("base")))
    events = heard(runtime)
    await runtime.start()
    assert [e.plugin for e in events if isinstance(e, PluginLoaded)] == ["base", "words"]
    await runtime.stop()


async def test_a_plugin_stops_before_those_that_it_needs(write: Write) -> None:
    plugins = config(
        words=write(more="dependencies: [{id: base}]"), base=write("base", more="dependencies: [{id: deep}]"), deep=write("deep")
    )
    runtime = PluginRuntime(plugins)
    events = heard(runtime)
    await runtime.start()
    await runtime.stop()
    assert [e.plugin for e in events if isinstance(e, PluginStopped)] == ["words", "base", "deep"]


async def test_a_missing_dependency_and_a_circle_refuse_the_start(write: Write) -> None:
    with pytest.raises(MockForgeError, match="base"):
        await PluginRuntime(config(words=write(more="dependencies: [{id: base}]"))).start()
    circle = config(words=write(more="dependencies: [{id: base}]"), base=write("base", more="dependencies: [{id: words}]"))
    with pytest.raises(ConfigError, match="in a cycle: words → base → words"):
        await PluginRuntime(circle).start()


async def test_all_refused_plugins_are_told_at_once(write: Write) -> None:
    broken = config(one=write("one", more="colour: red"), two=write("two", more="runtimes: 3"))
    with pytest.raises(ConfigError, match="2 plugins") as caught:
        await PluginRuntime(broken).start()
    assert {"one" in str(p) or "two" in str(p) for p in caught.value.problems} == {True}


async def test_code_that_lacks_what_its_manifest_says_is_refused(write: Write) -> None:
    entry = write()
    manifest = Path(entry["use"]) / "plugin.yaml"
    manifest.write_text(manifest.read_text().replace("[template]", "[template, response]"))
    with pytest.raises(PluginRejected, match=r"response\.generate"):
        await PluginRuntime(config(words=entry)).start()


async def test_endpoints_without_a_handler_are_refused(write: Write) -> None:
    handles = "class {word}(TemplatePlugin):\n    @function\n    def f(self): ...\n    @endpoint('back')\n    def b(self, request): ..."
    source = f"from mockforge_plugin import TemplatePlugin, endpoint, function\n\n{handles}\n"
    await (runtime := PluginRuntime(config(words=write(word="W", more="endpoints: [{path: /back}]", source=source)))).start()
    await runtime.stop()
    with pytest.raises(PluginRejected, match="no handler 'login'; it has back"):
        await PluginRuntime(config(words=write(word="W", more="endpoints: [{path: /login}]", source=source))).start()


async def test_a_failed_start_leaves_nothing_and_may_be_tried_again(write: Write) -> None:
    entry = write(source="raise RuntimeError({word!r})\n")
    runtime = PluginRuntime(config(words=entry))
    with pytest.raises(PluginRejected, match="RuntimeError: one"):
        await runtime.start()
    assert not runtime.is_ready
    write()
    await runtime.start()
    assert await word(runtime) == "one"
    await runtime.stop()


def test_on_a_new_loop_it_starts_anew(write: Write) -> None:
    runtime = PluginRuntime(config(words=write()))

    async def request() -> Any:
        await runtime.ensure()
        return await word(runtime)

    assert [asyncio.run(request()) for _ in range(2)] == ["one", "one"]


def test_where_nobody_stops_it_it_ends_with_its_loop(write: Write) -> None:
    runtime = PluginRuntime(config(words=write()))
    events, before = heard(runtime), threading.active_count()

    async def request() -> Any:
        await runtime.ensure()
        return await word(runtime)

    for _ in range(2):
        assert asyncio.run(request()) == "one"
        assert not runtime.is_ready and threading.active_count() == before
    assert [type(e) for e in events if isinstance(e, PluginLoaded | PluginStopped)] == [PluginLoaded, PluginStopped] * 2


def test_a_loop_closed_in_a_hurry_leaves_no_mount_behind(write: Write) -> None:
    runtime = PluginRuntime(config(words=write()))
    loop = asyncio.new_event_loop()
    loop.run_until_complete(runtime.start())
    loop.close()

    async def serve() -> bool:
        await runtime.start()
        await runtime.stop()
        return runtime.is_ready

    assert asyncio.run(serve()) is False


async def test_on_each_of_two_loops_an_edit_counts_from_the_next_refresh_on(write: Write) -> None:
    runtime = PluginRuntime(config(words=write()))
    await runtime.start()
    edited, seen = threading.Event(), threading.Event()

    async def elsewhere() -> list[Any]:
        await runtime.start()
        said = [await word(runtime)]
        seen.set()
        await asyncio.to_thread(edited.wait, 30)
        await runtime.refresh()
        return [*said, await word(runtime)]

    other = asyncio.ensure_future(asyncio.to_thread(lambda: asyncio.run(elsewhere())))
    await asyncio.to_thread(seen.wait, 30)
    write(word="two, and longer")
    await runtime.refresh()
    assert await word(runtime) == "two, and longer"
    edited.set()
    assert await other == ["one", "two, and longer"]
    await runtime.stop()


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_no_timer_goes_on_for_a_loop_that_was_closed_in_a_hurry(write: Write) -> None:
    runtime = PluginRuntime(config(words=write()))
    hasty = asyncio.new_event_loop()
    hasty.run_until_complete(runtime.ensure())
    assert hasty.run_until_complete(word(runtime)) == "one"
    (sandbox,) = runtime._alive().sandbox
    hasty.close()
    assert sandbox._ticker.due_s > 0.0

    async def later() -> None:
        await runtime.ensure()
        assert sandbox._ticker.due_s == 0.0
        assert await word(runtime) == "one"
        await runtime.stop()

    asyncio.run(later())


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
async def test_a_forked_worker_starts_its_own(write: Write) -> None:
    runtime = PluginRuntime(config(words=write()))
    await runtime.start()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        said = b"nothing"
        try:

            async def child() -> Any:
                await runtime.ensure()
                return await word(runtime)

            thread = threading.Thread(target=lambda: os.write(writer, str(asyncio.run(child())).encode()))
            thread.start()
            thread.join(20)
        finally:
            os._exit(0 if said else 1)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = await asyncio.to_thread(pipe.read)
    os.waitpid(pid, 0)
    assert said == b"one"
    assert await word(runtime) == "one"
    await runtime.stop()


STOPPING = (
    SOURCE.replace("function\n", "function, log\n", 1)
    + """
    def stop(self) -> None:
        log.info("stops")
"""
)
FORKING = """
import asyncio, os
from mockforge_asgi.events import GuestLogged
from mockforge_asgi.runtime import PluginRuntime

async def main():
    runtime = PluginRuntime({config!r})
    runtime.events.subscribe(lambda event: print(event.message, flush=True), GuestLogged)
    await runtime.start()
    await runtime.plugin("words").call_function(None, "word", [], {{}})
    child = os.fork()
    if child == 0:
        {leave}
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
        await asyncio.sleep(0.01)
    print("child", os.waitstatus_to_exitcode(ended[1]), flush=True)
    print(await runtime.plugin("words").call_function(None, "word", [], {{}}), flush=True)
    await runtime.stop()
    # Both loops share one epoll, and the child's took the parent's wake-up pipe out of it: asyncio's own, with or without plugins.
    os._exit(0)

asyncio.run(main())
"""


_RAISES = pytest.param(
    "raise SystemExit(7)",
    7,
    marks=pytest.mark.skipif(sys.version_info >= (3, 14), reason="from 3.14 on such a child hangs in asyncio itself, with no plugins too"),
)


@pytest.mark.parametrize(("leave", "code"), [_RAISES, ("return", 0)])
def test_a_child_forked_in_a_running_loop_ends_and_does_not_end_its_parents_plugins(write: Write, leave: str, code: int) -> None:
    script = FORKING.format(config=config(words=write(source=STOPPING)), leave=leave)
    ran = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.stdout.split() == ["child", str(code), "one", "stops"], ran.stderr


async def test_a_secret_that_is_not_there_is_named(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    broken = {**config(words=write()), "secrets": {"key": {"env": "NO_SUCH_KEY"}}}
    with pytest.raises(ConfigError, match="NO_SUCH_KEY"):
        await PluginRuntime(broken).start()
