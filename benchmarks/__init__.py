"""Benchmarks: figures with their conditions, never tests. `scripts/bench [NAME]`; see README.md."""
