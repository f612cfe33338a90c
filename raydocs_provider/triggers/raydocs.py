"""The trigger that owns all sessions of one task while no worker is held."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from raydocs_provider.wording import say_count

if TYPE_CHECKING:
    from raydocs_provider.extraction.manifest import Manifest

# Airflow 3.3.2 and older can mark a task failed whose trigger fires within seconds of the deferral: the scheduler then
# finds the executor's "done" while the task is queued again. No event leaves sooner than this.
MIN_SECONDS_DEFERRED = 10.0


class RaydocsSessionsTrigger(BaseTrigger):
    """
    Wait until the sessions of a manifest have ended, or a deadline passes.

    Airflow keeps the arguments of triggers in plain text, so they hold ids, URIs and numbers only. The event carries
    everything the task needs to go on: ``{"status": "finished" | "deadline" | "error", "manifest": ...}``, for errors
    with ``error_type`` (a class of :mod:`raydocs_provider.exceptions`), ``error`` and ``retryable``.

    A trigger that is moved or restarted starts over from its arguments; what is on file under ``results_path`` is not
    looked at again. It never cancels anything: Raydocs has no such request.

    :param raydocs_conn_id: the Raydocs connection.
    :param manifest: the manifest of the submitted documents, as JSON.
    :param deadline: wall-clock time (epoch seconds) of the last look.
    :param expected_seconds: how long an extraction usually takes.
    :param poll_min: shortest time between two looks at the same session, in seconds.
    :param session_timeout: seconds after which one session counts as failed; None leaves that to the deadline.
    :param progress: the task's progress record so far; None: it kept none.
    """

    # Assignments only, here as everywhere: an exception in a trigger's constructor stops the whole triggerer.
    def __init__(
        self,
        raydocs_conn_id: str,
        manifest: dict[str, Any],
        deadline: float,
        expected_seconds: float = 30.0,
        poll_min: float = 5.0,
        session_timeout: float | None = None,
        progress: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.raydocs_conn_id = raydocs_conn_id
        self.manifest = manifest
        self.deadline = deadline
        self.expected_seconds = expected_seconds
        self.poll_min = poll_min
        self.session_timeout = session_timeout
        self.progress = progress

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, as Airflow stores them."""
        names = (
            "raydocs_conn_id",
            "manifest",
            "deadline",
            "expected_seconds",
            "poll_min",
            "session_timeout",
            "progress",
        )
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Watch the sessions and yield one event."""
        from raydocs_provider.exceptions import RaydocsError

        started_at = time.monotonic()
        try:
            payload = await self._watch()
        except RaydocsError as problem:
            payload = {
                "status": "error",
                "error_type": type(problem).__name__,
                "error": str(problem),
                "retryable": problem.retryable,
                "manifest": self.manifest,
            }
        await asyncio.sleep(max(0.0, started_at + MIN_SECONDS_DEFERRED - time.monotonic()))
        yield TriggerEvent(payload)  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """Say what runs on when somebody ends the deferred task (Airflow 3.3 and newer call this)."""
        submitted = self.manifest.get("counts", {}).get("submitted", 0)
        self.log.warning(
            "The task was ended by hand. Up to %s at Raydocs, which cannot cancel any. Clearing the task submits its "
            "documents again.",
            say_count(submitted, "session goes on, and is billed,", "sessions go on, and are billed,"),
        )

    async def _watch(self) -> dict[str, Any]:
        from asgiref.sync import sync_to_async

        # The first import of an HTTP client takes tenths of a second, which the loop shall not stand still for.
        await sync_to_async(import_module, thread_sensitive=False)("raydocs_provider.hooks.watching")
        from raydocs_provider.extraction.spool import dump_manifest, load_manifest
        from raydocs_provider.extraction.waiting import Pace
        from raydocs_provider.hooks.raydocs_async import RaydocsAsyncHook
        from raydocs_provider.hooks.reporting import Reporter, push_from_trigger
        from raydocs_provider.hooks.storage import open_spool
        from raydocs_provider.hooks.watching import Watcher, start_waiting

        # Opening a path may look up an Airflow connection and reading one blocks: both belong into a thread. asgiref's,
        # because Airflow finds its way from there back to the loop; asyncio's own threads it does not know.
        spool = await sync_to_async(open_spool, thread_sensitive=False)(self.manifest.get("results_path"))
        manifest = await sync_to_async(load_manifest, thread_sensitive=False)(self.manifest, spool)
        pace = Pace(self.expected_seconds, self.poll_min, self.session_timeout)
        reporter = Reporter.resume(self.progress)

        async def tell(known: Manifest) -> None:
            await push_from_trigger(self, reporter.describe(known))

        watcher = Watcher(manifest, start_waiting(manifest, pace, time.time()), spool, self.log, tell)
        await watcher.recall()
        async with RaydocsAsyncHook(self.raydocs_conn_id, usage=reporter.usage) as hook:
            finished = await watcher.watch(hook, stop_at=self.deadline)
        written = await sync_to_async(dump_manifest, thread_sensitive=False)(watcher.manifest, spool)
        return {
            "status": "finished" if finished else "deadline",
            "manifest": written,
            "progress": reporter.describe(watcher.manifest),
        }
