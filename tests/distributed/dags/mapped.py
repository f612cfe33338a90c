"""
Documents of a folder in mapped tasks, landed by mapped loads into one set of tables.

``conf``: ``inbox`` (a folder), ``sizes`` (how many documents each task has), ``table``, ``conn_id`` of Raydocs.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, task

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

with DAG("mapped", schedule=None, default_args={"retries": 3, "retry_delay": timedelta(seconds=5)}):

    @task
    def list_batches(dag_run: Any = None) -> list[list[str]]:
        """Cut the list of files as ``sizes`` says."""
        files = iter(sorted(path.as_uri() for path in Path(dag_run.conf["inbox"]).iterdir()))
        return [[next(files) for _ in range(size)] for size in dag_run.conf["sizes"]]

    template = RaydocsTemplateOperator(task_id="template", workspace="Distributed", name="Invoices", schema=SCHEMA)
    extract = RaydocsExtractOperator.partial(
        task_id="extract",
        template_id=template.output,
        results_path="s3://aws_lake@lake/{{ run_id }}/",
        deferrable=True,
        expected_seconds=45,
        on_partial_failure="warn",
        skip_landed_in="{{ var.value.get('skip_landed_in', '') }}",
        raydocs_conn_id="{{ dag_run.conf.get('conn_id', 'raydocs_default') }}",
        pool="raydocs",
    ).expand(documents=list_batches())
    RaydocsToSqlOperator.partial(task_id="load", conn_id="warehouse", table="{{ dag_run.conf['table'] }}").expand(
        extraction=extract.output
    )
