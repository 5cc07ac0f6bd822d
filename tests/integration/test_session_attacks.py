"""Sessions, attacked as strangers and users could: a server of two workers with shared storage, and an application in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mockforge_asgi import MockForge
from mockforge_asgi.config import load_config
from mockforge_asgi.testing import Client
from tests.support.desk import HTML, KEYS, OWN, Visitor, Worker, configuration, desk, two_workers
from tests.support.served import served
from tests.support.server_processes import Running

COOKIE, BEGUN = "__Host-desk", "__Host-desk-begun"


def written(folder: Path, **session: Any) -> Path:
    """The configuration for two workers, with storage in a file."""
    file = folder / "mockforge.json"
    whole = {**configuration(**session), "server": {"workers": 2}, "state": {"url": f"sqlite:///{folder}/state.db"}}
    file.write_text(json.dumps(whole))
    return file


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with served(written(tmp_path_factory.mktemp("desk"))) as running:
        yield running


@pytest.fixture
def workers(server: Running) -> Iterator[tuple[Worker, Worker]]:
    with two_workers(server) as both:
        yield both


@asynccontextmanager
async def application(config: dict[str, Any]) -> AsyncIterator[Visitor]:
    """A browser of an application in this process."""
    async with Client(MockForge(config=load_config(config))) as client:
        yield Visitor(client)


async def test_one_login_holds_on_both_workers_and_so_does_logout(workers: tuple[Worker, Worker]) -> None:
    one, other = (Visitor(worker) for worker in workers)
    await one.log_in("ada")
    other.cookies = dict(one.cookies)
    assert (await one.user(), await other.user()) == ("ada", "ada")
    stolen = [one.copy(), other.copy()]
    assert (await other.log_out()).status == 303 and COOKIE not in other.cookies
    assert [await each.status() for each in (*stolen, one, other)] == [401] * 4, "replayed at either worker"


async def test_a_login_may_be_finished_at_the_other_worker(workers: tuple[Worker, Worker]) -> None:
    one = Visitor(workers[0])
    state = await one.begin("/orders?page=2")
    other = one.at(workers[1])
    answer = await other.finish(state)
    assert (answer.status, answer.header("location")) == (303, "/orders")
    assert await other.user() == "ada" and list(other.cookies) == [COOKIE]


async def test_a_logout_and_a_session_outlast_a_restart(tmp_path: Path) -> None:
    config = {**configuration(), "state": {"url": f"sqlite:///{tmp_path}/state.db"}}
    async with application(config) as before:
        ended, kept = before.copy(), before.copy()
        await ended.log_in("ada")
        await kept.log_in("bob")
        stolen = ended.copy()
        await ended.log_out()
    async with application(config) as after:
        assert (await stolen.at(after.to).user(), await kept.at(after.to).user()) == (None, "bob")
    config["state"] = {"url": "memory://"}
    async with application(config) as emptied:
        assert (await stolen.at(emptied.to).user(), await kept.at(emptied.to).user()) == (None, None), "no logout is forgotten with it"


async def test_a_planted_session_ends_with_the_login(workers: tuple[Worker, Worker]) -> None:
    attacker, victim = Visitor(workers[0]), Visitor(workers[1])
    await attacker.log_in("mallory")
    state = await victim.begin()
    victim.cookies[COOKIE] = attacker.cookies[COOKIE]
    assert (await victim.finish(state, "ada")).status == 303
    assert (await victim.user(), await attacker.user()) == ("ada", None)
    assert victim.cookies[COOKIE] != attacker.cookies[COOKIE]


async def test_a_session_from_before_a_change_of_roles_has_the_new_ones(workers: tuple[Worker, Worker]) -> None:
    one, other = (Visitor(worker) for worker in workers)
    await one.log_in("ada", roles="admin reader")
    old = [one.copy(), one.at(workers[1])]
    assert [(await each.ask("GET", "/roles")).body for each in old] == [b"admin reader"] * 2
    assert (await one.ask("POST", "/desk/change?roles=reader")).status == 200
    other.cookies = dict(one.cookies)
    assert [(await each.ask("GET", "/roles")).body for each in (*old, one, other)] == [b"reader"] * 4
    await old[1].log_out()
    assert [await each.status() for each in (old[0], one, other)] == [401] * 3, "the old cookie ends the session, too"


async def test_the_provider_ends_all_sessions_of_a_user_on_both_workers(workers: tuple[Worker, Worker]) -> None:
    devices = [Visitor(worker) for worker in (*workers, *workers)]
    for device in devices[:3]:
        await device.log_in("eve")
    await devices[3].log_in("bob")
    assert (await devices[1].ask("POST", "/desk/provider-logout?user=eve")).body == b'{"ended":3}'
    assert [await device.user() for device in devices] == [None, None, None, "bob"]


async def test_of_many_who_finish_one_login_one_succeeds(workers: tuple[Worker, Worker], server: Running) -> None:
    visitor = Visitor(workers[0])
    state = await visitor.begin()
    path, line = f"/desk/callback?state={state}&user=ada", f"{BEGUN}={visitor.cookies[BEGUN]}"
    tries = [asyncio.to_thread(server.get, path, cookie=line, accept="text/html") for _ in range(12)]
    answers = await asyncio.gather(*tries)
    assert sorted(answer.status for answer in answers) == [303, *[400] * 11]
    assert all(b"finished before" in answer.body for answer in answers if answer.status == 400)


@pytest.mark.parametrize("whose", ["nobody's", "another browser's", "made up"])
async def test_a_login_begun_elsewhere_is_not_finished_here(workers: tuple[Worker, Worker], whose: str) -> None:
    attacker, victim = Visitor(workers[0]), Visitor(workers[1])
    state = await attacker.begin()
    if whose == "another browser's":
        await victim.begin()
    answer = await victim.finish("made-up" if whose == "made up" else state, "mallory")
    assert answer.status == 400 and b"not begun in this browser" in answer.body
    assert COOKIE not in victim.cookies and await victim.user() is None
    own = await victim.begin()
    assert (await victim.finish(own)).status == 303, "its own goes on"


async def test_the_state_is_shown_nowhere(workers: tuple[Worker, Worker]) -> None:
    visitor = Visitor(workers[0])
    answer = await visitor.ask("GET", '/desk/callback?state="><script>alert(1)</script>')
    assert answer.status == 400 and b"script" not in answer.body


async def test_no_character_of_a_cookie_can_be_changed_left_out_or_added() -> None:
    async with application(configuration()) as visitor:
        await visitor.log_in("ada")
        whole = visitor.cookies[COOKIE]
        assert await visitor.status(cookie=f"{COOKIE}={whole}") == 200
        changed = [whole[:at] + other + whole[at + 1 :] for at in range(len(whole)) for other in _others(whole[at])]
        cut = [whole[:length] for length in range(len(whole))]
        more = [whole + other for other in ("A", "=", "==", ".", ".A", "\u00e9", "%00")] + [
            "A" + whole,
            "." + whole,
            f'"{whole}"',
            whole.upper(),
        ]
        for value in (*changed, *cut, *more):
            assert await visitor.status(cookie=f"{COOKIE}={value}") == 401, value
        assert await visitor.status(cookie=f"{COOKIE}={whole}") == 200


def _others(character: str) -> list[str]:
    """The neighbours of a character: in base64url some of them mean the same bits where bytes end."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    if character not in alphabet:
        return ["A"]
    at = alphabet.index(character)
    return [alphabet[at ^ 1], alphabet[at ^ 2], alphabet[at ^ 32]]


async def test_cookies_of_other_plugins_keys_and_purposes_are_none() -> None:
    config = configuration()
    config["plugins"]["twin"] = desk(session={"cookie": "twin", "login_cookie": "twin-begun"})
    config["plugins"]["odd"] = desk(session={"cookie": "odd", "login_cookie": "odd-begun", "key": "other_key"})
    config["protect"] = [{"path": f"/{name}/**", "auth": [name]} for name in ("twin", "odd")] + config["protect"]
    async with application(config) as visitor:
        await visitor.log_in("ada")
        value, new = visitor.cookies[COOKIE], Visitor(visitor.to)
        await new.begin()
        begun = new.cookies[BEGUN]
        assert await visitor.status(cookie=f"{COOKIE}={value}") == 200
        assert await visitor.status(cookie=f"{COOKIE}={begun}") == 401, "a login under way is no session"
        for name in ("twin", "odd"):
            answer = await visitor.ask("GET", f"/{name}/x", cookie=f"__Host-{name}={value}", headers={})
            assert answer.status == 401, f"the same secret or another: {name} has keys of its own"


async def test_keys_are_replaced_without_ending_sessions_and_taken_out_with_ending_them(tmp_path: Path) -> None:
    state = {"state": {"url": f"sqlite:///{tmp_path}/state.db"}}
    async with application({**configuration(key="old_key"), **state}) as before:
        await before.log_in("ada")
    async with application({**configuration(key=["new_key", "old_key"]), **state}) as both:
        both.cookies = dict(before.cookies)
        assert await both.user() == "ada"
        fresh = both.copy()
        fresh.cookies.clear()
        await fresh.log_in("bob")
    async with application({**configuration(key="new_key"), **state}) as after:
        after.cookies = dict(before.cookies)
        assert await after.user() is None
        after.cookies = dict(fresh.cookies)
        assert await after.user() == "bob", "the first key is the one that encrypts"
    async with application({**configuration(key="other_key"), **state}) as foreign:
        foreign.cookies = dict(fresh.cookies)
        assert await foreign.user() is None


async def test_two_cookies_of_that_name_and_long_ones_are_none() -> None:
    async with application(configuration()) as visitor, application(configuration()) as other:
        await visitor.log_in("ada")
        own = visitor.cookies[COOKIE]
        await other.log_in("mallory")
        tossed = other.cookies[COOKIE]
        for line in (f"{COOKIE}={tossed}; {COOKIE}={own}", f"{COOKIE}={own}; {COOKIE}={tossed}", f"{COOKIE}={own}; {COOKIE}={own}"):
            assert await visitor.status(cookie=line) == 401
        assert await visitor.status(cookie=f"{COOKIE}={own}; {COOKIE}x=1; x={own}") == 200
        assert await visitor.status(cookie=f"desk={own}") == 401, "without the prefix a neighbour could have set it"
        assert await visitor.status(cookie=f"{COOKIE}=" + "A" * 5000) == 401
        assert await visitor.status(cookie=f"{COOKIE}=" + f"{own}." * 20) == 401


async def test_a_full_storage_begins_no_session_and_ends_none() -> None:
    async with application(configuration(max_keys=12)) as visitor:
        inside: list[Visitor] = []
        while True:
            new = visitor.copy()
            answer = await new.finish(await new.begin(), f"user{len(inside)}")
            if answer.status != 303:
                break
            inside.append(new)
        assert answer.status == 503 and COOKIE not in new.cookies and await new.status() == 401
        assert [await each.user() for each in inside] == [f"user{number}" for number in range(len(inside))] and inside
        for _ in range(2):
            await inside.pop().log_out()
        assert (await new.log_in("late")).status == 303 and await new.user() == "late"


async def test_without_its_storage_nobody_passes(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    async with application({**configuration(), "state": {"url": f"sqlite:///{file}"}}) as visitor:
        await visitor.log_in("ada")
        assert await visitor.status() == 200
        for part in tmp_path.glob("state.db*"):
            part.write_bytes(b"this is no database" * 1000)
        assert await visitor.status() == 503
        answer = await visitor.log_out()
        assert answer.status == 503 and "You are not logged out" in answer.text and COOKIE in visitor.cookies, (
            "it does not claim to have ended the session"
        )
        new = visitor.copy()
        new.cookies.clear()
        assert (await new.finish(await new.begin())).status in (502, 503) and COOKIE not in new.cookies


async def test_a_stranger_who_begins_and_finishes_logins_keeps_nobody_out() -> None:
    async with application(configuration(max_keys=600)) as visitor:
        stranger = visitor.copy()
        await visitor.log_in("ada")
        for _ in range(100):
            await stranger.begin()
        assert len(stranger.cookies[BEGUN]) < 4096
        for _ in range(300):
            stranger.cookies.clear()
            assert (await stranger.finish(await stranger.begin(), "")).status == 403
        late = visitor.copy()
        late.cookies.clear()
        await late.log_in("bob")
        assert (await visitor.user(), await late.user()) == ("ada", "bob")


RETURNS = ["//evil.example", "/\\evil.example", "/%0d%0alocation:%20x", "/%2f%2fevil.example", "/%5cevil.example", "/%09/evil.example"]


@pytest.mark.parametrize("path", RETURNS)
async def test_nobody_is_sent_elsewhere_after_a_login(path: str) -> None:
    async with application(configuration()) as visitor:
        answer = await visitor.ask("GET", path)
        if answer.status == 400:
            return  # refused before the plugin is asked
        location = answer.header("location")
        assert location.startswith("https://idp.example/")
        back = await visitor.finish(location.partition("state=")[2])
        assert (back.status, back.header("location")) == (303, "/")


FOREIGN: list[tuple[str, str, dict[str, str], int]] = [
    ("a link or a picture", "GET", {"sec-fetch-site": "cross-site"}, 200),
    ("a link of its own", "GET", {"sec-fetch-site": "same-origin"}, 200),
    ("a form of another site", "POST", {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}, 403),
    ("one that says nothing of itself", "POST", {}, 403),
    ("a form of a neighbour", "POST", {"origin": "https://evil.app.example", "sec-fetch-site": "same-site"}, 403),
    ("one over plain http", "POST", {"origin": "http://app.example", "sec-fetch-site": "same-site"}, 403),
    ("one of another port", "POST", {"origin": "https://app.example:8443", "sec-fetch-site": "same-site"}, 403),
    ("a frame without an origin", "POST", {"origin": "null", "sec-fetch-site": "cross-site"}, 403),
    ("no page at all", "POST", {"sec-fetch-site": "none"}, 403),
    ("an old browser, elsewhere", "POST", {"origin": "https://evil.example"}, 403),
    ("a host that the client made up", "POST", {"origin": "https://evil.example", "host": "evil.example"}, 403),
]


@pytest.mark.parametrize(("method", "headers", "status"), [row[1:] for row in FOREIGN], ids=[row[0] for row in FOREIGN])
async def test_nobody_is_logged_out_by_others(method: str, headers: dict[str, str], status: int) -> None:
    async with application(configuration()) as visitor:
        await visitor.log_in("ada")
        answer = await visitor.ask(method, "/desk/logout", headers={**HTML, **headers})
        assert answer.status == status and answer.header("set-cookie") is None
        assert await visitor.user() == "ada"
        assert "frame-ancestors 'none'" in answer.header("content-security-policy")


@pytest.mark.parametrize("headers", [OWN, {**HTML, "origin": "https://app.example"}, {**HTML, "sec-fetch-site": "same-origin"}])
async def test_a_page_of_the_application_logs_out(headers: dict[str, str]) -> None:
    async with application(configuration()) as visitor:
        await visitor.log_in("ada")
        question = await visitor.ask("GET", "/desk/logout")
        assert question.status == 200 and b'<form method="post" action="/desk/logout">' in question.body
        answer = await visitor.ask("POST", "/desk/logout", headers=headers)
        assert (answer.status, answer.header("location")) == (303, "https://app.example/")
        assert COOKIE not in visitor.cookies and await visitor.user() is None


def test_the_secrets_of_this_test_are_as_long_as_they_must_be() -> None:
    assert all(len(value) >= 32 for value in KEYS.values())
