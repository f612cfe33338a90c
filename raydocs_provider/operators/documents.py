"""The operators for single steps: uploading documents, and creating their sessions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, BaseOperatorLink

from raydocs_provider.arguments import FAIL, RESUBMIT, SKIP, WARN, require_choice, require_text
from raydocs_provider.exceptions import RaydocsAmbiguousSubmitError, RaydocsInputError
from raydocs_provider.links.raydocs import RaydocsDashboardLink, RaydocsDocumentsLink
from raydocs_provider.version_compat import AirflowSkipException
from raydocs_provider.wording import say_count

if TYPE_CHECKING:
    from airflow.sdk import Context

    from raydocs_provider.extraction.documents import SourceDocument
    from raydocs_provider.extraction.manifest import DocumentRecord


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
    operator_extra_links: tuple[BaseOperatorLink, ...] = (RaydocsDocumentsLink(),)
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
            raise RaydocsInputError(f"{message} If that can happen, set on_empty='skip'.", retryable=True)
        if len(found) > MAX_INLINE_DOCUMENTS and not self.results_path:
            raise RaydocsInputError(
                f"{len(found)} documents are too many without a results_path (at most {MAX_INLINE_DOCUMENTS}): their "
                "list does not fit an XCom. Set results_path, or map the task over smaller lists."
            )
        empty = find_empty(found)
        if empty and (self.on_partial_failure == FAIL or len(empty) == len(found)):
            total = say_count(len(found), "document")
            holding = say_count(len(empty), f"of {total} holds", f"of {total} hold")
            raise RaydocsInputError(
                f"{holding} 0 bytes: {name_some(empty)}. Nothing was uploaded. Remove what is empty, or set "
                "on_partial_failure='warn' to extract the others."
            )
        if unsupported := find_unsupported(found):
            self.log.warning(
                "%s of a type Raydocs does not name as supported, and sent all the same: %s",
                say_count(len(unsupported), "document is", "documents are"),
                name_some(unsupported),
            )
        size = sum(document.size for document in found)
        self.log.info("Found %s, %s in all.", say_count(len(found), "document"), say_count(size, "byte"))
        return found

    def execute(self, context: Context) -> dict[str, Any]:
        """Upload the files and return the manifest."""
        from raydocs_provider.extraction.failures import check_failures
        from raydocs_provider.extraction.manifest import FOUND, Manifest
        from raydocs_provider.extraction.progress import UPLOAD
        from raydocs_provider.extraction.spool import dump_manifest
        from raydocs_provider.extraction.submission import first_of_each, spread
        from raydocs_provider.hooks.raydocs import RaydocsHook
        from raydocs_provider.hooks.reporting import Reporter, push_progress
        from raydocs_provider.hooks.storage import open_spool
        from raydocs_provider.hooks.submitting import hash_documents, upload_documents

        found = self.find_documents()
        records = hash_documents(found)
        with RaydocsHook(self.raydocs_conn_id) as hook:
            uploaded = upload_documents(
                hook, first_of_each(records, FOUND), {document.uri: document for document in found}
            )
        records = spread(records, FOUND, uploaded)
        manifest = Manifest(tuple(records), self.raydocs_conn_id, results_path=self.results_path)
        self.log.info("Uploads: %s.", manifest.summarize())
        push_progress(context, Reporter(UPLOAD, hook.usage).describe(manifest))
        check_failures(manifest, self.on_partial_failure, kind=UPLOAD)
        return dump_manifest(manifest, open_spool(self.results_path))


class RaydocsCreateSessionsOperator(BaseOperator):
    """
    Create the sessions that extract uploaded documents; return a manifest for the sensor. **This is what is paid for.**

    One request for 50 documents. A retry goes on with the sessions of the attempts before it. A lost answer is not
    repeated: it raises :class:`~raydocs_provider.exceptions.RaydocsAmbiguousSubmitError`.
    See https://docs.raydocs.com/api-reference/sessions/batch-create.

    :param template_id: the template to extract with. (templated)
    :param uploads: the output of :class:`RaydocsUploadOperator`. (templated)
    :param results_path: folder for files of this extraction; default: the one of the uploads. (templated)
    :param on_ambiguous_submit: ``"fail"`` (default) or ``"resubmit"``, as for ``RaydocsExtractOperator``.
    :param raydocs_conn_id: the Raydocs connection; default: the one of the uploads. (templated)
    """

    template_fields: Sequence[str] = ("template_id", "uploads", "results_path", "raydocs_conn_id")
    operator_extra_links: tuple[BaseOperatorLink, ...] = (RaydocsDocumentsLink(), RaydocsDashboardLink())
    ui_color = "#e8e4f6"

    def __init__(
        self,
        *,
        template_id: str,
        uploads: Any,
        results_path: str | None = None,
        on_ambiguous_submit: str = FAIL,
        raydocs_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.template_id = template_id
        self.uploads = uploads
        self.results_path = results_path
        self.on_ambiguous_submit = require_choice(on_ambiguous_submit, "on_ambiguous_submit", (FAIL, RESUBMIT))
        self.raydocs_conn_id = raydocs_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Create the sessions and return the manifest."""
        from dataclasses import replace

        from raydocs_provider.extraction.manifest import UPLOADED, check_manifest
        from raydocs_provider.extraction.progress import CREATE_SESSIONS
        from raydocs_provider.extraction.retry_outlook import retry_helps_others
        from raydocs_provider.extraction.spool import dump_manifest, load_manifest
        from raydocs_provider.extraction.submission import first_of_each, settle_known, spread
        from raydocs_provider.hooks.ledger_stores import open_ledger
        from raydocs_provider.hooks.raydocs import RaydocsHook
        from raydocs_provider.hooks.reporting import Reporter, push_progress
        from raydocs_provider.hooks.storage import open_spool
        from raydocs_provider.hooks.submitting import batches, create_sessions, recall_submissions
        from raydocs_provider.links.raydocs import push_links

        push_links(context, None)  # whatever ends this attempt: Airflow then looks for them
        retry = {"on_ambiguous_submit": self.on_ambiguous_submit, "retry_failed": False}
        template_id = require_text(self.template_id, "template_id")
        written = check_manifest(self.uploads)
        uploads = load_manifest(written, open_spool(written.get("results_path")))
        results_path = self.results_path or uploads.results_path
        conn_id = self.raydocs_conn_id or uploads.conn_id
        spool = open_spool(results_path)
        with RaydocsHook(conn_id) as hook:
            template = hook.get_template(template_id)
            if spool is not None:
                spool.write_template(template)
            ledger = open_ledger(
                context,
                spool,
                retries=self.retries or 0,
                conn_id=conn_id,
                template_id=template.id,
                template_hash=template.content_hash,
            )
            submissions = recall_submissions(hook, ledger, uploads.documents)
            records = settle_known(
                uploads.documents, submissions, on_ambiguous_submit=self.on_ambiguous_submit, retry_failed=False
            )
            submitted_at = submissions.submitted_at or time.time()
            sent: list[DocumentRecord] = []
            push_links(context, hook.settings.dashboard_link(template.id))
            for batch in batches(first_of_each(records, UPLOADED)):
                try:
                    sent.extend(create_sessions(hook, template.id, batch, ledger))
                except RaydocsAmbiguousSubmitError as lost:
                    known = {record.sha256: record for record in sent}
                    lost.retryable = retry_helps_others(
                        [known.get(record.sha256, record) for record in records], batch, CREATE_SESSIONS, retry
                    )
                    raise
        manifest = replace(
            uploads,
            documents=tuple(spread(records, UPLOADED, sent)),
            conn_id=conn_id,
            template_id=template.id,
            template_hash=template.content_hash,
            results_path=results_path,
            submitted_at=submitted_at,
        )
        self.log.info("Sessions: %s.", manifest.summarize())
        push_progress(context, Reporter(CREATE_SESSIONS, hook.usage, template.name, retry).describe(manifest))
        return dump_manifest(manifest, spool)
