"""Sessions whose claims are asked for again: once for all who wait, and in one worker of several."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from mockforge_asgi.plugins.native.context import Home, PluginContext
from mockforge_plugin import Allow, HostError, PluginError, Principal, kv
from mockforge_plugin.context import entered
from mockforge_plugin.login import LoginFailed, Renewals, Renewed, Session, SessionOver, Unfinished
from tests.support.login_world import KEY, NOW_S, Browser, World, sessions

VARY = (("vary", "Cookie"),)
OLD, NEW = Allow(Principal("ada", ("reader",)), {}, VARY), Allow(Principal("ada", ("admin",)), {}, VARY)


class Provider:
    """Says what it was made to say, and counts how often it was asked."""

    def __init__(self, says: Exception | Callable[[], Renewed] = lambda: Renewed(NEW, NOW_S + 600)) -> None:
        self.says, self.asked, self.may_answer = says, 0, asyncio.Event()
        self.may_answer.set()
        self.shown: list[Mapping[str, Any]] = []

    async def __call__(self, session: Session, private: Mapping[str, Any]) -> Renewed:
        self.asked += 1
        self.shown.append(private)
        await self.may_answer.wait()
        if isinstance(self.says, Exception):
            raise self.says
        return self.says()


async def begun(browser: Browser, fresh_until_s: float | None = NOW_S) -> Session:
    """A session of that browser."""
    kept = sessions(KEY)
    data = {"sub": "ada", **Renewals.data(fresh_until_s)}
    browser.take(await kept.begin(browser.request(), OLD, data=data, private={"token": "one"}))
    found = await kept.find(browser.request())
    assert found is not None
    return found


@pytest.mark.parametrize("fresh_until_s", [None, NOW_S + 0.001])
async def test_fresh_ones_are_left_alone(fresh_until_s: float | None) -> None:
    browser, provider = Browser(), Provider()
    with World().worker():
        session = await begun(browser, fresh_until_s)
        assert await Renewals(sessions(KEY), provider).current(browser.request(), session) is session.allow
    assert provider.asked == 0


async def test_others_are_asked_for_once_however_many_wait() -> None:
    browser, provider, kept = Browser(), Provider(lambda: Renewed(NEW, NOW_S + 600, {"token": "two"})), sessions(KEY)
    renewals = Renewals(kept, provider)
    with World().worker():
        session = await begun(browser)
        answers = await asyncio.gather(*(renewals.current(browser.request(), session) for _ in range(20)))
        assert [answer and answer.principal for answer in answers] == [NEW.principal] * 20
        assert sum("set-cookie" in dict(answer.set_headers) for answer in answers if answer is not None) == 1
        assert (provider.asked, provider.shown) == (1, [{"token": "one"}])
        found = await kept.find(browser.request())
        assert found is not None and (found.allow, found.data["sub"]) == (NEW, "ada"), "the cookie of before is good, too"
        assert await kept.private(found) == {"token": "two"}
        assert renewals._turns == {}


async def test_of_several_workers_one_asks_and_the_others_wait() -> None:
    world, browser, provider = World(), Browser(), Provider()
    workers = [Renewals(sessions(KEY), provider) for _ in range(4)]
    with world.worker():
        session = await begun(browser)
        provider.may_answer.clear()
        tries = [asyncio.ensure_future(each.current(browser.request(), session)) for each in workers]
        while provider.asked == 0:
            await asyncio.sleep(0)
        provider.may_answer.set()
        assert [answer and answer.principal for answer in await asyncio.gather(*tries)] == [NEW.principal] * 4
    assert provider.asked == 1


async def test_one_that_waits_in_vain_says_so() -> None:
    browser, provider = Browser(), Provider()
    with World().worker():
        session = await begun(browser)
        provider.may_answer.clear()
        first = asyncio.ensure_future(Renewals(sessions(KEY), provider).current(browser.request(), session))
        while provider.asked == 0:
            await asyncio.sleep(0)
        with pytest.raises(PluginError, match="does not finish"):
            await Renewals(sessions(KEY), provider, wait_s=0).current(browser.request(), session)
        provider.may_answer.set()
        assert await first is not None


async def test_one_that_takes_longer_than_its_lock_leaves_the_next_ones_alone() -> None:
    world, browser, slow, late = World(), Browser(), Provider(), Provider()
    with world.worker():
        session = await begun(browser)
        slow.may_answer.clear()
        late.may_answer.clear()
        first = asyncio.ensure_future(Renewals(sessions(KEY), slow, lock_s=5).current(browser.request(), session))
        while slow.asked == 0:
            await asyncio.sleep(0)
        world.now_s += 6
        second = asyncio.ensure_future(Renewals(sessions(KEY), late, lock_s=5).current(browser.request(), session))
        while late.asked == 0:
            await asyncio.sleep(0)
        slow.may_answer.set()
        await first
        assert await kv.get(f"renewal/{session.id}") is not None
        late.may_answer.set()
        await second
        assert await kv.get(f"renewal/{session.id}") is None


async def test_what_a_provider_gave_is_kept_where_it_failed_after_that() -> None:
    browser, kept = Browser(), sessions(KEY)
    provider = Provider(Unfinished(HostError("away", code="unavailable"), {"token": "two"}))
    with World().worker():
        session = await begun(browser)
        with pytest.raises(HostError, match="away"):
            await Renewals(kept, provider).current(browser.request(), session)
        provider.says = lambda: Renewed(NEW, None)
        assert await Renewals(kept, provider).current(browser.request(), session) is not None
    assert provider.shown == [{"token": "one"}, {"token": "two"}]


@pytest.mark.parametrize("why", [SessionOver("refused"), LoginFailed("ended")])
async def test_what_the_provider_does_not_vouch_for_ends_for_all_workers(why: Exception) -> None:
    browser, provider = Browser(), Provider(why)
    with World().worker():
        session = await begun(browser)
        assert await Renewals(sessions(KEY), provider).current(browser.request(), session) is None
        assert await Renewals(sessions(KEY), provider).current(browser.request(), session) is None
        assert await sessions(KEY).find(browser.request()) is None
    assert provider.asked == 1


async def test_a_provider_that_is_away_ends_nothing_and_locks_nobody_out() -> None:
    browser, provider = Browser(), Provider(HostError("away", code="unavailable"))
    renewals = Renewals(sessions(KEY), provider)
    with World().worker():
        session = await begun(browser)
        for _ in range(2):
            with pytest.raises(HostError, match="away"):
                await renewals.current(browser.request(), session)
        provider.says = lambda: Renewed(NEW, None)
        found = await renewals.current(browser.request(), session)
        assert found is not None and found.principal == NEW.principal
    assert provider.asked == 3


async def test_one_whose_client_leaves_is_renewed_all_the_same() -> None:
    """The provider has given a new token, and takes the old one no more."""
    browser, provider = Browser(), Provider()
    renewals = Renewals(sessions(KEY), provider)
    with World().worker() as calls:
        session = await begun(browser)
        provider.may_answer.clear()
        call = PluginContext(Home.here(calls), None)
        with entered(call):
            first, second = (asyncio.ensure_future(renewals.current(browser.request(), session)) for _ in range(2))
        while provider.asked == 0:
            await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        call.end()
        provider.may_answer.set()
        with pytest.raises(HostError, match="is over"):
            await second  # its own call is over
        third = await renewals.current(browser.request(), session)
        assert third is not None and third.principal == NEW.principal
    assert provider.asked == 1


async def test_the_end_of_the_plugin_ends_what_is_under_way() -> None:
    browser, provider = Browser(), Provider()
    renewals = Renewals(sessions(KEY), provider)
    with World().worker():
        session = await begun(browser)
        provider.may_answer.clear()
        waiting = asyncio.ensure_future(renewals.current(browser.request(), session))
        while provider.asked == 0:
            await asyncio.sleep(0)
        await renewals.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting
