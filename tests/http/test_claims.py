"""Claims: the sieve by first segment."""

from __future__ import annotations

import pytest

from mockforge_asgi.http.claims import Claims


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
    claims = Claims(patterns)
    assert [p for p in yes if not claims.cover(p)] == [] and [p for p in no if claims.cover(p)] == []


def test_claims_add_up() -> None:
    both = Claims(["/a"]) | Claims(["/b"])
    assert both.cover("/a/x") and both.cover("/b") and not both.cover("/c")
    assert (both | Claims(everything=True)).cover("/c")
