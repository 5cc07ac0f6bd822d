"""Request paths: what passes the check is protected in every reading of it, or was protected as it came.

An input is the raw path of a request line. The readings are those of servers, routers and file systems that might stand behind us.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from mockforge_asgi.errors import Refused
from mockforge_asgi.http.path_glob import PathGlob
from mockforge_asgi.http.paths import check_path, is_plain, normal_form, route_path
from tests.fuzz.fuzzing import Target

PROTECTED = (PathGlob("/hello/**"), PathGlob("/a/*/secret"), PathGlob("/files/{name}.json"))
ROOTS = ("", "/app", "/hello")
PARTS = (
    "/", "//", ".", "..", "/./", "/../", "hello", "a", "secret", "files", "x.json",
    "%2F", "%2f", "%5C", "\\", "%2e", "%2E%2e", "%00", "%25",
    "%252f", "%2525", "?", "#", ";", "http://h", "http://hello", "%c0%af", "%e2%80%8b", "%0a", "%20", " ", "app", ":", "é", "%",
)  # fmt: skip
SEEDS = (
    b"/hello", b"/a/b/secret", b"/x/../hello", b"//hello/", b"/%68ello", b"/a%2fb/secret", b"http://h/hello", b"/files/a.json",
    b"/app/hello",
)  # fmt: skip


def is_protected(path: str) -> bool:
    """What operators mean by the globs."""
    return any(glob.matches(path) for glob in PROTECTED)


def check(data: bytes) -> None:
    """As servers hand a request over, below each mount."""
    raw = data.partition(b"?")[0]
    if not raw or any(byte < 33 for byte in raw):  # no server takes such a request line
        return
    sent = unquote_to_bytes(raw).decode("utf-8", "replace")
    for root in ROOTS:
        _passes(sent, raw, root)
    _passes(sent, None, "")
    form = normal_form(sent)
    if form is not None and "%" not in form and "://" not in form:
        assert normal_form(form) == form and "//" not in form and "\\" not in form and not {".", ".."} & set(form.split("/"))
    if is_plain(sent, raw):
        assert form == sent


def _passes(sent: str, raw: bytes | None, root: str) -> None:
    scope = {"type": "http", "path": sent, "raw_path": raw, "root_path": root}
    path = route_path(scope)
    try:
        check_path(scope, path, is_protected)
    except Refused as refused:
        assert refused.status == 400
        return
    if is_protected(path):
        return
    for reading in set(readings(path)):
        assert not is_protected(reading), f"{path!r} passed as unprotected, and can be read as {reading!r}"


def readings(path: str) -> Iterator[str]:
    """What others may take the path for. Whoever decodes more than the server did, or merges slashes, is taken to resolve dots, too."""
    yield from (path, dotless(path))
    for text in (path, unquote(path), unquote(unquote(path)), urlsplit_path(path)):
        for slashed in (text, text.replace("\\", "/")):
            merged = re.sub("/+", "/", slashed)
            yield from (dotless(merged), dotless(re.sub("[\x00-\x1f\x7f]", "", merged)))


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
