"""One server for all tests of a process; what stops it has one of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.mariadb import INSTALL, Mariadb, is_installed, mariadb
from tests.support.toolchains import missing

TABLES = """
create table users (id int auto_increment primary key, name varchar(50) not null unique, city varchar(50), price decimal(12,2));
insert into users (name, city, price) select concat('user ', seq), if(seq % 3, concat('city ', seq % 3), null), seq * 1.10 from seq_1_to_50;
"""


@pytest.fixture(scope="session", autouse=True)
def there_is_a_server() -> None:
    """Without MariaDB nothing here can be tested; with `CI` set it must be there."""
    if not is_installed():
        missing(f"MariaDB is missing: {INSTALL}")


@pytest.fixture(scope="session")
def server() -> Iterator[Mariadb]:
    """A running server with the table `users`, which no test changes."""
    with mariadb() as running:
        running.sql(TABLES)
        yield running
