"""data-xml: rows of an XML file."""

from __future__ import annotations

from mockforge_plugin.engines.tables.file_source import FileSource

from .reader import read_xml


class XmlSource(FileSource):
    """One XML file, one table."""

    read = staticmethod(read_xml)
