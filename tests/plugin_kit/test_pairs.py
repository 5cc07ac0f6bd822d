"""Headers and query parameters: looked up by name and by position."""

from __future__ import annotations

import pytest

from mockforge_plugin import Headers, Query


def test_headers_and_queries_are_found_by_name_and_by_place() -> None:
    headers, query = Headers([("x-a", "1"), ("x-a", "2")]), Query([("page", "2"), ("Page", "3")])
    assert (headers["X-A"], headers[1], headers[1:], headers.get("x-b")) == ("1", ("x-a", "2"), (("x-a", "2"),), None)
    sought: list[object] = ["X-A", ("x-a", "2"), "x-b", 5]
    assert [each in headers for each in sought] == [True, True, False, False]
    assert (query["page"], query["Page"], query.get("PAGE"), query.all("page")) == ("2", "3", None, ["2"])
    with pytest.raises(KeyError, match="x-b"):
        headers["x-b"]
