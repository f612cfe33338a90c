"""One failed folder among many: what becomes of the loads of the others, and how to land them without paying again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from raydocs_provider.emulator import Emulator
from tests.integration.conftest import CORRUPT, GOOD, HERE, SCHEMA, DagRun, billed, requests_to, uris

DAG = HERE / "dags" / "mapped_folders.py"


@pytest.fixture
def warehouse(
    emulator: Emulator,
    connect: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    no_pauses: None,
    no_brief_look: None,
    tmp_path: Path,
) -> Path:
    """Three folders: a good one, one with a corrupt document, and one whose document is not there."""
    connect(host=emulator.url, password=emulator.token)
    file = tmp_path / "warehouse.duckdb"
    connect("warehouse", conn_type="duckdb", host=str(file))
    folders = [uris(GOOD[:2]), uris([GOOD[2], CORRUPT]), [(tmp_path / "gone.pdf").as_uri()]]
    monkeypatch.setenv("AIRFLOW_VAR_FOLDERS", json.dumps(folders))
    monkeypatch.setenv("AIRFLOW_VAR_RAYDOCS_RESULTS", (tmp_path / "results").as_uri())
    monkeypatch.setenv("AIRFLOW_VAR_INVOICE_SCHEMA", str(SCHEMA))
    return file


def landed(warehouse: Path, table: str) -> int:
    with duckdb.connect(str(warehouse)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])


def mark_success(run: Any, map_index: int) -> None:
    """What the button of the Airflow UI does for one task instance of ``extract``."""
    from airflow.models.dagbag import DBDagBag
    from airflow.utils.session import create_session
    from airflow.utils.state import TaskInstanceState

    with create_session() as session:
        session.add(run)
        dag = DBDagBag().get_dag_for_run(run, session=session)
        assert dag is not None
        dag.set_task_instance_state(
            task_id="extract",
            map_indexes=[map_index],
            run_id=run.run_id,
            state=TaskInstanceState.SUCCESS,
            commit=True,
            session=session,
        )


def go_on(run: Any) -> DagRun:
    """Run what can run in a Dag run that goes on, as the scheduler and ``dag.test`` do."""
    from airflow.models.dagbag import DBDagBag
    from airflow.models.dagrun import DagRun as DagRunModel
    from airflow.sdk.definitions.dag import _run_task
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState, TaskInstanceState

    from tests.moved import DagBag

    tasks = DagBag(str(DAG)).dags["mapped_folders"].task_dict
    with create_session() as session:
        going = session.get(DagRunModel, run.id)
        assert going is not None
        going.state = DagRunState.RUNNING
        going.dag = DBDagBag().get_dag_for_run(going, session=session)
        while going.state == DagRunState.RUNNING:
            session.expire_all()
            for ti in going.update_state(session=session)[0]:
                ti.try_number += 1
                ti.state = TaskInstanceState.SCHEDULED
            session.commit()
            for ti in going.get_task_instances(state=[TaskInstanceState.SCHEDULED], session=session):
                _run_task(ti=ti, task=tasks[ti.task_id], run_triggerer=True)
    return DagRun(going)


@pytest.mark.airflow("3.2", because="a single task is run in another way before")
def test_one_failed_folder_keeps_all_others_from_landing_until_it_is_marked_success_and_nothing_is_paid_again(
    warehouse: Path, emulator: Emulator, run_dag: Callable[..., DagRun]
) -> None:
    run = run_dag(DAG)
    states = run.states()
    assert [states[f"extract[{index}]"] for index in range(3)] == ["success", "failed", "failed"]
    # Rules that wait for success: no load at all, also not of the folder that is good.
    assert states["load_all_success"] == states["load_none_failed"] == "upstream_failed"
    # Rules that do not: a load for each extraction that has left a manifest, and none for the one that has not.
    assert states["load_one_success[0]"] == "success"
    assert [states.get(f"load_all_done[{index}]") for index in range(3)] == ["success", "failed", None]
    assert landed(warehouse, "all_done") == 3
    assert states["all_folders"] == "upstream_failed"
    assert run.state == "failed"

    asked = len(requests_to(emulator))
    paid = billed(emulator)
    for index in (1, 2):
        mark_success(run.run, index)
    run = go_on(run.run)
    states = run.states()
    assert [states[f"load_all_success[{index}]"] for index in range(2)] == ["success", "success"]
    assert landed(warehouse, "all_success") == 3
    assert billed(emulator) == paid == 4
    assert len(requests_to(emulator)) == asked


def test_a_folder_whose_extraction_left_nothing_has_no_load_and_a_task_after_the_extraction_makes_the_run_say_it(
    warehouse: Path, emulator: Emulator, run_dag: Callable[..., DagRun], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folders = [uris(GOOD[:1]), [(tmp_path / "gone.pdf").as_uri()]]
    monkeypatch.setenv("AIRFLOW_VAR_FOLDERS", json.dumps(folders))
    run = run_dag(DAG)
    loads = {name: state for name, state in run.states().items() if name.startswith("load_all_done")}
    assert loads == {"load_all_done[0]": "success"}
    assert run.states()["all_folders"] == "upstream_failed"
    assert run.state == "failed"
