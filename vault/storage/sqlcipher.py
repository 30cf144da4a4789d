"""The embedded default: one SQLCipher file, one writer thread, a few readers.

Every page is encrypted under a raw 32-byte key; the journal is a WAL with synchronous=FULL, so a
commit that returned is on the disk; deleted rows are overwritten in their pages (secure_delete).
Older frames of the WAL hold them until it is emptied, by scrub or when the file is opened.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from sqlcipher3 import dbapi2

from vault.crypto.keys import Secret
from vault.errors import BadDatabase, BadPlace
from vault.storage.database import Row, Transaction, Value

VERSION = 4
READERS = 4
BUSY = 10_000
SCRUB_BUSY = 1_000
"""How long to wait for others at the file, in milliseconds; everybody waits for a scrub."""
T = TypeVar("T")


class _Open:
    """A transaction on one connection."""

    def __init__(self, connection: dbapi2.Connection) -> None:
        self._connection = connection

    def run(self, sql: str, *values: Value) -> int:
        return int(self._connection.execute(sql, values).rowcount)

    def one(self, shape: type[Row], sql: str, *values: Value) -> Row | None:
        found = self._connection.execute(sql, values).fetchone()
        return None if found is None else shape(*found)

    def all(self, shape: type[Row], sql: str, *values: Value) -> list[Row]:
        return [shape(*found) for found in self._connection.execute(sql, values)]


def _touch(path: Path) -> None:
    try:
        path.touch(mode=0o600)
    except OSError as bad:
        raise BadPlace(f"the database file {path.name} cannot be made or opened") from bad


def _connect(path: Path | None, key: Secret, cache_kib: int) -> dbapi2.Connection:
    # A file name of None is a private database in memory: for tests of rules.
    connection = dbapi2.connect(
        ":memory:" if path is None else str(path), isolation_level=None, check_same_thread=False
    )
    try:
        if path is not None:
            connection.execute(f"PRAGMA key = \"x'{key.value.hex()}'\"")
            connection.execute("PRAGMA cipher_memory_security = ON")
        connection.execute("SELECT count(*) FROM sqlite_master")
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "secure_delete = ON",
            "foreign_keys = ON",
            f"busy_timeout = {BUSY}",
            f"cache_size = -{cache_kib}",
        ):
            connection.execute(f"PRAGMA {pragma}")
    except dbapi2.DatabaseError as bad:
        connection.close()
        raise BadDatabase("the file is not a database under this key") from bad
    return connection


class SqlCipher:
    """A database in one encrypted file, or in memory when the path is None."""

    def __init__(self, path: Path | None, key: Secret, schemas: Sequence[str]) -> None:
        """Open the file, making it (mode 0600) with the schemas when it is new.

        Args:
            path: the file; None for a database in memory.
            key: 32 raw bytes.
            schemas: SQL texts, run in order in one transaction on a new file.

        Raises:
            BadDatabase: wrong key, damaged file, or one of another schema version.
            BadPlace: the file cannot be made or opened there.
        """
        if len(key.value) != 32:
            raise BadDatabase(f"a database key has 32 bytes, found {len(key.value)}")
        if path is not None:
            _touch(path)
        self._writer = _connect(path, key, 64 * 1024)
        self._prepare(schemas)
        self._readers: queue.LifoQueue[dbapi2.Connection | None] = queue.LifoQueue()
        self._reader_count = 0 if path is None else READERS
        for _ in range(self._reader_count):
            reader = _connect(path, key, 8 * 1024)
            reader.execute("PRAGMA query_only = ON")
            self._readers.put(reader)
        self._in_memory = path is None
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._gate = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)
        self._thread.start()

    def _prepare(self, schemas: Sequence[str]) -> None:
        version = int(self._writer.execute("PRAGMA user_version").fetchone()[0])
        if version == 0:
            # Each on lines of its own: a schema may end in a comment.
            script = "\n;\n".join(schemas)
            self._writer.executescript(
                f"BEGIN IMMEDIATE; {script}\n; PRAGMA user_version = {VERSION}; COMMIT"
            )
        elif version != VERSION:
            self._writer.close()
            raise BadDatabase(f"wanted a database of schema version {VERSION}, found {version}")
        self._scrub()  # what a process left that ended between a commit and its scrub

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Return what the work returned, after its commit is durable.

        Raises:
            BadDatabase: the database was closed.
        """
        return self._in_turn(lambda: _transact(self._writer, "BEGIN IMMEDIATE", work))

    def scrub(self) -> bool:
        """Overwrite what deleted rows left in the write-ahead log: checkpoint it and empty it.

        Returns False, the log as it was, while another program or thread reads an older snapshot
        for longer than a second.

        Raises:
            BadDatabase: the database was closed, or the disk refuses.
        """
        return self._in_turn(self._scrub)

    def _scrub(self) -> bool:
        try:
            self._writer.execute(f"PRAGMA busy_timeout = {SCRUB_BUSY}")
            busy = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            self._writer.execute(f"PRAGMA busy_timeout = {BUSY}")
        except dbapi2.Error as error:
            raise BadDatabase(f"the database refused: {type(error).__name__}") from error
        return not busy

    def _in_turn(self, work: Callable[[], T]) -> T:
        """Return what the work returned on the writer's thread, after what waits there already."""
        done: Future[T] = Future()

        def job() -> None:
            try:
                done.set_result(work())
            except BaseException as error:  # noqa: BLE001 - it belongs to the caller
                done.set_exception(error)

        with self._gate:
            if self._closed:
                raise BadDatabase("the database is closed")
            self._jobs.put(job)
        return done.result()

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Return what the work returned, over one snapshot.

        Raises:
            BadDatabase: the database was closed.
        """
        if self._in_memory:
            return self.write(work)
        connection = self._readers.get()
        if connection is None:
            self._readers.put(None)  # for the next one that waits
            raise BadDatabase("the database is closed")
        try:
            return _transact(connection, "BEGIN", work)
        finally:
            self._readers.put(connection)

    def close(self) -> None:
        """Finish running work and close every connection."""
        with self._gate:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        self._thread.join()
        for _ in range(self._reader_count):
            reader = self._readers.get()  # waits for a reader at work
            if reader is not None:
                reader.close()
        self._readers.put(None)
        self._writer.close()


def _transact(connection: dbapi2.Connection, begin: str, work: Callable[[Transaction], T]) -> T:
    connection.execute(begin)
    try:
        result = work(_Open(connection))
        connection.execute("COMMIT")
    except BaseException as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if isinstance(error, dbapi2.Error):
            raise BadDatabase(f"the database refused: {type(error).__name__}") from error
        raise
    return result
