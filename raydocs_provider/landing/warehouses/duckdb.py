"""DuckDB: one CSV scan per table. Times are TIMESTAMP in UTC, because reading TIMESTAMPTZ from Python needs pytz."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.landing.contract import BOOLEANS, EVERYTHING, INTEGERS, JSON, NUMBERS, TIMES
from raydocs_provider.landing.rows import Row
from raydocs_provider.landing.tables import Column, Kind, Table
from raydocs_provider.landing.warehouses.base import Warehouse, quote_table, text_of_cell

# The longest row that can be loaded. Memory is taken for what a row needs, not for this.
_MAX_LINE_BYTES = 512 * 1024 * 1024

_HINTS = {
    "CatalogException": "(the schema has to exist before the load; is it spelt right?)",
    "ConversionException": "(a number is too large for the type of an existing column)",
    "PermissionException": "(the connection's settings must let DuckDB read local files)",
}


class DuckDBWarehouse(Warehouse):
    """A DuckDB file."""

    types: ClassVar = {
        Kind.TEXT: "VARCHAR",
        Kind.DECIMAL: "DECIMAL(38,9)",
        Kind.INTEGER: "BIGINT",
        Kind.BOOLEAN: "BOOLEAN",
        Kind.TIMESTAMP: "TIMESTAMP",
        Kind.JSON: "JSON",
    }
    # Not TIMESTAMP WITH TIME ZONE, which would take our UTC for the session's own zone.
    holdings: ClassVar = {
        r"VARCHAR": EVERYTHING,
        r"U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER": INTEGERS,
        r"DECIMAL\(\d+,(9|\d\d)\)": NUMBERS,
        r"DECIMAL\(\d+,\d\)": INTEGERS,
        r"BOOLEAN": BOOLEANS,
        r"JSON": JSON,
        r"TIMESTAMP": TIMES,
    }
    modules: ClassVar = ("duckdb", "_duckdb")

    def open_cursor(self, connection: Any) -> Any:
        """
        The connection is its own cursor.

        :raises RaydocsInputError: the database is in memory, so that all rows would be gone with the connection.
        """
        in_memory = "SELECT 1 FROM duckdb_databases() WHERE database_name = current_database() AND path IS NULL"
        if connection.execute(in_memory).fetchone():
            raise RaydocsInputError("This DuckDB connection is in memory; give it the path of a file as its host.")
        return connection

    def begin(self, connection: Any) -> Any:
        """Leave autocommit."""
        return self.open_cursor(connection).begin()

    def execute(self, cursor: Any, sql: str) -> int:
        """DuckDB answers INSERT and DELETE with a row that holds the count, and has no ``rowcount``."""
        row = cursor.execute(sql).fetchone()
        return int(row[0]) if row else 0

    def encode(self, row: Row) -> str:
        """CSV in which an empty cell is NULL and every other is quoted."""
        return ",".join([_quoted(text_of_cell(cell)) for cell in row]) + "\n"

    def copy(self, cursor: Any, table: str, columns: Sequence[Column], file: Path) -> None:
        """Scan the file with every type given, so that nothing is guessed."""
        types = ", ".join(f"{_literal(column.name)}: '{self.types[column.kind]}'" for column in columns)
        cursor.execute(
            f"INSERT INTO {table} SELECT * FROM read_csv({_literal(str(file))}, columns = {{{types}}}, "  # noqa: S608
            "auto_detect = false, header = false, delim = ',', quote = '\"', escape = '\"', nullstr = '', "
            f"allow_quoted_nulls = false, parallel = false, max_line_size = {_MAX_LINE_BYTES})"
        )

    def column_types(self, cursor: Any, table: Table) -> Mapping[str, str]:
        """Without the length of a VARCHAR, which DuckDB does not keep."""
        return {name: type_ for name, type_, *_ in self.fetch(cursor, f"DESCRIBE {quote_table(table)}")}

    def is_missing(self, error: BaseException) -> bool:
        """Told by the class: a table and its schema are all that a query of ours can miss in the catalog."""
        return type(error).__name__ == "CatalogException"

    def hint(self, error: BaseException) -> str:
        """DuckDB has no error codes, only classes."""
        return _HINTS.get(type(error).__name__, "")


def _quoted(text: str | None) -> str:
    return "" if text is None else '"' + text.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
