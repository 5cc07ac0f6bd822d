"""Harness: one plugin from its folder, loaded and called as in production, without a server and without a configuration.

    async with Harness(Path("plugins/greet")) as trial:
        outcome = await trial.call("response.generate", {"request": {"path_params": {"name": "Ada"}}})

Host, limits, host calls and the reading of its answers are the product's own; the calls are answered as its cases say (`fake_host.py`).
What `mockforge plugin call` and `mockforge plugin test` show.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final

from mockforge_asgi.config.builtin import is_builtin
from mockforge_asgi.config.objects import Config, Grants, InstancesConfig, LimitOverrides, NativeTrust, PluginUse
from mockforge_asgi.config.parsing.json_schema import apply_schema
from mockforge_asgi.config.parsing.locations import Locations
from mockforge_asgi.config.parsing.locations import Path as Place
from mockforge_asgi.contract import Description, Json, PluginHost
from mockforge_asgi.contract.codec import error_document
from mockforge_asgi.contract.results import ResultReader
from mockforge_asgi.errors import ConfigError, HostCallError, MockForgeError, PluginFailed, PluginUnavailable, Problem
from mockforge_asgi.events import EventStream, HostCallDenied
from mockforge_asgi.exact_json import dumps, loads
from mockforge_asgi.plugins.authorization import Authorization, authorize_package
from mockforge_asgi.plugins.hostcalls.hostcalls import PluginHostCalls
from mockforge_asgi.plugins.loader import Loader
from mockforge_asgi.plugins.package.package import Package, read_package
from mockforge_asgi.plugins.plugin import Plugin
from mockforge_asgi.plugins.testkit.case_updates import updated
from mockforge_asgi.plugins.testkit.case_verdict import Difference, Verdict, difference
from mockforge_asgi.plugins.testkit.cases import DESCRIBE, FILES, Case, Cases, DoorsModel, Setting, find_cases
from mockforge_asgi.plugins.testkit.documents import bodies_of, complete, faults
from mockforge_asgi.plugins.testkit.fake_host import MAX_ROWS, fake_services, fill
from mockforge_asgi.plugins.testkit.outcome import EventRecorder, Outcome
from mockforge_asgi.sources.results import checked_result
from mockforge_asgi.state import StateStore, open_store
from mockforge_asgi.text import clip

if TYPE_CHECKING:
    from mockforge_asgi.wasm.sandbox import Sandbox

ONE_INSTANCE: Final = InstancesConfig(warm=1, max=1)
"""What one case keeps in the instance, the next one finds."""


class Harness:
    """A plugin's package and a sandbox to try it in. `trust_native`: the caller's word that native code may run here, unconfined."""

    def __init__(self, path: Path, source: str | None = None, *, trust_native: bool = False, cache_dir: Path | None = None) -> None:
        """Raises PluginRejected when the package cannot be read, ConfigError when its cases cannot."""
        self.package: Package = read_package(path, source)
        self.cases: Cases | None = find_cases(self.package.files, self.package.source)
        self.setting = self.cases.setting if self.cases is not None else Setting({}, DoorsModel())
        """What the plugin is loaded with unless a call or a case says otherwise."""
        self.events = EventStream()
        self.loading = Outcome("plugin.load")
        """What was heard of the plugin while it was last loaded."""
        self._is_trusted = trust_native or (self.package.folder is not None and is_builtin(self.package.folder))
        self._cache_dir = cache_dir
        self._sandbox: Sandbox | None = None
        self._loaded: _Loaded | None = None

    async def __aenter__(self) -> Harness:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._loaded is not None:
            await self._loaded.close()
        if self._sandbox is not None:
            await self._sandbox.close()

    async def call(self, op: str, document: Json = None) -> Outcome:
        """One operation in an instance that earlier calls have used. Of a request, what is left out is filled in.

        Raises ConfigError for a document that no host would send, or an operation that there is not, PluginRejected and PluginFailed
        when the plugin cannot be loaded.
        """
        return await (await self._shared()).call(op, document)

    async def run(self, only: str = "") -> AsyncIterator[Verdict]:
        """The plugin's cases, in order: in one instance, but those with a setting of their own in one of their own.

        `only`: those whose name or operation has that text.

        Raises ConfigError, PluginRejected and PluginFailed when it cannot be loaded with what the cases share.
        """
        if self.cases is None:
            what = f"there is no {' and no '.join(FILES)}."
            raise ConfigError("there is nothing to test:", [Problem(self.package.source, what, "A case is {op, in, out}.")])
        chosen = [case for case in self.cases.cases if only.lower() in f"{case.op} {case.name}".lower()]
        if not chosen:
            raise ConfigError(f"no case of {self.package.source} has '{clip(only)}' in its name or operation.")
        if any(case.setting is None for case in chosen):
            await self._shared()
        for case in chosen:
            yield await self._judge(case)

    def update(self, changes: Mapping[Place, Json]) -> str:
        """Write other expectations into the file of cases, by their places in it; gives its name. Raises ConfigError."""
        name = next(name for name in FILES if name in self.package.files)
        if self.package.folder is None:
            raise ConfigError(f"{self.package.source} is an archive: {name} in it cannot be updated.")
        text = self.package.files[name].decode("utf-8-sig")
        (self.package.folder / name).write_text(updated(text, name, changes), encoding="utf-8", newline="")
        return f"{self.package.source}/{name}"

    async def _shared(self) -> _Loaded:
        if self._loaded is None:
            self._loaded = await self._load(self.setting)
        return self._loaded

    async def _judge(self, case: Case) -> Verdict:
        place = self.cases.places.where(case.path) if self.cases is not None else ""
        try:
            if case.setting is None:
                outcome = await self.call(case.op, case.document)
            else:
                async with self._apart(case.setting) as loaded:
                    outcome = await loaded.call(case.op, case.document)
        except MockForgeError as error:
            text = "\n".join(map(str, getattr(error, "problems", ()))) or str(error)
            return Verdict(case, place, None, Difference("cannot be run", None, text))
        return Verdict(case, place, outcome, difference(case, outcome))

    @asynccontextmanager
    async def _apart(self, setting: Setting) -> AsyncIterator[_Loaded]:
        loaded = await self._load(setting)
        try:
            yield loaded
        finally:
            await loaded.close()

    async def _load(self, setting: Setting) -> _Loaded:
        authorization, state, heard = self._approve(setting), open_store("memory://"), EventRecorder(self.events)
        loader = Loader(fake_services(setting.doors, state, self.events), self._ready_sandbox, self._native)
        await state.open()
        try:
            await fill(state, authorization.use.name, setting.doors.kv)
            plugin = await loader.load(authorization)
            self.loading = heard.outcome("plugin.load")
            return _Loaded(plugin, authorization, setting.doors, state, self.events)
        except BaseException:
            await state.close()
            raise
        finally:
            heard.end()

    def _approve(self, setting: Setting) -> Authorization:
        manifest = self.package.manifest
        _, problems = apply_schema(manifest.config_schema, setting.config, setting.places, setting.base)
        if problems:
            raise ConfigError(f"the configuration of plugin '{manifest.id}' cannot be used:", problems)
        use = PluginUse(
            name=manifest.id,
            use=self.package.source,
            path=self.package.folder or Path(self.package.source),
            config=setting.config,
            grants=Grants() if setting.grants is None else setting.grants.build(),
            grants_what_it_asks=setting.grants is None,
            limits=LimitOverrides(**asdict(manifest.limits)),  # whoever tries it gives what it asks for
            instances=ONE_INSTANCE,
            native=NativeTrust(self.package.digest) if manifest.runtime == "native" and self._is_trusted else None,
        )
        if manifest.runtime == "native" and use.native is None:
            what = "the plugin is native: it runs unconfined in this process, with every right of yours."
            raise ConfigError(
                f"plugin '{manifest.id}' not loaded:", [Problem(self.package.source, what, "If you trust it: --trust-native.")]
            )
        return authorize_package(use, self.package, Config(dev=True, places=Locations(setting.places.name)))

    def _ready_sandbox(self) -> Sandbox:
        if self._sandbox is None:
            from mockforge_asgi.wasm.sandbox import Sandbox

            self._sandbox = Sandbox(asyncio.get_running_loop(), self.events, cache_dir=self._cache_dir)
        return self._sandbox

    def _native(self, authorization: Authorization, host_calls: PluginHostCalls) -> PluginHost:
        from mockforge_asgi.plugins.native.host import native_host

        return native_host(authorization, host_calls, self.events)


@dataclass(slots=True)
class _Loaded:
    """A started plugin and what answers its host calls."""

    plugin: Plugin
    authorization: Authorization
    doors: DoorsModel
    state: StateStore
    events: EventStream

    async def close(self) -> None:
        """Stop it."""
        try:
            await self.plugin.host.close()
        finally:
            await self.state.close()

    async def call(self, op: str, document: Json) -> Outcome:
        """One operation. Raises ConfigError."""
        if op == DESCRIBE:
            return Outcome(op, _described(self.plugin.description))
        self._check_op(op)
        bodies = bodies_of(op, document, self.doors)
        whole = complete(op, document, bodies, self.authorization.effective)
        if problems := faults(op, document, whole, self.authorization.effective):
            raise ConfigError("the document is not one that the plugin would be sent:", problems)
        heard, lease = EventRecorder(self.events), self.plugin.host.lease()
        try:
            answer = self._read(op, whole, await lease.call(op, dumps(whole), request=bodies))
            return heard.outcome(op, answer)
        except PluginFailed as error:
            return heard.outcome(op, error=error_document(error), traceback=error.author_traceback)
        except PluginUnavailable as error:
            return heard.outcome(op, error={"code": "unavailable", "message": str(error), "retryable": True, "details": {}})
        finally:
            lease.release()
            heard.end()

    def _check_op(self, op: str) -> None:
        """Raises ConfigError for an operation that the plugin does not have."""
        ops = sorted(self.plugin.description.ops)
        if op not in ops:
            known = f"It implements {', '.join([*ops, DESCRIBE])}."
            raise ConfigError("the operation cannot be called:", [Problem(op, f"'{self.plugin.name}' does not implement it.", known)])

    def _read(self, op: str, sent: Json, said: Json) -> Json:
        """The answer, once it was read as the chains read it. Raises PluginFailed."""
        effective, name = self.authorization.effective, self.plugin.name
        reader = ResultReader(name, effective.set_headers, self._left_out)
        if op == "auth.authenticate":
            reader.decision(op, said)
        elif op == "endpoint.call" or (op == "response.generate" and said is not None):
            reader.response(op, said)
        elif op == "response.modify" and said is not None:
            reader.changed(op, said, tuple((name.encode("latin-1", "replace"), b"") for name, _ in sent["response"]["headers"]))
        elif op == "response.can_handle":
            reader.flag(op, said)
        elif op == "data.query":
            try:
                checked_result(name, said, MAX_ROWS)
            except HostCallError as error:
                raise reader.invalid(op, error.message) from None
        return said

    def _left_out(self, names: Sequence[str]) -> None:
        what = f"{', '.join(names)}: left out of its answer; ask for it in plugin.yaml"
        self.events.emit(HostCallDenied(plugin=self.plugin.name, host_call="response.set_headers", detail=what))


def _described(description: Description) -> Json:
    said = {**asdict(description), "ops": sorted(description.ops), "endpoints": description.endpoints or ()}
    return loads(dumps(said))
