"""Portable queries and changes, as every source of tables answers them."""

from __future__ import annotations

from typing import Any

from mockforge_asgi.contract.source_query import SourceQuery
from mockforge_asgi.plugins.plugin import Plugin
from plugins_builtin.data_mysql.tests.mock import SECRETS, source
from tests.support.mariadb import Mariadb
from tests.support.portable_contract import hold_portable_contract
from tests.support.querying import asking

ARTICLES = """
create table articles (
    id int auto_increment primary key, name varchar(60) not null unique, price numeric(12,2), city varchar(20) default 'Oslo');
"""


async def test_it_holds_the_portable_contract(server: Mariadb) -> None:
    server.sql(ARTICLES)
    async with asking(source(server, {}), secrets=SECRETS) as at:
        plugin: Plugin = at.runtime.plugin("s")

        async def ask(query: SourceQuery) -> Any:
            return await plugin.query(None, query)

        await hold_portable_contract(ask)
