"""
An extraction that keeps its worker, and a load of it into each engine that can be reached here.

`COMPAT_ENGINES` names them; the connection of each is called as the engine.
"""

from __future__ import annotations

import os
from pathlib import Path

from airflow.sdk import DAG

from raydocs_provider.operators.raydocs import RaydocsExtractOperator, RaydocsTemplateOperator
from raydocs_provider.transfers.raydocs_to_object_storage import RaydocsToObjectStorageOperator
from raydocs_provider.transfers.raydocs_to_sql import RaydocsToSqlOperator

HERE = Path(__file__).parent
ENGINES = os.environ.get("COMPAT_ENGINES", "sqlite").split(",")

with DAG("compat_extract", schedule=None, catchup=False, doc_md=__doc__):
    template = RaydocsTemplateOperator(
        task_id="template",
        workspace="Compat",
        name="Extract",
        schema=str(HERE / "schemas" / "invoice.json"),
        raydocs_conn_id="raydocs_compat",
    )
    extract = RaydocsExtractOperator(
        task_id="extract",
        template_id=template.output,
        documents=[
            (HERE / "documents" / name).as_uri()
            for name in ("invoice_001_classic_usd.pdf", "invoice_013_picture_gbp.png")
        ],
        results_path="{{ var.value.raydocs_results }}/{{ run_id }}/",
        deferrable=False,
        raydocs_conn_id="raydocs_compat",
    )
    for engine in ENGINES:
        RaydocsToSqlOperator(
            task_id=f"load_{engine}", extraction=extract.output, conn_id=engine, table="compat_extract"
        )
    RaydocsToObjectStorageOperator(
        task_id="store",
        extraction=extract.output,
        path="{{ var.value.raydocs_results }}/lake/",
        table="compat_extract",
        formats=["ndjson", "parquet"],
    )
