"""A bound on the nesting of JSON texts: the parser recurses on the guest's stack, and running out of that ends the instance."""

from __future__ import annotations

import json.decoder
import re
from itertools import accumulate
from typing import Any

MAX_DEPTH = 1_000
_strings = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_others = re.compile(r"[^\[{\]}]+")
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}


def put_in_place() -> None:
    """Let every decoder check the depth first."""
    real = json.decoder.JSONDecoder.raw_decode

    def raw_decode(self: json.decoder.JSONDecoder, s: str, idx: int = 0) -> Any:
        """Decode; like Python elsewhere a RecursionError is raised for a text nested too deeply."""
        if s.count("[") + s.count("{") > MAX_DEPTH and is_too_deep(s):
            raise RecursionError(f"JSON nested deeper than {MAX_DEPTH}")
        return real(self, s, idx)

    json.decoder.JSONDecoder.raw_decode = raw_decode  # type: ignore[method-assign]  # the point of this module


def is_too_deep(text: str) -> bool:
    """Whether brackets outside strings are nested deeper than the bound."""
    brackets = _others.sub("", _strings.sub("", text))
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > MAX_DEPTH
