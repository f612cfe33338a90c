"""Workspaces."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from raydocs_provider.emulator.access import Caller, OwnedWorkspace, TheBackend, needs
from raydocs_provider.emulator.front import note_created
from raydocs_provider.emulator.routes.shared import Payload, TheShapes

router = APIRouter(prefix="/workspaces")


class NewWorkspace(Payload):
    """What a workspace is made of."""

    name: str
    icon: str | None = None


class ChangedWorkspace(Payload):
    """What can be changed about a workspace."""

    name: str | None = None
    icon: str | None = None


@router.get("", dependencies=[needs("workspaces-read")])
async def list_workspaces(backend: TheBackend, caller: Caller, shapes: TheShapes) -> Response:
    """The caller's workspaces."""
    rows = [shapes.workspace(workspace) for workspace in backend.store.workspaces(caller.owner)]
    return JSONResponse(shapes.listed(rows))


@router.post("/create", dependencies=[needs("workspaces-write")])
async def create_workspace(
    request: Request, backend: TheBackend, caller: Caller, shapes: TheShapes, payload: NewWorkspace
) -> Response:
    """A new workspace."""
    workspace = backend.store.create_workspace(
        backend.new_id(), caller.owner, payload.name, payload.icon, backend.clock()
    )
    note_created(request.scope, [str(shapes.workspace_id(workspace))])
    return JSONResponse(shapes.workspace(workspace), 201)


@router.put("/{workspace_id}", dependencies=[needs("workspaces-write")])
async def update_workspace(
    backend: TheBackend, workspace: OwnedWorkspace, shapes: TheShapes, payload: ChangedWorkspace
) -> Response:
    """Another name or icon."""
    changed = replace(workspace, **payload.model_dump(exclude_none=True), updated_at=backend.clock())
    backend.store.add(changed)
    return JSONResponse(shapes.workspace(changed))


@router.delete("/{workspace_id}", dependencies=[needs("workspaces-write")])
async def delete_workspace(backend: TheBackend, workspace: OwnedWorkspace) -> Response:
    """Away with it and all that is in it."""
    backend.store.delete_workspace(workspace.number)
    return Response(status_code=204)
