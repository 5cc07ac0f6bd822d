"""Sandboxed Python source that means no good."""
# ruff: noqa: E501 - a row of the table is a line

from __future__ import annotations

from dataclasses import replace
from textwrap import dedent, indent

from tests.hostile.cases import Case

_CPU, _MEMORY = "`cpu_ms`", "`memory_mb`"
_HEAD = "from mockforge_plugin import PluginError, Response, ResponsePlugin, kv, log, secret, sleep\n"


def plugin(generate: str, *, top: str = "", body: str = "pass") -> str:
    """A response plugin whose `generate` runs those lines."""
    lines = indent(dedent(generate).strip() or "pass", " " * 8)
    return f'{_HEAD}{top}\n\nclass Evil(ResponsePlugin):\n    {body}\n\n    async def generate(self, request):\n{lines}\n        return Response.text("made it")\n'


def _method(name: str) -> str:
    return plugin("", body=f"def {name}(self):\n        while True: pass")


_CRASH = "recursed too deeply|gave up|trap"
CASES = [
    replace(row, runtime="python")
    for row in [
        Case("endless loop in a call", plugin("while True: pass"), "LimitExceeded", "cpu_ms=", budget=_CPU),
        Case("endless loop at import", plugin("", top="while True: pass"), "LimitExceeded", "cpu_ms|timeout_ms", "load"),
        Case("endless loop in `init`", _method("init"), "LimitExceeded", "plugin.init: over (cpu_ms|timeout_ms)", "load"),
        Case("endless loop in `start`", _method("start"), "LimitExceeded", "plugin.start: over (cpu_ms|timeout_ms)", "load"),
        Case("endless loop in `stop`", _method("stop"), "LimitExceeded", "plugin.stop: over (cpu_ms|timeout_ms)", "stop"),
        Case("endless loop in `capabilities`", plugin("", body="def capabilities(self):\n        while True: pass"), "PluginRejected", "describe: over (cpu_ms|timeout_ms)", "load"),
        Case("a finalizer without end", plugin("E(); import gc; gc.collect()", top="class E:\n    def __del__(self):\n        while True: pass"), "LimitExceeded", "cpu_ms=", budget=_CPU),
        Case("an error whose text never ends", plugin("raise E()", top="class E(Exception):\n    def __str__(self):\n        while True: pass"), "LimitExceeded", "cpu_ms=", budget=_CPU),
        Case("catching everything, for ever", plugin("while True:\n    try:\n        raise KeyboardInterrupt\n    except BaseException:\n        pass"), "LimitExceeded", "cpu_ms=", budget=_CPU),
        Case("10**10**8", plugin("10**10**8"), "LimitExceeded", "cpu_ms=", budget=_CPU),
        Case("a regular expression that explodes", plugin("import re; re.match('(a+)+$', 'a' * 60 + 'b')"), "LimitExceeded", "cpu_ms=", budget=_CPU),
        Case("sorting with a comparison that never ends", plugin("from functools import cmp_to_key\nfrom itertools import count\nsum(count())"), "LimitExceeded", "cpu_ms=", budget=_CPU),
        Case("sleeping for an hour", plugin("import time; time.sleep(3600)"), "LimitExceeded", "timeout_ms=200", budget="`timeout_ms`", limits={"timeout_ms": 200}, many=False),
        Case("awaiting what never comes", plugin("import asyncio; await asyncio.Future()"), "PluginFailed", "no module 'asyncio'", many=False),
        Case("endless recursion", plugin("def f(): f()\nf()"), "PluginFailed", "RecursionError", limits={"cpu_ms": 500}),
        Case("endless recursion with a limit of 10**9", plugin("import sys; sys.setrecursionlimit(10**9)\ndef f(): f()\nf()"), "PluginFailed", f"RecursionError|OverflowError|{_CRASH}", limits={"cpu_ms": 500}, many=False),
        Case("a list inside a list, a hundred thousand times", plugin("x = []\nfor _ in range(100_000): x = [x]\nrepr(x)"), "PluginFailed", f"RecursionError|{_CRASH}", limits={"cpu_ms": 1000}, many=False),
        Case("JSON depth bomb", plugin("import json; json.loads('[' * 100_000)"), "PluginFailed", "RecursionError", limits={"cpu_ms": 500}),
        Case("list bomb", plugin("x = [0]\nwhile True: x += x"), "PluginFailed", "MemoryError", limits={"cpu_ms": 3000, "timeout_ms": 9000}, budget=_MEMORY, many=False),
        Case("text of 4 GiB", plugin("'x' * (1 << 32)"), "PluginFailed", "MemoryError|OverflowError", budget=_MEMORY, limits={"cpu_ms": 500}),
        Case("print bomb", plugin("while True: print('x' * 8000)"), "LimitExceeded", "cpu_ms=", budget=_CPU),
        Case("log bomb", plugin("while True: log.info('x')"), "LimitExceeded", "cpu_ms=", budget=_CPU),
        Case("output bomb", plugin("return 'x' * 10_000_000"), "LimitExceeded", "output_kb=64", budget="`output_kb`", limits={"cpu_ms": 2000}, many=False),
        Case("an error of 10 MB", plugin("raise ValueError('x' * 10_000_000)"), "PluginFailed", "ValueError|output_kb", budget="2,000 characters", limits={"cpu_ms": 2000}, many=False),
        Case("key-value bomb", plugin("for n in range(10**9): await kv.set(f'k{n}', n)"), "PluginFailed", "limit|keys", budget="the grant's quota", limits={"cpu_ms": 500}, asks={"kv": {"max_keys": 10, "max_bytes": 1000, "reason": "to fill it"}}),
        Case("storage that was not granted", plugin("await kv.set('k', 1)"), "PluginFailed", "not granted", budget="the grant"),
        Case("a secret that was not granted", plugin("secret('db')"), "PluginFailed", "not granted", budget="the grant", limits={"cpu_ms": 200}),
        Case("`os._exit`", plugin("import os; os._exit(1)"), "PluginFailed", "PermissionError", limits={"cpu_ms": 200}),
        Case("`os.abort`", plugin("import os; os.abort()"), "PluginFailed", "PermissionError", limits={"cpu_ms": 200}),
        Case("a process of its own", plugin("import os; os.system('id')"), "PluginFailed", "AttributeError", limits={"cpu_ms": 200}),
        Case("a file of the host", plugin("open('/etc/passwd')"), "PluginFailed", "PermissionError", limits={"cpu_ms": 200}),
        Case("a socket", plugin("import socket; socket.create_connection(('127.0.0.1', 80))"), "PluginFailed", "no module 'socket'", limits={"cpu_ms": 200}),
        Case("a signal", plugin("import signal; signal.raise_signal(9)"), "PluginFailed", "no module 'signal'", limits={"cpu_ms": 200}),
        Case("a thread", plugin("import threading; threading.Thread(target=print).start()"), "PluginFailed", "no module 'threading'", limits={"cpu_ms": 200}),
        Case("ctypes", plugin("import ctypes; ctypes.string_at(0)"), "PluginFailed", "no module 'ctypes'", limits={"cpu_ms": 200}),
        Case("bytecode of its own making", plugin("f = lambda: None\nf.__code__ = f.__code__.replace(co_code=bytes(range(256)) * 4, co_stacksize=1)\nf()"), "PluginFailed", "gave up|trap|outside its memory", limits={"cpu_ms": 500}, many=False),
        Case("leaving by SystemExit", plugin("raise SystemExit(3)"), "PluginFailed", "SystemExit", limits={"cpu_ms": 200}),
        Case("every frame spoilt, its own too", plugin("import sys; f = sys._getframe()\nwhile f: names, f = f.f_globals, f.f_back; names.clear()"), "PluginFailed", "gave up", limits={"cpu_ms": 500}),
        Case("the kit's own encoder replaced", plugin("return 'x'", top="import sys\nfor m in list(sys.modules.values()):\n    if hasattr(m, 'encode'): m.encode = lambda *a, **k: '{' * 500"), "PluginRejected", "not JSON", "load"),
        Case("the context replaced by one that never ends", plugin("return 'x'", top="import mockforge_plugin.context as c\ndef spin(*a, **k):\n    while True: pass\nc.install(type('D', (), {'call_now': spin, 'call_blocking': spin, 'call': spin})())"), "an answer", "", limits={"cpu_ms": 200}),
        Case("`sys.modules` emptied", plugin("import sys; sys.modules.clear(); import json"), "PluginFailed", "ModuleNotFoundError|AttributeError", limits={"cpu_ms": 500}),
        Case("`builtins` emptied", plugin("import builtins; vars(builtins).clear(); return len('x')"), "PluginFailed", "gave up", limits={"cpu_ms": 500}),
        Case("a lone surrogate in its answer", plugin(r"return '\ud800'"), "PluginFailed", "lone surrogate", limits={"cpu_ms": 200}),
        Case("a name for an answer that is none", plugin("return object()"), "PluginFailed", "must return a Response", limits={"cpu_ms": 200}),
        Case("status 999", plugin("return Response(999)"), "PluginFailed", "200 to 599", limits={"cpu_ms": 200}),
        Case("header injection", plugin(r"return Response(200, [('x-a', 'b\r\nset-cookie: c=d')])"), "PluginFailed", "no header may carry", limits={"cpu_ms": 200}),
        Case("source that is no text", b"\xff\xfe\x00class", "PluginRejected", "not UTF-8", "load"),
        Case("source nested too deep to compile", "x = " + "(" * 5000 + ")" * 5000, "PluginRejected", "too complex to parse", "load"),
        Case("3 MB of source", "#" * 3_000_000, "PluginRejected", "the most is 2,097,152", "load", budget="2,097,152 characters"),
    ]
]  # fmt: skip
