"""The documents of an extraction with their results, for whoever lands them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from raydocs_provider.api.models import Result, Template
from raydocs_provider.arguments import require_text
from raydocs_provider.extraction.manifest import SKIPPED, DocumentRecord, Manifest, check_manifest
from raydocs_provider.extraction.progress import Usage
from raydocs_provider.extraction.spool import Spool, load_manifest
from raydocs_provider.hooks.raydocs import RaydocsHook
from raydocs_provider.hooks.storage import open_spool
from raydocs_provider.landing.documents import LandingDocument, LoadContext, Verdict

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExtractionResults:
    """
    What became of the documents of an extraction.

    :param manifest: of the extraction.
    :param template: as it was when the documents were submitted; as it is now where there is no ``results_path``.
    """

    manifest: Manifest
    template: Template
    _spool: Spool | None
    _hook: RaydocsHook

    def sessions(self) -> frozenset[str]:
        """The sessions of the documents, but for those that were skipped."""
        return frozenset(record.session_id for record in self.records() if record.session_id)

    def records(self, verdicts: Collection[str] | None = None) -> Iterator[DocumentRecord]:
        """
        What the manifest says of the documents.

        Those that were skipped are left out: an earlier load has their row in the ledger, and it stays.

        :param verdicts: sessions, of which alone the documents are wanted.
        """
        for record in self.manifest.documents:
            if record.state != SKIPPED and (verdicts is None or record.session_id in verdicts):
                yield record

    def documents(self, verdicts: Mapping[str, Verdict] | None = None) -> Iterator[LandingDocument]:
        """
        The documents, one at a time: memory does not grow with their number.

        :param verdicts: what a person made of some of them, by session id; then these are all that is read.
        """
        for record in self.records(verdicts):
            verdict = verdicts.get(record.session_id or "") if verdicts else None
            yield LandingDocument(
                state=record.state,
                source_uri=record.uri,
                filename=record.name,
                sha256=record.sha256,
                session_id=record.session_id,
                result=self._read_result(record),
                stage=record.stage,
                code=record.code,
                reason=record.reason,
                submitted_at=record.submitted_at,
                verdict=verdict,
            )

    @property
    def at_hand(self) -> bool:
        """Whether `documents` reads files of this machine's file system: nothing has to come over a network."""
        return self._spool is not None and self._spool.at_hand

    def describe_load(self, context: Context) -> LoadContext:
        """What the audit columns say about the task instance that lands the documents now."""
        ti = context["ti"]
        return LoadContext(
            template_id=self.manifest.template_id,
            template_hash=self.manifest.template_hash,
            loaded_at=datetime.now(UTC),
            dag_id=ti.dag_id,
            run_id=ti.run_id,
            task_id=ti.task_id,
            map_index=ti.map_index if ti.map_index is not None else -1,
            try_number=ti.try_number,
        )

    @property
    def usage(self) -> Usage:
        """What was asked of Raydocs for them."""
        return self._hook.usage

    def _read_result(self, record: DocumentRecord) -> Result | None:
        if record.result_id is None or record.session_id is None:
            return None
        if self._spool is not None:
            return self._spool.read_session(record.session_id)[1]
        return self._hook.get_result(record.result_id)


@contextmanager
def open_results(extraction: Mapping[str, Any], raydocs_conn_id: str | None = None) -> Iterator[ExtractionResults]:
    """
    Open the results of an extraction: files under its ``results_path``, else one request to Raydocs each.

    :param extraction: the manifest as XCom has it.
    :param raydocs_conn_id: the Raydocs connection for those requests; default: that of the extraction.
    :raises RaydocsManifestError: it is not the output of an extraction.
    """
    written = check_manifest(extraction)
    spool = open_spool(written.get("results_path"))
    manifest = load_manifest(written, spool)
    with RaydocsHook(raydocs_conn_id or manifest.conn_id) as hook:
        yield ExtractionResults(manifest, _read_template(manifest, spool, hook), spool, hook)


def _read_template(manifest: Manifest, spool: Spool | None, hook: RaydocsHook) -> Template:
    if spool is not None and manifest.template_hash:
        return spool.read_template(manifest.template_hash)
    template = hook.get_template(require_text(manifest.template_id, "the template id of the extraction"))
    if template.content_hash != manifest.template_hash:
        log.warning(
            "Template %s has changed since these documents were extracted: fields added since stay empty.",
            template.id,
        )
    return template
