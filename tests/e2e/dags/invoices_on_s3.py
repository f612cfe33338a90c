"""Documents and results on S3, deferred: worker and triggerer both reach them through an Airflow connection."""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG

from raydocs_provider.operators.raydocs import RaydocsExtractOperator, RaydocsTemplateOperator
from raydocs_provider.transfers.raydocs_to_sql import RaydocsToSqlOperator

with DAG("invoices_on_s3", schedule=None):
    template = RaydocsTemplateOperator(
        task_id="template",
        workspace="Demo",
        name="Invoices",
        schema=str(Path(__file__).parent / "schemas" / "invoice.json"),
    )
    extract = RaydocsExtractOperator(
        task_id="extract",
        template_id=template.output,
        documents="s3://aws_lake@inbox/*.pdf",
        results_path="s3://aws_lake@lake/raydocs/{{ run_id }}/",
        deferrable=True,
    )
    RaydocsToSqlOperator(task_id="load", extraction=extract.output, conn_id="warehouse", table="invoices_on_s3")
