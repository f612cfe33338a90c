"""
Which session to look at next, when, and what the answer means. Pure: ``now`` is an argument, nothing here sleeps.

Raydocs has no endpoint that tells the state of many sessions, so each look is a request of its own, out of 100 a
minute. Looks are therefore spent where they are likely to find a finished session: a session is first looked at when,
going by the ones that have already finished, it is probably done.
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from raydocs_provider.api.models import (
    DOCUMENT_STATUSES,
    FAILED,
    RESULT_COMPLETED,
    RESULT_STATUSES,
    SESSION_STATUSES,
    Result,
    Session,
)
from raydocs_provider.extraction import manifest
from raydocs_provider.extraction.manifest import Outcome

_DONE_PARSING = frozenset({"parsed", "processed", "ready"})


def judge(session: Session) -> Outcome | None:
    """
    Say how a session ended, or None while it goes on.

    The newest run decides. Without a finished run, a document (or all its parsings) that failed ends the session too:
    nothing promises that a run will ever appear for it. Unknown statuses mean "not finished".
    """
    sha256 = session.documents[0].sha256 if len(session.documents) == 1 else None
    run = newest_run(session.results)
    if run is not None and run.status == RESULT_COMPLETED:
        return Outcome(manifest.EXTRACTED, run.id, sha256)
    if run is not None and run.status == FAILED:
        reason = run.error or "Raydocs gave no reason."
        return Outcome(manifest.FAILED, run.id, sha256, "extraction", "extraction_failed", reason)
    if session.documents and all(document.status == FAILED for document in session.documents):
        reason = "Raydocs could not read the document: it may be damaged, encrypted or of an unsupported type."
        return Outcome(manifest.FAILED, None, sha256, "parsing", "document_failed", reason)
    if session.documents and all(
        document.parsings
        and document.status not in _DONE_PARSING
        and all(parsing.status == FAILED for parsing in document.parsings)
        for document in session.documents
    ):
        return Outcome(
            manifest.FAILED, None, sha256, "parsing", "parsing_failed", "Raydocs could not parse the document."
        )
    if run is None and session.status == FAILED:
        return Outcome(manifest.FAILED, None, sha256, "extraction", "session_failed", "Raydocs gave no reason.")
    return None


def newest_run(results: Sequence[Result]) -> Result | None:
    """The run that counts: the newest by creation time, the last of the list where times are missing or equal."""
    newest: Result | None = None
    for result in results:
        if newest is None or (result.created_at or "") >= (newest.created_at or ""):
            newest = result
    return newest


def unknown_statuses(session: Session) -> set[str]:
    """Statuses no page of the API names, such as ``result 'paused'``; for a log line, once each."""
    unknown = {f"result '{run.status}'" for run in session.results if run.status and run.status not in RESULT_STATUSES}
    unknown |= {
        f"document '{document.status}'"
        for document in session.documents
        if document.status and document.status not in DOCUMENT_STATUSES
    }
    if session.status and session.status not in SESSION_STATUSES:
        unknown.add(f"session '{session.status}'")
    return unknown


@dataclass(frozen=True, slots=True)
class Pace:
    """
    How patiently to wait. All in seconds.

    :param expected_seconds: how long an extraction usually takes, until the first ones have told.
    :param poll_min: shortest time between two looks at the same session.
    :param poll_max: longest time between two looks at the same session.
    :param session_timeout: a session still unfinished this long after its submission counts as failed; it goes on,
        and is billed, at Raydocs. None: only the deadline of the task ends it.
    """

    expected_seconds: float = 30.0
    poll_min: float = 5.0
    poll_max: float = 60.0
    session_timeout: float | None = None


class Waiting:
    """
    The open sessions of one task and when each is worth a look.

    :param session_ids: the sessions to wait for.
    :param submitted_at: when they were submitted, in the same clock as every ``now``.
    """

    def __init__(self, session_ids: Iterable[str], submitted_at: float, pace: Pace) -> None:
        self._pace = pace
        self._submitted_at = submitted_at
        self._durations: list[float] = []
        ids = list(dict.fromkeys(session_ids))
        self.open: set[str] = set(ids)
        self.outcomes: dict[str, Outcome] = {}
        self._not_looked_at = ids[::-1]  # popped from the end, so in order
        self._due: list[tuple[float, int, str]] = []
        self._sequence = 0

    @property
    def finished(self) -> bool:
        """Whether every session has an outcome."""
        return not self.open

    def expected_duration(self) -> float:
        """How long a session probably takes: what four out of five of the finished ones took at most."""
        if not self._durations:
            return self._pace.expected_seconds
        return self._durations[int(0.8 * (len(self._durations) - 1))]

    def next_look(self, now: float) -> tuple[str, float] | None:
        """
        Choose the session to look at next.

        Among those due, the one that is overdue the longest; nobody is looked at twice while another is overdue.

        :returns: the session and how many seconds to wait before looking, 0 if it is due; None if all are finished.
        """
        while self._not_looked_at and self._not_looked_at[-1] not in self.open:
            self._not_looked_at.pop()
        while self._due and self._due[0][2] not in self.open:
            heapq.heappop(self._due)
        first_due = self._submitted_at + self.expected_duration()
        if self._not_looked_at and (not self._due or first_due <= self._due[0][0]):
            return self._not_looked_at[-1], max(0.0, first_due - now)
        if self._due:
            return self._due[0][2], max(0.0, self._due[0][0] - now)
        return None

    def record_unfinished(self, session_id: str, now: float, random: float) -> None:
        """
        Note that a session was looked at and goes on (or that the look failed), and say when to look again.

        The longer it has been going on, the longer the pause: a quarter of its age, within ``poll_min`` and
        ``poll_max``, with jitter so that sessions that were submitted together do not stay in step.

        :param random: a number in [0, 1).
        """
        self._forget(session_id)
        age = max(0.0, now - self._submitted_at)
        if self._pace.session_timeout is not None and age >= self._pace.session_timeout:
            reason = f"Not finished {age:.0f} s after its submission. It goes on, and is billed, at Raydocs."
            self.record_outcome(session_id, Outcome(manifest.FAILED, None, None, "waiting", "session_timeout", reason))
            return
        pause = min(self._pace.poll_max, max(self._pace.poll_min, 0.25 * age))
        pause = max(self._pace.poll_min, pause * (0.75 + 0.5 * random))
        self._sequence += 1
        heapq.heappush(self._due, (now + pause, self._sequence, session_id))

    def record_outcome(self, session_id: str, outcome: Outcome, *, now: float | None = None) -> None:
        """
        Note how a session ended.

        :param now: when it was found; given, its duration teaches when the others are probably done.
        """
        if session_id not in self.open:
            return
        self._forget(session_id)
        self.open.discard(session_id)
        self.outcomes[session_id] = outcome
        if now is not None:
            insort(self._durations, max(0.0, now - self._submitted_at))

    def _forget(self, session_id: str) -> None:
        if self._not_looked_at and self._not_looked_at[-1] == session_id:
            self._not_looked_at.pop()
        elif self._due and self._due[0][2] == session_id:
            heapq.heappop(self._due)
