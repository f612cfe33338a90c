from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.airflow_stack.client import TaskChange
from scripts.airflow_stack.stack import AirflowStack

ROOT = Path(__file__).parents[2]
DAG_ID = "invoices_to_warehouse"
# Long enough that the task's first look, before it defers, never finds everything done.
EMULATOR = ("--parse-seconds", "1-2", "--extract-seconds", "12-15", "--seed", "1")


@dataclass(frozen=True)
class FinishedRun:
    """A Dag run that a real Airflow has finished, which still runs."""

    stack: AirflowStack
    run_id: str
    state: str
    changes: list[TaskChange]


@pytest.fixture(scope="session")
def airflow_stack() -> Iterator[AirflowStack]:
    stack = AirflowStack(ROOT / "example_dags", dag_ids=[DAG_ID], emulator_options=EMULATOR)
    with stack:
        yield stack


@pytest.fixture(scope="session")
def finished_run(airflow_stack: AirflowStack) -> FinishedRun:
    run_id = airflow_stack.client.trigger(DAG_ID)
    changes = list(airflow_stack.client.watch(DAG_ID, run_id, seconds=200))
    state = airflow_stack.client.run_state(DAG_ID, run_id)
    return FinishedRun(airflow_stack, run_id, state, changes)
