"""
One mapped task per batch of invoices: for folders larger than one task should hold, or several sources at once.

The first task lists the files and cuts the list; `expand` makes one extraction and one load of each part. Mapped loads
write into the same tables, each in a transaction of its own. Here the parts are tiny, to show the mapping; in practice
a part holds hundreds of documents.
"""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG, task

from raydocs_provider.operators.raydocs import RaydocsExtractOperator, RaydocsTemplateOperator
from raydocs_provider.transfers.raydocs_to_sql import RaydocsToSqlOperator

HERE = Path(__file__).parent
DOCUMENTS_PER_TASK = 6

with DAG("invoices_mapped", schedule=None, catchup=False, tags=["raydocs"], doc_md=__doc__):

    @task
    def list_batches() -> list[list[str]]:
        """List the files, a part for each mapped task."""
        files = sorted(path.as_uri() for path in (HERE / "documents").iterdir())
        return [files[start : start + DOCUMENTS_PER_TASK] for start in range(0, len(files), DOCUMENTS_PER_TASK)]

    template = RaydocsTemplateOperator(
        task_id="template",
        workspace="Demo",
        name="Invoices",
        schema=str(HERE / "schemas" / "invoice.json"),
    )
    extract = RaydocsExtractOperator.partial(
        task_id="extract",
        template_id=template.output,
        results_path="{{ var.value.raydocs_results }}/{{ run_id }}/",
        deferrable=True,
        # One broken PDF would otherwise fail its part, and while one part has failed Airflow runs no mapped load:
        # what is paid for would not land. With "warn" it is a failed document, with its reason, in the tables.
        on_partial_failure="warn",
        map_index_template="{{ task.documents | length }} documents",
    ).expand(documents=list_batches())
    RaydocsToSqlOperator.partial(
        task_id="load",
        conn_id="warehouse",
        table="invoices_mapped",
        # DuckDB takes one writer at a time; PostgreSQL needs no such limit.
        max_active_tis_per_dag=1,
    ).expand(extraction=extract.output)
