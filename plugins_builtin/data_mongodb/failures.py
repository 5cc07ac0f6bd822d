"""What went wrong, in the codes of the contract. A server's own words are never passed on: they hold the data that it complains of."""

from __future__ import annotations

from typing import Final

from bson.errors import BSONError, InvalidDocument
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    DocumentTooLarge,
    ExecutionTimeout,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from mockforge_plugin import PluginError

_CODES: Final = {
    50: "timeout", 262: "timeout", 11000: "conflict", 11001: "conflict", 12582: "conflict", 121: "invalid_input", 10334: "invalid_input",
    18: "unavailable", 11600: "unavailable", 11602: "unavailable", 91: "unavailable", 189: "unavailable", 10107: "unavailable",
}  # fmt: skip
"""Codes of the server, and what they are here; any other is bad data: the query no longer fits it, or its user may not."""
LOGIN: Final = 18


def told(error: Exception) -> PluginError:
    """What is reported of an error of the driver."""
    if isinstance(error, ExecutionTimeout):
        return PluginError("the server ended it: its time was over", code="timeout")
    if isinstance(error, OperationFailure):
        return _failed(error)
    if isinstance(error, ServerSelectionTimeoutError):
        return PluginError("no server could be reached", code="unavailable", retryable=True)
    if isinstance(error, PyMongoError) and error.timeout:
        return PluginError("the server did not answer in time", code="timeout")
    if isinstance(error, ConnectionFailure):
        return PluginError("the connection to the server was lost", code="unavailable", retryable=True)
    if isinstance(error, InvalidDocument | DocumentTooLarge | OverflowError):
        return PluginError("a value cannot be written as BSON, or the document is too large", code="invalid_input")
    if isinstance(error, ConfigurationError | InvalidOperation):
        return PluginError(f"the driver refused it: {type(error).__name__}", code="unavailable", retryable=True)
    return PluginError(f"what the server gave cannot be read: {type(error).__name__}", code="bad_data")


def _failed(error: OperationFailure) -> PluginError:
    details = error.details or {}
    number = error.code if error.code is not None else 0
    if isinstance(writes := details.get("writeErrors"), list) and writes:
        number = int(writes[0].get("code", number))
    name = details.get("codeName")
    what = f"the server answered with code {number}{f' {name}' if isinstance(name, str) and name.isalnum() else ''}"
    if number == LOGIN:
        what = "the server refuses the login"
    code = _CODES.get(number, "bad_data")
    return PluginError(what, code=code, retryable=code == "unavailable")


DRIVER: Final = (PyMongoError, BSONError, OverflowError)
"""What the driver raises."""
