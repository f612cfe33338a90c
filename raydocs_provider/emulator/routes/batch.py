"""Operations on many sessions of one template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from raydocs_provider.emulator.access import Caller, OwnedTemplate, TheBackend, needs
from raydocs_provider.emulator.backend import Backend, RunView
from raydocs_provider.emulator.exports import ExportRow, csv_table, session_workbook
from raydocs_provider.emulator.front import note_created
from raydocs_provider.emulator.order import shuffled
from raydocs_provider.emulator.records import Session
from raydocs_provider.emulator.routes.results import workbook_response
from raydocs_provider.emulator.routes.shared import (
    Payload,
    SessionIds,
    SessionSettings,
    TheShapes,
    sessions_of,
    uploads_of,
)

MAX_FILES = 50

router = APIRouter(prefix="/extractions/templates/{template_id}/sessions/batch")


class Files(Payload):
    """Keys of uploads, each to become a session."""

    files: Annotated[list[str], Field(max_length=MAX_FILES)]
    settings: SessionSettings | None = None


class Export(SessionIds):
    """Sessions and the format their results are wanted in."""

    format: Literal["json", "csv", "excel"] = "json"


@router.post("", dependencies=[needs("sessions-write")])
async def create_sessions(
    request: Request,
    backend: TheBackend,
    caller: Caller,
    template: OwnedTemplate,
    shapes: TheShapes,
    payload: Files,
) -> Response:
    """One session per file. Asking again makes new ones: nothing here is idempotent."""
    uploads = uploads_of(backend, caller, payload.files, "files")
    settings = payload.settings or SessionSettings()
    created: list[Session] = []
    with backend.store.transaction():
        for upload in uploads:
            session = backend.add_session(template, None, settings.model_dump())
            document, _ = backend.add_document(session.workspace, upload, session_id=session.id)
            backend.attach(session, [document])
            if settings.auto_extract:
                backend.start_run(session, template)
            created.append(session)
    note_created(request.scope, [session.id for session in created])
    rows = [shapes.batch_session(session) for session in created]
    return JSONResponse(shuffled(rows) if backend.behaviour.shuffle_batch else rows, 201)


@router.post("/execute", dependencies=[needs("sessions-write")])
async def execute_sessions(
    request: Request, backend: TheBackend, caller: Caller, template: OwnedTemplate, payload: SessionIds
) -> Response:
    """A run for each session that has documents. The runs are not named in the answer."""
    sessions = sessions_of(backend, caller, template, payload.session_ids)
    with backend.store.transaction():
        ready = [session for session in sessions if backend.store.documents_of_session(session.id)]
        runs = [backend.start_run(session, template) for session in ready]
    note_created(request.scope, [run.id for run in runs])
    return JSONResponse({"message": "Extractions queued", "queued_count": len(runs)})


@router.post("/delete", dependencies=[needs("sessions-write")])
@router.delete("", dependencies=[needs("sessions-write")])
async def delete_sessions(
    backend: TheBackend, caller: Caller, template: OwnedTemplate, payload: SessionIds
) -> Response:
    """Away with the sessions, in both of the published forms."""
    backend.store.delete_sessions([each.id for each in sessions_of(backend, caller, template, payload.session_ids)])
    return Response(status_code=204)


@router.post("/export", dependencies=[needs("sessions-read")])
async def export_sessions(backend: TheBackend, caller: Caller, template: OwnedTemplate, payload: Export) -> Response:
    """Results of many sessions, the format in the body."""
    return _export(backend, sessions_of(backend, caller, template, payload.session_ids), payload.format)


@router.post("/export/{format}", dependencies=[needs("sessions-read")])
async def export_sessions_as(
    backend: TheBackend, caller: Caller, template: OwnedTemplate, format: Literal["json", "excel"], payload: SessionIds
) -> Response:
    """Results of many sessions, the format in the path."""
    return _export(backend, sessions_of(backend, caller, template, payload.session_ids), format)


def _export(backend: Backend, sessions: Sequence[Session], format: str) -> Response:
    rows = [
        ExportRow(session.id, view.documents[0].filename if session.name is None else session.name, view)
        for session in sessions
        if (view := _last_completed(backend, session))
    ]
    if format == "json":
        return JSONResponse([row.as_json() for row in rows])
    if format == "csv":
        return Response(csv_table(rows), media_type="text/csv")
    return workbook_response(session_workbook(rows), "extraction_results.xlsx")


def _last_completed(backend: Backend, session: Session) -> RunView | None:
    # The API's pages do not say what an export holds of a session without a result; here it holds nothing.
    views = (backend.look_at_run(run) for run in reversed(backend.store.runs_of_session(session.id)))
    return next((view for view in views if view.completed), None)
