"""
`make soak`: 2,000 documents through a real `airflow standalone`, with everything counted at the end.

The limits are scaled up (6,000 requests a minute), so that a run of forty minutes takes four; the requests are the
same. Extractions take long enough for all sessions to be open when the task hands them over to the triggerer.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from benchmarks.documents import make_documents
from scripts.airflow_stack.client import StackError
from scripts.airflow_stack.stack import AirflowStack

DOCUMENTS = 2000
LIMIT = 6000
EMULATOR = ("--rate-limit", str(LIMIT), "--parse-seconds", "1-2", "--extract-seconds", "80-110", "--seed", "1")
DAG_ID = "soak"
DAG = """
from airflow.sdk import DAG

from raydocs_provider.operators.raydocs import RaydocsExtractOperator, RaydocsTemplateOperator
from raydocs_provider.transfers.raydocs_to_sql import RaydocsToSqlOperator

with DAG("soak", schedule=None):
    template = RaydocsTemplateOperator(
        task_id="template", workspace="Soak", name="Invoices", schema={schema!r}, raydocs_conn_id="raydocs_soak"
    )
    extract = RaydocsExtractOperator(
        task_id="extract",
        template_id=template.output,
        documents={documents!r},
        results_path="{{{{ var.value.raydocs_results }}}}/{{{{ run_id }}}}/",
        deferrable=True,
        expected_seconds=100,
        raydocs_conn_id="raydocs_soak",
    )
    RaydocsToSqlOperator(task_id="load", extraction=extract.output, conn_id="warehouse", table="invoices")
"""


def main() -> int:
    """Run it; 0 if every document landed once and Airflow stayed healthy."""
    schema = Path(__file__).parents[1] / "example_dags" / "schemas" / "invoice.json"
    with TemporaryDirectory(prefix="raydocs-soak-") as folder:
        inbox, dags = Path(folder, "inbox"), Path(folder, "dags")
        dags.mkdir()
        documents = make_documents(inbox, DOCUMENTS)
        (dags / "soak.py").write_text(DAG.format(schema=str(schema), documents=documents))
        try:
            with AirflowStack(dags, dag_ids=(DAG_ID,), emulator_options=EMULATOR, report=print) as stack:
                return soak(stack)
        except StackError as problem:
            print(problem, file=sys.stderr)
            return 1


def soak(stack: AirflowStack) -> int:
    """Trigger the Dag, watch Airflow's health while it runs, and count what landed."""
    stack.client.add_connection(
        connection_id="raydocs_soak",
        conn_type="raydocs",
        host=stack.raydocs_url,
        password=stack.raydocs_token,
        extra=f'{{"requests_per_minute": {LIMIT}}}',
    )
    started_at = time.monotonic()
    run_id = stack.client.trigger(DAG_ID)
    unhealthy: list[str] = []
    while (state := stack.client.run_state(DAG_ID, run_id)) not in ("success", "failed"):
        unhealthy += stack.client.unhealthy()
        time.sleep(2)
    seconds = time.monotonic() - started_at
    for line in stack.client.task_log(DAG_ID, run_id, "extract", 1):
        if line.logger.startswith(("airflow.task", "raydocs_provider")) and not line.text.startswith("Submitted"):
            print(f"  | {line.text}")
    counts = stack.client.xcom(DAG_ID, run_id, "extract")["counts"]
    with duckdb.connect(str(stack.warehouse), read_only=True) as warehouse:
        landed = warehouse.sql("SELECT count(*), count(DISTINCT _document_key) FROM invoices").fetchall()[0]
        ledger = warehouse.sql("SELECT count(*), count(DISTINCT _source_uri) FROM invoices__documents").fetchall()[0]
    print(f"Dag run: {state} in {seconds:.0f} s; manifest: {counts}")
    print(f"invoices: {landed} rows and documents; ledger: {ledger} rows and files; unhealthy looks: {len(unhealthy)}")
    everything = (DOCUMENTS, DOCUMENTS)
    good = state == "success" and counts["extracted"] == counts["total"] == DOCUMENTS
    return 0 if good and landed == everything == ledger and not unhealthy else 1


if __name__ == "__main__":
    sys.exit(main())
