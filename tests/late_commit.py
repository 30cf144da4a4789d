"""A vault or source that answers before it commits: the positive control of test_kill.py.

    python -m tests.late_commit consent.cli serve ./vault       runs a module under such a database

Its database says "done" when the work is done and commits only at every 64th time, as an engine
does whose commits are not durable. Readers see what is not committed yet.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from itertools import count
from typing import Protocol, TypeVar
from unittest.mock import patch

from vault.storage import sqlcipher
from vault.storage.database import Transaction

T = TypeVar("T")
EVERY = 64
WRITES = count(1)


class Connection(Protocol):
    in_transaction: bool

    def execute(self, sql: str) -> object: ...


def late(connection: Connection, begin: str, work: Callable[[Transaction], T]) -> T:
    if not connection.in_transaction:
        connection.execute(begin)
    connection.execute("SAVEPOINT one")
    try:
        done = work(sqlcipher._Open(connection))
    except BaseException:
        connection.execute("ROLLBACK TO one")
        raise
    if next(WRITES) % EVERY == 0:
        connection.execute("COMMIT")
    return done


if __name__ == "__main__":
    module, sys.argv = sys.argv[1], sys.argv[1:]
    with (
        patch.object(sqlcipher, "_transact", late),
        patch.object(sqlcipher.SqlCipher, "read", sqlcipher.SqlCipher.write),
        patch.object(sqlcipher.SqlCipher, "scrub", return_value=True),
    ):
        runpy.run_module(module, run_name="__main__")
