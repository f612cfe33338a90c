"""
What is left to do for each document, given what earlier attempts and earlier loads have done. Pure.

Decided before the first upload: nothing that is already paid for is sent again, identical files are sent once, and what
nobody can know is said to be unknown.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace

from raydocs_provider.extraction.ledger import Submissions
from raydocs_provider.extraction.manifest import FAILED, FOUND, SKIPPED, SUBMITTED, UPLOADED, DocumentRecord


def settle_known(
    records: Sequence[DocumentRecord],
    submissions: Submissions,
    *,
    landed: Set[str] = frozenset(),
    on_ambiguous_submit: str = "fail",
    retry_failed: bool = False,
) -> list[DocumentRecord]:
    """
    Settle the documents that need no new session; the others stay as they are.

    :param records: found or uploaded documents, with their sha256.
    :param submissions: what earlier attempts of this task have left.
    :param landed: sha256s that an earlier load has landed with the same template: they are skipped.
    :param on_ambiguous_submit: ``fail``: a document whose submission was never answered fails, because submitting it
        again may be paid for twice; ``resubmit``: it is submitted again all the same.
    :param retry_failed: whether documents whose session is known to have failed get a new one.
    """
    settled = []
    for record in records:
        session_id = submissions.sessions.get(record.sha256 or "")
        if record.state not in (FOUND, UPLOADED) or record.sha256 is None:
            settled.append(record)
        elif session_id is not None and (session_id not in submissions.failed or not retry_failed):
            settled.append(
                replace(
                    record,
                    state=SUBMITTED,
                    key=None,
                    session_id=session_id,
                    submitted_at=submissions.submitted_at,
                )
            )
        elif session_id is None and record.sha256 in submissions.ambiguous and on_ambiguous_submit == "fail":
            sent = submissions.ambiguous[record.sha256].describe()
            reason = (
                f"Sent without an answer ({sent}): perhaps billed. Look in the dashboard, or set "
                "on_ambiguous_submit='resubmit'."
            )
            settled.append(replace(record.fail("submit", "ambiguous_submit", reason), key=None))
        elif record.sha256 in landed:
            settled.append(replace(record, state=SKIPPED, key=None))
        else:
            settled.append(record)
    return settled


def first_of_each(records: Sequence[DocumentRecord], state: str) -> list[DocumentRecord]:
    """The documents in a state, identical ones once: what really has to be sent."""
    first: dict[str | None, DocumentRecord] = {}
    for record in records:
        if record.state == state:
            first.setdefault(record.sha256, record)
    return list(first.values())


def spread(records: Sequence[DocumentRecord], state: str, sent: Sequence[DocumentRecord]) -> list[DocumentRecord]:
    """
    Give every document in a state what became of the one that was sent for it.

    :param sent: what became of :func:`first_of_each`, in its order.
    """
    became = dict(zip((first.sha256 for first in first_of_each(records, state)), sent, strict=True))
    return [replace(became[record.sha256], uri=record.uri) if record.state == state else record for record in records]


def failed_sessions(records: Sequence[DocumentRecord]) -> dict[str, str]:
    """The sessions that ended in failure at Raydocs, and which document (sha256) each held; for the ledger."""
    return {
        record.session_id: record.sha256
        for record in records
        if record.state == FAILED and record.session_id and record.sha256 and record.stage in ("parsing", "extraction")
    }
