"""
Decoded JSON of both API generations -> the objects of :mod:`raydocs_provider.api.models`.

Lenient where the API's own pages disagree (envelopes, missing keys, unknown statuses), strict where a guess would be
paid for: an object without an id, or a list that is no list, raises :class:`UnexpectedShapeError`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raydocs_provider.api.models import (
    JSON,
    Document,
    Parsing,
    Result,
    Session,
    SignedUpload,
    Template,
    Workspace,
)

_MAX_ERROR_LENGTH = 300


class UnexpectedShapeError(ValueError):
    """JSON that no page of the API reference describes. The message names keys and types, never values."""


def rows(body: JSON) -> list[JSON]:
    """The items of a list answer: a bare array, or the ``data`` of an envelope."""
    if isinstance(body, Mapping):
        body = body.get("data")
    if not isinstance(body, list):
        raise UnexpectedShapeError("expected a list, or an object with a list under 'data'")
    return body


def is_last_page(body: JSON) -> bool:
    """Whether no page follows. Lists without ``meta`` have one page."""
    meta = body.get("meta") if isinstance(body, Mapping) else None
    if not isinstance(meta, Mapping):
        return True
    current, last = meta.get("current_page"), meta.get("last_page")
    return not (isinstance(current, int) and isinstance(last, int) and current < last)


def _object(body: JSON, what: str) -> Mapping[str, Any]:
    # Stock Laravel wraps single resources in `data`; the API's pages show them bare. Both are read.
    if isinstance(body, Mapping) and "id" not in body and isinstance(body.get("data"), Mapping):
        body = body["data"]
    if not isinstance(body, Mapping):
        raise UnexpectedShapeError(f"expected {what} as a JSON object")
    return body


def _id(body: Mapping[str, Any], what: str) -> str:
    value = body.get("id")
    if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
        raise UnexpectedShapeError(f"{what} without an id")
    return str(value)


def _text(value: JSON) -> str | None:
    return value if isinstance(value, str) else None


def _status(value: JSON) -> str | None:
    return value.strip().lower() if isinstance(value, str) else None


def _mapping(value: JSON) -> Mapping[str, Any]:
    # PHP prints an empty object as an empty list.
    return value if isinstance(value, Mapping) else {}


def _objects(value: JSON) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def workspace(body: JSON) -> Workspace:
    """Read a workspace; its id may be a number or text."""
    found = _object(body, "a workspace")
    return Workspace(_id(found, "a workspace"), _text(found.get("name")) or "")


def workspaces(body: JSON) -> list[Workspace]:
    """Read the list of workspaces."""
    return [workspace(row) for row in rows(body)]


def template(body: JSON) -> Template:
    """Read a template; in list rows its schema may be missing."""
    found = _object(body, "a template")
    workspace_id = found.get("workspace_id")
    return Template(
        id=_id(found, "a template"),
        name=_text(found.get("name")) or "",
        workspace_id=None if workspace_id is None else str(workspace_id),
        description=_text(found.get("description")),
        schema_json=_mapping(found.get("schema_json")),
        settings=_mapping(found.get("settings")),
    )


def signed_upload(body: JSON) -> SignedUpload:
    """Read a signed URL. Header values may be text or lists, and ``Host`` is left to the HTTP client."""
    found = _object(body, "a signed URL")
    url, key = _text(found.get("url")), _text(found.get("key"))
    if not url or not key:
        raise UnexpectedShapeError("a signed URL without 'url' and 'key'")
    headers = {}
    for name, value in _mapping(found.get("headers")).items():
        text = ", ".join(str(part) for part in value) if isinstance(value, list) else str(value or "")
        if name.lower() != "host" and text:
            headers[name] = text
    return SignedUpload(key=key, url=url, headers=headers)


def document(body: JSON) -> Document:
    """Read a document of either generation."""
    found = _object(body, "a document")
    sha256 = _text(found.get("sha256"))
    return Document(
        id=_id(found, "a document"),
        filename=_text(found.get("filename")),
        status=_status(found.get("status")),
        sha256=sha256.lower() if sha256 else None,
        parsings=tuple(Parsing(_status(row.get("status"))) for row in _objects(found.get("parsings"))),
    )


def result(body: JSON) -> Result:
    """Read a run; ``data`` stays None where the answer was only a summary."""
    found = _object(body, "a result")
    data = found.get("data")
    return Result(
        id=_id(found, "a result"),
        session_id=_text(found.get("extraction_session_id")),
        status=_status(found.get("status")),
        data=None if data is None else _mapping(data),
        audit=_merge_audit(_mapping(found.get("reasoning")), _mapping(found.get("audit_data"))),
        title=_text(found.get("title")),
        error=_error_text(found.get("error")),
        config_hash=_text(found.get("config_hash")),
        created_at=_text(found.get("created_at")),
        updated_at=_text(found.get("updated_at")),
        completed_at=_text(found.get("completed_at")),
    )


def _merge_audit(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Lay group -> field -> entry of both generations over each other; the newer form wins key by key."""
    merged: dict[str, Any] = {}
    for part in parts:
        for group, fields in part.items():
            if not isinstance(fields, Mapping):
                continue
            into = merged.setdefault(group, {})
            for name, entry in fields.items():
                known = into.get(name)
                both = isinstance(known, Mapping) and isinstance(entry, Mapping)
                into[name] = {**known, **entry} if both else entry
    return merged


def _error_text(value: JSON) -> str | None:
    """The ``error`` of a failed run: no page defines it, the cookbook's client reads it. One short line of it."""
    if isinstance(value, Mapping):
        value = value.get("message") or value.get("error") or value.get("code")
    if value is None or isinstance(value, (Mapping, list, bool)):
        return None
    return " ".join(str(value).split())[:_MAX_ERROR_LENGTH] or None


def session(body: JSON) -> Session:
    """Read a session as GET session, batch create or create session print it."""
    found = _object(body, "a session")
    return Session(
        id=_id(found, "a session"),
        name=_text(found.get("name")),
        template_id=_text(found.get("extraction_template_id")),
        status=_status(found.get("status")),
        created_at=_text(found.get("created_at")),
        documents=tuple(document(row) for row in _objects(found.get("documents"))),
        results=tuple(result(row) for row in _objects(found.get("results"))),
    )


def accepted_run(body: JSON) -> Result | None:
    """Read the answer to a run request: the run, or None where the server only names a job."""
    found = _object(body, "a run")
    if "id" not in found and "job_id" in found:
        return None
    return result(found)


def queued_count(body: JSON) -> int:
    """How many runs a batch execute queued."""
    count = _object(body, "a batch execution").get("queued_count")
    if isinstance(count, bool) or not isinstance(count, int):
        raise UnexpectedShapeError("a batch execution without 'queued_count'")
    return count


def exported_data(body: JSON) -> dict[str, Mapping[str, Any] | None]:
    """Session id -> data of a JSON export; None where the row has no data."""
    exported: dict[str, Mapping[str, Any] | None] = {}
    for row in rows(body):
        if not isinstance(row, Mapping) or not isinstance(row.get("session_id"), str):
            raise UnexpectedShapeError("an export row without 'session_id'")
        data = row.get("data")
        exported[row["session_id"]] = None if data is None else _mapping(data)
    return exported


def validation_errors(body: JSON) -> dict[str, Sequence[str]]:
    """The ``errors`` object of a refused request, field to messages."""
    errors = body.get("errors") if isinstance(body, Mapping) else None
    if isinstance(errors, Mapping):
        return {
            str(name): [str(text) for text in (texts if isinstance(texts, list) else [texts])]
            for name, texts in errors.items()
        }
    if isinstance(errors, list):
        return {"": [str(text) for text in errors]}
    return {}
