"""Arithmetic of templates: every operator whose result can grow, bounded before the result is made; the filters `int` and `round`."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from jinja2 import filters as jinja
from jinja2.exceptions import FilterArgumentError, SecurityError

from mockforge_asgi.templates.bounds.meter import OverLimit, meter


def number(value: Any) -> Any:
    """The value, unless it is an integer beyond the limit. Raises OverLimit."""
    if isinstance(value, int) and value.bit_length() > meter().limits.integer_bits:
        raise OverLimit("integer_bits", meter().limits.integer_bits, "the template computes an integer that is too large")
    return value


def _add(left: Any, right: Any) -> Any:
    if isinstance(left, str) and isinstance(right, str):
        meter().check_text(len(left) + len(right))
        return left + right
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        meter().check_length(len(left) + len(right))
        return meter().check_made(left + right)  # type: ignore[operator]  # list + tuple raises what the author should see
    return number(left + right)


def _multiply(left: Any, right: Any) -> Any:
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return number(number(left) * number(right))
    many, times = (right, left) if isinstance(left, int) else (left, right)
    if not isinstance(times, int):
        raise TypeError(f"cannot multiply {type(left).__name__} by {type(right).__name__}")
    if isinstance(many, str):
        meter().check_text(len(many) * max(times, 0))
    else:
        meter().check_length(len(many) * max(times, 0))
    return meter().check_made(many * times)


def _power(base: Any, exponent: Any) -> Any:
    if isinstance(base, int) and isinstance(exponent, int) and exponent > 0:
        bits = base.bit_length() * exponent
        if bits > 2 * meter().limits.integer_bits:
            raise OverLimit("integer_bits", meter().limits.integer_bits, "the template computes an integer that is too large")
    return number(base**exponent)


def _modulo(left: Any, right: Any) -> Any:
    if isinstance(left, str | bytes):
        raise SecurityError("'%' does not format text here; use the filter format")
    return left % right


def do_int(value: Any, default: int = 0, base: int = 10) -> int:
    """`value` as an integer, or the default."""
    if isinstance(value, str) and len(value) > 100:
        return default
    return int(number(jinja.do_int(value, default, base)))


def do_round(value: Any, precision: int = 0, method: str = "common") -> float:
    """`value` rounded; `method` common, ceil or floor."""
    if not 0 <= precision <= 15 or method not in ("common", "ceil", "floor"):
        raise FilterArgumentError("round takes a precision of 0 to 15, and common, ceil or floor")
    if method == "common":
        return round(float(value), precision)
    scale = 10.0**precision
    return (math.ceil if method == "ceil" else math.floor)(float(value) * scale) / scale


OPERATORS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "+": _add,
    "-": operator.sub,
    "*": _multiply,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": _modulo,
    "**": _power,
}
"""What each operator of the template language does."""
