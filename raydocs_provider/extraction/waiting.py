"""
Which session to look at next, when, and what the answer means. Pure: ``now`` is an argument, nothing here sleeps.

Raydocs has no endpoint that tells the state of many sessions, so each look is a request of its own, out of 100 a
minute. Looks are therefore spent where they are likely to find a finished session: a session is first looked at when,
going by the ones that have already finished, it is probably done.
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from math import inf

from raydocs_provider.api.models import (
    DOCUMENT_STATUSES,
    FAILED,
    PARSING_STATUSES,
    RESULT_COMPLETED,
    RESULT_STATUSES,
    SESSION_STATUSES,
    Result,
    Session,
)
from raydocs_provider.extraction import manifest
from raydocs_provider.extraction.manifest import Outcome

# Leaps of this part of a list visit it evenly, wherever one stops.
_GOLDEN = 0.6180339887
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
        if newest is None or _moment(result.created_at) >= _moment(newest.created_at):
            newest = result
    return newest


def _moment(text: str | None) -> datetime:
    # With and without fraction or offset: as text they would not sort by time.
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def unknown_statuses(session: Session) -> set[str]:
    """Statuses no page of the API names, such as ``result 'paused'``; for a log line, once each."""
    unknown = {f"result '{run.status}'" for run in session.results if run.status and run.status not in RESULT_STATUSES}
    unknown |= {
        f"document '{document.status}'"
        for document in session.documents
        if document.status and document.status not in DOCUMENT_STATUSES
    }
    unknown |= {
        f"parsing '{parsing.status}'"
        for document in session.documents
        for parsing in document.parsings
        if parsing.status and parsing.status not in PARSING_STATUSES
    }
    if session.status and session.status not in SESSION_STATUSES:
        unknown.add(f"session '{session.status}'")
    return unknown


def lowest_confidence(result: Result | None) -> float | None:
    """The lowest confidence anywhere in what the server says about the values; None where it gives none."""
    found: list[float] = []
    entries: list[object] = [result.audit] if result is not None else []
    while entries:
        entry = entries.pop()
        if isinstance(entry, Mapping):
            confidence = entry.get("confidence")
            if isinstance(confidence, float | int | Decimal) and not isinstance(confidence, bool):
                found.append(float(confidence))
            entries.extend(entry.values())
        elif isinstance(entry, list):
            entries.extend(entry)
    return min((confidence for confidence in found if 0 <= confidence <= 1), default=None)


def server_seconds(session: Session) -> float | None:
    """
    How long a finished session took, by the server's own clock; None where it does not say.

    The time of a look says less: it is later than the end, by as much as the looks were behind.
    """
    run = newest_run(session.results)
    if run is None or not run.finished:
        return None
    try:
        began = datetime.fromisoformat(session.created_at or "")
        ended = datetime.fromisoformat(run.completed_at or run.updated_at or "")
        return max(0.0, (ended - began).total_seconds())
    except (ValueError, TypeError):
        return None


@dataclass(frozen=True, slots=True)
class Pace:
    """
    How patiently to wait. All in seconds.

    :param expected_seconds: how long an extraction usually takes, until the first ones have told.
    :param poll_min: shortest time between two looks at the same session.
    :param session_timeout: a session still unfinished this long after its submission counts as failed; it goes on,
        and is billed, at Raydocs. None: only the deadline of the task ends it.
    """

    expected_seconds: float = 30.0
    poll_min: float = 5.0
    session_timeout: float | None = None


class Waiting:
    """
    The open sessions of one task and when each is worth a look.

    Looks cost budget, so how often there is one depends on the *round*: the seconds it takes to look at every open
    session once, whoever waits for it. While rounds are short nothing is gained by patience, and an end is seen soon.
    When they are long, it goes in two phases. Until the first session is found extracted, one look in a while is enough
    for all of them, taken in turns. From then on it is known how long they take: each is looked at when it is probably
    done, and nobody a second time before the others have had their turn.

    :param submitted_at: when each session was submitted, in the same clock as every ``now``.
    :param turn: whose turn is the first. A wait that is begun anew for every look, as a rescheduled sensor's is, has to
        draw it, or one that is stuck would hide the others for good.
    """

    def __init__(self, submitted_at: Mapping[str, float], pace: Pace, turn: int = 0) -> None:
        self._pace = pace
        self.submitted_at = dict(submitted_at)
        self._durations: list[float] = []
        self.open: set[str] = set(submitted_at)
        self.outcomes: dict[str, Outcome] = {}
        # The oldest first; of those submitted together, the first of the batch.
        self._not_looked_at = dict.fromkeys(sorted(submitted_at, key=lambda session_id: submitted_at[session_id]))
        self._looked_at: list[tuple[float, int, str]] = []
        self._turn = turn
        self._next_probe = -inf

    @property
    def finished(self) -> bool:
        """Whether every session has an outcome."""
        return not self.open

    def expected_duration(self) -> float:
        """How long a session probably takes: what four out of five of the extracted ones took at most."""
        if not self._durations:
            return self._pace.expected_seconds
        return self._durations[int(0.8 * (len(self._durations) - 1))]

    def next_look(self, now: float, round_seconds: float) -> tuple[str, float] | None:
        """
        Choose the session to look at next.

        :param round_seconds: how long it takes at the moment to look at every open session once.
        :returns: the session and how many seconds to wait before looking, 0 if it is due; None if all are finished.
        """
        while self._looked_at and self._looked_at[0][2] not in self.open:
            heapq.heappop(self._looked_at)
        if not self.open:
            return None
        session_id, due = self._choose_known(round_seconds) if self._durations else self._choose_probe(now)
        if self._pace.session_timeout is not None and session_id in self._not_looked_at:
            due = min(due, self.submitted_at[session_id] + self._pace.session_timeout)
        return session_id, max(0.0, due - now)

    def _choose_known(self, round_seconds: float) -> tuple[str, float]:
        """
        The session that is due first, now that it is known how long they take.

        Nobody is looked at twice while another is overdue.
        """
        again, session_id = (self._looked_at[0][0], self._looked_at[0][2]) if self._looked_at else (inf, "")
        if self._not_looked_at:
            first = next(iter(self._not_looked_at))
            pause = min(self.expected_duration(), max(self._pace.poll_min, 2 * round_seconds))
            if (due := self.submitted_at[first] + pause) <= again:
                return first, due
        return session_id, again

    def _choose_probe(self, now: float) -> tuple[str, float]:
        """One session for all of them: another each time, so that one that is stuck does not hide the others."""
        if not self._not_looked_at:
            again, _, session_id = self._looked_at[0]
            return session_id, max(again, self._next_probe)
        oldest = next(iter(self._not_looked_at))
        submitted_at = self.submitted_at[oldest]
        # Neighbours in a batch may be stuck for the same reason, so the turns leap; but not to what has just begun.
        old_enough = submitted_at + (now - submitted_at) / 2
        candidates = [each for each in self._not_looked_at if self.submitted_at[each] <= old_enough] or [oldest]
        probe = candidates[int(self._turn * _GOLDEN * len(candidates)) % len(candidates)]
        return probe, max(submitted_at + min(self._pace.expected_seconds, self._pace.poll_min), self._next_probe)

    def record_unfinished(self, session_id: str, now: float, round_seconds: float, random: float) -> None:
        """
        Note that a session was looked at and goes on (or that the look failed), and say when to look again.

        At it, after a quarter of its age, but within one and two rounds; at any other as long as none is known to be
        extracted, after a sixteenth of its age. With jitter, so that sessions that were submitted together do not
        stay in step.

        :param random: a number in [0, 1).
        """
        self._forget(session_id)
        age = max(0.0, now - self.submitted_at[session_id])
        if self._pace.session_timeout is not None and age >= self._pace.session_timeout:
            reason = f"Not finished {age:.0f} s after its submission. It goes on, and is billed, at Raydocs."
            self.record_outcome(session_id, Outcome(manifest.FAILED, None, None, "waiting", "session_timeout", reason))
            return
        jitter = 0.75 + 0.5 * random
        pause = max(self._pace.poll_min, min(max(age / 4, round_seconds), 2 * round_seconds) * jitter)
        self._turn += 1
        heapq.heappush(self._looked_at, (now + pause, self._turn, session_id))
        self._next_probe = now + max(self._pace.poll_min, min(age / 16, round_seconds) * jitter)

    def record_outcome(self, session_id: str, outcome: Outcome, seconds: float | None = None) -> None:
        """
        Note how a session ended.

        :param seconds: how long it took, if that is known. Extracted sessions teach when the others are probably done;
            a document that cannot be read fails at once and teaches nothing.
        """
        if session_id not in self.open:
            return
        self._forget(session_id)
        self.open.discard(session_id)
        self.outcomes[session_id] = outcome
        if seconds is not None and outcome.state == manifest.EXTRACTED:
            insort(self._durations, seconds)

    def seconds_left(self, now: float, round_seconds: float) -> float:
        """About how long it takes until all have ended: until the youngest is probably done, and a look at each."""
        if not self.open:
            return 0.0
        youngest = max(self.submitted_at[session_id] for session_id in self.open)
        return max(0.0, youngest + self.expected_duration() - now) + round_seconds

    def _forget(self, session_id: str) -> None:
        if session_id in self._not_looked_at:
            del self._not_looked_at[session_id]
        elif self._looked_at and self._looked_at[0][2] == session_id:
            heapq.heappop(self._looked_at)
