"""Path patterns with `*` and `**`."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.routing.glob import PathGlob


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("/hello", ["/hello"], ["/hello/", "/hellox", "/"]),
        ("/hello/**", ["/hello", "/hello/", "/hello/a/b"], ["/hellox", "/", "/x/hello"]),
        ("/**", ["/", "/a", "/a/b", ""], []),
        ("/*", ["/", "/a"], ["/a/b"]),
        ("/a/*/c", ["/a/b/c", "/a//c"], ["/a/c", "/a/b/b/c"]),
        ("/a/**/c", ["/a/c", "/a/b/c", "/a/b/b/c"], ["/a/b", "/c"]),
        ("/files/*.json", ["/files/x.json", "/files/.json"], ["/files/x.jsonx", "/files/a/x.json"]),
        ("/v*/a*b*c", ["/v1/abc", "/v/axxbxxc"], ["/v1/ac", "/v1/abcd"]),
        ("/hello/{name}", ["/hello/Ada"], ["/hello", "/hello/Ada/x"]),
        ("/files/{name}.json", ["/files/a.json", "/files/.json"], ["/files/a.jsonx", "/files/a/b.json", "/files/{name}.jso"]),
        ("/v{major:int}.{minor:int}/x", ["/v1.2/x"], ["/v1/x", "/v1.2"]),
        ("/x/{a}{b}", ["/x/ab"], ["/x/a/b"]),
        ("/x/{rest:path}", ["/x", "/x/1/2"], ["/y"]),
        ("/**/admin/**", ["/admin", "/a/admin/b/c"], ["/a/b"]),
    ],
)
def test_patterns_match_whole_paths(pattern: str, yes: list[str], no: list[str]) -> None:
    glob = PathGlob(pattern)
    assert [p for p in yes if not glob.matches(p)] == []
    assert [p for p in no if glob.matches(p)] == []


@pytest.mark.parametrize("pattern", ["", "hello", "/a**", "/**b/c", "/{a", "/a}", "/{a{b}}", "/x{rest:path}", "/caf%C3%A9", "/a%2Fb"])
def test_a_pattern_that_means_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError):
        PathGlob(pattern)


@pytest.mark.parametrize(("pattern", "prefix"), [("/a/b", "/a/b"), ("/a/**", "/a/"), ("/a/b*/c", "/a/b"), ("/**", "/"), ("/{x}/a", "/")])
def test_the_prefix_is_the_literal_beginning(pattern: str, prefix: str) -> None:
    assert PathGlob(pattern).prefix == prefix


def test_many_stars_over_a_long_path_take_few_steps() -> None:
    assert not PathGlob("/" + "*a" * 30 + "b").matches("/" + "a" * 20_000)
    assert not PathGlob("/" + "**/a/" * 10 + "b").matches("/a" * 5_000)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/*a*b*c*d", "/" + "abc" * 2700),
        ("/**/a*/**/b*/**/c", "/a" * 4000 + "/b" * 4000),
        ("/**/x", "/a" * 16_000),
        ("/**/x*", "/a" * 16_000),
        ("/y/**/x/**", "/y" + "/x" * 8000 + "/"),
    ],
)
def test_a_path_costs_by_its_length_whatever_the_pattern(pattern: str, path: str) -> None:
    """Compared with reading a path ten times as short, on this machine: a walk back to each star would take a hundred times as long."""

    def took(text: str) -> float:
        begun = time.thread_time()
        for _ in range(20):
            glob.matches(text)
        return time.thread_time() - begun

    glob = PathGlob(pattern)
    short, long = (min(took(text) for _ in range(5)) for text in (path[: len(path) // 10], path))
    assert long < 40 * short + 0.001


@pytest.mark.parametrize("path", ["/x/\ud800/y", "/x/\udcff/y", "/x/\ufdd0/y", "/x/a\nb/y", "/x/\x00/y"])
def test_odd_signs_of_a_path_are_signs_of_their_segment(path: str) -> None:
    assert PathGlob("/x/*/y").matches(path) and not PathGlob("/x/*/*/y").matches(path)


def as_regex(pattern: str) -> re.Pattern[str]:
    text = ""
    for segment in pattern.split("/")[1:]:
        text += "(?:/[^/]*)*" if segment == "**" else "/" + ".*".join(re.escape(s) for s in segment.split("*")).replace(".*", "[^/]*")
    return re.compile(text, re.DOTALL)


@given(
    st.lists(st.sampled_from(["**", "*", "a", "b", "a*", "*b", "a*b"]), min_size=1, max_size=4),
    st.lists(st.sampled_from(["", "a", "b", "ab", "aab", "ba"]), min_size=1, max_size=5),
)
def test_matching_agrees_with_a_regular_expression(pattern: list[str], path: list[str]) -> None:
    written, sent = "/" + "/".join(pattern), "/" + "/".join(path)
    assert PathGlob(written).matches(sent) == bool(as_regex(written).fullmatch(sent))
