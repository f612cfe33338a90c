"""A folder a day, for backfills. Variables: ``inbox``, ``workspace``, ``table``."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG

from raydocs_provider.operators.raydocs import RaydocsExtractOperator, RaydocsTemplateOperator
from raydocs_provider.transfers.raydocs_to_sql import RaydocsToSqlOperator

SCHEMA = {
    "groups": {
        "invoice": {
            "fields": {
                "invoice_number": {"type": "string", "extraction_prompt": 'The number beside "Invoice number".'},
                "total": {"type": "number", "extraction_prompt": 'The amount beside "Total".'},
            }
        }
    }
}

with DAG(
    "daily",
    schedule="0 0 * * *",
    start_date=datetime(2026, 1, 1),
    end_date=datetime(2026, 3, 1),  # so that nothing runs but backfills
    catchup=False,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=5)},
):
    template = RaydocsTemplateOperator(
        task_id="template", workspace="{{ var.value.workspace }}", name="Invoices", schema=SCHEMA
    )
    extract = RaydocsExtractOperator(
        task_id="extract",
        template_id=template.output,
        documents="{{ var.value.inbox }}/daily/{{ ds }}/*.png",
        results_path="s3://aws_lake@lake/daily/{{ run_id }}/",
        deferrable=True,
        expected_seconds=45,
        pool="raydocs",
    )
    RaydocsToSqlOperator(task_id="load", extraction=extract.output, conn_id="warehouse", table="{{ var.value.table }}")
