"""Service providers: who may be sent assertions, where, and how they want them.

Those of the configuration, with what their metadata says; and where the configuration lets it, whoever is on the browser's own machine.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from cryptography.x509 import Certificate

from mockforge_plugin import HostError, http, log

from .defects import Seal
from .elements import MAX_BYTES, POST, REDIRECT
from .keys import BadKey, certificate
from .metadata import BadMetadata, Logout, described
from .settings import is_loopback, is_web_address

_FETCHED_S: Final = 300
"""How long metadata that was fetched is taken for the present one."""
_RETRY_S: Final = 5
_FETCH_MS: Final = 5000


@dataclass(frozen=True, slots=True)
class ServiceProvider:
    """One that may be sent assertions; the first of its addresses is the one where none is asked for."""

    entity_id: str
    acs: tuple[str, ...]
    name: str | None = None
    acs_by_index: Mapping[int, str] = field(default_factory=dict)
    logout: Logout | None = None
    certificates: tuple[Certificate, ...] = ()
    seal: Seal = field(default_factory=Seal)
    signs_requests: bool = False
    """Whether a login request without a signature is refused."""
    name_id_format: str | None = None
    defect: str | None = None

    def address(self, asked: str | None, index: int | None) -> str | None:
        """Where an assertion is sent that was asked for at that address or index; None where that is not one of its own."""
        if asked is not None:
            return asked if asked in self.acs else None
        if index is not None:
            return self.acs_by_index.get(index)
        return self.acs[0] if self.acs else None


def on_this_machine(entity_id: str, acs: str | None, seal: Seal) -> ServiceProvider | None:
    """One that nobody has listed, whose address is on the browser's own machine; None for all others."""
    return ServiceProvider(entity_id, (acs,), seal=seal) if acs is not None and is_web_address(acs) and is_loopback(acs) else None


class Listed:
    """The service providers of the configuration, by entity id; metadata is fetched when one is asked for."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Raises BadKey, BadMetadata."""
        self._entries = {entry["entity_id"]: entry for entry in config["service_providers"]}
        self._known = {entity_id: provider_of(entry, config["sign"]) for entity_id, entry in self._entries.items()}
        self._until_s: dict[str, float] = {}
        self._failed: dict[str, str] = {}
        """Why metadata is not there that is not asked for again yet."""

    def names(self) -> dict[str, str]:
        """What each is called, by entity id."""
        return {entity_id: entry.get("name", entity_id) for entity_id, entry in self._entries.items()}

    def find(self, entity_id: str) -> ServiceProvider | None:
        """That one. Raises BadMetadata where its metadata is needed and cannot be had."""
        entry = self._entries.get(entity_id)
        if entry is None:
            return None
        if "metadata_url" in entry and self._until_s.get(entity_id, 0) <= time.monotonic():
            self._fetch(entity_id, entry)
        found = self._known[entity_id]
        if not found.acs and entity_id in self._failed:
            raise BadMetadata(self._failed[entity_id])
        return found

    def _fetch(self, entity_id: str, entry: Mapping[str, Any]) -> None:
        """Raises nothing: what is known stays."""
        try:
            answer = http.get(entry["metadata_url"], timeout_ms=_FETCH_MS).result()
            if answer.status != 200:
                raise BadMetadata(f"{entry['metadata_url']} answers {answer.status}")
            self._known[entity_id] = with_metadata(provider_of(entry, self._known[entity_id].seal.signs), entry, answer.body)
            self._until_s[entity_id] = time.monotonic() + _FETCHED_S
            self._failed.pop(entity_id, None)
        except (HostError, BadMetadata) as error:
            log.warning(f"the metadata of {entity_id} cannot be fetched, and what was known stays: {error}")
            self._until_s[entity_id] = time.monotonic() + _RETRY_S
            self._failed[entity_id] = f"the metadata of {entity_id} cannot be fetched: {error}"


def provider_of(entry: Mapping[str, Any], signs: str) -> ServiceProvider:
    """That of an entry of `service_providers`, with its metadata unless that is to be fetched. Raises BadKey, BadMetadata."""
    acs = entry.get("acs", ())
    acs = (acs,) if isinstance(acs, str) else tuple(acs)
    logout = Logout(entry["logout_url"], POST if entry.get("logout_binding") == "post" else REDIRECT) if "logout_url" in entry else None
    key = None if entry.get("encryption") == "none" else entry.get("encryption_certificate")
    found = ServiceProvider(
        entry["entity_id"],
        acs,
        entry.get("name"),
        dict(enumerate(acs)),
        logout,
        tuple(certificate(text) for text in entry.get("certificates", ())),
        Seal(entry.get("sign", signs), None if key is None else certificate(key), entry.get("encryption", "aes256-gcm")),
        bool(entry.get("signed_requests")),
        entry.get("name_id_format"),
        entry.get("defect"),
    )
    if "metadata" in entry:
        return with_metadata(found, entry, entry["metadata"].encode())
    return with_metadata(found, entry, _read(entry["metadata_file"])) if "metadata_file" in entry else found


def with_metadata(provider: ServiceProvider, entry: Mapping[str, Any], data: bytes) -> ServiceProvider:
    """The same with what its metadata says of it, where its entry says nothing. Raises BadMetadata."""
    said, seal = described(data, provider.entity_id), provider.seal
    if seal.encryption is None and said.encryption and entry.get("encryption") != "none":
        seal = replace(seal, encryption=said.encryption[0], content=entry.get("encryption") or said.content or seal.content)
    return replace(
        provider,
        acs=provider.acs or said.acs,
        acs_by_index=provider.acs_by_index or said.acs_by_index,
        logout=provider.logout or said.logout,
        certificates=provider.certificates or said.signing,
        seal=seal,
        signs_requests=entry.get("signed_requests", said.signs_requests),
    )


def _read(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadMetadata(f"the file {path} cannot be read: {error.strerror}") from error


def problems(entries: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """(place, words) of what a schema cannot say of `service_providers`."""
    seen: set[str] = set()
    for number, entry in enumerate(entries):
        place = f"service_providers[{number}]"
        if entry["entity_id"] in seen:
            yield f"{place}.entity_id", f"'{entry['entity_id']}' is there twice"
        seen.add(entry["entity_id"])
        yield from ((f"{place}.{key}", words) for key, words in _entry_problems(entry))


def _entry_problems(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    sources = [key for key in ("metadata", "metadata_file", "metadata_url") if key in entry]
    if len(sources) > 1:
        yield sources[1], f"`{sources[0]}` has the metadata already. Keep one of them"
    if not sources and not entry.get("acs"):
        yield "acs", "it is not said where assertions go: write `acs`, or its metadata (`metadata`, `metadata_file` or `metadata_url`)"
    try:
        provider = provider_of(entry, "both")
    except BadMetadata as error:
        yield sources[0], str(error)
        return
    except BadKey as error:
        yield "certificates", str(error)
        return
    for url in [*provider.acs, *([provider.logout.url] if provider.logout else [])]:
        if not is_web_address(url):
            yield "acs" if url in provider.acs else "logout_url", f"'{url}' is not an http or https address"
