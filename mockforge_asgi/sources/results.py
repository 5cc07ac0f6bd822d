"""What sources answer, checked and cut; and what becomes of their failures."""

from __future__ import annotations

from typing import Final

from mockforge_asgi.errors import LimitExceeded, MockForgeError, PluginFailed, PluginUnavailable, SourceFailed
from mockforge_asgi.exact_json import Json

MAX_COLUMNS: Final = 1000
_LISTS: Final = frozenset({list})
_TOLD: Final = frozenset({"not_found", "invalid_input", "conflict", "bad_data", "timeout", "unavailable", "limit"})
"""The codes of a source's failures that whoever asks is told."""
_MAX_RETRY_S: Final = 3600.0


def checked_result(source: str, found: Json, most: int) -> dict[str, Json]:
    """A source's answer, its shape checked, cut to `most` rows. Raises SourceFailed."""
    if type(found) is not dict:
        raise _odd(source, "it is not an object")
    is_documents = found.get("documents") is True
    columns, rows = found.get("columns", [] if is_documents else None), found.get("rows")
    if not isinstance(columns, list) or len(columns) > MAX_COLUMNS or not all(_is_column(column) for column in columns):
        raise _odd(source, "`columns` is not a list of {name, type}")
    if is_documents:
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise _odd(source, "`rows` of documents is not a list of objects")
    elif not isinstance(rows, list) or not _LISTS.issuperset(map(type, rows)) or not {len(columns)}.issuperset(map(len, rows)):
        raise _odd(source, "`rows` is not a list of lists with one value for each column")
    result: dict[str, Json] = {"columns": columns, "rows": rows[:most], "truncated": found.get("truncated") is True or len(rows) > most}
    if is_documents:
        result["documents"] = True
    if isinstance(following := found.get("next"), str):
        result["next"] = following
    return result | {key: found[key] for key in ("total", "affected") if type(found.get(key)) is int}


def failure(source: str, query: str, error: MockForgeError) -> SourceFailed:
    """What whoever asked is told of a call that failed: nothing of the plugin's inside."""
    if isinstance(error, LimitExceeded):
        is_late = error.limit in ("timeout_ms", "cpu_ms")
        return SourceFailed("timeout" if is_late else "limit", f"data source {source!r} is over its {error.limit}", source, query)
    if isinstance(error, PluginFailed):
        code = error.code if error.code in _TOLD else "unavailable" if error.retryable else "bad_data"
        after_s = error.details.get("retry_after_s")
        retry_s = min(max(float(after_s), 0.0), _MAX_RETRY_S) if type(after_s) in (int, float) else 1.0  # type: ignore[arg-type]
        is_again = error.retryable or code == "unavailable"
        return SourceFailed(code, f"data source {source!r} failed in its query", source, query, retryable=is_again, retry_after_s=retry_s)
    after = error.retry_after_s if isinstance(error, PluginUnavailable) else 1.0
    return SourceFailed("unavailable", f"data source {source!r} takes no queries now", source, query, retryable=True, retry_after_s=after)


def _is_column(column: Json) -> bool:
    return type(column) is dict and type(column.get("name")) is str and type(column.get("type", "text")) is str


def _odd(source: str, why: str) -> SourceFailed:
    return SourceFailed("bad_data", f"data source {source!r} gave an answer that cannot be read: {why}", source)
