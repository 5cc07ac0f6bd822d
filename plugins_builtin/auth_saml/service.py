"""This service as providers know it: its addresses, its key, and what it asks of their messages; and the way to the worker processes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mockforge_plugin import HostError, Json, PluginError, Processes, Request, log, now
from mockforge_plugin.login import Site

from .idps import IdentityProvider, Known, Source
from .messages import redirect_query, service_metadata, with_query
from .parameters import Refused
from .provider import Unavailable
from .settings import certificate_of
from .validation.keys import own_pair_problem

WORKER: Final = "worker.py"
BUSY: Final = "logins cannot be checked now"


@dataclass(frozen=True, slots=True)
class Service:
    """One service provider, its identity providers by name, and what it asks of messages (`rules`: parts of the worker's `Expected`)."""

    site: Site
    idps: Mapping[str, IdentityProvider]
    worker: Processes
    own_entity_id: str | None
    private_key: str | None
    certificate: str | None
    name_id_format: str | None
    rules: Mapping[str, Json]

    @classmethod
    def from_config(cls, config: Mapping[str, Any], site: Site, secret: Callable[[str], str]) -> Service:
        """As configured. Raises PluginError where key and certificate do not fit, HostError for a secret that may not be read."""
        pool = config["processes"]
        worker = Processes(WORKER, most=pool["most"], queue=pool["queue"], timeout_ms=round(pool["timeout_s"] * 1000))
        rules = {
            "assertion_signed": config["want_assertions_signed"],
            "response_signed": config["want_messages_signed"],
            "encrypted": config["want_assertions_encrypted"],
            "allow_cbc": config["allow_cbc"],
            "leeway_s": config["leeway_s"],
        }
        idps = {name: IdentityProvider(_source(name, entry, config), worker) for name, entry in config["idps"].items()}
        key, certificate = secret(config["private_key"]) if "private_key" in config else None, certificate_of(config)
        if key is not None and (words := own_pair_problem(key, certificate or "")):
            raise PluginError(f"private_key, certificate: {words}", code="invalid_config")
        return cls(site, idps, worker, config.get("entity_id"), key, certificate, config.get("name_id_format"), rules)

    def entity_id(self, request: Request) -> str:
        """The name of this service."""
        return self.own_entity_id or self.site.url(request, "metadata")

    def acs(self, request: Request) -> str:
        """Where responses are posted to."""
        return self.site.url(request, "acs")

    def slo(self, request: Request) -> str:
        """Where logout messages are sent to."""
        return self.site.url(request, "slo")

    def metadata(self, request: Request) -> str:
        """What providers are to know."""
        return service_metadata(
            self.entity_id(request),
            self.acs(request),
            None if self.private_key is None else self.slo(request),
            self.certificate if self.private_key is not None else None,
            assertions_signed=bool(self.rules["assertion_signed"]),
            name_id_format=self.name_id_format,
        )

    async def prepare(self) -> None:
        """Start a worker process, and read what the providers say of themselves; one that is not there yet is asked again later."""
        await asyncio.gather(*(idp.known() for idp in self.idps.values()), return_exceptions=True)  # the log has what is wrong

    async def redirect(self, url: str, kind: str, message: str, relay_state: str | None = None) -> str:
        """The address that carries a message, signed where there is a key. Raises Unavailable."""
        query = redirect_query(kind, message, relay_state, is_signed=self.private_key is not None)
        signature = None if self.private_key is None else await self.ask("sign_query", query, self.private_key)
        return with_query(url, query, signature)

    async def posted(self, message: str) -> str:
        """A message for a form, signed where there is a key. Raises Unavailable."""
        return message if self.private_key is None else await self.ask("sign_message", message, self.private_key, self.certificate)

    async def read_login(self, request: Request, message: str) -> dict[str, Any]:
        """What a response says. Raises Refused, Unavailable."""
        rules = {**self.rules, "entity_id": self.entity_id(request), "acs": self.acs(request)}
        own = {"private_key": self.private_key or "", "certificate": self.certificate or ""}
        return await self._read("login", message, {"service": {**rules, **own}})

    async def read_logout(self, request: Request, message: str, query: str | None) -> dict[str, Any]:
        """What a logout message says. Raises Refused, Unavailable."""
        more = {"query": query, "destination": self.slo(request), "leeway_s": self.rules["leeway_s"]}
        return await self._read("logout", message, more)

    async def _read(self, function: str, message: str, more: Mapping[str, Json]) -> dict[str, Any]:
        """What the worker says of a message; nobody waits for the metadata of a provider that it is not by.

        Asked again where it may be signed with a key that the provider has only just taken up.
        """
        known = self._at_hand() or await self._all_known()
        said = await self._asked(function, message, known, more)
        if said.get("is_stranger") and len(known) < len(self.idps):
            known = await self._all_known()
            said = await self._asked(function, message, known, more)
        if said.get("may_be_new_key") and await self._has_new_keys(said.get("provider"), known):
            said = await self._asked(function, message, self._at_hand(), more)
        if "refused" in said:
            raise Refused(said["refused"])
        return said

    async def _asked(self, function: str, message: str, known: Mapping[str, Known], more: Mapping[str, Json]) -> dict[str, Any]:
        providers = [{"name": name, "entity_id": each.entity_id, "certificates": list(each.certificates)} for name, each in known.items()]
        said: dict[str, Any] = await self.ask(function, message, providers=providers, now_s=now().timestamp(), **more)
        return said

    def _at_hand(self) -> dict[str, Known]:
        """Those whose metadata nobody has to wait for."""
        return {name: each for name, idp in self.idps.items() if (each := idp.at_hand()) is not None}

    async def _all_known(self) -> dict[str, Known]:
        """Those whose metadata can be read. Raises Unavailable where there are none."""
        found = await asyncio.gather(*(idp.known() for idp in self.idps.values()), return_exceptions=True)
        for error in found:
            if isinstance(error, BaseException) and not isinstance(error, Unavailable):
                raise error
        known = {name: each for name, each in zip(self.idps, found, strict=True) if isinstance(each, Known)}
        if not known:
            raise next(error for error in found if isinstance(error, Unavailable))
        return known

    async def _has_new_keys(self, name: str | None, known: Mapping[str, Known]) -> bool:
        return name is not None and name in known and await self.idps[name].look_for_new_keys(known[name])

    async def ask(self, function: str, *args: Json, **kwargs: Json) -> Any:
        """What a function of the worker gives. Raises Unavailable."""
        try:
            return await self.worker.call(function, *args, **kwargs)
        except HostError as error:
            log.error(f"a worker process failed in {function}: {error.message}")
            raise Unavailable(503, BUSY, error.message) from None


def _source(name: str, entry: Mapping[str, Any], config: Mapping[str, Any]) -> Source:
    return Source(
        name,
        entry.get("label", name),
        entry.get("metadata_url"),
        entry.get("metadata_file"),
        entry.get("entity_id"),
        config["metadata_refresh_s"],
        config["timeout_ms"],
    )
