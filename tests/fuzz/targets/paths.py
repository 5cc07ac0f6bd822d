"""Request paths: what passes the check is protected by the same rule, or not at all, in every reading of it.

An input is the raw path of a request line. The readings are those of servers, routers and file systems that might stand behind us, one
after the other in any order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from mockforge_asgi.auth.rules import Protection
from mockforge_asgi.config.objects import ProtectRule
from mockforge_asgi.errors import RequestRejected
from mockforge_asgi.http.paths import ENCODED_SLASH, below, route_path
from mockforge_asgi.routing.ambiguity import check_path, is_plain
from tests.fuzz.fuzzing import Target

PROTECTION = Protection(
    ProtectRule(path, (auth,))
    for path, auth in [("/hello/**", "a"), ("/a/*/secret", "b"), ("/files/{name}.json", "a"), ("/p/**", "a"), ("/p/*", "b")]
)
"""`/p/x/y` and `/p/x%2Fy` are protected differently."""
ROOTS = ("", "/app", "/hello")
OTHER_RAW = (b"/hello/x", b"/public", b"/x/../hello", b"/hello%2Fx", b"/a/b%2fc/secret", b"/a/hello%3Fx?y", b"")
"""Raw paths of a scope whose path somebody has changed."""
PARTS = (
    "/", "//", ".", "..", "/./", "/../", "hello", "a", "secret", "files", "x.json",
    "%2F", "%2f", "%5C", "\\", "%2e", "%2E%2e", "%00", "%25",
    "%252f", "%2525", "?", "#", ";", "http://h", "http://hello", "p",
    "%3F", "%23", "%c0%af", "%e2%80%8b", "%0a", "%20", " ", "app", ":", "é", "%",
)  # fmt: skip
SEEDS = (
    b"/hello", b"/a/b/secret", b"/x/../hello", b"//hello/", b"/%68ello", b"/a%2fb/secret", b"http://h/hello", b"/files/a.json",
    b"/app/hello", b"/p/x%2Fy", b"/hello%3Fx",
)  # fmt: skip


def check(data: bytes) -> None:
    """As servers hand a request over, below each mount, with the raw path and without it, and with that of another path."""
    raw = data.partition(b"?")[0]
    if not raw or any(byte < 33 for byte in raw):  # no server takes such a request line
        return
    sent = unquote_to_bytes(raw).decode("utf-8", "replace")
    for root in ROOTS:
        passes(sent, raw, root)
        passes(root + sent, raw, root)
    for other in (None, *OTHER_RAW):
        passes(sent, other, "")


def passes(sent: str, raw: bytes | None, root: str, protection: Protection = PROTECTION) -> bool:
    """Whether the check lets it pass; if so, no reading may lead to another rule."""
    scope = {"type": "http", "path": sent, "raw_path": raw, "root_path": root}
    path = route_path(scope)
    try:
        check_path(scope, path, partial(protection.rule_for, "GET"))
    except RequestRejected as refused:
        assert refused.status == 400
        return False
    rule = protection.rule_for("GET", path)
    for reading in readings(sent, raw, root):
        other = protection.rule_for("GET", reading)
        assert other in (None, rule), f"{path!r} ({raw!r}) passed as {rule}, and can be read as {reading!r}: {other}"
    assert not is_plain(path, raw) or path == sent or root
    return True


def readings(sent: str, raw: bytes | None, root: str) -> set[str]:
    """What others may take a request for, below the mount."""
    found = {below(root, sent), *(below(root, reading) for reading in closure(sent))}
    for text in by_raw_path(raw):
        end = text[max(0, len(text) - len(below(root, sent))) :]
        is_below = end.replace(ENCODED_SLASH, "/") == below(root, sent)  # what is before it was a mount's to take
        found |= closure(end) if is_below else {below(root, reading) for reading in closure(text)}
    return found


def by_raw_path(raw: bytes | None) -> Iterator[str]:
    """Decoded once, an encoded slash as a slash and as data."""
    if raw is not None:
        raw = raw.partition(b"?")[0]
        yield unquote_to_bytes(raw).decode("utf-8", "replace")
        yield unquote(re.sub("%2f", ENCODED_SLASH, raw.decode("utf-8", "replace"), flags=re.IGNORECASE))


def closure(text: str) -> set[str]:
    """What becomes of a text by any of the steps, in any order."""
    found, new = {text}, {text}
    while new and len(found) < 200:
        new = {step(text) for text in new for step in STEPS} - found
        found |= new
    return found


def urlsplit_path(path: str) -> str:
    """The path where it is read as a URL."""
    try:
        return urlsplit(path).path if "://" in path or path.startswith("//") else path
    except ValueError:
        return path


def dotless(path: str) -> str:
    """Dot segments removed, by the letter (RFC 3986 §5.2.4)."""
    rest, out = "/" + path.removeprefix("/"), ""
    while rest:
        if rest.startswith("/./") or rest == "/.":
            rest = "/" + rest[3:]
        elif rest.startswith("/../") or rest == "/..":
            rest, out = "/" + rest[4:], out[: max(out.rfind("/"), 0)]
        else:
            end = rest.find("/", 1)
            end = len(rest) if end < 0 else end
            rest, out = rest[end:], out + rest[:end]
    return out


STEPS: tuple[Callable[[str], str], ...] = (
    unquote,
    dotless,
    urlsplit_path,
    lambda path: re.sub("/+", "/", path),
    lambda path: path.replace("\\", "/"),
    lambda path: re.sub("[\x00-\x1f\x7f-\x9f]", "", path),
    lambda path: re.split("[?#]", path)[0],
    lambda path: path.lstrip(" "),
)


def mutate(data: bytes, random: Random) -> bytes:
    """Inserts, removes and encodes parts of paths."""
    text = data.decode("utf-8", "replace")
    for _ in range(random.choice((1, 1, 2, 4))):
        at, end = sorted(random.randrange(len(text) + 1) for _ in range(2))
        match random.randrange(4):
            case 0 | 1:
                text = text[:at] + random.choice(PARTS) + text[at:]
            case 2:
                text = text[:at] + text[at + random.choice((1, 1, 3)) :]
            case _:
                text = text[:at] + "".join(f"%{byte:02x}" for byte in text[at : min(end, at + 3)].encode()) + text[min(end, at + 3) :]
    return text.encode()


TARGET = Target(check, 1_200, SEEDS, mutate, max_bytes=200)
