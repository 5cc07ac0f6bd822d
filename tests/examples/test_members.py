"""The members' example as its reader meets it: the `mockforge` command, a browser, and who may do what as its page says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.support.chromium import chromium as chromium
from tests.support.chromium import fresh_page
from tests.support.served import served
from tests.support.server_processes import free_port

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "members"
ROWS = [
    [cell.strip() for cell in line.strip("| \n").split(" | ")]
    for line in (EXAMPLE / "README.md").read_text().splitlines()
    if line.startswith("| ")
]
HEADER, TABLE = ROWS[0], {row[0].partition(" (")[0]: row[1:] for row in ROWS[1:] if len(row) == 5}
REQUESTS = {
    "/me": [("GET", "/me")],
    "GET /members": [("GET", "/members")],
    "POST, DELETE /members/…": [("POST", "/members"), ("DELETE", "/members/1")],
    "/accounts": [("GET", "/accounts")],
}
PAGE = {"accept": "text/html"}


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The example, served; at a port that is free."""
    folder = tmp_path_factory.mktemp("example") / "members"
    shutil.copytree(EXAMPLE, folder)
    port, file = free_port(), folder / "mockforge.yaml"
    file.write_text(file.read_text().replace(":8000", f":{port}"))
    with served(file, port) as server:
        origin = f"http://127.0.0.1:{server.port}"
        httpx.get(f"{origin}/me", headers=PAGE, trust_env=False, timeout=60)  # the first request waits until all plugins have started
        yield origin


def outcome(status: int, location: str | None) -> str:
    """As the table has it."""
    if status == 302 and "/idp/authorize?" in (location or ""):
        return "is sent to log in"
    return "yes" if 200 <= status < 300 else str(status)


def expected(who: str) -> list[tuple[str, str, str]]:
    """(method, path, outcome) of somebody's row."""
    return [(*asked, cell) for column, cell in zip(HEADER[1:], TABLE[who], strict=True) for asked in REQUESTS[column.replace("`", "")]]


def log_in(page: Page, origin: str, user: str) -> None:
    page.goto(f"{origin}/")
    page.click("text=Who am I?")
    assert page.text_content("#to") == "The club"
    page.click(f"#user-{user}")
    page.wait_for_url(f"{origin}/me")
    assert f'"id":"{user}"' in page.inner_text("body").replace(" ", "")


def test_the_table_has_everybody() -> None:
    people = ["nobody: a browser", "nobody: a program", "ada", "grace", "alan"]
    assert list(TABLE) == [*people, "`X-API-Key: newsletter-key`", "`X-API-Key: turnstile-key`"]


@pytest.mark.parametrize("who", [who for who in TABLE if who not in ("ada", "grace", "alan")])
def test_machines_and_strangers_may_do_what_the_table_says(who: str, origin: str) -> None:
    headers = PAGE if who == "nobody: a browser" else {}
    if who.startswith("`"):
        name, _, value = who.strip("`").partition(": ")
        headers = {name: value}
    with httpx.Client(base_url=origin, trust_env=False, headers=headers) as http:
        for method, path, cell in expected(who):
            answer = http.request(method, path)
            assert outcome(answer.status_code, answer.headers.get("location")) == cell, f"{method} {path}"


@pytest.mark.parametrize("who", ["ada", "grace", "alan"])
def test_people_may_do_what_the_table_says(who: str, origin: str, chromium: Browser) -> None:
    with fresh_page(chromium) as page:
        log_in(page, origin, who)
        for method, path, cell in expected(who):
            answer = page.request.fetch(f"{origin}{path}", method=method, headers=PAGE, max_redirects=0)
            assert outcome(answer.status, answer.headers.get("location")) == cell, f"{method} {path}"
        page.goto(f"{origin}/accounts")
        assert ("Ada Lovelace may see them." in page.inner_text("body")) is (who == "ada")


def test_whoever_logs_out_is_asked_again(origin: str, chromium: Browser) -> None:
    with fresh_page(chromium) as page:
        log_in(page, origin, "grace")
        page.goto(f"{origin}/")
        page.click("text=Log out")
        page.click("button")
        page.wait_for_url(f"{origin}/")
        page.click("text=Who am I?")
        assert page.title() == "Log in"


def test_a_bad_token_logs_nobody_in(origin: str, chromium: Browser) -> None:
    with fresh_page(chromium) as page:
        page.goto(f"{origin}/me")
        page.select_option("#defect", "bad-signature")
        with page.expect_response(lambda response: "/login/callback" in response.url) as answer:
            page.click("#user-ada")
        assert answer.value.status >= 400
        page.goto(f"{origin}/me")
        assert page.title() == "Log in"
