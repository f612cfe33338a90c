"""What a load is given: documents, what people made of them, and who loads them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from raydocs_provider.api.models import Result
from raydocs_provider.landing.replacing import EXTRACTED


@dataclass(frozen=True, slots=True)
class LandingDocument:
    """
    A document and what became of it.

    :param state: ``extracted`` has a result and gets rows everywhere. Any other word, ``failed`` for one, gets a row
        in the ledger only: what an earlier load landed for the document stays.
    :param source_uri: where the document came from.
    :param sha256: of its content. With the template's id it is the document's identity; None falls back to the
        session, then to the source.
    :param result: the run; needed if the state is ``extracted``.
    :param stage: where it failed, for example ``upload`` or ``parsing``.
    :param code: why, for machines.
    :param reason: why, for people.
    :param submitted_at: when its session was paid for, in epoch seconds.
    :param verdict: of the person who looked at it, if one did.
    """

    state: str
    source_uri: str | None = None
    filename: str | None = None
    sha256: str | None = None
    session_id: str | None = None
    result: Result | None = None
    stage: str | None = None
    code: str | None = None
    reason: str | None = None
    submitted_at: float | None = None
    verdict: Verdict | None = None

    def __post_init__(self) -> None:
        if self.state == EXTRACTED and self.result is None:
            raise ValueError("an extracted document needs its result")


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What a person made of a document that was to be reviewed.

    :param corrections: values by field, written as ``_meta`` does: ``totals.total_amount``,
        ``lines.line_items[2].total``. They land instead of the extracted ones, which stay in ``t__fields``; None where
        the document has no such value. Empty: all values are right.
    :param reviewed_by: who said so.
    :param reviewed_at: when, with its zone.
    """

    corrections: Mapping[str, object] = field(default_factory=dict, repr=False)
    reviewed_by: str | None = None
    reviewed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LoadContext:
    """
    Which template the results are from, and which task instance loads them when.

    :param template_hash: the template's content hash, its version.
    :param loaded_at: the time of the load, with its zone.
    """

    template_id: str | None
    template_hash: str | None
    loaded_at: datetime
    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: int = -1
    try_number: int = 1


def document_key(document: LandingDocument, template_id: str | None) -> str:
    """
    The identity that decides which rows a load replaces, as hex SHA-256.

    The same content extracted with the same template is the same document, wherever the file lies and however
    often it was extracted.
    """
    if document.sha256:
        parts = ["content", document.sha256.lower(), template_id or ""]
    elif document.session_id:
        parts = ["session", document.session_id]
    else:
        parts = ["source", document.source_uri or document.filename or "", template_id or ""]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
