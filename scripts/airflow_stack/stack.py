"""A whole Airflow and a local Raydocs on this machine, started for one purpose and gone after it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from scripts.airflow_stack.client import AirflowClient, StackError
from scripts.airflow_stack.warden import POLITE_SECONDS, kill_session

BOOT_SECONDS = 240.0
TAIL_LINES = 25

Found = TypeVar("Found")


class AirflowStack:
    """
    A context manager: inside it an Airflow with scheduler, triggerer, Dag processor and API server runs
    against a Raydocs emulator; after it, whatever happened, none of their processes is left.

    Everything lives in one private folder: settings, SQLite metadata, logs, results and the DuckDB warehouse.
    It is removed at the end, unless an error ended the block: then the logs in it are what one needs.

    :param dags_folder: Airflow's Dags folder.
    :param dag_ids: Dags to wait for before the stack counts as started.
    :param emulator_options: more arguments for ``python -m raydocs_provider.emulator``.
    :param viewers: names of users who may look and change nothing; their passwords are in ``passwords``.
    :param python: the interpreter whose Airflow and whose Raydocs provider run. Default: this one.
    :param settings: more environment for all processes, of Airflow's own settings as well.
    :param report: called with each step of the start-up, as a sentence.
    """

    def __init__(
        self,
        dags_folder: Path,
        *,
        dag_ids: Sequence[str] = (),
        emulator_options: Sequence[str] = (),
        viewers: Sequence[str] = (),
        python: Path = Path(sys.executable),
        settings: Mapping[str, str] | None = None,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="raydocs-airflow-"))
        self.logs = self.folder / "logs"
        self.warehouse = self.folder / "warehouse.duckdb"
        self.results = self.folder / "results"
        self.username = "admin"
        self.passwords = {name: secrets.token_urlsafe(9) for name in (self.username, *viewers)}
        self.password = self.passwords[self.username]
        self.raydocs_url = ""
        self.raydocs_token = f"rd_local_{secrets.token_urlsafe(24)}"
        self._dags_folder = dags_folder.resolve()
        self._dag_ids = dag_ids
        self._emulator_options = emulator_options
        self.python = python
        self._more_settings = settings or {}
        self._report = report
        self._bin = python.parent
        self._main_log = "standalone"
        port, self._worker_log_port, self._triggerer_log_port = free_ports(3)
        self.client = AirflowClient(f"http://127.0.0.1:{port}")
        self._warden: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where the Airflow UI is."""
        return self.client.url

    def command_environment(self) -> dict[str, str]:
        """Environment in which a command is one of this Airflow."""
        return self._settings()

    def __enter__(self) -> AirflowStack:
        try:
            self._start()
        except BaseException as error:
            self._end(error)
            raise
        return self

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        self.stop()
        if isinstance(error, Exception):
            self._report(f"The logs are in {self.logs}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> None:
        for folder in (self.logs, self.results):
            folder.mkdir()
        self._write_password()
        self._prepare()
        self._warden = subprocess.Popen(
            [sys.executable, "-m", "scripts.airflow_stack.warden", json.dumps(self._commands())],
            cwd=Path(__file__).parents[2],
            env=self._settings(),
            stdin=subprocess.PIPE,
        )
        self.raydocs_url = self._wait_for("the Raydocs emulator", self._read_raydocs_url, seconds=60)
        self._report(f"Raydocs emulator: {self.raydocs_url}")
        self._wait_for("Airflow", lambda: not self.client.unhealthy(), seconds=BOOT_SECONDS)
        self._report(f"Airflow: {self.url} (scheduler, triggerer, Dag processor and API server are healthy)")
        self.client.log_in(self.username, self.password)
        self._connect()
        for dag_id in self._dag_ids:
            self._wait_for(f"Dag {dag_id}", partial(self.client.has_dag, dag_id), seconds=90)

    def _prepare(self) -> None:
        """What has to be there before the processes start; nothing for `airflow standalone`."""

    def _commands(self) -> list[dict[str, object]]:
        return [
            self._emulator(),
            self._command("standalone", [str(self._bin / "airflow"), "standalone"]),
        ]

    def _emulator(self) -> dict[str, object]:
        emulator = [str(self.python), "-m", "raydocs_provider.emulator", "--port", "0", "--admin"]
        emulator += ["--token", self.raydocs_token]
        return self._command("emulator", [*emulator, *self._emulator_options])

    def _command(self, name: str, command: list[str]) -> dict[str, object]:
        # Not in the source tree, where Python would find the package before the one that is installed.
        return {"command": command, "cwd": str(self.folder), "log": str(self._log(name))}

    def _write_password(self) -> None:
        file = self.folder / "simple_auth_manager_passwords.json.generated"
        file.touch(mode=0o600)
        file.write_text(json.dumps(self.passwords))

    def _settings(self) -> dict[str, str]:
        """Environment of all processes: this one's without its own Airflow settings, plus ours."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        # Without .pyc files each of Airflow's processes would spend seconds compiling at its start.
        inherited.pop("PYTHONDONTWRITEBYTECODE", None)
        direct = os.environ.get("NO_PROXY") or os.environ.get("no_proxy")
        no_proxy = ",".join(filter(None, [direct, "127.0.0.1", "localhost"]))
        return {
            **inherited,
            # `airflow standalone` looks its parts up in PATH.
            "PATH": os.pathsep.join([str(self._bin), os.environ.get("PATH", os.defpath)]),
            "NO_PROXY": no_proxy,
            "no_proxy": no_proxy,
            "NO_COLOR": "1",
            "AIRFLOW_HOME": str(self.folder),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self._dags_folder),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(
                f"{name}:{'admin' if name == self.username else 'viewer'}" for name in self.passwords
            ),
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": self.url.rpartition(":")[2],
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.logs),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(self._worker_log_port),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(self._triggerer_log_port),
            "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "AIRFLOW_VAR_RAYDOCS_RESULTS": self.results.as_uri(),
            **self._more_settings,
        }

    def _connect(self) -> None:
        """Create the two connections of the example Dags, where the UI shows them."""
        self.client.add_connection(
            connection_id="raydocs_default",
            conn_type="raydocs",
            description="The local Raydocs emulator",
            host=self.raydocs_url,
            password=self.raydocs_token,
        )
        self.client.add_connection(
            connection_id="warehouse",
            conn_type="duckdb",
            description="The DuckDB file that results are landed in",
            host=str(self.warehouse),
        )

    def _log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def _read_raydocs_url(self) -> str:
        with self._log("emulator").open() as log:
            line = log.readline().strip()
        return line if line.startswith("http") else ""

    def _wait_for(self, what: str, look: Callable[[], Found], *, seconds: float) -> Found:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._warden is None or self._warden.poll() is not None:
                raise StackError(f"{what} did not start. {self.last_words()}")
            with suppress(OSError):  # no file yet, nobody listens yet
                if found := look():
                    return found
            time.sleep(0.3)
        raise StackError(f"{what} was not ready after {seconds:.0f} seconds. {self.last_words()}")

    def last_words(self) -> str:
        """End of what Airflow printed, or the emulator if it never came up."""
        log = self._log(self._main_log if self.raydocs_url else "emulator")
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return f"End of {log.name}:\n" + "\n".join(f"    {line}" for line in lines[-TAIL_LINES:])

    def wait(self) -> None:
        """
        Stay until the program is interrupted.

        :raises StackError: Airflow or the emulator ended by itself.
        """
        if self._warden is not None:
            self._warden.wait()
            raise StackError(f"A process ended by itself. {self.last_words()}")

    def stop(self) -> None:
        """End all processes; the folder stays."""
        if self._warden is None:
            return
        warden, self._warden = self._warden, None
        if warden.stdin:
            warden.stdin.close()
        try:
            warden.wait(timeout=POLITE_SECONDS + 10)
        except subprocess.TimeoutExpired:
            warden.kill()
            warden.wait()
        if warden.returncode < 0:  # killed: it could not finish its work
            kill_session(warden.pid)


def free_ports(count: int) -> list[int]:
    """Ports on the loopback address that nobody listens on at the moment."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


def exit_on_termination() -> None:
    """Let SIGTERM and SIGHUP unwind the program as Ctrl-C does, so that it stops what it started."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda signum, _: sys.exit(128 + signum))
