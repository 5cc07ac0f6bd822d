"""JSON files of every shape: the right rows with all their digits, or an error that says where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mockforge_plugin.engines.tables.sheets import BadFile
from plugins_builtin.data_json import reader
from plugins_builtin.data_json.reader import read_json
from tests.support.tables import asked, opened, table


def written(folder: Path, data: str | bytes, name: str = "t.json") -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.parametrize(
    ("data", "config", "columns", "rows"),
    [
        ('[{"a": 1}, {"b": "x"}]', {}, {"a": "integer", "b": "text"}, [[1, None], [None, "x"]]),
        ('\ufeff[{"a": 1}]', {}, {"a": "integer"}, [[1]]),
        ("[1, 2]", {}, {"value": "integer"}, [[1], [2]]),
        ('[{"a": 1.10}, {"a": 2}]', {}, {"a": "decimal"}, [["1.10"], ["2"]]),
        ('[{"a": 12345678901234567890}]', {}, {"a": "decimal"}, [["12345678901234567890"]]),
        ('[{"a": true}, {"a": null}]', {}, {"a": "boolean"}, [[True], [None]]),
        ('[{"a": 1}, {"a": "1"}]', {}, {"a": "json"}, [[1], ["1"]]),
        ('[{"a": true}, {"a": 1}]', {}, {"a": "json"}, [[True], [1]]),
        ('[{"a": {"b": [1, "x", null]}}, {}]', {}, {"a": "json"}, [[{"b": [1, "x", None]}], [None]]),
        ('[{"a": "00123"}, {"a": "TRUE"}]', {}, {"a": "text"}, [["00123"], ["TRUE"]]),
        ('[{"a": "7"}]', {"types": {"a": "integer"}}, {"a": "integer"}, [[7]]),
        ('[{"a": ""}, {"a": null}]', {}, {"a": "text"}, [[""], [None]]),
        ('{"data": {"items": [{"a": 1}], "n": 1}}', {"rows": "$.data.items[*]"}, {"a": "integer"}, [[1]]),
        (
            '{"x": [{"a": 1, "on": true}, {"a": 2, "on": false}]}',
            {"rows": "$.x[?@.on==true]"},
            {"a": "integer", "on": "boolean"},
            [[1, True]],
        ),
        ('{"x": [{"a": 1}], "y": [{"a": 2}]}', {"rows": "$..a"}, {"value": "integer"}, [[1], [2]]),
        ('[{"a": "\\ud83d\\ude00"}]', {}, {"a": "text"}, [["😀"]]),
    ],
)
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "as a stream"])
async def test_rows(
    at_once: bool,
    data: str,
    config: dict[str, Any],
    columns: dict[str, str],
    rows: list[list[Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not at_once:
        monkeypatch.setattr(reader, "SMALL_BYTES", 0)
    with opened(read_json, written(tmp_path, data), config) as database:
        assert await table(database, "t") == (columns, rows)


@pytest.mark.parametrize("small_bytes", [0, reader.SMALL_BYTES])
async def test_an_object_is_a_table_for_each_list_and_object_in_it(
    small_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "SMALL_BYTES", small_bytes)
    data = '{"posts": [{"id": 1, "title": "a"}], "profile": {"name": "me"}, "version": 3, "tags": ["x", "y"]}'
    with opened(read_json, written(tmp_path, data)) as database:
        assert (await table(database, "posts"))[1] == [[1, "a"]]
        assert (await table(database, "profile"))[1] == [["me"]]
        assert (await table(database, "tags"))[1] == [["x"], ["y"]]
        joined = await database.query(asked("select title, name from posts, profile where posts.id = :id", {"id": 1}))
        assert joined.rows == (("a", "me"),)


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        ('{"a": 1}\n{"a": 2}\n', [[1], [2]]),
        ('\ufeff{"a": 1}\r\n\n{"a": 2}', [[1], [2]]),
        ('{"a": 1.50}\n', [["1.50"]]),
        ("1\n2\n", [[1], [2]]),
    ],
)
async def test_json_lines(data: str, rows: list[list[Any]], tmp_path: Path) -> None:
    with opened(read_json, written(tmp_path, data, "t.jsonl")) as database:
        assert (await table(database, "t"))[1] == rows
    with opened(read_json, written(tmp_path, data, "t.json"), {"lines": True}) as database:
        assert (await table(database, "t"))[1] == rows


@pytest.mark.parametrize(
    ("data", "config", "problem"),
    [
        ("", {}, "line 1, column 1: Expecting value"),
        ("7", {}, "neither a list nor an object"),
        ('{"a": 1}', {}, "an object without lists or objects"),
        ("[]", {}, "has no columns"),
        ('[\n{"a": 1},\n{"a": }]', {}, "line 3, column 7: Expecting value"),
        ('[{"a": 1}] x', {}, "line 1, column 12: Extra data"),
        ('[{"a": NaN}]', {}, "NaN is no JSON"),
        (b'[{"a": "\xe9"}]', {}, "byte 9 of the file (0xe9) is not UTF-8"),
        ("[" * 100_000 + "]" * 100_000, {}, "it is nested too deeply"),
        ("[" * 400 + "]" * 400, {}, "column 'value': it cannot be kept as JSON"),
        (f"[{'9' * 10_000}]", {}, "Exceeds the limit"),
        ('[{"": 1}]', {}, "cannot be the name of a column"),
        ('[{"a": "\\ud800"}]', {}, "half of a character"),
        ('[{"a": 1}]', {"rows": "$["}, "is no JSONPath of RFC 9535"),
        ('[{"a": 1}]', {"rows": "$.x[*]"}, "has no columns"),
        ('[{"a": 1}]', {"rows": "$[*]", "lines": True}, "`rows` belongs to files that are one JSON value"),
        ('[{"a": "x"}]', {"types": {"a": "integer"}}, "column 'a': 'x' is no integer"),
        ("[" + ",".join(f'{{"c{n}": 1}}' for n in range(1001)) + "]", {}, "it has 1001 columns, and 1000 are the most"),
    ],
)
async def test_errors_say_where(data: str | bytes, config: dict[str, Any], problem: str, tmp_path: Path) -> None:
    with pytest.raises(BadFile) as caught, opened(read_json, written(tmp_path, data), config):
        pass
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ('{"a": 1}\n{"a": \n{"a": 3}\n', "line 2, column 6: Expecting value"),
        ('{"a": 1}\n{"a": Infinity}\n', "line 2: Infinity is no JSON"),
        (b'{"a": 1}\n{"a": "\xff"}\n', "line 2: byte 8 (0xff) is not UTF-8"),
        ("[" * 100_000 + "\n", "line 1: it is nested too deeply"),
    ],
)
async def test_a_bad_line_is_named(data: str | bytes, problem: str, tmp_path: Path) -> None:
    with pytest.raises(BadFile) as caught, opened(read_json, written(tmp_path, data, "t.ndjson")):
        pass
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("data", "config", "problem"),
    [
        ("[" * 100_000 + "]" * 100_000, {}, "it is nested more than 200 deep"),
        ('[{"a": ' * 50_000, {"rows": "$[*]"}, "it is nested more than 200 deep"),
        ('[{"a": 1}, {"a": }]', {}, "it is no JSON that can be read, before or in byte"),
        ('[{"a": 1}', {}, "it is no JSON that can be read"),
        ("7", {}, "neither a list nor an object"),
        ('{"a": 1}', {}, "an object without lists or objects"),
    ],
)
async def test_errors_in_a_stream(data: str, config: dict[str, Any], problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "SMALL_BYTES", 0)
    with pytest.raises(BadFile) as caught, opened(read_json, written(tmp_path, data), config):
        pass
    assert problem in str(caught.value)


async def test_a_path_that_needs_the_whole_document_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_WHOLE_BYTES", 10)
    monkeypatch.setattr(reader, "SMALL_BYTES", 0)
    path = written(tmp_path, '{"x": [1, 2, 3]}')
    with pytest.raises(BadFile, match="needs the whole document"), opened(read_json, path, {"rows": "$..x"}):
        pass
    with opened(read_json, path, {"rows": "$.x[*]"}) as database:
        assert (await table(database, "t"))[1] == [[1], [2], [3]]
