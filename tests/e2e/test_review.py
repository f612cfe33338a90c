"""Documents in question in a real Airflow: a person answers through the API, as the form does, and corrections land."""

from __future__ import annotations

import datetime
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import duckdb
import pytest

from scripts.airflow_stack.client import AirflowClient
from scripts.airflow_stack.stack import AirflowStack
from tests.e2e.conftest import REVIEW_DAG_ID, ROOT, FinishedRun, dump

pytestmark = pytest.mark.e2e

SAMPLES: dict[str, Any] = json.loads((ROOT / "tests" / "data" / "sample_invoices.json").read_text())
VENDORS = {sample["expected"]["invoice_header"]["vendor_name"] for sample in SAMPLES.values() if "expected" in sample}
TYPED = "2031-04-30"
ANSWERS = {
    "invoice_009_modern_gbp_no_due_date.pdf": ("Checked", {"invoice_header.due_date": TYPED}),
    "invoice_010_classic_eur_other_label.pdf": ("Checked", {}),
    "invoice_011_compact_usd_no_currency.pdf": ("Checked", {"Other corrections": "totals.tax_rate = -"}),
    "invoice_017_classic_usd_no_order.pdf": ("Leave in review", {}),
}


@dataclass(frozen=True)
class ReviewedRun:
    """A run of the Dag in which everything was answered, and the metadata database after it."""

    run_id: str
    state: str
    states: dict[tuple[str, str | None], str]
    metadata: str


@pytest.fixture(scope="module")
def reviewed_run(finished_run: FinishedRun, airflow_stack: AirflowStack) -> ReviewedRun:
    client = airflow_stack.client
    run_id = client.trigger(REVIEW_DAG_ID)
    waiting = 0
    for change in client.watch(REVIEW_DAG_ID, run_id, seconds=200):
        waiting += (change.task_id, change.state) == ("review", "awaiting_input")
        if waiting == len(ANSWERS):
            # Airflow up to 3.3.2 fails a task that is resumed before the scheduler has heard that it began to wait,
            # which may take it five seconds.
            time.sleep(12)
            answer(client, run_id)
            waiting = 0
    tasks = client.task_instances(REVIEW_DAG_ID, run_id)
    return ReviewedRun(
        run_id,
        client.run_state(REVIEW_DAG_ID, run_id),
        {(task["task_id"], task["rendered_map_index"]): task["state"] for task in tasks},
        dump(airflow_stack.folder / "airflow.db"),
    )


def answer(client: AirflowClient, run_id: str) -> None:
    """Answer all cards."""
    run = f"/api/v2/dags/{REVIEW_DAG_ID}/dagRuns/{quote(run_id, safe='')}"
    for card in client.call("GET", f"{run}/hitlDetails?response_received=false&state=awaiting_input")["hitl_details"]:
        button, typed = ANSWERS[card["subject"]]
        task = f"{run}/taskInstances/review/{card['task_instance']['map_index']}"
        body = {"chosen_options": [button], "params_input": dict.fromkeys(card["params"]) | typed}
        client.call("PATCH", f"{task}/hitlDetails", body)


def test_each_document_in_question_is_a_task_of_its_name_that_waits_for_a_person(reviewed_run: ReviewedRun) -> None:
    assert reviewed_run.state == "success"
    asked = {name: state for (task_id, name), state in reviewed_run.states.items() if task_id == "review"}
    assert asked == dict.fromkeys(ANSWERS, "success")


def test_what_was_typed_is_in_the_warehouse(reviewed_run: ReviewedRun, airflow_stack: AirflowStack) -> None:
    with duckdb.connect(str(airflow_stack.warehouse), read_only=True) as warehouse:
        found = warehouse.execute(
            "SELECT d.filename, d.review_status, d.reviewed_by, i.invoice_header__due_date, i.totals__tax_rate IS NULL "
            "FROM invoices_with_review i JOIN invoices_with_review__documents d USING (_document_key) "
            "WHERE d.review_status <> 'passed' ORDER BY 1"
        ).fetchall()
        still = warehouse.execute("SELECT filename FROM invoices_with_review__review").fetchall()

    due = {name: SAMPLES[name]["expected"]["invoice_header"]["due_date"] for name in ANSWERS}
    dates = {name: date and datetime.date.fromisoformat(date) for name, date in due.items()}
    first, second, third, fourth = ANSWERS
    assert found == [
        (first, "corrected", "admin", datetime.date.fromisoformat(TYPED), False),
        (second, "approved", "admin", dates[second], False),
        (third, "corrected", "admin", dates[third], True),
        (fourth, "review", None, dates[fourth], False),
    ]
    assert still == [(fourth,)]


def test_of_the_documents_nothing_is_in_the_metadata_but_what_was_typed_and_that_is_in_no_log(
    reviewed_run: ReviewedRun, airflow_stack: AirflowStack
) -> None:
    logs = (airflow_stack.logs / f"dag_id={REVIEW_DAG_ID}" / f"run_id={reviewed_run.run_id}").rglob("*.log")
    said = "".join(log.read_text(errors="replace") for log in logs)

    assert TYPED in reviewed_run.metadata
    assert [vendor for vendor in VENDORS if vendor in reviewed_run.metadata + said] == []
    assert "invoices_with_review: 3 rows." in said
    assert TYPED not in said
