"""
The process that is killed: runs the real operators and the real trigger the way Airflow would.

Its memory is a folder. What it finds there decides where it goes on, as the state of a task instance does in Airflow:
a deferral goes on in the trigger, a finished extraction with the load, everything else is a new try of the extraction.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import random
import signal
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.chaos.scenario import Scenario, SelfKill

# How a driver ends. Python itself ends with 1 after an error that nobody expected.
DONE, FAILED, ANSWER_LOST = 0, 10, 11
RETRIES = 40


@dataclass(frozen=True)
class Home:
    """The files of one run; they outlive the driver."""

    folder: Path

    @property
    def documents(self) -> Path:
        return self.folder / "documents"

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def warehouse(self) -> Path:
        return self.folder / "warehouse.db"

    @property
    def log(self) -> Path:
        return self.folder / "driver.log"

    def read(self, name: str) -> Any:
        """A JSON value; None if there is none."""
        path = self.folder / f"{name}.json"
        return json.loads(path.read_text()) if path.exists() else None

    def write(self, name: str, value: Any) -> None:
        """Keep a JSON value, whole or not at all; None forgets it."""
        path = self.folder / f"{name}.json"
        if value is None:
            path.unlink(missing_ok=True)
            return
        partial = path.with_suffix(".new")
        partial.write_text(json.dumps(value))
        partial.replace(path)


class DiskStore:
    """Behaves as ``context["task_state_store"]``, and outlives the process."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._home = Home(folder)

    def get(self, key: str, default: Any = None) -> Any:
        value = self._home.read(key)
        return default if value is None else value

    def set(self, key: str, value: Any) -> None:
        self._home.write(key, value)


@dataclass
class TaskInstance:
    """What operators use of the task instance they run as."""

    task_id: str
    try_number: int
    dag_id: str = "chaos"
    run_id: str = "manual"
    map_index: int = -1
    max_tries: int = RETRIES
    pushed: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = json.loads(json.dumps(value))


@dataclass(frozen=True)
class Start:
    """
    One start of the driver.

    :param number: the which one, from 0.
    :param step: ``run``, or after a run has ended ``extract`` or ``load`` once more.
    """

    scenario: Scenario
    home: Home
    url: str
    token: str
    template_id: str
    number: int
    step: str = "run"


def drive(start: Start) -> None:
    """Run until there is nothing left to do; ends the process."""
    log = os.open(start.home.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    _say(f"--- start {start.number}, {start.step}")
    _settle_in(start)
    from raydocs_provider.exceptions import RaydocsAmbiguousSubmitError, RaydocsError

    try:
        Driver(start).run()
    except RaydocsError as problem:
        _say(traceback.format_exc())
        os._exit(ANSWER_LOST if isinstance(problem, RaydocsAmbiguousSubmitError) else FAILED)
    os._exit(DONE)


def _say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


class Driver:
    """A Dag of two tasks, the second with ``trigger_rule="all_done"``."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._scenario = start.scenario
        self._home = start.home

    def run(self) -> None:
        """Go on where the files say."""
        if self._start.step == "extract":
            self._extract()
            return
        if self._start.step == "run" and self._home.read("extraction") is None:
            self._home.write("extraction", self._extract_or_give_up())
        self._load(self._home.read("extraction"))

    def _extract_or_give_up(self) -> Any:
        """The manifest; of the second try if documents failed and the first one was told to fail on that."""
        from raydocs_provider.exceptions import RaydocsExtractionError
        from tests.moved import XCOM_RETURN_KEY

        ti = self._task_instance("extract")
        try:
            return self._extract(ti)
        except RaydocsExtractionError:
            if self._home.read("failed_before") is None:
                self._home.write("failed_before", True)
                raise
            return ti.pushed[XCOM_RETURN_KEY]

    def _extract(self, ti: TaskInstance | None = None) -> Any:
        from tests.moved import TaskDeferred

        ti = ti or self._task_instance("extract")
        deferral = self._home.read("deferral")
        if deferral is None:
            try:
                return self._extract_operator().execute(self._context(ti))
            except TaskDeferred as deferred:
                classpath, arguments = deferred.trigger.serialize()
                deferral = {"classpath": classpath, "arguments": arguments, "method": deferred.method_name}
                self._home.write("deferral", deferral)
        event = asyncio.run(self._fire(self._home.read("deferral")))
        # From here on a worker runs: when that is killed, the task is tried again from its beginning.
        self._home.write("deferral", None)
        return getattr(self._extract_operator(), deferral["method"])(self._context(ti), event=event)

    async def _fire(self, deferral: dict[str, Any]) -> Any:
        """What a triggerer does with a row of its table."""
        module, _, name = deferral["classpath"].rpartition(".")
        trigger = getattr(importlib.import_module(module), name)(**deferral["arguments"])
        async for event in trigger.run():
            return json.loads(json.dumps(event.payload))
        raise AssertionError("the trigger ended without an event")

    def _load(self, extraction: Any) -> None:
        from raydocs_provider.transfers.raydocs_to_sql import RaydocsToSqlOperator

        operator = RaydocsToSqlOperator(task_id="load", extraction=extraction, conn_id="warehouse", table="invoices")
        operator.execute(self._context(self._task_instance("load")))

    def _extract_operator(self) -> Any:
        from raydocs_provider.operators.extract import RaydocsExtractOperator

        return RaydocsExtractOperator(
            task_id="extract",
            retries=RETRIES,
            template_id=self._start.template_id,
            documents=f"{self._home.documents.as_uri()}/*.png",
            results_path=f"{self._home.results.as_uri()}/" if self._scenario.spool else None,
            on_partial_failure=self._scenario.on_partial_failure,
            on_ambiguous_submit=self._scenario.on_ambiguous_submit,
            retry_failed=self._scenario.retry_failed,
            expected_seconds=0.1,
            timeout=300,
            deferrable=self._scenario.deferrable,
        )

    def _task_instance(self, task_id: str) -> TaskInstance:
        return TaskInstance(task_id, try_number=self._start.number + 1)

    def _context(self, ti: TaskInstance) -> Any:
        context: dict[str, Any] = {"ti": ti, "outlet_events": {}}
        if self._scenario.state_store:
            context["task_state_store"] = DiskStore(self._home.store)
        return context


def _settle_in(start: Start) -> None:
    """Give this process its connections, quick pauses, a clock of its own, and its end."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("AIRFLOW_CONN_"):
            del os.environ[name]
    os.environ["HOME"] = tempfile.tempdir = str(start.home.folder)
    _connect("raydocs_default", "raydocs", host=start.url, password=start.token, extra={"requests_per_minute": 10**6})
    _connect("warehouse", start.scenario.warehouse, host=str(start.home.warehouse))
    random.seed(start.scenario.seed * 1_000 + start.number)
    _quicken(start.scenario)
    _shift_clock(start.scenario, start.number)
    if start.step == "run":
        for kill in start.scenario.self_kills:
            _arm(kill, start.home)


def _connect(conn_id: str, conn_type: str, **fields: Any) -> None:
    os.environ[f"AIRFLOW_CONN_{conn_id.upper()}"] = json.dumps({"conn_type": conn_type, **fields})


def _quicken(scenario: Scenario) -> None:
    """The same decisions with shorter pauses, and smaller batches."""
    from raydocs_provider.api import retrying
    from raydocs_provider.extraction import budget, waiting
    from raydocs_provider.hooks import submitting
    from raydocs_provider.operators import extract
    from raydocs_provider.triggers import raydocs as triggers

    pace, batches, uniform = waiting.Pace, submitting.batches, random.uniform
    waiting.Pace = lambda *args, **more: replace(pace(*args, **more), poll_min=0.1)  # type: ignore
    submitting.batches = lambda items: batches(items, scenario.batch_size)  # type: ignore[assignment]
    retrying.MAX_BACKOFF_SECONDS = 0.1
    budget._FIRST_PAUSE_SECONDS = 0.01
    extract.BRIEF_LOOK_SECONDS = 0.2  # type: ignore[attr-defined]
    triggers.MIN_SECONDS_DEFERRED = 0.0
    random.uniform = lambda low, high: low + 0.05 * (uniform(low, high) - low)


def _shift_clock(scenario: Scenario, number: int) -> None:
    """Another time of day than Raydocs has, and from some moment on yet another."""
    real, started_at = time.time, time.monotonic()
    shift = scenario.clock_shifts[number % len(scenario.clock_shifts)]

    def shifted() -> float:
        jumped = time.monotonic() - started_at > scenario.clock_jumps_after
        return real() + shift + (scenario.clock_jump if jumped else 0.0)

    time.time = shifted


def _arm(kill: SelfKill, home: Home) -> None:
    """Count calls over all starts, and end this process at the one that was drawn."""
    from raydocs_provider.extraction.ledger import Ledger
    from raydocs_provider.extraction.spool import Spool
    from raydocs_provider.landing.lander import Lander
    from raydocs_provider.landing.row_files import Part

    places: dict[str, tuple[Any, str]] = {
        "ledger": (Ledger, "_write"),
        "file": (Spool, "_write"),
        "read": (Spool, "read_session"),
        # Asked for a table whose old rows are deleted and whose new ones are not there yet.
        "replace": (Part, "path"),
        "land": (Lander, "land"),
    }
    _count_down(*places[kill.where], kill, home)


def _count_down(owner: Any, name: str, kill: SelfKill, home: Home) -> None:
    original: Callable[..., Any] = getattr(owner, name)
    counter = f"calls-{kill.where}"

    def counted(*args: Any, **more: Any) -> Any:
        calls = (home.read(counter) or 0) + 1
        home.write(counter, calls)
        if calls == kill.number and kill.when == "before":
            _end(kill, home)
        value = original(*args, **more)
        if calls == kill.number and kill.when == "after":
            _end(kill, home)
        return value

    setattr(owner, name, counted)


def _end(kill: SelfKill, home: Home) -> None:
    home.write(f"killed-{kill.where}", True)
    os.kill(os.getpid(), signal.SIGKILL)
