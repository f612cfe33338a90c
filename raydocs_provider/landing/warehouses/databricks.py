"""
Databricks: rows as JSON, bound to INSERT in portions, or read by it from a file in a volume.

Each statement is a transaction of its own. So the order of statements is what keeps a load whole: the ledger's rows go
first and come last. And loads into the same target take turns.
"""

from __future__ import annotations

import json
import logging
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

from raydocs_provider.exceptions import RaydocsInputError, RaydocsLandingError
from raydocs_provider.landing.contract import BOOLEANS, DATES, EVERYTHING, NUMBERS, TIMES, integers_of
from raydocs_provider.landing.names import SEPARATOR, lower_ascii, shorten
from raydocs_provider.landing.tables import Column, Kind, LandingPlan, Table
from raydocs_provider.landing.values import Cell, text_of_cell
from raydocs_provider.landing.warehouses.base import Warehouse
from raydocs_provider.landing.warehouses.databricks_errors import FINAL, NOT_FOUND, code_of, hint_of
from raydocs_provider.landing.warehouses.databricks_turns import TURN_MINUTES, Turn

log = logging.getLogger(__name__)

#: In the extra of the connection: a folder of a volume, for files with rows.
VOLUME = "raydocs_volume"

# Of the rows that one statement binds. A longer row goes alone.
_STATEMENT_BYTES = 1 << 20


class DatabricksWarehouse(Warehouse):
    """
    A SQL warehouse, or a cluster, of Databricks, with tables of Delta.

    - No statement is undone by a later one. A load that fails may leave rows behind, of documents that the ledger does
      not name: it deletes the ledger's rows first and writes them last. The same load again puts everything right.
    - Loads into the same target take turns. A load takes the one row of ``t___lock`` for half an hour, and longer as
      long as it is alive; the next takes it when it is given back, or that time is over.
    - Values are bound as one parameter for many rows: there can be at most 256 parameters. Where the extra of the
      connection has a folder of a volume as ``raydocs_volume``, they are in a file there, and in no query history.
    - All cells are text, to which INSERT gives the types of the columns.
    - JSON is STRING, in which numbers stay as they are written.
    - A session is in UTC: times without a zone are.

    :param hook: a ``DatabricksHook``, which is what a connection gives, or a ``DatabricksSqlHook``.
    """

    types: ClassVar = {
        Kind.TEXT: "STRING",
        Kind.DECIMAL: "DECIMAL(38,9)",
        Kind.INTEGER: "BIGINT",
        Kind.BOOLEAN: "BOOLEAN",
        Kind.DATE: "DATE",
        Kind.TIMESTAMP: "TIMESTAMP",
        Kind.JSON: "STRING",
    }
    # Not CHAR(n), which adds blanks.
    holdings: ClassVar = {
        r"string( collate \w+)?|varchar\((?P<length>\d+)\)": EVERYTHING,
        r"tinyint": integers_of(8),
        r"smallint": integers_of(16),
        r"int": integers_of(32),
        r"bigint": integers_of(64),
        r"decimal\((?P<precision>\d+),(?P<scale>\d+)\)": NUMBERS,
        r"boolean": BOOLEANS,
        r"date": DATES,
        r"timestamp(_ntz)?": TIMES,
    }
    modules: ClassVar = ("databricks",)
    portion: ClassVar = 2_000
    locks_first: ClassVar = False
    remains: ClassVar = (
        "Rows of this load may be in the tables, which have no transactions. Documents that the ledger names are "
        "complete; run the load again for the others."
    )

    @property
    def hook(self) -> Any:
        """
        A hook for SQL, which knows where the tables are, with a connection of its own.

        :raises RaydocsInputError: there can be none, or the extra of the connection is not right.
        """
        extra = self._hook.databricks_conn.extra_dejson
        where = f"The connection {self._hook.databricks_conn_id!r} of Databricks"
        if not extra.get("http_path") and not extra.get("sql_endpoint_name"):
            raise RaydocsInputError(
                f"{where} does not say where SQL runs: set http_path, or sql_endpoint_name (the name of a SQL "
                "warehouse), in its extra."
            )
        self._find_folder()
        engine: Any = type(self._hook)
        if not any(base.__name__ == "DatabricksSqlHook" for base in engine.__mro__):
            try:
                engine = import_module("airflow.providers.databricks.hooks.databricks_sql").DatabricksSqlHook
            except ImportError as error:
                raise RaydocsInputError(
                    f"{where} cannot run SQL here: install airflow-provider-raydocs[databricks]."
                ) from error
        return engine(
            databricks_conn_id=self._hook.databricks_conn_id,
            sql_endpoint_name=extra.get("sql_endpoint_name"),
            # Also in the extra; lineage looks for them here.
            catalog=extra.get("catalog"),
            schema=extra.get("schema"),
            # Whatever the extra says: values are not to be written into statements.
            use_inline_params=False,
            # What a statement PUT may read.
            staging_allowed_local_path=tempfile.gettempdir(),
        )

    @contextmanager
    def transaction(self, target: Table) -> Iterator[Any]:
        """Keep other loads out until the end. There is nothing to commit."""
        with closing(self.open()) as connection:
            session = self.begin(connection)
            try:
                self._await_turn(session, target)
                yield session
            finally:
                if session.turn:
                    session.turn.give_back()

    def connect(self) -> Any:
        """A connection of a new hook: it keeps its connection, and would hand it out again when it is closed."""
        return self.hook.get_conn()

    def open_cursor(self, connection: Any) -> Any:
        """A cursor that knows more, in UTC."""
        session = _Session(connection.cursor())
        session.execute("SET TIME ZONE 'UTC'")
        return session

    def begin(self, connection: Any) -> Any:
        """There is nothing to begin."""
        return self.open_cursor(connection)

    def lock(self, cursor: Any, target: Table) -> None:
        """
        Wait for the turn of this load, as long as it takes.

        :raises RaydocsLandingError: the table for the lock is not as it was made.
        """
        *parents, base = target.name
        lock = Table((*parents, shorten(f"{base}{SEPARATOR}_lock")), ())
        turn = Turn(cursor, self.quote_table(lock), target)
        # Looked for first: whoever may write to the tables need not have the right to create any.
        if not self.column_types(cursor, lock):
            turn.create_table()
        cursor.turn = turn
        turn.take()

    def column_types(self, cursor: Any, table: Table) -> Mapping[str, str]:
        """As DESCRIBE TABLE has them. Capitals make no difference in names."""
        try:
            rows = self.fetch(cursor, f"DESCRIBE TABLE {self.quote_table(table)}")
        except Exception as error:
            if code_of(error) not in NOT_FOUND:
                raise
            return {}
        ours = {lower_ascii(column.name): column.name for column in table.columns}
        types = {}
        for name, type_, *_ in rows:
            # What follows is about partitions and clusters.
            if not name or not type_:
                break
            types[ours.get(lower_ascii(name), name)] = type_
        cursor.types[table.name] = types
        return types

    def add_columns(self, cursor: Any, table: Table, columns: Sequence[Column]) -> None:
        """All in one statement."""
        self.execute(cursor, f"ALTER TABLE {self.quote_table(table)} ADD COLUMNS ({self._definitions(columns)})")

    def create_review(self, cursor: Any, view: Table, plan: LandingPlan) -> None:
        """Also where somebody was faster."""
        self.execute(cursor, f"CREATE VIEW IF NOT EXISTS {self.quote_table(view)} AS {self.select_review(plan)}")

    def encode(self, cells: Sequence[Cell]) -> str:
        """JSON, in which every cell is text or null."""
        return json.dumps([text_of_cell(cell) for cell in cells], ensure_ascii=False)[1:-1]

    def copy(self, cursor: Any, table: Table, columns: Sequence[Column], file: Path) -> None:
        """
        Insert from a file in the volume with one statement, or else bind the rows in portions.

        :raises RaydocsLandingError: other than all rows were inserted.
        """
        if folder := self._find_folder():
            self._copy_by_volume(cursor, table, columns, file, folder)
            return
        rows = "SELECT EXPLODE(FROM_JSON(?, 'ARRAY<ARRAY<STRING>>', MAP('mode', 'FAILFAST'))) AS r"
        statement = self._insert(cursor, table, columns, rows)
        if not file.stat().st_size:
            # A rehearsal: whether rows may be inserted.
            self._run_insert(cursor, table, statement, 0, [_Rows("[]")])
        for lines in _read_portions(file):
            bound = _Rows(f"[{','.join(lines)}]")
            self._run_insert(cursor, table, statement, len(lines), [bound])

    def fetch(self, cursor: Any, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        cursor.execute(sql, list(parameters) or None)
        return [tuple(row) for row in cursor.fetchall()]

    def execute(self, cursor: Any, sql: str) -> None:
        """As long as it is the turn of this load."""
        self._keep_turn(cursor)
        cursor.execute(sql)

    def quote(self, name: str) -> str:
        """Between backquotes."""
        return _quote(name)

    def is_final(self, error: BaseException) -> bool:
        """No catalog or schema, no rights."""
        return code_of(error) in FINAL

    def hint(self, error: BaseException) -> str:
        """The code of the error, and what to do about it."""
        return hint_of(error)

    def _await_turn(self, session: _Session, target: Table) -> None:
        try:
            self.lock(session, target)
            return
        except Exception as error:
            explanation = self.explain(error)
            if explanation is None:
                raise
            retryable = not self.is_final(error)
        raise RaydocsLandingError(
            f"The warehouse refused to keep other loads out of {target}: {explanation}. Nothing was written.",
            retryable=retryable,
        )

    def _find_folder(self) -> str | None:
        """Where files go, if the connection says so."""
        volume = self._hook.databricks_conn.extra_dejson.get(VOLUME)
        if not volume:
            return None
        folder = str(volume).rstrip("/")
        if not re.fullmatch(r"/Volumes(/[^/]+){3,}", folder):
            raise RaydocsInputError(
                f"{VOLUME} in the extra of the connection {self._hook.databricks_conn_id!r} is {volume!r}; it has to "
                "be a folder of a volume, as /Volumes/catalog/schema/volume."
            )
        return folder

    def _insert(self, cursor: Any, table: Table, columns: Sequence[Column], rows: str) -> str:
        """The statement that inserts the rows that a query gives as ``r``, an array of texts."""
        held = cursor.types.get(table.name, {})
        names = ", ".join(self.quote(column.name) for column in columns)
        values = ", ".join(
            _value(f"r[{number}]", column, held.get(column.name, self.types[column.kind]))
            for number, column in enumerate(columns)
        )
        return f"INSERT INTO {self.quote_table(table)} ({names}) SELECT {values} FROM ({rows}) AS s"  # noqa: S608

    def _copy_by_volume(self, cursor: Any, table: Table, columns: Sequence[Column], file: Path, folder: str) -> None:
        path = f"{folder}/raydocs-{uuid4().hex}.jsonl"
        rows = f"SELECT FROM_JSON(value, 'ARRAY<STRING>', MAP('mode', 'FAILFAST')) AS r FROM text.{_quote(path)}"  # noqa: S608
        with file.open("rb") as lines:
            count = sum(1 for _ in lines)
        try:
            self.execute(cursor, f"PUT {_literal(str(file))} INTO {_literal(path)} OVERWRITE")
            self._run_insert(cursor, table, self._insert(cursor, table, columns, rows), count, None)
        finally:
            try:
                cursor.execute(f"REMOVE {_literal(path)}")
            except Exception as error:
                log.warning("%s could not be removed (%s). It holds rows; remove it.", path, type(error).__name__)

    def _run_insert(self, cursor: Any, table: Table, statement: str, count: int, parameters: list[Any] | None) -> None:
        self._keep_turn(cursor)
        cursor.execute(statement, parameters)
        # -1 where the server, or an older client, does not say.
        if cursor.rowcount not in (count, -1):
            raise RaydocsLandingError(
                f"Databricks inserted {cursor.rowcount} of {count} rows into {table}. {self.remains}"
            )

    def _keep_turn(self, session: _Session) -> None:
        """
        Prolong the turn, if it is time.

        :raises RaydocsLandingError: it is another load's by now.
        """
        if session.turn and not session.turn.keep():
            raise RaydocsLandingError(
                f"A statement of this load took more than {TURN_MINUTES} minutes, and another load has begun. "
                f"{self.remains}"
            )


class _Session:
    """
    A cursor, and what is known of its session.

    :param cursor: of the connector.
    """

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        #: The columns of each table that was looked at, and their types.
        self.types: dict[tuple[str, ...], Mapping[str, str]] = {}
        #: Of the load, once there is something to give back.
        self.turn: Turn | None = None

    def execute(self, sql: str, parameters: list[Any] | None = None) -> None:
        self._cursor.execute(sql, parameters)

    def fetchall(self) -> list[Any]:
        return list(self._cursor.fetchall())

    @property
    def rowcount(self) -> int:
        return int(self._cursor.rowcount)


class _Rows(str):
    """Rows as text that does not show: the connector writes what it binds to its debug log."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} characters of rows>"


def _value(text: str, column: Column, type_: str) -> str:
    """What makes a value of a cell's text."""
    if column.room is not None and column.room.kind is None:
        # Nothing lands in a column of such a type.
        return "NULL"
    if type_.lower().startswith(("string", "varchar")):
        return text
    return f"CAST({text} AS {type_})"


def _read_portions(file: Path) -> Iterator[list[str]]:
    """Encoded rows for one statement each."""
    portion: list[str] = []
    size = 0
    with file.open("rb") as lines:
        for line in lines:
            if portion and size + len(line) > _STATEMENT_BYTES:
                yield portion
                portion, size = [], 0
            portion.append(line.decode())
            size += len(line)
    if portion:
        yield portion


def _quote(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _literal(text: str) -> str:
    return "'" + text.replace("\\", r"\\").replace("'", r"\'") + "'"
