"""`mockforge source`, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from mockforge_asgi.cli.commands import mockforge

PRICES = "id;name;price\n00123;Ada;1,50\n2;Bob;3\n"
TEXT = """\
version: 1
plugins:
  elsewhere: {use: ./not-there}
sources:
  prices:
    use: csv
    config: {file: prices.csv, decimal: ","}
    queries:
      all: {from: prices, order: [id]}
      by_id: {from: prices, where: {id: text}}
      wrong: "select nothing from prices"
  shop:
    use: sqlite
    config: {file: shop.db, create: true}
routes:
  - {match: {path: /x}, response: {template: not-there.html}}
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "prices.csv").write_text(PRICES)
    (tmp_path / "mockforge.yaml").write_text(TEXT[: TEXT.index("  shop:")])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(mockforge, ["source", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_the_list_has_every_query_with_what_it_wants(place: Path) -> None:
    code, out, _ = said("list")
    assert code == 0 and [line.split() for line in out.splitlines()][1:3] == [
        ["prices", "csv", "all", "at", "most", "1000", "rows"],
        ["prices", "csv", "by_id", "id:", "text", "at", "most", "1000", "rows"],
    ]


def test_a_query_is_run_though_other_plugins_could_not_be(place: Path) -> None:
    assert said("query", "prices.by_id", "id=00123", "--format", "json")[:2] == (0, '[{"id":"00123","name":"Ada","price":1.50}]\n')
    code, out, err = said("query", "prices.all", "--limit", "1", "--all", "--format", "lines")
    assert code == 0 and [json.loads(line)["id"] for line in out.splitlines()] == ["00123", "2"] and err.startswith("2 rows in ")
    code, out, err = said("query", "prices.all", "--limit", "1")
    assert out.splitlines() == ["id     name  price", "00123  Ada   1.50"] and "there are more" in err


def test_a_test_says_what_fails_and_what_was_not_run(place: Path) -> None:
    code, out, _ = said("test", "prices")
    lines = {line.split()[1] + " " + line.split()[2]: line for line in out.splitlines()}
    assert code == 1
    assert lines["schema 1"].startswith("ok ") and lines["query all"].startswith("ok ")
    assert lines["query by_id"].startswith("- ") and "give id=VALUE" in lines["query by_id"]
    assert lines["query wrong"].startswith("FAIL") and "nothing" in lines["query wrong"]
    assert "query by_id  1 row" in said("test", "prices", "id=2")[1]


def test_all_sources_are_tested_where_none_is_named_and_one_that_does_not_start_ends_nothing(place: Path) -> None:
    (place / "mockforge.yaml").write_text(
        "version: 1\nsources:\n  bad: {use: csv, config: {}}\n"
        "  prices: {use: csv, config: {file: prices.csv}, queries: {all: {from: prices}}}\n"
    )
    code, out, _ = said("test")
    assert code == 1 and out.startswith("bad  FAIL  start  ") and "prices  ok    query all  1 row" in out


def test_the_schema_is_shown_whole_or_one_table_of_it(place: Path) -> None:
    code, out, _ = said("schema", "prices", "prices")
    assert code == 0 and [line.split()[:3] for line in out.splitlines()[1:]] == [
        ["prices", "id", "text"], ["prices", "name", "text"], ["prices", "price", "decimal"],
    ]  # fmt: skip
    code, _, err = said("schema", "prices", "orders")
    assert code == 1 and "has no table 'orders'. There are: prices." in err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("query", "price.all"), 1, "no data source 'price' in mockforge.yaml. Did you mean 'prices'?"),
        (("query", "prices.al"), 1, "no query 'al'. Did you mean 'all'?"),
        (("query", "prices"), 2, "write SOURCE.QUERY"),
        (("query", "prices.by_id", "id"), 2, "write it as NAME=VALUE"),
        (("test", "id=1"), 2, "'id=1' is no source: write the name of one before parameters"),
        (("query", "prices.by_id"), 1, "id"),
        (("query", "prices.all", "ix=3"), 1, "ix"),
        (("query", "prices.wrong"), 1, "source 'prices', wrong: "),
        (("check", "nowhere.csv"), 1, "there is no file 'nowhere.csv'"),
        (("check", "mockforge.yaml"), 1, "no ending of a data file. Known: .csv"),
        (("check", "prices.csv", "--option", "delimeter=;"), 1, "delimeter"),
    ],
)
def test_what_cannot_be_done_is_told(place: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    ended, _, err = said(*arguments)
    assert ended == code and words in err, err


def test_a_data_file_is_shown_as_its_source_reads_it(place: Path) -> None:
    code, out, _ = said("check", "prices.csv", "--option", "decimal=,", "--rows", "1")
    assert code == 0 and "prices  price   decimal" in out and "00123  Ada   1.50" in out and "Bob" not in out
    (place / "ragged.csv").write_text("a,b\n1,2\n3\n")
    code, _, err = said("check", "ragged.csv")
    assert code == 1 and "line 3" in err


def test_a_data_file_is_told_with_lines_for_a_configuration(place: Path) -> None:
    _, out, _ = said("check", "prices.csv", "--option", "decimal=,", "--rows", "0")
    assert "Ada" not in out and "worth a look" not in out
    (place / "mockforge.yaml").write_text("version: 1\n" + out.partition("For mockforge.yaml:")[2])
    assert said("query", "prices.prices", "--format", "lines")[1].splitlines()[0] == '{"id":"00123","name":"Ada","price":1.50}'


def test_what_cannot_be_read_is_told_once_and_without_a_log(place: Path) -> None:
    (place / "twice.csv").write_text("a,b,a\n1,2,3\n")
    code, out, err = said("check", "twice.csv")
    assert (code, out) == (1, "") and err.startswith("mockforge: it cannot be read: twice.csv: the columns 'a' and 'a' have one name")
    assert len(err.splitlines()) == 1


def test_a_cell_of_several_lines_stays_in_its_row(place: Path) -> None:
    (place / "lines.csv").write_bytes(b'a,b\r\n"x\r\ny",1\r\nz,2\r\n')
    rows = said("check", "lines.csv")[1].splitlines()
    assert rows[rows.index("a       b") + 1 :][:2] == ["x\\r\\ny  1", "z       2"]


def test_a_slip_in_a_condition_that_may_be_left_out_is_found(place: Path) -> None:
    text = TEXT[: TEXT.index("  shop:")].replace("{id: text}}", "{nmae: {type: text, optional: true}}}")
    (place / "mockforge.yaml").write_text(text)
    out = said("test", "prices")[1]
    assert "warn  query by_id  the table 'prices' has no column 'nmae'. Did you mean 'name'?" in out.splitlines()
    assert out.count("warn") == 1


def test_what_changes_data_wants_to_be_told_so(place: Path) -> None:
    import sqlite3

    with sqlite3.connect(place / "shop.db") as database:
        database.execute("create table users (id integer primary key, name text)")
    (place / "mockforge.yaml").write_text(
        "version: 1\nsources:\n  shop:\n    use: sqlite\n    config: {file: shop.db, write: true}\n"
        "    queries:\n      add: {query: 'insert into users (name) values (:name)', params: {name: text}, write: true}\n"
        "      users: select id, name from users\n"
    )
    code, _, err = said("query", "shop.add", "name=Ada")
    assert code == 1 and "changes data. Run it with --write." in err
    code, _, err = said("query", "shop.add", "name=Ada", "--write")
    assert code == 0 and "1 changed" in err, err
    assert "Ada" in said("query", "shop.users")[1]
    assert "writes, so it was not run" in said("test", "shop")[1]
