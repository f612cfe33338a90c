"""
The one way rows get into a warehouse.

First the target is looked at: what is missing there, and what its columns take. Then documents are read, one at a
time, and their rows are written to files. Then one transaction creates what is missing, deletes by document key, copies
the files, and writes the ledger last. So a load happens entirely or not at all, the same documents twice give the same
rows, and a document extracted again replaces all rows of its earlier self.

Documents that have yet to come over a network are all read before the transaction, however long that takes. Of those
that are at hand, only the first part is, where the engine works by itself while rows are copied: meanwhile the rows of
the next part are made.

A document that failed only changes its row in the ledger. The rows of an earlier success stay: a failed attempt to do
better takes nothing away. Neither does a result that is older than the one that stands.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raydocs_provider.arguments import EVOLVE, FREEZE
from raydocs_provider.exceptions import RaydocsInputError, RaydocsLandingError
from raydocs_provider.landing.contract import Agreement, Existing, agree
from raydocs_provider.landing.documents import LandingDocument, LoadContext
from raydocs_provider.landing.replacing import EXTRACTED, Given
from raydocs_provider.landing.review import REVIEW, Reviewer
from raydocs_provider.landing.row_files import RowFiles
from raydocs_provider.landing.row_load import RowLoad
from raydocs_provider.landing.rows import DocumentRows, RowReader
from raydocs_provider.landing.tables import LandingPlan, Table
from raydocs_provider.landing.warehouses.base import Warehouse

#: Session id, filename, codes, fields.
ToReview = tuple[str | None, str | None, tuple[str, ...], tuple[str, ...]]

# Of many, an error names the first.
MAX_REFUSALS = 10
_UNKNOWN = (
    "Whether the load is committed is unknown. Run it again: the same documents land once, whatever became of it."
)


@dataclass(frozen=True, slots=True)
class LandingSummary:
    """
    What a load did.

    :param rows: rows inserted per table, by the table's name.
    :param documents: documents given, per state. One given twice counts twice here and lands once.
    :param problems: values that did not fit as they were; ``_meta`` of their rows says which and why.
    :param kept: documents that were not written, because the target holds something newer or reviewed.
    :param reviews: documents per review status; empty without rules.
    :param to_review: session id, filename, codes and fields of the documents that a person should look at.
    :param agreement: which tables and columns it filled, and how.
    :param columns: the type of each column of the tables as they are now.
    """

    rows: Mapping[str, int]
    documents: Mapping[str, int]
    problems: int
    kept: int
    reviews: Mapping[str, int]
    to_review: tuple[ToReview, ...]
    agreement: Agreement
    columns: Existing

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the template does not land as it is, because of the columns that exist."""
        return self.agreement.notes


class Lander:
    """
    Lands documents into the tables of a plan.

    :param warehouse: where to.
    :param plan: which tables.
    :param on_schema_change: what to do where the target differs from the plan, see `agree`.
    :param reviewer: says what a person should look at; default: nothing is said about it.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        plan: LandingPlan,
        on_schema_change: str = EVOLVE,
        reviewer: Reviewer | None = None,
    ) -> None:
        self._warehouse = warehouse
        self._plan = plan
        self._mode = on_schema_change
        self._reviewer = reviewer

    @property
    def plan(self) -> LandingPlan:
        """The tables that there are to be, before a look at the target."""
        return self._plan

    def land(self, documents: Iterable[LandingDocument], load: LoadContext, at_hand: bool = False) -> LandingSummary:
        """
        Land documents, all or none.

        :param documents: read once, in order, after a look at the target. Of two with the same key the later one lands,
            unless its result is older.
        :param load: what goes into the audit columns.
        :param at_hand: that no document has to be waited for, so that they may be read during the transaction. Default:
            all are read before it, and other loads do not wait for them.
        :raises RaydocsLandingError: the warehouse refused something, or its tables are not what the schema contract
            asks for; what there is of the load then is in the message: nothing, where the engine has transactions.
        :raises RaydocsInputError: verdicts that cannot be followed; there is nothing of the load then.
        """
        agreement = self._look()
        with tempfile.TemporaryDirectory(prefix="raydocs-landing-") as directory:
            delivery = _Delivery(RowReader(agreement.plan, load, self._reviewer))
            files = self._open_files(agreement, directory, delivery.read(documents))
            # The first part at least: whatever keeps it from being made should not have cost a transaction.
            files.write(self._warehouse.part_bytes if at_hand else None)
            done = self._load(agreement, files, delivery.given)
        written = [number for number in range(len(delivery.given)) if number not in done.left_out]
        statuses = (delivery.given[number].review_status for number in written)
        return LandingSummary(
            done.rows,
            dict(delivery.states),
            delivery.problems,
            done.kept,
            Counter(status for status in statuses if status is not None),
            tuple(delivery.to_review[number] for number in written if number in delivery.to_review),
            agreement,
            done.columns,
        )

    def rehearse(self) -> tuple[str, ...]:
        """
        Do all that a load does, for no document, and undo it: shows whether rights and tables will do.

        An engine that commits DDL keeps the tables and columns that were missing.

        :return: what of the template will not land as it is.
        :raises RaydocsLandingError: as `land`.
        """
        agreement = self._look()
        with tempfile.TemporaryDirectory(prefix="raydocs-landing-") as directory:
            self._load(agreement, self._open_files(agreement, directory, ()), [], rehearsal=True)
        return agreement.notes

    def _open_files(self, agreement: Agreement, directory: str, documents: Iterable[DocumentRows]) -> RowFiles:
        warehouse = self._warehouse
        return RowFiles(documents, agreement.plan.tables, Path(directory), warehouse.row_format, warehouse.part_bytes)

    def _look(self) -> Agreement:
        """What there is and what that means, before any document is read."""
        try:
            with self._warehouse.reading() as cursor:
                return self._agree(cursor)
        except Exception as error:
            explanation = self._warehouse.explain(error)
            if explanation is None:
                raise
            retryable = not self._warehouse.is_final(error)
        raise RaydocsLandingError(
            f"The warehouse refused to show {self._plan.records.table}: {explanation}.", retryable=retryable
        )

    def _agree(self, cursor: Any) -> Agreement:
        warehouse = self._warehouse
        return agree(self._plan, self._column_types(cursor), warehouse.holdings, warehouse.types, self._mode)

    def _column_types(self, cursor: Any) -> Existing:
        columns = {table.name: self._warehouse.column_types(cursor, table) for table in self._plan.tables}
        return {name: types for name, types in columns.items() if types}

    def _load(self, agreement: Agreement, files: RowFiles, given: Sequence[Given], rehearsal: bool = False) -> RowLoad:
        """Everything that changes the warehouse."""
        load = RowLoad(self._warehouse, agreement.plan, files, given, rehearsal)
        failure = step = ""
        retryable = True
        commit = f"commit the rows of {self._plan.records.table}"
        try:
            with self._warehouse.transaction(agreement.plan.records.table) as cursor:
                for step in self._steps(cursor, load):  # noqa: B007, the last one is what failed
                    pass
                if rehearsal:
                    self._warehouse.rehearse(cursor)
                    raise _RehearsalEnded
                step = commit
        except _RehearsalEnded:
            pass
        except Exception as error:
            explanation = self._warehouse.explain(error)
            if explanation is None or not step:
                raise
            # Who loses the connection while committing never hears what became of it.
            remains = _UNKNOWN if step == commit else self._warehouse.remains
            failure = f"The warehouse refused to {step}: {explanation}. {remains}"
            retryable = not self._warehouse.is_final(error)
        if failure:
            # Not in the handler: the engine's error quotes values and would be shown as this one's context.
            raise RaydocsLandingError(failure, retryable=retryable)
        return load

    def _steps(self, cursor: Any, load: RowLoad) -> Iterator[str]:
        """Do the load, saying before each step what it is."""
        yield f"show {self._plan.records.table}"
        now = self._agree(cursor)
        if _layout(now.plan) != _layout(load.plan):
            raise RaydocsLandingError(
                f"The tables of {self._plan.records.table} were changed while the documents for them were read. "
                "Nothing was written. Run the load again."
            )
        yield from self._prepare(cursor, now)
        load.columns = self._column_types(cursor) if now.creates or now.adds else now.existing
        yield from load.replace(cursor, created={table.name for table in now.creates if self._warehouse.locks_first})
        if self._warehouse.part_bytes is None:
            # Faster than to keep the index up to date row by row.
            yield from self._index(cursor, now.creates)

    def _prepare(self, cursor: Any, agreement: Agreement) -> Iterator[str]:
        """Create the tables, columns and the view that are missing."""
        warehouse = self._warehouse
        for table in agreement.creates:
            yield f"create {table}"
            warehouse.create_table(cursor, table)
        if warehouse.part_bytes is not None:
            # Nobody waits for the index: it is kept up to date while rows are made.
            yield from self._index(cursor, agreement.creates)
        for table, columns in agreement.adds.items():
            yield f"extend {table}"
            warehouse.add_columns(cursor, table, columns)
        view = self._plan.review
        yield f"create the view {view}"
        if self._reviewer is not None and self._mode != FREEZE and not warehouse.column_types(cursor, view):
            warehouse.create_review(cursor, view, agreement.plan)

    def _index(self, cursor: Any, tables: Iterable[Table]) -> Iterator[str]:
        for table in tables:
            yield f"index {table}"
            self._warehouse.index_key(cursor, table)


class _RehearsalEnded(Exception):  # noqa: N818, it is no error
    """Undoes a transaction."""


class _Delivery:
    """Counts the documents of a load while their rows are made."""

    def __init__(self, reader: RowReader) -> None:
        self._reader = reader
        self.given: list[Given] = []
        self.states: Counter[str] = Counter()
        self.to_review: dict[int, ToReview] = {}
        self.problems = 0

    def read(self, documents: Iterable[LandingDocument]) -> Iterator[DocumentRows]:
        refusals: list[str] = []
        for document in _failures_last(documents):
            try:
                made = self._reader.read(document)
            except RaydocsInputError as error:
                # Whoever has to put verdicts right wants to know of all of them.
                refusals.append(str(error))
                continue
            self.states[document.state] += 1
            self.problems += made.problems
            if made.given.review_status == REVIEW:
                self.to_review[len(self.given)] = (
                    made.given.session_id,
                    document.filename,
                    made.review_codes,
                    made.review_fields,
                )
            self.given.append(made.given)
            yield made
        if refusals:
            more = [f"And {len(refusals) - MAX_REFUSALS} more."] if len(refusals) > MAX_REFUSALS else []
            advice = "Nothing was written. Put the verdicts right and load them again."
            raise RaydocsInputError(" ".join([*refusals[:MAX_REFUSALS], *more, advice]))


def _failures_last(documents: Iterable[LandingDocument]) -> Iterator[LandingDocument]:
    """
    A result counts before a failure, whichever is given first. So no part writes a failure where a later one has a
    result for which the target stays as it is.
    """
    failures = []
    for document in documents:
        if document.state == EXTRACTED:
            yield document
        else:
            failures.append(document)
    yield from failures


def _layout(plan: LandingPlan) -> list[tuple[object, ...]]:
    return [(table.name, table.columns) for table in plan.tables]
