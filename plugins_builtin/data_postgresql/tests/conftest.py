"""One server for all tests of a process; what stops it has one of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.postgresql import INSTALL, Postgresql, is_installed, postgresql
from tests.support.toolchains import missing

TABLES = """
create table users (id serial primary key, name text not null unique, city text, price numeric(12,2));
insert into users (name, city, price) select 'user ' || i, case when i % 3 > 0 then 'city ' || i % 3 end, i * 1.10
  from generate_series(1, 50) i;
"""


@pytest.fixture(scope="session", autouse=True)
def there_is_a_server() -> None:
    """Without PostgreSQL nothing here can be tested; with `CI` set it must be there."""
    if not is_installed():
        missing(f"PostgreSQL is missing: {INSTALL}")


@pytest.fixture(scope="session")
def server() -> Iterator[Postgresql]:
    """A running server with the table `users`, which no test changes."""
    with postgresql() as running:
        running.sql(TABLES)
        yield running
