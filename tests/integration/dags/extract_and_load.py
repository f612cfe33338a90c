"""What people build, with what goes wrong: a failed document, a load that runs all the same, templated everything."""

from __future__ import annotations

from airflow.sdk import DAG, Asset

from raydocs_provider.operators.raydocs import RaydocsExtractOperator, RaydocsTemplateOperator
from raydocs_provider.transfers.raydocs_to_sql import RaydocsToSqlOperator

with DAG("extract_and_load", schedule=None, catchup=False):
    template = RaydocsTemplateOperator(
        task_id="template",
        workspace="{{ params.workspace }}",
        name="{{ params.template }}",
        schema="{{ var.value.invoice_schema }}",
        raydocs_conn_id="{{ params.raydocs }}",
        params={"workspace": "Tests", "template": "Invoices", "raydocs": "raydocs_default"},
    )
    extract = RaydocsExtractOperator(
        task_id="extract",
        template_id=template.output,
        documents="{{ var.value.inbox }}/*",
        results_path="{{ var.value.raydocs_results }}/{{ run_id }}/",
        deferrable=True,
        raydocs_conn_id="{{ params.raydocs }}",
        params={"raydocs": "raydocs_default"},
    )
    RaydocsToSqlOperator(
        task_id="load",
        extraction=extract.output,
        conn_id="{{ params.warehouse }}",
        table="{{ params.table }}",
        trigger_rule="all_done",
        missing="warn",
        params={"warehouse": "warehouse", "table": "invoices"},
        outlets=[Asset("landed-invoices")],
    )
