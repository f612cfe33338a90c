"""
A Databricks for tests: what its client does for a load, over a DuckDB.

Statements are translated by sqlglot. So they are run, but what Databricks itself would say to them nobody knows: it
shows which statements are made in which order, that each is SQL of Databricks as sqlglot knows it, and what they do.
Every statement is a transaction of its own, and nothing is ever rolled back.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import sqlglot
from sqlglot import exp

_PUT = re.compile(r"PUT '((?:[^'\\]|\\.)*)' INTO '((?:[^'\\]|\\.)*)' OVERWRITE")
_REMOVE = re.compile(r"REMOVE '((?:[^'\\]|\\.)*)'")
_STRUCTURES = {"ARRAY<STRING>": '["VARCHAR"]', "ARRAY<ARRAY<STRING>>": '[["VARCHAR"]]'}
_TYPES = {"VARCHAR": "string", "TIMESTAMP WITH TIME ZONE": "timestamp"}


class ServerOperationError(Exception):
    """As the client's: its message begins with the code of the error."""

    __module__ = "databricks.sql.exc"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass
class Sent:
    """A statement, and what was bound."""

    sql: str
    parameters: list[Any] = field(default_factory=list)

    @property
    def statement(self) -> exp.Expression | None:
        """As sqlglot reads it; None for what it does not know: files, and the time zone."""
        if self.sql.startswith(("PUT ", "REMOVE ", "SET TIME ZONE ")):
            return None
        statement = sqlglot.parse_one(self.sql, read="databricks")
        assert not isinstance(statement, exp.Command), self.sql
        return statement

    @property
    def verb(self) -> str:
        return self.sql.partition(" ")[0]

    @property
    def table(self) -> str:
        """The last part of the first name in it."""
        table = self.statement.find(exp.Table) if self.statement else None
        return table.name if table else ""

    @property
    def shape(self) -> tuple[str, str]:
        return self.verb, self.table


class FakeDatabricks:
    """
    One workspace.

    :param refuse: called before anything is done; may raise.
    :param told: how many rows it says it has inserted, of how many it has.
    """

    def __init__(self, *schemas: str) -> None:
        self.sent: list[Sent] = []
        self.files: dict[str, str] = {}
        self.arguments: list[dict[str, Any]] = []
        self.open = 0
        self.refuse: Callable[[Sent], None] = lambda sent: None
        self.told: Callable[[int], int] = lambda count: count
        self._described: dict[str, dict[str, str]] = {}
        self._database = duckdb.connect()
        for schema in schemas:
            self._database.execute(f'CREATE SCHEMA "{schema}"')

    def __enter__(self) -> FakeDatabricks:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._database.close()

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement of DuckDB."""
        return self._database.execute(sql).fetchall()

    def describe(self, name: str, types: dict[str, str]) -> None:
        """Have columns of a table be of these types, whatever they are."""
        self._described[name] = types

    def hook(self, **extra: Any) -> Any:
        return DatabricksSqlHook(fake=self, extra={"http_path": "/sql/1.0/warehouses/1"} | extra)

    def rest_hook(self, **extra: Any) -> Any:
        """What a connection of Databricks gives, which knows nothing of SQL."""
        return DatabricksHook(self, extra)

    def connect(self, arguments: dict[str, Any]) -> Any:
        self.arguments.append(arguments)
        self.open += 1
        return _Connection(self, self._database.cursor())

    # What a statement does

    def run(self, cursor: duckdb.DuckDBPyConnection, sent: Sent, allowed: str) -> tuple[list[Any], int]:
        """Its rows, and how many it has changed."""
        self.sent.append(sent)
        self.refuse(sent)
        if sent.sql == "SET TIME ZONE 'UTC'":
            cursor.execute("SET TimeZone = 'UTC'")
            return [], -1
        if match := _PUT.fullmatch(sent.sql):
            source, target = map(_plain, match.groups())
            assert Path(source).is_relative_to(allowed)
            self.files[target] = Path(source).read_text(encoding="utf-8")
            return [], -1
        if match := _REMOVE.fullmatch(sent.sql):
            del self.files[_plain(match[1])]
            return [], -1
        kind, parts, file = _translate(sent.sql)
        if kind is exp.Describe:
            return self._describe(parts[0]), -1
        if file is not None:
            self._read(file)
        try:
            for part in parts:
                cursor.execute(part, sent.parameters or None)
        except duckdb.CatalogException as error:
            raise ServerOperationError(f"[TABLE_OR_VIEW_NOT_FOUND] {error}") from None
        except duckdb.ConversionException as error:
            raise ServerOperationError(f"[CAST_INVALID_INPUT] {error}") from None
        if kind is exp.Select:
            return cursor.fetchall(), -1
        count = cursor.fetchall() if kind in (exp.Insert, exp.Update, exp.Delete) else []
        return [], self.told(count[0][0]) if count else -1

    def _describe(self, name: str) -> list[Any]:
        schema, table = exp.to_table(name, dialect="duckdb").db, exp.to_table(name, dialect="duckdb").name
        found = self._database.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = ? AND table_name = ? "
            "ORDER BY column_index",
            [schema or "main", table],
        ).fetchall()
        if not found:
            raise ServerOperationError(f"[TABLE_OR_VIEW_NOT_FOUND] The table or view {name} cannot be found.")
        others = self._described.get(table, {})
        rows = [(name, others.get(name) or _TYPES.get(type_, type_.lower()), None) for name, type_ in found]
        return [*rows, ("# Partition Information", "", ""), ("# col_name", "data_type", "comment")]

    def _read(self, file: str) -> None:
        self._database.execute("CREATE OR REPLACE TABLE main._file (value VARCHAR)")
        lines = [[line] for line in self.files[file].split("\n")[:-1]]
        if lines:
            self._database.executemany("INSERT INTO main._file VALUES (?)", lines)


class DatabricksHook:
    """As the one of Airflow's provider: with a connection, and without SQL."""

    def __init__(self, fake: FakeDatabricks, extra: dict[str, Any], conn_id: str = "databricks_default") -> None:
        self.fake = fake
        self.databricks_conn_id = conn_id
        self.databricks_conn = SimpleNamespace(extra_dejson=extra)


class DatabricksSqlHook(DatabricksHook):
    """As the one of Airflow's provider, whose connection is found by its id, and kept when it is closed."""

    def __init__(self, databricks_conn_id: str = "databricks_default", **arguments: Any) -> None:
        if "fake" in arguments:
            type(self).found = (arguments.pop("fake"), arguments.pop("extra"))
        super().__init__(*type(self).found, databricks_conn_id)
        self.arguments = arguments
        self._connection: Any = None

    found: tuple[FakeDatabricks, dict[str, Any]]

    def get_conn(self) -> Any:
        self._connection = self._connection or self.fake.connect(self.arguments)
        return self._connection


class _Connection:
    def __init__(self, fake: FakeDatabricks, session: duckdb.DuckDBPyConnection) -> None:
        self.fake = fake
        self.session = session
        self.allowed = fake.arguments[-1]["staging_allowed_local_path"]
        self.closed = False
        # No session is in UTC by itself.
        session.execute("SET TimeZone = 'America/New_York'")

    def cursor(self) -> Any:
        return _Cursor(self)

    def close(self) -> None:
        self.fake.open -= not self.closed
        self.closed = True


class _Cursor:
    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.rowcount = -1

    def execute(self, sql: str, parameters: list[Any] | None = None) -> None:
        assert not self._connection.closed
        sent = Sent(sql, list(parameters or ()))
        assert len(sent.parameters) <= 256
        self._rows, self.rowcount = self._connection.fake.run(self._connection.session, sent, self._connection.allowed)

    def fetchall(self) -> list[Any]:
        return self._rows


def _plain(literal: str) -> str:
    return re.sub(r"\\(.)", r"\1", literal)


# The same statements come again and again.
@cache
def _translate(sql: str) -> tuple[type[exp.Expression], tuple[str, ...], str | None]:
    """What kind of statement it is, what DuckDB does for it, and the file that it reads."""
    statement = Sent(sql).statement
    assert statement is not None
    if isinstance(statement, exp.Describe):
        return exp.Describe, (statement.this.sql("duckdb"),), None
    files = []

    def plain(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Func) and node.sql("databricks").startswith("FROM_JSON("):
            text, structure, options = node.expressions if isinstance(node, exp.Anonymous) else node.args.values()
            assert options.sql("databricks") == "MAP('mode', 'FAILFAST')"
            return exp.func("from_json_strict", text, exp.Literal.string(_STRUCTURES[structure.name]))
        if isinstance(node, exp.Table) and node.db == "text":
            files.append(node.name)
            return exp.to_table("main._file")
        return node

    parts = tuple(part.transform(plain).sql("duckdb") for part in _split(statement))
    return type(statement), parts, files[0] if files else None


def _split(statement: exp.Expression) -> list[exp.Expression]:
    """DuckDB adds one column a statement."""
    if not isinstance(statement, exp.Alter):
        return [statement]
    (added,) = statement.args["actions"]
    parts = []
    for column in added.expressions:
        part = statement.copy()
        part.set("actions", [column.copy()])
        parts.append(part)
    return parts
