"""What was tried against the pages: scripts in whatever is shown, forms of other pages, logouts that lead elsewhere, sessions."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import httpx
import pytest

from mockforge_asgi.testing import OidcProvider
from plugins_builtin.idp_oidc.tests.flow import Flow, flow_to, parameters

SCRIPT = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>&lt;"
SHOWN = [
    "client_id",
    "redirect_uri",
    "state",
    "nonce",
    "login_hint",
    "audience",
    "resource",
    "prompt",
    "scope",
    "defect",
    "error",
    "user",
    "max_age",
]


class Tags(HTMLParser):
    """The names of a page's elements, and of their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def assert_is_harmless(answer: httpx.Response) -> None:
    """No script, and no way for one that got in."""
    if answer.headers.get("content-type", "").startswith("text/html"):
        page = Tags(answer.text)
        assert not {"script", "img"} & page.tags and not any(name.startswith("on") for name in page.attributes)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "script-src" not in policy
        assert answer.headers["cache-control"] == "no-store"
    else:
        assert "<script" not in answer.text
    assert "\r" not in answer.headers.get("location", "") and "<" not in answer.headers.get("location", "")


@pytest.mark.parametrize("name", SHOWN)
def test_no_parameter_brings_a_script_into_a_page(flow: Flow, name: str) -> None:
    for answer in (
        flow.authorize(**{name: SCRIPT}),
        flow.login(**{"user": "ada", name: SCRIPT}),
        flow.login("nobody", **{name: SCRIPT} if name != "user" else {}),
        flow.get("/logout", **{"client_id": "spa", name: SCRIPT, "post_logout_redirect_uri": SCRIPT}),
        flow.get("/logout", **{name: SCRIPT, "id_token_hint": SCRIPT}),
        flow.exchange(SCRIPT, None, **{name: SCRIPT}),
    ):
        assert_is_harmless(answer)


def test_what_is_shown_of_a_client_that_registered_is_escaped(flow: Flow, mockforge_idp: OidcProvider) -> None:
    client = mockforge_idp.client(public=True, client_name=SCRIPT)
    assert_is_harmless(flow.authorize(client_id=client.id))
    flow.login(client_id=client.id)
    assert_is_harmless(flow.get("/logout", client_id=client.id, state=SCRIPT))


@pytest.mark.parametrize("state", ["a\r\nSet-Cookie: x=1", "a b&c=d#e", "ä€😀", "%0d%0a", "&iss=https://evil.example", SCRIPT])
def test_the_state_comes_back_as_it_was_and_brings_nothing_along(flow: Flow, state: str) -> None:
    answer = flow.login(state=state)
    back = parameters(answer)
    assert (back["state"], back["iss"]) == (state, flow.issuer) and "x" not in answer.cookies
    assert answer.headers["location"].isascii()


@pytest.mark.parametrize(
    "host", ['evil"><script>alert(1)</script>', "a b", "evil.example/x?", "evil.example#", "user@evil.example", "[::1"]
)
def test_a_host_that_is_none_is_refused(flow: Flow, host: str) -> None:
    for path in ("/.well-known/openid-configuration", "/authorize?client_id=spa"):
        answer = flow.http.get(flow.issuer + path, headers={"host": host})
        assert answer.status_code == 400
        assert_is_harmless(answer)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1"},
    ],
)
def test_no_page_of_others_logs_somebody_in_or_out(flow: Flow, headers: dict[str, str]) -> None:
    refused = flow.post("/login", headers=headers, user="grace", **flow.authorization())
    assert refused.status_code == 403 and "set-cookie" not in refused.headers and "location" not in refused.headers
    flow.login("ada")
    refused = flow.post("/logout", headers=headers, confirmed="yes")
    assert refused.status_code == 403
    assert "Log out?" in flow.get("/logout", confirmed="yes").text, "a link only asks"
    assert "code" in parameters(flow.authorize(prompt="none"))


def test_the_own_page_may_log_in(flow: Flow) -> None:
    origin = flow.issuer.removesuffix("/idp")
    for headers in ({"origin": origin}, {"sec-fetch-site": "same-origin", "origin": origin}, {"sec-fetch-site": "none"}, {}):
        assert "code" in parameters(flow.post("/login", headers=headers, user="ada", **flow.authorization()))


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/",
        "//evil.example",
        "/local",
        "javascript:alert(1)",
        "http://localhost@evil.example/",
        "http://localhost/#x",
        "loopback",
        "x",
    ],
)
def test_a_logout_leads_nowhere_that_is_not_the_clients(flow: Flow, uri: str) -> None:
    tokens = flow.exchange(flow.code()).json()
    for form in ({"id_token_hint": tokens["id_token"]}, {"client_id": "spa"}, {}, {"client_id": "nobody"}):
        for answer in (
            flow.get("/logout", post_logout_redirect_uri=uri, **form),
            flow.post("/logout", confirmed="yes", post_logout_redirect_uri=uri, **form),
        ):
            assert answer.status_code == 400 and "location" not in answer.headers
    assert "code" in parameters(flow.authorize(prompt="none")), "nor does it log anybody out"


def test_a_logout_is_not_believed_a_hint_that_is_none(flow: Flow, mockforge_idp: OidcProvider) -> None:
    back = "http://localhost/bye"
    for defect in ("bad-signature", "unknown-kid", "alg-none", "hs256-public-key"):
        hint = mockforge_idp.tokens("ada", defect=f"id_token:{defect}")["id_token"]
        assert flow.get("/logout", id_token_hint=hint, post_logout_redirect_uri=back).status_code == 400
    tokens = flow.exchange(flow.code()).json()
    assert flow.get("/logout", id_token_hint=tokens["id_token"], client_id="web", post_logout_redirect_uri=back).status_code == 400
    old = mockforge_idp.tokens("ada", defect="id_token:expired")["id_token"]
    assert flow.get("/logout", id_token_hint=old, post_logout_redirect_uri=back).status_code == 303, "an old one of ours will do"
    assert "code" in parameters(flow.authorize(prompt="none")), "and ends its own session alone"


def test_a_session_is_new_with_each_login_and_the_old_one_ends(flow: Flow, mockforge_idp: OidcProvider) -> None:
    first = flow.login("ada")
    cookie = first.headers["set-cookie"]
    assert re.fullmatch(r"idp_oidc_session=[0-9]+\.[\w-]{32}; Path=/idp/; Max-Age=3600; HttpOnly; SameSite=Lax", cookie)
    before = first.cookies["idp_oidc_session"]
    after = flow.login("grace").cookies["idp_oidc_session"]
    assert before != after
    slot, secret = after.split(".")
    guesses = [before, f"{slot}.{'A' * len(secret)}", f"{slot}.", slot, f"{int(slot) + 1}.{secret}", "x" * 5000, f"{slot}.{secret}A"]
    with flow_to(mockforge_idp.issuer) as other:

        def silent(cookie: str) -> dict[str, str]:
            asked, headers = flow.authorization(prompt="none"), {"cookie": f"idp_oidc_session={cookie}"}
            return parameters(other.http.get(f"{flow.issuer}/authorize", params=asked, headers=headers))

        assert [silent(guess)["error"] for guess in guesses] == ["login_required"] * len(guesses)
        assert "code" in silent(after)
