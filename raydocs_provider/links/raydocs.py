"""Links on a task instance of Raydocs: to its documents in the Airflow UI, and to a dashboard outside of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow import __version__ as airflow_version
from airflow.sdk import BaseOperatorLink

from raydocs_provider.version_compat import conf, has_plugin_tabs

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import TaskInstanceKey

log = logging.getLogger(__name__)

#: Where the tab is, below the page of a task instance.
TAB = "plugin/raydocs-documents"
# As Airflow's UI writes its own addresses: it marks a tab as the present one only if it is written the same way.
_LEFT_ALONE = ":+@,;=&$"
DASHBOARD_KEY = "_link_RaydocsDashboardLink"


def task_page(dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> str:
    """
    The tab with the documents of a task instance, below the address that ``[api] base_url`` says.

    Before Airflow 3.2, which has no such tab, the page of the task instance.
    """
    base = str(conf.get("api", "base_url", fallback="") or "").rstrip("/")
    mapped = f"/mapped/{map_index}" if map_index >= 0 else ""
    dag, run, task = (quote(part, safe=_LEFT_ALONE) for part in (dag_id, run_id, task_id))
    page = f"{base}/dags/{dag}/runs/{run}/tasks/{task}{mapped}"
    return f"{page}/{TAB}" if has_plugin_tabs(airflow_version) else page


class RaydocsDocumentsLink(BaseOperatorLink):
    """The documents of this task: what became of each, and what a retry would do. Nothing before Airflow 3.2."""

    name = "Raydocs documents"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """Made of the key alone, so that it is the same after every resume."""
        return _tab(ti_key)


class RaydocsDashboardLink(BaseOperatorLink):
    """What ``dashboard_url`` of the connection makes of the task's template and workspace; nothing without it."""

    name = "Raydocs dashboard"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """What the task has pushed: Airflow asks again after each part of a task, on a new operator."""
        # Looked up here because it loads Airflow's database models, which parsing a Dag need not do.
        from airflow.sdk.execution_time.xcom import XCom

        link = XCom.get_value(ti_key=ti_key, key=self.xcom_key)
        return link if isinstance(link, str) else ""


def push_links(context: Context, dashboard: str | None) -> None:
    """
    Show the links while the task is still running: Airflow itself pushes them when a part of it has ended.

    :param dashboard: the address of the dashboard; None: there is no such link.
    """
    ti = context["ti"]
    try:
        ti.xcom_push(key=RaydocsDocumentsLink().xcom_key, value=_tab(ti))
        # Empty, not left out: Airflow logs an error when it then looks for it, and shows no link either way.
        ti.xcom_push(key=DASHBOARD_KEY, value=dashboard or "")
    except Exception as problem:  # they are there to be clicked on, and the documents are worth more
        log.warning("The links of this task are not shown yet: %s.", type(problem).__name__)


def _tab(ti: Any) -> str:
    """The address of the tab; empty, which Airflow shows no link for, where there is none: people are on the page."""
    if not has_plugin_tabs(airflow_version):
        return ""
    return task_page(ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index)
