"""What SQL dialects differ in, as far as the engine writes SQL of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Dialect:
    """`quote` stands around names; `nulls_last`: whether NULL comes last in an ascending order."""

    name: str
    quote: str
    nulls_last: bool
    is_mysql: bool = False

    def name_of(self, name: str) -> str:
        """A name of a column, quoted. Raises ValueError for one that no server has."""
        if not name or "\0" in name:
            raise ValueError(f"{name[:100]!r} is no name")
        return f"{self.quote}{name.replace(self.quote, self.quote * 2)}{self.quote}"

    def table_of(self, name: str) -> str:
        """A table's name; `schema.table` names its schema."""
        return ".".join(map(self.name_of, name.split(".", 1)))


POSTGRESQL: Final = Dialect("PostgreSQL", '"', nulls_last=True)
MYSQL: Final = Dialect("MySQL", "`", nulls_last=False, is_mysql=True)
