"""Extraction templates."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from raydocs_provider.emulator.access import Caller, OwnedTemplate, OwnedWorkspace, TheBackend, needs
from raydocs_provider.emulator.errors import invalid
from raydocs_provider.emulator.front import note_created
from raydocs_provider.emulator.records import Template
from raydocs_provider.emulator.routes.schema import ExtractionSchema, TemplateSettings
from raydocs_provider.emulator.routes.shared import PER_PAGE, PageNumber, Payload, TheShapes, paged

DEFAULT_SETTINGS = {"parsing": {"contextual_embedding": False}}

router = APIRouter()


class NewTemplate(Payload):
    """What a template is made of."""

    name: str
    workspace_id: int | str
    extraction_schema: Annotated[ExtractionSchema, Field(alias="schema_json")]
    description: str | None = None
    settings: TemplateSettings | None = None


class ChangedTemplate(Payload):
    """What can be changed about a template."""

    name: str | None = None
    description: str | None = None
    extraction_schema: Annotated[ExtractionSchema | None, Field(alias="schema_json")] = None
    settings: TemplateSettings | None = None


class Copy(Payload):
    """How the copy of a template is called."""

    name: str | None = None


@router.get("/workspaces/{workspace_id}/extractions/templates", dependencies=[needs("templates-read")])
async def list_templates(
    backend: TheBackend, workspace: OwnedWorkspace, shapes: TheShapes, page: PageNumber
) -> Response:
    """A workspace's templates."""
    rows = backend.store.templates(workspace.number)
    return JSONResponse(paged(rows, page, PER_PAGE, lambda row: shapes.template(row, workspace)))


@router.post("/extractions/templates", dependencies=[needs("templates-write")])
async def create_template(
    request: Request, backend: TheBackend, caller: Caller, shapes: TheShapes, payload: NewTemplate
) -> Response:
    """A new template."""
    workspace = backend.store.workspace(caller.owner, str(payload.workspace_id))
    if workspace is None:
        raise invalid({"workspace_id": ["The selected workspace id is invalid."]})
    now = backend.clock()
    template = Template(
        id=backend.new_id(),
        workspace=workspace.number,
        name=payload.name,
        description=payload.description,
        schema_json=payload.extraction_schema.model_dump(exclude_unset=True),
        settings=payload.settings.model_dump(exclude_unset=True) if payload.settings else DEFAULT_SETTINGS,
        created_at=now,
        updated_at=now,
    )
    backend.store.add(template)
    note_created(request.scope, [template.id])
    return JSONResponse(shapes.template(template, workspace), 201)


@router.get("/extractions/templates/{template_id}", dependencies=[needs("templates-read")])
async def get_template(backend: TheBackend, template: OwnedTemplate, shapes: TheShapes) -> Response:
    """One template."""
    return JSONResponse(shapes.template(template, backend.store.workspace_by_number(template.workspace)))


@router.put("/extractions/templates/{template_id}", dependencies=[needs("templates-write")])
async def update_template(
    backend: TheBackend, template: OwnedTemplate, shapes: TheShapes, payload: ChangedTemplate
) -> Response:
    """A changed template. Runs that were started before keep the schema of their time."""
    given = payload.model_dump(by_alias=True, exclude_unset=True)
    # Only the description can be emptied.
    changes = {name: value for name, value in given.items() if value is not None or name == "description"}
    changed = replace(template, **changes, updated_at=backend.clock())
    backend.store.add(changed)
    return JSONResponse(shapes.template(changed, backend.store.workspace_by_number(template.workspace)))


@router.delete("/extractions/templates/{template_id}", dependencies=[needs("templates-write")])
async def delete_template(backend: TheBackend, template: OwnedTemplate) -> Response:
    """Away with it, its sessions, documents and results."""
    backend.store.delete_template(template.id)
    return Response(status_code=204)


@router.post("/extractions/templates/{template_id}/duplicate", dependencies=[needs("templates-write")])
async def duplicate_template(
    request: Request,
    backend: TheBackend,
    template: OwnedTemplate,
    shapes: TheShapes,
    payload: Copy | None = None,
) -> Response:
    """A copy in the same workspace."""
    name = (payload.name if payload else None) or f"{template.name} (Copy)"
    now = backend.clock()
    copy = replace(template, id=backend.new_id(), name=name, created_at=now, updated_at=now)
    backend.store.add(copy)
    note_created(request.scope, [copy.id])
    return JSONResponse(shapes.template(copy, backend.store.workspace_by_number(template.workspace)), 201)
