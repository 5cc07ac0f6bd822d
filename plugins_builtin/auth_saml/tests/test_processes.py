"""What a worker process that is killed or hangs costs: its caller a 503, and nobody else anything."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import pytest

from plugins_builtin.auth_saml.tests.forge import pair
from plugins_builtin.auth_saml.tests.mock import Mock, config, serving
from plugins_builtin.auth_saml.tests.processes import workers

KEY = pair("idp")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mock]:
    """A mock whose processes the tests may stop."""
    folder = tmp_path_factory.mktemp("processes")
    with serving(folder, {"saml": config(folder, processes={"most": 2, "timeout_s": 20})}) as made:
        yield made


@pytest.fixture(scope="module")
def brief(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mock]:
    """The same with little time."""
    folder = tmp_path_factory.mktemp("brief")
    with serving(folder, {"saml": config(folder, processes={"most": 1, "timeout_s": 2})}) as made:
        yield made


def stopped(at: Mock) -> int:
    """The one process there is, which from now on does not move: whatever it is given it is in the middle of."""
    (pid,) = workers(at)
    os.kill(pid, signal.SIGSTOP)
    return pid


def test_a_process_killed_in_mid_validation_costs_its_caller_a_503(own: Mock) -> None:
    all_begun = [own.begin() for _ in range(5)]
    responses = [begun.login().signed(KEY) for begun in all_begun]
    pid = stopped(own)
    with ThreadPoolExecutor(8) as clients:
        posts = [clients.submit(begun.post, response) for begun, response in zip(all_begun, responses, strict=True)]
        (stuck,) = wait_for_all_but_one(posts)
        assert httpx.get(f"{own.base}/open", trust_env=False).text == "open"
        os.kill(pid, signal.SIGKILL)
        answers = [post.result(60) for post in posts]
    assert (answers[stuck].status_code, answers[stuck].headers["retry-after"]) == (503, "5")
    assert "Logins cannot be checked now" in answers[stuck].text
    for number, (begun, answer) in enumerate(zip(all_begun, answers, strict=True)):
        if number != stuck:
            assert begun.browser.get(answer.headers["location"]).status_code == 303 and begun.who() is not None
    assert all_begun[stuck].arrive(responses[stuck]).status_code == 303  # nothing of it was used up
    assert pid not in workers(own)


def wait_for_all_but_one(posts: list[Future[httpx.Response]]) -> list[int]:
    """The number of the one that is not answered."""
    while sum(post.done() for post in posts) < len(posts) - 1:
        time.sleep(0.01)
    return [number for number, post in enumerate(posts) if not post.done()]


def test_a_process_that_hangs_is_killed_when_its_time_is_over(brief: Mock) -> None:
    begun = brief.begin()
    response, pid = begun.login().signed(KEY), stopped(brief)
    assert begun.post(response).status_code == 503
    while (answer := begun.arrive(response)).status_code == 503:
        pass  # the next process is being started
    assert answer.status_code == 303 and pid not in workers(brief)
    assert any("did not end within 2 s; its process was killed" in line for line in brief.server.lines)
