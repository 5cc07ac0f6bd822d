"""Pages of logins, and which requests may be answered with them."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode

import pytest

from mockforge_plugin import Request
from mockforge_plugin.login import is_navigation, page

HTML = "text/html,application/xhtml+xml,*/*;q=0.8"


@pytest.mark.parametrize(("method", "headers", "is_one"), [
    ("GET", {"accept": HTML}, True),
    ("GET", {"accept": HTML, "sec-fetch-mode": "navigate"}, True),
    ("GET", {"accept": HTML, "sec-fetch-mode": "cors"}, False),
    ("GET", {"accept": HTML, "x-requested-with": "XMLHttpRequest"}, False),
    ("GET", {"accept": "*/*"}, False),
    ("GET", {}, False),
    ("POST", {"accept": HTML, "sec-fetch-mode": "navigate"}, False),
])  # fmt: skip
def test_a_person_is_told_from_a_program(method: str, headers: dict[str, str], is_one: bool) -> None:
    assert is_navigation(Request(method, "/", headers=headers)) is is_one


def test_a_page_runs_nothing_and_is_not_kept() -> None:
    made = page("<Log out>", "<p>x</p>", status=403, headers=[("x-more", "1")], form_targets=["'self'", "https://idp.example"])
    headers = dict(made.headers)
    assert made.status == 403 and b"<h1>&lt;Log out&gt;</h1><p>x</p>" in bytes(made.body)  # type: ignore[arg-type]  # whole
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-") and policy.endswith("; form-action 'self' https://idp.example")
    assert (headers["cache-control"], headers["x-more"]) == ("no-store", "1")


def test_a_page_runs_its_own_script_and_no_other() -> None:
    made = page("On", "<p>x</p>", style="p{color:red}", script="go()", form_targets=None, referrer="same-origin")
    policy, body = dict(made.headers)["content-security-policy"], bytes(made.body).decode()  # type: ignore[arg-type]  # whole
    for kind in ("style", "script"):
        (text,) = re.findall(f"<{kind}>(.*?)</{kind}>", body)
        assert f"{kind}-src 'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" in policy
    assert body.endswith("<script>go()</script></body></html>") and "form-action" not in policy
    assert dict(made.headers)["referrer-policy"] == "same-origin"
