"""How things look as JSON, with every switch of :class:`Behaviour` that changes a shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from raydocs_provider.emulator.backend import DocumentView, RunView, SessionView
from raydocs_provider.emulator.lifecycle import DocumentStage, RunStage
from raydocs_provider.emulator.options import Behaviour, Generation
from raydocs_provider.emulator.processing import chunk_id
from raydocs_provider.emulator.records import Document, Reading, Session, Template, Workspace

JSON = dict[str, Any]

PARSER_VERSION = "emulator-1"
PARSING_CONFIG = "cfg_" + "0" * 16

_DOCUMENT_WORDS: Mapping[Generation, Mapping[DocumentStage, str]] = {
    "seed": {
        DocumentStage.UPLOADED: "uploaded",
        DocumentStage.QUEUED: "queued",
        DocumentStage.PARSING: "parsing",
        DocumentStage.PARSED: "ready",
        DocumentStage.FAILED: "failed",
    },
    "new": {
        DocumentStage.UPLOADED: "uploaded",
        DocumentStage.QUEUED: "queued",
        DocumentStage.PARSING: "parsing",
        DocumentStage.PARSED: "processed",
        DocumentStage.FAILED: "failed",
    },
    "old": {
        DocumentStage.UPLOADED: "pending",
        DocumentStage.QUEUED: "pending",
        DocumentStage.PARSING: "parsing",
        DocumentStage.PARSED: "parsed",
        DocumentStage.FAILED: "failed",
    },
}
_PARSING_WORDS = {
    DocumentStage.QUEUED: "queued",
    DocumentStage.PARSING: "parsing",
    DocumentStage.PARSED: "ready",
    DocumentStage.FAILED: "failed",
}
_RUN_WORDS = {
    RunStage.PROCESSING: "processing",
    RunStage.COMPLETED: "completed",
    RunStage.FAILED: "failed",
    RunStage.UNPARSED: "failed",
}


class Shapes:
    """
    Prints things the way one generation of the API does.

    :param behaviour: the switches.
    """

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour

    def time(self, at: float) -> str:
        """A moment, UTC, to the second or, with ``microseconds``, exactly."""
        unit = "microseconds" if self._behaviour.microseconds else "seconds"
        return datetime.fromtimestamp(at, UTC).replace(tzinfo=None).isoformat(timespec=unit) + "Z"

    def listed(self, rows: Sequence[JSON]) -> JSON | list[JSON]:
        """A list that is not paged: in an envelope or, with ``bare_lists``, as it is."""
        return list(rows) if self._behaviour.bare_lists else {"data": list(rows)}

    def workspace_id(self, workspace: Workspace) -> int | str:
        """What clients call a workspace."""
        return workspace.uuid if self._behaviour.workspace_uuids else workspace.number

    def workspace(self, workspace: Workspace) -> JSON:
        """A workspace."""
        return {
            "id": self.workspace_id(workspace),
            "name": workspace.name,
            "icon": workspace.icon,
            "settings": workspace.settings,
            "created_at": self.time(workspace.created_at),
            "updated_at": self.time(workspace.updated_at),
        }

    def template(self, template: Template, workspace: Workspace) -> JSON:
        """A template with its schema."""
        return {
            "id": template.id,
            "name": template.name,
            "description": template.description,
            "schema_json": template.schema_json,
            "settings": template.settings,
            "workspace_id": self.workspace_id(workspace),
            "created_at": self.time(template.created_at),
            "updated_at": self.time(template.updated_at),
        }

    def batch_session(self, session: Session) -> JSON:
        """A session as batch create answers it. Its document has not been looked at, so it has no name."""
        return {"id": session.id, "name": "Pending...", "created_at": self.time(session.created_at)}

    def session(self, session: Session) -> JSON:
        """A session by itself, as renaming it answers."""
        return {
            "id": session.id,
            "name": session.name or "Pending...",
            "extraction_template_id": session.template_id,
            "settings": session.settings,
            "created_at": self.time(session.created_at),
            "updated_at": self.time(session.updated_at),
        }

    def session_view(self, view: SessionView, workspace: Workspace) -> JSON:
        """A session with its documents and runs."""
        shape = self.session(view.session)
        if view.session.name is None:
            begun = [
                v for v in view.documents if v.progress.stage not in (DocumentStage.UPLOADED, DocumentStage.QUEUED)
            ]
            if begun:
                shape["name"] = begun[0].document.filename
        if self._behaviour.session_status:
            shape["status"] = view.stage.value
        shape["documents"] = [self.document(document, workspace) for document in view.documents]
        shape["results"] = [self.listed_run(run, workspace) for run in view.runs]
        return shape

    def document(self, view: DocumentView, workspace: Workspace) -> JSON:
        """A document."""
        document, stage = view.document, view.progress.stage
        shape: JSON = {
            "id": document.id,
            "filename": document.filename,
            "size": document.size,
            "status": _DOCUMENT_WORDS[self._behaviour.document_words][stage],
            "created_at": self.time(document.created_at),
        }
        if self._behaviour.document_fields == "session":
            shape["mime_type"] = document.mime
            if document.session_id:
                shape["extraction_session_id"] = document.session_id
            return shape
        shape |= {
            "workspace_id": self.workspace_id(workspace),
            "mime": document.mime,
            "sha256": document.sha256,
            "source_type": document.source_type,
            "source_url": document.source_url,
            "parsings": self._parsings(view),
        }
        if stage is DocumentStage.PARSED:
            shape["meta"] = {"page_count": document.page_count, "file_size": document.size}
        return shape

    def _parsings(self, view: DocumentView) -> list[JSON]:
        started_at = view.document.parse_started_at
        if started_at is None:
            return []
        # A page's chunk ids have the page's number in them; number 0 is free for the parsing itself.
        parsing = {
            "id": chunk_id(view.document.id, 0),
            "config_hash": PARSING_CONFIG,
            "status": _PARSING_WORDS[view.progress.stage],
            "parser_version": PARSER_VERSION,
            "updated_at": self.time(view.progress.ended_at or started_at),
        }
        return [parsing]

    def document_ref(self, document: Document, workspace: Workspace) -> JSON:
        """A pointer to a document, in the camel case that the API has only here."""
        return {
            "kind": "documentRef",
            "documentId": document.id,
            "workspaceId": self.workspace_id(workspace),
            "filename": document.filename,
            "mime": document.mime,
            "size": document.size,
            "sha256": document.sha256,
            "source": {"type": document.source_type, "url": document.source_url},
            "createdAt": self.time(document.created_at),
        }

    def listed_run(self, view: RunView, workspace: Workspace) -> JSON:
        """A run inside a session or a list: the whole of it or, with ``summaries``, without what was found."""
        shape = self.run(view, workspace)
        if self._behaviour.summaries:
            return {name: shape[name] for name in ("id", "status", "title", "created_at")}
        return shape

    def run(self, view: RunView, workspace: Workspace) -> JSON:
        """A run with what was found."""
        run, progress = view.run, view.progress
        began_at = run.requested_at if self._behaviour.runs_while_parsing != "hidden" else progress.began_at
        created_at = began_at or run.requested_at
        found = view.found
        shape: JSON = {
            "id": run.id,
            "extraction_session_id": run.session_id,
            "status": self._run_word(progress.stage),
            "title": found.title if found else None,
            "data": found.data if found else None,
            "created_at": self.time(created_at),
            "updated_at": self.time(progress.ended_at or created_at),
            "completed_at": self.time(progress.ended_at) if progress.ended_at is not None else None,
        }
        if self._behaviour.audit != "audit_data":
            shape["reasoning"] = found.reasoning if found else None
        if self._behaviour.audit != "reasoning":
            shape["audit_data"] = found.audit_data if found else None
        if self._behaviour.provenance:
            shape["config_hash"] = run.config_hash
            shape["document_refs"] = [self.document_ref(document, workspace) for document in view.documents]
        if view.error and self._behaviour.error_field:
            shape["error"] = view.error
        return shape

    def _run_word(self, stage: RunStage) -> str:
        if stage is RunStage.DEFERRED and self._behaviour.runs_while_parsing == "deferred":
            return "parsing_pending"
        return _RUN_WORDS.get(stage, self._behaviour.first_status)

    def chunks(self, document: Document, reading: Reading) -> list[JSON]:
        """A parsed document's text, one chunk per page."""
        shape = self._old_chunk if self._behaviour.document_fields == "session" else self._chunk
        return [shape(document, number, lines) for number, lines in enumerate(reading.pages, 1)]

    def _chunk(self, document: Document, number: int, lines: Sequence[str]) -> JSON:
        return {
            "id": chunk_id(document.sha256, number),
            "document_id": document.id,
            "chunk_index": number - 1,
            "page_range": [number, number],
            "context": None,
            "visual_context": None,
            "blocks": [
                {
                    "block_id": f"doc:page:{number}:block:{index}",
                    "type": "table_row" if "\t" in line else "paragraph",
                    "content": line,
                    "page_ref": f"Page {number}",
                    "meta": _row_meta(line),
                }
                for index, line in enumerate(lines)
            ],
        }

    def _old_chunk(self, document: Document, number: int, lines: Sequence[str]) -> JSON:
        text = "\n".join(lines)
        return {
            "id": chunk_id(document.sha256, number),
            "document_id": document.id,
            "chunk_index": number - 1,
            "content": text,
            "page_numbers": [number],
            "token_count": len(text.split()),
        }


def _row_meta(line: str) -> JSON:
    if "\t" not in line:
        return {}
    cells = [{"col_index": index, "text": text} for index, text in enumerate(line.split("\t"))]
    return {"table_row": {"is_header_row": False, "cells": cells}}
