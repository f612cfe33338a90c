"""The HTTP API behind the Raydocs page and tab. Each endpoint asks Airflow whether the user may see what it shows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import (
    GetUserDep,
    PermittedXComFilter,
    requires_access_dag,
    requires_authenticated,
)
from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel, Field

from raydocs_provider.exceptions import RaydocsError, RaydocsRateLimitError
from raydocs_provider.plugins.api.documents import TaskDocuments, read_documents
from raydocs_provider.plugins.api.reading import TaskFacts, read_runs, read_task
from raydocs_provider.plugins.api.summaries import (
    TaskRun,
    describe_run,
    draw_timeline,
    group_failures,
    in_order,
    list_filters,
    summarize,
)

DEFAULT_PERIOD = timedelta(days=1)
LONGEST_PERIOD = timedelta(days=366)
MAX_CHECKED = 10
# No look begins after that: a person waits for the answer.
MAX_CHECK_SECONDS = 10.0
_BUNDLE = Path(__file__).parents[1] / "www" / "dist" / "main.umd.cjs"

# Its own documentation would be open to everybody, and brings scripts of others.
app = FastAPI(title="Raydocs", docs_url=None, redoc_url=None, openapi_url=None)

# Progress records and manifests are XComs: whoever may not read those of a Dag does not read them here either.
_may_read = [
    Depends(requires_access_dag("GET", DagAccessEntity.TASK_INSTANCE)),
    Depends(requires_access_dag("GET", DagAccessEntity.XCOM)),
]
_may_edit = [*_may_read, Depends(requires_access_dag("PUT", DagAccessEntity.TASK_INSTANCE))]

_TASK = "/api/tasks/{dag_id}/{run_id}/{task_id}/{map_index}"
Limit = Annotated[int, Query(ge=1, le=500)]
Offset = Annotated[int, Query(ge=0)]


def _readable_dags(user: GetUserDep) -> PermittedXComFilter:
    # Airflow's own dependency looks for the auth manager on its application, which is not the mounted one.
    return PermittedXComFilter(get_auth_manager().get_authorized_dag_ids(user=user, method="GET"))


@app.get("/api/runs", dependencies=_may_read)
def list_runs(
    session: SessionDep,
    permitted: Annotated[PermittedXComFilter, Depends(_readable_dags)],
    since: datetime | None = None,
    until: datetime | None = None,
    dag_id: str = "",
    task_id: str = "",
    template_id: str = "",
    state: str = "",
    kind: str = "",
    limit: Limit = 50,
    offset: Offset = 0,
) -> dict[str, Any]:
    """Task instances of Raydocs in a period, and what they add up to."""
    until = _in_utc(until) if until else datetime.now(UTC)
    since = _in_utc(since) if since else until - DEFAULT_PERIOD
    if not timedelta(0) < until - since <= LONGEST_PERIOD:
        raise HTTPException(422, "The period has to end after it begins, and be no longer than a year.")
    everything = read_runs(session, permitted, since, until)
    chosen = [
        run
        for run in everything
        if dag_id in ("", run.dag_id)
        and task_id in ("", run.task_id)
        and template_id in ("", run.progress.get("template_id"))
        and state in ("", run.state or "none")
        and kind in ("", run.kind)
    ]
    bucket_seconds, timeline = draw_timeline(chosen, since, until)
    return {
        "runs": [describe_run(run) for run in in_order(chosen)[offset : offset + limit]],
        "total": len(chosen),
        "summary": summarize(chosen),
        "failures": group_failures(chosen),
        "timeline": timeline,
        "bucket_seconds": bucket_seconds,
        "filters": list_filters(everything),
        "since": since.isoformat(),
        "until": until.isoformat(),
    }


def _task_facts(session: SessionDep, dag_id: str, run_id: str, task_id: str, map_index: int) -> TaskFacts | None:
    return read_task(session, dag_id, run_id, task_id, map_index)


def _task_documents(facts: Annotated[TaskFacts | None, Depends(_task_facts)]) -> TaskDocuments:
    if facts is None:
        raise HTTPException(404, "Not a Raydocs task.")
    return read_documents(facts)


@app.get(_TASK, dependencies=_may_read)
def show_task(
    facts: Annotated[TaskFacts | None, Depends(_task_facts)],
    search: str = "",
    state: str = "",
    limit: Limit = 100,
    offset: Offset = 0,
) -> dict[str, Any]:
    """The documents of a task instance. On tasks of others it says so, and has read one row."""
    if facts is None:
        return {"raydocs": False, "message": "Not a Raydocs task, or one that has not begun."}
    documents = read_documents(facts)
    return {
        "raydocs": True,
        "run": describe_run(facts.run),
        **documents.describe(search, state, offset, limit),
    }


@app.get(f"{_TASK}/documents.csv", dependencies=_may_read)
def download_documents(
    documents: Annotated[TaskDocuments, Depends(_task_documents)], search: str = "", state: str = ""
) -> StreamingResponse:
    """The same as a file for spreadsheets."""
    run: TaskRun = documents.facts.run
    name = "".join(character if character.isalnum() else "_" for character in f"{run.dag_id}_{run.task_id}")
    return StreamingResponse(
        documents.write_csv(search, state),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name.encode("ascii", "ignore").decode()}.csv"'},
    )


class Check(BaseModel):
    """Which sessions to look at."""

    session_ids: list[str] = Field(min_length=1, max_length=MAX_CHECKED)


@app.post(f"{_TASK}/check", dependencies=_may_edit)
def check_now(documents: Annotated[TaskDocuments, Depends(_task_documents)], check: Check) -> dict[str, Any]:
    """
    Look at open sessions of the task right now: one request of the budget each.

    For people who may edit the Dag, because it costs requests that the tasks could use.
    """
    strangers = set(check.session_ids) - documents.open_sessions()
    if strangers or documents.manifest is None:
        raise HTTPException(422, "Only sessions of this task that are still open can be checked.")
    return {"sessions": _look(documents.manifest.conn_id, list(dict.fromkeys(check.session_ids)))}


def _look(conn_id: str, session_ids: list[str], clock: Callable[[], float] = time.monotonic) -> list[dict[str, Any]]:
    from raydocs_provider.extraction.waiting import judge, newest_run
    from raydocs_provider.hooks.raydocs import RaydocsHook

    found = []
    until = clock() + MAX_CHECK_SECONDS
    try:
        with RaydocsHook(conn_id) as hook:
            for session_id in session_ids:
                if clock() > until:
                    break
                session = hook.glance_at_session(session_id)
                outcome, run = judge(session), newest_run(session.results)
                found.append(
                    {
                        "session_id": session_id,
                        "status": outcome.state if outcome else (run.status if run else session.status),
                        "document_status": session.documents[0].status if session.documents else None,
                        "reason": outcome.reason if outcome else None,
                        "finished": outcome is not None,
                    }
                )
    except RaydocsRateLimitError as busy:
        if not found:
            seconds = math.ceil(busy.retry_after or 60)
            raise HTTPException(
                429,
                f"The request limit of Raydocs is used up. Try again in {seconds} s.",
                headers={"Retry-After": str(seconds)},
            ) from None
    except RaydocsError as problem:
        if not found:
            raise HTTPException(502, str(problem)) from None
    return found


@app.get("/static/{version}/main.umd.cjs", dependencies=[Depends(requires_authenticated())])
def bundle(version: str) -> FileResponse:
    """The page itself, for every user. The version in its address is there for the browser's cache."""
    return FileResponse(
        _BUNDLE,
        media_type="application/javascript",
        headers={"Cache-Control": "public, max-age=31536000, immutable"},
    )


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
