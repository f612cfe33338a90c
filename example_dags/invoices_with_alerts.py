"""
Somebody hears of failed documents when they fail, and of an extraction that does not end.

The run goes on without the documents that failed (`on_partial_failure="warn"`), and a message says how many, why, and
where to look. A second one is sent when the run has not ended two hours after it was queued. Messages go to the HTTP
connection `alerts`: a Slack or Teams webhook, say. Needs Airflow 3.2 or newer for the deadline, with
the HTTP provider of its time for the message.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.sdk import DAG

from raydocs_provider.links.raydocs import task_page
from raydocs_provider.operators.raydocs import RaydocsExtractOperator, RaydocsTemplateOperator
from raydocs_provider.transfers.raydocs_to_sql import RaydocsToSqlOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

try:
    from airflow.sdk import AsyncCallback, DeadlineAlert, DeadlineReference
except ImportError as missing:
    raise ImportError("The Dag invoices_with_alerts needs Airflow 3.2 or newer: leave its file out here.") from missing

HERE = Path(__file__).parent
NOTIFIER = "airflow.providers.http.notifications.HttpNotifier"


def tell_of_failed_documents(context: Context) -> None:
    """Send one message if documents have failed: how many and why. Neither names nor contents leave Airflow."""
    from airflow.providers.http.notifications import HttpNotifier

    ti = context["ti"]
    # Also a task that fails pushes its manifest, unless it ended before there was anything to say about documents.
    manifest = ti.xcom_pull(task_ids=ti.task_id, map_indexes=-1 if ti.map_index is None else ti.map_index)
    if manifest and not manifest["counts"]["failed"]:
        return
    if manifest:
        reasons = sorted({f"{failure['stage']}: {failure['code']}" for failure in manifest["failures"]})
        counts = manifest["counts"]
        text = f"{counts['failed']} of {counts['total']} documents failed ({', '.join(reasons)})."
    else:
        text = "The extraction failed before it had looked at its documents."
    page = task_page(ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index)
    HttpNotifier(http_conn_id="alerts", json={"text": f"{ti.dag_id}: {text} {page}"})(context)


with DAG(
    "invoices_with_alerts",
    schedule=None,
    catchup=False,
    tags=["raydocs"],
    doc_md=__doc__,
    deadline=DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(hours=2),
        callback=AsyncCallback(
            NOTIFIER,
            kwargs={
                "http_conn_id": "alerts",
                "json": {"text": "{{ dag_run.dag_id }}: run {{ dag_run.dag_run_id }} has not ended in two hours."},
            },
        ),
    ),
):
    template = RaydocsTemplateOperator(
        task_id="template",
        workspace="Demo",
        name="Invoices",
        schema=str(HERE / "schemas" / "invoice.json"),
    )
    extract = RaydocsExtractOperator(
        task_id="extract",
        template_id=template.output,
        documents=f"{(HERE / 'documents').as_uri()}/*",
        results_path="{{ var.value.raydocs_results }}/{{ run_id }}/",
        deferrable=True,
        on_partial_failure="warn",
        # One document is stuck after half an hour, and counts as failed then; the others are not kept waiting.
        session_timeout=1800,
        on_success_callback=tell_of_failed_documents,
        on_failure_callback=tell_of_failed_documents,
    )
    RaydocsToSqlOperator(task_id="load", extraction=extract.output, conn_id="warehouse", table="invoices_with_alerts")
