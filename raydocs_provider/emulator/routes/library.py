"""The documents of a workspace (new generation)."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import AsyncIterator
from http.client import HTTPException, HTTPResponse
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from raydocs_provider.emulator.access import (
    Caller,
    OwnedDocument,
    OwnedWorkspace,
    TheBackend,
    needs,
)
from raydocs_provider.emulator.backend import Backend
from raydocs_provider.emulator.errors import invalid, not_found
from raydocs_provider.emulator.front import note_created
from raydocs_provider.emulator.records import Document, Upload, Workspace
from raydocs_provider.emulator.routes.documents import document_shape, download_link
from raydocs_provider.emulator.routes.shared import PageNumber, Payload, TheShapes, paged, uploads_of
from raydocs_provider.emulator.shapes import JSON, Shapes

IMPORT_TIMEOUT = 30
_PIECE = 1 << 16

router = APIRouter(prefix="/workspaces/{workspace_id}")


class NewDocument(Payload):
    """An upload that is to become a document."""

    key: str
    filename: str | None = None
    mime: str | None = None


class ImportedUrl(Payload):
    """A URL whose content is to become a document."""

    url: str
    filename: str | None = None


DocumentWord = Literal[
    "uploaded", "queued", "parsing", "parsed", "processed", "failed", "ready", "processing", "pending"
]


@router.get("/documents", dependencies=[needs("documents-read")])
async def list_documents(
    backend: TheBackend,
    workspace: OwnedWorkspace,
    shapes: TheShapes,
    page: PageNumber,
    query: str = "",
    mime: str = "",
    status: DocumentWord | None = None,
    source_type: Literal["upload", "url", "connector"] | None = None,
    sort: Literal["created_at", "filename", "size", "status"] = "created_at",
    order: Literal["asc", "desc"] = "desc",
    per_page: Annotated[int, Query(ge=1, le=100)] = 15,
) -> Response:
    """Search the library. Says of 100 documents at a time how far they are."""
    rows = [
        shapes.document(backend.look_at_document(document), workspace)
        for document in backend.store.documents_of_workspace(workspace.number)
        if _about(document, query)
    ]
    wanted = {"mime": mime, "status": status, "source_type": source_type}
    rows = [row for row in rows if all(row[name] == value for name, value in wanted.items() if value)]
    rows.sort(key=lambda row: row[sort], reverse=order == "desc")
    return JSONResponse(paged(rows, page, per_page, lambda row: row))


@router.post("/documents", dependencies=[needs("documents-write")])
async def create_document(
    request: Request,
    backend: TheBackend,
    caller: Caller,
    workspace: OwnedWorkspace,
    shapes: TheShapes,
    payload: NewDocument,
) -> Response:
    """A document of an upload."""
    (upload,) = uploads_of(backend, caller, [payload.key], "key")
    document, reused = backend.add_document(workspace.number, upload, filename=payload.filename, mime=payload.mime)
    return _created(request, backend, workspace, document, reused, shapes)


@router.post("/documents:importUrl", dependencies=[needs("documents-write")])
async def import_url(
    request: Request,
    backend: TheBackend,
    caller: Caller,
    workspace: OwnedWorkspace,
    shapes: TheShapes,
    payload: ImportedUrl,
) -> Response:
    """A document of what lies behind a URL, fetched now."""
    try:
        with await asyncio.to_thread(_open, payload.url) as page:
            mime = page.headers.get_content_type()
            stored = await backend.blobs.write(_pieces(page))
    except (OSError, ValueError, HTTPException):
        raise invalid({"url": ["The url could not be fetched."]}) from None
    name = payload.filename or unquote(urlsplit(payload.url).path.rpartition("/")[2]) or "document"
    fetched = Upload("", caller.owner, mime, backend.clock(), stored.sha256, stored.size)
    document, reused = backend.add_document(workspace.number, fetched, filename=name, source_url=payload.url)
    return _created(request, backend, workspace, document, reused, shapes)


@router.get("/documents/{document_id}", dependencies=[needs("documents-read")])
async def get_document(
    backend: TheBackend, workspace: OwnedWorkspace, document: OwnedDocument, shapes: TheShapes
) -> Response:
    """One document with its parsings."""
    return JSONResponse(document_shape(backend, _within(workspace, document), shapes))


@router.get("/documents/{document_id}/url", dependencies=[needs("workspaces-read", "documents-read")])
async def get_document_url(
    request: Request,
    backend: TheBackend,
    workspace: OwnedWorkspace,
    document: OwnedDocument,
    shapes: TheShapes,
) -> Response:
    """A URL that gives the original back."""
    return JSONResponse(download_link(request, backend, _within(workspace, document), shapes))


def _created(
    request: Request, backend: Backend, workspace: Workspace, document: Document, reused: bool, shapes: Shapes
) -> Response:
    if not reused:
        note_created(request.scope, [document.id])
    answer: JSON = {
        "document": document_shape(backend, document, shapes),
        "dedup": {"reused": reused, "matched_by": "sha256" if reused else None},
        "document_ref": shapes.document_ref(document, workspace),
    }
    return JSONResponse(answer, 200 if reused else 201)


def _within(workspace: Workspace, document: Document) -> Document:
    if document.workspace != workspace.number:
        raise not_found()
    return document


def _about(document: Document, query: str) -> bool:
    texts = (document.filename, document.source_url or "", document.sha256)
    return any(query.lower() in text.lower() for text in texts)


def _open(url: str) -> HTTPResponse:
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError("only http and https")
    page = urllib.request.urlopen(url, timeout=IMPORT_TIMEOUT)  # noqa: S310 - the scheme is checked above
    assert isinstance(page, HTTPResponse)
    return page


async def _pieces(page: HTTPResponse) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(page.read, _PIECE):
        yield piece
