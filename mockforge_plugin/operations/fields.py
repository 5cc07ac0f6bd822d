"""Checks of single fields of what a plugin returned; `where` names the field in the error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mockforge_plugin.failure import WrongAnswer
from mockforge_plugin.values import Json


def header_pairs(value: Iterable[Iterable[str]] | Mapping[str, str], where: str) -> list[list[str]]:
    """`[[name, value], ...]`, in order. Raises: WrongAnswer for what no header can carry."""
    items = value.items() if type(value) is not tuple and isinstance(value, Mapping) else value
    try:
        found = [[name, text] for name, text in items]
    except (TypeError, ValueError):
        raise WrongAnswer(f"{where} must be (name, value) pairs or a mapping") from None
    for name, text in found:
        if type(name) is not str or type(text) is not str:
            raise WrongAnswer(f"{where}: {name!r}: {text!r} must both be str")
        if not name or "\n" in text or "\r" in text or "\0" in text or not _is_token(name):
            raise WrongAnswer(f"{where}: {name!r} holds characters that no header may carry")
    return found


_token = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def _is_token(name: str) -> bool:
    return (name.isascii() and name.replace("-", "").isalnum()) or _token.issuperset(name)


def as_header_text(value: object, where: str) -> str:
    """A header value. Raises: WrongAnswer."""
    text = as_text(value, where)
    if "\n" in text or "\r" in text or "\0" in text:
        raise WrongAnswer(f"{where} holds characters that no header may carry")
    return text


def as_status(value: object, where: str) -> int:
    """A final status code. Raises: WrongAnswer."""
    if isinstance(value, bool) or not isinstance(value, int) or not 200 <= value <= 599:
        raise WrongAnswer(f"{where} must be an int from 200 to 599, not {value!r}")
    return int(value)


def as_text(value: object, where: str) -> str:
    """A str. Raises: WrongAnswer."""
    if not isinstance(value, str):
        raise WrongAnswer(f"{where} must be str, not {type(value).__name__}")
    return value


def as_texts(value: object, where: str) -> list[str]:
    """A list of str. Raises: WrongAnswer."""
    if type(value) is not tuple and (isinstance(value, str) or not isinstance(value, Iterable)):
        raise WrongAnswer(f"{where} must be a list of str, not {type(value).__name__}")
    return [as_text(item, where) for item in value]


def as_mapping(value: object, where: str) -> dict[str, Json]:
    """A dict. Raises: WrongAnswer."""
    if type(value) is dict:
        return value
    if not isinstance(value, Mapping):
        raise WrongAnswer(f"{where} must be a dict, not {type(value).__name__}")
    return dict(value)
