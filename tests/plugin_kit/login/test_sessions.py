"""Sessions: begun, found, renewed and ended, for all workers alike."""

from __future__ import annotations

import asyncio

import pytest

from mockforge_plugin import Allow, HostError, PluginError, Principal
from mockforge_plugin.login import LoginFailed
from tests.support.login_world import KEY, NOW_S, Browser, World, sessions

VARY = (("vary", "Cookie"),)
ADA = Allow(Principal("ada", ("reader",), ("staff",), "Ada", "ada@example.com", {"team": 1}), {"scope": "read", "nested": {"a": [1]}}, VARY)


async def test_a_session_brings_back_what_it_was_begun_with() -> None:
    browser, kept = Browser(), sessions(KEY)
    with World().worker():
        browser.take(await kept.begin(browser.request(), ADA, data={"idp": "one"}, private={"refresh": "secret"}))
        found = await kept.find(browser.request())
        assert found is not None
        assert (found.allow, found.data, found.created_s, found.expires_s) == (ADA, {"idp": "one"}, NOW_S, NOW_S + 28_800)
        assert await kept.private(found) == {"refresh": "secret"}


async def test_its_cookie_is_for_this_host_alone_and_not_kept_by_caches() -> None:
    with World().worker():
        (name, value), cached = await sessions(KEY).begin(Browser().request(), ADA)
    assert (name, cached) == ("set-cookie", ("cache-control", "no-store"))
    parts = value.split("; ")
    assert parts[0].startswith("__Host-session=") and "ada" not in value
    assert parts[1:] == ["Path=/", "Max-Age=28800", "HttpOnly", "Secure", "SameSite=Lax"]


@pytest.mark.parametrize("blank", ["\xa0", "\x85", "\u2003"])
async def test_a_neighbouring_host_cannot_put_a_session_of_its_own_into_a_browser(blank: str) -> None:
    browser, kept = Browser(), sessions(KEY)
    with World().worker():
        browser.take(await kept.begin(browser.request(), ADA))
        [(name, value)] = browser.cookies.items()
        for tossed in (f"{blank}{name}={value}", f"{name}{blank}={value}"):  # for browsers no `__Host-` cookie
            assert await kept.find(browser.request(cookie=tossed)) is None
            assert await kept.find(browser.request(cookie=f"{tossed}; \t{name}={value}")) is not None


async def test_a_logout_holds_for_all_workers() -> None:
    world, browser, one, other = World(), Browser(), sessions(KEY), sessions(KEY)
    with world.worker():
        browser.take(await one.begin(browser.request(), ADA))
    replayed = browser.request()
    with world.worker():
        assert await one.find(replayed) == await other.find(replayed) is not None
        browser.take(await other.end(replayed, await other.find(replayed)))
        assert browser.cookies == {}
        assert (await one.find(replayed), await other.find(replayed)) == (None, None)


async def test_a_new_login_ends_the_session_that_was_there() -> None:
    browser, kept = Browser(), sessions(KEY)
    with World().worker():
        browser.take(await kept.begin(browser.request(), ADA))
        planted = browser.request()
        browser.take(await kept.begin(planted, Allow(Principal("bob"))))
        assert await kept.find(planted) is None
        found = await kept.find(browser.request())
        assert found is not None and found.allow.principal.id == "bob"


async def test_with_more_than_a_user_may_have_the_oldest_ends_and_nobody_elses() -> None:
    world, kept = World(), sessions(KEY, per_user=2)
    with world.worker():
        browsers = [Browser() for _ in range(4)]
        for browser, user in zip(browsers, ("ada", "bob", "ada", "ada"), strict=True):
            browser.take(await kept.begin(browser.request(), Allow(Principal(user))))
            world.now_s += 1
        assert [await kept.find(browser.request()) is not None for browser in browsers] == [False, True, True, True]
        await kept.end(browsers[2].request(), await kept.find(browsers[2].request()))
        browsers[0].take(await kept.begin(browsers[0].request(), Allow(Principal("ada"))))
        assert [await kept.find(browser.request()) is not None for browser in browsers] == [True, True, False, True]


async def test_one_user_may_log_in_in_many_browsers_at_once() -> None:
    kept, browsers = sessions(KEY, per_user=100), [Browser() for _ in range(100)]
    with World().worker():
        for browser, given in zip(browsers, await asyncio.gather(*(kept.begin(b.request(), ADA) for b in browsers)), strict=True):
            browser.take(given)
        assert all([await kept.find(browser.request()) is not None for browser in browsers])


async def test_it_ends_by_itself() -> None:
    world, browser, kept = World(), Browser(), sessions(KEY, lifetime_s=600)
    with world.worker():
        browser.take(await kept.begin(browser.request(), ADA, expires_s=NOW_S + 300))
        world.now_s += 299
        assert await kept.find(browser.request()) is not None
        world.now_s += 1
        assert await kept.find(browser.request()) is None
        with pytest.raises(LoginFailed):
            await kept.begin(browser.request(), ADA, expires_s=world.now_s)


@pytest.mark.parametrize(("back_s", "goes_on"), [(299, True), (301, False), (100_000, False)])
async def test_with_a_clock_that_goes_back_sessions_of_the_future_are_none(back_s: float, goes_on: bool) -> None:
    world, browser = World(), Browser()
    with world.worker():
        browser.take(await sessions(KEY).begin(browser.request(), ADA))
        world.now_s -= back_s
        assert (await sessions(KEY).find(browser.request()) is not None) is goes_on
        world.now_s += back_s
        assert await sessions(KEY).find(browser.request()) is not None


async def test_a_session_that_has_ended_is_over_also_where_the_clock_goes_back_after_storage_has_forgotten_it() -> None:
    world, browser, kept = World(), Browser(), sessions(KEY)
    with world.worker():
        browser.take(await kept.begin(browser.request(), ADA))
        world.now_s += 28_801
        assert await world.state.keys("plugin/login", "", 10) == []
        world.now_s -= 28_000
        assert await kept.find(browser.request()) is None


async def test_of_many_who_renew_a_session_each_is_heard_and_the_last_one_holds() -> None:
    browser, kept = Browser(), [sessions(KEY) for _ in range(6)]
    with World().worker():
        browser.take(await kept[0].begin(browser.request(), ADA))
        request = browser.request()
        found = await kept[0].find(request)
        assert found is not None
        given = [Allow(Principal("ada", (f"role{number}",))) for number in range(6)]
        await asyncio.gather(*(each.renew(request, found, allow=allow) for each, allow in zip(kept, given, strict=True)))
        seen = [await each.find(request) for each in kept]
        assert len({each.version for each in seen if each}) == 1 and all(each and each.version == 7 for each in seen)


async def test_a_renewal_of_one_thing_leaves_the_others() -> None:
    world, browser, kept = World(), Browser(), sessions(KEY)
    with world.worker():
        browser.take(await kept.begin(browser.request(), ADA, data={"a": 1}, private={"refresh": "1"}, indexes=["sub ada"]))
        first = browser.request()
        found = await kept.find(first)
        assert found is not None
        await kept.renew(first, found, data={"a": 2}, expires_s=NOW_S + 100)
        stale = await kept.renew(first, found, private={"refresh": "2"})  # by what it was before the renewal
        browser.take(stale)
        now_is = await kept.find(browser.request())
        assert now_is is not None and (now_is.allow, now_is.data, now_is.expires_s) == (ADA, {"a": 2}, NOW_S + 100)
        assert await kept.private(now_is) == {"refresh": "2"}
        world.now_s += 100
        assert await kept.find(browser.request()) is None
        assert await kept.end_by("sub ada") == 0


async def test_a_renewed_session_holds_for_the_cookies_given_before() -> None:
    browser, one, other = Browser(), sessions(KEY), sessions(KEY)
    with World().worker():
        browser.take(await one.begin(browser.request(), ADA, private={"refresh": "1"}))
        before = browser.request()
        found = await one.find(before)
        assert found is not None
        demoted = Allow(Principal("ada"), {}, VARY)
        browser.take(await one.renew(before, found, allow=demoted, private={"refresh": "2"}))
        for request in (before, browser.request()):
            for kept in (one, other):
                again = await kept.find(request)
                assert again is not None and again.allow == demoted
                assert await kept.private(again) == {"refresh": "2"}
        await one.end(before, found)
        with pytest.raises(LoginFailed, match="the session has ended"):
            await other.renew(before, found, allow=ADA)
        assert await other.find(before) is None


async def test_what_a_cookie_cannot_hold_stays_at_the_host() -> None:
    browser, kept = Browser(), sessions(KEY)
    large = Allow(Principal("ada", groups=tuple(f"group-{n:04}" for n in range(500))), {}, VARY)
    with World().worker():
        browser.take(await kept.begin(browser.request(), large))
        assert len(browser.cookies["__Host-session"]) < 500
        found = await sessions(KEY).find(browser.request())
        assert found is not None and found.allow == large
        with pytest.raises(PluginError, match="too much for a session"):
            await kept.begin(browser.request(), Allow(Principal("ada"), {"huge": "x" * 40_000}))


async def test_a_provider_ends_all_sessions_of_an_index() -> None:
    kept, browsers = sessions(KEY), [Browser() for _ in range(3)]
    with World().worker():
        for number, browser in enumerate(browsers):
            indexes = ["sub ada", f"sid {number}"]
            browser.take(await kept.begin(browser.request(), ADA, indexes=indexes))
        assert await kept.end_by("sid 1") == 1
        assert [await kept.find(each.request()) is not None for each in browsers] == [True, False, True]
        assert (await kept.end_by("sub ada"), await kept.end_by("sub ada"), await kept.end_by("sub bob")) == (2, 0, 0)
        assert [await kept.find(each.request()) for each in browsers] == [None] * 3


async def test_of_too_many_sessions_of_one_index_the_one_that_ends_first_makes_room() -> None:
    world, kept, browsers = World(), sessions(KEY), [Browser() for _ in range(52)]
    with world.worker():
        for browser in browsers:
            world.now_s += 1
            browser.take(await kept.begin(browser.request(), ADA, indexes=["sub ada"]))
        assert [await kept.find(each.request()) is not None for each in browsers] == [False, False, *[True] * 50]
        assert await kept.end_by("sub ada") == 50


async def test_what_ends_leaves_nothing_in_storage() -> None:
    world, browser, kept = World(), Browser(), sessions(KEY)
    with world.worker():
        for _ in range(60):
            browser.take(await kept.begin(browser.request(), ADA, private={"a": 1}, indexes=["sub ada", "sid 1"]))
            found = await kept.find(browser.request())
            browser.take(await kept.end(browser.request(), found))
        assert await world.state.keys("plugin/login", "", 100) == []
        for _ in range(3):
            browser.take(await kept.begin(Browser().request(), ADA, private={"a": 1}, indexes=["sub ada"]))
        assert await kept.end_by("sub ada") == 3
        assert await world.state.keys("plugin/login", "", 100) == []


async def test_a_session_that_storage_has_no_room_for_is_none() -> None:
    world, kept, indexes = World(max_keys=3), sessions(KEY), ["sub ada", "sid 1", "sid 2"]
    with world.worker():
        with pytest.raises(HostError, match="full"):
            await kept.begin(Browser().request(), ADA, private={"a": 1}, indexes=indexes)
        assert await world.state.keys("plugin/login", "", 100) == []


async def test_in_development_workers_share_a_key_made_at_random() -> None:
    world, browser = World(), Browser(scheme="http", host="127.0.0.1:8000")
    with world.worker():
        made = await sessions(development=True).begin(browser.request(), ADA)
        assert "__Host-" not in made[0][1] and "Secure" not in made[0][1]
        browser.take(made)
        assert await sessions(development=True).find(browser.request()) is not None
    with World().worker():
        assert await sessions(development=True).find(browser.request()) is None


@pytest.mark.parametrize(("config", "words"), [
    ({}, "outside development sessions need a key"),
    ({"key": "short"}, "the secret 'short' has fewer than 32 characters"),
    ({"key": []}, "session.key: it is the name of a secret, or a list of up to 5"),
    ({"key": "good", "cookie": "__Host-x"}, "session.cookie: leave the prefix out"),
    ({"key": "good", "cookie": "a b", "lifetime_s": 0}, "session.lifetime_s: it is a number of seconds from 60"),
    ({"key": "good", "per_user": 0}, "session.per_user: it is a whole number from 1 to 1000"),
    ({"key": "good", "secure": "no"}, "session.secure: it is true or false"),
    ({"key": "good", "login_cookie": "session"}, "session.login_cookie: it must not be the name of the session's cookie"),
])  # fmt: skip
def test_a_wrong_configuration_is_refused_in_words(config: dict[str, object], words: str) -> None:
    from mockforge_plugin import PluginInfo
    from mockforge_plugin.login import Sessions

    with pytest.raises(PluginError) as refused:
        Sessions.from_config(config, {"good": KEY, "short": "s3cret"}.__getitem__, PluginInfo("login", "1.0.0"))
    assert words in str(refused.value) and refused.value.code == "invalid_config"
    assert "s3cret" not in str(refused.value)
