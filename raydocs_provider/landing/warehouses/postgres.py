"""PostgreSQL: COPY, through psycopg 3 or psycopg2, whichever the user's hook opens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from raydocs_provider.landing.contract import BOOLEANS, EVERYTHING, INTEGERS, JSON, NUMBERS, TIMES
from raydocs_provider.landing.rows import Row
from raydocs_provider.landing.tables import KEY, Column, Kind, Table
from raydocs_provider.landing.warehouses.base import Warehouse, quote, quote_table, text_of_cell

_CHUNK_BYTES = 1 << 20

_HINTS = {
    "3F000": "the schema does not exist; create it first",
    "42501": "the connection's user needs CREATE on the schema, and SELECT, INSERT, DELETE and ownership of the tables",
    "22001": "a text is longer than an existing column takes",
    "22003": "a number is too large for the type of an existing column",
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
        Kind.TIMESTAMP: "TIMESTAMPTZ",
        Kind.JSON: "JSONB",
    }
    # Neither CHAR(n), which pads, nor NAME, which cuts off.
    holdings: ClassVar = {
        r"text|character varying(\(\d+\))?": EVERYTHING,
        r"smallint|integer|bigint": INTEGERS,
        r"numeric(\(\d+,(9|\d\d+)\))?": NUMBERS,
        r"numeric\(\d+,\d\)": INTEGERS,
        r"boolean": BOOLEANS,
        r"jsonb?": JSON,
        r"timestamp(\(6\))? with(out)? time zone": TIMES,
    }
    temporary_suffix: ClassVar = " ON COMMIT DROP"
    modules: ClassVar = ("psycopg", "psycopg2")

    def begin(self, connection: Any) -> Any:
        """Leave autocommit, should the connection's extras have set it; read times without zone as UTC."""
        connection.autocommit = False
        cursor = connection.cursor()
        cursor.execute("SET LOCAL TIME ZONE 'UTC'")
        return cursor

    def lock(self, cursor: Any, table: str) -> None:
        """Two loads at once would race for CREATE TABLE and could delete in different orders."""
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (table,))

    def exists(self, cursor: Any, table: str) -> bool:
        """CREATE TABLE IF NOT EXISTS needs CREATE on the schema even where the table exists, so look first."""
        cursor.execute("SELECT 1 WHERE to_regclass(%s) IS NOT NULL", (table,))
        return bool(cursor.rowcount)

    def column_types(self, cursor: Any, table: Table) -> Mapping[str, str]:
        """With length and precision, for example ``numeric(18,2)``."""
        return dict(self.fetch(cursor, _COLUMN_TYPES, (quote_table(table),)))

    def index_key(self, cursor: Any, table: Table) -> None:
        """The index goes into the schema of its table."""
        cursor.execute(
            f"CREATE INDEX IF NOT EXISTS {quote(table.key_index)} ON {quote_table(table)} ({quote(KEY.name)})"
        )

    def encode(self, row: Row) -> str:
        r"""COPY's text format: before version 18 a line ``\.`` inside of a value could end a CSV."""
        return "\t".join([_escape(text_of_cell(cell)) for cell in row]) + "\n"

    def copy(self, cursor: Any, table: str, columns: Sequence[Column], file: Path) -> None:
        """Stream the file over the connection."""
        sql = f"COPY {table} ({', '.join(quote(column.name) for column in columns)}) FROM STDIN (ENCODING 'UTF8')"
        with file.open("rb") as rows:
            if hasattr(cursor, "copy_expert"):  # psycopg2
                cursor.copy_expert(sql, rows)
                return
            with cursor.copy(sql) as copy:
                while chunk := rows.read(_CHUNK_BYTES):
                    copy.write(chunk)

    def is_missing(self, error: BaseException) -> bool:
        """undefined_table, which a missing schema gives as well."""
        return _sqlstate(error) == "42P01"

    def hint(self, error: BaseException) -> str:
        """The SQLSTATE, and what to do about those that a person has to act on."""
        state = _sqlstate(error)
        return f"{state} ({_HINTS[state]})" if state in _HINTS else state


def _sqlstate(error: BaseException) -> str:
    """As psycopg 3 or psycopg2 has it; empty where the server said nothing."""
    return getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or ""


def _escape(text: str | None) -> str:
    if text is None:
        return r"\N"
    return text.replace("\\", r"\\").replace("\t", r"\t").replace("\n", r"\n").replace("\r", r"\r")
