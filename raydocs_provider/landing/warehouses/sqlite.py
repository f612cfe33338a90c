"""
SQLite: rows are bound one by one from the file.

SQLite has no decimals. Numbers are stored so that comparing, sorting and summing work, which keeps 15 significant
digits; the exact text of every value is in ``t__fields``. Times are text in UTC, booleans 0 and 1.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from raydocs_provider.landing.rows import Row
from raydocs_provider.landing.tables import Column, Kind
from raydocs_provider.landing.warehouses.base import Warehouse, text_of_cell


class SqliteWarehouse(Warehouse):
    """A SQLite file."""

    # The declared type is an affinity: it decides what becomes a number.
    types: ClassVar = {
        Kind.TEXT: "TEXT",
        Kind.DECIMAL: "DECIMAL(38,9)",
        Kind.INTEGER: "INTEGER",
        Kind.BOOLEAN: "BOOLEAN",
        Kind.TIMESTAMP: "TEXT",
        Kind.JSON: "TEXT",
    }
    modules: ClassVar = ("sqlite3",)

    def begin(self, connection: Any) -> Any:
        """Take the module's own transactions, which do not cover DDL, out of the way; wait for other writers."""
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout = 60000")
        cursor.execute("BEGIN IMMEDIATE")
        return cursor

    def encode(self, row: Row) -> str:
        """A JSON array."""
        cells = [int(cell) if isinstance(cell, bool) else text_of_cell(cell) for cell in row]
        return json.dumps(cells, ensure_ascii=False) + "\n"

    def copy(self, cursor: Any, table: str, columns: Sequence[Column], file: Path) -> None:
        """Bind the rows while reading them."""
        places = ", ".join("?" * len(columns))
        with file.open(encoding="utf-8", newline="\n") as lines:
            cursor.executemany(f"INSERT INTO {table} VALUES ({places})", map(json.loads, lines))  # noqa: S608

    def hint(self, error: BaseException) -> str:
        """SQLite reports all mistakes as one code; only the one about names says nothing about values."""
        name = getattr(error, "sqlite_errorname", "")
        if str(error).startswith(("unknown database", 'near "."')):
            return f"{name} (there are no schemas here: name the table without one)"
        return str(name)
