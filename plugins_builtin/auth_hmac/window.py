"""When a signature is too old, made in the future, or was accepted before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from mockforge_plugin import Json, kv


@dataclass(frozen=True, slots=True)
class Window:
    """How old a signature may be, how far its clock ahead, and whether it is good for one request only."""

    max_age_s: float
    skew_s: float
    is_once: bool

    @classmethod
    def of(cls, config: Mapping[str, Json]) -> Window:
        """That of a configuration."""
        replay = config.get("replay") or ("allow" if config["preset"] == "github" else "refuse")
        return cls(float(config["max_age_s"]), float(config["clock_skew_s"]), replay == "refuse")

    def fault(self, moment: float, created: int, expires: int | None = None) -> str:
        """Why a signature made at that time is not accepted at this moment, both in Unix seconds; empty where it is."""
        if created > moment + self.skew_s:
            return "the signature was made in the future: compare the clocks"
        if created < moment - self.max_age_s:
            return f"the signature is older than {self.max_age_s:g} s"
        if expires is not None and expires < moment:
            return "the signature has expired"
        return ""

    async def is_first(self, moment: float, created: int | None, *parts: str | bytes) -> bool:
        """Whether nothing of just these parts was accepted before, in any worker. It is remembered for as long as it might be."""
        if not self.is_once:
            return True
        digest = sha256()
        for part in parts:
            data = part.encode() if isinstance(part, str) else part
            digest.update(len(data).to_bytes(4) + data)
        left_s = self.max_age_s - (0 if created is None else moment - created)
        kept_s = max(left_s, 0) + self.skew_s + 5  # a clock may be set back a little
        return await kv.add_if_absent(f"seen:{digest.hexdigest()}", 1, ttl_s=kept_s)
