"""PostgreSQL: COPY, through psycopg 3 or psycopg2, whichever the user's hook opens."""

from __future__ import annotations

import selectors
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from raydocs_provider.landing.contract import BOOLEANS, DATES, EVERYTHING, JSON, NUMBERS, TIMES, integers_of
from raydocs_provider.landing.row_formats import LineFormat, TextFormat
from raydocs_provider.landing.tables import KEY, Column, Kind, Table
from raydocs_provider.landing.warehouses.base import Warehouse

# Less than the connection has room for, so that to send them never takes long.
_CHUNK_BYTES = 1 << 15

_HINTS = {
    "42883": "the server lacks a function of PostgreSQL 11; for Amazon Redshift make a connection of the type redshift",
    "3F000": "the schema does not exist; create it first",
    "42501": "the connection's user needs USAGE on the schema and SELECT, INSERT, UPDATE, DELETE on its tables; "
    "to create tables, CREATE on the schema; to extend them, to own them",
    "22001": "a text is longer than a column takes; make that column TEXT",
    "22003": "a number is larger than a column takes; make that column BIGINT",
    "0A000": "a table in another database, or a view, cannot be written to",
}

# For a column of a domain, the type below it.
_COLUMN_TYPES = """
    SELECT attname, CASE typtype WHEN 'd' THEN format_type(typbasetype, typtypmod)
                                 ELSE format_type(atttypid, atttypmod) END
    FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
"""


class PostgresWarehouse(Warehouse):
    """A PostgreSQL database."""

    types: ClassVar = {
        Kind.TEXT: "TEXT",
        Kind.DECIMAL: "DECIMAL(38,9)",
        Kind.INTEGER: "BIGINT",
        Kind.BOOLEAN: "BOOLEAN",
        Kind.DATE: "DATE",
        Kind.TIMESTAMP: "TIMESTAMPTZ",
        Kind.JSON: "JSONB",
    }
    # Neither CHAR(n), which pads, nor NAME, which cuts off.
    holdings: ClassVar = {
        r"text|character varying(\((?P<length>\d+)\))?": EVERYTHING,
        r"smallint": integers_of(16),
        r"integer": integers_of(32),
        r"bigint": integers_of(64),
        r"numeric(\((?P<precision>\d+),(?P<scale>\d+)\))?": NUMBERS,
        r"boolean": BOOLEANS,
        r"date": DATES,
        r"jsonb?": JSON,
        r"timestamp(\(6\))? with(out)? time zone": TIMES,
    }
    modules: ClassVar = ("psycopg", "psycopg2")
    part_bytes: ClassVar = 8 * 1024 * 1024

    def begin(self, connection: Any) -> Any:
        """Leave autocommit, should the connection's extras have set it; read times without zone as UTC."""
        connection.autocommit = False
        cursor = connection.cursor()
        cursor.execute("SET LOCAL TIME ZONE 'UTC'")
        return cursor

    def lock(self, cursor: Any, target: Table) -> None:
        """Two loads at once would race for CREATE TABLE and could delete in different orders."""
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (self.quote_table(target),))

    def column_types(self, cursor: Any, table: Table) -> Mapping[str, str]:
        """With length and precision, for example ``numeric(18,2)``."""
        return dict(self.fetch(cursor, _COLUMN_TYPES, (self.quote_table(table),)))

    def index_key(self, cursor: Any, table: Table) -> None:
        """The index goes into the schema of its table."""
        cursor.execute(
            f"CREATE INDEX IF NOT EXISTS {self.quote(table.key_index)} "
            f"ON {self.quote_table(table)} ({self.quote(KEY.name)})"
        )

    @property
    def row_format(self) -> LineFormat:
        r"""COPY's text format: before version 18 a line ``\.`` inside of a value could end a CSV."""
        return TextFormat()

    def copy(self, cursor: Any, table: Table, columns: Sequence[Column], file: Path) -> None:
        """Stream the file over the connection."""
        self.copy_while(cursor, table, columns, file, lambda: False)

    def copy_while(
        self, cursor: Any, table: Table, columns: Sequence[Column], file: Path, meanwhile: Callable[[], bool]
    ) -> None:
        """
        Make rows as long as the connection is full: then the server has enough to work on.

        In turns and not in threads: one that sends would wait for the interpreter after each of many small writes.
        """
        names = ", ".join(self.quote(column.name) for column in columns)
        sql = f"COPY {self.quote_table(table)} ({names}) FROM STDIN (ENCODING 'UTF8')"
        with file.open("rb") as rows, selectors.DefaultSelector() as connection:
            connection.register(cursor.connection.fileno(), selectors.EVENT_WRITE)

            def wait() -> None:
                while not connection.select(0) and meanwhile():
                    pass

            if hasattr(cursor, "copy_expert"):  # psycopg2
                source = _Source(rows, wait)
                cursor.copy_expert(sql, source, size=_CHUNK_BYTES)
                if source.stopped is not None:
                    raise source.stopped
                return
            with cursor.copy(sql) as copy:
                while chunk := rows.read(_CHUNK_BYTES):
                    copy.write(chunk)
                    wait()

    def is_final(self, error: BaseException) -> bool:
        """All that a person has to act on."""
        return _sqlstate(error) in _HINTS

    def hint(self, error: BaseException) -> str:
        """The SQLSTATE, and what to do about those that a person has to act on."""
        state = _sqlstate(error)
        return f"{state} ({_HINTS[state]})" if state in _HINTS else state


class _Source:
    """A file as psycopg2 reads it, which would make an error of its own of whatever is raised meanwhile."""

    def __init__(self, file: BinaryIO, wait: Callable[[], None]) -> None:
        self._file = file
        self._wait = wait
        self.stopped: BaseException | None = None

    def read(self, size: int) -> bytes:
        try:
            self._wait()
        except BaseException as error:  # raised again once psycopg2 is out of the way
            self.stopped = error
            return b""
        return self._file.read(size)


def _sqlstate(error: BaseException) -> str:
    """As psycopg 3 or psycopg2 has it; empty where the server said nothing."""
    return getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or ""
