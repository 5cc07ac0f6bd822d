"""A part of other people's test suites, behind MockForge; `scripts/transparency` runs all of them."""

from __future__ import annotations

import os

import pytest

from tests.transparency.comparison import Compared, compare
from tests.transparency.suites import SUITES, Unavailable


@pytest.fixture(scope="module", params=SUITES)
def results(request: pytest.FixtureRequest) -> list[Compared]:
    suite = SUITES[request.param]
    try:
        suite.fetch()
    except Unavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    return compare(suite, ("bare", "guarded"), suite.sample)


def test_other_peoples_tests_end_behind_mockforge_as_they_do_without(results: list[Compared]) -> None:
    assert not any(result.unexplained() for result in results), "\n".join(map(str, results))
    assert all(result.passed >= 40 for result in results), "\n".join(map(str, results))


def test_the_apps_of_the_suites_are_wrapped(results: list[Compared]) -> None:
    """A path of several readings is refused where every path is protected, and only there."""
    differing = {result.wrapper: {test.partition("::")[2].partition("[")[0] for test in result.differing} for result in results}
    refused = {"starlette": "test_request_raw_path", "fastapi": "test_root_file_path"}[results[0].suite]
    assert refused in differing["guarded"]
