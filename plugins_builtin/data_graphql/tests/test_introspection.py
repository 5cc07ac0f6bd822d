"""The schema tells which lists there are, and their columns."""

from __future__ import annotations

import pytest

from mockforge_asgi.errors import PluginFailed
from plugins_builtin.data_graphql.tests.api import Api
from plugins_builtin.data_graphql.tests.conftest import Opening


async def test_lists_and_connections_are_tables(shop: Opening) -> None:
    async with shop({}) as asking:
        tables = await asking.schema()
    columns = {"id": "integer", "name": "text", "credit": "decimal", "score": "float", "tags": "text[]"}
    assert tables == {"users": columns, "people": columns}


async def test_an_api_that_does_not_tell_its_schema_is_bad_data(api: Api, shop: Opening) -> None:
    for said in ({"errors": [{"message": "introspection is off"}]}, {"data": {"__schema": {"types": [{"name": 5}]}}}):
        api.answer = (200, said, {})
        async with shop({}, "/scripted") as asking:
            with pytest.raises(PluginFailed) as caught:
                await asking.schema()
            assert caught.value.code == "bad_data"
