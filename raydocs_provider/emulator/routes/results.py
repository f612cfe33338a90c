"""Results: the runs of a session."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from raydocs_provider.emulator.access import OwnedRun, OwnedSession, TheBackend, needs
from raydocs_provider.emulator.backend import Backend
from raydocs_provider.emulator.errors import invalid
from raydocs_provider.emulator.exports import run_workbook
from raydocs_provider.emulator.front import note_created
from raydocs_provider.emulator.lifecycle import DocumentStage
from raydocs_provider.emulator.records import Session, Workspace
from raydocs_provider.emulator.routes.shared import TheShapes

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

router = APIRouter(prefix="/extractions")


@router.get("/sessions/{session_id}/results", dependencies=[needs("sessions-read")])
async def list_results(backend: TheBackend, session: OwnedSession, shapes: TheShapes) -> Response:
    """A session's runs, oldest first."""
    workspace = _workspace(backend, session)
    runs = backend.look_at_session(session).runs
    return JSONResponse(shapes.listed([shapes.listed_run(run, workspace) for run in runs]))


@router.post("/sessions/{session_id}/results", dependencies=[needs("sessions-write")])
async def run_extraction(request: Request, backend: TheBackend, session: OwnedSession, shapes: TheShapes) -> Response:
    """A new run over the attached documents. Each call makes one."""
    view = backend.look_at_session(session)
    if not view.documents:
        raise invalid({"documents": ["The session has no documents."]})
    waiting = [each for each in view.documents if each.progress.ended_at is None]
    if waiting and backend.behaviour.runs_while_parsing == "hidden":
        raise invalid({"documents": ["The documents of the session are not ready."]})
    if all(each.progress.stage is DocumentStage.FAILED for each in view.documents):
        raise invalid({"documents": ["The documents of the session could not be parsed."]})
    workspace = _workspace(backend, session)
    template = backend.store.template(workspace.owner, session.template_id)
    assert template is not None
    run = backend.start_run(session, template)
    note_created(request.scope, [run.id])
    if backend.behaviour.run_as_job:
        return JSONResponse({"message": "Extraction queued", "job_id": backend.new_id()}, 201)
    return JSONResponse(shapes.run(backend.look_at_run(run), workspace), 201)


@router.get("/results/{result_id}", dependencies=[needs("sessions-read")])
async def get_result(backend: TheBackend, run: OwnedRun, shapes: TheShapes) -> Response:
    """One run with what was found."""
    return JSONResponse(shapes.run(backend.look_at_run(run), backend.store.workspace_of_run(run.id)))


@router.delete("/results/{result_id}", dependencies=[needs("sessions-write")])
async def delete_result(backend: TheBackend, run: OwnedRun) -> Response:
    """Away with one run."""
    backend.store.delete_run(run.id)
    return Response(status_code=204)


@router.get("/results/{result_id}/export/excel", dependencies=[needs("sessions-read")])
async def export_result(backend: TheBackend, run: OwnedRun) -> Response:
    """One run as a workbook."""
    return workbook_response(run_workbook(backend.look_at_run(run)), "extraction_result.xlsx")


def workbook_response(content: bytes, filename: str) -> Response:
    """A workbook to save under a name."""
    return Response(content, media_type=XLSX, headers={"Content-Disposition": f'attachment; filename="{filename}"'})


def _workspace(backend: Backend, session: Session) -> Workspace:
    return backend.store.workspace_by_number(session.workspace)
