"""data-json: rows of a JSON file, or one of JSON Lines."""

from __future__ import annotations

from mockforge_plugin.engines.tables.file_source import FileSource

from .reader import read_json


class JsonSource(FileSource):
    """One JSON file: a table, or several."""

    read = staticmethod(read_json)
