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
from raydocs_provider.extraction.budget import WINDOW_SECONDS, Budget, Notices, Ticket, Urgency
from raydocs_provider.extraction.waiting import Waiting
from raydocs_provider.hooks.connection import ConnectionSettings
from raydocs_provider.hooks.metrics import time_budget_wait
from raydocs_provider.wording import say_count

if TYPE_CHECKING:
    from raydocs_provider.hooks.shared_budget import SharedBudget

log = logging.getLogger(__name__)

# A waiting request asks again at least this often, so that it moves up when one before it gives up.
_LONGEST_NAP_SECONDS = 2.0


class Waiter:
    """Somebody whose requests wait for a budget, a task for one, and who says so in the log."""

    def __init__(self) -> None:
        self._notices = Notices()
        self._lock = threading.Lock()

    def tell(self, started_at: float, left: float, what: str) -> None:
        """
        Say what is waited for, once a minute at most.

        :param started_at: of the wait, by the monotonic clock.
        :param left: how much longer it takes, in seconds.
        """
        now = time.monotonic()
        with self._lock:
            due = self._notices.is_due(now, now - started_at, left)
        if due:
            log.info("Waiting for %s: %.0f s so far, %.0f s or more to go.", what, now - started_at, left)


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
        self._waitings: WeakSet[Waiting] = WeakSet()

    def wait(self, urgency: Urgency, waiter: Waiter | None = None) -> float:
        """
        Block this thread until a request may leave. Returns the seconds that took.

        :param waiter: whose request it is; None: nobody is told when it takes long.
        """
        started_at = time.monotonic()
        ticket = self._join(urgency)
        try:
            while (wait := self._take(ticket)) > 0:
                self._tell(waiter, started_at, wait, ticket)
                time.sleep(_nap(wait))
            while self._shared and (wait := self._shared.take()) > 0:
                self._tell(waiter, started_at, wait)
                time.sleep(min(wait, _LONGEST_NAP_SECONDS))
        finally:
            self._leave(ticket)
        return self._report_wait(started_at)

    def try_now(self, urgency: Urgency) -> float:
        """Let a request leave if it may at once. Returns 0, or about how many seconds are to be waited, without one."""
        ticket = self._join(urgency)
        try:
            return _nap(self._take(ticket)) or (self._shared.take() if self._shared else 0.0)
        finally:
            self._leave(ticket)

    async def wait_async(self, urgency: Urgency, waiter: Waiter | None = None) -> float:
        """As `wait`, on the event loop."""
        started_at = time.monotonic()
        ticket = self._join(urgency)
        try:
            # The budget serves threads as well, which cannot set an asyncio event: so this asks again now and then.
            while (wait := self._take(ticket)) > 0:
                self._tell(waiter, started_at, wait, ticket)
                await asyncio.sleep(_nap(wait))
            while self._shared and (wait := await self._shared.take_async()) > 0:
                self._tell(waiter, started_at, wait)
                await asyncio.sleep(min(wait, _LONGEST_NAP_SECONDS))
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
        with self._lock:
            return self._budget.take(ticket, time.monotonic())

    def _tell(self, waiter: Waiter | None, started_at: float, wait: float, ticket: Ticket | None = None) -> None:
        if waiter is None:
            return
        if ticket is None:
            waiter.tell(started_at, wait, "the shared request budget, which all processes of this address use")
            return
        with self._lock:
            ahead, allowance = self._budget.ahead_of(ticket), self._budget.allowance
        queue = f", with {say_count(ahead, 'request')} of this process before it" if ahead else ""
        waiter.tell(started_at, wait, f"the request budget ({allowance:.0f} a minute){queue}")


def _nap(wait: float) -> float:
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
