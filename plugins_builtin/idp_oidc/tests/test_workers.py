"""Several workers of one server are one provider: keys, codes, sessions and tokens are shared, and so is their end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mockforge_asgi import MockForge
from mockforge_asgi.testing import Client
from plugins_builtin.idp_oidc.tests.flow import CALLBACK, CHALLENGE, VERIFIER

FORM = {"content-type": "application/x-www-form-urlencoded"}
BASIC = {**FORM, "authorization": "Basic d2ViOndlYi1zZWNyZXQ="}
ASKED = f"client_id=spa&response_type=code&redirect_uri={CALLBACK}&scope=openid&code_challenge={CHALLENGE}&code_challenge_method=S256"


def worker(folder: Path) -> Client:
    plugins = {"idp": {"use": "idp-oidc"}}
    return Client(MockForge(config={"version": 1, "plugins": plugins, "state": {"url": f"sqlite:///{folder}/state.db"}}))


@pytest.fixture
async def workers(tmp_path: Path) -> AsyncIterator[list[Client]]:
    """Two that start at once."""
    found = [worker(tmp_path), worker(tmp_path)]
    await asyncio.gather(*(client.__aenter__() for client in found))
    yield found
    for client in found:
        await client.__aexit__(None, None, None)


async def kids(client: Client) -> list[str]:
    return [key["kid"] for key in (await client.get("/idp/jwks")).json()["keys"]]


async def test_there_is_one_key_however_many_start(workers: list[Client], tmp_path: Path) -> None:
    one, other = workers
    first = await kids(one)
    assert len(first) == 1 and await kids(other) == first
    async with worker(tmp_path) as restarted:
        assert await kids(restarted) == first
    rotated = await asyncio.gather(*(client.post("/idp/rotate", headers=BASIC, body=b"x=1") for client in workers))
    assert {answer.status for answer in rotated} == {200}
    assert await kids(one) == await kids(other) != first


async def test_a_login_at_one_is_a_login_at_all_and_so_is_its_end(workers: list[Client]) -> None:
    one, other = workers
    back = await one.post("/idp/login", headers=FORM, body=f"user=ada&{ASKED}".encode())
    cookie = {"cookie": str(back.header("set-cookie")).partition(";")[0]}
    code = str(back.header("location")).partition("code=")[2].partition("&")[0]
    form = f"grant_type=authorization_code&client_id=spa&code={code}&redirect_uri={CALLBACK}&code_verifier={VERIFIER}".encode()
    racing = await asyncio.gather(*(client.post("/idp/token", headers=FORM, body=form) for client in workers))
    assert sorted(answer.status for answer in racing) == [200, 400]
    tokens = next(answer.json() for answer in racing if answer.status == 200)
    for client in workers:  # the code came twice, so that all of its tokens have ended: everywhere
        said = await client.post("/idp/introspect", headers=BASIC, body=f"token={tokens['access_token']}".encode())
        assert said.json() == {"active": False}
        assert "code=" in str((await client.get(f"/idp/authorize?{ASKED}&prompt=none", headers=cookie)).header("location"))
    ended = await other.get(f"/idp/logout?id_token_hint={tokens['id_token']}", headers=cookie)
    assert ended.status == 200 and "Max-Age=0" in str(ended.header("set-cookie"))
    for client in workers:
        assert "login_required" in str((await client.get(f"/idp/authorize?{ASKED}&prompt=none", headers=cookie)).header("location"))
