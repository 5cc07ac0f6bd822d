"""Which versions a range holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockforge_asgi.plugins.versions import fits


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
        ("1.2.3", "nonsense", False),
    ],
)
def test_a_range_holds_versions(version: str, wanted: str, does_fit: bool) -> None:
    assert fits(version, wanted) is does_fit


@given(st.text(alphabet="0123456789.^~<>=*,| -+abc", max_size=30))
def test_no_range_crashes(wanted: str) -> None:
    fits("1.2.3", wanted)
