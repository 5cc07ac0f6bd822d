"""Logging out: asked before it is done, done for pages of one's own alone."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mockforge_plugin import Allow, Json, PluginInfo, Principal, Request, Response
from mockforge_plugin.login import Logout, Session, Sessions, Site, moved
from tests.support.login_world import KEY, Browser, World, sessions

ADA = Allow(Principal("ada"))
SITE = Site.of("https://app.example", PluginInfo("auth", "1.0.0"))
OWN = {"origin": "https://app.example"}


async def _provider() -> str | None:
    return "https://idp.example/end?x=1"


async def _onward(session: Session, private: Mapping[str, Json], back: str) -> str | None:
    return f"https://idp.example/end?user={session.allow.principal.id}&hint={private['hint']}&back={back}"


def post(browser: Browser, **headers: str) -> Request:
    """The request of a form."""
    carried = [*browser.request().headers, *((name.replace("_", "-"), value) for name, value in headers.items())]
    return Request("POST", "/auth/logout", headers=carried, scheme="https", host="app.example")


def header(response: Response, name: str) -> str:
    """The one header of that name."""
    (value,) = [value for key, value in response.headers if key == name]
    return value


async def logged_in(kept: Sessions) -> Browser:
    """A browser with a session."""
    browser = Browser()
    browser.take(await kept.begin(browser.request(), ADA, private={"hint": "h"}))
    return browser


async def test_a_get_asks_and_ends_nothing() -> None:
    kept = sessions(KEY)
    with World().worker():
        browser = await logged_in(kept)
        page = await Logout(kept, SITE, provider=_provider).answer(browser.request())
        assert (page.status, b'<form method="post" action="/auth/logout">' in bytes(page.body)) == (200, True)  # type: ignore[arg-type]  # whole
        assert "form-action 'self' https://idp.example" in header(page, "content-security-policy")
        assert header(page, "referrer-policy") == "same-origin", "with none at all the form's origin would be null"
        assert await kept.find(browser.request()) is not None


async def test_where_the_way_leads_on_from_there_the_form_is_held_to_no_place() -> None:
    kept = sessions(KEY)
    with World().worker():
        browser = await logged_in(kept)
        page = await Logout(kept, SITE, onward=_onward, anywhere=True).answer(browser.request())
        assert "form-action" not in header(page, "content-security-policy")


@pytest.mark.parametrize(("after", "back"), [(None, "https://app.example/auth/logout"), ("/bye", "https://app.example/bye")])
async def test_a_post_ends_the_session_and_leads_on(after: str | None, back: str) -> None:
    kept = sessions(KEY)
    with World().worker():
        browser = await logged_in(kept)
        request = post(browser, **OWN)
        answer = await Logout(kept, SITE, after=after, onward=_onward).answer(request)
        assert (answer.status, header(answer, "location")) == (303, f"https://idp.example/end?user=ada&hint=h&back={back}")
        assert await kept.find(request) is None
        again = await Logout(kept, SITE, after=after, onward=_onward).answer(request)
        assert (again.status, header(again, "location")) == (303, back), "there is no session to lead on with"


async def test_pages_of_others_end_nothing() -> None:
    kept = sessions(KEY)
    with World().worker():
        browser = await logged_in(kept)
        for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {}, {"sec_fetch_site": "same-site"}):
            assert (await Logout(kept, SITE).answer(post(browser, **headers))).status == 403
        assert await kept.find(browser.request()) is not None


async def test_who_is_not_logged_in_is_told_so() -> None:
    with World().worker():
        page = await Logout(sessions(KEY), SITE).answer(Browser().request())
        assert b'<a href="/auth/login">' in bytes(page.body)  # type: ignore[arg-type]  # whole


def test_a_redirect_tells_nobody_where_it_comes_from() -> None:
    cookie, kept = ("set-cookie", "a=b"), ("cache-control", "no-store")
    answer = moved("https://idp.example/", [cookie, kept], 303)
    assert (answer.status, header(answer, "location"), header(answer, "referrer-policy")) == (303, "https://idp.example/", "no-referrer")
    assert (header(answer, "set-cookie"), header(answer, "cache-control")) == ("a=b", "no-store")
