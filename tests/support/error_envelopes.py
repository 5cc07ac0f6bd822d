"""The error arm, as tests see it."""

from __future__ import annotations

import json
from typing import Any


class GuestError(Exception):
    """The error arm of a call: the envelope's `error`."""

    def __init__(self, envelope: str) -> None:
        self.error: dict[str, Any] = json.loads(envelope)["error"]
        super().__init__(self.error["message"])
