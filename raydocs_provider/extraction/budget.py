"""
Requests per minute, shared by everything in one process and fairly with processes it cannot talk to.

Raydocs counts requests per IP address, over all tokens, so several workers and a triggerer behind one address share one
limit without knowing of each other. Each keeps an allowance of its own: it begins at the whole limit, shrinks when the
server says 429 and grows back slowly. Shrinking by a factor and growing by a step is what makes strangers end up with
equal shares.

Pure: ``now`` is an argument (any clock that only goes forward, in seconds), nothing here sleeps.
:mod:`raydocs_provider.hooks.pacing` does the sleeping, for threads and for event loops.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass
from enum import IntEnum
from math import floor

WINDOW_SECONDS = 60.0
# A refusal that says when to come back costs one request and tells everything, so the allowance gives way a little; one
# that does not can only be answered by asking less often.
_SHRINK_INFORMED = 0.9
_SHRINK_UNINFORMED = 0.7
# Part of the limit an allowance grows by in a minute without refusals.
_GROWTH_PER_MINUTE = 0.02
_LOWEST_PART = 0.02
# Part of the limit that is left alone at the end of a server's minute: whoever goes for it is refused as likely as not.
_RESERVE = 0.05
_FIRST_PAUSE_SECONDS = 20.0


# A counter that does not answer is left alone for this long.
_OUTAGE_PAUSE_SECONDS = 60.0
# A wait shorter than this is nothing to talk about.
_NOTICED_SECONDS = 10.0
_SECONDS_BETWEEN_NOTICES = 60.0


class Urgency(IntEnum):
    """Who goes first. A look ends somebody's wait; an upload begins one."""

    LOOK = 0
    UPLOAD = 1


@dataclass(frozen=True, slots=True, order=True)
class Ticket:
    """A place in the queue: by urgency, then by arrival."""

    urgency: Urgency
    number: int


class Outage:
    """
    Whether something that did not answer is asked again. Not thread-safe by itself.

    One request finds out, every minute; all others go on without it meanwhile.
    """

    def __init__(self) -> None:
        self._ask_at = float("-inf")
        self._begun = False

    def may_ask(self, now: float) -> bool:
        """Whether to ask now. During an outage, whoever is told so finds out for all the others."""
        if not self._begun:
            return True
        if now < self._ask_at:
            return False
        self._ask_at = now + _OUTAGE_PAUSE_SECONDS
        return True

    def begin(self, now: float) -> bool:
        """Note that there was no answer. Returns whether that is news."""
        news, self._begun = not self._begun, True
        self._ask_at = now + _OUTAGE_PAUSE_SECONDS
        return news

    def end(self) -> bool:
        """Note an answer. Returns whether that is news."""
        news, self._begun = self._begun, False
        return news


class Notices:
    """When a task that waits says so: of long waits, and once a minute. Not thread-safe by itself."""

    def __init__(self) -> None:
        self._given_at = float("-inf")

    def is_due(self, now: float, waited: float, left: float) -> bool:
        """
        Whether to say now that somebody waits; then it counts as said.

        :param waited: for how long already, in seconds.
        :param left: for how much longer, as far as anybody knows.
        """
        if max(waited, left) <= _NOTICED_SECONDS or now - self._given_at < _SECONDS_BETWEEN_NOTICES:
            return False
        self._given_at = now
        return True


class Budget:
    """
    What may be sent when. Not thread-safe by itself.

    :param requests_per_minute: the limit of the address.
    """

    def __init__(self, requests_per_minute: float) -> None:
        self._limit = float(requests_per_minute)
        self._allowance = self._limit
        self._grown_at: float | None = None
        self._sent: deque[float] = deque()
        self._blocked_until = float("-inf")
        self._resets_at: float | None = None
        self._pause = _FIRST_PAUSE_SECONDS
        self._queue: list[Ticket] = []
        self._tickets = 0

    @property
    def allowance(self) -> float:
        """Requests per minute this process allows itself at the moment."""
        return self._allowance

    def used(self, now: float) -> int:
        """Requests sent in the last minute."""
        self._forget(now)
        return len(self._sent)

    def join(self, urgency: Urgency) -> Ticket:
        """Queue for one request."""
        self._tickets += 1
        ticket = Ticket(urgency, self._tickets)
        insort(self._queue, ticket)
        return ticket

    def ahead_of(self, ticket: Ticket) -> int:
        """How many requests go before this one."""
        return bisect_left(self._queue, ticket)

    def leave(self, ticket: Ticket) -> None:
        """Give up a place in the queue; harmless if it is gone already."""
        index = bisect_left(self._queue, ticket)
        if index < len(self._queue) and self._queue[index] == ticket:
            del self._queue[index]

    def take(self, ticket: Ticket, now: float) -> float:
        """
        Take the turn if it has come.

        :returns: 0 if the request may be sent now (it counts as sent, the place is gone); otherwise the seconds after
            which to ask again.
        """
        rank = self.ahead_of(ticket)
        wait = self._opens_at(now) - now
        if rank == 0 and wait <= 0:
            del self._queue[0]
            self._sent.append(now)
            return 0.0
        return max(0.001, wait) + rank * WINDOW_SECONDS / self._allowance

    def accept(self, now: float, limit: int | None = None, remaining: int | None = None) -> None:
        """
        Note that a request was not refused for the limit.

        :param limit: what the server says the limit is (``X-RateLimit-Limit``); a lower one than configured is obeyed.
        :param remaining: how many more the server would take now, from anybody (``X-RateLimit-Remaining``). Whoever has
            been refused lately leaves the last few alone.
        """
        self._pause = _FIRST_PAUSE_SECONDS
        if limit is not None and 0 < limit < self._limit:
            self._limit = float(limit)
            self._allowance = min(self._allowance, self._limit)
        # Growth goes by time, not by requests: whoever sends more must not grow faster.
        if self._grown_at is not None:
            step = _GROWTH_PER_MINUTE * self._limit * max(0.0, now - self._grown_at) / WINDOW_SECONDS
            self._allowance = min(self._limit, self._allowance + step)
        self._grown_at = now
        if remaining is not None and remaining <= _RESERVE * self._limit and self._allowance < self._limit:
            self._blocked_until = max(self._blocked_until, self._window_end(now))

    def refuse(self, now: float, retry_after: float | None) -> None:
        """
        Note a 429: nothing is sent until the server will listen again, and less from then on.

        :param retry_after: seconds the server asked to wait; None if it did not say.
        """
        # Requests that were under way together are refused together: that is one event, not many.
        if now >= self._blocked_until:
            shrink = _SHRINK_UNINFORMED if retry_after is None else _SHRINK_INFORMED
            self._allowance = max(_LOWEST_PART * self._limit, 1.0, shrink * self._allowance)
            if retry_after is None:
                self._blocked_until = now + self._pause
                self._pause = min(WINDOW_SECONDS, 2 * self._pause)
        if retry_after is not None:
            self._resets_at = now + retry_after
            self._blocked_until = max(self._blocked_until, self._resets_at)
        self._grown_at = now

    def _opens_at(self, now: float) -> float:
        """
        When the next request may be sent.

        Never more than the allowance in any minute, so one process alone is never refused. The first half of it
        may leave at once; the rest is spread over the time until that half counts no longer: the queue always moves.
        """
        self._forget(now)
        opens_at = max(now, self._blocked_until)
        allowance = max(1, int(self._allowance))
        sent = len(self._sent)
        if 2 * sent < allowance:
            return opens_at
        if sent >= allowance:
            return max(opens_at, self._sent[sent - allowance] + WINDOW_SECONDS)
        oldest, newest = self._sent[0], self._sent[-1]
        gap = (oldest + WINDOW_SECONDS - newest) / (allowance - sent + 1)
        return max(opens_at, newest + gap)

    def _window_end(self, now: float) -> float:
        """When the server begins to count anew, by its own word of some time ago; now, if it has not said."""
        if self._resets_at is None:
            return now
        return self._resets_at + WINDOW_SECONDS * max(0, floor((now - self._resets_at) / WINDOW_SECONDS) + 1)

    def _forget(self, now: float) -> None:
        while self._sent and self._sent[0] <= now - WINDOW_SECONDS:
            self._sent.popleft()
