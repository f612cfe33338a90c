"""
Invoices from a folder into typed warehouse tables.

`make demo` runs this Dag in a real Airflow against a local Raydocs. For your own: point `documents` at your storage
(`s3://aws_default@inbox/invoices/{{ ds }}/*.pdf`), `results_path` at a place that workers and triggerer can both
reach, and create the connections `raydocs_default` (an API token) and `warehouse` (DuckDB, SQLite or PostgreSQL).
"""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG, Asset

from raydocs_provider.operators.raydocs import RaydocsExtractOperator, RaydocsTemplateOperator
from raydocs_provider.transfers.raydocs_to_sql import RaydocsToSqlOperator

HERE = Path(__file__).parent

with DAG("invoices_to_warehouse", schedule=None, catchup=False, tags=["raydocs"], doc_md=__doc__):
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
    )
    RaydocsToSqlOperator(
        task_id="load",
        extraction=extract.output,
        conn_id="warehouse",
        table="invoices",
        outlets=[Asset("raydocs-invoices")],
    )
