"""What a warehouse has to be able to do, and how most engines do it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar

from raydocs_provider.exceptions import RaydocsWarehouseConnectionError
from raydocs_provider.landing.contract import Holdings
from raydocs_provider.landing.row_formats import JsonFormat, LineFormat, encode_json
from raydocs_provider.landing.tables import AUDIT, KEY, Column, Kind, LandingPlan, Table
from raydocs_provider.landing.values import Cell


class Warehouse(ABC):
    """
    One engine behind the user's own Airflow connection.

    Rows are encoded into files first, without a connection. Everything else happens in one `transaction` (or, for
    looking only, in `reading`), whose cursor is handed to all other methods.

    :param hook: an Airflow ``DbApiHook``; asked for a connection once per transaction.
    """

    #: What the engine calls each kind.
    types: ClassVar[Mapping[Kind, str]]
    #: Which kinds the columns of a table that exists hold as they are, by type.
    holdings: ClassVar[Holdings]
    #: Top-level modules whose exceptions are the engine's.
    modules: ClassVar[tuple[str, ...]]
    #: How many documents one statement is about. Their keys are literals of 64 characters.
    portion: ClassVar[int] = 5_000
    #: Rows are copied in parts; one ends with the document with which it is so large. None: all rows are one part.
    part_bytes: ClassVar[int | None] = None
    #: Whether `lock` keeps other loads out from before the target is looked at. Where it does not, a table that was
    #: missing may hold rows of another load by the time that this one writes its own.
    locks_first: ClassVar[bool] = True
    #: What there is of a load that the engine has refused to complete.
    remains: ClassVar[str] = "Nothing of this load was committed."

    def __init__(self, hook: Any) -> None:
        self._hook = hook

    @property
    def hook(self) -> Any:
        """The hook that knows where the tables are."""
        return self._hook

    @contextmanager
    def transaction(self, target: Table) -> Iterator[Any]:
        """
        Connect, keep other loads into the target out, begin, and commit at the end.

        On any error the connection is closed, which undoes everything but the DDL of an engine that commits it.
        """
        with closing(self.open()) as connection:
            cursor = self.begin(connection)
            self.lock(cursor, target)
            yield cursor
            connection.commit()

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """Connect for queries alone. Nothing is committed, and no writer has to wait."""
        with closing(self.open()) as connection:
            yield self.open_cursor(connection)

    def open(self) -> Any:
        """
        Connect, or say what to look at.

        :raises RaydocsWarehouseConnectionError: the engine's client could not. Its message, which may quote the
            connection, is not repeated.
        """
        try:
            return self.connect()
        except Exception as error:
            explanation = self.explain(error)
            if explanation is None:
                raise
        # Not in the handler: the client's error would be shown as this one's context.
        raise RaydocsWarehouseConnectionError(
            f"The warehouse could not be connected to: {explanation}. Check address, database, login and password of "
            "its Airflow connection, and that this machine may reach it; `airflow connections test` shows the "
            "client's own words."
        )

    def connect(self) -> Any:
        """A connection of the hook's."""
        return self._hook.get_conn()

    def open_cursor(self, connection: Any) -> Any:
        """A cursor, after what the engine needs on every connection."""
        return connection.cursor()

    @abstractmethod
    def begin(self, connection: Any) -> Any:
        """Begin a transaction, which covers DDL where the engine can, and return its cursor."""

    def lock(self, cursor: Any, target: Table) -> None:  # noqa: B027, most engines need none
        """Make other loads into the target wait for the end of this transaction, where the engine does not."""

    def rehearse(self, cursor: Any) -> None:  # noqa: B027, most engines have done it all by then
        """Do what has only been collected so far. It will be undone, as all of a rehearsal."""

    @abstractmethod
    def column_types(self, cursor: Any, table: Table) -> Mapping[str, str]:
        """The type of each column of a table, as the engine spells it, by the column's name; none if it is missing."""

    @property
    def row_format(self) -> LineFormat:
        """How rows stand in the files for `copy`."""
        return JsonFormat(self.encode)

    def encode(self, cells: Sequence[Cell]) -> str:
        """Cells as they stand in a JSON array."""
        return encode_json(cells)

    @abstractmethod
    def copy(self, cursor: Any, table: Table, columns: Sequence[Column], file: Path) -> None:
        """
        Load encoded rows in bulk.

        :param columns: of the table, in the order of the cells.
        :param file: the encoded rows, in UTF-8.
        """

    def copy_while(
        self, cursor: Any, table: Table, columns: Sequence[Column], file: Path, meanwhile: Callable[[], bool]
    ) -> None:
        """
        As `copy`. Where the engine works by itself, the time is used.

        :param meanwhile: makes the rows of one document, for later, and says whether there may be more.
        """
        self.copy(cursor, table, columns, file)

    @abstractmethod
    def hint(self, error: BaseException) -> str:
        """The engine's code for its error, and what to do. Nothing of its message, which may quote values."""

    def is_final(self, error: BaseException) -> bool:
        """Whether the engine gives this error again until a person has changed something: no schema, no rights."""
        return False

    def quote(self, name: str) -> str:
        """An identifier as standard SQL takes it, whatever is in it."""
        return '"' + name.replace('"', '""') + '"'

    def quote_table(self, table: Table) -> str:
        """The name of a table with each of its parts quoted."""
        return ".".join(self.quote(part) for part in table.name)

    def fetch(self, cursor: Any, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query, as tuples whatever the extras of the connection make of them."""
        cursor.execute(sql, parameters)
        return [tuple(row.values() if isinstance(row, Mapping) else row) for row in cursor.fetchall()]

    def execute(self, cursor: Any, sql: str) -> None:
        """Execute a statement that has no parameters and of whose result nothing is needed."""
        cursor.execute(sql)

    def create_table(self, cursor: Any, table: Table) -> None:
        """Create a table. Another load may have been faster where `lock` keeps nobody out."""
        self.execute(
            cursor, f"CREATE TABLE IF NOT EXISTS {self.quote_table(table)} ({self._definitions(table.columns)})"
        )

    def add_columns(self, cursor: Any, table: Table, columns: Sequence[Column]) -> None:
        """Add columns to a table that exists."""
        for column in columns:
            self.execute(cursor, f"ALTER TABLE {self.quote_table(table)} ADD COLUMN {self._definitions([column])}")

    def index_key(self, cursor: Any, table: Table) -> None:  # noqa: B027, some are faster without
        """Index a table that was just created by document key, where it saves later loads from reading all of it."""

    def create_review(self, cursor: Any, view: Table, plan: LandingPlan) -> None:
        """Create the view of what a person should look at, unless there is one."""
        self.execute(cursor, f"CREATE VIEW {self.quote_table(view)} AS {self.select_review(plan)}")

    def delete(self, cursor: Any, table: Table, keys: Sequence[str]) -> None:
        """
        Delete the rows of documents.

        :param keys: at most `portion`.
        """
        self.execute(cursor, f"DELETE FROM {self.quote_table(table)} WHERE {self._among(keys)}")  # noqa: S608

    def read_documents(
        self, cursor: Any, table: Table, columns: Sequence[str], keys: Sequence[str]
    ) -> list[tuple[Any, ...]]:
        """
        Document key and some columns of the rows of documents.

        :param keys: at most `portion`.
        """
        names = ", ".join(map(self.quote, (KEY.name, *columns)))
        return self.fetch(cursor, f"SELECT {names} FROM {self.quote_table(table)} WHERE {self._among(keys)}")  # noqa: S608

    def count_attempts(self, cursor: Any, table: Table, attempts: int, keys: Sequence[str]) -> None:
        """
        Write down how often documents were submitted.

        :param keys: at most `portion`.
        """
        self.execute(
            cursor,
            f"UPDATE {self.quote_table(table)} SET {self.quote('attempts')} = {attempts:d} WHERE {self._among(keys)}",  # noqa: S608
        )

    def select_review(self, plan: LandingPlan) -> str:
        """What the view selects: of each document to review, its values in question, and no value if there is none."""
        documents, fields = plan.documents, plan.fields
        ours = [column.name for column in fields.own]
        of_document = ["filename", "review_codes", "_source_uri", "_session_id", "_extracted_at", "_loaded_at"]
        columns = ", ".join(
            [f"d.{self.quote(name)}" for name in (KEY.name, *of_document)] + [f"f.{self.quote(name)}" for name in ours]
        )
        key = self.quote(KEY.name)
        return (
            f"SELECT {columns} FROM {self.quote_table(documents)} d LEFT JOIN {self.quote_table(fields)} f "  # noqa: S608
            f"ON f.{key} = d.{key} AND f.{self.quote('review_code')} IS NOT NULL "
            f"WHERE d.{self.quote('review_status')} = 'review'"
        )

    def explain(self, error: BaseException) -> str | None:
        """What may be said about an error; None if it is not the engine's."""
        if not any(base.__module__.split(".")[0] in self.modules for base in type(error).__mro__):
            return None
        return " ".join(filter(None, (type(error).__name__, self.hint(error))))

    def _among(self, keys: Iterable[str]) -> str:
        """Keys are hex and need no quoting. As literals they go to every engine alike, however many there are."""
        separator = "', '"
        return f"{self.quote(KEY.name)} IN ('{separator.join(keys)}')"

    def _definitions(self, columns: Iterable[Column]) -> str:
        return ", ".join(f"{self.quote(column.name)} {self.types[column.kind]}" for column in columns)


def copied_columns(table: Table) -> tuple[Column, ...]:
    """The columns of a table in the order of an encoded row: its own, then those that all tables have."""
    return (*table.own, *AUDIT)
