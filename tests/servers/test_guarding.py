"""Real servers: mocks, plugins and protection rules answer as they should, whatever the server makes of a request."""

from __future__ import annotations

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.support.server_processes import Running

SENDS_DENIALS = {"uvicorn-h11", "uvicorn-httptools", "hypercorn", "granian"}
"""Servers that know the extension for denial responses of websockets."""

SENDS_ACCEPT_HEADERS = {"uvicorn-h11", "uvicorn-httptools", "hypercorn"}
"""Servers that send the headers of `websocket.accept`."""


def test_a_static_mock_answers(wrapped: Running) -> None:
    answer = wrapped.get("/health")
    assert (answer.status, answer.body, answer.header("content-length")) == (200, b'{"status":"ok"}', "15")
    head = wrapped.request("HEAD", "/health")
    assert (head.status, head.body, head.header("content-length")) == (200, b"", "15")


def test_plugins_decide_and_answer(wrapped: Running) -> None:
    refused = wrapped.get("/greet/Ada")
    assert refused.status == 401 and refused.header("www-authenticate")
    assert wrapped.get("/greet/Ada", x_api_key="wrong").header("www-authenticate") == "ApiKey"
    answer = wrapped.get("/greet/Ada", x_api_key="k1")
    assert (answer.status, answer.body, answer.header("x-auth")) == (200, b"GET Ada", "1")
    assert wrapped.request("POST", "/greet/Ada", b"x" * 10, x_api_key="k1").body == b"POST Ada"


def test_the_app_behind_a_rule_knows_its_caller(wrapped: Running) -> None:
    assert wrapped.get("/private/info").status == 401
    answer = wrapped.get("/private/info", x_api_key="k1")
    assert b'"user":"demo"' in answer.body and answer.header("x-auth") == "1"


@pytest.mark.parametrize(
    "target",
    [
        "//private/info", "/private//info", "/x/../private/info", "/./private/info", "/private%2Finfo", "/x/%2e%2e/private/info",
        "/x%2F..%2Fprivate/info", "/private%5Cinfo", "/%5cprivate/info", "/x\\..\\private/info", "/private/a%00", "/%2570rivate/info",
        "/%70rivate/info", "/private/info/", "http://127.0.0.1/private/info", "http://127.0.0.1//private/info",
        "/private;x/../private/info",
    ],
)  # fmt: skip
def test_no_spelling_of_a_path_leads_around_a_rule(wrapped: Running, target: str) -> None:
    answer = wrapped.get(target)
    assert answer.status in (400, 401, 403, 404) and b'"path"' not in answer.body


@pytest.mark.parametrize("target", ["//info", "/%2e%2e/info", "/x%5Cinfo", "/%2569nfo", "/%07"])
def test_where_paths_are_protected_ambiguous_ones_are_refused_wherever_they_lead(wrapped: Running, target: str) -> None:
    assert wrapped.get(target).status == 400


def test_a_body_over_the_limit_is_refused(wrapped: Running) -> None:
    answer = wrapped.request("POST", "/greet/Ada", b"x" * (65 * 1024), x_api_key="k1")
    assert answer.status == 413
    assert wrapped.get("/health").status == 200


def test_a_client_that_leaves_ends_the_plugins_call(wrapped: Running) -> None:
    with wrapped.leaving("/never"):
        assert wrapped.get("/wait/asked").body == b"happened"
    assert wrapped.get("/wait/cancelled").body == b"happened"


def test_a_websocket_is_refused_without_credentials(server: str, wrapped: Running) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://127.0.0.1:{wrapped.port}/private/ws")
    response = refused.value.response
    if server in SENDS_DENIALS:
        assert response.status_code == 401 and response.headers["www-authenticate"]
    else:
        assert response.status_code == 403


def test_a_websocket_with_credentials_passes(server: str, wrapped: Running) -> None:
    with connect(f"ws://127.0.0.1:{wrapped.port}/private/ws", additional_headers={"x-api-key": "k1"}) as client:
        assert client.response is not None
        assert client.response.headers.get("x-auth") == ("1" if server in SENDS_ACCEPT_HEADERS else None)
        client.send("hi")
        assert client.recv() == "/private/ws hi"


def test_answers_of_ours_are_alike_under_every_server(wrapped: Running) -> None:
    told = {name: value for name, value in wrapped.get("/greet/Ada").headers if name not in ("date", "server", "connection")}
    assert told == {
        "content-type": "application/json", "cache-control": "no-store", "www-authenticate": "Custom", "content-length": "71",
    }  # fmt: skip
