"""data-excel: rows of a spreadsheet."""

from __future__ import annotations

from mockforge_plugin.engines.tables.file_source import FileSource

from .reader import read_excel


class ExcelSource(FileSource):
    """One workbook, a table for each sheet."""

    read = staticmethod(read_excel)
    always_in_process = True
