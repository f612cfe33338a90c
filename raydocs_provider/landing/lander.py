"""
The one way rows get into a warehouse.

First the target is looked at: what is missing there, and what its columns take. Then every document is read and its
rows are written to files, one per table; this may take as long as the documents take to come, and memory holds one
document at a time. Then one transaction creates what is missing, deletes by document key, copies the files, and
writes the ledger last. So a load happens entirely or not at all, the same documents twice give the same rows, and a
document extracted again replaces all rows of its earlier self.

A document that failed only changes its row in the ledger. The rows of an earlier success stay: a failed attempt to do
better takes nothing away. Neither does a result that is older than the one that stands.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from raydocs_provider.arguments import EVOLVE, FREEZE
from raydocs_provider.exceptions import RaydocsInputError, RaydocsLandingError
from raydocs_provider.landing.contract import Agreement, Existing, agree
from raydocs_provider.landing.documents import LandingDocument, LoadContext
from raydocs_provider.landing.replacing import EXTRACTED, Given, Held, decide, last_of_each
from raydocs_provider.landing.review import REVIEW, Reviewer
from raydocs_provider.landing.row_files import RowFiles
from raydocs_provider.landing.rows import DocumentRows, RowReader
from raydocs_provider.landing.tables import EXTRACTED_AT, REVIEW_STATUS, LandingPlan, Table
from raydocs_provider.landing.values import moment_of
from raydocs_provider.landing.warehouses.base import Warehouse, copied_columns

#: Session id, filename, codes, fields.
ToReview = tuple[str | None, str | None, tuple[str, ...], tuple[str, ...]]

# Of many, an error names the first.
MAX_REFUSALS = 10
# Of no document: what a rehearsal deletes.
_NO_KEY = "0" * 64
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

    def land(self, documents: Iterable[LandingDocument], load: LoadContext) -> LandingSummary:
        """
        Land documents, all or none.

        :param documents: read once, in order, after a look at the target and before the transaction. Of two with the
            same key the later one lands, unless its result is older.
        :param load: what goes into the audit columns.
        :raises RaydocsLandingError: the warehouse refused something, or its tables are not what the schema contract
            asks for; nothing of this load is in it.
        :raises RaydocsInputError: verdicts that cannot be followed; nothing of this load is in it either.
        """
        agreement = self._look()
        with tempfile.TemporaryDirectory(prefix="raydocs-landing-") as directory:
            files = self._open_files(agreement, directory)
            delivery = _Delivery(RowReader(agreement.plan, self._reviewer))
            files.write(delivery.read(documents, load))
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
            files = self._open_files(agreement, directory)
            files.write(())
            self._load(agreement, files, [], rehearsal=True)
        return agreement.notes

    def _open_files(self, agreement: Agreement, directory: str) -> RowFiles:
        warehouse = self._warehouse
        return RowFiles(
            agreement.plan.tables,
            Path(directory),
            encode=warehouse.encode,
            separator=warehouse.separator,
            line=warehouse.line,
            part_bytes=warehouse.file_bytes,
        )

    def _look(self) -> Agreement:
        """What there is and what that means, before any document is read."""
        try:
            with self._warehouse.reading() as cursor:
                return self._agree(cursor)
        except Exception as error:
            explanation = self._warehouse.explain(error)
            if explanation is None:
                raise
        raise RaydocsLandingError(f"The warehouse refused to show {self._plan.records.table}: {explanation}.")

    def _agree(self, cursor: Any) -> Agreement:
        warehouse = self._warehouse
        return agree(self._plan, self._column_types(cursor), warehouse.holdings, warehouse.types, self._mode)

    def _column_types(self, cursor: Any) -> Existing:
        columns = {table.name: self._warehouse.column_types(cursor, table) for table in self._plan.tables}
        return {name: types for name, types in columns.items() if types}

    def _load(self, agreement: Agreement, files: RowFiles, given: Sequence[Given], rehearsal: bool = False) -> _Load:
        """Everything that changes the warehouse."""
        load = _Load(self._warehouse, agreement.plan, files, given, rehearsal)
        failure = step = ""
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
        if failure:
            # Not in the handler: the engine's error quotes values and would be shown as this one's context.
            raise RaydocsLandingError(failure)
        return load

    def _steps(self, cursor: Any, load: _Load) -> Iterator[str]:
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
        for table in now.creates:
            # Faster than to keep the index up to date row by row.
            yield f"index {table}"
            self._warehouse.index_key(cursor, table)

    def _prepare(self, cursor: Any, agreement: Agreement) -> Iterator[str]:
        """Create the tables, columns and the view that are missing."""
        warehouse = self._warehouse
        for table in agreement.creates:
            yield f"create {table}"
            warehouse.create_table(cursor, table)
        for table, columns in agreement.adds.items():
            yield f"extend {table}"
            warehouse.add_columns(cursor, table, columns)
        view = self._plan.review
        yield f"create the view {view}"
        if self._reviewer is not None and self._mode != FREEZE and not warehouse.column_types(cursor, view):
            warehouse.create_review(cursor, view, agreement.plan)


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

    def read(self, documents: Iterable[LandingDocument], load: LoadContext) -> Iterator[DocumentRows]:
        refusals: list[str] = []
        for document in documents:
            try:
                made = self._reader.read(document, load)
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


class _Load:
    """The rows of one load on their way from the files into the tables."""

    def __init__(
        self, warehouse: Warehouse, plan: LandingPlan, files: RowFiles, given: Sequence[Given], rehearsal: bool
    ) -> None:
        self._warehouse = warehouse
        self._files = files
        self._given = given
        self._rehearsal = rehearsal
        self.plan = plan
        self.rows: dict[str, int] = {}
        self.columns: Existing = {}
        self.kept = 0
        self.left_out: frozenset[int] = frozenset()

    def replace(self, cursor: Any, created: Collection[tuple[str, ...]]) -> Iterator[str]:
        """
        Replace the rows of the documents.

        The ledger's go first and come last: where a load is no transaction, it never names a document of which there
        are only some rows.

        :param created: names of the tables that this load has created, in which there is nothing yet.
        """
        warehouse, ledger, files = self._warehouse, self.plan.documents, self._files
        chosen = last_of_each(self._given)
        yield f"read {self.plan.records.table} and {ledger}"
        overtaken, attempts = self._compare(cursor, chosen, created)
        self.kept = len(overtaken)
        keys = [key for key, number in chosen.items() if number not in overtaken]
        extracted = [key for key in keys if self._given[chosen[key]].state == EXTRACTED]
        if self._rehearsal:
            keys, extracted, attempts = [_NO_KEY], [_NO_KEY], {_NO_KEY: 0}
        out = frozenset(range(len(self._given))) - {chosen[key] for key in keys if key in chosen}
        self.left_out = out
        yield f"replace rows of {ledger}"
        self._delete(cursor, ledger, keys, created)
        for table in self.plan.tables:
            yield f"replace rows of {table}"
            if table is not ledger:
                self._delete(cursor, table, extracted, created)
            self.rows[str(table)] = count = files.count(table, out)
            if count or self._rehearsal:
                for file in files.paths(table, out):
                    warehouse.copy(cursor, table, copied_columns(table), file)
        yield f"count attempts in {ledger}"
        for times in sorted(set(attempts.values()) - {1}):
            for portion in self._portions([key for key, value in attempts.items() if value == times]):
                warehouse.count_attempts(cursor, ledger, times, portion)

    def _compare(
        self, cursor: Any, chosen: Mapping[str, int], created: Collection[tuple[str, ...]]
    ) -> tuple[frozenset[int], dict[str, int]]:
        """Which documents stay as they are in the target, and how often the others were submitted."""
        warehouse, ledger, documents = self._warehouse, self.plan.documents, self.plan.records.table
        overtaken: set[int] = set()
        attempts: dict[str, int] = {}
        if ledger.name in created:
            return frozenset(), attempts
        for keys in self._portions(list(chosen) or [_NO_KEY]):
            held = {
                key: Held(state=state, session_id=session_id, attempts=count)
                for key, state, session_id, count in warehouse.read_documents(
                    cursor, ledger, ("state", "_session_id", "attempts"), keys
                )
            }
            for key, result_id, extracted_at, status in warehouse.read_documents(
                cursor, documents, ("_result_id", EXTRACTED_AT.name, REVIEW_STATUS.name), keys
            ):
                held[key] = replace(
                    held.get(key, Held()),
                    result_id=result_id,
                    extracted_at=_moment(extracted_at),
                    review_status=status,
                )
            given = {chosen[key]: self._given[chosen[key]] for key in keys if key in chosen}
            stay, counts = decide(given, held)
            overtaken |= stay
            attempts |= counts
        return frozenset(overtaken), attempts

    def _delete(self, cursor: Any, table: Table, keys: list[str], created: Collection[tuple[str, ...]]) -> None:
        if table.name not in created:
            for portion in self._portions(keys):
                self._warehouse.delete(cursor, table, portion)

    def _portions(self, keys: list[str]) -> Iterator[list[str]]:
        size = self._warehouse.portion
        return (keys[start : start + size] for start in range(0, len(keys), size))


def _layout(plan: LandingPlan) -> list[tuple[object, ...]]:
    return [(table.name, table.columns) for table in plan.tables]


def _moment(cell: object) -> datetime | None:
    """A time as an engine gives it back, which knows that it is in UTC or is text."""
    if isinstance(cell, datetime):
        return cell if cell.tzinfo else cell.replace(tzinfo=UTC)
    return moment_of(cell) if isinstance(cell, str) else None
