"""Wait for sessions that another task has created."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from raydocs_provider.arguments import FAIL, WARN, require_choice, require_ratio, total_seconds
from raydocs_provider.exceptions import RaydocsDeadlineError, RaydocsExtractionError
from raydocs_provider.links.raydocs import RaydocsDocumentsLink
from raydocs_provider.triggers.events import BACKSTOP, BRIEF_LOOK_SECONDS, push_manifest
from raydocs_provider.version_compat import AirflowSensorTimeout, conf

if TYPE_CHECKING:
    from airflow.sdk import Context

    from raydocs_provider.extraction.manifest import Manifest
    from raydocs_provider.hooks.reporting import Reporter
    from raydocs_provider.hooks.watching import Watcher


class RaydocsSessionsSensor(BaseSensorOperator):
    """
    Wait until the sessions of a manifest have ended; return the manifest of what came out.

    Every look at a session is a request out of the 100 a minute. ``deferrable=True`` and ``mode="poke"`` remember when
    each session is worth a look; ``mode="reschedule"`` forgets between two pokes and looks at every session that is
    still open, or not on file under ``results_path``: choose its ``poke_interval`` accordingly.

    :param sessions: the output of ``RaydocsCreateSessionsOperator``. (templated)
    :param on_partial_failure: ``"fail"`` (default) or ``"warn"``, as for ``RaydocsExtractOperator``.
    :param max_failure_ratio: with ``"warn"``, the part of the documents that may fail (0 to 1); default 1.
    :param session_timeout: seconds after which a single session counts as failed; default None.
    :param expected_seconds: how long one extraction usually takes; default 30.
    :param deferrable: give the worker back while waiting; default: ``[operators] default_deferrable``.
    :param raydocs_conn_id: the Raydocs connection; default: the one of the manifest. (templated)

    ``timeout`` of the base class is the deadline in every mode; past it, ``AirflowSensorTimeout`` is raised.
    """

    template_fields: Sequence[str] = ("sessions", "raydocs_conn_id")
    operator_extra_links = (RaydocsDocumentsLink(),)
    ui_color = "#e8e4f6"

    def __init__(
        self,
        *,
        sessions: Any,
        on_partial_failure: str = FAIL,
        max_failure_ratio: float = 1.0,
        session_timeout: float | None = None,
        expected_seconds: float = 30.0,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        raydocs_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sessions = sessions
        self.on_partial_failure = require_choice(on_partial_failure, "on_partial_failure", (FAIL, WARN))
        self.max_failure_ratio = require_ratio(max_failure_ratio, "max_failure_ratio")
        self.session_timeout = None if session_timeout is None else total_seconds(session_timeout, "session_timeout")
        self.expected_seconds = total_seconds(expected_seconds, "expected_seconds")
        self.deferrable = deferrable
        self.raydocs_conn_id = raydocs_conn_id
        self._watcher: Watcher | None = None
        self._reporter: Reporter | None = None

    def execute(self, context: Context) -> Any:
        """Poke, or look briefly and defer."""
        if not self.deferrable:
            return super().execute(context)
        started_at = time.time()
        until = started_at + min(BRIEF_LOOK_SECONDS, self.timeout)
        finished, manifest = self._look(context, due_by=until, stop_at=until)
        if finished:
            return self._conclude(context, manifest)
        return self._defer(manifest, started_at + self.timeout)

    def poke(self, context: Context) -> PokeReturnValue:
        """Look at the sessions that are due."""
        finished, manifest = self._look(context, due_by=time.time(), stop_at=math.inf)
        return PokeReturnValue(finished, self._conclude(context, manifest) if finished else None)

    def _look(self, context: Context, *, due_by: float, stop_at: float) -> tuple[bool, Manifest]:
        from raydocs_provider.extraction.manifest import check_manifest
        from raydocs_provider.extraction.progress import WAIT
        from raydocs_provider.extraction.spool import load_manifest
        from raydocs_provider.extraction.waiting import Pace
        from raydocs_provider.hooks.raydocs import RaydocsHook
        from raydocs_provider.hooks.raydocs_async import RaydocsAsyncHook
        from raydocs_provider.hooks.reporting import Reporter, push_progress
        from raydocs_provider.hooks.storage import open_spool
        from raydocs_provider.hooks.watching import Watcher, run_watch, start_waiting

        async def tell(known: Manifest) -> None:
            push_progress(context, reporter.describe(known))

        first = self._watcher is None
        reporter = self._reporter = self._reporter or Reporter(WAIT)
        if self._watcher is None:
            written = check_manifest(self.sessions)
            spool = open_spool(written.get("results_path"))
            manifest = load_manifest(written, spool)
            pace = Pace(self.expected_seconds, session_timeout=self.session_timeout)
            self._watcher = Watcher(manifest, start_waiting(manifest, pace, time.time()), spool, self.log, tell)
        conn_id = self.raydocs_conn_id or self._watcher.manifest.conn_id
        hook = RaydocsAsyncHook(conn_id, RaydocsHook(conn_id).settings, self._reporter.usage)
        finished = run_watch(self._watcher, hook, due_by=due_by, stop_at=stop_at, recall=first)
        push_progress(context, self._reporter.describe(self._watcher.manifest))
        return finished, self._watcher.manifest

    def _defer(self, manifest: Manifest, deadline: float) -> None:
        from raydocs_provider.extraction.spool import dump_manifest
        from raydocs_provider.hooks.storage import open_spool
        from raydocs_provider.triggers.raydocs import RaydocsSessionsTrigger

        self.defer(
            trigger=RaydocsSessionsTrigger(
                raydocs_conn_id=self.raydocs_conn_id or manifest.conn_id,
                manifest=dump_manifest(manifest, open_spool(manifest.results_path)),
                deadline=deadline,
                expected_seconds=self.expected_seconds,
                session_timeout=self.session_timeout,
                progress=self._reporter.describe(manifest) if self._reporter else None,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout) + BACKSTOP,
        )

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """
        Go on after the trigger has fired.

        :raises AirflowSensorTimeout: when the deadline passed.
        """
        from raydocs_provider.extraction.failures import check_deadline
        from raydocs_provider.extraction.spool import load_manifest
        from raydocs_provider.hooks.reporting import push_progress
        from raydocs_provider.hooks.storage import open_spool
        from raydocs_provider.triggers.events import check_event

        if isinstance(event, dict) and isinstance(event.get("progress"), dict):
            push_progress(context, event["progress"])
        written, finished = check_event(event)
        manifest = load_manifest(written, open_spool(written.get("results_path")))
        if not finished:
            try:
                check_deadline(manifest, self.timeout)
            except RaydocsDeadlineError as late:
                push_manifest(context, written)
                raise AirflowSensorTimeout(str(late)) from late
        return self._conclude(context, manifest)

    def _conclude(self, context: Context, manifest: Manifest) -> dict[str, Any]:
        from raydocs_provider.extraction.failures import check_failures
        from raydocs_provider.extraction.progress import WAIT
        from raydocs_provider.extraction.spool import dump_manifest
        from raydocs_provider.hooks.metrics import count_documents
        from raydocs_provider.hooks.storage import open_spool

        self.log.info("Extraction: %s.", manifest.summarize())
        count_documents(manifest.documents)
        written = dump_manifest(manifest, open_spool(manifest.results_path))
        try:
            check_failures(manifest, self.on_partial_failure, self.max_failure_ratio, kind=WAIT)
        except RaydocsExtractionError:
            push_manifest(context, written)
            raise
        return written
