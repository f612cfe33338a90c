"""
One deferrable task, run as Airflow runs it: the operator in a worker process, its trigger in a triggerer process.

The two processes have a budget each, as they have in Airflow; what passes between them passes as JSON.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import time
from dataclasses import dataclass, field
from typing import Any

from benchmarks.documents import make_template
from benchmarks.surroundings import start_processes
from raydocs_provider.emulator import Emulator
from raydocs_provider.emulator.front import STORAGE, LoggedRequest


@dataclass(frozen=True)
class Ran:
    """
    How a task went.

    :param seconds: from its start to its end, the hand-over between the processes included.
    :param cpu_seconds: of worker and triggerer together.
    :param requests: what the address sent meanwhile, refused ones included, uploads to the storage not.
    """

    manifest: dict[str, Any]
    seconds: float
    cpu_seconds: float
    deferred: bool
    requests: list[LoggedRequest]

    @property
    def extracted(self) -> int:
        """Documents that came out well."""
        return int(self.manifest["counts"]["extracted"])

    @property
    def refused(self) -> int:
        """Requests that were over the limit."""
        return sum(request.status == 429 for request in self.requests)


def run_task(raydocs: Emulator, requests_per_minute: int, arguments: dict[str, Any]) -> Ran:
    """
    Run a ``RaydocsExtractOperator`` to its end.

    :param arguments: of the operator, without its ``task_id`` and ``template_id``.
    """
    with (
        start_processes(1, raydocs.url, raydocs.token, requests_per_minute) as worker,
        start_processes(1, raydocs.url, raydocs.token, requests_per_minute) as triggerer,
    ):
        # Airflow's workers and triggerers have all of this loaded, and have been running for long.
        for loading in [process.submit(_load) for process in (worker, triggerer)]:
            loading.result()
        cpu_before = sum(process.submit(time.process_time).result() for process in (worker, triggerer))
        # The limit's first minute begins with a request: with these two, right before the task.
        arguments = arguments | {"template_id": make_template(raydocs)}
        at, began = time.time(), time.monotonic()
        done = worker.submit(_execute, arguments).result()
        deferred = "classpath" in done
        if deferred:
            event = triggerer.submit(_fire, done["classpath"], done["kwargs"]).result()
            done = worker.submit(_resume, arguments, done["method"], event).result()
        seconds = time.monotonic() - began
        cpu_after = sum(process.submit(time.process_time).result() for process in (worker, triggerer))
    return Ran(done["manifest"], seconds, cpu_after - cpu_before, deferred, api_requests(raydocs, since=at))


def api_requests(raydocs: Emulator, since: float) -> list[LoggedRequest]:
    """The requests that a limit of the API counts."""
    return [request for request in raydocs.requests() if request.at >= since and not request.path.startswith(STORAGE)]


@dataclass
class _TaskInstance:
    dag_id: str = "bench"
    run_id: str = "manual"
    task_id: str = "extract"
    map_index: int = -1
    try_number: int = 1
    max_tries: int = 0
    pushed: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


def _load() -> None:
    for name in ("hooks.raydocs_async", "hooks.watching", "hooks.submitting", "hooks.storage", "hooks.ledger_stores"):
        importlib.import_module(f"raydocs_provider.{name}")


def _operator(arguments: dict[str, Any]) -> Any:
    from raydocs_provider.operators.extract import RaydocsExtractOperator

    return RaydocsExtractOperator(task_id="extract", deferrable=True, **arguments)


def _context() -> Any:
    return {"ti": _TaskInstance(), "outlet_events": {}}


def _execute(arguments: dict[str, Any]) -> dict[str, Any]:
    try:
        from airflow.sdk.exceptions import TaskDeferred
    except ImportError:  # before Airflow 3.2
        from airflow.exceptions import TaskDeferred

    try:
        return {"manifest": _operator(arguments).execute(_context())}
    except TaskDeferred as deferred:
        classpath, kwargs = deferred.trigger.serialize()
        return {"classpath": classpath, "kwargs": json.loads(json.dumps(kwargs)), "method": deferred.method_name}


def _fire(classpath: str, kwargs: dict[str, Any]) -> Any:
    async def first_event() -> Any:
        module, _, name = classpath.rpartition(".")
        async for event in getattr(importlib.import_module(module), name)(**kwargs).run():
            return json.loads(json.dumps(event.payload))
        raise AssertionError("the trigger ended without an event")

    return asyncio.run(first_event())


def _resume(arguments: dict[str, Any], method: str, event: Any) -> dict[str, Any]:
    return {"manifest": getattr(_operator(arguments), method)(_context(), event=event)}
