"""
Look at sessions until they have ended: the one loop behind the operator, the sensor and the trigger.

When to look and what an answer means is decided in :mod:`raydocs_provider.extraction.waiting`. This loop asks, sleeps,
looks, and puts finished sessions on file.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from asgiref.sync import sync_to_async

from raydocs_provider.api import requests as endpoints
from raydocs_provider.api.models import Result, Session
from raydocs_provider.exceptions import RaydocsApiError, RaydocsNotFoundError
from raydocs_provider.extraction.manifest import EXTRACTED, FAILED, SUBMITTED, Manifest, Outcome, apply_outcomes
from raydocs_provider.extraction.spool import Spool
from raydocs_provider.extraction.waiting import (
    Pace,
    Waiting,
    judge,
    lowest_confidence,
    newest_run,
    server_seconds,
    unknown_statuses,
)
from raydocs_provider.hooks.metrics import time_extraction
from raydocs_provider.hooks.pacing import Pacer, pacer_for
from raydocs_provider.hooks.raydocs_async import RaydocsAsyncHook

# Each look is itself repeated by the hook, so this many in a row is an outage of a quarter of an hour, not a hiccup.
MAX_FAILED_LOOKS_IN_A_ROW = 5
_SECONDS_BETWEEN_REPORTS = 30.0
_SECONDS_BETWEEN_SIGNS_OF_LIFE = 600.0

Tell = Callable[[Manifest], Awaitable[None]]


def start_waiting(manifest: Manifest, pace: Pace, now: float) -> Waiting:
    """The sessions of a manifest that are still open."""
    submitted = manifest.in_state(SUBMITTED)
    # Another machine's clock may have been ahead of this one's: nothing was submitted later than now.
    return Waiting(
        {record.session_id: min(record.submitted_at or now, now) for record in submitted if record.session_id},
        pace,
        turn=random.randrange(1 << 16),
    )


class Watcher:
    """
    Watches the sessions of one task.

    :param manifest: the submitted documents.
    :param spool: where finished sessions are put on file; None leaves fetching the results to the load.
    :param log: where progress is told.
    :param tell: called with the manifest now and then, for people who look from outside; default: nobody does.
    """

    def __init__(
        self, manifest: Manifest, waiting: Waiting, spool: Spool | None, log: Any, tell: Tell | None = None
    ) -> None:
        self._manifest = manifest
        self._waiting = waiting
        self._spool = spool
        self._log = log
        self._tell = tell
        self._told_at = time.monotonic()
        self._total = len(waiting.open)
        self._unknown_seen: set[str] = set()
        self._failed_looks = 0
        # The wall clock may be set while sessions are open, and every due time would be wrong by as much.
        self._wall_clock_at_zero = time.time() - time.monotonic()
        self._reported: tuple[float, int] = (self._now(), 0)

    @property
    def manifest(self) -> Manifest:
        """The manifest as far as it is known by now."""
        return apply_outcomes(self._manifest, self._waiting.outcomes)

    def _now(self) -> float:
        return self._wall_clock_at_zero + time.monotonic()

    async def recall(self) -> None:
        """Take over what is already on file, so that a restarted wait does not look at it again."""
        if self._spool is not None:
            known = await sync_to_async(self._spool.known_sessions, thread_sensitive=False)(sorted(self._waiting.open))
            for session_id, outcome in known.items():
                self._waiting.record_outcome(session_id, outcome)

    async def watch(self, hook: RaydocsAsyncHook, *, due_by: float = math.inf, stop_at: float = math.inf) -> bool:
        """
        Look until every session has ended, or no look is left to be made.

        :param due_by: wall-clock time (epoch seconds); looks that are due later are left to somebody else. A time that
            has come makes all looks that are due by now, and sleeps for none.
        :param stop_at: wall-clock time from which on no look begins. One that is due later is made then.
        :returns: whether every session has ended.
        :raises RaydocsApiError: when the token is refused, or looks keep failing. No document is counted as failed
            for that.
        """
        pacer = pacer_for(await hook.get_settings())
        set_back = self._now() - time.time()
        due_by, stop_at = due_by + set_back, stop_at + set_back
        with pacer.watching(self._waiting):
            # Looking takes time itself, so what is due is told by a clock that stops at `due_by`.
            while (look := self._waiting.next_look(at := min(self._now(), due_by), pacer.round_seconds())) is not None:
                session_id, delay = look
                now = self._now()
                if at + delay > due_by or now >= stop_at:
                    self._report(now, pacer)
                    return False
                # Even a look that is due yields to the loop, which other triggers share.
                await asyncio.sleep(max(0.0, min(at + delay, stop_at) - now))
                await self._look(hook, session_id, pacer)
                self._report(self._now(), pacer)
                if self._tell and time.monotonic() - self._told_at > _SECONDS_BETWEEN_REPORTS:
                    self._told_at = time.monotonic()
                    await self._tell(self.manifest)
        return True

    async def _look(self, hook: RaydocsAsyncHook, session_id: str, pacer: Pacer) -> None:
        try:
            session = await hook.call(endpoints.get_session(session_id))
            outcome = judge(session)
            if outcome is not None:
                run = newest_run(session.results) if outcome.state == EXTRACTED else None
                if self._spool is not None and run is not None and run.data is None:
                    run = await hook.call(endpoints.get_result(run.id))
                outcome = self._measure(session_id, session, outcome, run)
                if self._spool is not None:
                    # File systems and object stores block; the loop of a triggerer must not.
                    await sync_to_async(self._spool.write_session, thread_sensitive=False)(session_id, outcome, run)
        except RaydocsNotFoundError:
            reason = "The session is gone: it was deleted at Raydocs, or the token lost its access."
            self._waiting.record_outcome(session_id, Outcome(FAILED, None, None, "waiting", "session_gone", reason))
            return
        except RaydocsApiError as problem:
            self._failed_looks += 1
            if not problem.repeatable or self._failed_looks >= MAX_FAILED_LOOKS_IN_A_ROW:
                raise
            self._log.warning("%s The session is looked at again later.", problem)
            self._waiting.record_unfinished(session_id, self._now(), pacer.round_seconds(), random.random())
            return
        self._failed_looks = 0
        for status in sorted(unknown_statuses(session) - self._unknown_seen):
            self._unknown_seen.add(status)
            self._log.warning("Raydocs uses a status this version does not know: %s. Taken as not finished.", status)
        now = self._now()
        if outcome is None:
            self._waiting.record_unfinished(session_id, now, pacer.round_seconds(), random.random())
        else:
            self._waiting.record_outcome(session_id, outcome, outcome.seconds)

    def _measure(self, session_id: str, session: Session, outcome: Outcome, run: Result | None) -> Outcome:
        """Add to an outcome how long the session took and how sure Raydocs is of its values."""
        age = self._now() - self._waiting.submitted_at[session_id]
        seconds = server_seconds(session)
        time_extraction(age if seconds is None else seconds, None if seconds is None else max(0.0, age - seconds))
        return replace(outcome, seconds=age if seconds is None else seconds, min_confidence=lowest_confidence(run))

    def _report(self, now: float, pacer: Pacer) -> None:
        """One line when counts have changed, at a rate a person can follow, and one in ten minutes if they have not."""
        reported_at, reported = self._reported
        still_open = len(self._waiting.open)
        done = self._total - still_open
        pause = _SECONDS_BETWEEN_REPORTS if done != reported else _SECONDS_BETWEEN_SIGNS_OF_LIFE
        if now - reported_at < pause and (still_open or done == reported):
            return
        self._reported = (now, done)
        failed = sum(outcome.state == FAILED for outcome in self._waiting.outcomes.values())
        minutes = math.ceil(self._waiting.seconds_left(now, pacer.round_seconds()) / 60)
        left = f", about {minutes} min left" if minutes > 1 else ""
        self._log.info("%d/%d done, %d failed%s, budget %s.", done, self._total, failed, left, pacer.describe())


def run_watch(
    watcher: Watcher,
    hook: RaydocsAsyncHook,
    *,
    due_by: float = math.inf,
    stop_at: float = math.inf,
    recall: bool = True,
) -> bool:
    """
    Run :meth:`Watcher.watch` from synchronous code.

    :param hook: made with settings, so that no connection is looked up on the loop.
    :param recall: take over what is on file first.
    """

    async def run() -> bool:
        if recall:
            await watcher.recall()
        async with hook as entered:
            return await watcher.watch(entered, due_by=due_by, stop_at=stop_at)

    return asyncio.run(run())
