"""What grows is told, and rows of somebody else are."""

from __future__ import annotations

from benchmarks.soak_sources import MAX_DESCRIPTORS, MAX_GROWTH, Held


def test_what_stays_is_no_fault_and_what_grows_is() -> None:
    assert Held([10, 12, 11], [100, 101, 100]).faults() == []
    grown = Held([10, 11 + MAX_DESCRIPTORS], [100, 101 + MAX_GROWTH], wrong=2).faults()
    assert [fault.split()[0] for fault in grown] == ["2", "descriptors", "memory"]


def test_what_is_held_is_counted() -> None:
    held = Held()
    held.count()
    held.count()
    assert held.faults() == [] and min(held.memory) > 1 << 20 and min(held.descriptors) > 2
