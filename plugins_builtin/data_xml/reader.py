"""An XML file as rows: read as a stream, without document types, entities or the network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final
from xml.parsers import expat

from lxml import etree

from mockforge_plugin.engines.tables.sheets import BadFile, Sheet

_BLOCK: Final = 1 << 16
_NIL: Final = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_XSI: Final = "{http://www.w3.org/2001/XMLSchema-instance}"


def read_xml(path: Path, config: Mapping[str, Any]) -> Sequence[Sheet]:
    """The one table of the file. Raises BadFile, OSError."""
    _refuse_doctype(path)
    wanted = config.get("rows")
    parts = None if wanted is None else tuple(wanted.strip("/").split("/"))
    file = _XmlFile(path, parts, is_whole=wanted is not None and wanted.startswith("/"))
    return [Sheet(config.get("table") or path.stem, file.rows, is_text=True, where=file.line_of)]


class _XmlFile:
    def __init__(self, path: Path, parts: tuple[str, ...] | None, *, is_whole: bool) -> None:
        self._path, self._parts, self._is_whole = path, parts, is_whole

    def rows(self) -> Iterator[Mapping[str, Any]]:
        """The rows, from the first on. Raises BadFile."""
        return (_row(element) for element in self._elements())

    def line_of(self, row: int) -> int | None:
        """The line in which a row begins."""
        return next((element.sourceline for element in islice(self._elements(), row, None)), None)

    def _elements(self) -> Iterator[Any]:
        """The elements that are rows; each is gone when the next one is asked for."""
        above: list[str] = []
        inside = found = 0
        try:
            for event, element in self._events():
                if event == "start":
                    above.append(_local(element.tag))
                    if inside or self._is_row(above):
                        inside += 1
                    continue
                above.pop()
                if inside == 1:
                    found += 1
                    yield element
                inside -= inside > 0
                if not inside:
                    element.clear()
                    while element.getprevious() is not None:
                        del element.getparent()[0]
        except etree.XMLSyntaxError as error:
            if not error.lineno:
                raise BadFile("it has no root element, or names an entity that is declared nowhere") from None
            raise BadFile(str(error.msg).split(", line")[0], line=error.lineno, column=error.offset) from None
        if not found and self._parts is not None:
            raise BadFile(f"it has no elements {'/'.join(self._parts)}, which `rows` names")

    def _events(self) -> Iterator[tuple[str, Any]]:
        with self._path.open("rb") as file:
            yield from etree.iterparse(
                file,
                events=("start", "end"),
                resolve_entities=False,
                no_network=True,
                load_dtd=False,
                dtd_validation=False,
                huge_tree=False,
                remove_comments=True,
                remove_pis=True,
            )

    def _is_row(self, above: Sequence[str]) -> bool:
        if self._parts is None:
            return len(above) == 2
        if self._is_whole and len(above) != len(self._parts):
            return False
        tail = above[-len(self._parts) :]
        return len(tail) == len(self._parts) and all(part in ("*", name) for part, name in zip(self._parts, tail, strict=True))


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _row(element: Any) -> dict[str, Any]:
    """Attributes and elements by their names; what is below an element is called `element_inner`; what comes several times is a list."""
    row: dict[str, Any] = {}
    _add(row, "", element)
    return row


def _add(row: dict[str, Any], name: str, element: Any) -> None:
    for key, value in element.attrib.items():
        if not key.startswith(_XSI):
            _put(row, _joined(name, _local(key)), value)
    children = [child for child in element if isinstance(child.tag, str)]
    if len(children) < len(element) and (entity := next((child for child in element if child.tag is etree.Entity), None)) is not None:
        raise BadFile(f"the entity &{entity.name}; is declared nowhere", line=entity.sourceline or element.sourceline)
    for child in children:
        _add(row, _joined(name, _local(child.tag)), child)
    text = element.text or ""
    if not children and (name or text.strip()):
        _put(row, name or "value", None if element.get(_NIL) in ("true", "1") else text)


def _joined(name: str, inner: str) -> str:
    return f"{name}_{inner}" if name else inner


def _put(row: dict[str, Any], name: str, value: str | None) -> None:
    if name not in row:
        row[name] = value
    elif isinstance(row[name], list):
        row[name].append(value)
    else:
        row[name] = [row[name], value]


class _Root(Exception):
    """The root begins: no document type can follow."""


def _refuse_doctype(path: Path) -> None:
    """Raises BadFile for a file with a document type, in which entities are declared."""

    def doctype(*_: object) -> None:
        raise BadFile("it has a document type (<!DOCTYPE …>), which may declare entities; remove it", line=parser.CurrentLineNumber)

    def root(*_: object) -> None:
        raise _Root

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler, parser.StartElementHandler = doctype, root
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                parser.Parse(block)
    except (_Root, expat.ExpatError):
        pass  # what is wrong with its form, the other parser tells
