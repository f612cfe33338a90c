"""Mapped extractions of which some fail, with a load for each way that people go on after that."""

from __future__ import annotations

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Variable, task

from raydocs_provider.operators.raydocs import RaydocsExtractOperator, RaydocsTemplateOperator
from raydocs_provider.transfers.raydocs_to_sql import RaydocsToSqlOperator

RULES = ("all_success", "none_failed", "one_success", "all_done")

with DAG("mapped_folders", schedule=None, catchup=False):

    @task
    def list_folders() -> list[list[str]]:
        """The documents of each folder."""
        folders: list[list[str]] = Variable.get("folders", deserialize_json=True)
        return folders

    template = RaydocsTemplateOperator(
        task_id="template", workspace="Tests", name="Invoices", schema="{{ var.value.invoice_schema }}"
    )
    extract = RaydocsExtractOperator.partial(
        task_id="extract",
        template_id=template.output,
        results_path="{{ var.value.raydocs_results }}/{{ run_id }}/",
    ).expand(documents=list_folders())
    for rule in RULES:
        RaydocsToSqlOperator.partial(
            task_id=f"load_{rule}", conn_id="warehouse", table=rule, trigger_rule=rule, max_active_tis_per_dag=1
        ).expand(extraction=extract.output)
    extract >> EmptyOperator(task_id="all_folders")
