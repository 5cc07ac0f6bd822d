"""`sources:` as written: what a source and its queries become, and what is wrong with others, with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockforge_asgi.config import NamedQuery, QueryParameter, SourceLimits, load_config
from mockforge_asgi.config.references import builtin_source
from mockforge_asgi.errors import ConfigError

SHOP = """\
version: 1
secrets: {shop_db: {value: s}}
sources:
  shop:
    use: ./shop
    config: {host: db}
    grants: {secrets: [shop_db]}
    limits: {max_rows: 50, max_mb: 0.5, timeout_ms: 700}
    cache_s: 5
    queries:
      by_id: {query: "select * from users where id = :id", params: {id: integer}, cache_s: 30}
      since: {query: "select 1", params: {born: {type: date, default: "2000-01-01"}, name: {type: text, optional: true}}, limit: 7}
      users: {from: users, columns: [id], where: {city: text}, order: -id, sort: name}
      add: {query: ["insert 1", "insert 2"], write: true}
      found: {query: {find: users, filter: {city: ":city"}}, params: {city: text}}
      all: "select * from users"
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "mockforge.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_source_with_use_has_a_plugin_of_its_own(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, SHOP))
    use, source = config.plugins["shop"], config.sources["shop"]
    assert (use.path, use.config, use.place, source.plugin) == (tmp_path / "shop", {"host": "db"}, ("sources", "shop"), "shop")
    assert use.grants.rights["secrets"].names == {"shop_db"}
    assert (source.limits, source.limits.max_bytes) == (SourceLimits(50, 0.5, 700), 524_288)
    assert use.limits.timeout_ms == 1200


def test_queries_take_what_they_leave_out_from_their_source(tmp_path: Path) -> None:
    queries = load_config(write(tmp_path, SHOP)).sources["shop"].queries
    text = "select * from users where id = :id"
    assert queries["by_id"] == NamedQuery("by_id", text, {"id": QueryParameter("integer")}, 50, cache_s=30)
    born, name = QueryParameter("date", False, "2000-01-01"), QueryParameter("text", False)
    assert queries["since"] == NamedQuery("since", "select 1", {"born": born, "name": name}, 7, cache_s=5)
    portable = {"from": "users", "columns": ["id"], "where": ["city"]}
    assert queries["users"] == NamedQuery("users", portable, {"city": QueryParameter("text")}, 50, ("-id",), frozenset({"name"}), 5)
    assert queries["users"].is_portable and not queries["found"].is_portable
    assert (queries["add"].query, queries["add"].write, queries["add"].cache_s) == (["insert 1", "insert 2"], True, 0)
    assert queries["found"].query == {"find": "users", "filter": {"city": ":city"}}
    assert queries["all"] == NamedQuery("all", "select * from users", limit=50, cache_s=5)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{}", "sources.s: a source has exactly one of `use` and `plugin`."),
        ("{use: ./a, plugin: p}", "sources.s: a source has exactly one of `use` and `plugin`."),
        ("{plugin: p, config: {a: 1}}", "sources.s: `config` belongs to `use`. Write it under `plugins.p`."),
        ("{plugin: q}", "sources.s.plugin: there is no plugin 'q'."),
        ("{use: postgrse}", "sources.s.use: there is no built-in source 'postgrse'."),
        ("{use: ./a, limits: {max_rows: 0}}", "sources.s.limits.max_rows: "),
        ("{use: ./a, grants: {secrets: [x]}}", "sources.s.grants.secrets[0]: there is no secret 'x'."),
        ("{use: ./a, queries: {q: {query: a, params: {id: int}}}}", "sources.s.queries.q.params.id.type: 'int' is not a type."),
        ("{use: ./a, queries: {q: {query: a, params: {id: {type: integer, default: x}}}}}", "its default must be of type integer."),
        ("{use: ./a, queries: {q: {}}}", "sources.s.queries.q: a query has exactly one of `query` and `from`."),
        ("{use: ./a, queries: {q: {query: a, from: t}}}", "sources.s.queries.q: a query has exactly one of"),
        ("{use: ./a, queries: {q: {query: a, where: {id: integer}}}}", "`where` belongs to `from`."),
        ("{use: ./a, queries: {q: {from: t, params: {id: integer}}}}", "`params` belong to `query`."),
        ("{use: ./a, queries: {q: {query: a, write: true, cache_s: 5}}}", "a query that writes has no `cache_s`, `order` or `sort`."),
        ("{use: ./a, queries: {q: {query: [a, b]}}}", "Add `write: true`"),
        ("{use: ./a, queries: {q: {query: {from: t}}}}", "`from` stands beside `query`, not in it."),
        ("{use: ./a, queries: {q: {from: t, order: '--id'}}}", "sources.s.queries.q.order[0]: "),
        ("{use: ./a, querys: {}}", "sources.s.querys: "),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, source: str, words: str) -> None:
    file = write(tmp_path, f"version: 1\nplugins: {{p: {{use: ./p}}}}\nsources:\n  s: {source}\n")
    with pytest.raises(ConfigError) as raised:
        load_config(file)
    assert words in str(raised.value)


def test_a_source_and_a_plugin_of_one_name_are_told_apart_by_the_operator(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sources.p: there is a plugin 'p' too"):
        load_config(write(tmp_path, "version: 1\nplugins: {p: {use: ./p}}\nsources: {p: {use: ./q}}\n"))
    assert (
        load_config(write(tmp_path, "version: 1\nplugins: {p: {use: ./p}}\nsources: {p: {plugin: p}}\n")).plugins["p"].section == "plugins"
    )


@pytest.mark.parametrize(
    ("use", "id"), [("csv", "data-csv"), ("data-csv", "data-csv"), ("auth-jwt", "auth-jwt"), ("cvs", None), ("./csv", None)]
)
def test_a_short_name_is_that_of_a_built_in_source(use: str, id: str | None) -> None:
    assert builtin_source(use, ["auth-jwt", "data-csv"]) == id
