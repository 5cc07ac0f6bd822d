"""`backoff:` as written: at the top, in a rule, and switched off."""

from __future__ import annotations

from typing import Any

import pytest

from mockforge_asgi.config import load_config
from mockforge_asgi.errors import ConfigError
from mockforge_asgi.http.backoff import DEFAULT, BackoffConfig


def rules(top: Any = None, *own: Any) -> list[BackoffConfig | None]:
    document: dict[str, Any] = {"version": 1, "protect": [{"path": f"/{i}", "auth": "p"} for i in range(len(own))]}
    for rule, backoff in zip(document["protect"], own, strict=True):
        rule |= {} if backoff is None else {"backoff": backoff}
    return [rule.backoff for rule in load_config(document | ({} if top is None else {"backoff": top}), own=["p"]).protect]


def test_it_is_on_for_every_rule_where_nothing_is_said() -> None:
    assert rules(None, None, True) == [DEFAULT, BackoffConfig(scope="/1")]


def test_the_numbers_at_the_top_are_those_of_rules_without_their_own() -> None:
    assert rules({"attempts": 4}, None, {"attempts": 5}) == [BackoffConfig(attempts=4), BackoffConfig(attempts=5, scope="/1")]


def test_it_can_be_switched_off_for_all_or_for_one_rule_and_on_for_one() -> None:
    assert rules(False, None, True) == [None, BackoffConfig(scope="/1")]
    assert rules(None, False, None) == [None, DEFAULT]


@pytest.mark.parametrize(
    ("backoff", "words"),
    [
        ({"attempts": 0}, "backoff.attempts"),
        ({"delay_s": 10, "max_delay_s": 5}, "delay_s (10) is more than max_delay_s (5)"),
        ({"atempts": 3}, "attempts"),
        ("off", "backoff"),
    ],
)
def test_what_cannot_be_is_said(backoff: Any, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        rules(backoff)
    assert words in str(raised.value)
