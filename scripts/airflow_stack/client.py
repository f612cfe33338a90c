"""The few calls of Airflow's REST API that driving a Dag run takes."""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

FINISHED_RUN = frozenset({"success", "failed"})


class StackError(Exception):
    """Something the demo stack needs did not work; the message is meant for the person at the terminal."""


@dataclass(frozen=True)
class TaskChange:
    """
    A task was seen in a new state.

    :param trigger: class of the trigger that the task is deferred to; empty when it is not.
    :param after: seconds since the run was triggered.
    """

    task_id: str
    state: str
    try_number: int
    trigger: str
    after: float


@dataclass(frozen=True)
class LogLine:
    """
    An entry of a task's log.

    :param logger: name of the class or module that wrote it.
    :param error: class and message of the exception it reports; empty for most.
    """

    logger: str
    level: str
    text: str
    error: str


class AirflowClient:
    """
    Talks to one Airflow on this machine.

    :param url: base URL of the API server.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._token = ""
        self._reported: set[PurePosixPath] = set()
        # A proxy set for the outside world has no way back to the loopback address.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(self, method: str, path: str, body: object = None) -> Any:
        """
        Make one request and return the parsed answer.

        :raises StackError: the answer was an error.
        :raises OSError: there was no answer.
        """
        request = urllib.request.Request(
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Content-Type": "application/json", "Accept": "application/json"},
        )
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        try:
            with self._opener.open(request, timeout=60) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            detail = error.read().decode(errors="replace")[:500]
            raise StackError(f"{method} {path} -> {error.code}: {detail}") from None

    def log_in(self, username: str, password: str) -> None:
        """Get a token; every later call carries it."""
        credentials = {"username": username, "password": password}
        self._token = self.call("POST", "/auth/token", credentials)["access_token"]

    def unhealthy(self) -> dict[str, str]:
        """Components that are not healthy, with what they say of themselves."""
        health = self.call("GET", "/api/v2/monitor/health")
        parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        states = {part: (health.get(part) or {}).get("status") or "not started" for part in parts}
        return {part: state for part, state in states.items() if state != "healthy"}

    def add_connection(self, **connection: object) -> None:
        """Create a connection: ``connection_id``, ``conn_type``, ``host``, ``password``, ..."""
        self.call("POST", "/api/v2/connections", connection)

    def has_dag(self, dag_id: str) -> bool:
        """
        Whether the Dag was parsed and can be triggered.

        Other files of the folder may need a newer Airflow: what they could not be imported for is printed, once.

        :raises StackError: the file that is named like the Dag could not be imported.
        """
        for error in self.call("GET", "/api/v2/importErrors")["import_errors"]:
            file = PurePosixPath(error["filename"])
            if file.stem == dag_id:
                raise StackError(f"{file}:\n{error['stack_trace']}")
            if file not in self._reported:
                self._reported.add(file)
                print(f"No Dag in {file}: {error['stack_trace'].strip().splitlines()[-1]}", file=sys.stderr)
        dags = self.call("GET", f"/api/v2/dags?dag_id_pattern={urllib.parse.quote(dag_id)}")["dags"]
        return any(dag["dag_id"] == dag_id for dag in dags)

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> str:
        """Start a run of the Dag now, with the ``conf`` it is to have, and return its id."""
        run = self.call("POST", f"/api/v2/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": conf or {}})
        return str(run["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """State of the run: queued, running, success or failed."""
        return str(self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{_quoted(run_id)}")["state"])

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Task instances of a run as the API gives them."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{_quoted(run_id)}/taskInstances"
        return list(self.call("GET", path)["task_instances"])

    def watch(self, dag_id: str, run_id: str, *, seconds: float) -> Iterator[TaskChange]:
        """
        Yield each change of a task's state until the run has finished.

        :param seconds: how long the run may take.
        :raises StackError: it took longer.
        """
        began = time.monotonic()
        seen: dict[tuple[str, int], str] = {}
        while True:
            # Asked before the tasks, so that their last states are not missed.
            finished = self.run_state(dag_id, run_id) in FINISHED_RUN
            for task in self.task_instances(dag_id, run_id):
                key, state = (task["task_id"], task["map_index"]), task["state"] or "waiting"
                if seen.get(key, "waiting") == state:
                    continue
                seen[key] = state
                trigger = (task["trigger"] or {}).get("classpath", "").rpartition(".")[2]
                after = time.monotonic() - began
                yield TaskChange(task["task_id"], state, task["try_number"], trigger, after)
            if finished:
                return
            if time.monotonic() - began > seconds:
                states = ", ".join(f"{task_id}: {state}" for (task_id, _), state in seen.items())
                raise StackError(f"the run did not finish within {seconds:.0f} seconds ({states})")
            time.sleep(0.5)

    def xcom(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """What a task returned."""
        task = f"/api/v2/dags/{dag_id}/dagRuns/{_quoted(run_id)}/taskInstances/{task_id}"
        return self.call("GET", f"{task}/xcomEntries/return_value?deserialize=true")["value"]

    def task_log(self, dag_id: str, run_id: str, task_id: str, try_number: int) -> list[LogLine]:
        """What a try of a task has logged so far."""
        task = f"/api/v2/dags/{dag_id}/dagRuns/{_quoted(run_id)}/taskInstances/{task_id}"
        entries = self.call("GET", f"{task}/logs/{try_number}?full_content=true")["content"]
        return [
            LogLine(entry.get("logger") or "", entry["level"], str(entry["event"]), _error_of(entry))
            for entry in entries
            # The others open and close groups or name the file.
            if entry.get("level") and not str(entry["event"]).startswith(("::group::", "::endgroup::"))
        ]


def _quoted(run_id: str) -> str:
    return urllib.parse.quote(run_id, safe="")


def _error_of(entry: dict[str, Any]) -> str:
    """The exception itself, without those that led to it."""
    errors = entry.get("error_detail") or [{}]
    return ": ".join(filter(None, (errors[0].get("exc_type"), errors[0].get("exc_value"))))
