"""ClaimedPaths: the sieve by first segment."""

from __future__ import annotations

import pytest

from mockforge_asgi.routing.passthrough import ClaimedPaths


@pytest.mark.parametrize(
    ("patterns", "yes", "no"),
    [
        ([], [], ["/", "/a"]),
        (["/hello/{name}", "/health"], ["/hello/Ada", "/hello", "/hello/", "/health"], ["/", "/hellox", "/x/hello"]),
        (["/"], ["/", ""], ["/a"]),
        (["/{tenant}/x"], ["/", "/a/b"], []),
        (["/v*/x"], ["/v1", "/w"], []),
        (["/**"], ["/", "/a"], []),
    ],
)
def test_paths_are_claimed_by_their_first_segment(patterns: list[str], yes: list[str], no: list[str]) -> None:
    claims = ClaimedPaths(patterns)
    assert [p for p in yes if not claims.cover(p)] == [] and [p for p in no if claims.cover(p)] == []


def test_what_nobody_claims_is_let_by_if_it_has_one_reading() -> None:
    claims = ClaimedPaths(["/hello"], checked=True)
    for _ in range(2):  # the second time from memory
        assert (
            claims.passes_through("/a/b", b"/a/b") and claims.passes_through("/a/b", None) and claims.passes_through("/" + "a" * 999, None)
        )
        assert not claims.passes_through("/hello/x", None)
        assert (
            not claims.passes_through("/a//b", None)
            and not claims.passes_through("/a/b", b"/a%2fb")
            and not claims.passes_through("/a#b", None)
        )
        assert not ClaimedPaths(everything=True).passes_through("/a/b", None)
    both = claims | ClaimedPaths(["/a"])
    assert not both.passes_through("/a/b", b"/a/b") and not both.passes_through("/x//b", None)


def test_where_nothing_is_protected_every_path_is_let_by_that_nobody_claims() -> None:
    claims = ClaimedPaths(["/hello"])
    assert all(claims.passes_through(path, None) for path in ("/a//b", "//hello", "/a/../hello", "/a%2Fb", "hello", "*", ""))
    assert not claims.passes_through("/hello//x", None) and not claims.passes_through("/hello", b"/%68ello")


def test_paths_without_end_are_not_all_remembered() -> None:
    claims = ClaimedPaths()
    assert all(claims.passes_through(f"/{n}", b"/x" * (n % 300) + b"/%d" % n) for n in range(5000))
    assert len(claims._passing) <= 1024 and all(len(raw or b"") <= 200 for _, raw in claims._passing)


def test_claims_add_up() -> None:
    both = ClaimedPaths(["/a"]) | ClaimedPaths(["/b"])
    assert both.cover("/a/x") and both.cover("/b") and not both.cover("/c")
    assert (both | ClaimedPaths(everything=True)).cover("/c")
