"""What templates ask of data sources is checked as it is written."""

from __future__ import annotations

import pytest
from jinja2 import Environment

from mockforge_asgi.config.sources.objects import NamedQuery, QueryParameter, SourceConfig
from mockforge_asgi.errors import ConfigError
from mockforge_asgi.middleware import MockForge
from mockforge_asgi.templates.queries import unknown_queries

SHOP = SourceConfig(
    "shop",
    "p",
    {
        "by_id": NamedQuery("by_id", "select 1", {"id": QueryParameter("integer")}),
        "all": NamedQuery("all", "select 1", {"city": QueryParameter("text", False)}),
        "none": NamedQuery("none", "select 1"),
    },
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{{ data.shop.by_id(id=1).one }}", []),
        ("{{ data['shop']['by_id'](id=1) }}{{ data.shop.all() }}{{ data.shop.all(city='Oslo').rows }}", []),
        ("{{ data[vars.source].any() }}{{ data.shop[vars.query]() }}{{ data.shop.by_id(**vars) }}", []),
        ("{% set data = {'x': 1} %}{{ data.x }}", []),
        ("{{ vars.data.nothing }}{{ other.shop.gone() }}", []),
        ("\n{{ data.shpo.by_id(id=1) }}", [(2, "there is no data source 'shpo'.", "Did you mean 'shop'?")]),
        ("{{ data.shop.by_ids(id=1) }}", [(1, "the data source 'shop' has no query 'by_ids'.", "Did you mean 'by_id'?")]),
        ("{% set q = data.shop.zz %}", [(1, "the data source 'shop' has no query 'zz'.", "Known: all, by_id, none.")]),
        (
            "{{ data.shop.all(\ntown='Oslo') }}",
            [(1, "the query 'all' has no parameter 'town'.", "Known: city.")],
        ),
        ("{{ data.shop.none(x=1) }}", [(1, "the query 'none' has no parameter 'x'.", "It has none.")]),
        ("{{ data.shop.by_id() }}", [(1, "the query 'by_id' needs the parameter 'id'.", "Write `by_id(id=…)`.")]),
        ("{{ data.shop.all('Oslo') }}", [(1, "the query 'all' takes its parameters by name.", "Write `all(name=…)`.")]),
    ],
)
def test_what_there_is_not_is_told_with_its_line(text: str, told: list[tuple[int, str, str]]) -> None:
    assert list(unknown_queries(Environment().parse(text), {"shop": SHOP})) == told


def test_a_configuration_whose_templates_ask_for_what_there_is_not_is_refused() -> None:
    source = {"use": "./shop", "queries": {"by_id": {"query": "select 1", "params": {"id": "integer"}}}}
    inline = {"a.json": "{{ data.shop.by_id(id=1) }}", "b.json": "{{ data.shop.by_id(nr=1) }}"}
    route = {"match": {"path": "/"}, "response": {"template_text": "{{ data.stop.by_id(id=1) }}"}}
    config = {"version": 1, "sources": {"shop": source}, "templates": {"inline": inline}, "routes": [route]}
    with pytest.raises(ConfigError) as refused:
        MockForge(config=config)
    told = str(refused.value)
    assert "there is no data source 'stop'. Did you mean 'shop'?" in told
    assert "the query 'by_id' has no parameter 'nr'." in told and "needs the parameter 'id'" in told and told.count("there is no") == 1
