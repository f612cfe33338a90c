"""
SQLite: rows are bound one by one from the file.

SQLite has no decimals. Numbers are stored so that comparing, sorting and summing work, which keeps 15 significant
digits; the exact text of every value is in ``t__fields``. Times are text in UTC, booleans 0 and 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from raydocs_provider.landing.contract import EVERYTHING, NUMBERS, Holding
from raydocs_provider.landing.names import lower_ascii
from raydocs_provider.landing.row_formats import encode_json, read_json
from raydocs_provider.landing.tables import KEY, Column, Kind, Table
from raydocs_provider.landing.values import Cell
from raydocs_provider.landing.warehouses.base import Warehouse

# Numbers stay as they are; text that looks like one becomes one, which a time never does.
_NUMERIC = Holding(NUMBERS.kinds | {Kind.BOOLEAN, Kind.DATE, Kind.TIMESTAMP})

_ROWS = 1_000


class SqliteWarehouse(Warehouse):
    """A SQLite file."""

    # The declared type is an affinity: it decides what becomes a number.
    types: ClassVar = {
        Kind.TEXT: "TEXT",
        Kind.DECIMAL: "DECIMAL(38,9)",
        Kind.INTEGER: "INTEGER",
        Kind.BOOLEAN: "BOOLEAN",
        Kind.DATE: "TEXT",
        Kind.TIMESTAMP: "TEXT",
        Kind.JSON: "TEXT",
    }
    # Any name of a type is allowed; these are SQLite's rules for the affinity it gives, in its order.
    holdings: ClassVar = {
        r".*INT.*": _NUMERIC,
        r".*(CHAR|CLOB|TEXT).*": EVERYTHING,
        r".*BLOB.*|": EVERYTHING,
        # A REAL keeps 15 digits, as our own numbers do, which is too few for an integer.
        r".*(REAL|FLOA|DOUB).*": Holding(frozenset({Kind.DECIMAL})),
        r".*": _NUMERIC,
    }
    modules: ClassVar = ("sqlite3",)
    # Each is a text that Python keeps in memory until 128 others have been executed.
    portion: ClassVar = 100

    def open_cursor(self, connection: Any) -> Any:
        """Wait for other writers: a large load keeps readers out as well."""
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout = 60000")
        return cursor

    def begin(self, connection: Any) -> Any:
        """Take the module's own transactions, which do not cover DDL, out of the way."""
        connection.isolation_level = None
        cursor = self.open_cursor(connection)
        cursor.execute("BEGIN IMMEDIATE")
        return cursor

    def column_types(self, cursor: Any, table: Table) -> Mapping[str, str]:
        """As declared; empty where a column was declared without. Names have no case."""
        *database, name = map(self.quote, table.name)
        pragma = ".".join((*database, f"table_info({name})"))
        return {lower_ascii(column): type_ for _, column, type_, *_ in self.fetch(cursor, f"PRAGMA {pragma}")}

    def index_key(self, cursor: Any, table: Table) -> None:
        """The name of the index takes the database, the name of the table does not."""
        *database, name = table.name
        index = ".".join(map(self.quote, (*database, table.key_index)))
        cursor.execute(f"CREATE INDEX IF NOT EXISTS {index} ON {self.quote(name)} ({self.quote(KEY.name)})")

    def encode(self, cells: Sequence[Cell]) -> str:
        """JSON, to be read again and bound."""
        return encode_json([int(cell) if isinstance(cell, bool) else cell for cell in cells])

    def copy(self, cursor: Any, table: Table, columns: Sequence[Column], file: Path) -> None:
        """Bind the rows while reading them."""
        names = ", ".join(self.quote(column.name) for column in columns)
        places = ", ".join("?" * len(columns))
        sql = f"INSERT INTO {self.quote_table(table)} ({names}) VALUES ({places})"  # noqa: S608
        for rows in read_json(file, _ROWS):
            cursor.executemany(sql, rows)

    def is_final(self, error: BaseException) -> bool:
        """Mistakes, such as a schema where there are none; what is busy or locked has codes of its own."""
        return getattr(error, "sqlite_errorname", "") == "SQLITE_ERROR"

    def hint(self, error: BaseException) -> str:
        """SQLite reports all mistakes as one code; only the one about names says nothing about values."""
        name = getattr(error, "sqlite_errorname", "")
        if str(error).startswith(("unknown database", 'near "."')):
            return f"{name} (there are no schemas here: name the table without one)"
        return str(name)
