"""Fields of a door's payload are read strictly."""

from __future__ import annotations

import pytest

from mockforge_asgi.errors import HostCallError
from mockforge_asgi.plugins.hostcalls import payload as read


@pytest.mark.parametrize("value", [None, "", 5, "x" * 11, ["a"]])
def test_a_text_is_there_and_bounded(value: object) -> None:
    with pytest.raises(HostCallError, match="`a`"):
        read.text({"a": value}, "a", max_chars=10)


@pytest.mark.parametrize("value", [True, 1.0, "1", -1, 11])
def test_a_whole_number_is_in_its_range(value: object) -> None:
    with pytest.raises(HostCallError, match="from 0 to 10"):
        read.whole({"a": value}, "a", 3, least=0, most=10)


def test_what_is_left_out_is_the_default() -> None:
    assert read.whole({}, "a", 3, least=0, most=10) == 3
    assert read.optional_whole({}, "a", least=0, most=10) is None
    assert read.members({}, "a") == {}


def test_members_are_an_object() -> None:
    with pytest.raises(HostCallError, match="object"):
        read.members({"a": [1]}, "a")
