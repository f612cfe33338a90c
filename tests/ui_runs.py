"""Runs that never ran: rows as Raydocs tasks leave them in Airflow's database, for tests of the page and the tab."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import func, insert, select
from sqlalchemy.engine import Connection

from raydocs_provider.extraction.ledger import Claim, Ledger
from raydocs_provider.extraction.manifest import EXTRACTED, SUBMITTED, DocumentRecord, Manifest, write_manifest
from raydocs_provider.extraction.progress import EXTRACT, PROGRESS_KEY, Usage, describe_extraction
from tests.moved import TaskStateStoreModel

CONN_ID = "raydocs_default"
TEMPLATE_ID = "11111111-2222-3333-4444-555555555555"
CLAIM = Claim(epoch=0, conn_id=CONN_ID, template_id=TEMPLATE_ID, template_hash="h1")
SUBMITTED_AT = 1_900_000_000.0
RETRY = {"retry_failed": False, "on_ambiguous_submit": "fail", "skip_landed_in": None}


@dataclass(frozen=True)
class UiRun:
    """
    A task instance and what it has left.

    :param xcoms: by key.
    :param ledger: entries of the task state store.
    :param trigger_id: of the trigger that it is deferred to.
    """

    dag_id: str
    run_id: str
    task_id: str
    run_after: datetime
    state: str | None = "success"
    map_index: int = -1
    try_number: int = 1
    max_tries: int = 0
    seconds: float = 60.0
    operator: str = "RaydocsExtractOperator"
    xcoms: Mapping[str, Any] = field(default_factory=dict)
    ledger: Mapping[str, Any] = field(default_factory=dict)
    trigger_id: int | None = None

    @property
    def ended(self) -> bool:
        return self.state in ("success", "failed", "skipped", "upstream_failed")


class LedgerEntries(dict[str, Any]):
    """A ledger store that keeps what Airflow's task state store would."""

    def set(self, key: str, value: Any) -> None:
        self[key] = json.loads(json.dumps(value))


def document(number: int, state: str = EXTRACTED, **more: Any) -> DocumentRecord:
    """One of many: each has its own hash and, once submitted, its own session."""
    submitted = {} if state == "found" else {"session_id": session_id(number), "submitted_at": SUBMITTED_AT}
    return DocumentRecord(
        f"s3://inbox/invoice_{number:03}.pdf", state, sha256=f"{number:064x}", size=1000, **{**submitted, **more}
    )


def session_id(number: int) -> str:
    return str(uuid5(NAMESPACE_URL, f"https://raydocs.example.com/sessions/{number}"))


def extraction(
    documents: Iterable[DocumentRecord],
    *,
    requests: Mapping[str, int] | None = None,
    budget_wait: float = 0.0,
    retry: Mapping[str, Any] = RETRY,
    kind: str = EXTRACT,
    now: float = 1_900_000_100.0,
    template_name: str = "Invoices",
    manifest: Any = None,
    **common: Any,
) -> dict[str, Any]:
    """The XComs of a task that has extracted these."""
    made = Manifest(
        tuple(documents), CONN_ID, **{"template_id": TEMPLATE_ID, "template_hash": CLAIM.template_hash, **common}
    )
    usage = Usage(requests or {"2xx": 2 * len(made.documents)}, budget_wait)
    record = describe_extraction(kind, made, usage, now, template_name=template_name, retry=retry)
    return {PROGRESS_KEY: record, "return_value": manifest or write_manifest(made)}


def ledger(
    documents: Iterable[DocumentRecord], *, failed: bool = True, ambiguous: Iterable[DocumentRecord] = ()
) -> dict[str, Any]:
    """The entries that a task leaves that submitted these in one batch; of ``ambiguous`` it never had an answer."""
    submitted = [record for record in documents if record.session_id]
    entries = LedgerEntries()
    book = Ledger(entries, CLAIM)
    sha256s = [str(record.sha256) for record in submitted]
    if submitted:
        number = book.intend(sha256s, 1_900_000_000.0)
        book.record(number, sha256s, [str(record.session_id) for record in submitted], 1_900_000_000.0)
    if unanswered := [str(record.sha256) for record in ambiguous]:
        book.intend(unanswered, 1_900_000_000.0)
    if failed:
        book.record_failed(
            {
                str(record.session_id): str(record.sha256)
                for record in submitted
                if record.stage in ("parsing", "extraction")
            }
        )
    return dict(entries)


ENCRYPTED = ("parsing", "document_failed", "Raydocs could not read the document: it is encrypted.")


def last_night(
    number: int = 40, failed: int = 3, why: tuple[str, str, str] = ENCRYPTED, submitted_at: float = SUBMITTED_AT
) -> list[DocumentRecord]:
    """Documents of which some could not be extracted."""
    good = [
        document(each, result_id=f"r{each}", seconds=20.0 + each, min_confidence=0.97, submitted_at=submitted_at)
        for each in range(number - failed)
    ]
    bad = [document(each, SUBMITTED, submitted_at=submitted_at).fail(*why) for each in range(number - failed, number)]
    return [*good, *bad]


def write_runs(connection: Connection, runs: Iterable[UiRun]) -> None:
    """
    Insert all of that. The Dags have to be there.

    Their Dag runs have ended, whatever the tasks are in: a scheduler would go on with those that have not.
    """
    runs = list(runs)
    ids: dict[tuple[str, str], int] = {}
    next_id = (connection.scalar(select(func.max(DagRun.id))) or 0) + 1
    for run in runs:
        ids.setdefault((run.dag_id, run.run_id), next_id + len(ids))
    first = {(run.dag_id, run.run_id): run for run in reversed(runs)}
    failed = {(run.dag_id, run.run_id) for run in runs if run.state == "failed"}
    connection.execute(
        insert(DagRun.__table__),
        [
            {
                "id": ids[key],
                "dag_id": run.dag_id,
                "run_id": run.run_id,
                "run_type": "manual",
                "state": "failed" if key in failed else "success",
                "run_after": run.run_after,
                "queued_at": run.run_after,
                "start_date": run.run_after,
                "end_date": run.run_after + timedelta(seconds=run.seconds),
            }
            for key, run in first.items()
        ],
    )
    connection.execute(insert(TaskInstance.__table__), [_task_row(run) for run in runs])
    xcoms = [
        _of_task(run) | {"dag_run_id": ids[run.dag_id, run.run_id], "key": key, "value": value}
        for run in runs
        for key, value in run.xcoms.items()
    ]
    if xcoms:
        connection.execute(insert(XComModel.__table__), xcoms)
    entries = [
        _of_task(run) | {"dag_run_id": ids[run.dag_id, run.run_id], "key": key, "value": json.dumps(value)}
        for run in runs
        for key, value in run.ledger.items()
    ]
    # Before Airflow 3.3 ledgers are files below results_path, which the page does not read.
    if entries and TaskStateStoreModel:
        connection.execute(insert(TaskStateStoreModel.__table__), entries)


def _of_task(run: UiRun) -> dict[str, Any]:
    return {"dag_id": run.dag_id, "run_id": run.run_id, "task_id": run.task_id, "map_index": run.map_index}


def _task_row(run: UiRun) -> dict[str, Any]:
    return _of_task(run) | {
        "state": run.state,
        "try_number": run.try_number,
        "max_tries": run.max_tries,
        "start_date": run.run_after,
        "end_date": run.run_after + timedelta(seconds=run.seconds) if run.ended else None,
        "duration": run.seconds if run.ended else None,
        "operator": run.operator,
        "custom_operator_name": run.operator,
        "task_display_name": run.task_id,
        "pool": "default_pool",
        "pool_slots": 1,
        "queue": "default",
        "priority_weight": 1,
        "hostname": "worker",
        "unixname": "airflow",
        "trigger_id": run.trigger_id,
    }


def at(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=UTC)
