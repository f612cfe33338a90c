"""Snowflake: Parquet files in a temporary stage, and COPY from there into the tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase
from typing import Any, ClassVar
from uuid import uuid4

from raydocs_provider.exceptions import RaydocsLandingError
from raydocs_provider.landing.contract import BOOLEANS, DATES, EVERYTHING, JSON, NUMBERS, TIMES
from raydocs_provider.landing.names import SEPARATOR, shorten
from raydocs_provider.landing.tables import Column, Kind, LandingPlan, Table
from raydocs_provider.landing.values import Cell, text_of_cell
from raydocs_provider.landing.warehouses.base import Warehouse

# Encoded rows that are in memory at once, while a Parquet file is written.
_PORTION_BYTES = 4 << 20

_UPPER = str.maketrans(ascii_lowercase, ascii_uppercase)
_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)

# What DESCRIBE says of a table, or of the database or schema of one, that is not there, or that the role may not see.
_UNKNOWN_OBJECT = (2003, 2043)

_HINTS = {
    606: "name a warehouse in the connection",
    625: "more than 20 statements wait for the same table; let fewer loads run at once",
    630: "the statement took longer than the account, the user or the warehouse allows",
    2003: "the database, the schema or the table does not exist, or the role may not see it",
    2043: "the database, the schema or the table does not exist, or the role may not see it",
    3001: "the role needs USAGE on the database and the schema, SELECT, INSERT, UPDATE and DELETE on the tables, "
    "CREATE TABLE and CREATE VIEW on the schema for what is missing, OWNERSHIP of a table to add a column",
    100078: "a text is longer than a column takes; make that column VARCHAR",
    90105: "name the table as database.schema.table, or a database and a schema in the connection",
    90106: "name the table as schema.table, or a schema in the connection",
}


class SnowflakeWarehouse(Warehouse):
    """
    A Snowflake database.

    - DDL commits by itself. So it comes before the rows, and the transaction begins with the first statement about
      rows: a load that fails may leave empty tables and columns behind, but no rows.
    - Loads into the same target take turns. There are no locks to ask for, but what an UPDATE changes is locked until
      the transaction ends: each updates the one row of ``t___lock`` first.
    - Values are in files alone. A statement that had them would be kept in the query history.
    - All cells of a file are text, to which COPY gives their types, so that no setting of the account has a say.
    - The stage is temporary: COPY removes a file, and the end of the session what a failure leaves in it.
    - Names are in upper case, in which Snowflake reads names without quotes.
    """

    types: ClassVar = {
        Kind.TEXT: "VARCHAR",
        Kind.DECIMAL: "NUMBER(38,9)",
        Kind.INTEGER: "NUMBER(38,0)",
        Kind.BOOLEAN: "BOOLEAN",
        Kind.DATE: "DATE",
        # Without zone: what the others hold, or show, depends on the session.
        Kind.TIMESTAMP: "TIMESTAMP_NTZ",
        Kind.JSON: "VARIANT",
    }
    holdings: ClassVar = {
        # The length that a VARCHAR without one has, and the largest, are no limits of ours.
        r"VARCHAR(\((16777216|134217728)\))?": EVERYTHING,
        r"VARCHAR\((?P<length>\d+)\)": EVERYTHING,
        r"NUMBER\((?P<precision>\d+),(?P<scale>\d+)\)": NUMBERS,
        r"BOOLEAN": BOOLEANS,
        r"DATE": DATES,
        r"TIMESTAMP_NTZ\([6-9]\)": TIMES,
        r"VARIANT": JSON,
    }
    modules: ClassVar = ("snowflake",)
    locks_first: ClassVar = False

    @contextmanager
    def transaction(self, target: Table) -> Iterator[Any]:
        """
        Begin when the first row is touched, and commit at the end.

        Rolled back on any error: a session that only goes away may hold its locks for minutes.
        """
        with closing(self.open()) as connection:
            session = self.begin(connection)
            session.target = target
            try:
                yield session
                session.execute("COMMIT")
            except BaseException:
                with suppress(Exception):
                    session.execute("ROLLBACK")
                raise

    def open_cursor(self, connection: Any) -> Any:
        """A cursor that knows more."""
        return _Session(connection.cursor())

    def begin(self, connection: Any) -> Any:
        """Not yet, because DDL would commit what has begun: see `_begin_rows`."""
        return self.open_cursor(connection)

    def quote(self, name: str) -> str:
        """Letters of ASCII in upper case: so queries that do not quote find what these letters can spell."""
        return super().quote(name.translate(_UPPER))

    def column_types(self, cursor: Any, table: Table) -> Mapping[str, str]:
        """With length and precision, for example ``NUMBER(18,2)``. A name with lower case in it is none of ours."""
        try:
            rows = self.fetch(cursor, f"DESCRIBE TABLE {self.quote_table(table)}")
        except Exception as error:
            if _code(error) not in _UNKNOWN_OBJECT:
                raise
            rows = []
        types = {row[0].translate(_LOWER): row[1] for row in rows if row[0] == row[0].translate(_UPPER)}
        cursor.types[table.name] = types
        return types

    def add_columns(self, cursor: Any, table: Table, columns: Sequence[Column]) -> None:
        """Another load may have been faster."""
        for column in columns:
            definition = self._definitions([column])
            self.execute(cursor, f"ALTER TABLE {self.quote_table(table)} ADD COLUMN IF NOT EXISTS {definition}")

    def create_review(self, cursor: Any, view: Table, plan: LandingPlan) -> None:
        """Another load may have been faster."""
        self.execute(cursor, f"CREATE VIEW IF NOT EXISTS {self.quote_table(view)} AS {self.select_review(plan)}")

    def read_documents(
        self, cursor: Any, table: Table, columns: Sequence[str], keys: Sequence[str]
    ) -> list[tuple[Any, ...]]:
        """In the transaction, with other loads kept out."""
        self._begin_rows(cursor)
        return super().read_documents(cursor, table, columns, keys)

    def delete(self, cursor: Any, table: Table, keys: Sequence[str]) -> None:
        """In the transaction, with other loads kept out."""
        self._begin_rows(cursor)
        super().delete(cursor, table, keys)

    def encode(self, cells: Sequence[Cell]) -> str:
        """JSON, in which every cell is text or null."""
        texts = [cell if cell is None or isinstance(cell, str) else _text_of(cell) for cell in cells]
        return json.dumps(texts, ensure_ascii=False)[1:-1]

    def copy(self, cursor: Any, table: Table, columns: Sequence[Column], file: Path) -> None:
        """
        Stage the rows as one Parquet file, and load it. COPY removes it; if that fails, the end of the session does.

        :raises RaydocsLandingError: Snowflake loaded more or fewer rows than there are.
        """
        self._begin_rows(cursor)
        parquet = file.with_name(f"{file.name}.parquet")
        written = _write_parquet(file, len(columns), parquet)
        self.execute(cursor, f"PUT {_literal(f'file://{parquet}')} {_location(cursor.stage)} AUTO_COMPRESS = FALSE")
        parquet.unlink()
        names = ", ".join(self.quote(column.name) for column in columns)
        held = cursor.types.get(table.name, {})
        values = ", ".join(
            _value(f'$1:"c{number}"::VARCHAR', column, held.get(column.name, self.types[column.kind]))
            for number, column in enumerate(columns)
        )
        answer = self.fetch(
            cursor,
            f"COPY INTO {self.quote_table(table)} ({names}) "  # noqa: S608
            f"FROM (SELECT {values} FROM {_location(cursor.stage, f'/{parquet.name}')}) "
            # Without NULL_IF the text \N would be NULL.
            "FILE_FORMAT = (TYPE = PARQUET NULL_IF = ()) ON_ERROR = ABORT_STATEMENT PURGE = TRUE",
        )
        # A row for each file, and one of a single column if there was nothing to load.
        loaded = sum(int(row[3]) for row in answer if len(row) > 3)
        if loaded != written:
            raise RaydocsLandingError(
                f"Snowflake loaded {loaded} of {written} rows into {table}. Nothing of this load was committed."
            )

    def is_final(self, error: BaseException) -> bool:
        """All that a person has to act on, but for what may have been a busy hour."""
        return _code(error) in _HINTS.keys() - {625, 630}

    def hint(self, error: BaseException) -> str:
        """Snowflake's code, what to do about it, and the query, whose whole message is in the query history."""
        code, query = _code(error), getattr(error, "sfqid", None)
        more = "; ".join(filter(None, (_HINTS.get(code), query and f"query {query}")))
        return " ".join(filter(None, (str(code) if code > 0 else "", more and f"({more})")))

    def _begin_rows(self, session: _Session) -> None:
        """
        Begin the transaction, once all DDL is done, and wait for other loads into the target.

        An UPDATE locks what it changes until the transaction ends, so it needs a row to change.

        :raises RaydocsLandingError: it has none.
        """
        if session.stage:
            return
        target = session.target
        assert target is not None
        *parents, base = target.name
        lock = Table((*parents, shorten(f"{base}{SEPARATOR}_lock")), ())
        name, count = self.quote_table(lock), self.quote("loads")
        # Looked for first: whoever may write to the tables need not have the right to create any.
        if not self.column_types(session, lock):
            self.execute(session, f"CREATE TABLE IF NOT EXISTS {name} ({count} {self.types[Kind.INTEGER]})")
        stage = ".".join(map(self.quote, (*parents, f"_raydocs_{uuid4().hex}")))
        self.execute(session, f"CREATE TEMPORARY STAGE {stage}")
        take = f"UPDATE {name} SET {count} = {count} + 1"  # noqa: S608
        self.execute(session, "BEGIN TRANSACTION")
        self.execute(session, take)
        if not session.rowcount:
            # The first load. Should two insert at once, both will update the row that was committed first.
            self.execute(session, f"INSERT INTO {name} ({count}) VALUES (0)")  # noqa: S608
            self.execute(session, "COMMIT")
            self.execute(session, "BEGIN TRANSACTION")
            self.execute(session, take)
        if not session.rowcount:
            raise RaydocsLandingError(
                f"{lock} has to have a row that loads can update; drop it to have it made anew.", retryable=False
            )
        session.stage = stage


class _Session:
    """
    A cursor, and what is known of its session.

    :param cursor: of the connector.
    """

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        #: The columns of each table that was looked at, and their types.
        self.types: dict[tuple[str, ...], Mapping[str, str]] = {}
        #: Of the load.
        self.target: Table | None = None
        #: Quoted; empty until the transaction has begun.
        self.stage = ""

    def execute(self, sql: str, parameters: tuple[Any, ...] = ()) -> None:
        # With parameters, be it none, a % in a name would be a placeholder.
        self._cursor.execute(sql, parameters or None)

    def fetchall(self) -> list[Any]:
        return list(self._cursor.fetchall())

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount or 0


def _value(text: str, column: Column, type_: str) -> str:
    """What makes a value of a cell's text."""
    if column.room is not None and column.room.kind is None:
        # Nothing lands in a column of such a type, which would not even be compared with a text.
        return "NULL"
    match type_.partition("(")[0]:
        case "VARCHAR":
            return text
        case "VARIANT":
            return f"PARSE_JSON({text})"
        case "DATE":
            return f"TO_DATE({text}, 'YYYY-MM-DD')"
        case "TIMESTAMP_NTZ":
            return f"TO_TIMESTAMP_NTZ({text}, 'YYYY-MM-DD HH24:MI:SS.FF6')"
        case _:
            return f"{text}::{type_}"


def _text_of(cell: Cell) -> str | None:
    # All times with microseconds: one format reads them all.
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    return text_of_cell(cell)


def _write_parquet(rows: Path, width: int, file: Path) -> int:
    """Write encoded rows as Parquet, in columns ``c0``, ``c1`` and so on. Returns how many."""
    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema([(f"c{number}", pyarrow.string()) for number in range(width)])
    written = 0
    with rows.open("rb") as lines, parquet.ParquetWriter(file, schema) as writer:
        while portion := lines.readlines(_PORTION_BYTES):
            decoded = json.loads(b"[%s]" % b",".join(portion))
            columns = [pyarrow.array(column, pyarrow.string()) for column in zip(*decoded, strict=True)]
            writer.write_table(pyarrow.table(columns, schema=schema))
            written += len(decoded)
    return written


def _location(stage: str, path: str = "") -> str:
    """A place in a stage, in quotes of its own where the name of the stage has more than these characters."""
    place = f"@{stage}{path}"
    return place if re.fullmatch(r'["\w.$]+', stage, re.ASCII) else _literal(place)


def _literal(text: str) -> str:
    return "'" + text.replace("\\", r"\\").replace("'", r"\'") + "'"


def _code(error: BaseException) -> int:
    """Of Snowflake or of its connector; 0 if there is none."""
    code = getattr(error, "errno", None)
    return code if isinstance(code, int) else 0
