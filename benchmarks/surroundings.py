"""An Airflow home, connections and processes for a measurement, and what can be read off a process."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CONNECTION = "raydocs_default"


@contextmanager
def private_airflow() -> Iterator[Path]:
    """A temporary folder for everything, and an Airflow home in it for all processes started meanwhile."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="raydocs-bench-") as folder:
        for name in list(os.environ):
            if name.lower().endswith("_proxy") or name.startswith(("AIRFLOW_CONN_", "AIRFLOW_VAR_")):
                del os.environ[name]
        os.environ |= {
            "AIRFLOW_HOME": f"{folder}/airflow",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",  # refusals and progress are counted, not told
            "HOME": folder,  # where a .netrc would be looked for
        }
        try:
            yield Path(folder)
        finally:
            os.environ.clear()
            os.environ |= before


def start_processes(number: int, url: str, token: str, requests_per_minute: int | None = None) -> ProcessPoolExecutor:
    """
    Fresh processes with a connection to a local Raydocs; they end with the executor, or when this process dies.

    :param requests_per_minute: as in the connection's extra; None leaves the default.
    """
    extra = {} if requests_per_minute is None else {"requests_per_minute": requests_per_minute}
    connection = {"conn_type": "raydocs", "host": url, "password": token, "extra": extra}
    return _start_processes(number, CONNECTION, connection)


def start_process(conn_id: str, connection: Mapping[str, Any]) -> ProcessPoolExecutor:
    """A fresh process with an Airflow connection; it ends with the executor, or when this process dies."""
    return _start_processes(1, conn_id, connection)


def _start_processes(number: int, conn_id: str, connection: Mapping[str, Any]) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(number, context, initializer=_settle_in, initargs=(conn_id, json.dumps(connection)))


def _settle_in(conn_id: str, connection: str) -> None:
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # Airflow may log there; standard output is for figures
    os.environ[f"AIRFLOW_CONN_{conn_id.upper()}"] = connection


def memory(name: str) -> int:
    """
    Read the memory of this process, in bytes.

    :param name: ``VmRSS`` for now, ``VmHWM`` for the most there ever was.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"Linux tells no {name} here.")


def seconds_without_processor() -> float:
    """How long this thread has been ready to run and had to wait for a processor, since it began."""
    return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9


def say(text: str) -> None:
    """Tell whoever waits what is going on; standard output is for figures."""
    print(text, file=sys.stderr, flush=True)


def as_uri(folder: Path) -> str:
    """The URI of a folder, with the slash that a ``results_path`` ends with."""
    return f"{folder.as_uri()}/"
