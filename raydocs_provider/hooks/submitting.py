"""Files -> hashed -> uploaded -> sessions, a batch at a time. What goes wrong with one document stays with it."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TypeVar

from raydocs_provider.api import requests as endpoints
from raydocs_provider.api.requests import MAX_FILES_PER_BATCH
from raydocs_provider.exceptions import (
    RaydocsAmbiguousSubmitError,
    RaydocsApiError,
    RaydocsNotFoundError,
    RaydocsSupersededError,
    RaydocsUploadError,
    RaydocsValidationError,
)
from raydocs_provider.extraction.documents import SourceDocument
from raydocs_provider.extraction.ledger import Ledger, Submissions
from raydocs_provider.extraction.manifest import FOUND, SUBMITTED, UPLOADED, DocumentRecord
from raydocs_provider.hooks.raydocs import RaydocsHook
from raydocs_provider.wording import say_count, say_minute

log = logging.getLogger(__name__)

T = TypeVar("T")
Result = TypeVar("Result")

# Uploads wait for the network and for the budget, not for the processor. More threads than this would only queue.
_THREADS = 4
_BLOCK = 1 << 20


def batches(items: Sequence[T], size: int = MAX_FILES_PER_BATCH) -> Iterator[list[T]]:
    """Cut a list into parts of at most ``size``, in order."""
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part


def hash_documents(found: Sequence[SourceDocument]) -> list[DocumentRecord]:
    """
    Read every file once and note its sha256, which is its identity from here on.

    :returns: ``found`` records; ``failed`` ones for files that are empty or cannot be read.
    """
    return _in_threads(_hash_document, found)


def _hash_document(document: SourceDocument) -> DocumentRecord:
    record = DocumentRecord(document.uri, FOUND, size=document.size)
    if document.size == 0:
        return record.fail("input", "empty_file", "The file holds 0 bytes.")
    digest = hashlib.sha256()
    try:
        with document.path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    except OSError as unreadable:
        return record.fail("input", "unreadable_file", f"The file cannot be read ({type(unreadable).__name__}).")
    return replace(record, sha256=digest.hexdigest())


def upload_documents(
    hook: RaydocsHook, records: Sequence[DocumentRecord], documents: Mapping[str, SourceDocument]
) -> list[DocumentRecord]:
    """
    Upload documents, a few at a time.

    :param records: found documents.
    :param documents: the files by URI.
    :returns: ``uploaded`` records, or ``failed`` ones that say why.
    :raises RaydocsApiError: when the API refuses (token, limit): that concerns every document.
    """
    hook.open()  # its session is made here, once, and not by several threads at the same time

    def upload(record: DocumentRecord) -> DocumentRecord:
        try:
            uploaded = hook.upload(documents[record.uri].path)
        except RaydocsUploadError as problem:
            log.warning("%s", problem)
            return record.fail("upload", "upload_failed", str(problem))
        return replace(record, state=UPLOADED, sha256=uploaded.sha256, size=uploaded.size, key=uploaded.key)

    return _in_threads(upload, records)


def recall_submissions(hook: RaydocsHook, ledger: Ledger, records: Sequence[DocumentRecord]) -> Submissions:
    """
    Take the ledger over, and say what earlier attempts have left for these documents.

    The order of a batch's answer is not promised. While all documents of a batch are waited for, their sessions tell in
    the end what each one held. Where only some are still wanted, that has to be known before: those batches are looked
    at now, one request for each of their sessions.

    :raises RaydocsSupersededError: if this is an old attempt, and a newer one has begun.
    """
    submissions = ledger.take_over()
    wanted = {record.sha256 for record in records}
    for batch in submissions.batches:
        if not wanted.isdisjoint(batch) and not wanted >= batch.keys():
            submissions.sessions.update(_look_into(hook, batch))
    return submissions


def _look_into(hook: RaydocsHook, batch: Mapping[str, str]) -> dict[str, str]:
    """The sessions of a batch by what they hold; as recorded, where the server does not tell."""
    held: dict[str, str] = {}
    for sha256, session_id in batch.items():
        try:
            documents = hook.get_session(session_id).documents
        except RaydocsNotFoundError:
            continue
        held[documents[0].sha256 or sha256 if len(documents) == 1 else sha256] = session_id
    return held


def create_sessions(
    hook: RaydocsHook, template_id: str, records: Sequence[DocumentRecord], ledger: Ledger
) -> list[DocumentRecord]:
    """
    Create the paid sessions of one batch.

    :param records: at most 50; those that are not ``uploaded`` are passed on as they are.
    :returns: ``submitted`` records; ``failed`` ones if Raydocs refused the batch, which then costs nothing.
    :raises RaydocsAmbiguousSubmitError: when the answer was lost. The ledger keeps the intent.
    :raises RaydocsSupersededError: when a newer attempt of the task has begun: nothing was sent.
    """
    uploaded = [record for record in records if record.state == UPLOADED]
    if not uploaded:
        return list(records)
    intent = _Intent(ledger, [str(record.sha256) for record in uploaded])
    request = endpoints.create_sessions(template_id, [str(record.key) for record in uploaded])
    try:
        sessions = hook.call(request, before_sending=intent.note)
    except RaydocsAmbiguousSubmitError:
        raise  # the intent stays in the ledger
    except RaydocsValidationError as refused:
        intent.withdraw()
        log.warning("%s", refused)
        return [
            replace(record.fail("submit", "batch_refused", str(refused)), key=None)
            if record.state == UPLOADED
            else record
            for record in records
        ]
    except (RaydocsApiError, RaydocsSupersededError):
        # Every other error says that nothing was created: refused, or never sent.
        intent.withdraw()
        raise
    # The answer's order is taken for now; once a session has told its sha256, that decides (match_sessions).
    session_ids = [session.id for session in sessions]
    intent.fulfil(session_ids)
    log.info("Submitted %s to template %s.", say_count(len(sessions), "document"), template_id)
    left = iter(session_ids)
    return [
        replace(record, state=SUBMITTED, key=None, session_id=next(left), submitted_at=round(intent.noted_at, 1))
        if record.state == UPLOADED
        else record
        for record in records
    ]


class _Intent:
    """
    The ledger's entry of one batch.

    Noted when the budget has let the request pass, not before: a task killed while it waits for the budget has sent
    nothing, and its documents must not count as ambiguous.
    """

    def __init__(self, ledger: Ledger, sha256s: Sequence[str]) -> None:
        self._ledger = ledger
        self._sha256s = sha256s
        self._number: int | None = None
        self.noted_at = 0.0

    def note(self) -> None:
        """
        Note the intent, once for all attempts of one request, and make sure that this one may still be sent.

        :raises RaydocsSupersededError: if a newer attempt of the task has begun since.
        """
        if self._number is None:
            self.noted_at = time.time()
            self._number = self._ledger.intend(self._sha256s, self.noted_at)
            return
        try:  # refused for the limit, and waited since
            self._ledger.check_owner()
        except Exception:
            with suppress(Exception):  # whatever keeps it from being sent again: nothing was created
                self.withdraw()
            raise

    def withdraw(self) -> None:
        """Take it back: nothing was created."""
        if self._number is not None:
            with suppress(RaydocsSupersededError):  # whose store then says itself that this is nobody's any more
                self._ledger.withdraw(self._number)

    def fulfil(self, session_ids: Sequence[str]) -> None:
        """
        Note the sessions it was answered with.

        :raises RaydocsSupersededError: when the store takes nothing of this attempt any more. The sessions are in its
            log then, because they are paid for.
        """
        assert self._number is not None
        try:
            self._ledger.record(self._number, self._sha256s, session_ids, self.noted_at)
        except RaydocsSupersededError:
            log.warning(
                "Submitted, and paid for, at %s, when a newer attempt had begun, which takes them for ambiguous: %s",
                say_minute(self.noted_at),
                ", ".join(session_ids),
            )
            raise


def _in_threads(function: Callable[[T], Result], items: Sequence[T]) -> list[Result]:
    """Apply a function to all items, a few at a time. On an error, what has not begun is not begun any more."""
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="raydocs") as executor:
        try:
            return list(executor.map(function, items))
        except BaseException:
            executor.shutdown(wait=True, cancel_futures=True)
            raise
