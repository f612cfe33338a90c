"""Documents into a lake, with what a run gives: its date, its id, and an index for each mapped task."""

from __future__ import annotations

from airflow.sdk import DAG, Asset

from raydocs_provider.operators.raydocs import RaydocsExtractOperator
from raydocs_provider.transfers.raydocs_to_object_storage import RaydocsToObjectStorageOperator

with DAG("extract_to_lake", schedule=None, catchup=False):
    extract = RaydocsExtractOperator.partial(
        task_id="extract",
        template_id="{{ var.value.invoice_template }}",
        results_path="{{ var.value.raydocs_results }}/{{ run_id }}/",
        expected_seconds=0.2,
    ).expand(documents=["{{ var.value.inbox }}/invoice_001*", "{{ var.value.inbox }}/invoice_002*"])
    RaydocsToObjectStorageOperator.partial(
        task_id="lake",
        path="{{ var.value.lake }}",
        table="{{ params.table }}",
        formats=["ndjson", "parquet"],
        params={"table": "invoices"},
        outlets=[Asset("lake-invoices")],
    ).expand(extraction=extract.output)
