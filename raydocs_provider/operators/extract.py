"""The operator that does all of an extraction in one task."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from raydocs_provider.arguments import (
    FAIL,
    RESUBMIT,
    require_choice,
    require_count,
    require_ratio,
    require_text,
    split_target,
    total_seconds,
)
from raydocs_provider.exceptions import RaydocsAmbiguousSubmitError, RaydocsError, RaydocsInputError
from raydocs_provider.links.raydocs import RaydocsDashboardLink, RaydocsDocumentsLink
from raydocs_provider.operators.documents import RaydocsUploadOperator
from raydocs_provider.triggers.events import BACKSTOP, BRIEF_LOOK_SECONDS, push_manifest
from raydocs_provider.version_compat import conf
from raydocs_provider.wording import say_count

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context

    from raydocs_provider.api.models import Template
    from raydocs_provider.extraction.ledger import Ledger
    from raydocs_provider.extraction.manifest import DocumentRecord, Manifest
    from raydocs_provider.extraction.spool import Spool
    from raydocs_provider.hooks.raydocs import RaydocsHook
    from raydocs_provider.hooks.reporting import Reporter

DEFAULT_TIMEOUT = timedelta(hours=6)
# One trigger owns all sessions of a task, and one task instance is what a person clears or retries.
MAX_DOCUMENTS_PER_TASK = 2000


class RaydocsExtractOperator(RaydocsUploadOperator):
    """
    Upload documents, have Raydocs extract them, wait, and return the manifest of what came out. **Paid.**

    The whole way in one task. Batches of 50 are submitted as soon as their uploads are done, so extraction runs while
    later files upload. Deferrable: the worker is given back while Raydocs works. Needs the abilities
    ``templates-read``, ``sessions-read`` and ``sessions-write``.

    :param template_id: the template to extract with. (templated)
    :param documents: a URI, a glob such as ``s3://conn_id@bucket/in/*.pdf``, or a list of them. At most 2,000 documents
        that are not skipped: more fail the task before anything is uploaded, and from 1,600 on it warns. For more, map
        the task, as ``example_dags/invoices_mapped.py`` does. (templated)
    :param results_path: folder that receives one JSON file per finished session, readable by the triggerer and by the
        load task. None: the load fetches every result itself, and at most 100 documents fit. (templated)
    :param on_empty: ``"fail"`` (default) or ``"skip"`` when a glob matches nothing.
    :param on_partial_failure: ``"fail"`` (default): one failed document fails the task, after all have ended and with
        the manifest pushed, so that a load with ``trigger_rule="all_done"`` can land the good ones; ``"warn"``: the
        task succeeds and the manifest says which failed. If every document failed, the task fails either way.
    :param max_failure_ratio: with ``"warn"``, the part of the documents that may fail (0 to 1); default 1.
    :param max_documents: fail, before anything is uploaded, if more documents are found; default None: no limit.
    :param skip_landed_in: ``conn_id/table`` of a ``RaydocsToSqlOperator``: documents whose content is landed there
        with the template as it is now are not extracted, and paid for, again; default None. (templated)
    :param check_target: where the load will land, as ``conn_id/table`` or as a mapping of the arguments that
        ``RaydocsToSqlOperator`` gets (``conn_id``, ``table``, ``on_schema_change``, ``column_types``, ...): before
        anything is uploaded, a load of nothing is tried there and undone, so that missing rights or tables that differ
        from the template fail the task while that costs nothing; default None: the load finds out. (templated)
    :param force: extract documents all the same that ``skip_landed_in`` would skip; default False.
    :param on_ambiguous_submit: what a retry does with documents whose submission was cut off without an answer:
        ``"fail"`` (default) fails them, because nobody can tell whether they were accepted; ``"resubmit"`` submits them
        again, at the risk of paying for up to 50 documents twice.
    :param retry_failed: whether a retry submits, and pays for, documents again that Raydocs failed to extract; default
        False: they stay failed.
    :param timeout: how long to wait in all, as a timedelta or in seconds; default 6 hours. Sessions still open then go
        on, and are billed, at Raydocs.
    :param session_timeout: seconds after which a single session counts as failed; default None: only ``timeout`` does.
    :param expected_seconds: how long one extraction usually takes; default 30. The first looks are timed by it, until
        finished sessions have told better.
    :param deferrable: give the worker back while waiting; default: ``[operators] default_deferrable``.
    :param raydocs_conn_id: the Raydocs connection. (templated)
    """

    template_fields: Sequence[str] = (
        "template_id",
        "skip_landed_in",
        "check_target",
        *RaydocsUploadOperator.template_fields,
    )
    operator_extra_links = (RaydocsDocumentsLink(), RaydocsDashboardLink())

    def __init__(
        self,
        *,
        template_id: str,
        documents: str | Sequence[str] | Any,
        results_path: str | None = None,
        max_failure_ratio: float = 1.0,
        max_documents: int | None = None,
        skip_landed_in: str | None = None,
        check_target: Mapping[str, Any] | str | None = None,
        force: bool = False,
        on_ambiguous_submit: str = FAIL,
        retry_failed: bool = False,
        timeout: timedelta | float = DEFAULT_TIMEOUT,
        session_timeout: float | None = None,
        expected_seconds: float = 30.0,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(documents=documents, results_path=results_path, **kwargs)
        self.template_id = template_id
        self.max_failure_ratio = require_ratio(max_failure_ratio, "max_failure_ratio")
        self.max_documents = None if max_documents is None else require_count(max_documents, "max_documents")
        self.skip_landed_in = skip_landed_in
        self.check_target = check_target
        if isinstance(check_target, Mapping):
            from raydocs_provider.landing.target import read_target

            read_target(check_target, "check_target")  # a mistake shows when the Dag is parsed
        self.force = force
        self.on_ambiguous_submit = require_choice(on_ambiguous_submit, "on_ambiguous_submit", (FAIL, RESUBMIT))
        self.retry_failed = retry_failed
        self.timeout = total_seconds(timeout, "timeout")
        self.session_timeout = None if session_timeout is None else total_seconds(session_timeout, "session_timeout")
        self.expected_seconds = total_seconds(expected_seconds, "expected_seconds")
        self.deferrable = deferrable
        self._submitted = 0
        self._manifest: Manifest | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Upload, submit and wait; returns the manifest, or defers."""
        from raydocs_provider.extraction.progress import EXTRACT
        from raydocs_provider.extraction.spool import dump_manifest
        from raydocs_provider.extraction.waiting import Pace
        from raydocs_provider.hooks.raydocs import RaydocsHook
        from raydocs_provider.hooks.raydocs_async import RaydocsAsyncHook
        from raydocs_provider.hooks.reporting import Reporter, log_phase, push_progress
        from raydocs_provider.hooks.storage import open_spool
        from raydocs_provider.hooks.watching import Watcher, run_watch, start_waiting
        from raydocs_provider.links.raydocs import push_links

        push_links(context, None)  # whatever ends this attempt: Airflow then looks for them
        spool = open_spool(self.results_path)
        reporter = Reporter(EXTRACT, retry=self._retry_terms())
        with RaydocsHook(self.raydocs_conn_id) as hook:
            reporter.usage = hook.usage
            with log_phase(self.log, "Find, upload and submit") as span:
                manifest = self._submit(context, hook, spool, reporter)
                span.set_attribute("raydocs.documents", len(manifest.documents))
                span.set_attribute("raydocs.sessions", self._submitted)
            settings = hook.settings
        self.log.info("Submission: %s.", manifest.summarize())

        async def tell(known: Manifest) -> None:
            push_progress(context, reporter.describe(known))

        now = time.time()
        deadline = now + self.timeout
        pace = Pace(self.expected_seconds, session_timeout=self.session_timeout)
        watcher = Watcher(manifest, start_waiting(manifest, pace, now), spool, self.log, tell)
        until = min(now + BRIEF_LOOK_SECONDS, deadline) if self.deferrable else deadline
        due_by = until if self.deferrable else math.inf
        try:
            async_hook = RaydocsAsyncHook(self.raydocs_conn_id, settings, reporter.usage)
            with log_phase(self.log, "Wait"):
                finished = run_watch(watcher, async_hook, due_by=due_by, stop_at=until)
        except RaydocsError:
            push_progress(context, reporter.describe(watcher.manifest))
            push_manifest(context, dump_manifest(watcher.manifest, spool))
            raise
        manifest = watcher.manifest
        written = dump_manifest(manifest, spool)
        progress = reporter.describe(manifest)
        push_progress(context, progress)
        if not finished and self.deferrable and time.time() < deadline:
            self._defer(written, deadline, progress)
        return self._conclude(context, written, manifest, finished)

    def _submit(self, context: Context, hook: RaydocsHook, spool: Spool | None, reporter: Reporter) -> Manifest:
        """Bring every document to its session. Whatever can be refused for free is checked before the first upload."""
        from raydocs_provider.extraction.manifest import FOUND, SKIPPED, SUBMITTED, Manifest
        from raydocs_provider.extraction.progress import EXTRACT
        from raydocs_provider.extraction.retry_outlook import retry_helps_others
        from raydocs_provider.extraction.submission import first_of_each, settle_known, spread
        from raydocs_provider.hooks.reporting import push_progress
        from raydocs_provider.hooks.submitting import (
            batches,
            create_sessions,
            hash_documents,
            recall_submissions,
            upload_documents,
        )
        from raydocs_provider.links.raydocs import push_links

        template_id = require_text(self.template_id, "template_id")
        found = self.find_documents()
        if self.max_documents is not None and len(found) > self.max_documents:
            raise RaydocsInputError(
                f"{len(found)} documents are more than max_documents={self.max_documents} allows. Nothing was "
                "uploaded. Narrow 'documents', or raise max_documents if so many are meant."
            )
        if not self.skip_landed_in or self.force:
            self._check_number(len(found))
        template = hook.get_template(template_id)
        reporter.template_name = template.name
        self._rehearse_load(template)
        if spool is not None:
            spool.write_template(template)  # also shows that results_path can be written
        ledger = self._open_ledger(context, spool, template.id, template.content_hash)
        hashed = hash_documents(found)
        submissions = recall_submissions(hook, ledger, hashed)
        records = settle_known(
            hashed,
            submissions,
            landed=self._find_landed(template, hashed),
            on_ambiguous_submit=self.on_ambiguous_submit,
            retry_failed=self.retry_failed,
        )
        if skipped := sum(record.state == SKIPPED for record in records):
            counted = say_count(skipped, "document that is", "documents that are")
            self.log.info("Skipping %s landed in %s already.", counted, self.skip_landed_in)
        if self.skip_landed_in and not self.force:  # a folder may grow as long as most of it is landed
            self._check_number(len(records) - skipped)
        self._submitted = sum(record.state == SUBMITTED for record in records)
        if self._submitted:
            self.log.info("Going on with %s of an earlier attempt.", say_count(self._submitted, "submitted document"))
        submitted_at = submissions.submitted_at if self._submitted else None
        files = {document.uri: document for document in found}
        push_links(context, hook.settings.dashboard_link(template.id))
        sent: list[DocumentRecord] = []

        def describe(documents: Sequence[DocumentRecord]) -> Manifest:
            return Manifest(
                tuple(documents),
                self.raydocs_conn_id,
                template_id=template.id,
                template_hash=template.content_hash,
                results_path=self.results_path,
                submitted_at=submitted_at,
            )

        settled = [record for record in records if record.state != FOUND]
        push_progress(context, reporter.describe(describe(settled), len(records)))
        # A batch is submitted as soon as its uploads are done, so extraction runs while later files upload.
        for batch in batches(first_of_each(records, FOUND)):
            uploaded = upload_documents(hook, batch, files)
            submitted_at = submitted_at or time.time()
            try:
                sent.extend(create_sessions(hook, template.id, uploaded, ledger))
            except RaydocsAmbiguousSubmitError as lost:
                known = {record.sha256: record for record in sent}
                lost.retryable = retry_helps_others(
                    [known.get(record.sha256, record) if record.sha256 else record for record in records],
                    uploaded,
                    EXTRACT,
                    self._retry_terms(),
                )
                raise
            self._submitted += sum(record.state == SUBMITTED for record in sent[-len(batch) :])
            push_progress(context, reporter.describe(describe([*settled, *sent]), len(records)))
        return describe(spread(records, FOUND, sent))

    def _check_number(self, number: int) -> None:
        from raydocs_provider.extraction.documents import check_number

        if warning := check_number(number, MAX_DOCUMENTS_PER_TASK, self.documents):
            self.log.warning("%s", warning)

    def _find_landed(self, template: Template, records: Sequence[DocumentRecord]) -> frozenset[str]:
        if not self.skip_landed_in or self.force:
            return frozenset()
        from raydocs_provider.hooks.warehouse import open_warehouse
        from raydocs_provider.landing.landed import find_landed

        conn_id, table = split_target(self.skip_landed_in, "skip_landed_in")
        sha256s = [record.sha256 for record in records if record.sha256]
        return find_landed(open_warehouse(conn_id), table, template.id, template.content_hash, sha256s)

    def _rehearse_load(self, template: Template) -> None:
        if not self.check_target:
            return
        from raydocs_provider.api.schema import parse_schema
        from raydocs_provider.hooks.warehouse import open_warehouse
        from raydocs_provider.landing.target import read_target

        target = read_target(self.check_target, "check_target")
        warehouse = open_warehouse(target.conn_id)
        for note in target.lander(warehouse, parse_schema(template.schema_json)).rehearse():
            self.log.warning("Not everything will fit: %s. What does not lands in the fields table as text.", note)
        self.log.info("The load can land in %s.", target.table)

    def _open_ledger(self, context: Context, spool: Spool | None, template_id: str, template_hash: str) -> Ledger:
        from raydocs_provider.hooks.ledger_stores import open_ledger

        return open_ledger(
            context,
            spool,
            retries=self.retries or 0,
            conn_id=self.raydocs_conn_id,
            template_id=template_id,
            template_hash=template_hash,
        )

    def _defer(self, written: dict[str, Any], deadline: float, progress: dict[str, Any]) -> None:
        from raydocs_provider.triggers.raydocs import RaydocsSessionsTrigger

        self.log.info("Handing %s over to the triggerer.", say_count(written["counts"]["submitted"], "open session"))
        self.defer(
            trigger=RaydocsSessionsTrigger(
                raydocs_conn_id=self.raydocs_conn_id,
                manifest=written,
                deadline=deadline,
                expected_seconds=self.expected_seconds,
                session_timeout=self.session_timeout,
                progress=progress,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=max(0.0, deadline - time.time())) + BACKSTOP,
        )

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """
        Go on after the trigger has fired.

        :raises RaydocsError: what the trigger met, the deadline, or failed documents.
        """
        from raydocs_provider.extraction.spool import load_manifest
        from raydocs_provider.hooks.reporting import push_progress
        from raydocs_provider.hooks.storage import open_spool
        from raydocs_provider.triggers.events import check_event

        if isinstance(event, dict) and isinstance(event.get("progress"), dict):
            push_progress(context, event["progress"])
        try:
            written, finished = check_event(event)
        except RaydocsError:
            if isinstance(event, dict) and isinstance(event.get("manifest"), dict):
                push_manifest(context, event["manifest"])
            raise
        manifest = load_manifest(written, open_spool(written.get("results_path")))
        return self._conclude(context, written, manifest, finished)

    def _conclude(
        self, context: Context, written: dict[str, Any], manifest: Manifest, finished: bool
    ) -> dict[str, Any]:
        from raydocs_provider.extraction.failures import check_deadline, check_failures
        from raydocs_provider.extraction.submission import failed_sessions
        from raydocs_provider.hooks.metrics import count_documents
        from raydocs_provider.hooks.storage import open_spool

        self._manifest = manifest
        self.log.info("Extraction: %s.", manifest.summarize())
        count_documents(manifest.documents)
        if (failed := failed_sessions(manifest.documents)) and manifest.template_id and manifest.template_hash:
            spool = open_spool(manifest.results_path)
            ledger = self._open_ledger(context, spool, manifest.template_id, manifest.template_hash)
            ledger.recall()
            ledger.record_failed(failed)
        try:
            if not finished:
                check_deadline(manifest, self.timeout)
            check_failures(manifest, self.on_partial_failure, self.max_failure_ratio, terms=self._retry_terms())
        except RaydocsError:
            push_manifest(context, written)
            raise
        return written

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """Tell OpenLineage which documents were extracted, also of a task that failed; None without its provider."""
        try:
            from raydocs_provider.hooks.openlineage import describe_extraction
        except ImportError:
            return None
        return describe_extraction(self._manifest)

    def _retry_terms(self) -> dict[str, Any]:
        """What decides about documents on a retry, for those who have to decide whether to retry."""
        return {
            "on_ambiguous_submit": self.on_ambiguous_submit,
            "retry_failed": self.retry_failed,
            "skip_landed_in": None if self.force else self.skip_landed_in,
        }

    def on_kill(self) -> None:
        """Say what goes on at Raydocs, which has no request to cancel a session."""
        if self._submitted:
            self.log.warning(
                "Killed with %s submitted. What is submitted goes on, and is billed, at Raydocs; a retry of this task "
                "goes on with it, clearing the task submits it again.",
                say_count(self._submitted, "document"),
            )
