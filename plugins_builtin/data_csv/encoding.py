"""The text of a CSV file: its encoding is known, or the file is refused. Nothing is guessed, so that nothing is garbled."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import IO, Final, TextIO

from mockforge_plugin.engines.tables.sheets import BadFile

_MARKS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_LINE: Final = 1 << 20


def encoding_of(path: Path, said: str | None) -> str:
    """The name of the codec. Raises BadFile, OSError."""
    with path.open("rb") as file:
        head = file.read(4)
    if head in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE):
        raise BadFile("it is UTF-32; save it as UTF-8")
    marked = next((codec for mark, codec in _MARKS if head.startswith(mark)), None)
    if said is None:
        return marked or "utf-8"
    try:
        name = codecs.lookup(said).name
        "".encode(name)
    except LookupError:
        raise BadFile(f"`encoding: {said}` is not known; write one such as cp1252") from None
    return marked if marked is not None and name in ("utf-8", "utf-16", "utf-16-le", "utf-16-be") else name


def opened(path: Path, encoding: str) -> TextIO:
    """The file as text, its lines as they end."""
    return path.open(encoding=encoding, errors="strict", newline="")


def bad_byte(path: Path, encoding: str) -> BadFile:
    """What is wrong with a file that is not in that encoding: the line and the byte, looked for once more."""
    if encoding.startswith("utf-16"):
        return BadFile("it has a byte order mark of UTF-16, and is no UTF-16; save it as UTF-8")
    with path.open("rb") as file:
        line, text = _bad_line(file, encoding)
    try:
        text.decode(encoding)
        what = "it cannot be decoded"
    except UnicodeDecodeError as error:
        what = f"byte {error.start + 1} (0x{text[error.start]:02x}) is not {encoding.removesuffix('-sig').upper()}"
    return BadFile(f"{what}; save the file as UTF-8, or say in which encoding it is, such as `encoding: cp1252`", line=line)


def _bad_line(file: IO[bytes], encoding: str) -> tuple[int, bytes]:
    number = 0
    while text := file.readline(_LINE):
        number += 1
        try:
            text.decode(encoding)
        except UnicodeDecodeError:
            return number, text
    return number, b""
