"""
How a run can end, and what the next attempt makes of it. One test for each row of ``docs/failures.md``.

The ends that need a process to die (SIGKILL at any request) are in ``tests/chaos``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from airflow.sdk.exceptions import AirflowRuntimeError

from raydocs_provider.api.models import Template
from raydocs_provider.emulator import Emulator
from raydocs_provider.emulator.front import LoggedRequest
from raydocs_provider.exceptions import (
    RaydocsAmbiguousSubmitError,
    RaydocsAuthenticationError,
    RaydocsDeadlineError,
    RaydocsExtractionError,
    RaydocsManifestError,
    RaydocsServerError,
    RaydocsSupersededError,
)
from raydocs_provider.extraction.manifest import EXTRACTED, FAILED, SUBMITTED, Manifest
from raydocs_provider.extraction.spool import load_manifest
from raydocs_provider.hooks import submitting, watching
from raydocs_provider.hooks.raydocs import RaydocsHook
from raydocs_provider.hooks.storage import open_spool
from raydocs_provider.landing.warehouses.sqlite import SqliteWarehouse
from raydocs_provider.operators.raydocs import RaydocsExtractOperator
from raydocs_provider.transfers.raydocs_to_sql import RaydocsToSqlOperator
from raydocs_provider.triggers import raydocs as triggers
from tests.integration.conftest import (
    CORRUPT,
    GOOD,
    ROOT,
    SCHEMA,
    Task,
    billed,
    fire,
    looks,
    requests_to,
    stored_and_back,
    uris,
)
from tests.integration.test_operators import numbers, printed_numbers
from tests.moved import XCOM_RETURN_KEY, AirflowTaskTimeout, TaskDeferred

pytestmark = pytest.mark.usefixtures("no_pauses", "no_brief_look")

BATCH = "/sessions/batch$"
LOOK = "/extractions/sessions/[^/]*$"
both_modes = pytest.mark.parametrize("deferrable", [False, True], ids=["sync", "deferred"])


class StateStore:
    """Keeps JSON, as ``context["task_state_store"]`` does from Airflow 3.3 on."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def get(self, key: str, default: Any = None) -> Any:
        return json.loads(self._values[key]) if key in self._values else default

    def set(self, key: str, value: Any) -> None:
        self._values[key] = json.dumps(value)


class TaskRun:
    """
    One task instance over its attempts.

    :param store: the state store; None stands for an Airflow before 3.3.
    :param arguments: of the operator, for every attempt that says nothing else.
    """

    def __init__(self, template: Template, store: StateStore | None, **arguments: Any) -> None:
        self.store = store
        self.ti = Task(task_id="extract", max_tries=3)
        self.template = template
        self.arguments = arguments
        self.operator: RaydocsExtractOperator

    def attempt(self, **changed: Any) -> Manifest:
        """Run the task once, through its deferral if it defers."""
        try:
            written = self.make(**changed).execute(self.context)
        except TaskDeferred as deferred:
            event = fire(stored_and_back(deferred.trigger))  # type: ignore[arg-type]
            written = self.make(**changed).execute_complete(self.context, event)
        return self.read(written)

    def fails(self, error: type[BaseException], **changed: Any) -> Manifest | None:
        """Run the task once and see it fail; returns the manifest it left."""
        self.ti.pushed.clear()
        with pytest.raises(error):
            self.attempt(**changed)
        pushed = self.ti.pushed.get(XCOM_RETURN_KEY)
        return self.read(pushed) if pushed else None

    def clear(self) -> None:
        """What Airflow does when somebody clears the task: the tries start over, the store stays."""
        self.ti.max_tries += 1

    @property
    def context(self) -> Any:
        return self.ti.context | ({"task_state_store": self.store} if self.store else {})

    @staticmethod
    def read(written: Any) -> Manifest:
        return load_manifest(written, open_spool(written["results_path"]))

    def make(self, **changed: Any) -> RaydocsExtractOperator:
        """The operator of an attempt."""
        usual: dict[str, Any] = {
            "task_id": "extract",
            "retries": 3,
            "template_id": self.template.id,
            "expected_seconds": 0.1,
            "timeout": 60,
        }
        self.operator = RaydocsExtractOperator(**{**usual, **self.arguments, **changed})
        return self.operator


@pytest.fixture(params=["state store", "files"])
def store(request: pytest.FixtureRequest) -> StateStore | None:
    """Where the ledger is: Airflow's state store, or for older ones ``results_path``."""
    return StateStore() if request.param == "state store" else None


@pytest.fixture
def task(template: Template, store: StateStore | None, results_path: str) -> TaskRun:
    return TaskRun(template, store, documents=uris(GOOD[:4]), results_path=results_path)


@pytest.fixture
def batches_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitting.batches, "__defaults__", (2,))


class Bell(deque[LoggedRequest]):
    """A request log that rings once: a request is logged when it has taken effect, and before it is answered."""

    def __init__(self, logged: Iterable[LoggedRequest], path: str, rings: Callable[[], bool]) -> None:
        super().__init__(logged)
        self._path, self._rings, self._rung = path, rings, False

    def append(self, logged: LoggedRequest) -> None:
        super().append(logged)
        if not self._rung and re.search(self._path, logged.path) and self._rings():
            self._rung = True
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(0.2)  # the answer waits until the task is gone


@contextmanager
def ended_at(emulator: Emulator, path: str, nth: int = 1, *, once: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """
    Raise ``AirflowTaskTimeout`` in the task after a request, from a signal handler as Airflow does.

    :param nth: which of the requests to the path.
    :param once: those before this holds do not count.
    """
    requests = count(1)

    def ring(*_: object) -> None:
        raise AirflowTaskTimeout("execution_timeout")

    handler = signal.signal(signal.SIGUSR1, ring)
    emulator._front.log = Bell(emulator._front.log, path, lambda: once() and next(requests) == nth)
    try:
        yield
    finally:
        emulator._front.log = deque(emulator._front.log)
        signal.signal(signal.SIGUSR1, handler)


def on_file(results_path: str) -> set[str]:
    """The sessions under ``results_path``."""
    return {path.stem for path in Path(urlsplit(results_path).path).glob("[!_.]*.json")}


def all_extracted(manifest: Manifest, count: int = 4) -> bool:
    return manifest.states == {EXTRACTED: count} and len({record.session_id for record in manifest.documents}) == count


# --- the attempt ends before everything is submitted


def test_ended_while_uploading_the_next_attempt_submits_each_document_once(
    task: TaskRun, emulator: Emulator, batches_of_two: None
) -> None:
    """Row 1."""
    with ended_at(emulator, "/__storage__/", nth=3):
        task.fails(AirflowTaskTimeout)
    assert billed(emulator) == 2
    assert all_extracted(task.attempt())
    assert billed(emulator) == 4


def test_an_attempt_after_the_upgrade_to_airflow_3_3_goes_on_with_the_ledger_in_files(
    template: Template, emulator: Emulator, results_path: str, batches_of_two: None
) -> None:
    task = TaskRun(template, None, documents=uris(GOOD[:4]), results_path=results_path)
    with ended_at(emulator, "/__storage__/", nth=3):
        task.fails(AirflowTaskTimeout)
    task.store = StateStore()
    assert all_extracted(task.attempt())
    assert billed(emulator) == 4
    shutil.rmtree(Path(urlsplit(results_path).path))
    assert all_extracted(task.attempt()), "the state store has it all from then on"
    assert billed(emulator) == 4


@pytest.mark.parametrize("on_ambiguous_submit", ["fail", "resubmit"])
def test_ended_while_submitting_the_next_attempt_reports_one_batch_or_submits_it_again(
    task: TaskRun, emulator: Emulator, batches_of_two: None, on_ambiguous_submit: str
) -> None:
    """Row 2."""
    with ended_at(emulator, BATCH, nth=2):
        task.fails(AirflowTaskTimeout)
    if on_ambiguous_submit == "resubmit":
        assert all_extracted(task.attempt(on_ambiguous_submit="resubmit"))
        assert billed(emulator) == 4 + 2
        return
    left = task.fails(RaydocsExtractionError)
    assert left is not None
    assert left.states == {EXTRACTED: 2, FAILED: 2}
    assert {record.code for record in left.in_state(FAILED)} == {"ambiguous_submit"}
    assert billed(emulator) == 4


def test_a_lost_answer_is_ambiguous_until_somebody_says_to_submit_again(task: TaskRun, emulator: Emulator) -> None:
    """Row 3."""
    emulator.add_fault("drop", path=BATCH, after=True)
    task.fails(RaydocsAmbiguousSubmitError)
    task.fails(RaydocsExtractionError)
    assert billed(emulator) == 4
    assert all_extracted(task.attempt(on_ambiguous_submit="resubmit"))
    assert all_extracted(task.attempt())
    assert billed(emulator) == 4 + 4


def test_a_refused_batch_costs_nothing_and_is_submitted_by_the_next_attempt(
    task: TaskRun, emulator: Emulator, batches_of_two: None
) -> None:
    """Row 4."""
    emulator.add_fault("answer", path=BATCH, status=422, body={"message": "The files field is invalid."})
    left = task.fails(RaydocsExtractionError)
    assert left is not None
    assert {record.code for record in left.in_state(FAILED)} == {"batch_refused"}
    assert all_extracted(task.attempt())
    assert billed(emulator) == 4


def test_a_token_refused_between_batches_loses_nothing(task: TaskRun, emulator: Emulator, batches_of_two: None) -> None:
    """Row 5."""
    emulator.add_fault("answer", path=BATCH, nth=2, status=401)
    task.fails(RaydocsAuthenticationError)
    assert all_extracted(task.attempt())
    assert billed(emulator) == 4


def test_a_file_that_could_not_be_uploaded_is_uploaded_by_the_next_attempt(
    task: TaskRun, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 6."""
    monkeypatch.setattr("tenacity.wait.random.uniform", lambda low, high: low)
    monkeypatch.setattr(submitting, "_THREADS", 1)
    emulator.add_fault("answer", path="^/__storage__/", count=3, status=503)
    left = task.fails(RaydocsExtractionError)
    assert left is not None
    assert left.states == {EXTRACTED: 3, FAILED: 1}
    assert [record.code for record in left.in_state(FAILED)] == ["upload_failed"]
    assert all_extracted(task.attempt())
    assert billed(emulator) == 4


# --- the attempt is frozen, and goes on when its successor has begun


class OldAttemptStore(StateStore):
    """What the state store is to an attempt whose task instance has been given to another one."""

    def get(self, key: str, default: Any = None) -> Any:
        return default  # the task instance is not found, which the SDK takes for a key that is not there

    def set(self, key: str, value: Any) -> None:
        raise AirflowRuntimeError(
            SimpleNamespace(  # type: ignore[arg-type]
                error=SimpleNamespace(value="API_SERVER_ERROR"),
                detail={"status_code": 404, "detail": {"reason": "not_found"}},
            )
        )


@pytest.mark.parametrize("frozen_at", [1, 2, 3, 4])
@pytest.mark.parametrize("cleared", [False, True], ids=["retried", "cleared"])
def test_a_thawed_attempt_submits_nothing_when_its_successor_has_begun(
    task: TaskRun,
    emulator: Emulator,
    batches_of_two: None,
    monkeypatch: pytest.MonkeyPatch,
    frozen_at: int,
    cleared: bool,
) -> None:
    """Row 23."""
    upload, uploads = RaydocsHook.upload, count(1)
    old = replace(task.ti, pushed={})
    task.ti.next_try()

    def freeze(hook: RaydocsHook, source: Any) -> Any:
        if next(uploads) != frozen_at:
            return upload(hook, source)
        if cleared:
            task.clear()
        assert all_extracted(task.attempt())
        if task.store:
            monkeypatch.setattr(type(task.store), "get", OldAttemptStore.get)
            monkeypatch.setattr(type(task.store), "set", OldAttemptStore.set)
        return upload(hook, source)

    monkeypatch.setattr(submitting, "_THREADS", 1)
    monkeypatch.setattr(RaydocsHook, "upload", freeze)
    with pytest.raises(RaydocsSupersededError, match="stops before it submits, and pays for, anything more") as ended:
        task.make().execute(task.context | {"ti": old})
    assert ended.value.__cause__ is None
    assert ended.value.__suppress_context__ or ended.value.__context__ is None
    before = 2 if frozen_at > 2 else 0
    assert billed(emulator) == 4 + (before if cleared else 0)
    monkeypatch.undo()


def test_an_attempt_that_may_push_nothing_any_more_still_says_what_ended_it(
    task: TaskRun, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow takes no XCom of an attempt that it has given up; its errors are not shown instead of ours."""

    def refuse(self: Task, key: str, value: Any) -> None:
        raise AirflowRuntimeError(SimpleNamespace(error=SimpleNamespace(value="API_SERVER_ERROR"), detail={}))  # type: ignore[arg-type]

    monkeypatch.setattr(Task, "xcom_push", refuse)
    emulator.add_fault("answer", path=LOOK, nth=2, status=401)
    with pytest.raises(RaydocsAuthenticationError) as ended:
        task.attempt()
    assert not isinstance(ended.value.__context__, AirflowRuntimeError)


def test_a_thawed_attempt_that_only_begins_now_submits_nothing(task: TaskRun, emulator: Emulator) -> None:
    old = replace(task.ti, pushed={})
    task.ti.next_try()
    assert all_extracted(task.attempt())
    store = OldAttemptStore() if task.store else None
    with pytest.raises(RaydocsSupersededError):
        task.make().execute(old.context | ({"task_state_store": store} if store else {}))
    assert billed(emulator) == 4


# --- the attempt ends while it waits


def test_ended_while_waiting_the_next_attempt_goes_on(task: TaskRun, emulator: Emulator, results_path: str) -> None:
    """Row 7."""
    with ended_at(emulator, LOOK, once=lambda: len(on_file(results_path)) == 2):
        task.fails(AirflowTaskTimeout)
    seen, known = len(looks(emulator)), on_file(results_path)
    assert all_extracted(task.attempt())
    assert billed(emulator) == 4
    assert known.isdisjoint(looks(emulator)[seen:]), "what is on file is not looked at again"


def test_a_restarted_triggerer_looks_at_what_is_left(task: TaskRun, emulator: Emulator, results_path: str) -> None:
    """Row 8."""
    with pytest.raises(TaskDeferred) as deferred:
        task.make(deferrable=True).execute(task.context)
    trigger = deferred.value.trigger
    with ended_at(emulator, LOOK, once=lambda: len(on_file(results_path)) == 2), pytest.raises(AirflowTaskTimeout):
        fire(stored_and_back(trigger))  # type: ignore[arg-type]
    seen, known = len(looks(emulator)), on_file(results_path)
    event = fire(stored_and_back(trigger))  # type: ignore[arg-type]
    assert all_extracted(task.read(task.make().execute_complete(task.context, event)))
    assert billed(emulator) == 4
    assert known.isdisjoint(looks(emulator)[seen:])


@both_modes
def test_after_its_deadline_the_next_attempt_goes_on(task: TaskRun, emulator: Emulator, deferrable: bool) -> None:
    """Row 9."""
    emulator.add_fault("delay", path=LOOK, count=1, delay=1.0)
    left = task.fails(RaydocsDeadlineError, deferrable=deferrable, timeout=0.5)
    assert left is not None
    assert left.states["submitted"] > 0
    assert all_extracted(task.attempt(deferrable=deferrable))
    assert billed(emulator) == 4


@both_modes
def test_after_a_refused_token_the_next_attempt_goes_on(task: TaskRun, emulator: Emulator, deferrable: bool) -> None:
    """Row 11."""
    emulator.add_fault("answer", path=LOOK, nth=2, status=401)
    left = task.fails(RaydocsAuthenticationError, deferrable=deferrable)
    assert left is not None, "the ids of what goes on are not lost"
    assert all_extracted(task.attempt(deferrable=deferrable))
    assert billed(emulator) == 4


@both_modes
def test_after_an_outage_the_next_attempt_goes_on(task: TaskRun, emulator: Emulator, deferrable: bool) -> None:
    """Row 12."""
    emulator.add_fault("answer", path=LOOK, count=5 * 5, status=503)
    left = task.fails(RaydocsServerError, deferrable=deferrable)
    assert left is not None
    assert left.states == {SUBMITTED: 4}
    assert all_extracted(task.attempt(deferrable=deferrable))
    assert billed(emulator) == 4


def test_a_session_that_took_too_long_is_looked_at_once_more(task: TaskRun, emulator: Emulator) -> None:
    """Row 10."""
    emulator.add_fault("answer", path=LOOK, nth=1, count=5, status=503)
    left = task.fails(RaydocsExtractionError, session_timeout=0.001)
    assert left is not None
    assert {record.code for record in left.in_state(FAILED)} == {"session_timeout"}
    assert all_extracted(task.attempt(session_timeout=60))
    assert billed(emulator) == 4


def test_a_deleted_session_stays_gone_until_the_task_is_cleared(task: TaskRun, emulator: Emulator) -> None:
    """Row 13."""
    task.attempt()
    emulator.add_fault("answer", path=LOOK, count=0, status=404)
    shutil.rmtree(Path(urlsplit(task.arguments["results_path"]).path))
    left = task.fails(RaydocsExtractionError, retry_failed=True)
    emulator._front.faults.clear()
    assert left is not None
    assert {record.code for record in left.in_state(FAILED)} == {"session_gone"}
    task.clear()
    assert all_extracted(task.attempt())


def test_the_next_attempt_may_run_on_a_machine_whose_clock_is_behind(
    task: TaskRun, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3_600)
    with ended_at(emulator, LOOK):
        task.fails(AirflowTaskTimeout)
    monkeypatch.setattr(time, "time", real)
    assert all_extracted(task.attempt(timeout=10))


@both_modes
def test_a_clock_that_is_set_back_holds_nobody_up(
    task: TaskRun, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, deferrable: bool
) -> None:
    def set_back() -> float:
        looked = any(re.search(LOOK, logged.path) for logged in emulator.requests())
        return time.time() - (3_600 if looked else 0)

    for module in (watching, triggers):
        monkeypatch.setattr(module, "time", SimpleNamespace(time=set_back, monotonic=time.monotonic))
    assert all_extracted(task.attempt(timeout=10, deferrable=deferrable))


# --- documents that failed


@both_modes
@pytest.mark.parametrize("shuffled", [False, True], ids=["in order", "answered in another order"])
def test_failed_documents_stay_failed_unless_they_are_to_be_tried_again(
    task: TaskRun, emulator: Emulator, deferrable: bool, shuffled: bool
) -> None:
    """Row 14."""
    if shuffled:
        emulator.add_fault("shuffle", path=BATCH)
    documents = uris([*GOOD[:4], CORRUPT])
    left = task.fails(RaydocsExtractionError, documents=documents, deferrable=deferrable)
    assert left is not None
    assert left.states == {EXTRACTED: 4, FAILED: 1}
    left = task.fails(RaydocsExtractionError, documents=documents, deferrable=deferrable)
    assert billed(emulator) == 5
    assert left is not None
    assert [record.name for record in left.in_state(FAILED)] == [CORRUPT.name]
    left = task.fails(RaydocsExtractionError, documents=documents, deferrable=deferrable, retry_failed=True)
    assert billed(emulator) == 5 + 1
    assert left is not None
    assert [record.name for record in left.in_state(FAILED)] == [CORRUPT.name]


# --- somebody changes something


@both_modes
def test_a_cleared_task_starts_anew(task: TaskRun, emulator: Emulator, deferrable: bool) -> None:
    """Row 17."""
    task.attempt(deferrable=deferrable)
    task.clear()
    assert all_extracted(task.attempt(deferrable=deferrable))
    assert billed(emulator) == 8


def test_a_retry_after_a_clear_goes_on_with_what_the_clear_submitted(task: TaskRun, emulator: Emulator) -> None:
    """Row 17."""
    task.attempt()
    task.clear()
    with ended_at(emulator, LOOK):
        task.fails(AirflowTaskTimeout)
    assert all_extracted(task.attempt())
    assert billed(emulator) == 8


def test_new_documents_are_submitted_and_the_others_are_not(task: TaskRun, emulator: Emulator) -> None:
    """Row 18."""
    task.attempt()
    assert all_extracted(task.attempt(documents=uris(GOOD[2:6])))
    assert billed(emulator) == 6


def test_documents_that_are_left_get_their_own_values_whatever_the_order_of_the_answer(
    task: TaskRun, emulator: Emulator
) -> None:
    """Row 18."""
    emulator.add_fault("shuffle", path=BATCH)
    with ended_at(emulator, LOOK):
        task.fails(AirflowTaskTimeout)
    manifest = task.attempt(documents=uris(GOOD[2:4]))
    assert numbers(manifest) == printed_numbers(GOOD[2:4])
    assert billed(emulator) == 4


def test_a_changed_template_starts_anew(task: TaskRun, emulator: Emulator, hook: RaydocsHook) -> None:
    """Row 19."""
    task.attempt()
    schema = json.loads(SCHEMA.read_text())
    schema["groups"].pop(next(iter(schema["groups"])))
    hook.update_template(task.template.id, schema_json=schema)
    assert all_extracted(task.attempt())
    assert billed(emulator) == 8


def test_another_number_of_retries_in_the_dag_starts_anew(task: TaskRun, emulator: Emulator) -> None:
    """Row 20."""
    task.attempt()
    assert all_extracted(task.attempt(retries=2))
    assert billed(emulator) == 8


# --- where the ledger is


def test_without_any_ledger_a_retry_pays_again_and_every_attempt_says_so(
    template: Template, emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    task = TaskRun(template, None, documents=uris(GOOD[:4]))
    with ended_at(emulator, LOOK):
        task.fails(AirflowTaskTimeout)
    assert "would submit, and pay for, every document again" in caplog.text
    assert all_extracted(task.attempt())
    assert billed(emulator) == 8


@pytest.mark.parametrize(("store", "paid"), [("state store", 4), ("files", 8)], indirect=["store"])
def test_a_lost_results_path_costs_looks_or_with_the_ledger_in_it_everything(
    task: TaskRun, emulator: Emulator, tmp_path: Path, paid: int
) -> None:
    """Row 22."""
    task.attempt()
    shutil.rmtree(tmp_path / "results")
    assert all_extracted(task.attempt())
    assert billed(emulator) == paid
    assert len(list((tmp_path / "results").glob("[!_]*.json"))) == 4


# --- the end of the worker, and of the load


def test_a_killed_task_says_what_goes_on_and_what_comes_next(
    task: TaskRun, emulator: Emulator, capsys: pytest.CaptureFixture[str], batches_of_two: None
) -> None:
    """Row 15."""
    with ended_at(emulator, "/__storage__/"):
        task.fails(AirflowTaskTimeout)
    task.operator.on_kill()
    assert "Killed" not in capsys.readouterr().out, "nothing has been submitted"
    with ended_at(emulator, LOOK):
        task.fails(AirflowTaskTimeout)
    task.operator.on_kill()
    said = capsys.readouterr().out
    assert "Killed with 4 documents submitted" in said
    assert "a retry of this task goes on with it, clearing the task submits it again" in said


def test_a_task_that_was_marked_success_has_nothing_to_land(connect: Callable[..., str], tmp_path: Path) -> None:
    """Row 16."""
    warehouse = connect("warehouse", conn_type="sqlite", host=str(tmp_path / "warehouse.db"))
    load = RaydocsToSqlOperator(task_id="load", extraction=None, conn_id=warehouse, table="invoices")
    with pytest.raises(RaydocsManifestError, match="left no manifest"):
        load.execute(Task(task_id="load").context)


def test_an_interrupted_load_leaves_nothing_and_lands_everything_the_next_time(
    task: TaskRun,
    emulator: Emulator,
    connect: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Row 21."""
    warehouse = connect("warehouse", conn_type="sqlite", host=str(tmp_path / "warehouse.db"))
    extraction = task.make().execute(task.context)
    load = RaydocsToSqlOperator(task_id="load", extraction=extraction, conn_id=warehouse, table="invoices")

    def interrupt(*_: object, **__: object) -> None:
        raise AirflowTaskTimeout("execution_timeout")

    def rows() -> list[int]:
        with closing(sqlite3.connect(tmp_path / "warehouse.db")) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            return [database.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0] for table in sorted(tables)]

    with monkeypatch.context() as patched:
        patched.setattr(SqliteWarehouse, "copy", interrupt)
        with pytest.raises(AirflowTaskTimeout):
            load.execute(task.context)
    assert not any(rows())
    before = len(requests_to(emulator))
    load.execute(task.context)
    landed = rows()
    assert 4 in landed
    load.execute(task.context)
    assert rows() == landed
    assert len(requests_to(emulator)) == before, "results come from results_path"


def test_every_row_of_the_page_has_a_test() -> None:
    rows = re.findall(r"^\| (\d+) \|", (ROOT / "docs" / "failures.md").read_text(encoding="utf-8"), re.MULTILINE)
    tested = re.findall(r'^    """Row (\d+)\."""$', Path(__file__).read_text(encoding="utf-8"), re.MULTILINE)
    assert set(rows) == set(tested)
    assert rows == [str(number) for number in range(1, len(rows) + 1)]
