"""
One :class:`~raydocs_provider.extraction.budget.Budget` per process and connection, with the waiting around it.

Worker threads and the triggerer's event loop use the same object: a lock guards each decision, which takes
microseconds, and nobody holds it while waiting.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import WeakSet

from raydocs_provider.api.requests import ApiRequest
from raydocs_provider.api.responses import parse_retry_after
from raydocs_provider.extraction.budget import WINDOW_SECONDS, Budget, Ticket, Urgency
from raydocs_provider.extraction.waiting import Waiting
from raydocs_provider.hooks.connection import ConnectionSettings
from raydocs_provider.hooks.metrics import time_budget_wait

if TYPE_CHECKING:
    from raydocs_provider.hooks.shared_budget import SharedBudget

log = logging.getLogger(__name__)

# A waiting request asks again at least this often, so that it moves up when one before it gives up.
_LONGEST_NAP_SECONDS = 2.0
_ANNOUNCED_SECONDS = 10.0
_SECONDS_BETWEEN_ANNOUNCEMENTS = 60.0


class Pacer:
    """
    Lets requests leave as the budget allows.

    :param requests_per_minute: the limit of the address.
    :param shared: counts the requests of other processes too; None leaves this process to its fair share.
    """

    def __init__(self, requests_per_minute: float, shared: SharedBudget | None = None) -> None:
        self._budget = Budget(requests_per_minute)
        self._shared = shared
        self._lock = threading.Lock()
        self._announced_at = float("-inf")
        self._waitings: WeakSet[Waiting] = WeakSet()

    def wait(self, urgency: Urgency) -> float:
        """Block this thread until a request may leave. Returns the seconds that took."""
        started_at = time.monotonic()
        ticket = self._join(urgency)
        try:
            while (nap := self._take(ticket)) > 0:
                time.sleep(nap)
            while self._shared and (nap := self._shared.take()) > 0:
                time.sleep(min(nap, _LONGEST_NAP_SECONDS))
        finally:
            self._leave(ticket)
        return self._report_wait(started_at)

    def try_now(self, urgency: Urgency) -> float:
        """Let a request leave if it may at once. Returns 0, or about how many seconds are to be waited, without one."""
        ticket = self._join(urgency)
        try:
            return self._take(ticket) or (self._shared.take() if self._shared else 0.0)
        finally:
            self._leave(ticket)

    async def wait_async(self, urgency: Urgency) -> float:
        """As `wait`, on the event loop."""
        started_at = time.monotonic()
        ticket = self._join(urgency)
        try:
            # The budget serves threads as well, which cannot set an asyncio event: so this asks again now and then.
            while (nap := self._take(ticket)) > 0:  # noqa: ASYNC110
                await asyncio.sleep(nap)
            while self._shared and (nap := await self._shared.take_async()) > 0:  # noqa: ASYNC110
                await asyncio.sleep(min(nap, _LONGEST_NAP_SECONDS))
        finally:
            self._leave(ticket)
        return self._report_wait(started_at)

    def note(self, status: int, headers: Mapping[str, str], now: datetime) -> None:
        """
        Learn from the status and the headers of an answer.

        :param headers: a mapping that does not regard case.
        :param now: current time, for a ``Retry-After`` given as a date.
        """
        with self._lock:
            if status == 429:
                self._budget.refuse(time.monotonic(), parse_retry_after(headers.get("Retry-After"), now))
            else:
                limit, remaining = (_count(headers.get(f"X-RateLimit-{name}", "")) for name in ("Limit", "Remaining"))
                self._budget.accept(time.monotonic(), limit, remaining)

    @contextmanager
    def watching(self, waiting: Waiting) -> Iterator[None]:
        """Count the open sessions of a wait among those that share this budget."""
        self._waitings.add(waiting)
        try:
            yield
        finally:
            self._waitings.discard(waiting)

    def round_seconds(self) -> float:
        """How long it takes to look at every open session of this process once."""
        still_open = sum(len(waiting.open) for waiting in list(self._waitings))
        return still_open * WINDOW_SECONDS / self._budget.allowance

    def describe(self) -> str:
        """Requests of the last minute over the allowance, such as ``61/100``."""
        with self._lock:
            return f"{self._budget.used(time.monotonic())}/{self._budget.allowance:.0f}"

    def _join(self, urgency: Urgency) -> Ticket:
        with self._lock:
            return self._budget.join(urgency)

    def _leave(self, ticket: Ticket) -> None:
        with self._lock:
            self._budget.leave(ticket)

    def _report_wait(self, started_at: float) -> float:
        waited = time.monotonic() - started_at
        time_budget_wait(waited)
        return waited

    def _take(self, ticket: Ticket) -> float:
        now = time.monotonic()
        with self._lock:
            wait = self._budget.take(ticket, now)
            if wait == 0:
                return 0.0
            if wait > _ANNOUNCED_SECONDS and now - self._announced_at > _SECONDS_BETWEEN_ANNOUNCEMENTS:
                self._announced_at = now
                log.info("Waiting %.0f s for the request budget (%.0f a minute).", wait, self._budget.allowance)
        return min(wait, _LONGEST_NAP_SECONDS) * random.uniform(1.0, 1.05)


def _count(text: str) -> int | None:
    return int(text) if text.isdecimal() and text.isascii() else None


def urgency_of(request: ApiRequest[Any]) -> Urgency:
    """Reading comes before writing: what is finished is worth more than what has not begun."""
    return Urgency.LOOK if request.method == "GET" else Urgency.UPLOAD


_pacers: dict[ConnectionSettings, Pacer] = {}
_pacers_lock = threading.Lock()


def pacer_for(settings: ConnectionSettings) -> Pacer:
    """The pacer of this process for a connection's settings; made on first use."""
    with _pacers_lock:
        if settings not in _pacers:
            _pacers[settings] = Pacer(settings.requests_per_minute, _open_shared(settings))
        return _pacers[settings]


def _open_shared(settings: ConnectionSettings) -> SharedBudget | None:
    if not settings.budget_url:
        return None
    from raydocs_provider.hooks.shared_budget import SharedBudget

    return SharedBudget(settings.budget_url, urlsplit(settings.base_url).netloc, settings.requests_per_minute)
