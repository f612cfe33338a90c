"""The storage behind the signed URLs. It speaks like S3: no tokens, XML errors."""

from __future__ import annotations

from dataclasses import replace
from xml.sax.saxutils import escape

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from starlette.requests import ClientDisconnect

from raydocs_provider.emulator.access import TheBackend
from raydocs_provider.emulator.storage import DOWNLOADS, UPLOADS

router = APIRouter()

_STATUS = {
    "AccessDenied": 403,
    "SignatureDoesNotMatch": 403,
    "InvalidArgument": 400,
    "NotImplemented": 501,
    "MissingContentLength": 411,
    "PreconditionFailed": 412,
    "IncompleteBody": 400,
    "NoSuchKey": 404,
}


def _refusal(code: str, message: str) -> Response:
    xml = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    return Response(xml, _STATUS[code], media_type="application/xml")


@router.put(UPLOADS + "{key:path}")
async def put_upload(
    request: Request, backend: TheBackend, key: str, signature: str = "", expires: str = ""
) -> Response:
    """Take the bytes of one key, once, streamed to disk."""
    headers = request.headers
    if "authorization" in headers:
        return _refusal("InvalidArgument", "Only one auth mechanism allowed: send no Authorization header.")
    if "transfer-encoding" in headers:
        return _refusal("NotImplemented", "Transfer-Encoding is not implemented: send a Content-Length.")
    if "content-length" not in headers:
        return _refusal("MissingContentLength", "You must provide the Content-Length HTTP header.")
    problem = backend.signer.refuses(
        signature,
        expires,
        backend.clock(),
        method="PUT",
        path=UPLOADS + key,
        content_type=headers.get("content-type", ""),
    )
    if problem == "SignatureDoesNotMatch":
        return _refusal(problem, "The signature does not fit: is it the signed URL and the signed Content-Type?")
    upload = backend.store.upload(key)
    if problem or upload is None:
        return _refusal("AccessDenied", "Request has expired or is not signed.")
    if upload.sha256:
        return _refusal("PreconditionFailed", "The key has been uploaded already: ask for a new signed URL.")
    try:
        stored = await backend.blobs.write(request.stream())
    except ClientDisconnect:
        return _refusal("IncompleteBody", "The body ended before its Content-Length.")
    backend.store.add(replace(upload, sha256=stored.sha256, size=stored.size))
    return Response(headers={"ETag": f'"{stored.sha256[:32]}"'})


@router.get(DOWNLOADS + "{document_id}")
async def get_original(backend: TheBackend, document_id: str, signature: str = "", expires: str = "") -> Response:
    """Give a document's bytes back."""
    path = DOWNLOADS + document_id
    if backend.signer.refuses(signature, expires, backend.clock(), method="GET", path=path):
        return _refusal("AccessDenied", "Request has expired or is not signed.")
    document = backend.store.document_by_id(document_id)
    if document is None:
        return _refusal("NoSuchKey", "The document has been deleted.")
    return FileResponse(backend.blobs.path(document.sha256), media_type=document.mime, filename=document.filename)
