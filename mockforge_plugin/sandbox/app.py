"""The component: world `python-sandbox` of `wit/plugin.wit`. Built by `build.py`, never imported natively.

Order matters: shims first, so that everything imported after them sees the replaced functions.
"""

from __future__ import annotations

import gc
import importlib
import random
import sys
from functools import partial

from componentize_py_types import Err  # type: ignore[import-not-found]  # made by componentize-py
from wit_world.imports import host  # type: ignore[import-not-found]  # made by componentize-py

from mockforge_plugin.sandbox import chance, clock, depth, hashes, output, refusals, stdlib, zones

clock.put_in_place()
chance.put_in_place()
depth.put_in_place()

for _name in (*stdlib.MODULES, *stdlib.HELPERS):
    importlib.import_module(_name)
zones.put_in_place()
hashes.put_in_place()

from mockforge_plugin import context  # noqa: E402
from mockforge_plugin.sandbox.context import SandboxContext  # noqa: E402
from mockforge_plugin.sandbox.guest import Guest, GuestFailed  # noqa: E402
from mockforge_plugin.sandbox.trace import follow  # noqa: E402

_context = SandboxContext(host.call, Err)
_builtin_names = refusals.put_in_place(chance.urandom)


def _log(level: str, line: str) -> None:
    _context.call_now("log", {"level": level, "message": line})


class WitWorld:
    """The exports; one plugin per instance."""

    _guest: Guest | None = None

    def load(self, bundle: str) -> str:
        """Take the author's files."""
        refusals.lock_imports()
        clock.start(lambda: _context.call_now("clock.now", {}), lambda ns: _context.call_now("clock.sleep", {"ns": ns}))
        chance.start(lambda size: bytes.fromhex(_context.call_now("random.bytes", {"n": size})["hex"]))
        context.install(_context)
        WitWorld._guest = guest = Guest(flush=output.put_in_place(_log), builtin_names=_builtin_names, follow=partial(follow, _context))
        return _or_err(guest.load, bundle)

    def describe(self) -> str:
        """What the plugin implements."""
        guest = WitWorld._guest or Guest()
        try:
            return guest.describe()
        except GuestFailed as failed:
            return failed.envelope

    def call(self, op: str, payload: str) -> str:
        """One operation."""
        guest = WitWorld._guest or Guest()
        try:
            return guest.call(op, payload)
        except GuestFailed as failed:
            raise Err(failed.envelope) from None


def _or_err(function: object, text: str) -> str:
    try:
        return function(text)  # type: ignore[operator, no-any-return]  # a method of Guest
    except GuestFailed as failed:
        raise Err(failed.envelope) from None


sys.path_importer_cache.clear()  # large, and freeing it in every instance would cost each of them 2 ms and 3 MB
random.seed(0)
gc.collect()
gc.freeze()
