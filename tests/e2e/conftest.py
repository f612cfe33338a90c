from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.airflow_stack.client import TaskChange
from scripts.airflow_stack.stack import AirflowStack

ROOT = Path(__file__).parents[2]
DAG_ID = "invoices_to_warehouse"
S3_DAG_ID = "invoices_on_s3"
REVIEW_DAG_ID = "invoices_with_review"
VIEWER = "viewer"
# Long enough that the task's first look, before it defers, never finds everything done.
EMULATOR = ("--parse-seconds", "1-2", "--extract-seconds", "12-15", "--seed", "1")


@dataclass(frozen=True)
class FinishedRun:
    """
    A run of the Dag that is over, in an Airflow that still runs.

    :param metadata: dumps of the metadata database, taken while a task was deferred and afterwards. A trigger's row
        is deleted when it has fired.
    """

    stack: AirflowStack
    run_id: str
    state: str
    changes: list[TaskChange]
    metadata: list[str]


# Not scope="session": it would go on beside the tests of the other folders.
@pytest.fixture(scope="package")
def airflow_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowStack]:
    dags = tmp_path_factory.mktemp("e2e") / "dags"
    shutil.copytree(ROOT / "example_dags", dags)
    shutil.copy(Path(__file__).parent / "dags" / f"{S3_DAG_ID}.py", dags)
    dag_ids = [DAG_ID, S3_DAG_ID, REVIEW_DAG_ID]
    with AirflowStack(dags, dag_ids=dag_ids, emulator_options=EMULATOR, viewers=[VIEWER]) as stack:
        yield stack


@pytest.fixture(scope="package")
def finished_run(airflow_stack: AirflowStack) -> FinishedRun:
    run_id = airflow_stack.client.trigger(DAG_ID)
    changes, metadata = [], []
    for change in airflow_stack.client.watch(DAG_ID, run_id, seconds=200):
        changes.append(change)
        if change.state == "deferred":
            metadata.append(dump(airflow_stack.folder / "airflow.db"))
    state = airflow_stack.client.run_state(DAG_ID, run_id)
    metadata.append(dump(airflow_stack.folder / "airflow.db"))
    return FinishedRun(airflow_stack, run_id, state, changes, metadata)


def dump(database: Path) -> str:
    """All rows of an SQLite database as SQL."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return "\n".join(connection.iterdump())
