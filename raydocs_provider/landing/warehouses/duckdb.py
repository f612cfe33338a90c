"""DuckDB: one CSV scan per table. Times are TIMESTAMP in UTC, because reading TIMESTAMPTZ from Python needs pytz."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from raydocs_provider.landing.rows import Row
from raydocs_provider.landing.tables import Column, Kind
from raydocs_provider.landing.warehouses.base import Warehouse, text_of_cell

# The longest row that can be loaded; only what a row needs is allocated.
_MAX_LINE_BYTES = 512 * 1024 * 1024


class DuckDBWarehouse(Warehouse):
    """A DuckDB file, or MotherDuck."""

    types: ClassVar = {
        Kind.TEXT: "VARCHAR",
        Kind.DECIMAL: "DECIMAL(38,9)",
        Kind.INTEGER: "BIGINT",
        Kind.BOOLEAN: "BOOLEAN",
        Kind.TIMESTAMP: "TIMESTAMP",
        Kind.JSON: "JSON",
    }
    modules: ClassVar = ("duckdb", "_duckdb")

    def begin(self, connection: Any) -> Any:
        """Leave autocommit; the connection is its own cursor."""
        return connection.begin()

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

    def hint(self, error: BaseException) -> str:
        """DuckDB has no error codes, only classes."""
        if type(error).__name__ == "CatalogException":
            return "(the schema has to exist before the load; is it spelt right?)"
        return ""


def _quoted(text: str | None) -> str:
    return "" if text is None else '"' + text.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
