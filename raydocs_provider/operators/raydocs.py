"""
Operators: upload documents, create sessions, or do all of the extraction in one task.

Thin: they check what a Dag author gave, call the hook and the pure parts, and hand a manifest on. Modules that cost
time to import (HTTP clients, storage) are imported when a task runs, not when a Dag is parsed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import XCOM_RETURN_KEY, AirflowSkipException, BaseOperator, conf

from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.operators.arguments import (
    FAIL,
    SKIP,
    WARN,
    require_choice,
    require_ratio,
    require_text,
    total_seconds,
)
from raydocs_provider.operators.template import RaydocsTemplateOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from raydocs_provider.api.models import Template
    from raydocs_provider.extraction.documents import SourceDocument
    from raydocs_provider.extraction.manifest import DocumentRecord, Manifest
    from raydocs_provider.hooks.raydocs import RaydocsHook

__all__ = [
    "RaydocsCreateSessionsOperator",
    "RaydocsExtractOperator",
    "RaydocsTemplateOperator",
    "RaydocsUploadOperator",
]

DEFAULT_TIMEOUT = timedelta(hours=6)
# How long a deferrable task keeps its worker after submitting, in case the sessions end at once. Deferring and coming
# back costs more than that, and a trigger must not fire within seconds (see MIN_SECONDS_DEFERRED).
BRIEF_LOOK_SECONDS = 10.0
# Airflow's own timeout of a deferral leaves the trigger no say: it comes after the trigger's deadline, as a backstop.
BACKSTOP = timedelta(minutes=10)


class RaydocsUploadOperator(BaseOperator):
    """
    Upload documents to the storage of Raydocs; return a manifest for :class:`RaydocsCreateSessionsOperator`.

    Uploading is free, but uploaded files wait for their session for a limited time that Raydocs does not state: create
    the sessions soon. A file that cannot be uploaded is a failed document of the manifest, not a failed task, unless
    all of them are. See https://docs.raydocs.com/api-reference/documents/get-upload-url.

    :param documents: a URI, a glob such as ``s3://conn_id@bucket/in/*.pdf``, or a list of them. (templated)
    :param results_path: folder for files of this extraction; needed for more than 100 documents. (templated)
    :param on_empty: ``"fail"`` (default) or ``"skip"`` when a glob matches nothing.
    :param on_partial_failure: ``"fail"`` (default): an empty file fails the task before anything is uploaded;
        ``"warn"``: it becomes a failed document.
    :param raydocs_conn_id: the Raydocs connection. (templated)
    """

    template_fields: Sequence[str] = ("documents", "results_path", "raydocs_conn_id")
    ui_color = "#e8e4f6"

    def __init__(
        self,
        *,
        documents: str | Sequence[str] | Any,
        results_path: str | None = None,
        on_empty: str = FAIL,
        on_partial_failure: str = FAIL,
        raydocs_conn_id: str = "raydocs_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.documents = documents
        self.results_path = results_path
        self.on_empty = require_choice(on_empty, "on_empty", (FAIL, SKIP))
        self.on_partial_failure = require_choice(on_partial_failure, "on_partial_failure", (FAIL, WARN))
        self.raydocs_conn_id = raydocs_conn_id

    def find_documents(self) -> list[SourceDocument]:
        """
        Find and check the files, before anything is sent.

        :raises RaydocsInputError: when there is nothing to do, or something that cannot be done.
        :raises AirflowSkipException: when there is nothing to do and ``on_empty="skip"``.
        """
        from raydocs_provider.extraction.documents import find_documents, find_empty, find_unsupported, name_some
        from raydocs_provider.extraction.manifest import MAX_INLINE_DOCUMENTS
        from raydocs_provider.hooks.storage import open_path

        found = find_documents(self.documents, open_path)
        if not found:
            message = f"No document matches {self.documents!r}."
            if self.on_empty == SKIP:
                raise AirflowSkipException(message)
            raise RaydocsInputError(f"{message} If that can happen, set on_empty='skip'.")
        if len(found) > MAX_INLINE_DOCUMENTS and not self.results_path:
            raise RaydocsInputError(
                f"{len(found)} documents are too many without a results_path (at most {MAX_INLINE_DOCUMENTS}): their "
                "list does not fit an XCom. Set results_path, or map the task over smaller lists."
            )
        empty = find_empty(found)
        if empty and (self.on_partial_failure == FAIL or len(empty) == len(found)):
            raise RaydocsInputError(
                f"{len(empty)} of {len(found)} document(s) hold 0 bytes: {name_some(empty)}. Nothing was uploaded. "
                "Remove them, or set on_partial_failure='warn' to extract the others."
            )
        if unsupported := find_unsupported(found):
            self.log.warning(
                "%d document(s) are of a type Raydocs does not name as supported; they are sent all the same: %s",
                len(unsupported),
                name_some(unsupported),
            )
        self.log.info("Found %d document(s), %d bytes in all.", len(found), sum(document.size for document in found))
        return found

    def execute(self, context: Context) -> dict[str, Any]:
        """Upload the files and return the manifest."""
        from raydocs_provider.extraction.failures import check_failures
        from raydocs_provider.extraction.manifest import Manifest
        from raydocs_provider.extraction.spool import dump_manifest
        from raydocs_provider.hooks.raydocs import RaydocsHook
        from raydocs_provider.hooks.storage import open_spool
        from raydocs_provider.hooks.submitting import upload_document

        found = self.find_documents()
        with RaydocsHook(self.raydocs_conn_id) as hook:
            records = [upload_document(hook, document) for document in found]
        manifest = Manifest(tuple(records), self.raydocs_conn_id, results_path=self.results_path)
        self.log.info("Uploads: %s.", manifest.summarize())
        check_failures(manifest, self.on_partial_failure)
        return dump_manifest(manifest, open_spool(self.results_path))


class RaydocsCreateSessionsOperator(BaseOperator):
    """
    Create the sessions that extract uploaded documents; return a manifest for the sensor. **This is what is paid for.**

    One request for 50 documents. A lost answer is not repeated: it raises
    :class:`~raydocs_provider.exceptions.RaydocsAmbiguousSubmitError`.
    See https://docs.raydocs.com/api-reference/sessions/batch-create.

    :param template_id: the template to extract with. (templated)
    :param uploads: the output of :class:`RaydocsUploadOperator`. (templated)
    :param results_path: folder for files of this extraction; default: the one of the uploads. (templated)
    :param raydocs_conn_id: the Raydocs connection; default: the one of the uploads. (templated)
    """

    template_fields: Sequence[str] = ("template_id", "uploads", "results_path", "raydocs_conn_id")
    ui_color = "#e8e4f6"

    def __init__(
        self,
        *,
        template_id: str,
        uploads: Any,
        results_path: str | None = None,
        raydocs_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.template_id = template_id
        self.uploads = uploads
        self.results_path = results_path
        self.raydocs_conn_id = raydocs_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Create the sessions and return the manifest."""
        from dataclasses import replace

        from raydocs_provider.extraction.manifest import check_manifest
        from raydocs_provider.extraction.spool import dump_manifest, load_manifest
        from raydocs_provider.hooks.raydocs import RaydocsHook
        from raydocs_provider.hooks.storage import open_spool
        from raydocs_provider.hooks.submitting import batches, create_sessions

        template_id = require_text(self.template_id, "template_id")
        written = check_manifest(self.uploads)
        uploads = load_manifest(written, open_spool(written.get("results_path")))
        results_path = self.results_path or uploads.results_path
        conn_id = self.raydocs_conn_id or uploads.conn_id
        spool = open_spool(results_path)
        records: list[DocumentRecord] = []
        with RaydocsHook(conn_id) as hook:
            template = hook.get_template(template_id)
            if spool is not None:
                spool.write_template(template)
            submitted_at = time.time()
            for batch in batches(uploads.documents):
                records.extend(create_sessions(hook, template.id, batch))
        manifest = replace(
            uploads,
            documents=tuple(records),
            conn_id=conn_id,
            template_id=template.id,
            template_hash=template.content_hash,
            results_path=results_path,
            submitted_at=submitted_at,
        )
        self.log.info("Sessions: %s.", manifest.summarize())
        return dump_manifest(manifest, spool)


class RaydocsExtractOperator(RaydocsUploadOperator):
    """
    Upload documents, have Raydocs extract them, wait, and return the manifest of what came out. **Paid.**

    The whole way in one task. Batches of 50 are submitted as soon as their uploads are done, so extraction runs while
    later files upload. Deferrable: the worker is given back while Raydocs works. Needs the abilities
    ``templates-read``, ``sessions-read`` and ``sessions-write``.

    :param template_id: the template to extract with. (templated)
    :param documents: a URI, a glob such as ``s3://conn_id@bucket/in/*.pdf``, or a list of them. (templated)
    :param results_path: folder that receives one JSON file per finished session, readable by the triggerer and by the
        load task. None: the load fetches every result itself, and at most 100 documents fit. (templated)
    :param on_empty: ``"fail"`` (default) or ``"skip"`` when a glob matches nothing.
    :param on_partial_failure: ``"fail"`` (default): one failed document fails the task, after all have ended and with
        the manifest pushed, so that a load with ``trigger_rule="all_done"`` can land the good ones; ``"warn"``: the
        task succeeds and the manifest says which failed. If every document failed, the task fails either way.
    :param max_failure_ratio: with ``"warn"``, the part of the documents that may fail (0 to 1); default 1.
    :param timeout: how long to wait in all, as a timedelta or in seconds; default 6 hours. Sessions still open then go
        on, and are billed, at Raydocs.
    :param session_timeout: seconds after which a single session counts as failed; default None: only ``timeout`` does.
    :param expected_seconds: how long one extraction usually takes; default 30. The first looks are timed by it, until
        finished sessions have told better.
    :param deferrable: give the worker back while waiting; default: ``[operators] default_deferrable``.
    :param raydocs_conn_id: the Raydocs connection. (templated)
    """

    template_fields: Sequence[str] = ("template_id", *RaydocsUploadOperator.template_fields)

    def __init__(
        self,
        *,
        template_id: str,
        documents: str | Sequence[str] | Any,
        results_path: str | None = None,
        max_failure_ratio: float = 1.0,
        timeout: timedelta | float = DEFAULT_TIMEOUT,
        session_timeout: float | None = None,
        expected_seconds: float = 30.0,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(documents=documents, results_path=results_path, **kwargs)
        self.template_id = template_id
        self.max_failure_ratio = require_ratio(max_failure_ratio, "max_failure_ratio")
        self.timeout = total_seconds(timeout, "timeout")
        self.session_timeout = None if session_timeout is None else total_seconds(session_timeout, "session_timeout")
        self.expected_seconds = total_seconds(expected_seconds, "expected_seconds")
        self.deferrable = deferrable
        self._submitted = 0

    def execute(self, context: Context) -> dict[str, Any]:
        """Upload, submit and wait; returns the manifest, or defers."""
        from raydocs_provider.extraction.spool import dump_manifest
        from raydocs_provider.extraction.waiting import Pace
        from raydocs_provider.hooks.raydocs import RaydocsHook
        from raydocs_provider.hooks.raydocs_async import RaydocsAsyncHook
        from raydocs_provider.hooks.storage import open_spool
        from raydocs_provider.hooks.watching import Watcher, run_watch, start_waiting

        template_id = require_text(self.template_id, "template_id")
        found = self.find_documents()
        spool = open_spool(self.results_path)
        with RaydocsHook(self.raydocs_conn_id) as hook:
            template = hook.get_template(template_id)
            if spool is not None:
                # Also shows, before anything is paid for, that results_path can be written.
                spool.write_template(template)
            manifest = self._submit(hook, template, found)
            settings = hook.settings

        now = time.time()
        deadline = (manifest.submitted_at or now) + self.timeout
        pace = Pace(self.expected_seconds, session_timeout=self.session_timeout)
        watcher = Watcher(manifest, start_waiting(manifest, pace, now), spool, self.log)
        until = min(now + BRIEF_LOOK_SECONDS, deadline) if self.deferrable else deadline
        finished = run_watch(
            watcher, RaydocsAsyncHook(self.raydocs_conn_id, settings), until, patient=not self.deferrable
        )
        manifest = watcher.manifest
        written = dump_manifest(manifest, spool)
        if not finished and self.deferrable and time.time() < deadline:
            self._defer(written, deadline)
        return self._conclude(context, written, manifest, finished)

    def _submit(self, hook: RaydocsHook, template: Template, found: Sequence[SourceDocument]) -> Manifest:
        from raydocs_provider.extraction.manifest import SUBMITTED, Manifest
        from raydocs_provider.hooks.submitting import batches, create_sessions, upload_document

        records: list[DocumentRecord] = []
        submitted_at: float | None = None
        for batch in batches(found):
            uploaded = [upload_document(hook, document) for document in batch]
            submitted_at = submitted_at or time.time()
            records.extend(create_sessions(hook, template.id, uploaded))
            self._submitted = sum(record.state == SUBMITTED for record in records)
        return Manifest(
            tuple(records),
            self.raydocs_conn_id,
            template_id=template.id,
            template_hash=template.content_hash,
            results_path=self.results_path,
            submitted_at=submitted_at,
        )

    def _defer(self, written: dict[str, Any], deadline: float) -> None:
        from raydocs_provider.triggers.raydocs import RaydocsSessionsTrigger

        self.log.info("Handing %d open session(s) over to the triggerer.", written["counts"]["submitted"])
        self.defer(
            trigger=RaydocsSessionsTrigger(
                raydocs_conn_id=self.raydocs_conn_id,
                manifest=written,
                deadline=deadline,
                expected_seconds=self.expected_seconds,
                session_timeout=self.session_timeout,
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
        from raydocs_provider.hooks.storage import open_spool
        from raydocs_provider.triggers.events import check_event

        written, finished = check_event(event)
        manifest = load_manifest(written, open_spool(written.get("results_path")))
        return self._conclude(context, written, manifest, finished)

    def _conclude(
        self, context: Context, written: dict[str, Any], manifest: Manifest, finished: bool
    ) -> dict[str, Any]:
        from raydocs_provider.extraction.failures import check_deadline, check_failures

        self.log.info("Extraction: %s.", manifest.summarize())
        try:
            if not finished:
                check_deadline(manifest, self.timeout)
            check_failures(manifest, self.on_partial_failure, self.max_failure_ratio)
        except Exception:
            # A failed task pushes no return value by itself, and the documents that were extracted are paid for.
            context["ti"].xcom_push(key=XCOM_RETURN_KEY, value=written)
            raise
        return written

    def on_kill(self) -> None:
        """Say what goes on at Raydocs, which has no request to cancel a session."""
        if self._submitted:
            self.log.warning(
                "Killed with %d session(s) submitted. They go on, and are billed, at Raydocs; a retry submits again.",
                self._submitted,
            )
