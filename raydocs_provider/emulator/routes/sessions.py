"""Extraction sessions and the documents attached to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from raydocs_provider.emulator.access import Caller, OwnedSession, TheBackend, needs
from raydocs_provider.emulator.backend import Backend
from raydocs_provider.emulator.errors import invalid, not_found
from raydocs_provider.emulator.front import note_created
from raydocs_provider.emulator.records import Document, Session
from raydocs_provider.emulator.routes.shared import (
    PER_PAGE,
    PageNumber,
    Payload,
    SessionSettings,
    TheShapes,
    paged,
    uploads_of,
)
from raydocs_provider.emulator.shapes import JSON, Shapes

router = APIRouter(prefix="/extractions/sessions")
library_router = APIRouter(prefix="/extractions/sessions")
old_router = APIRouter(prefix="/extractions/sessions")


class NewSession(Payload):
    """What a session is made of."""

    extraction_template_id: str
    name: str | None = None


class ChangedSession(Payload):
    """What can be changed about a session."""

    name: str | None = None
    settings: SessionSettings | None = None


class Keys(Payload):
    """Keys of uploads."""

    keys: list[str]


class KeyAndFilename(Payload):
    """One upload, in the older form."""

    key: str
    filename: str


class DocumentIds(Payload):
    """Documents of the library."""

    document_ids: list[str]


@router.post("", dependencies=[needs("sessions-write")])
async def create_session(
    request: Request, backend: TheBackend, caller: Caller, shapes: TheShapes, payload: NewSession
) -> Response:
    """A session without documents."""
    template = backend.store.template(caller.owner, payload.extraction_template_id)
    if template is None:
        raise invalid({"extraction_template_id": ["The selected extraction template id is invalid."]})
    session = backend.add_session(template, payload.name, {})
    note_created(request.scope, [session.id])
    return JSONResponse(_view(backend, session, shapes), 201)


@router.get("/{session_id}", dependencies=[needs("sessions-read")])
async def get_session(backend: TheBackend, session: OwnedSession, shapes: TheShapes) -> Response:
    """A session with its documents and results: what a client polls."""
    return JSONResponse(_view(backend, session, shapes))


@router.put("/{session_id}", dependencies=[needs("sessions-write")])
async def update_session(
    backend: TheBackend, session: OwnedSession, shapes: TheShapes, payload: ChangedSession
) -> Response:
    """Another name or other settings."""
    changes = payload.model_dump(exclude_none=True)
    changed = replace(session, **changes, updated_at=backend.clock())
    backend.store.add(changed)
    return JSONResponse(shapes.session(changed))


@router.delete("/{session_id}", dependencies=[needs("sessions-write")])
async def delete_session(backend: TheBackend, session: OwnedSession) -> Response:
    """Away with it, its documents and results."""
    backend.store.delete_sessions([session.id])
    return Response(status_code=204)


@router.get("/{session_id}/documents", dependencies=[needs("sessions-read")])
async def list_documents(backend: TheBackend, session: OwnedSession, shapes: TheShapes, page: PageNumber) -> Response:
    """The documents of a session."""
    documents = backend.store.documents_of_session(session.id)
    workspace = backend.store.workspace_by_number(session.workspace)
    shape = lambda document: shapes.document(backend.look_at_document(document), workspace)  # noqa: E731
    return JSONResponse(paged(documents, page, PER_PAGE, shape))


@old_router.post("/{session_id}/documents", dependencies=[needs("sessions-write")])
async def add_document(
    request: Request,
    backend: TheBackend,
    caller: Caller,
    session: OwnedSession,
    shapes: TheShapes,
    payload: KeyAndFilename,
) -> Response:
    """One upload into a session, under a name (old generation)."""
    (upload,) = uploads_of(backend, caller, [payload.key], "key")
    document, _ = backend.add_document(session.workspace, upload, filename=payload.filename, session_id=session.id)
    note_created(request.scope, [document.id])
    (shape,) = _attached(backend, session, [document], shapes)
    return JSONResponse(shape, 201)


@library_router.post("/{session_id}/documents/upload", dependencies=[needs("sessions-write")])
async def add_documents(
    request: Request,
    backend: TheBackend,
    caller: Caller,
    session: OwnedSession,
    shapes: TheShapes,
    payload: Keys,
) -> Response:
    """Uploads into a session; with ``dedup`` the workspace's own document where it has the bytes already."""
    uploads = uploads_of(backend, caller, payload.keys, "keys")
    with backend.store.transaction():
        added = [backend.add_document(session.workspace, upload, session_id=session.id) for upload in uploads]
        documents = [document for document, _ in added]
        shape = _attached(backend, session, documents, shapes)
    note_created(request.scope, [document.id for document, reused in added if not reused])
    return JSONResponse({"data": shape}, 201)


@library_router.post("/{session_id}/documents/attach", dependencies=[needs("sessions-write")])
async def attach_documents(
    backend: TheBackend,
    caller: Caller,
    session: OwnedSession,
    shapes: TheShapes,
    payload: DocumentIds,
) -> Response:
    """Documents of the library into a session of the same workspace."""
    found = [backend.store.document(caller.owner, document_id) for document_id in payload.document_ids]
    good = [document for document in found if document and document.workspace == session.workspace]
    if len(good) < len(found):
        raise invalid({"document_ids": ["A document is not in the workspace of the session."]})
    return JSONResponse({"data": _attached(backend, session, good, shapes)})


@library_router.delete("/{session_id}/documents/{document_id}", dependencies=[needs("sessions-write")])
async def detach_document(backend: TheBackend, session: OwnedSession, document_id: str) -> Response:
    """Out of the session; the document stays in the library."""
    if not backend.store.detach(session.id, document_id):
        raise not_found()
    return Response(status_code=204)


def _view(backend: Backend, session: Session, shapes: Shapes) -> JSON:
    workspace = backend.store.workspace_by_number(session.workspace)
    return shapes.session_view(backend.look_at_session(session), workspace)


def _attached(backend: Backend, session: Session, documents: Sequence[Document], shapes: Shapes) -> list[JSON]:
    backend.attach(session, documents)
    workspace = backend.store.workspace_by_number(session.workspace)
    now_attached = {document.id: document for document in backend.store.documents_of_session(session.id)}
    return [shapes.document(backend.look_at_document(now_attached[each.id]), workspace) for each in documents]
