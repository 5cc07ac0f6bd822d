"""Host calls outside a call, awaited and waited for."""

from __future__ import annotations

import pytest

from mockforge_plugin import HostError, data, http, kv, log, now, resource, secret
from mockforge_plugin.context import entered
from tests.support.memory_host_calls import HostCalls
from tests.support.native_kit_harness import DirectContext


@pytest.mark.parametrize(
    "ask", [lambda: kv.get("a").result(), lambda: secret("a"), lambda: log.info("a"), now, lambda: resource("a").result()]
)
def test_a_host_call_outside_a_call_is_refused_in_words(ask: object) -> None:
    with pytest.raises(HostError, match="only while the host runs the plugin"):
        ask()  # type: ignore[operator]  # one of the calls above


def test_bodies_of_requests_keep_their_form() -> None:
    sent: list[object] = []

    def noted(headers: object, body: object) -> dict[str, object]:
        sent.append((headers, body))
        return {"status": 204, "headers": []}

    doors = HostCalls(http={"POST https://a.example/": noted})
    with entered(DirectContext(doors)):
        assert http.post("https://a.example/", body="ü").result().status == 204
        http.post("https://a.example/", body=b"\x00").result()
        http.post("https://a.example/", json={"a": 1}, headers={"x": "1"}).result()
        http.post("https://a.example/", json={}, headers={"Content-Type": "application/vnd.api+json"}).result()
    assert sent == [
        ([], {"text": "ü"}),
        ([], {"base64": "AA=="}),
        ([["x", "1"], ["content-type", "application/json"]], {"text": '{"a":1}'}),
        ([["Content-Type", "application/vnd.api+json"]], {"text": "{}"}),
    ]


def test_redirects_are_followed_when_asked() -> None:
    doors = HostCalls(http={f"{method} https://a.example/": {"status": 204, "headers": []} for method in ("GET", "POST")})
    with entered(DirectContext(doors)):
        http.get("https://a.example/").result()
        http.get("https://a.example/", follow_redirects=True).result()
        http.post("https://a.example/", follow_redirects=True).result()
    assert doors.followed == [False, True, True]


def test_a_refusal_carries_its_code() -> None:
    with entered(DirectContext(HostCalls())), pytest.raises(HostError) as refused:
        data.query("shop", "orders").result()
    assert refused.value.code == "denied"


def test_the_hosts_time_is_in_utc() -> None:
    with entered(DirectContext(HostCalls())):
        assert now().isoformat() == "2026-09-21T14:13:20.123456+00:00"
