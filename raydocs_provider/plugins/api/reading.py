"""What Airflow's database holds about tasks of Raydocs."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XCOM_RETURN_KEY, XComModel
from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from raydocs_provider.extraction.ledger import Claim, Ledger, Submissions
from raydocs_provider.extraction.progress import PROGRESS_KEY
from raydocs_provider.plugins.api.summaries import TaskRun

log = logging.getLogger(__name__)

_COLUMNS = (
    TaskInstance.dag_id,
    TaskInstance.run_id,
    TaskInstance.task_id,
    TaskInstance.map_index,
    TaskInstance.try_number,
    TaskInstance.state,
    DagRun.run_after,
    TaskInstance.start_date,
    TaskInstance.end_date,
    XComModel.value,
)
_JOIN = and_(
    XComModel.dag_id == TaskInstance.dag_id,
    XComModel.run_id == TaskInstance.run_id,
    XComModel.task_id == TaskInstance.task_id,
    XComModel.map_index == TaskInstance.map_index,
)


def read_runs(session: Session, permitted: Any, since: datetime, until: datetime) -> list[TaskRun]:
    """
    The task instances of Raydocs whose Dag runs began in a period: those that keep a progress record.

    :param permitted: Airflow's filter of what the user may see.
    """
    query = (
        select(*_COLUMNS)
        .join(XComModel, _JOIN)
        .join(DagRun, and_(DagRun.dag_id == TaskInstance.dag_id, DagRun.run_id == TaskInstance.run_id))
        .where(XComModel.key == PROGRESS_KEY, DagRun.run_after >= since, DagRun.run_after < until)
    )
    rows = session.execute(permitted.to_orm(query))
    return [run for *facts, value in rows if (run := _task_run(facts, value)) is not None]


@dataclass(frozen=True)
class TaskFacts:
    """
    Everything about one task of Raydocs.

    :param manifest: of its documents, as JSON; None if it has none, or none that can be read from here.
    :param submissions: what its ledger holds; None where that is not in Airflow's database.
    :param reviews: codes by session id, as the loads of the same Dag run say.
    :param retries_left: how often Airflow will still retry it by itself.
    """

    run: TaskRun
    manifest: Mapping[str, Any] | None
    submissions: Submissions | None
    reviews: Mapping[str, list[str]]
    retries_left: int


def read_task(session: Session, dag_id: str, run_id: str, task_id: str, map_index: int) -> TaskFacts | None:
    """The facts about a task instance; None if it is none of Raydocs, or has not begun."""
    here = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id, "map_index": map_index}
    row = session.execute(
        select(*_COLUMNS)
        .join(XComModel, _JOIN)
        .join(DagRun, and_(DagRun.dag_id == TaskInstance.dag_id, DagRun.run_id == TaskInstance.run_id))
        .where(XComModel.key == PROGRESS_KEY, *(getattr(TaskInstance, name) == value for name, value in here.items()))
    ).first()
    run = _task_run(list(row[:-1]), row[-1]) if row is not None else None
    if run is None:
        return None
    instance = session.scalars(select(TaskInstance).filter_by(**here)).one()
    manifest = _manifest_of(_read_xcom(session, XCOM_RETURN_KEY, **here))
    if manifest is None and instance.trigger is not None:
        manifest = _manifest_of((instance.trigger.kwargs or {}).get("manifest"))
    return TaskFacts(
        run,
        manifest,
        _read_ledger(session, instance.dag_run.id, task_id, map_index),
        _read_reviews(session, dag_id, run_id),
        max(0, (instance.max_tries or 0) + 1 - (instance.try_number or 0)),
    )


def _task_run(facts: list[Any], value: Any) -> TaskRun | None:
    progress = _mapping(value)
    if not progress or not progress.get("kind"):
        return None
    dag_id, run_id, task_id, map_index, try_number, state, run_after, start_date, end_date = facts
    return TaskRun(dag_id, run_id, task_id, map_index, try_number, state, run_after, start_date, end_date, progress)


def _read_xcom(session: Session, key: str, **here: Any) -> Mapping[str, Any] | None:
    row = session.execute(select(*XComModel.__table__.columns).filter_by(key=key, **here)).first()
    if row is None:
        return None
    found = _mapping(row.value)
    if found is not None:
        return found
    # A custom XCom backend has put it elsewhere.
    from airflow.sdk.execution_time.xcom import XCom

    try:
        return _mapping(XCom.deserialize_value(row))
    except Exception as problem:
        log.warning("The XCom backend could not be read: %s.", type(problem).__name__)
        return None


def _read_reviews(session: Session, dag_id: str, run_id: str) -> dict[str, list[str]]:
    values = session.scalars(select(XComModel.value).filter_by(key=XCOM_RETURN_KEY, dag_id=dag_id, run_id=run_id))
    codes: dict[str, list[str]] = {}
    for value in values:
        for entry in (_mapping(value) or {}).get("to_review") or ():
            if isinstance(entry, Mapping) and entry.get("session_id"):
                codes[str(entry["session_id"])] = [str(code) for code in entry.get("codes") or ()]
    return codes


def _read_ledger(session: Session, dag_run_id: int, task_id: str, map_index: int) -> Submissions | None:
    try:
        from airflow.models.task_state_store import TaskStateStoreModel
    except ImportError:  # Airflow before 3.3: the ledger is under results_path
        return None
    rows = session.execute(
        select(TaskStateStoreModel.key, TaskStateStoreModel.value).filter_by(
            dag_run_id=dag_run_id, task_id=task_id, map_index=map_index
        )
    )
    values = {key: json.loads(value) if isinstance(value, str) else value for key, value in rows}
    header = values.get("raydocs_ledger")
    if not isinstance(header, Mapping):
        return None
    return Ledger(_Values(values), Claim(**header["claim"])).recall()


class _Values:
    """Ledger entries that were read."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def get(self, key: str) -> Any:
        return self._values.get(key)

    def set(self, key: str, value: Any) -> None:
        raise NotImplementedError("this is for looking only")


def _manifest_of(value: Any) -> Mapping[str, Any] | None:
    found = _mapping(value)
    return found if found and "schema_version" in found and "counts" in found else None


def _mapping(value: Any) -> Mapping[str, Any] | None:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return value if isinstance(value, Mapping) else None
