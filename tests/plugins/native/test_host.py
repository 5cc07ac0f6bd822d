"""Trusted Python, in threads and in worker processes: one set of facts for both."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from mockforge_asgi.errors import ConfigError, LimitExceeded, PluginFailed, PluginRejected, PluginUnavailable
from mockforge_asgi.events import CallFinished, GuestLogged
from mockforge_asgi.exact_json import dumps, loads
from mockforge_asgi.plugins.native.code import FileCode
from mockforge_asgi.plugins.native.host import NativeHost, own_host
from mockforge_asgi.plugins.native.process_pool import InWorkers
from mockforge_asgi.plugins.native.runner import InProcess
from mockforge_plugin import Allow, AuthPlugin, Principal, Request, ResponsePlugin, TemplatePlugin, function, kv
from mockforge_plugin.failure import error_envelope
from tests.support.native_hosts import AUTHENTICATE, BODIES, GENERATE, Told, begun, call, doors, host, over_time

Make = Callable[..., Any]


@pytest.fixture(params=["threads", "processes"])
async def started(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    made: list[NativeHost] = []

    async def start(source: str | dict[str, str], **options: Any) -> NativeHost:
        made.append(host(source, processes=request.param == "processes", **options))
        await made[-1].open()
        await made[-1].start()
        return made[-1]

    yield start
    for one in made:
        await one.close()


AUTH = """
    from mockforge_plugin import *

    class Auth(AuthPlugin):
        def init(self):
            self.header = self.config["header"]

        def authenticate(self, request):
            if request.headers.get(self.header) is None:
                return None
            return Allow(Principal("demo", roles=("reader",)))
    """


async def test_a_sync_method_answers(started: Make) -> None:
    plugin = await started(AUTH, config={"header": "X-API-Key"})
    answer = await plugin.lease().call("auth.authenticate", AUTHENTICATE)
    assert answer["allow"]["principal"]["id"] == "demo"


async def test_an_async_method_answers(started: Make) -> None:
    plugin = await started(AUTH.replace("def authenticate", "async def authenticate"), config={"header": "X-API-Key"})
    assert (await plugin.call("auth.authenticate", AUTHENTICATE))["allow"]


async def test_helper_files_are_imported_from_the_package(started: Make) -> None:
    files = {
        "plugin.py": "import helper\nfrom inner.deep import NAME\ndef generate(request):\n    return {'a': helper.f(), 'b': NAME}",
        "helper.py": "def f():\n    return 1",
        "inner/__init__.py": "",
        "inner/deep.py": "NAME = 'deep'",
    }
    answer = await (await started(files)).call("response.generate", GENERATE)
    assert answer["body"] == {"text": '{"a":1,"b":"deep"}'}


DOORS = """
    from mockforge_plugin import *

    class Uses(ResponsePlugin, TemplatePlugin):
        def generate(self, request):
            log.info("asked")
            kv.set("k", {"a": (1, 2)}).result()
            count = kv.incr("n").result()
            return {"k": kv.get("k").result(), "n": count, "secret": secret("key"), "body": request.read().result().decode()}

        @function
        async def later(self):
            await kv.set("x", 5)
            return [await kv.get("x"), secret("key")]

        @function
        def denied(self):
            try:
                http.get("http://example.com/").result()
            except HostError as error:
                return [error.code, str(error)]
    """


async def test_doors_answer_in_sync_and_async_code(started: Make) -> None:
    told = Told()
    plugin = await started(DOORS, told=told, door=doors(told))
    whole = loads(GENERATE)
    document = dumps({**whole, "request": {**whole["request"], "body": {"available": 8}}})
    answer = await plugin.call("response.generate", document, request=BODIES)
    assert answer["body"] == {"text": '{"k":{"a":[1,2]},"n":1,"secret":"s3cret","body":"the body"}'}
    assert await plugin.call("template.call", call("later")) == [5, "s3cret"]
    assert (await plugin.call("template.call", call("denied")))[0] == "unavailable"
    await asyncio.sleep(0)
    assert [line.message for line in told.of(GuestLogged)] == ["asked"]


ANSWERS = """
    import datetime, decimal
    from mockforge_plugin import *

    class Gives(TemplatePlugin):
        @function
        def give(self, what):
            return {"tuple": (1, (2,)), "keys": {1: "a"}, "nan": float("nan"), "date": datetime.date(2026, 1, 2), "surrogate": "\\ud800",
                    "big": "x" * 2000, "bytes": b"x", "none": None}[what]
    """


async def test_answers_are_what_json_carries(started: Make) -> None:
    plugin = await started(ANSWERS)
    assert await plugin.call("template.call", call("give", "tuple")) == [1, [2]]
    assert await plugin.call("template.call", call("give", "keys")) == {"1": "a"}
    assert await plugin.call("template.call", call("give", "none")) is None


@pytest.mark.parametrize(("what", "why"), [("nan", "nan"), ("date", "isoformat"), ("surrogate", "surrogate"), ("bytes", "bytes")])
async def test_what_json_cannot_carry_is_refused_as_in_the_sandbox(started: Make, what: str, why: str) -> None:
    plugin = await started(ANSWERS)
    with pytest.raises(PluginFailed, match=why):
        await plugin.call("template.call", call("give", what))


async def test_an_answer_over_the_limit_is_refused(started: Make) -> None:
    plugin = await started(ANSWERS, output_bytes=1000)
    with pytest.raises(LimitExceeded) as caught:
        await plugin.call("template.call", call("give", "big"))
    assert caught.value.limit == "output_kb"
    assert await plugin.call("template.call", call("give", "tuple")) == [1, [2]]


FAILS = """
    from mockforge_plugin import *

    def deep():
        raise KeyError("gone")

    def generate(request):
        deep()

    @function
    def coded():
        raise PluginError("try later", code="unavailable", retryable=True)

    @function
    async def timeout():
        raise TimeoutError("mine")

    @function
    def leaves():
        raise SystemExit(3)

    @function
    def stops():
        raise StopIteration(3)
    """


async def test_a_failure_names_the_authors_file_and_line(started: Make) -> None:
    plugin = await started(FAILS)
    with pytest.raises(PluginFailed, match="KeyError") as caught:
        await plugin.call("response.generate", GENERATE)
    assert 'File "plugin.py", line 5, in deep' in caught.value.author_traceback
    assert "dispatch" not in caught.value.author_traceback


async def test_plugins_from_archives_each_show_their_own_lines() -> None:
    shown = []
    codes = [FileCode(name, {"plugin.py": f"def f():\n    raise ValueError  # {name}\n".encode()}, "plugin.py") for name in ("one", "two")]
    modules = [code._bundle.run("plugin.py") for code in codes]
    for code, module in zip(codes, modules, strict=True):
        with pytest.raises(ValueError) as caught:
            module.f()
        shown.append(error_envelope(caught.value, code.author_files)["error"]["details"]["traceback"])
        code.close()
    assert ['File "plugin.py", line 2' in text for text in shown] == [True, True]
    assert ["# one" in shown[0], "# two" in shown[1]] == [True, True]


async def test_a_failure_keeps_its_code(started: Make) -> None:
    plugin = await started(FAILS)
    with pytest.raises(PluginFailed) as caught:
        await plugin.call("template.call", call("coded"))
    assert (caught.value.code, caught.value.retryable) == ("unavailable", True)


@pytest.mark.parametrize("name", ["timeout", "leaves", "stops"])
async def test_odd_exceptions_are_failures_of_the_plugin(started: Make, name: str) -> None:
    plugin = await started(FAILS)
    with pytest.raises(PluginFailed) as caught:
        await plugin.call("template.call", call(name))
    assert not isinstance(caught.value, LimitExceeded)
    with pytest.raises(PluginFailed, match="try later"):
        await plugin.call("template.call", call("coded"))


async def test_an_unknown_operation_is_a_failure(started: Make) -> None:
    plugin = await started(FAILS)
    for op, document in (("auth.authenticate", AUTHENTICATE), ("template.call", call("none"))):
        with pytest.raises(PluginFailed):
            await plugin.call(op, document)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("def generate(request)\n    pass", r"(?s)plugin\.py.*line 1"), ("import nothing_of_that_name", "nothing_of_that_name"),
        ("x = 1", "no plugin here"), ("raise SystemExit(1)", "SystemExit"), ("from mockforge_plugin import kv\nkv.get('k').result()",
        "module level"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("processes", [False, True])
async def test_code_that_cannot_be_loaded_is_rejected_with_its_line(source: str, why: str, processes: bool) -> None:
    plugin = host(source, processes=processes)
    with pytest.raises(PluginRejected, match=why):
        await plugin.open()
    await plugin.close()


@pytest.mark.parametrize("processes", [False, True])
async def test_a_configuration_that_the_plugin_refuses_is_the_operators_fault(processes: bool) -> None:
    source = """
        def validate_config(config):
            return [("header", "must not be empty")]
        def generate(request):
            return None
        """
    plugin = host(source, processes=processes)
    with pytest.raises(ConfigError, match=r"plugins\.native\.config\.header: must not be empty"):
        await plugin.open()
    await plugin.close()


LIFE = """
    from mockforge_plugin import *

    class Lives(ResponsePlugin):
        def init(self):
            log.info("init")
        def start(self):
            kv.set("started", True).result()
            log.info("start")
        async def stop(self):
            log.info("stop")
        def destroy(self):
            log.info("destroy")
        def generate(self, request):
            return {"started": kv.get("started").result()}
    """


async def test_the_life_of_a_plugin_is_init_start_stop_destroy(started: Make) -> None:
    told = Told()
    plugin = await started(LIFE, told=told)
    assert (await plugin.call("response.generate", GENERATE))["body"] == {"text": '{"started":true}'}
    await plugin.close()
    assert [line.message for line in told.of(GuestLogged)] == ["init", "start", "stop", "destroy"]
    with pytest.raises(PluginUnavailable):
        await plugin.call("response.generate", GENERATE)


async def test_calls_are_reported(started: Make) -> None:
    told = Told()
    plugin = await started(FAILS, told=told)
    with pytest.raises(PluginFailed):
        await plugin.call("response.generate", GENERATE)
    (event,) = [e for e in told.of(CallFinished) if e.op == "response.generate"]
    assert (event.outcome, "gone" in event.error) == ("failed", True)


SLOW = """
    import threading, time
    from mockforge_plugin import *

    @function
    def quick():
        return "quick"

    @function
    def waits(name):
        log.info("begun")
        while kv.get(name).result() is None:
            time.sleep(0.001)
        return "over"

    @function
    async def forever(_):
        import asyncio
        log.info("begun")
        await asyncio.Event().wait()

    @function
    def spins(_):
        log.info("begun")
        while True:
            pass
    """


@pytest.mark.parametrize("name", ["waits", "spins"])
async def test_a_call_over_its_time_ends_while_others_go_on(name: str) -> None:
    told = Told()
    plugin = host(SLOW, told=told, processes=True, timeout_s=60.0, most=2)
    await plugin.open()
    await plugin.start()
    await asyncio.gather(*(plugin.call("template.call", call("quick")) for _ in range(2)))
    assert isinstance(plugin.runner, InWorkers)
    before = plugin.runner.pids
    hanging = await begun(plugin, told, call(name, "never"))
    assert [await plugin.call("template.call", call("quick")) for _ in range(5)] == ["quick"] * 5
    assert (await over_time(plugin, hanging)).limit == "timeout_ms"
    assert await plugin.call("template.call", call("quick")) == "quick"
    assert len(before - plugin.runner.pids) == 1
    await plugin.close()
    assert not plugin.runner.pids


async def test_an_async_call_over_its_time_ends() -> None:
    told = Told()
    plugin = host(SLOW, told=told, timeout_s=60.0)
    await plugin.open()
    await plugin.start()
    await over_time(plugin, await begun(plugin, told, call("forever", "never")))
    assert await plugin.call("template.call", call("quick")) == "quick"
    await plugin.close()


async def test_a_thread_that_was_given_up_finds_its_doors_closed_and_ends() -> None:
    told = Told()
    plugin = host(SLOW, told=told, timeout_s=60.0)
    await plugin.open()
    await plugin.start()
    assert isinstance(plugin.runner, InProcess)
    await over_time(plugin, await begun(plugin, told, call("waits", "never")))
    while plugin.runner.threads.busy:
        await asyncio.sleep(0)
    assert plugin.runner.threads.abandoned == 0
    await plugin.close()


async def test_threads_that_never_end_keep_their_slots() -> None:
    release = threading.Event()

    class Stuck(TemplatePlugin):
        @function
        def stick(self) -> None:
            release.wait()

    plugin = own_host("stuck", Stuck, doors(Told()), Told().stream)
    await plugin.open()
    await plugin.start()
    assert isinstance(plugin.runner, InProcess)
    threads = plugin.runner.threads
    calls = [asyncio.ensure_future(plugin.call("template.call", call("stick"))) for _ in range(threads.most)]
    while threads.busy < threads.most:
        await asyncio.sleep(0)
    for one in calls:
        one.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    with pytest.raises(PluginUnavailable, match="given up"):
        await plugin.call("template.call", call("stick"))
    assert (threads.started, threads.busy, threads.abandoned) == (8, 8, 8)
    release.set()
    while threads.busy:
        await asyncio.sleep(0)
    await plugin.call("template.call", call("stick"))
    assert (threads.started, threads.abandoned) == (8, 0)
    await plugin.close()


async def test_result_is_refused_on_the_event_loops_own_thread() -> None:
    class Blocks(TemplatePlugin):
        @function
        async def block(self) -> object:
            return kv.get("k").result()

    plugin = own_host("blocks", Blocks(), doors(Told()), Told().stream)
    await plugin.open()
    await plugin.start()
    with pytest.raises(PluginFailed, match="would block the event loop"):
        await plugin.call("template.call", call("block"))
    await plugin.close()


async def test_an_object_of_the_developers_own_is_run_as_it_is() -> None:
    class MyAuth(AuthPlugin):
        def __init__(self, who: str) -> None:
            self.who = who

        async def authenticate(self, request: Request) -> Allow:
            return Allow(Principal(self.who))

    plugin = own_host("my-auth", MyAuth("ada"), doors(Told()), Told().stream)
    description = await plugin.open()
    await plugin.start()
    assert "auth.authenticate" in description.ops
    assert (await plugin.call("auth.authenticate", AUTHENTICATE))["allow"]["principal"]["id"] == "ada"
    await plugin.close()


async def test_many_calls_at_once_each_get_their_own_answer(started: Make) -> None:
    plugin = await started("from mockforge_plugin import *\n@function\ndef twice(n):\n    return kv.incr(str(n), n).result() * 2")
    answers = await asyncio.gather(*(plugin.call("template.call", call("twice", n)) for n in range(64)))
    assert answers == [n * 2 for n in range(64)]


async def test_generations_share_nothing_and_old_ones_are_forgotten() -> None:
    source = "import helper\ndef generate(request):\n    helper.count += 1\n    return {'count': helper.count}"
    one, two = (host({"plugin.py": source, "helper.py": "count = 0"}) for _ in range(2))
    for plugin in (one, two):
        await plugin.open()
        await plugin.start()
        assert (await plugin.call("response.generate", GENERATE))["body"] == {"text": '{"count":1}'}
    await two.close()
    runner = one.runner
    assert isinstance(runner, InProcess)
    assert runner._object is not None
    module = weakref.ref(runner._object.target.generate)
    await one.close()
    del one, runner, plugin
    gc.collect()
    assert module() is None


async def test_a_closing_plugin_lets_running_calls_end() -> None:
    class Waits(ResponsePlugin):
        async def generate(self, request: Request) -> str:
            await go.wait()
            return "done"

    go = asyncio.Event()
    plugin = own_host("waits", Waits(), doors(Told()), Told().stream)
    await plugin.open()
    await plugin.start()
    running = asyncio.ensure_future(plugin.call("response.generate", GENERATE))
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(plugin.close())
    await asyncio.sleep(0)
    with pytest.raises(PluginUnavailable):
        await plugin.call("response.generate", GENERATE)
    go.set()
    assert (await running)["body"] == {"text": "done"}
    await closing


async def test_calls_that_outlast_the_drain_time_are_ended(started: Make) -> None:
    source = """
    import asyncio
    from mockforge_plugin import *
    async def generate(request):
        log.info("waits")
        await asyncio.Event().wait()
    """
    told = Told()
    plugin = await started(source, told=told, timeout_s=60.0, drain_s=0.05)
    running = await begun(plugin, told, GENERATE, "response.generate")
    await plugin.close()
    with pytest.raises(PluginUnavailable, match="stopping"):
        await running


async def test_a_call_that_never_got_a_worker_is_nobodys_crash(started: Make) -> None:
    source = """
    import time
    from mockforge_plugin import *
    def generate(request):
        log.info("begun")
        while kv.get("never").result() is None:
            time.sleep(0.001)
    """
    told = Told()
    plugin = await started(source, told=told, timeout_s=60.0, most=1)
    first = await begun(plugin, told, GENERATE, "response.generate")
    plugin.options = replace(plugin.options, timeout_s=0.01)
    with pytest.raises(PluginUnavailable, match="none of its workers came free in time"):
        await plugin.call("response.generate", GENERATE)
    await over_time(plugin, first)
