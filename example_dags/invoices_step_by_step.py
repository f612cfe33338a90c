"""
The same way as `invoices_to_warehouse`, one task per step, for those who want something of their own in between.

Uploads and sessions are separate tasks, so a person (or a sensor of yours) can stand between what is free and what is
paid for; the sensor gives the worker back while Raydocs works. Without a `results_path` the load fetches each result
from Raydocs itself, which suits up to 100 documents.
"""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG

from raydocs_provider.operators.raydocs import (
    RaydocsCreateSessionsOperator,
    RaydocsTemplateOperator,
    RaydocsUploadOperator,
)
from raydocs_provider.sensors.raydocs import RaydocsSessionsSensor
from raydocs_provider.transfers.raydocs_to_sql import RaydocsToSqlOperator

HERE = Path(__file__).parent

with DAG("invoices_step_by_step", schedule=None, catchup=False, tags=["raydocs"], doc_md=__doc__):
    template = RaydocsTemplateOperator(
        task_id="template",
        workspace="Demo",
        name="Invoices",
        schema=str(HERE / "schemas" / "invoice.json"),
    )
    upload = RaydocsUploadOperator(
        task_id="upload",
        documents=f"{(HERE / 'documents').as_uri()}/*.pdf",
    )
    create_sessions = RaydocsCreateSessionsOperator(
        task_id="create_sessions",
        template_id=template.output,
        uploads=upload.output,
    )
    wait = RaydocsSessionsSensor(
        task_id="wait",
        sessions=create_sessions.output,
        deferrable=True,
        timeout=60 * 60,
        on_partial_failure="warn",
    )
    RaydocsToSqlOperator(
        task_id="load",
        extraction=wait.output,
        conn_id="warehouse",
        table="invoices_step_by_step",
    )
