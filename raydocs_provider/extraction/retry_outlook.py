"""
What a retry of a task would do with each document, and what clearing it would cost. Pure.

For whoever has to decide whether to press the button, in the words of `submission.settle_known`, which then decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raydocs_provider.arguments import RESUBMIT
from raydocs_provider.extraction.ledger import Submissions, Unanswered
from raydocs_provider.extraction.manifest import EXTRACTED, FAILED, SKIPPED, SUBMITTED, DocumentRecord
from raydocs_provider.extraction.progress import CREATE_SESSIONS, EXTRACT, UPLOAD, WAIT
from raydocs_provider.extraction.submission import failed_sessions
from raydocs_provider.wording import say_count

KEPT = "kept"
GOES_ON = "goes on"
TRIED_AGAIN = "tried again"
PAID_AGAIN = "paid again"
STAYS_FAILED = "stays failed"

_EMPTY = "The file is empty: put the right one in its place first."


@dataclass(frozen=True, slots=True)
class Outlook:
    """
    What becomes of a document.

    :param word: one of this module.
    :param why: a sentence.
    """

    word: str
    why: str


def foresee(record: DocumentRecord, kind: str, submissions: Submissions | None, terms: Mapping[str, Any]) -> Outlook:
    """
    What a retry does with a document.

    :param kind: of the task, as its progress record says.
    :param submissions: what the ledger of the task holds; None: nobody could look.
    :param terms: the ``retry`` of the progress record.
    """
    if kind in (UPLOAD, WAIT) and record.state == FAILED:
        return _foresee_unpaid(record, kind)
    if kind not in (EXTRACT, CREATE_SESSIONS):
        return Outlook(GOES_ON, "This task pays for nothing: a retry does its work again.")
    if record.state == SKIPPED:
        return Outlook(KEPT, "It is landed already.")
    if submissions is None:
        return Outlook(GOES_ON, "Nobody could look at the ledger: what a retry finds there decides.")
    session_id = submissions.sessions.get(record.sha256 or "")
    if session_id is not None and session_id in submissions.failed and terms.get("retry_failed"):
        return Outlook(PAID_AGAIN, "Raydocs failed to extract it, and retry_failed is set: it is submitted again.")
    if session_id is not None:
        if record.state == EXTRACTED:
            return Outlook(KEPT, "Its result is used again.")
        if session_id in submissions.failed or (record.state == FAILED and record.stage in ("parsing", "extraction")):
            return Outlook(STAYS_FAILED, "Raydocs failed to extract it. Set retry_failed=True to pay for another try.")
        if record.state == FAILED and record.code == "session_gone":
            return Outlook(STAYS_FAILED, "Raydocs has its session no more. Clearing the task makes a new one.")
        return Outlook(GOES_ON, "Its session is looked at again. Nothing is paid again.")
    if record.sha256 in submissions.ambiguous:
        lost = f"Its submission got no answer ({submissions.ambiguous[record.sha256].describe()})"
        if terms.get("on_ambiguous_submit") == RESUBMIT:
            return Outlook(PAID_AGAIN, f"{lost}: it is submitted again, and may be paid for twice.")
        return Outlook(STAYS_FAILED, f"{lost}, so a session may exist: look in the dashboard.")
    if record.state == FAILED and record.code == "empty_file":
        return Outlook(STAYS_FAILED, _EMPTY)
    if record.state == FAILED and record.stage in ("input", "upload") and kind == CREATE_SESSIONS:
        return Outlook(STAYS_FAILED, "It was never uploaded: that takes another run of the upload task.")
    if record.state in (EXTRACTED, SUBMITTED):
        return Outlook(PAID_AGAIN, "No ledger remembers its session: it is submitted, and paid for, again.")
    return Outlook(TRIED_AGAIN, "It never got a session: it is uploaded and submitted, and paid for once.")


def _foresee_unpaid(record: DocumentRecord, kind: str) -> Outlook:
    """What a retry does with a failed document, in a task that uploads or that waits for the sessions of another."""
    if kind == UPLOAD and record.code == "empty_file":
        return Outlook(STAYS_FAILED, _EMPTY)
    if kind == UPLOAD or record.code == "session_timeout":
        return Outlook(GOES_ON, "This task pays for nothing: a retry does its work again.")
    return Outlook(STAYS_FAILED, "This task only waits: what has failed, here or before, it finds failed again.")


def retry_helps(records: Sequence[DocumentRecord], kind: str, terms: Mapping[str, Any]) -> bool:
    """
    Whether a retry may bring any document further that is not done, after an attempt that has come to its end.

    :param records: as the attempt leaves them; its ledger says the same.
    """
    sent = {str(record.sha256): record.session_id for record in records if record.sha256 and record.session_id}
    unanswered = {str(record.sha256): Unanswered("", 1, 0.0) for record in records if record.code == "ambiguous_submit"}
    left = Submissions(sessions=sent, failed=set(failed_sessions(records)), ambiguous=unanswered)
    return any(
        foresee(record, kind, left, terms).word not in (KEPT, STAYS_FAILED)
        for record in records
        if record.state not in (EXTRACTED, SKIPPED)
    )


def retry_helps_others(
    records: Sequence[DocumentRecord], unanswered: Iterable[DocumentRecord], kind: str, terms: Mapping[str, Any]
) -> bool:
    """
    Whether a retry may bring any document further, after an attempt that has stopped at a batch without an answer.

    :param records: all documents of the task.
    :param unanswered: those of the batch.
    """
    lost = {record.sha256 for record in unanswered}
    return retry_helps(
        [record.fail("submit", "ambiguous_submit", "") if record.sha256 in lost else record for record in records],
        kind,
        terms,
    )


def summarize_retry(outlooks: Iterable[Outlook]) -> str:
    """What a retry does, for all documents, in one sentence."""
    counts = Counter(outlook.word for outlook in outlooks)
    paid = counts[TRIED_AGAIN] + counts[PAID_AGAIN]
    parts = [say_count(counts[word], one, others) for word, (one, others) in _PLAIN.items() if counts[word]]
    bill = f"pays for {say_count(paid, 'document')}" if paid else "pays for nothing"
    return f"A retry {bill}: {', '.join(parts)}." if parts else f"A retry {bill}."


_PLAIN = {
    KEPT: ("document keeps its result", "documents keep their results"),
    GOES_ON: ("document goes on", "documents go on"),
    TRIED_AGAIN: ("document is tried for the first time", "documents are tried for the first time"),
    PAID_AGAIN: ("document is paid again", "documents are paid again"),
    STAYS_FAILED: ("document stays failed", "documents stay failed"),
}


def summarize_clear(documents: int, kind: str, terms: Mapping[str, Any]) -> str:
    """What clearing the task does: it begins anew, as if there were no ledger."""
    if kind not in (EXTRACT, CREATE_SESSIONS):
        return "Clearing this task pays for nothing."
    counted = say_count(documents, "document")
    target = terms.get("skip_landed_in")
    if target:
        return f"Clearing this task submits, and pays for, what {target} lacks of its {counted}."
    return f"Clearing this task submits, and pays for, its {counted} again."
