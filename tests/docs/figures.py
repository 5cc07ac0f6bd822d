"""The README's figures, taken from the benchmarks' own page: `python -m tests.docs.figures` writes them anew."""

from __future__ import annotations

import re
from typing import Final

from tests.docs.pages import ROOT

HEADING: Final = "| case | requests/s | median / p99, ms | CPU, µs a request | to a Starlette route |"
SHOWN: Final = (
    "Starlette route",
    "static mock",
    "templated, no plugin",
    "three native plugins and a template",
    "the same, sandboxed (compiled guests)",
    "WireMock, static / templated",
    "Prism, one example",
)
COLUMNS: Final = (0, 1, 3, 4)
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->"


def table() -> str:
    """The rows that are measured."""
    lines = (ROOT / "benchmarks" / "README.md").read_text().partition(HEADING)[2].partition("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    chosen = [[row[column] for column in COLUMNS] for row in rows if row[0] in SHOWN and all(row[column] for column in COLUMNS[1:3])]
    heading = ["case", "requests/s", "CPU, µs a request", "to a Starlette route"]
    return "".join(f"| {' | '.join(row)} |\n" for row in ([heading, ["---"] * len(heading), *chosen] if chosen else []))


def placed(page: str) -> str:
    """The page with the rows in their place."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}{table()}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(placed(readme.read_text()))
