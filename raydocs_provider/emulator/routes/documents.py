"""Documents as a session's user sees them, and the signed URL for uploading them."""

from __future__ import annotations

import mimetypes
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from raydocs_provider.emulator.access import Caller, OwnedDocument, TheBackend, needs
from raydocs_provider.emulator.backend import Backend
from raydocs_provider.emulator.front import note_created
from raydocs_provider.emulator.lifecycle import DocumentStage
from raydocs_provider.emulator.records import Document, Upload
from raydocs_provider.emulator.routes.shared import Payload, TheShapes
from raydocs_provider.emulator.shapes import JSON, Shapes
from raydocs_provider.emulator.storage import DOWNLOADS, UPLOADS

DEFAULT_TYPE = "application/octet-stream"
DOWNLOAD_SECONDS = 600

router = APIRouter()


class WantedUpload(Payload):
    """What is going to be uploaded."""

    content_type: str | None = None
    visibility: str | None = None


@router.post("/vapor/signed-storage-url")
async def sign_upload(
    request: Request, backend: TheBackend, caller: Caller, payload: WantedUpload | None = None
) -> Response:
    """A URL that takes one PUT of one file. Any valid token may have one."""
    wanted = payload.content_type if payload else None
    content_type = wanted or DEFAULT_TYPE
    now = backend.clock()
    name = backend.new_id()
    suffix = mimetypes.guess_extension(content_type) or ""
    key = f"tmp/{name}-{backend.store.count_uploads() + 1}{suffix}"
    backend.store.add(Upload(key, caller.owner, content_type, now))
    url = backend.signer.url(
        str(request.base_url),
        "PUT",
        UPLOADS + key,
        content_type=content_type,
        expires=int(now + backend.options.upload_expiry),
    )
    note_created(request.scope, [key])
    # The pages show `{}` where the caller names the type, and the type where it does not.
    headers: JSON = {} if wanted else {"Content-Type": content_type}
    answer: JSON = {"url": url, "key": key, "headers": headers}
    if backend.behaviour.vapor_real:
        host = urlsplit(url).netloc
        answer["headers"] = {"Host": [host], "Content-Type": content_type}
        return JSONResponse({**answer, "uuid": name, "bucket": "emulator"}, 201)
    return JSONResponse(answer)


@router.get("/extractions/documents/{document_id}", dependencies=[needs("sessions-read")])
async def get_document(backend: TheBackend, document: OwnedDocument, shapes: TheShapes) -> Response:
    """One document and how far it is."""
    return JSONResponse(document_shape(backend, document, shapes))


@router.delete("/extractions/documents/{document_id}", dependencies=[needs("sessions-write")])
async def delete_document(backend: TheBackend, document: OwnedDocument) -> Response:
    """Away with it and what was extracted from it."""
    backend.store.delete_document(document.id)
    return Response(status_code=204)


@router.get("/extractions/documents/{document_id}/url", dependencies=[needs("sessions-read")])
async def get_document_url(
    request: Request, backend: TheBackend, document: OwnedDocument, shapes: TheShapes
) -> Response:
    """A URL that gives the original back."""
    return JSONResponse(download_link(request, backend, document, shapes))


@router.get("/extractions/documents/{document_id}/chunks", dependencies=[needs("sessions-read")])
async def get_chunks(backend: TheBackend, document: OwnedDocument, shapes: TheShapes) -> Response:
    """The document's text; nothing before it is parsed."""
    parsed = backend.look_at_document(document).progress.stage is DocumentStage.PARSED
    reading = backend.store.reading(document.sha256) if parsed else None
    return JSONResponse(shapes.listed(shapes.chunks(document, reading) if reading else []))


def document_shape(backend: Backend, document: Document, shapes: Shapes) -> JSON:
    """A document as JSON, as it stands now."""
    workspace = backend.store.workspace_by_number(document.workspace)
    return shapes.document(backend.look_at_document(document), workspace)


def download_link(request: Request, backend: Backend, document: Document, shapes: Shapes) -> JSON:
    """A signed URL for a document's original, and until when it is good."""
    expires = int(backend.clock() + DOWNLOAD_SECONDS)
    url = backend.signer.url(str(request.base_url), "GET", DOWNLOADS + document.id, expires=expires)
    return {"url": url, "expires_at": shapes.time(expires)}
