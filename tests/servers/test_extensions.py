"""Real servers: what only some of them offer (trailers, files they send themselves) works through `MockForge` as without it."""

from __future__ import annotations

from tests.servers.conftest import Start
from tests.servers.test_undisturbed import comparable
from tests.support.server_processes import Running

SENDS_FILES = {"granian"}
"""Servers that know `http.response.pathsend`."""


def test_files_are_sent_by_the_server(server: str, wrapped: Running, bare: Running) -> None:
    plain = bare.get("/pathsend/")
    assert plain.header("x-pathsend") == ("1" if server in SENDS_FILES else "0")
    guarded, changed = wrapped.get("/private/pathsend/", x_api_key="k1"), wrapped.get("/changed/pathsend/")
    for answer in (wrapped.get("/pathsend/"), guarded, changed):
        assert (answer.body, answer.header("x-pathsend")) == (plain.body, plain.header("x-pathsend"))
        assert answer.header("content-length") == plain.header("content-length")
    assert guarded.header("x-auth") == "1"
    assert changed.header("x-changed") == ("head" if server in SENDS_FILES else "whole")


class TestHTTP2:
    """Hypercorn's HTTP/2, the one that offers trailers."""

    def test_answers_are_the_same(self, start: Start) -> None:
        bare, wrapped = start("hypercorn", "BARE"), start("hypercorn", "WRAPPED")
        for target in ("/info?a=1", "/stream", "/file", "/boom", "/trailers/"):
            assert comparable(wrapped.http2("GET", target)) == comparable(bare.http2("GET", target))

    def test_trailers_follow_the_body(self, start: Start) -> None:
        bare, wrapped = start("hypercorn", "BARE"), start("hypercorn", "WRAPPED")
        guarded = wrapped.http2("GET", "/private/trailers/", te="trailers", x_api_key="k1")
        changed = wrapped.http2("GET", "/changed/trailers/", te="trailers")
        for answer in (bare.http2("GET", "/trailers/", te="trailers"), wrapped.http2("GET", "/trailers/", te="trailers"), guarded, changed):
            assert (answer.header("x-trailers"), answer.body, answer.trailers) == ("1", b"body", (("x-sum", "1"),))
        assert guarded.header("x-auth") == "1" and changed.header("x-changed") == "head"

    def test_mocks_and_plugins_answer(self, start: Start) -> None:
        wrapped = start("hypercorn", "WRAPPED")
        assert wrapped.http2("GET", "/health").body == b'{"status":"ok"}'
        assert wrapped.http2("GET", "/greet/Ada").status == 401
        assert wrapped.http2("GET", "/greet/Ada", x_api_key="k1").body == b"GET Ada"
        head = wrapped.http2("HEAD", "/health")
        assert (head.status, head.body, head.header("content-length")) == (200, b"", "15")
