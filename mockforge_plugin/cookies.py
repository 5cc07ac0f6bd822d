"""`Set-Cookie` headers: names, values and attributes that browsers take as they were meant."""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

SameSite: TypeAlias = Literal["Lax", "Strict", "None"]

MAX_COOKIE_BYTES: Final = 4096
"""Of name and value together; browsers drop a cookie that is longer (RFC 6265bis §5.6)."""
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(r"[!#-+\--:<-\[\]-~]*")
_PATH: Final = re.compile(r"/[ -:<-~]*")


def cookie(
    name: str,
    value: str,
    *,
    max_age_s: int | None = None,
    path: str = "/",
    http_only: bool = True,
    secure: bool | None = None,
    same_site: SameSite = "Lax",
) -> tuple[str, str]:
    """A `set-cookie` header pair (RFC 6265 §4.1) for this host alone; without `max_age_s` it lasts until the browser is closed.

    `secure` None: as the name says, for one that begins with `__Host-` or `__Secure-` goes over TLS alone.
    Raises: ValueError for characters that must be encoded first, for too much, and for attributes that browsers refuse together.
    """
    prefix = next((p for p in ("__host-", "__secure-") if name.lower().startswith(p)), "")
    secure = bool(prefix) if secure is None else secure
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a cookie")
    if not _VALUE.fullmatch(value):
        raise ValueError(f"the value of cookie '{name}' holds characters that must be encoded first (urllib.parse.quote)")
    if not _PATH.fullmatch(path) or same_site not in ("Lax", "Strict", "None") or type(max_age_s) not in (int, type(None)):
        raise ValueError(f"cookie '{name}': path begins with / and has no ';', same_site is Lax, Strict or None, max_age_s is an int")
    if (prefix or same_site == "None") and not secure:
        raise ValueError(f"cookie '{name}' must be secure: browsers refuse it otherwise")
    if prefix == "__host-" and path != "/":
        raise ValueError(f"cookie '{name}' must have the path /: browsers refuse it otherwise")
    if len(name) + len(value) > MAX_COOKIE_BYTES:
        raise ValueError(f"cookie '{name}' has more than {MAX_COOKIE_BYTES} bytes, which browsers do not keep")
    parts = [f"{name}={value}", f"Path={path}", *([] if max_age_s is None else [f"Max-Age={max_age_s}"])]
    parts += ["HttpOnly"] * http_only + ["Secure"] * secure
    return "set-cookie", "; ".join([*parts, f"SameSite={same_site}"])
