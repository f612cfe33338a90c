"""The extraction step by step, waited for in each way that a sensor has."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG

from raydocs_provider.operators.raydocs import (
    RaydocsCreateSessionsOperator,
    RaydocsTemplateOperator,
    RaydocsUploadOperator,
)
from raydocs_provider.sensors.raydocs import RaydocsSessionsSensor
from raydocs_provider.transfers.raydocs_to_sql import RaydocsToSqlOperator

HERE = Path(__file__).parent
MODES: dict[str, dict[str, Any]] = {
    "poke": {"mode": "poke", "poke_interval": 5},
    # Airflow up to 3.3.2 fails a task that is queued again before the scheduler has heard of its last end: not at once.
    "reschedule": {"mode": "reschedule", "poke_interval": 20, "retries": 2, "retry_delay": timedelta(seconds=5)},
    "deferrable": {"deferrable": True},
}

with DAG(
    "compat_steps", schedule=None, catchup=False, doc_md=__doc__, default_args={"raydocs_conn_id": "raydocs_compat"}
):
    template = RaydocsTemplateOperator(
        task_id="template",
        workspace="Compat",
        name="Steps",
        schema=str(HERE / "schemas" / "invoice.json"),
    )
    upload = RaydocsUploadOperator(
        task_id="upload",
        documents=[
            (HERE / "documents" / name).as_uri()
            for name in ("invoice_002_modern_eur.pdf", "invoice_003_compact_gbp.pdf")
        ],
    )
    for mode, arguments in MODES.items():
        create_sessions = RaydocsCreateSessionsOperator(
            task_id=f"create_sessions_{mode}", template_id=template.output, uploads=upload.output
        )
        wait = RaydocsSessionsSensor(task_id=f"wait_{mode}", sessions=create_sessions.output, timeout=300, **arguments)
        RaydocsToSqlOperator(task_id=f"load_{mode}", extraction=wait.output, conn_id="sqlite", table=f"compat_{mode}")
