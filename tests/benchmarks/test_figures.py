"""Figures: medians of turns, ratios, lines."""

from __future__ import annotations

import json

import pytest

from benchmarks.figures import Figure, Turn, chosen, compare, percentile, summary


def test_the_value_is_the_median_of_the_turns() -> None:
    assert summary([Turn(3, 9), Turn(1, 7), Turn(100, None)]) == Turn(3, 8)
    assert summary([Turn(2)]) == Turn(2, None)


def test_a_percentile_is_a_value_that_was_seen() -> None:
    values = list(range(1, 101))
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1.0)) == (51, 100, 100)


def test_a_ratio_names_what_it_is_against() -> None:
    figures = [Figure(bench="b", case=case, value=value, unit="us") for case, value in (("base", 2.0), ("other", 5.0), ("alone", 1.0))]
    compared = {f.case: (f.ratio, f.against) for f in compare(figures, {"other": "base", "alone": "missing"})}
    assert compared == {"base": (None, None), "other": (2.5, "base"), "alone": (None, None)}


def test_a_line_has_the_agreed_keys() -> None:
    line = json.loads(Figure(bench="b", case="c", value=1.23456, unit="us", conditions={"n": 1}).line())
    assert list(line) == ["bench", "case", "value", "unit", "p99", "ratio", "against", "conditions"]
    assert line["value"] == 1.235
    assert {"cpu", "cores", "python", "packages", "commit", "n"} <= set(line["conditions"])


def test_cases_are_chosen_by_name_and_keep_their_order() -> None:
    assert chosen(("a", "b", "c"), None) == ["a", "b", "c"]
    assert chosen(("a", "b", "c"), ["c", "a"]) == ["a", "c"]
    with pytest.raises(ValueError, match="no such case: d; there are a, b, c"):
        chosen(("a", "b", "c"), ["d"])
