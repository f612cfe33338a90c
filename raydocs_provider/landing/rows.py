"""One document -> its rows. Pure: no clock, no I/O, nothing kept between documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.landing.documents import LandingDocument, LoadContext, document_key
from raydocs_provider.landing.replacing import EXTRACTED, Given
from raydocs_provider.landing.result_rows import ResultReader
from raydocs_provider.landing.review import Reviewer
from raydocs_provider.landing.tables import LandingPlan, Table
from raydocs_provider.landing.texts import json_of
from raydocs_provider.landing.values import Row, moment_of, text_of


class DocumentRows(NamedTuple):
    """
    What lands for one document.

    :param given: what decides whether it is written.
    :param audit: the cells of `AUDIT`, the same for each of its rows.
    :param rows: of each table, with the cells of its own columns.
    :param problems: how many values did not fit as they were.
    :param review_codes: why a person should look at it, or has looked; empty if nobody needs to.
    :param review_fields: which values that is about, at most `MAX_FIELDS`, written as in corrections.
    """

    given: Given
    audit: Row
    rows: Mapping[Table, Sequence[Row]]
    problems: int
    review_codes: tuple[str, ...]
    review_fields: tuple[str, ...]


class RowReader:
    """
    Makes rows of the documents of a load.

    :param plan: the tables.
    :param load: what goes into the audit columns.
    :param reviewer: says what a person should look at; default: nothing is said about it.
    """

    def __init__(self, plan: LandingPlan, load: LoadContext, reviewer: Reviewer | None = None) -> None:
        self._plan = plan
        self._results = ResultReader(plan, reviewer)
        self._template_id = load.template_id
        # The cells of `AUDIT` that are the same for all documents.
        self._template_cells = (text_of(load.template_id), text_of(load.template_hash))
        self._load_cells = (
            load.loaded_at,
            text_of(load.dag_id),
            text_of(load.run_id),
            text_of(load.task_id),
            load.map_index,
            load.try_number,
        )

    def read(self, document: LandingDocument) -> DocumentRows:
        """
        Make the rows of one document.

        :param document: every document gets its row in the ledger.
        :raises RaydocsInputError: there is a verdict, and the document has no values; or a correction is for none of
            them, or does not fit its column. The message names document and fields, no values.
        """
        result, verdict = document.result, document.verdict
        key = document_key(document, self._template_id)
        extracted_at = moment_of((result.completed_at or result.created_at) if result else None)
        submitted_at = None if document.submitted_at is None else datetime.fromtimestamp(document.submitted_at, UTC)
        audit = (
            key,
            text_of(document.session_id or (result and result.session_id)),
            text_of(result and result.id),
            text_of(document.source_uri),
            text_of(document.sha256),
            *self._template_cells,
            extracted_at,
            *self._load_cells,
        )
        rows: dict[Table, list[Row]] = {}
        status: str | None = None
        codes: tuple[str, ...] = ()
        questions: tuple[str, ...] = ()
        problems = 0
        if document.state == EXTRACTED and result is not None:
            found = self._results.read(result, verdict)
            if found.refusals:
                raise RaydocsInputError(f"{_name(document)}: {'; '.join(found.refusals)}.")
            rows, problems = found.rows, len(found.problems)
            status, codes, questions = found.status, found.codes, found.questions
        elif verdict is not None:
            raise RaydocsInputError(f"{_name(document)}: nothing was extracted that could be reviewed.")
        ledger = (
            *map(text_of, (document.state, document.stage, document.code, document.reason, document.filename)),
            1,
            submitted_at,
            status,
            json_of(list(codes)) if codes else None,
            text_of(verdict.reviewed_by if verdict else None),
            verdict.reviewed_at if verdict else None,
        )
        rows[self._plan.documents] = [ledger]
        given = Given(
            key,
            document.state,
            session_id=audit[1],
            result_id=audit[2],
            at=extracted_at if document.state == EXTRACTED else submitted_at,
            review_status=status,
            reviewed=verdict is not None,
        )
        return DocumentRows(given, audit, rows, problems, codes, questions)


def _name(document: LandingDocument) -> str:
    return f"{document.filename or document.source_uri} (session {document.session_id})"
