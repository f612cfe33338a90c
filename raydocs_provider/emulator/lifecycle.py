"""
What state a document, a run and a session are in, computed from timestamps. No clock, no storage, no HTTP.

Nothing moves by itself: each look derives the state from when something began, how long it takes and whether the real
reading has been done. That is why a restart loses no work and an emulator with 10,000 open sessions idles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

# The first part of every wait is spent in a queue, so that a client sees each status the API has.
QUEUED_SHARE = 0.2


class DocumentStage(Enum):
    """Where a document is on its way to being readable."""

    UPLOADED = auto()
    QUEUED = auto()
    PARSING = auto()
    PARSED = auto()
    FAILED = auto()


class RunStage(Enum):
    """Where a run is. ``UNPARSED``: none of its documents could be parsed, so it never begins."""

    DEFERRED = auto()
    CREATED = auto()
    PROCESSING = auto()
    COMPLETED = auto()
    FAILED = auto()
    UNPARSED = auto()


class SessionStage(Enum):
    """The session's own status, named as the API names it."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """That a piece of real work was done: when, and what went wrong if anything did."""

    done_at: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class DocumentProgress:
    """A document's stage; ``ended_at`` is set once it is parsed or failed."""

    stage: DocumentStage
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class RunProgress:
    """A run's stage; ``began_at`` is None while documents are parsed, ``ended_at`` until the run is over."""

    stage: RunStage
    began_at: float | None = None
    ended_at: float | None = None


def document_progress(
    started_at: float | None, seconds: float, reading: Outcome | None, now: float
) -> DocumentProgress:
    """
    How far the parsing of a document is.

    :param started_at: when parsing was asked for; None for a library document that no session uses yet.
    :param seconds: how long it is to take.
    :param reading: the outcome of reading the file; None while it has not been read. Parsing never ends before that.
    """
    if started_at is None:
        return DocumentProgress(DocumentStage.UPLOADED)
    if now < started_at + seconds * QUEUED_SHARE:
        return DocumentProgress(DocumentStage.QUEUED)
    if reading is None:
        return DocumentProgress(DocumentStage.PARSING)
    ended_at = max(started_at + seconds, reading.done_at)
    if now < ended_at:
        return DocumentProgress(DocumentStage.PARSING)
    return DocumentProgress(DocumentStage.FAILED if reading.error else DocumentStage.PARSED, ended_at)


def run_progress(
    requested_at: float,
    documents: Sequence[DocumentProgress],
    seconds: float,
    extraction: Outcome | None,
    now: float,
) -> RunProgress:
    """
    How far a run is. It begins when the last of its documents is parsed; unreadable ones are left out.

    :param seconds: how long it is to take from there.
    :param extraction: the outcome of the extraction; None while it has not been done. The run never ends before that.
    """
    ends = [document.ended_at for document in documents if document.ended_at is not None]
    if len(ends) < len(documents):
        return RunProgress(RunStage.DEFERRED)
    began_at = max([requested_at, *ends])
    if not any(document.stage is DocumentStage.PARSED for document in documents):
        return RunProgress(RunStage.UNPARSED, began_at, began_at)
    if now < began_at + seconds * QUEUED_SHARE:
        return RunProgress(RunStage.CREATED, began_at)
    if extraction is None:
        return RunProgress(RunStage.PROCESSING, began_at)
    ended_at = max(began_at + seconds, extraction.done_at)
    if now < ended_at:
        return RunProgress(RunStage.PROCESSING, began_at)
    return RunProgress(RunStage.FAILED if extraction.error else RunStage.COMPLETED, began_at, ended_at)


def session_stage(documents: Sequence[DocumentProgress], runs: Sequence[RunProgress]) -> SessionStage:
    """
    What a session says of itself: the word of its latest run.

    :param runs: oldest first, those that are hidden from the client included.
    """
    if not runs:
        unreadable = documents and all(document.stage is DocumentStage.FAILED for document in documents)
        return SessionStage.FAILED if unreadable else SessionStage.PENDING
    match runs[-1].stage:
        case RunStage.COMPLETED:
            return SessionStage.COMPLETED
        case RunStage.FAILED | RunStage.UNPARSED:
            return SessionStage.FAILED
        case _:
            return SessionStage.PROCESSING
