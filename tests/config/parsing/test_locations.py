"""Where a part of a value is that somebody names in words."""

from __future__ import annotations

import pytest

from mockforge_asgi.config.parsing.locations import Locations
from mockforge_asgi.config.parsing.reader import read

TEXT = "top:\n  a:\n    - b: 1\n    - c.d:\n        e: 2\n  7:\n    f: 3\n"


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("a", "f.yaml:2 top.a"),
        ("a[0].b", "f.yaml:3 top.a[0].b"),
        ("a.1.c.d.e", "f.yaml:5 top.a.1.c.d.e"),
        ("7.f", "f.yaml:7 top.7.f"),
        ("a[9].b", "f.yaml:2 top.a[9].b"),
        ("absent", "f.yaml:1 top.absent"),
        ("", "f.yaml:1 top"),
        (".[]]..", "f.yaml:1 top..[]]"),
        ("a[²]." + "9" * 150, "f.yaml:2 top.a[²]." + "9" * 150),
    ],
)
def test_a_part_that_is_named_has_the_line_of_the_nearest_that_there_is(name: str, place: str) -> None:
    places = read(TEXT, "f.yaml", max_bytes=1000)[1]
    assert places.where_named(("top",), name) == place


def test_a_document_without_lines_has_places_all_the_same() -> None:
    assert Locations("configuration").where_named(("plugins", "p", "config"), "a[0]") == "configuration plugins.p.config.a[0]"
