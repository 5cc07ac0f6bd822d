"""data-csv: rows of a CSV file."""

from __future__ import annotations

from mockforge_plugin.engines.tables.file_source import FileSource

from .reader import read_csv


class CsvSource(FileSource):
    """One CSV file, one table."""

    read = staticmethod(read_csv)
