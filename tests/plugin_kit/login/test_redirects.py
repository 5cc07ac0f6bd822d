"""Where a browser may be sent: here, and nowhere else."""

from __future__ import annotations

import pytest

from mockforge_plugin.login import local_path


@pytest.mark.parametrize("target", ["/", "/a", "/a/b?x=1&y=//z#f", "/@user", "/a%20b", "/a:b", "/?next=https://x.example/", "/%C3%A4"])
def test_a_path_of_this_origin_stays(target: str) -> None:
    assert local_path(target) == target


REFUSED = [
    None, "", "a", "?x", "#x", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example",
    "\t//evil.example", " /", "/ ", "/\n/evil.example", "/\r\nlocation: x", "/%0d%0alocation:%20x", "/%0D%0A", "/a%00",
    "https://evil.example", "https:evil.example", "https:/evil.example", "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x",
    "@evil.example", "user@evil.example", ".evil.example", "/%2fevil.example", "/%5cevil.example", "/a//evil.example", "/a\\b", "/ü",
    "/" + "a" * 1024, "/\ud800", "/a\x7f", "/./\x01",
]  # fmt: skip


@pytest.mark.parametrize("target", REFUSED)
def test_all_else_becomes_the_default(target: str | None) -> None:
    assert (local_path(target), local_path(target, "/home")) == ("/", "/home")
