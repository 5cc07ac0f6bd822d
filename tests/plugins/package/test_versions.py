"""Which versions a range holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.plugins.package.versions import fits, is_range, is_version


@pytest.mark.parametrize(
    ("version", "wanted", "does_fit"),
    [
        ("1.2.3", "*", True),
        ("1.2.3", "1.2.3", True),
        ("1.2.4", "1.2.3", False),
        ("1.2.3", "1.2", True),
        ("1.3.0", "1.2.*", False),
        ("1.2.3", "^1.2", True),
        ("1.9.0", "^1.2", True),
        ("2.0.0", "^1.2", False),
        ("1.1.0", "^1.2", False),
        ("1.4.0", "^1", True),
        ("0.2.5", "^0.2.3", True),
        ("0.3.0", "^0.2.3", False),
        ("0.0.3", "^0.0.3", True),
        ("0.0.4", "^0.0.3", False),
        ("1.2.9", "~1.2.3", True),
        ("1.3.0", "~1.2.3", False),
        ("1.5.0", "~1", True),
        ("1.5.0", ">=1.0,<2", True),
        ("2.0.0", ">=1.0,<2", False),
        ("1.2.3", ">=1 <1.2", False),
        ("1.2.3", "<= 1.2", True),
        ("1.3.0", ">1.2", True),
        ("3.0.0", "^1 || ^3", True),
        ("2.0.0", "^1 || ^3", False),
        ("1.2.3-rc.1", "^1", False),
        ("1.2.3-rc.1", "1.2.3-rc.1", True),
        ("1.2.3+build", "^1", True),
        ("1.2.3", "1.2.x", True),
        ("1.2.3", "1.0 - 1.2", True),
        ("1.5.0", ">= 1.0 , < 2", True),
        ("1.2.3-rc.2", "^1.2.3-rc.1", True),
        ("1.3.0-rc.1", "^1.2.3-rc.1", False),
        ("1.2.3-rc.1", "*", True),
    ],
)
def test_a_range_holds_versions(version: str, wanted: str, does_fit: bool) -> None:
    assert fits(version, wanted) is does_fit


@pytest.mark.parametrize("wanted", ["nonsense", "latest", "^01.2", "1.2.3.4", "~>1.2", "^1 and 2", "00 - 1"])
def test_what_is_no_range_is_told(wanted: str) -> None:
    assert not is_range(wanted)
    with pytest.raises(ValueError):
        fits("1.2.3", wanted)


@pytest.mark.parametrize(
    ("text", "expected"), [("1.0.0", True), ("1.0.0-rc.1+b", True), ("1.0", False), ("1.0.0-01", False), ("1.0.0-a..b", False)]
)
def test_a_version_is_one_of_semver(text: str, expected: bool) -> None:
    assert is_version(text) is expected


@given(st.text(alphabet="0123456789.^~<>=*,| -+abcx", max_size=30))
def test_no_range_crashes(wanted: str) -> None:
    if is_range(wanted):
        fits("1.2.3", wanted)
