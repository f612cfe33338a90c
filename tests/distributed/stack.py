"""An Airflow of many processes that can be killed, frozen and replaced one by one."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from scripts.airflow_stack.client import StackError
from scripts.airflow_stack.stack import AirflowStack, free_ports
from tests.distributed.environment import Environment
from tests.distributed.raydocs import RaydocsLog
from tests.distributed.services import Broker, Database

API_SERVER, SCHEDULER, DAG_PROCESSOR, TRIGGERER = "api-server", "scheduler", "dag-processor", "triggerer"
WORKERS = ("worker-1", "worker-2")
TASKS_PER_WORKER = 3
POOL = "raydocs"
AWS = {"login": "test", "password": "hunter2-hunter2"}
# Long enough for every fault to find sessions open.
EMULATOR = ("--rate-limit", "0", "--parse-seconds", "1-2", "--extract-seconds", "40-50", "--seed", "1")


class DistributedStack(AirflowStack):
    """
    As :class:`AirflowStack`, with CeleryExecutor.

    :param heartbeat_timeout: ``[scheduler] task_instance_heartbeat_timeout``, in seconds.
    :param wheels: of this tree, and of the release before it where that is at hand.
    """

    def __init__(
        self,
        environment: Environment,
        databases: tuple[Database, Database],
        broker: Broker,
        *,
        dag_ids: Sequence[str],
        heartbeat_timeout: int,
        wheels: tuple[Path, Path | None],
        report: Callable[[str], None],
    ) -> None:
        super().__init__(Path(__file__).with_name("dags"), dag_ids=dag_ids, emulator_options=EMULATOR, report=report)
        self.environment = environment
        self.metadata, self.warehouse_database = databases
        self.heartbeat_timeout = heartbeat_timeout
        self.wheel_now, self.wheel_before = wheels
        self.inbox = self.folder / "inbox"
        self._bin = environment.bin
        self._main_log = API_SERVER
        self._broker = broker
        self._starts: dict[str, int] = {}
        (s3_port,) = free_ports(1)
        self.s3_url = f"http://127.0.0.1:{s3_port}"
        self._keys = {
            "AIRFLOW__CORE__FERNET_KEY": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "AIRFLOW__API__SECRET_KEY": secrets.token_urlsafe(32),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(64),
        }

    # --- what AirflowStack asks for

    def _prepare(self) -> None:
        self.inbox.mkdir()
        self._report("Making the metadata database ...")
        done = self.airflow("db", "migrate")
        if done.returncode:
            raise StackError(f"airflow db migrate failed.\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")

    def _commands(self) -> list[dict[str, object]]:
        s3 = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", self.s3_url.rpartition(":")[2]]
        return [
            self._emulator(),
            {"command": s3, "log": str(self._log("s3"))},
            *(self._process(name) for name in (API_SERVER, SCHEDULER, DAG_PROCESSOR, TRIGGERER, *WORKERS)),
        ]

    def _process(self, name: str) -> dict[str, object]:
        """How to start one of Airflow's processes; the n-th start of a name writes a log of its own."""
        self._starts[name] = self._starts.get(name, 0) + 1
        command = [str(self._bin / "airflow"), name]
        if name == TRIGGERER:
            command.append("--skip-serve-logs")
        elif name.startswith("worker"):
            host = f"{name}-{self._starts[name]}@localhost"
            command[1:] = ["celery", "worker", "--skip-serve-logs", "--without-gossip", "--without-mingle"]
            command += ["--concurrency", str(TASKS_PER_WORKER), "--celery-hostname", host]
            command += ["--pid", str(self.folder / f"{name}-{self._starts[name]}.celery")]
        return {
            "command": command,
            "log": str(self.log_of(name)),
            # Not in the tree: what runs here is the wheel.
            "cwd": str(self.folder),
            "pid_file": str(self._pid_file(name)),
            "expendable": True,
        }

    def _settings(self) -> dict[str, str]:
        database = self.metadata.url("postgresql+psycopg2")
        return {
            **super()._settings(),
            **self._keys,
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CORE__PARALLELISM": "16",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": self.metadata.url("postgresql+asyncpg"),
            "AIRFLOW__CELERY__BROKER_URL": self._broker.url,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{database}",
            "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__GLOBAL_KEYPREFIX": self._broker.prefix,
            "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "86400",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(self.heartbeat_timeout),
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
            # A task whose message went down with a worker is queued again after this.
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "60",
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "10",
            "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "20",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "20",
        }

    def _connect(self) -> None:
        self.connect_raydocs("raydocs_default")
        self.client.add_connection(
            connection_id="warehouse",
            conn_type="postgres",
            host=self.warehouse_database.host,
            port=self.warehouse_database.port,
            login=self.warehouse_database.user,
            schema=self.warehouse_database.name,
        )
        extra = json.dumps({"endpoint_url": self.s3_url, "region_name": "us-east-1"})
        self.client.add_connection(connection_id="aws_lake", conn_type="aws", extra=extra, **AWS)
        self._wait_for("the S3", self._make_bucket, seconds=60)
        for name in WORKERS:
            self.wait_for_worker(name)
        self._report(f"Celery: {len(WORKERS)} workers with {TASKS_PER_WORKER} tasks each")
        pool = {"name": POOL, "slots": 1, "include_deferred": False}
        self.client.call("POST", "/api/v2/pools", pool)

    def connect_raydocs(self, connection_id: str, **extra: object) -> None:
        """Make a connection to the emulator."""
        self.client.add_connection(
            connection_id=connection_id,
            conn_type="raydocs",
            host=self.raydocs_url,
            password=self.raydocs_token,
            extra=json.dumps({"requests_per_minute": 6000, **extra}),
        )

    def _make_bucket(self) -> bool:
        import boto3
        from botocore.exceptions import BotoCoreError

        with suppress(BotoCoreError):
            keys = {"aws_access_key_id": AWS["login"], "aws_secret_access_key": AWS["password"]}
            client = boto3.client("s3", endpoint_url=self.s3_url, region_name="us-east-1", **keys)
            client.create_bucket(Bucket="lake")
            return True
        return False

    # --- what the scenarios do

    @property
    def raydocs(self) -> RaydocsLog:
        """What the emulator was asked."""
        return RaydocsLog(self.raydocs_url, self.raydocs_token)

    def airflow(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run an ``airflow`` command to its end."""
        return subprocess.run(
            [str(self._bin / "airflow"), *arguments],
            cwd=self.folder,
            env=self._settings(),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def start(self, name: str) -> None:
        """Start a process that was stopped, or a node in the place of a lost one."""
        assert self._warden is not None
        assert self._warden.stdin is not None
        self._pid_file(name).unlink(missing_ok=True)
        self._warden.stdin.write(json.dumps(self._process(name)).encode() + b"\n")
        self._warden.stdin.flush()
        self.wait_until(f"{name} starts", lambda: self._pid(name) is not None, seconds=30)
        if name.startswith("worker"):
            self.wait_for_worker(name)

    def stop_process(self, name: str, *, seconds: float = 60) -> None:
        """Stop a process as a deployment does, and wait for its end."""
        process = self.process(name)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(seconds)
        except psutil.TimeoutExpired:
            self.kill(name)

    def kill(self, name: str) -> None:
        """What the loss of a machine does to a process and all that it started."""
        for process in self.family(name):
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def family(self, name: str) -> list[psutil.Process]:
        """A process and all below it, the youngest generation first."""
        process = self.process(name)
        return [*reversed(process.children(recursive=True)), process]

    def process(self, name: str) -> psutil.Process:
        """
        One of Airflow's processes.

        :raises StackError: when it has ended by itself.
        """
        pid = self._pid(name)
        try:
            return psutil.Process(pid)
        except psutil.NoSuchProcess:
            raise StackError(f"{name} ended by itself; see {self.log_of(name)}") from None

    def log_of(self, name: str) -> Path:
        """What the process of the last start printed."""
        return self._log(f"{name}-{self._starts[name]}")

    def _pid_file(self, name: str) -> Path:
        return self.folder / f"{name}.pid"

    def _pid(self, name: str) -> int | None:
        with suppress(OSError, ValueError):
            return int(self._pid_file(name).read_text())
        return None

    def wait_for_worker(self, name: str) -> None:
        """Wait until a worker takes tasks."""
        self.wait_until(f"{name} is ready", lambda: "ready." in self.log_of(name).read_text(), seconds=120)

    def wait_until(self, what: str, look: Callable[[], Any], *, seconds: float) -> Any:
        """
        Wait until something is true, and return what was seen.

        :raises StackError: when it takes longer.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if seen := look():
                return seen
            time.sleep(0.2)
        raise StackError(f"{what}: not within {seconds:.0f} seconds")

    def set_pool(self, slots: int, *, include_deferred: bool = False) -> None:
        """How many extractions may run at once."""
        body = {"name": POOL, "slots": slots, "include_deferred": include_deferred}
        self.client.call("PATCH", f"/api/v2/pools/{POOL}", body)

    def set_variable(self, key: str, value: str) -> None:
        """Make or change an Airflow variable."""
        body = {"key": key, "value": value}
        try:
            self.client.call("PATCH", f"/api/v2/variables/{key}", body)
        except StackError:
            self.client.call("POST", "/api/v2/variables", body)

    def query(self, sql: str, *parameters: object, warehouse: bool = False) -> list[Any]:
        """Rows of the metadata database, or of the warehouse."""
        database = self.warehouse_database if warehouse else self.metadata
        with database.connect() as connection:
            return connection.execute(sql, parameters).fetchall()  # type: ignore[arg-type]
