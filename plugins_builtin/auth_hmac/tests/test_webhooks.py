"""Webhooks of GitHub, Stripe and Slack: their own examples, and what was tried against them."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mockforge_asgi import MockForge
from mockforge_asgi.testing import Client
from plugins_builtin.auth_hmac.tests.mock import mock
from plugins_builtin.auth_hmac.tests.signing import GITHUB, SLACK, STRIPE, github, slack, stripe

BODY = b'{"text": "Z\xc3\xbcrich"}'
Headers = dict[str, str] | list[tuple[str, str]]


def ago(seconds: int) -> int:
    return int(time.time()) - seconds


def hexed(secret: str, text: bytes, algorithm: str = "sha256") -> str:
    return hmac.new(secret.encode(), text, algorithm).hexdigest()


def striped(*parts: str, at: int | None = None, then: str = "") -> Headers:
    """A Stripe signature with more parts in front, and behind."""
    return {"stripe-signature": ",".join([*parts, stripe(BODY, at=at)["stripe-signature"]]) + then}


def changed(headers: dict[str, str], change: Callable[[str], str]) -> Headers:
    """Headers with the signature changed."""
    return {name: change(value) if "signature" in name else value for name, value in headers.items()}


def upper(value: str) -> str:
    head, _, digits = value.rpartition("=")
    return f"{head}={digits.upper()}"


ATTACKS: dict[str, tuple[str, Callable[[], Headers], bytes, int]] = {
    "github: right": ("github", lambda: github(BODY), BODY, 200),
    "github: no body": ("github", lambda: github(b""), b"", 200),
    "github: body changed": ("github", lambda: github(BODY), BODY + b"\n", 401),
    "github: body cut": ("github", lambda: github(BODY), BODY[:-1], 401),
    "github: another secret": ("github", lambda: github(BODY, "another secret"), BODY, 401),
    "github: an empty secret": ("github", lambda: github(BODY, ""), BODY, 401),
    "github: SHA-1 in its old header": ("github", lambda: {"x-hub-signature": "sha1=" + hexed(GITHUB, BODY, "sha1")}, BODY, 401),
    "github: SHA-1 in the new header": ("github", lambda: {"x-hub-signature-256": "sha1=" + hexed(GITHUB, BODY, "sha1")}, BODY, 400),
    "github: SHA-1, filled up": ("github", lambda: {"x-hub-signature-256": "sha256=" + hexed(GITHUB, BODY, "sha1") + "0" * 24}, BODY, 401),
    "github: capitals": ("github", lambda: changed(github(BODY), upper), BODY, 400),
    "github: blanks between digits": ("github", lambda: changed(github(BODY), lambda v: v[:9] + " " + v[9:]), BODY, 400),
    "github: digits of another script": ("github", lambda: {"x-hub-signature-256": "sha256=" + "\u00b2" * 64}, BODY, 400),
    "github: no prefix": ("github", lambda: changed(github(BODY), lambda v: v[7:]), BODY, 400),
    "github: empty": ("github", lambda: {"x-hub-signature-256": ""}, BODY, 400),
    "github: twice": ("github", lambda: [*github(BODY).items(), *github(b"").items()], BODY, 400),
    "github: two in one": ("github", lambda: changed(github(BODY), lambda v: f"{v}, {v}"), BODY, 400),
    "github: 9 KiB": ("github", lambda: {"x-hub-signature-256": "sha256=" + "a" * 9000}, BODY, 400),
    "github: a hash of secret and body": (
        "github", lambda: {"x-hub-signature-256": "sha256=" + hashlib.sha256(GITHUB.encode() + BODY).hexdigest()}, BODY, 401),
    "github: body over the limit": ("github", lambda: github(bytes(1 << 21)), bytes(1 << 21), 413),
    "github: signed as Slack": ("github", lambda: slack(BODY, GITHUB), BODY, 401),
    "stripe: right": ("stripe", lambda: stripe(BODY), BODY, 200),
    "stripe: another v1 in front": ("stripe", lambda: striped("v1=" + "0" * 64), BODY, 200),
    "stripe: another v1 behind": ("stripe", lambda: striped(then=",v1=" + "0" * 64), BODY, 200),
    "stripe: a v0 beside it": ("stripe", lambda: striped(then=",v0=" + "0" * 64), BODY, 200),
    "stripe: v0 only": ("stripe", lambda: changed(stripe(BODY), lambda v: v.replace("v1", "v0")), BODY, 400),
    "stripe: 299 s old": ("stripe", lambda: stripe(BODY, at=ago(298)), BODY, 200),
    "stripe: 302 s old": ("stripe", lambda: stripe(BODY, at=ago(302)), BODY, 401),
    "stripe: 35 s ahead": ("stripe", lambda: stripe(BODY, at=ago(-35)), BODY, 401),
    "stripe: old, with a newer time in front": ("stripe", lambda: striped(f"t={ago(0)}", at=ago(900)), BODY, 400),
    "stripe: old, told as newer": (
        "stripe", lambda: changed(stripe(BODY, at=ago(900)), lambda v: f"t={ago(0)},{v.partition(',')[2]}"), BODY, 401),
    "stripe: time moved into the body": (
        "stripe", lambda: {"stripe-signature": f"t={ago(0)},v1=" + hexed(STRIPE, b"%d" % ago(0) + BODY)}, BODY, 401),
    "stripe: time with a blank, a sign, in other digits": (
        "stripe", lambda: {"stripe-signature": f"t=+{ago(0)},v1=" + hexed(STRIPE, b"+%d." % ago(0) + BODY)}, BODY, 400),
    "stripe: no time": ("stripe", lambda: {"stripe-signature": "v1=" + hexed(STRIPE, b"." + BODY)}, BODY, 400),
    "stripe: body changed": ("stripe", lambda: stripe(BODY), BODY[1:], 401),
    "stripe: 1,000 signatures": ("stripe", lambda: striped(*["v1=" + "0" * 64] * 100), BODY, 400),
    "stripe: capitals": ("stripe", lambda: changed(stripe(BODY), upper), BODY, 400),
    "stripe: twice": ("stripe", lambda: [*stripe(BODY).items(), *stripe(b"").items()], BODY, 400),
    "slack: right": ("slack", lambda: slack(BODY), BODY, 200),
    "slack: 302 s old": ("slack", lambda: slack(BODY, at=ago(302)), BODY, 401),
    "slack: 35 s ahead": ("slack", lambda: slack(BODY, at=ago(-35)), BODY, 401),
    "slack: another time": ("slack", lambda: slack(BODY, at=ago(9)) | {"x-slack-request-timestamp": str(ago(0))}, BODY, 401),
    "slack: no time": ("slack", lambda: {"x-slack-signature": slack(BODY)["x-slack-signature"]}, BODY, 400),
    "slack: time twice": ("slack", lambda: [*slack(BODY).items(), ("x-slack-request-timestamp", str(ago(0)))], BODY, 400),
    "slack: colon moved": (
        "slack",
        lambda: {"x-slack-request-timestamp": str(ago(0)), "x-slack-signature": "v0=" + hexed(SLACK, b"v0:%d" % ago(0) + b":" + BODY[1:])},
        BODY, 401),
    "slack: version 1": ("slack", lambda: changed(slack(BODY), lambda v: "v1" + v[2:]), BODY, 400),
    "slack: body changed": ("slack", lambda: slack(BODY), BODY + BODY, 401),
}  # fmt: skip


def hooks(preset: str, sandbox: Path | None = None) -> MockForge:
    """What takes one sender's webhooks, the same ones again and again."""
    return MockForge(config=mock({"preset": preset, "keys": {preset: {"secret": preset}}, "replay": "allow"}, sandbox=sandbox))


@pytest.mark.parametrize("name", ATTACKS)
async def test_a_webhook_ends_as_the_table_says(name: str) -> None:
    preset, make, body, status = ATTACKS[name]
    async with Client(hooks(preset)) as client:
        assert (await client.post("/hook", headers=make(), body=body)).status == status


@pytest.mark.parametrize("preset", ["github", "stripe", "slack"])
async def test_in_the_sandbox_all_webhooks_end_the_same(preset: str, tmp_path: Path) -> None:
    table = {name: row for name, row in ATTACKS.items() if row[0] == preset}
    async with Client(hooks(preset, tmp_path)) as client:
        found = {name: (await client.post("/hook", headers=make(), body=body)).status for name, (_, make, body, _) in table.items()}
    assert found == {name: status for name, (_, _, _, status) in table.items()}


async def test_a_secret_is_replaced_while_both_are_known() -> None:
    keys = {"new": {"secret": "stripe", "principal": "shop"}, "old": {"secret": "github", "principal": "shop"}}
    async with Client(MockForge(config=mock({"preset": "github", "keys": keys}))) as client:
        for secret in (GITHUB, STRIPE):
            answer = await client.post("/hook", headers=github(BODY, secret), body=BODY)
            assert (answer.status, answer.text.split()[0]) == (200, "shop")


async def test_a_body_in_pieces_and_one_of_many_pieces_are_signed_like_any_other() -> None:
    config = mock({"preset": "github", "keys": {"github": {"secret": "github"}}}, limits={"max_body_kb": 4096})
    async with Client(MockForge(config=config)) as client:
        for size in (0, 1, 262143, 262144, 262145, 3 << 20):
            body = bytes(range(256)) * (size // 256 + 1)
            body = body[:size]
            parts = [body[at : at + 100_000] for at in range(0, size, 100_000)]
            assert (await client.post("/hook", headers=github(body), body=parts)).status == 200, size
            assert (await client.post("/hook", headers=github(body), body=[*parts, b"x"])).status == 401, size
