"""What a warehouse has to be able to do, and how most engines do it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from raydocs_provider.landing.contract import Holdings
from raydocs_provider.landing.rows import Row
from raydocs_provider.landing.tables import Column, Kind, Table
from raydocs_provider.landing.values import Cell


class Warehouse(ABC):
    """
    One engine behind the user's own Airflow connection.

    Rows are encoded into files first, without a connection. Everything else happens in one `transaction` (or, for
    looking only, in `reading`), whose cursor is handed to all other methods. Tables are given by their quoted names.

    :param hook: an Airflow ``DbApiHook``; asked for a connection once per transaction.
    """

    #: What the engine calls each kind.
    types: ClassVar[Mapping[Kind, str]]
    #: Which kinds the columns of a table that exists hold as they are, by type.
    holdings: ClassVar[Holdings]
    #: Follows the columns of CREATE TEMP TABLE.
    temporary_suffix: ClassVar[str] = ""
    #: Top-level modules whose exceptions are the engine's.
    modules: ClassVar[tuple[str, ...]]

    def __init__(self, hook: Any) -> None:
        self._hook = hook

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """Connect, begin, and commit at the end. On any error the connection is closed, which undoes everything."""
        with closing(self._hook.get_conn()) as connection:
            yield self.begin(connection)
            connection.commit()

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """Connect for queries alone. Nothing is committed, and no writer has to wait."""
        with closing(self._hook.get_conn()) as connection:
            yield self.open_cursor(connection)

    def open_cursor(self, connection: Any) -> Any:
        """A cursor, after what the engine needs on every connection."""
        return connection.cursor()

    @abstractmethod
    def begin(self, connection: Any) -> Any:
        """Begin a transaction that also covers DDL, and return its cursor."""

    @abstractmethod
    def encode(self, row: Row) -> str:
        """A row as text for `copy`, with the newline that ends it."""

    @abstractmethod
    def copy(self, cursor: Any, table: str, columns: Sequence[Column], file: Path) -> None:
        """
        Load encoded rows in bulk.

        :param columns: of the table, in the order of the cells.
        :param file: the encoded rows, in UTF-8.
        """

    @abstractmethod
    def column_types(self, cursor: Any, table: Table) -> Mapping[str, str]:
        """The type of each column of an existing table, as the engine spells it, by the column's name."""

    @abstractmethod
    def hint(self, error: BaseException) -> str:
        """The engine's code for its error, and what to do. Nothing of its message, which may quote values."""

    @abstractmethod
    def is_missing(self, error: BaseException) -> bool:
        """Whether a query failed because its table, or the schema of it, does not exist."""

    def fetch(self, cursor: Any, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query, as tuples whatever the extras of the connection make of them."""
        cursor.execute(sql, parameters)
        return [tuple(row.values() if isinstance(row, Mapping) else row) for row in cursor.fetchall()]

    def execute(self, cursor: Any, sql: str) -> int:
        """Execute a statement; for INSERT and DELETE the number of rows."""
        cursor.execute(sql)
        return int(cursor.rowcount)

    def lock(self, cursor: Any, table: str) -> None:  # noqa: B027, most engines need none
        """Make other loads into the table wait for the end of this transaction, where the engine does not."""

    def exists(self, cursor: Any, table: str) -> bool:
        """Whether the table is known to exist; False where it does no harm to try and create it."""
        return False

    def index_key(self, cursor: Any, table: Table) -> None:  # noqa: B027, some are faster without
        """Index a table by document key, if that was not done, where it saves a load from reading all of the table."""

    def explain(self, error: BaseException) -> str | None:
        """What may be said about an error; None if it is not the engine's."""
        if not any(base.__module__.split(".")[0] in self.modules for base in type(error).__mro__):
            return None
        return " ".join(filter(None, (type(error).__name__, self.hint(error))))


def quote(name: str) -> str:
    """An identifier as standard SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def quote_table(table: Table) -> str:
    """The name of a table with each of its parts quoted."""
    return ".".join(quote(part) for part in table.name)


def text_of_cell(cell: Cell) -> str | None:
    """The cell as every engine reads it back from text. Times are in UTC and do not say so."""
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, Decimal):
        return format(cell, "f")
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
    return str(cell)
