"""What the rules need of a database: one transaction at a time to write, many to read.

    database.write(lambda tx: links.attach(tx, …))     one transaction, all or nothing
    tx.one(LinkRow, "SELECT source, begins FROM links WHERE link = ?", link)

Rows come back as the caller's NamedTuple, whose fields stand in the order of the columns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

Value = int | str | bytes | None
T = TypeVar("T")
Row = TypeVar("Row", bound=NamedTuple)


class Transaction(Protocol):
    """One open transaction; every statement sees what the ones before it did."""

    def run(self, sql: str, *values: Value) -> int:
        """Return how many rows the statement changed; ON CONFLICT DO NOTHING changes none."""
        ...

    def one(self, shape: type[Row], sql: str, *values: Value) -> Row | None:
        """Return the first row, or None."""
        ...

    def all(self, shape: type[Row], sql: str, *values: Value) -> list[Row]:
        """Return every row."""
        ...


class Database(Protocol):
    """Runs work in transactions; work that raises leaves nothing behind."""

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Return what the work returned, after its commit is durable."""
        ...

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Return what the work returned, over one snapshot."""
        ...

    def scrub(self) -> bool:
        """Overwrite what deleted rows left in the write-ahead log, once their commit is durable.

        Returns False while somebody reads from before that commit: call it again later.
        """
        ...

    def close(self) -> None:
        """Finish running work and close every connection."""
        ...
