"""What was accepted once is not accepted again: in one worker, in several at once, after a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mockforge_asgi import MockForge
from mockforge_asgi.testing import Client
from mockforge_plugin import Deny, Request
from mockforge_plugin.host_call import HostCall
from plugins_builtin.auth_hmac.plugin import HmacAuth
from plugins_builtin.auth_hmac.tests.mock import mock
from plugins_builtin.auth_hmac.tests.signing import GITHUB, KEY, STRIPE, Signer, github, slack, stripe
from tests.support.kit_world import World, inside

SIGNER = Signer()
ONE = {"keys": {"one": {"secret": "stripe"}}}


@pytest.mark.parametrize("runtime", ["native", "sandboxed"])
async def test_a_nonce_is_good_for_one_request(runtime: str, tmp_path: Path) -> None:
    async with Client(MockForge(config=mock(sandbox=None if runtime == "native" else tmp_path))) as client:
        nonce = {"nonce": "one-of-twelve"}
        headers = SIGNER.but(parameters=nonce).headers("GET", "/orders/7")
        assert [(await client.get("/orders/7", headers=headers)).status for _ in range(3)] == [200, 401, 401]
        other = SIGNER.but(parameters=nonce).headers("GET", "/orders/8")
        refused = await client.get("/orders/8", headers=other)
        assert (refused.status, refused.json()["message"]) == (401, "the signature was used before: every request needs a nonce of its own")
        sha512 = SIGNER.but(keyid="long", key=SIGNER.key * 2, algorithm="sha512", parameters=nonce)
        assert (await client.get("/orders/8", headers=sha512.headers("GET", "/orders/8"))).status == 200, "each key has nonces of its own"


async def test_of_many_at_once_one_is_accepted() -> None:
    async with Client(MockForge(config=mock())) as client:
        headers = SIGNER.headers("POST", "/orders/7", b"tea")
        answers = await asyncio.gather(*(client.post("/orders/7", headers=headers, body=b"tea") for _ in range(20)))
        assert sorted(answer.status for answer in answers) == [200] + [401] * 19


async def test_who_changes_a_request_on_its_way_does_not_use_its_nonce_up() -> None:
    async with Client(MockForge(config=mock())) as client:
        headers = SIGNER.headers("POST", "/orders/7", b"tea")
        assert (await client.post("/orders/7", headers=headers, body=b"gin")).status == 401
        assert (await client.post("/orders/7?x", headers=headers, body=b"tea")).status == 401
        assert (await client.post("/orders/7", headers=headers, body=b"tea")).status == 200


async def test_without_a_nonce_the_signature_is_good_for_one_request() -> None:
    async with Client(MockForge(config=mock({"nonce": "optional"}))) as client:
        headers = SIGNER.but(parameters={"nonce": None}).headers("GET", "/orders/7")
        assert [(await client.get("/orders/7", headers=headers)).status for _ in range(2)] == [200, 401]
        other = SIGNER.but(parameters={"nonce": None}).headers("GET", "/orders/8")
        assert (await client.get("/orders/8", headers=other)).status == 200


async def test_what_was_signed_with_two_secrets_is_good_for_one_request_whichever_is_left_out() -> None:
    keys = {"new": {"secret": "stripe", "principal": "shop"}, "old": {"secret": "github", "principal": "shop"}}
    async with Client(MockForge(config=mock({"preset": "stripe", "keys": keys}))) as client:
        for order in ((0, 1, 2), (1, 0, 2), (2, 0, 1)):
            body = b"%d%d%d" % order
            new, old = (stripe(body, secret)["stripe-signature"] for secret in (STRIPE, GITHUB))
            told = [f"{new},{old.partition(',')[2]}", new, old]
            answers = [await client.post("/hook", headers={"stripe-signature": told[which]}, body=body) for which in order]
            if order[0] == 0:
                assert [answer.status for answer in answers] == [200, 401, 401]
            else:
                assert [answer.status for answer in answers[:2]] == [200, 401], "with a secret more it is the same"


async def test_two_workers_and_one_after_a_restart_know_what_the_others_accepted(tmp_path: Path) -> None:
    def worker() -> Client:
        return Client(MockForge(config=mock(state={"url": f"sqlite:///{tmp_path}/state.db"})))

    first, second = SIGNER.headers("GET", "/orders/1"), SIGNER.headers("GET", "/orders/2")
    async with worker() as one, worker() as other:
        assert [(await client.get("/orders/1", headers=first)).status for client in (one, other)] == [200, 401]
        racing = await asyncio.gather(*(client.get("/orders/2", headers=second) for client in (one, other) * 8))
        assert sorted(answer.status for answer in racing) == [200] + [401] * 15
    async with worker() as restarted:
        assert (await restarted.get("/orders/1", headers=first)).status == 401
        assert (await restarted.get("/orders/1", headers=SIGNER.headers("GET", "/orders/1"))).status == 200


class Slow(Request):
    """One whose body takes longer to come than what was accepted is remembered."""

    world: World

    def read_raw(self, *, offset: int = 0, length: int | None = None) -> HostCall[bytes]:
        self.world.now_s += 40
        return super().read_raw(offset=offset, length=length)


@pytest.mark.parametrize("preset", ["rfc9421", "stripe", "slack"])
async def test_a_body_that_comes_slowly_does_not_outlast_what_is_remembered(preset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, secrets={"one": KEY})
    plugin, body = HmacAuth(), b"tea"
    plugin.config = {
        "preset": preset, "keys": {"ci": {"secret": "one"}}, "cover": [], "may_cover": [], "authority": True, "nonce": "required",
        "max_age_s": 300, "clock_skew_s": 30, "realm": "mockforge",
    }  # fmt: skip
    sign = {"stripe": stripe, "slack": slack}.get(preset)
    headers = SIGNER.headers("POST", "/orders/7", body) if sign is None else sign(body, KEY)
    world.now_s += 299
    with inside(world):
        plugin.init()
        request = Slow("POST", "/orders/7", headers=headers, body=body, host="testserver")
        request.world = world
        decision = await plugin.authenticate(request)
    assert isinstance(decision, Deny) and (decision.status, decision.reason) == (401, "the signature is older than 300 s")


async def test_in_memory_a_restart_forgets_as_the_documentation_says() -> None:
    headers = SIGNER.headers("GET", "/orders/1")
    for _ in range(2):
        async with Client(MockForge(config=mock())) as client:
            assert (await client.get("/orders/1", headers=headers)).status == 200


@pytest.mark.parametrize(
    ("preset", "sign", "more", "statuses"),
    [
        ("stripe", stripe, {}, [200, 401]),
        ("slack", slack, {}, [200, 401]),
        ("github", github, {}, [200, 200]),
        ("github", github, {"replay": "refuse"}, [200, 401]),
        ("stripe", stripe, {"replay": "allow"}, [200, 200]),
    ],
)
async def test_webhooks_that_come_twice(preset: str, sign: Any, more: dict[str, str], statuses: list[int]) -> None:
    async with Client(MockForge(config=mock({"preset": preset, "keys": {preset: {"secret": preset}}, **more}))) as client:
        headers = sign(b"{}")
        assert [(await client.post("/hook", headers=headers, body=b"{}")).status for _ in range(2)] == statuses


async def test_where_no_more_can_be_remembered_nobody_passes() -> None:
    config = mock()
    config["plugins"]["signed"]["grants"] = {
        "request": {"headers": ["signature", "signature-input", "content-digest", "content-type", "content-length", "date", "host",
                                "x-hub-signature-256", "stripe-signature", "x-slack-signature", "x-slack-request-timestamp"],
                    "query": ["*"], "body": True},
        "secrets": ["ci", "long"],
        "kv": {"max_keys": 200000, "max_bytes": 300},
    }  # fmt: skip
    async with Client(MockForge(config=config)) as client:
        statuses = [(await client.get("/orders/7", headers=SIGNER.headers("GET", "/orders/7"))).status for _ in range(6)]
    assert statuses[0] == 200 and statuses[-1] == 503
