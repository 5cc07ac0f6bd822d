"""The golden cases run in the worlds of the kit's tests."""

from __future__ import annotations

from tests.plugin_kit.conftest import load, sandbox

__all__ = ["load", "sandbox"]
