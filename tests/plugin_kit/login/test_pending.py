"""Logins under way: finished once, in time, by the browser that began them."""

from __future__ import annotations

import asyncio

import pytest

from mockforge_plugin import PluginError
from mockforge_plugin.login import LoginFailed, Pending
from tests.support.login_world import KEY, Browser, World, pending


async def test_a_login_comes_back_with_what_it_was_begun_with() -> None:
    browser, logins = Browser(), pending(KEY)
    with World().worker():
        state, headers = await logins.begin(browser.request(), return_to="/orders?page=2", data={"nonce": "n"})
        browser.take(headers)
        assert list(browser.cookies) == ["__Host-session-login"] and state not in browser.cookies["__Host-session-login"]
        found = await pending(KEY).finish(browser.request(), state)
        assert (found.return_to, found.data) == ("/orders?page=2", {"nonce": "n"})
        browser.take(found.set_headers)
        assert browser.cookies == {}


async def test_it_is_finished_once() -> None:
    browser, logins = Browser(), pending(KEY)
    with World().worker():
        state, headers = await logins.begin(browser.request(), return_to="/", data={})
        browser.take(headers)
        tries = [pending(KEY).finish(browser.request(), state) for _ in range(8)]
        results = await asyncio.gather(*tries, return_exceptions=True)
        assert [type(each) for each in results].count(Pending) == 1
        assert {str(each) for each in results if isinstance(each, LoginFailed)} == {"this login was finished before; begin again"}


async def test_another_browser_another_state_and_a_late_one_fail() -> None:
    world, browser, other, logins = World(), Browser(), Browser(), pending(KEY)
    with world.worker():
        state, headers = await logins.begin(browser.request(), return_to="/", data={})
        browser.take(headers)
        foreign, headers = await logins.begin(other.request(), return_to="/", data={})
        other.take(headers)
        for sender, sent in (
            (other, state),
            (Browser(), state),
            (browser, foreign),
            (browser, ""),
            (browser, state + "x"),
            (browser, "ü\ud800"),
        ):
            with pytest.raises(LoginFailed, match="not begun in this browser"):
                await logins.finish(sender.request(), sent)
        world.now_s += 600
        with pytest.raises(LoginFailed, match="took too long"):
            await logins.finish(browser.request(), state)


async def test_several_tabs_log_in_at_a_time_and_the_oldest_makes_room() -> None:
    browser, logins = Browser(), pending(KEY)
    with World().worker():
        states = []
        for number in range(5):
            state, headers = await logins.begin(browser.request(), return_to=f"/{number}", data={})
            browser.take(headers)
            states.append(state)
        with pytest.raises(LoginFailed):
            await logins.finish(browser.request(), states[0])
        for number in (3, 1, 4, 2):
            found = await logins.finish(browser.request(), states[number])
            assert found.return_to == f"/{number}"
            browser.take(found.set_headers)
        assert browser.cookies == {}


async def test_what_is_too_long_for_a_cookie_is_refused_and_older_logins_make_room() -> None:
    browser, logins = Browser(), pending(KEY)
    with World().worker():
        for _ in range(3):
            state, headers = await logins.begin(browser.request(), return_to="/", data={"x": "x" * 1500})
            browser.take(headers)
        assert (await logins.finish(browser.request(), state)).data == {"x": "x" * 1500}
        with pytest.raises(PluginError, match="too long for a cookie"):
            await logins.begin(browser.request(), return_to="/", data={"x": "x" * 4000})


async def test_logins_begun_by_strangers_cost_no_storage_and_finished_ones_a_bounded_one() -> None:
    world = World(max_keys=512)
    with world.worker("login"):
        logins = pending(KEY)
        for _ in range(1500):
            browser = Browser()
            state, headers = await logins.begin(browser.request(), return_to="/", data={})
            browser.take(headers)
            await logins.finish(browser.request(), state)
        assert len(await world.state.keys("plugin/login", "", 5000)) <= 512
