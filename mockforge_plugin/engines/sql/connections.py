"""What the engine asks of a driver: connections, and rows as they give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mockforge_plugin.engines.sql.statement import Piece
from mockforge_plugin.tables import Column, Table


@dataclass(frozen=True, slots=True)
class Rows:
    """What a statement gave. Cells are exact: texts of the server where Python's types would lose something."""

    columns: tuple[Column, ...] = ()
    rows: Sequence[tuple[Any, ...]] = ()
    affected: int | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one query may take: so many bytes from the network, and so long at the server."""

    max_bytes: int
    timeout_ms: int


class Connection(Protocol):
    """One connection. Its methods raise SqlError, and nothing else."""

    @property
    def is_usable(self) -> bool:
        """Whether another query may be sent over it."""
        ...

    async def run(self, pieces: Sequence[Piece], params: Mapping[str, Any], types: Mapping[str, str], bounds: Bounds) -> Rows:
        """Run one statement. Parameters without a type are what the engine added: offsets, and values that the server gave as they are."""
        ...

    async def begin(self, *, read_only: bool, bounds: Bounds) -> None:
        """Begin a transaction."""
        ...

    async def commit(self) -> None:
        """End the transaction."""
        ...

    async def rollback(self) -> None:
        """Undo the transaction."""
        ...

    async def tables(self, bounds: Bounds) -> Sequence[Table]:
        """The tables that its user may read."""
        ...

    async def end(self) -> None:
        """End it, and what runs at the server, whatever state it is in. It never takes long and never raises."""
        ...
