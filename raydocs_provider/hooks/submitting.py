"""Files -> uploaded -> sessions, one batch at a time. What goes wrong with one document stays with that document."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TypeVar

from raydocs_provider.api.requests import MAX_FILES_PER_BATCH
from raydocs_provider.exceptions import RaydocsUploadError, RaydocsValidationError
from raydocs_provider.extraction.documents import SourceDocument
from raydocs_provider.extraction.manifest import SUBMITTED, UPLOADED, DocumentRecord
from raydocs_provider.hooks.raydocs import RaydocsHook

log = logging.getLogger(__name__)

T = TypeVar("T")


def batches(items: Sequence[T], size: int = MAX_FILES_PER_BATCH) -> Iterator[list[T]]:
    """Cut a list into parts of at most ``size``, in order."""
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part


def upload_document(hook: RaydocsHook, document: SourceDocument) -> DocumentRecord:
    """
    Upload one file.

    :returns: an ``uploaded`` record, or a ``failed`` one that says why.
    :raises RaydocsApiError: when the API refuses (token, limit): that concerns every document.
    """
    record = DocumentRecord(document.uri, UPLOADED, size=document.size)
    if document.size == 0:
        return record.fail("input", "empty_file", "The file holds 0 bytes.")
    try:
        uploaded = hook.upload(document.path)
    except RaydocsUploadError as problem:
        log.warning("%s", problem)
        return record.fail("upload", "upload_failed", str(problem))
    return replace(record, sha256=uploaded.sha256, size=uploaded.size, key=uploaded.key)


def create_sessions(hook: RaydocsHook, template_id: str, records: Sequence[DocumentRecord]) -> list[DocumentRecord]:
    """
    Create the paid sessions of one batch.

    :param records: at most 50; those that are not ``uploaded`` are passed on as they are.
    :returns: ``submitted`` records; ``failed`` ones if Raydocs refused the batch, which then costs nothing.
    :raises RaydocsAmbiguousSubmitError: when the answer was lost.
    """
    uploaded = [record for record in records if record.state == UPLOADED and record.key]
    if not uploaded:
        return list(records)
    try:
        sessions = hook.create_sessions(template_id, [record.key for record in uploaded if record.key])
    except RaydocsValidationError as refused:
        log.warning("%s", refused)
        return [
            replace(record.fail("submit", "batch_refused", str(refused)), key=None) if record in uploaded else record
            for record in records
        ]
    # The answer's order is taken for now; once a session has told its sha256, that decides (match_sessions).
    session_ids = iter([session.id for session in sessions])
    log.info("Submitted %d document(s) to template %s.", len(sessions), template_id)
    return [
        replace(record, state=SUBMITTED, key=None, session_id=next(session_ids)) if record in uploaded else record
        for record in records
    ]
