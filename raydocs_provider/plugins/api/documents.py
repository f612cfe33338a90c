"""What the tab says about the documents of one task. No value of a document is in it: names, states and reasons."""

from __future__ import annotations

import csv
import io
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from raydocs_provider.exceptions import RaydocsError
from raydocs_provider.extraction.manifest import FAILED, SUBMITTED, DocumentRecord, Manifest
from raydocs_provider.extraction.progress import CREATE_SESSIONS, EXTRACT
from raydocs_provider.extraction.retry_outlook import Outlook, foresee, summarize_clear, summarize_retry
from raydocs_provider.extraction.spool import load_manifest
from raydocs_provider.plugins.api.reading import TaskFacts

log = logging.getLogger(__name__)

CSV_COLUMNS = (
    "name",
    "uri",
    "state",
    "stage",
    "code",
    "reason",
    "session_id",
    "min_confidence",
    "review_codes",
    "submitted_at",
    "seconds",
    "retry",
    "retry_why",
)
# Kinds of tasks that submit documents.
PAYING = (EXTRACT, CREATE_SESSIONS)
# A spreadsheet takes what begins with one of these for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class TaskDocuments:
    """
    The documents of a task, and what a retry would do with each.

    :param manifest: None where the list could not be read; ``problem`` says why.
    """

    facts: TaskFacts
    manifest: Manifest | None
    problem: str | None = None

    def describe(self, search: str, state: str, offset: int, limit: int) -> dict[str, Any]:
        """A page of them, with what is said about them all."""
        chosen = self.choose(search, state)
        outlooks = [self._foresee(record) for record in self._records]
        return {
            "total": len(chosen),
            "states": dict(Counter(record.state for record in self._records)),
            "documents": [self.describe_document(record) for record in chosen[offset : offset + limit]],
            "problem": self.problem,
            "results_path": self.manifest.results_path if self.manifest else None,
            "retry": {
                "summary": self._say_what_a_retry_does(outlooks),
                "counts": dict(Counter(outlook.word for outlook in outlooks)),
                "retries_left": self.facts.retries_left,
            },
            "clear": {"summary": self._say_what_clearing_does()},
        }

    def _say_what_a_retry_does(self, outlooks: Sequence[Outlook]) -> str:
        if self.manifest is None and self.facts.run.kind in PAYING:
            return "Nobody can say from here what a retry pays for: the documents cannot be listed."
        return summarize_retry(outlooks)

    def _say_what_clearing_does(self) -> str:
        run = self.facts.run
        number = run.counts.get("total", 0) if self.manifest is None else len(self._records)
        return summarize_clear(number, run.kind, run.progress.get("retry") or {})

    def choose(self, search: str, state: str) -> list[DocumentRecord]:
        """
        Those that are asked for, the failed ones first.

        :param search: in name, session, stage, code or reason, in any case; empty: all.
        :param state: empty: all.
        """
        wanted = search.casefold().strip()
        chosen = [
            record
            for record in self._records
            if (not state or record.state == state) and (not wanted or wanted in _searchable(record))
        ]
        return sorted(chosen, key=lambda record: record.state != FAILED)

    def describe_document(self, record: DocumentRecord) -> dict[str, Any]:
        """One row of the tab."""
        outlook = self._foresee(record)
        submitted_at = record.submitted_at
        return {
            "uri": record.uri,
            "name": record.name,
            "state": record.state,
            "stage": record.stage,
            "code": record.code,
            "reason": record.reason,
            "session_id": record.session_id,
            "result_id": record.result_id,
            "min_confidence": record.min_confidence,
            "review_codes": self.facts.reviews.get(record.session_id or "", []),
            "submitted_at": None if submitted_at is None else datetime.fromtimestamp(submitted_at, UTC).isoformat(),
            "seconds": record.seconds,
            "retry": outlook.word,
            "retry_why": outlook.why,
        }

    def write_csv(self, search: str, state: str) -> Iterator[str]:
        """All of those that are asked for, for a spreadsheet."""
        yield _csv_line(CSV_COLUMNS)
        for record in self.choose(search, state):
            row = self.describe_document(record)
            row["review_codes"] = " ".join(row["review_codes"])
            yield _csv_line([_harmless(row[name]) for name in CSV_COLUMNS])

    def open_sessions(self) -> set[str]:
        """Sessions that had not ended when the task told last."""
        return {record.session_id for record in self._records if record.state == SUBMITTED and record.session_id}

    @property
    def _records(self) -> Sequence[DocumentRecord]:
        return self.manifest.documents if self.manifest else ()

    def _foresee(self, record: DocumentRecord) -> Outlook:
        terms = self.facts.run.progress.get("retry") or {}
        return foresee(record, self.facts.run.kind, self.facts.submissions, terms)


def read_documents(facts: TaskFacts) -> TaskDocuments:
    """
    Read the list of documents, which may lie under ``results_path``.

    Where it cannot be read, for example because this process has no access to the storage, the page says so.
    """
    if facts.manifest is None:
        return TaskDocuments(facts, None, "The task has left no list of documents (yet).")
    try:
        from raydocs_provider.hooks.storage import open_spool

        return TaskDocuments(facts, load_manifest(facts.manifest, open_spool(facts.manifest.get("results_path"))))
    except RaydocsError as problem:
        return TaskDocuments(facts, None, str(problem))
    except Exception as problem:
        log.warning("The documents of a task could not be read.", exc_info=problem)
        return TaskDocuments(
            facts, None, f"The API server could not read results_path ({type(problem).__name__}); its log says more."
        )


def _searchable(record: DocumentRecord) -> str:
    return " ".join(filter(None, (record.name, record.session_id, record.stage, record.code, record.reason))).casefold()


def _csv_line(cells: Sequence[object]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(["" if cell is None else cell for cell in cells])
    return buffer.getvalue()


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
