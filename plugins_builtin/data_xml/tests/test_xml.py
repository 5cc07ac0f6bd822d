"""XML files: rows by their elements' names, whatever the namespaces; attacks refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mockforge_plugin.engines.tables.sheets import BadFile
from plugins_builtin.data_xml.reader import read_xml
from tests.support.tables import opened, table


def written(folder: Path, data: str | bytes) -> Path:
    path = folder / "t.xml"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


@pytest.mark.parametrize(
    ("data", "config", "columns", "rows"),
    [
        ("<r><p><a>1</a><b>x</b></p><p><a>2</a></p></r>", {}, {"a": "integer", "b": "text"}, [[1, "x"], [2, None]]),
        ('<r xmlns="urn:x"><p id="007"><a>1.10</a></p></r>', {}, {"id": "text", "a": "decimal"}, [["007", "1.10"]]),
        ('<x:r xmlns:x="urn:x"><x:p x:id="1"/></x:r>', {"rows": "p"}, {"id": "integer"}, [[1]]),
        ("<r><g><p><a>1</a></p></g><g><p><a>2</a></p></g><q/></r>", {"rows": "r/g/p"}, {"a": "integer"}, [[1], [2]]),
        ("<r><g><p><a>1</a></p></g><p><a>9</a></p></r>", {"rows": "/r/*/p"}, {"a": "integer"}, [[1]]),
        ("<r><p><p><a>1</a></p></p></r>", {"rows": "p"}, {"p_a": "integer"}, [[1]]),
        ("<r><p><at><city>Rome</city></at></p></r>", {}, {"at_city": "text"}, [["Rome"]]),
        ("<r><p><t>a</t><t>b</t></p><p><t>c</t></p></r>", {}, {"t": "json"}, [[["a", "b"]], ["c"]]),
        ('<r><p n="1">hi</p></r>', {}, {"n": "integer", "value": "text"}, [[1, "hi"]]),
        ('<r><p><a unit="g">5</a></p></r>', {}, {"a_unit": "text", "a": "integer"}, [["g", 5]]),
        (f'<r {XSI}><p><a xsi:nil="true"/><b/></p></r>', {}, {"a": "text", "b": "text"}, [[None, ""]]),
        ("<r><p><a>true</a></p><p><a></a></p></r>", {}, {"a": "boolean"}, [[True], [None]]),
        ("<r><!-- x --><p><a>x<!-- y -->z</a></p><?pi?></r>", {}, {"a": "text"}, [["xz"]]),
        ("<r><p><a><![CDATA[<b>&]]></a></p></r>", {}, {"a": "text"}, [["<b>&"]]),
        ("<r><p><a>&lt;&#228;</a></p></r>", {}, {"a": "text"}, [["<ä"]]),
        ('<?xml version="1.0" encoding="iso-8859-1"?><r><p><a>é</a></p></r>'.encode("latin-1"), {}, {"a": "text"}, [["é"]]),
        ('<?xml version="1.0" encoding="utf-16"?><r><p><a>é</a></p></r>'.encode("utf-16"), {}, {"a": "text"}, [["é"]]),
        ("<r><p><a>5</a></p></r>", {"types": {"a": "text"}}, {"a": "text"}, [["5"]]),
    ],
)  # fmt: skip
async def test_rows(data: str | bytes, config: dict[str, Any], columns: dict[str, str], rows: list[list[Any]], tmp_path: Path) -> None:
    with opened(read_xml, written(tmp_path, data), config) as database:
        assert await table(database, "t") == (columns, rows)


BOMB = "<!DOCTYPE r [" + '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(9)) + "]>"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (f"{BOMB}<r><p><a>&a9;</a></p></r>", "line 1: it has a document type"),
        (f'{BOMB}<r x="&a9;"><p/></r>', "line 1: it has a document type"),
        ('<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n<r><p><a>&x;</a></p></r>', "it has a document type"),
        ('<!DOCTYPE r SYSTEM "http://127.0.0.1:9/x.dtd"><r/>', "it has a document type"),
        (('<?xml version="1.0" encoding="utf-16"?><!DOCTYPE r [<!ENTITY x "y">]><r/>').encode("utf-16"), "it has a document type"),
        ("<r><p><a>&x;</a></p></r>", "names an entity that is declared nowhere"),
        ("<r>\n<p><a>1</b></p></r>", "line 2, column 11: Opening and ending tag mismatch: a line 2 and b"),
        ("", "it has no root element"),
        ("<r><p>", "Premature end of data"),
        ("<r>" + "<p>" * 300, "Excessive depth"),
        ("<r><q/></r>", "it has no elements p, which `rows` names"),
        ("<r><p/></r>", "has no columns"),
        ("<r><p><a>1</a></p>\n<p><a>x</a></p></r>", "line 2, column 'a': 'x' is no integer"),
    ],
)
async def test_errors_and_attacks(data: str | bytes, problem: str, tmp_path: Path) -> None:
    config = {"rows": "p", **({"types": {"a": "integer"}} if "<a>x" in str(data) else {})}
    with pytest.raises(BadFile) as caught, opened(read_xml, written(tmp_path, data), config):
        pass
    assert problem in str(caught.value)
