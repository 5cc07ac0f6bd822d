"""The header fields of signatures: dictionaries of RFC 8941, read strictly.

Only what RFC 9421 and RFC 9530 put there is read, in the one spelling that RFC 8941 §4.1 gives it. So a signature has one reading, and its
parameters are signed just as they stand.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

MAX_FIELD_CHARS = 8192
"""Longer fields are refused unread."""
MAX_MEMBERS = 8
MAX_COMPONENTS = 32
MAX_PARAMETERS = 16

_KEY = re.compile(r"[a-z*][a-z0-9_.*-]{0,63}")
_COMMA = re.compile(r"[ \t]*,[ \t]*")
_BYTES = re.compile(r":([A-Za-z0-9+/]{0,1024}={0,2}):")
_COMPONENT = re.compile(r'"(@?[!#$%&\'*+.^_`|~0-9a-z-]{1,100})"')
_VALUE = re.compile(
    r'(-?[0-9]{1,15})(?![0-9.])|"((?:[ !#-\[\]-~]|\\["\\]){0,512})"|(?:[A-Za-z*][!#$%&\'*+.^_`|~0-9A-Za-z:/-]{0,127}|\?[01])'
)

T = TypeVar("T")


class Malformed(ValueError):
    """A field that cannot be read; the message says why, in words for the client."""


@dataclass(frozen=True, slots=True)
class SignatureInput:
    """What a signature covers, its parameters, and both as they are signed. Numbers are int; what has no value is True."""

    components: tuple[str, ...]
    parameters: Mapping[str, int | str | bool]
    text: str


def field(lines: Sequence[str], name: str) -> str:
    """The lines of one field as one (RFC 9110 §5.3). Raises Malformed where it is too long."""
    if sum(map(len, lines)) > MAX_FIELD_CHARS:
        raise Malformed(f"{name} is too long")
    return ", ".join(line.strip(" \t") for line in lines)


def byte_sequences(text: str, name: str) -> dict[str, bytes]:
    """The members of `Signature` or `Content-Digest`. Raises Malformed."""
    return _members(text, name, _byte_sequence)


def signature_inputs(text: str, name: str) -> dict[str, SignatureInput]:
    """The members of `Signature-Input`. Raises Malformed."""
    return _members(text, name, _signature_input)


def _members(text: str, name: str, read: Callable[[str, int], tuple[T, int] | None]) -> dict[str, T]:
    found: dict[str, T] = {}
    at = 0
    while True:
        key = _KEY.match(text, at)
        member = read(text, key.end() + 1) if key and text[key.end() : key.end() + 1] == "=" else None
        if key is None or member is None:
            raise Malformed(f"{name} cannot be read")
        if key[0] in found or len(found) == MAX_MEMBERS:
            raise Malformed(f"{name} has a member twice, or too many")
        found[key[0]], at = member
        if at == len(text):
            return found
        comma = _COMMA.match(text, at)
        if comma is None:
            raise Malformed(f"{name} cannot be read")
        at = comma.end()


def _byte_sequence(text: str, at: int) -> tuple[bytes, int] | None:
    found = _BYTES.match(text, at)
    if found is None:
        return None
    try:
        data = b64decode(found[1], validate=True)
    except binascii.Error:
        return None
    return (data, found.end()) if b64encode(data).decode() == found[1] else None  # else two spellings would be one signature


def _signature_input(text: str, at: int) -> tuple[SignatureInput, int] | None:
    begun = at
    if text[at : at + 1] != "(":
        return None
    at += 1
    components: list[str] = []
    while text[at : at + 1] != ")":
        if components:
            if text[at : at + 1] != " ":
                return None
            at += 1
        found = _COMPONENT.match(text, at)
        if found is None or found[1] in components or len(components) == MAX_COMPONENTS:
            return None
        components.append(found[1])
        at = found.end()
    parameters, at = _parameters(text, at + 1)
    return None if parameters is None else (SignatureInput(tuple(components), parameters, text[begun:at]), at)


def _parameters(text: str, at: int) -> tuple[dict[str, int | str | bool] | None, int]:
    found: dict[str, int | str | bool] = {}
    while text[at : at + 1] == ";":
        key = _KEY.match(text, at + 1)
        if key is None or key[0] in found or len(found) == MAX_PARAMETERS:
            return None, at
        value, at = None, key.end()
        if text[at : at + 1] == "=":
            value = _VALUE.match(text, at + 1)
            if value is None:
                return None, at
            at = value.end()
        found[key[0]] = _bare(value)
    return found, at


def _bare(value: re.Match[str] | None) -> int | str | bool:
    """The value of a parameter; a token, which no parameter that counts has, as True."""
    if value is None or value.lastindex is None:
        return True
    return int(value[1]) if value.lastindex == 1 else re.sub(r"\\(.)", r"\1", value[2])
