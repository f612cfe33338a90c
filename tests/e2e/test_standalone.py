"""The example Dag in a real `airflow standalone`: deferred, resumed by the real triggerer, landed."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.e2e.conftest import DAG_ID, ROOT, FinishedRun

pytestmark = pytest.mark.e2e

SAMPLES: dict[str, Any] = json.loads((ROOT / "tests" / "data" / "sample_invoices.json").read_text())
READABLE = {name: sample["expected"] for name, sample in SAMPLES.items() if "expected" in sample}
UNREADABLE = sorted(SAMPLES.keys() - READABLE.keys())


def test_every_task_of_the_run_succeeds_at_its_first_try(finished_run: FinishedRun) -> None:
    assert finished_run.state == "success", finished_run.stack.last_words()
    tasks = finished_run.stack.client.task_instances(DAG_ID, finished_run.run_id)
    assert {task["task_id"]: (task["state"], task["try_number"]) for task in tasks} == {
        "template": ("success", 1),
        "extract": ("success", 1),
        "load": ("success", 1),
    }


def test_extract_waits_in_the_triggerer_and_is_resumed_by_it(finished_run: FinishedRun) -> None:
    extract = [change for change in finished_run.changes if change.task_id == "extract"]
    deferred = [change for change in extract if change.state == "deferred"]
    assert [change.trigger for change in deferred] == ["RaydocsSessionsTrigger"]
    assert extract[-1].state == "success"
    # Only the triggerer writes these files: the log of a trigger beside the log of its task.
    folder = finished_run.stack.logs / f"dag_id={DAG_ID}" / f"run_id={finished_run.run_id}" / "task_id=extract"
    assert [log.name for log in folder.glob("attempt=1.log.trigger.*.log")]


def test_extract_hands_on_counts_that_reconcile(finished_run: FinishedRun) -> None:
    manifest = finished_run.stack.client.xcom(DAG_ID, finished_run.run_id, "extract")
    counts = {"total": len(SAMPLES), "extracted": len(READABLE), "failed": len(UNREADABLE)}
    assert {key: count for key, count in manifest["counts"].items() if count} == counts


def test_all_components_are_healthy_afterwards(finished_run: FinishedRun) -> None:
    assert finished_run.stack.client.unhealthy() == {}


@pytest.mark.parametrize("name", sorted(READABLE))
def test_a_document_s_rows_equal_what_is_printed_on_it(finished_run: FinishedRun, name: str) -> None:
    assert landed(finished_run.stack.warehouse, name) == decimals(READABLE[name])


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_unreadable_document_is_recorded_with_its_reason(finished_run: FinishedRun, name: str) -> None:
    with duckdb.connect(str(finished_run.stack.warehouse), read_only=True) as warehouse:
        rows = warehouse.execute(
            "SELECT state, stage, code <> '', reason <> '' FROM invoices__documents WHERE filename = ?", [name]
        ).fetchall()
    assert rows == [("failed", "parsing", True, True)]


def test_the_ledger_holds_every_document_once(finished_run: FinishedRun) -> None:
    with duckdb.connect(str(finished_run.stack.warehouse), read_only=True) as warehouse:
        rows = warehouse.execute("SELECT filename, state FROM invoices__documents").fetchall()
    states = dict.fromkeys(READABLE, "extracted") | dict.fromkeys(UNREADABLE, "failed")
    assert sorted(rows) == sorted(states.items())


def test_load_reports_the_outlet_asset_as_updated(finished_run: FinishedRun) -> None:
    events = finished_run.stack.client.call("GET", "/api/v2/assets/events")["asset_events"]
    assert [event["source_task_id"] for event in events] == ["load"]


def test_neither_secrets_nor_documents_are_in_logs_or_metadata(finished_run: FinishedRun) -> None:
    stack = finished_run.stack
    forbidden = {
        "the token": stack.raydocs_token,
        "a signed URL": "signature=",
        **{f"the vendor of {name}": expected["invoice_header"]["vendor_name"] for name, expected in READABLE.items()},
    }
    texts = {str(path): path.read_text(errors="replace") for path in airflow_logs(stack.logs)}
    while_deferred, afterwards = finished_run.metadata
    assert 'INSERT INTO "trigger"' in while_deferred
    assert 'INSERT INTO "xcom"' in afterwards
    texts |= {"the metadata while deferred": while_deferred, "the metadata afterwards": afterwards}
    found = [f"{what} in {where}" for where, text in texts.items() for what, it in forbidden.items() if it in text]
    assert found == []


def airflow_logs(folder: Path) -> list[Path]:
    """All of Airflow's logs; the emulator stands for the other side and may log its own requests."""
    return [path for path in folder.rglob("*.log") if path.name != "emulator.log"]


def landed(warehouse: Path, name: str) -> dict[str, Any]:
    """The rows of a document in the form of the sample generator's record: group, field, value."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        header = one_row(connection, name, "invoices")
        items = rows_of(connection, name, "invoices__lines__line_items", "ORDER BY _index")
    groups: dict[str, Any] = {}
    for column, value in header.items():
        group, _, field = column.partition("__")
        groups.setdefault(group, {})[field] = value
    return {**groups, "lines": {"line_items": items}}


def one_row(connection: duckdb.DuckDBPyConnection, name: str, table: str) -> dict[str, Any]:
    (row,) = rows_of(connection, name, table)
    return row


def rows_of(connection: duckdb.DuckDBPyConnection, name: str, table: str, order: str = "") -> list[dict[str, Any]]:
    """Rows of a document without the columns of ours, which start with an underscore."""
    result = connection.execute(
        f"SELECT t.* FROM {table} t JOIN invoices__documents d USING (_document_key) WHERE d.filename = ? {order}",
        [name],
    )
    columns = [column[0] for column in result.description]
    return [
        {column: value for column, value in zip(columns, row, strict=True) if not column.startswith("_")}
        for row in result.fetchall()
    ]


def decimals(value: Any) -> Any:
    """The same with every number as a decimal of what is written, the way it lands."""
    if isinstance(value, dict):
        return {key: decimals(item) for key, item in value.items()}
    if isinstance(value, list):
        return [decimals(item) for item in value]
    return Decimal(str(value)) if isinstance(value, int | float) else value
