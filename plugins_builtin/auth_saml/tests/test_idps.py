"""Metadata of providers: when they are read, what of them is believed, for how long, and what becomes of logins when keys change."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mockforge_plugin import HostError, Processes
from plugins_builtin.auth_saml import worker
from plugins_builtin.auth_saml.idps import IdentityProvider, Source
from plugins_builtin.auth_saml.provider import Unavailable
from plugins_builtin.auth_saml.tests.forge import IDP, metadata, pair
from plugins_builtin.auth_saml.tests.mock import own_key, serving
from tests.support.kit_world import DOWN, HUGE, SLOW, World, inside, reply

URL = "https://idp.example/metadata"
OLD, NEW = pair("idp"), pair("idp-next")
NOW_S = 1_900_000_000.0


class WithWorker(World):
    """A world whose worker process is this one."""

    async def call(self, name: str, payload: dict[str, Any]) -> Any:
        """What the worker's function gives, or an HTTP answer."""
        if name == "process.call":
            return getattr(worker, payload["function"])(*payload["args"], **payload["kwargs"])
        return await super().call(name, payload)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return WithWorker(monkeypatch, now_s=NOW_S)


def xml(text: str) -> Any:
    """An answer with metadata."""
    return reply(text.encode(), content_type="application/samlmetadata+xml")


def provider(world: World, *, file: Path | None = None, entity_id: str | None = None, refresh_s: float = 3600) -> IdentityProvider:
    """A provider whose times are those of the world."""
    source = Source("corp", "Corp", None if file else URL, None if file is None else str(file), entity_id, refresh_s, 3000)
    return IdentityProvider(source, Processes("worker.py"), clock=lambda: world.now_s)


async def certificates(idp: IdentityProvider) -> tuple[str, ...]:
    await read(idp)
    return (await idp.known()).certificates


async def read(idp: IdentityProvider) -> None:
    """Use what is known, and let what that begins come to its end."""
    await idp.known()
    for _ in range(20):
        await asyncio.sleep(0)


async def failure(idp: IdentityProvider) -> Unavailable:
    with pytest.raises(Unavailable) as caught:
        await idp.known()
    return caught.value


async def test_metadata_are_fetched_once_for_all_and_kept(world: World) -> None:
    world.answer, idp = xml(metadata(OLD)), provider(world)
    with inside(world):
        found = await asyncio.gather(*(idp.known() for _ in range(5)))
        assert {each.entity_id for each in found} == {IDP} and found[0].certificates == (OLD.certificate,)
        assert found[0].sso["redirect"]["url"] == "https://idp.example/sso" and idp.is_well
        world.now_s += 3599
        await idp.known()
        assert [(each["method"], each["url"]) for each in world.asked] == [("GET", URL)]
        world.now_s += 1
        await read(idp)
        assert len(world.asked) == 2


@pytest.mark.parametrize(("said", "kept_s"), [
    ("cacheDuration='PT10M'", 600), ("cacheDuration='PT1S'", 60), ("cacheDuration='P30D'", 3600), ("cacheDuration='PT1H30M'", 3600),
    ("cacheDuration='P1M'", 3600), ("cacheDuration='x'", 3600), ("cacheDuration=''", 3600),
])  # fmt: skip
async def test_they_are_read_as_often_as_they_say_within_bounds(world: World, said: str, kept_s: float) -> None:
    world.answer, idp = xml(metadata(OLD, more=said)), provider(world)
    with inside(world):
        await idp.known()
        world.now_s += kept_s - 1
        await idp.known()
        assert len(world.asked) == 1
        world.now_s += 1
        await read(idp)
        assert len(world.asked) == 2


async def test_a_new_key_is_looked_for_when_a_signature_wants_one_and_not_often(world: World) -> None:
    world.answer, idp = xml(metadata(OLD)), provider(world)
    with inside(world):
        known = await idp.known()
        assert not await idp.look_for_new_keys(known) and len(world.asked) == 2
        world.answer = xml(metadata(NEW, OLD))
        assert not await idp.look_for_new_keys(known) and len(world.asked) == 2  # too soon
        world.now_s += 30
        assert await idp.look_for_new_keys(known)
        assert await certificates(idp) == (NEW.certificate, OLD.certificate)
        assert any("other keys" in line for line in world.logged)


async def test_the_last_ones_serve_on_while_the_provider_is_away_but_not_for_ever(world: World) -> None:
    world.answer, idp = xml(metadata(OLD)), provider(world)
    with inside(world):
        await idp.known()
        world.answer = DOWN
        world.now_s += 3600
        assert await certificates(idp) == (OLD.certificate,) and not idp.is_well
        world.now_s += 10
        await idp.known()
        assert len(world.asked) == 2  # it is left alone for a while
        world.now_s += 86_400
        assert (await failure(idp)).status == 503
        world.answer = xml(metadata(OLD))
        world.now_s += 30
        assert await certificates(idp) == (OLD.certificate,) and idp.is_well


async def test_they_end_when_they_say(world: World) -> None:
    world.now_s = 1_893_456_000.0 - 100  # 2030-01-01
    world.answer, idp = xml(metadata(OLD, more="validUntil='2030-01-01T00:00:00Z'")), provider(world)
    with inside(world):
        await idp.known()
        world.now_s += 100
        error = await failure(idp)
        assert error.status == 502 and "validUntil" in error.why
        world.answer = xml(metadata(OLD, more="validUntil='2031-01-01T00:00:00.000Z'"))
        world.now_s += 30
        assert await certificates(idp) == (OLD.certificate,)


async def test_another_name_is_not_believed_later(world: World) -> None:
    world.answer, idp = xml(metadata(OLD)), provider(world)
    with inside(world):
        await idp.known()
        world.answer = xml(metadata(NEW, entity_id="https://evil.example"))
        world.now_s += 3600
        assert await certificates(idp) == (OLD.certificate,)
        assert any("does not have that one provider" in line for line in world.logged)


SHORT = pair("short", bits=1024)
BAD = {
    "away": (DOWN, 503, "connection refused"),
    "too long": (HUGE, 502, "more than"),
    "not found": (reply(b"", 404), 502, "it answered 404"),
    "a redirect": (reply(b"", 302, location="https://evil.example"), 502, "it answered 302"),
    "a page": (xml("<html/>"), 502, "no SAML metadata"),
    "no XML": (xml("{}"), 502, "not XML"),
    "a document type": (xml("<!DOCTYPE x [<!ENTITY a 'b'>]>" + metadata(OLD)), 502, "document type"),
    "no key": (xml(metadata()), 502, "there is no KeyDescriptor"),
    "a short key": (xml(metadata(SHORT)), 502, "only 1024 bits"),
    "a key that is none": (xml(metadata(OLD).replace(OLD.body, "AAAA")), 502, "cannot be read"),
    "expired": (xml(metadata(OLD, more="validUntil='2020-01-01T00:00:00Z'")), 502, "expired"),
    "no place for logins": (xml(metadata(OLD, sso="javascript:alert(1)")), 502, "where logins begin"),
    "a service provider": (xml(metadata(OLD).replace("IDPSSO", "SPSSO")), 502, "no identity provider"),
    "SAML 1.1": (xml(metadata(OLD).replace("SAML:2.0:protocol", "SAML:1.1:protocol")), 502, "no identity provider"),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_cannot_be_used_is_told_to_the_operator(world: World, name: str) -> None:
    answer, status, why = BAD[name]
    world.answer, idp = answer, provider(world)
    with inside(world):
        error = await failure(idp)
        assert error.status == status and why in error.why and why not in error.words
        assert any(URL in line and why in line for line in world.logged)
        world.answer = xml(metadata(OLD))
        world.now_s += 1
        assert await certificates(idp) == (OLD.certificate,)


async def test_keys_that_cannot_be_used_are_passed_over(world: World) -> None:
    world.answer, idp = xml(metadata(SHORT, OLD, OLD)), provider(world)
    with inside(world):
        assert await certificates(idp) == (OLD.certificate,)
        assert any("1024 bits" in line for line in world.logged)


async def test_one_of_many_is_chosen_by_its_name(world: World) -> None:
    many = "<md:EntitiesDescriptor xmlns:md='urn:oasis:names:tc:SAML:2.0:metadata'>{}{}</md:EntitiesDescriptor>"
    world.answer = xml(many.format(metadata(OLD), metadata(NEW, entity_id="https://two.example")))
    with inside(world):
        assert await certificates(provider(world, entity_id="https://two.example")) == (NEW.certificate,)
        assert "https://two.example" in (await failure(provider(world))).why


async def test_a_file_is_read_again_when_it_changes(world: World, tmp_path: Path) -> None:
    file = tmp_path / "idp.xml"
    file.write_text(metadata(OLD))
    idp = provider(world, file=file)
    with inside(world):
        assert await certificates(idp) == (OLD.certificate,)
        file.write_text(metadata(NEW))
        os.utime(file, ns=(1, 1))
        assert await certificates(idp) == (NEW.certificate,)
        file.unlink()
        assert await certificates(idp) == (NEW.certificate,)
        assert any("cannot be read" in line for line in world.logged)


async def test_nobody_waits_while_they_are_read_again(world: World) -> None:
    answered = asyncio.Event()

    async def later(asked: dict[str, Any]) -> Any:
        await answered.wait()
        return xml(metadata(NEW))

    world.answer, idp = xml(metadata(OLD)), provider(world)
    with inside(world):
        await idp.known()
        world.answer = later
        world.now_s += 3600
        assert (await idp.known()).certificates == (OLD.certificate,)
        answered.set()
        assert await certificates(idp) == (NEW.certificate,) and len(world.asked) == 2


async def test_a_reading_goes_on_when_whoever_began_it_gives_up(world: World) -> None:
    answered = asyncio.Event()

    async def later(asked: dict[str, Any]) -> Any:
        await answered.wait()
        return xml(metadata(OLD))

    world.answer, idp = later, provider(world)
    with inside(world):
        first, other = asyncio.ensure_future(idp.known()), asyncio.ensure_future(idp.known())
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first])
        answered.set()
        assert (await other).certificates == (OLD.certificate,) and len(world.asked) == 1


class Ending(WithWorker):
    """The world of one request, which may be over."""

    is_over = False

    async def call(self, name: str, payload: dict[str, Any]) -> Any:
        """Nothing more, once it is."""
        if self.is_over:
            raise HostError("the call that this host call belongs to is over", code="unavailable")
        return await super().call(name, payload)

    def anew(self) -> World:
        """The world of what belongs to no request."""
        return WithWorker(self.patch, self.now_s, answer=self.answer)


async def test_what_a_request_began_needs_it_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = asyncio.Event()

    async def later(asked: dict[str, Any]) -> Any:
        await answered.wait()
        return xml(metadata(OLD))

    one, other = Ending(monkeypatch, NOW_S, answer=later), WithWorker(monkeypatch, NOW_S)
    idp = provider(other)
    with inside(one):
        first = asyncio.ensure_future(idp.known())
        await asyncio.sleep(0)
    with inside(other):
        second = asyncio.ensure_future(idp.known())
        await asyncio.sleep(0)
        first.cancel()
        one.is_over = True
        answered.set()
        assert (await second).certificates == (OLD.certificate,)


async def test_requests_that_wait_for_a_silent_provider_wait_once(world: World) -> None:
    async def silent(asked: dict[str, Any]) -> Any:
        world.now_s += 3  # longer than it is left alone after that
        return SLOW

    world.answer, idp = silent, provider(world)
    with inside(world):
        assert (await failure(idp)).status == 503
        assert "asked again with the next login" in world.logged[-1]
        said = await asyncio.gather(*(idp.known() for _ in range(30)), return_exceptions=True)
        assert all(isinstance(each, Unavailable) for each in said) and len(world.asked) == 2


class Metadata(BaseHTTPRequestHandler):
    """Serves what it is given."""

    text = ""

    def do_GET(self) -> None:
        """The metadata."""
        self.send_response(200)
        self.send_header("content-type", "application/samlmetadata+xml")
        self.send_header("content-length", str(len(self.text)))
        self.end_headers()
        self.wfile.write(self.text.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def metadata_url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Metadata) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/metadata"
        server.shutdown()
        thread.join()


def test_certificates_roll_over_without_a_failed_login(tmp_path: Path, metadata_url: str) -> None:
    Metadata.text = metadata(OLD)
    with serving(tmp_path, {"saml": {"idps": {"corp": {"metadata_url": metadata_url}}, **own_key()}}) as at:
        begun = at.begin()
        assert begun.arrive(begun.login().signed(OLD)).status_code == 303
        Metadata.text = metadata(NEW)  # the old key is gone, which the mock learns by the first response with the new one
        begun = at.begin()
        assert begun.arrive(begun.login().signed(NEW)).status_code == 303 and begun.who() is not None
        begun = at.begin()
        assert "Signature validation failed" in begun.refusal(begun.login().signed(OLD))
