"""What ends when: codes, tokens, sessions and keys, under a clock of the test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mockforge_asgi import MockForge, PluginRuntime
from mockforge_asgi.plugins.hostcalls.clock_random import ClockAndRandom
from mockforge_asgi.testing import Client
from plugins_builtin.idp_oidc.tests.flow import CALLBACK, CHALLENGE, VERIFIER

FORM = {"content-type": "application/x-www-form-urlencoded"}
BASIC = {**FORM, "authorization": "Basic d2ViOndlYi1zZWNyZXQ="}
ASKED = f"client_id=spa&response_type=code&redirect_uri={CALLBACK}&scope=openid&code_challenge={CHALLENGE}&code_challenge_method=S256"


@dataclass
class Clock:
    """Seconds that pass when a test says so."""

    now_s: float = 1_800_000_000.0

    def provider(self, **config: Any) -> Client:
        """A provider that lives by it."""
        plugins = {"idp": {"use": "idp-oidc", "config": {"algorithm": "ES256", **config}}}
        clock = ClockAndRandom(unix_ns=lambda: int(self.now_s * 1e9))
        return Client(MockForge(runtime=PluginRuntime({"version": 1, "plugins": plugins}, clock_random=clock)))


async def login(client: Client) -> tuple[str, dict[str, str]]:
    """The code, and the cookie of the session."""
    answer = await client.post("/idp/login", headers=FORM, body=f"user=ada&{ASKED}".encode())
    code = str(answer.header("location")).partition("code=")[2].partition("&")[0]
    return code, {"cookie": str(answer.header("set-cookie")).partition(";")[0]}


async def exchange(client: Client, code: str) -> Any:
    form = f"grant_type=authorization_code&client_id=spa&code={code}&redirect_uri={CALLBACK}&code_verifier={VERIFIER}"
    return (await client.post("/idp/token", headers=FORM, body=form.encode())).json()


async def test_a_code_is_good_for_a_minute() -> None:
    clock = Clock()
    async with clock.provider(code_s=60) as client:
        code, _ = await login(client)
        clock.now_s += 61
        assert (await exchange(client, code))["error"] == "invalid_grant"
        code, _ = await login(client)
        clock.now_s += 59
        assert "id_token" in await exchange(client, code)


async def test_an_access_token_is_active_until_it_expires() -> None:
    clock = Clock()
    async with clock.provider(access_token_s=100) as client:
        token = (await client.post("/idp/token", headers=BASIC, body=b"grant_type=client_credentials")).json()["access_token"]
        found = []
        for _ in range(2):
            clock.now_s += 99
            found.append((await client.post("/idp/introspect", headers=BASIC, body=f"token={token}".encode())).json()["active"])
        assert found == [True, False]


async def test_a_session_that_is_too_old_for_the_client_is_none() -> None:
    clock = Clock()
    async with clock.provider() as client:
        _, cookie = await login(client)
        clock.now_s += 30
        for max_age, outcome in ((31, "code="), (30, "code="), (29, "error=login_required"), (0, "error=login_required")):
            answer = await client.get(f"/idp/authorize?{ASKED}&prompt=none&max_age={max_age}", headers=cookie)
            assert outcome in str(answer.header("location"))


async def test_a_key_signs_as_long_as_is_configured_and_verifies_on() -> None:
    clock = Clock()
    async with clock.provider(rotate_s=60, access_token_s=3600) as client:

        async def kids() -> list[str]:
            return [key["kid"] for key in (await client.get("/idp/jwks")).json()["keys"]]

        token = (await client.post("/idp/token", headers=BASIC, body=b"grant_type=client_credentials")).json()["access_token"]
        (first,) = await kids()
        clock.now_s += 59
        assert await kids() == [first]
        clock.now_s += 1
        second = await kids()
        assert len(second) == 2 and second[1] == first
        said = await client.post("/idp/introspect", headers=BASIC, body=f"token={token}".encode())
        assert said.json()["active"] is True
        for _ in range(10):
            clock.now_s += 60
            await kids()
        assert len(await kids()) == 5 and first not in await kids()


async def test_another_algorithm_wants_another_key_and_the_old_one_verifies_on(tmp_path: Path) -> None:
    found = []
    for algorithm in ("PS256", "ES256", "ES256"):
        plugins = {"idp": {"use": "idp-oidc", "config": {"algorithm": algorithm}}}
        config = {"version": 1, "plugins": plugins, "state": {"url": f"sqlite:///{tmp_path}/state.db"}}
        async with Client(MockForge(config=config)) as client:
            found.append([key["alg"] for key in (await client.get("/idp/jwks")).json()["keys"]])
    assert found == [["PS256"], ["ES256", "PS256"], ["ES256", "PS256"]]
