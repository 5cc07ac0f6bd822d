"""Keys: made once for all workers, kept, given, and changed for the next."""

from __future__ import annotations

from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from lxml import etree

from mockforge_asgi import MockForge
from mockforge_asgi.errors import ConfigError, MockForgeError
from mockforge_asgi.testing import Client
from plugins_builtin.idp_saml.elements import NAMES
from plugins_builtin.idp_saml.keys import Signer
from plugins_builtin.idp_saml.tests.parties import JSON, Idp, Python3Saml, browser
from tests.support.server_processes import running_process


def mock(state: str | None = None, secrets: dict[str, Any] | None = None, **config: Any) -> dict[str, Any]:
    made = {"version": 1, "plugins": {"idp": {"use": "idp-saml", "config": config}}, "secrets": secrets or {}}
    return made if state is None else {**made, "state": {"url": state}}


async def certificates(config: dict[str, Any]) -> list[str]:
    async with Client(MockForge(config=config), host="127.0.0.1:8000") as client:
        root = etree.fromstring((await client.get("/idp/metadata")).body)
    return [found.text for found in root.iterfind(".//ds:X509Certificate", NAMES)]


async def test_keys_outlast_a_restart_where_state_does(tmp_path: Path) -> None:
    kept = f"sqlite:///{tmp_path / 'state.db'}"
    first = await certificates(mock(kept))
    assert len(first) == 1 and first == await certificates(mock(kept))
    assert first != await certificates(mock())
    both = await certificates(mock(kept, roll_over="announced"))
    assert len(both) == 2 and both[0] == first[0]
    assert await certificates(mock(kept, roll_over="switched")) == both[::-1]
    assert await certificates(mock(kept, roll_over="finished")) == both[1:]


def test_workers_share_keys_sessions_and_logouts(tmp_path: Path) -> None:
    file = tmp_path / "mockforge.yaml"
    config = mock(f"sqlite:///{tmp_path / 'state.db'}")
    file.write_text(yaml.safe_dump({**config, "server": {"workers": 2}}))
    with running_process("mockforge", ["-m", "mockforge_asgi", "serve", str(file), "--port", "{port}"]) as server:
        base = f"http://127.0.0.1:{server.port}/idp"
        with browser(limits=httpx.Limits(max_keepalive_connections=0)) as http:  # each connection goes to one worker or the other
            assert len({http.get(f"{base}/metadata").text for _ in range(12)}) == 1
            party = Python3Saml(Idp.at(base), "both", None)
            assert {party.log_in().name for _ in range(6)} == {"ada"}
            http.post(f"{base}/login", data={"user": "ada", "sp": "urn:sp", "acs": "http://127.0.0.1:9000/acs"})
            assert all("ada is logged in" in http.get(f"{base}/logout").text for _ in range(8))
            kept = dict(http.cookies)
            http.post(f"{base}/logout")
            http.cookies.update(kept)
            assert all("Nobody is logged in here." in http.get(f"{base}/logout").text for _ in range(8))


async def test_keys_are_given(tmp_path: Path) -> None:
    first, second = (Signer.make(name, datetime.now(UTC)) for name in ("first", "second"))
    file = tmp_path / "idp.pem"
    file.write_text(first.pem)
    secrets = {"one": {"file": str(file)}, "two": {"value": second.pem}}
    given = {"key": "one", "next_key": "two"}
    assert await certificates(mock(secrets=secrets, **given)) == [first.certificate_text]
    assert await certificates(mock(secrets=secrets, **given, roll_over="switched")) == [second.certificate_text, first.certificate_text]


@pytest.mark.parametrize(("pem", "words"), [
    ("nonsense", "must be PEM"),
    (Signer.make("x", datetime.now(UTC)).key_pem.decode(), "must be PEM"),
])  # fmt: skip
async def test_a_key_that_is_none_is_told_without_being_shown(pem: str, words: str) -> None:
    with pytest.raises((ConfigError, MockForgeError, RuntimeError)) as caught:
        await certificates(mock(secrets={"one": {"value": pem}}, key="one"))
    assert words in str(caught.value) and "secret 'one'" in str(caught.value) and pem not in str(caught.value)


async def test_a_service_provider_that_has_read_of_the_next_key_takes_it() -> None:
    for stage, is_taken in (("none", False), ("announced", True), ("switched", True), ("finished", False)):
        async with Client(MockForge(config=mock(roll_over=stage)), host="127.0.0.1:8000") as client:
            idp = Idp("http://127.0.0.1:8000/idp", (await client.get("/idp/metadata")).text)
            party = Python3Saml(idp, "both", None)
            for defect, expected in (("none", True), ("next-key", is_taken)):
                begun = party.begin()
                target = begun.url.removeprefix("http://127.0.0.1:8000")
                body = f"user=ada&defect={defect}".encode()
                headers = {**JSON, "content-type": "application/x-www-form-urlencoded"}
                answer = await client.post(target, headers=headers, body=body)
                taken = party.take(answer.json()["SAMLResponse"], begun)
                assert (taken.name == "ada") is expected, (stage, defect, taken.why)
                assert b"X509Certificate" in b64decode(answer.json()["SAMLResponse"])
