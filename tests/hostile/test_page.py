"""The page of hostile guests says what the table says."""

from __future__ import annotations

from pathlib import Path

from mockforge_asgi.wasm.fiber import SETUP, Budget
from tests.hostile.cases import CPU_MS, TIMEOUT_MS
from tests.hostile.table import CASES, text

PAGE = Path(__file__).resolve().parents[2] / "docs/explanation/hostile-guests.md"


def test_the_page_has_the_table() -> None:
    page = PAGE.read_text()
    missing = [line for line in text().splitlines() if line and line not in page]
    assert not missing, "print it anew with `python -m tests.hostile.table`:\n" + "\n".join(missing)
    assert text() in page


def test_the_page_has_no_rows_but_those_of_the_table() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and not line.startswith("| guest")]
    assert len(rows) == len(CASES) == len({case.id for case in CASES})


def test_the_budgets_that_the_page_names_are_the_hosts() -> None:
    assert Budget(cpu_s=2.0, timeout_s=5.0, output_bytes=1 << 20, is_fixed=True) == SETUP
    assert f"`cpu_ms: {CPU_MS}`, `timeout_ms: {TIMEOUT_MS}`" in PAGE.read_text()
