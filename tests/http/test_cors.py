"""CORS as a browser reads it, and beside Starlette's CORSMiddleware, which decides the same questions."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from starlette.datastructures import Headers as StarletteHeaders
from starlette.middleware.cors import CORSMiddleware

from mockforge_asgi.errors import RequestRejected
from mockforge_asgi.http.cors import OPEN, Cors, is_foreign
from mockforge_asgi.http.responses import MockResponse
from mockforge_asgi.http.snapshot import RequestSnapshot
from mockforge_asgi.testing import Conversation

APP, OTHER = "https://app.test", "https://other.test"
NAMED = Cors(frozenset({APP, "http://localhost:5173"}), credentials=True, expose=("x-total",), max_age_s=9)
NARROW = Cors(methods=frozenset({"GET", "PUT"}), headers=frozenset({"x-api-key"}))
NO_DECISION = Cors(frozenset())
NULL = Cors(frozenset({"null"}))


def asking(origin: str = APP, method: str = "GET", headers: str | None = None, private: bool = False) -> RequestSnapshot:
    pairs = {"origin": origin, "access-control-request-method": method}
    pairs |= {"access-control-request-headers": headers} if headers is not None else {}
    pairs |= {"access-control-request-private-network": "true"} if private else {}
    return RequestSnapshot({"method": "OPTIONS", "path": "/", "headers": [(k.encode(), v.encode("latin-1")) for k, v in pairs.items()]})


async def sent(cors: Cors, snapshot: RequestSnapshot, answer: MockResponse) -> dict[str, str]:
    talk = Conversation()
    await answer.send(cors.around(talk.send, snapshot))
    told: dict[str, str] = {}
    for name, value in talk.response.headers:
        told[name] = f"{told[name]}, {value}" if name in told else value
    return told


async def grants(cors: Cors, snapshot: RequestSnapshot, *, credentials: bool) -> bool:
    """Whether a browser would go on to the request itself (Fetch §4.8)."""
    try:
        answer = cors.preflight(snapshot)
    except RequestRejected:
        return False
    return passes(await sent(cors, snapshot, answer), snapshot, credentials=credentials)


def passes(told: Mapping[str, str], snapshot: RequestSnapshot, *, credentials: bool) -> bool:
    asked = {n.strip().lower() for n in (snapshot.header("access-control-request-headers") or "").split(",") if n.strip()}
    method = snapshot.header("access-control-request-method") or ""
    listed = {n.strip().lower() for n in told.get("access-control-allow-headers", "").split(",")}
    methods = {n.strip() for n in told.get("access-control-allow-methods", "").split(",")}
    if credentials and told.get("access-control-allow-credentials") != "true":
        return False
    if told.get("access-control-allow-origin") not in ((snapshot.header("origin"),) if credentials else (snapshot.header("origin"), "*")):
        return False
    return (method in methods or method in ("GET", "HEAD", "POST")) and asked <= listed


PREFLIGHTS = [
    asking(origin, method, headers)
    for origin in (APP, OTHER, "http://localhost:5173", "null", "https://APP.test", f"{APP}.evil.test", "https://xapp.test")
    for method in ("GET", "PUT", "DELETE", "PATCH")
    for headers in (None, "x-api-key", "X-API-Key , content-type", "authorization", "x-other")
]


@pytest.mark.parametrize("cors", [OPEN, NAMED, NARROW, NO_DECISION, NULL], ids=["open", "named", "narrow", "nobody", "null"])
async def test_it_allows_what_starlettes_middleware_allows(cors: Cors) -> None:
    theirs = CORSMiddleware(
        lambda *_: None,  # type: ignore[arg-type]  # never called
        allow_origins=sorted(cors.origins),
        allow_methods=sorted(cors.methods),
        allow_headers=sorted(cors.headers),
        allow_credentials=cors.credentials,
    )
    for snapshot in PREFLIGHTS:
        said = theirs.preflight_response(StarletteHeaders(raw=list(snapshot.raw_headers)))
        wanted = said.status_code == 200 and passes(said.headers, snapshot, credentials=cors.credentials)
        assert await grants(cors, snapshot, credentials=cors.credentials) == wanted, snapshot.headers


@pytest.mark.parametrize(
    ("cors", "origin", "told"),
    [
        (OPEN, None, {"access-control-allow-origin": "*", "access-control-expose-headers": "*"}),
        (OPEN, OTHER, {"access-control-allow-origin": "*", "access-control-expose-headers": "*"}),
        (NAMED, None, {"vary": "origin"}),
        (NAMED, OTHER, {"vary": "origin"}),
        (NAMED, "null", {"vary": "origin"}),
        (NAMED, "*", {"vary": "origin"}),
        (
            NAMED,
            APP,
            {
                "vary": "origin",
                "access-control-allow-origin": APP,
                "access-control-allow-credentials": "true",
                "access-control-expose-headers": "x-total",
            },
        ),
        (NO_DECISION, APP, {"vary": "origin"}),
        (NULL, "null", {"vary": "origin", "access-control-allow-origin": "null", "access-control-expose-headers": "*"}),
    ],
)
async def test_answers_say_who_may_read_them_and_what_caches_must_tell_apart(cors: Cors, origin: str | None, told: dict[str, str]) -> None:
    headers = [(b"origin", origin.encode())] if origin else []
    found = await sent(cors, RequestSnapshot({"path": "/", "headers": headers}), MockResponse())
    assert found == {**told, "content-length": "0"}


async def test_an_answer_that_says_it_itself_stays_as_it_is_and_vary_is_added_to() -> None:
    snapshot = asking()
    own = MockResponse.of(200, {"Access-Control-Allow-Origin": "https://x.test"})
    assert await sent(OPEN, snapshot, own) == {"access-control-allow-origin": "https://x.test", "content-length": "0"}
    assert (await sent(NAMED, snapshot, MockResponse.of(200, {"vary": "accept"})))["vary"] == "accept, origin"


def test_preflights_are_told_no_more_than_they_ask_for() -> None:
    told = dict(NAMED.preflight(asking(method="PUT", headers="B-x,, a-X ,b-x")).headers)
    assert told == {
        b"access-control-allow-methods": b"PUT",
        b"access-control-allow-headers": b"a-x, b-x",
        b"access-control-max-age": b"9",
        b"vary": b"access-control-request-method, access-control-request-headers, access-control-request-private-network",
    }


@pytest.mark.parametrize("allowed", [True, False])
def test_a_private_network_is_called_from_outside_only_where_that_is_said(allowed: bool) -> None:
    told = dict(Cors(private_network=allowed).preflight(asking(private=True)).headers)
    assert told.get(b"access-control-allow-private-network") == (b"true" if allowed else None)
    assert b"access-control-allow-private-network" not in dict(Cors(private_network=True).preflight(asking()).headers)


@pytest.mark.parametrize(
    ("cors", "snapshot", "status", "reason"),
    [
        (NAMED, asking(OTHER), 403, "this origin"),
        (NO_DECISION, asking(), 403, "this origin"),
        (NARROW, asking(method="DELETE"), 403, "this method"),
        (NARROW, asking(method="put"), 403, "this method"),
        (NARROW, asking(headers="x-api-key, x-b, x-a"), 403, "x-a, x-b"),
        (NARROW, asking(headers=", ".join(f"x-{n}" for n in range(9999))), 403, "x-0, x-1"),
        (OPEN, asking(headers="a\x01b"), 400, "do not exist"),
        (OPEN, asking(method="GET\r\nset-cookie: a=b"), 400, "do not exist"),
    ],
)
def test_what_is_not_allowed_is_refused_in_words(cors: Cors, snapshot: RequestSnapshot, status: int, reason: str) -> None:
    with pytest.raises(RequestRejected) as caught:
        cors.preflight(snapshot)
    assert caught.value.status == status and reason in caught.value.reason and len(caught.value.reason) < 400


@pytest.mark.parametrize(
    ("origin", "foreign"),
    [
        (None, False),
        ("http://mock.test:8000", False),
        ("http://localhost:5173", False),
        ("https://127.0.0.1", False),
        ("http://[::1]:1", False),
        ("https://web.test", True),
        ("null", True),
        ("", True),
        ("https://mock.test:8000", True),
        ("http://mock.test", True),
        ("http://mock.test:8000.evil.test", True),
        ("http://localhost.evil.test", True),
        ("http://localhost:1@evil.test", True),
        ("http://evil.test/http://localhost", True),
        ("http://127.0.0.1.evil.test:80", True),
        ("chrome-extension://abc", True),
    ],
)
def test_a_page_of_another_origin_is_told_apart(origin: str | None, foreign: bool) -> None:
    headers = [(b"host", b"mock.test:8000"), *([(b"origin", origin.encode())] if origin is not None else [])]
    assert is_foreign(RequestSnapshot({"path": "/", "headers": headers})) is foreign
