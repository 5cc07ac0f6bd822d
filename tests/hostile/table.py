"""The whole table of hostile guests, and its form in the documentation."""

from __future__ import annotations

from tests.hostile import answer_cases, component_cases, core_cases, python_cases

GROUPS = {
    "Guests that never end": core_cases.NEVER_END,
    "Guests that take too much": core_cases.TOO_MUCH,
    "Guests that reach for what is not theirs": core_cases.NOT_THEIRS,
    "Guests that answer badly": answer_cases.CASES,
    "Components": component_cases.CASES,
    "Sandboxed Python": python_cases.CASES,
}
CASES = [case for group in GROUPS.values() for case in group]


def text() -> str:
    """The tables as the page has them."""
    parts = []
    for name, group in GROUPS.items():
        rows = "\n".join(case.row for case in group)
        parts.append(f"## {name}\n\n| guest | runtime | budget | ends as |\n|---|---|---|---|\n{rows}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    print(text())
