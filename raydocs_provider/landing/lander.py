"""
The one way rows get into a warehouse.

First every document is read and its rows are written to files, one per table; this may take as long as the
documents take to come, and memory holds one document at a time. Then one transaction creates what is missing, copies
the files into temporary tables, deletes by document key, inserts, and writes the ledger last. So a load happens
entirely or not at all, the same documents twice give the same rows, and a document extracted again replaces all rows
of its earlier self.

A document that failed only changes its row in the ledger. The rows of an earlier success stay: a failed attempt to do
better takes nothing away.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raydocs_provider.exceptions import RaydocsLandingError
from raydocs_provider.landing.contract import find_misfits
from raydocs_provider.landing.rows import EXTRACTED, LandingDocument, LoadContext, rows_of
from raydocs_provider.landing.tables import AUDIT, KEY, STATE, Column, Kind, LandingPlan, Table
from raydocs_provider.landing.warehouses.base import Warehouse, quote, quote_table

# The number of a document in the load: joins its rows, and tells which of two deliveries of one document is later.
_NUMBER = Column("_number", Kind.INTEGER)


@dataclass(frozen=True, slots=True)
class LandingSummary:
    """
    What a load did.

    :param rows: rows inserted per table, by the table's name.
    :param documents: documents given, per state. One given twice counts twice here and lands once.
    :param problems: values that did not fit as they were; ``_meta`` of their rows says which and why.
    """

    rows: Mapping[str, int]
    documents: Mapping[str, int]
    problems: int


class Lander:
    """
    Lands documents into the tables of a plan.

    :param warehouse: where to.
    :param plan: which tables.
    """

    def __init__(self, warehouse: Warehouse, plan: LandingPlan) -> None:
        self._warehouse = warehouse
        self._plan = plan

    def land(self, documents: Iterable[LandingDocument], load: LoadContext) -> LandingSummary:
        """
        Land documents, all or none.

        :param documents: read once, in order, before a connection is opened. Of two with the same key the later one
            lands.
        :param load: what goes into the audit columns.
        :raises RaydocsLandingError: the warehouse refused something, or a column that exists would change values of
            the template; nothing of this load is in it.
        """
        with tempfile.TemporaryDirectory(prefix="raydocs-landing-") as directory:
            files = {table: Path(directory, str(number)) for number, table in enumerate(self._plan.tables)}
            states, problems = self._write(documents, load, files)
            rows = self._load(files)
        return LandingSummary(rows, states, problems)

    def _write(
        self, documents: Iterable[LandingDocument], load: LoadContext, files: Mapping[Table, Path]
    ) -> tuple[dict[str, int], int]:
        states: Counter[str] = Counter()
        problems = 0
        encode = self._warehouse.encode
        with ExitStack() as stack:
            outputs = {
                table: stack.enter_context(file.open("w", encoding="utf-8", newline="\n"))
                for table, file in files.items()
            }
            for number, document in enumerate(documents):
                made = rows_of(document, self._plan, load)
                states[document.state] += 1
                problems += made.problems
                for table, row in made.rows:
                    audit = made.audit if table is self._plan.documents else ()
                    outputs[table].write(encode((number, *row, *audit)))
        return dict(states), problems

    def _load(self, files: Mapping[Table, Path]) -> dict[str, int]:
        """Everything that touches the warehouse."""
        rows: dict[str, int] = {}
        failure = step = ""
        try:
            with self._warehouse.transaction() as cursor:
                for step in self._steps(cursor, files, rows):  # noqa: B007, the last one is what failed
                    pass
        except Exception as error:
            explanation = self._warehouse.explain(error)
            if explanation is None or not step:
                raise
            failure = f"The warehouse refused to {step}: {explanation}. Nothing of this load was committed."
        if failure:
            # Not in the handler: the engine's error quotes values and would be shown as this one's context.
            raise RaydocsLandingError(failure)
        return rows

    def _steps(self, cursor: Any, files: Mapping[Table, Path], rows: dict[str, int]) -> Iterator[str]:
        """Do the load, saying before each step what it is; the rows inserted go into ``rows``."""
        documents = self._plan.documents
        yield f"lock {self._plan.records.table}"
        self._warehouse.lock(cursor, quote_table(self._plan.records.table))
        yield from self._prepare(cursor)
        stages = {table: quote(f"_raydocs_stage_{number}") for number, table in enumerate(files)}
        for table, file in files.items():
            yield f"take rows for {table}"
            columns = (_NUMBER, *table.own, *(AUDIT if table is documents else ()))
            self._warehouse.execute(
                cursor,
                f"CREATE TEMPORARY TABLE {stages[table]} ({self._definitions(columns)})"
                f"{self._warehouse.temporary_suffix}",
            )
            self._warehouse.copy(cursor, stages[table], columns, file)
        for table, stage in stages.items():
            yield f"replace rows of {table}"
            delete, insert = _replace(table, stage, stages[documents], every_state=table is documents)
            self._warehouse.execute(cursor, delete)
            rows[str(table)] = self._warehouse.execute(cursor, insert)
        yield f"commit the rows of {self._plan.records.table}"

    def _prepare(self, cursor: Any) -> Iterator[str]:
        """Create tables, columns and indexes that are missing, unless a column that exists would change values."""
        created: list[Table] = []
        existing: dict[Table, Mapping[str, str]] = {}
        for table in self._plan.tables:
            yield f"create {table}"
            name = quote_table(table)
            if not self._warehouse.exists(cursor, name):
                sql = f"CREATE TABLE IF NOT EXISTS {name} ({self._definitions(table.columns)})"
                self._warehouse.execute(cursor, sql)
                created.append(table)
            existing[table] = self._warehouse.column_types(cursor, table)
        self._refuse_misfits(existing)
        for table, columns in existing.items():
            yield f"extend {table}"
            for column in table.columns:
                if column.name not in columns:
                    sql = f"ALTER TABLE {quote_table(table)} ADD COLUMN {self._definitions([column])}"
                    self._warehouse.execute(cursor, sql)
        for table in created:
            yield f"index {table}"
            self._warehouse.index_key(cursor, table)

    def _refuse_misfits(self, existing: Mapping[Table, Mapping[str, str]]) -> None:
        warehouse = self._warehouse
        misfits = [
            misfit
            for table, columns in existing.items()
            for misfit in find_misfits(table, columns, warehouse.holdings, warehouse.types)
        ]
        if misfits:
            raise RaydocsLandingError(
                f"Columns that exist would change the values of this load: {'; '.join(misfits)}. Nothing was written. "
                "Change the type of the column, or rename the column so that the load adds a new one, or land into "
                "another table."
            )

    def _definitions(self, columns: Iterable[Column]) -> str:
        return ", ".join(f"{quote(column.name)} {self._warehouse.types[column.kind]}" for column in columns)


def _replace(table: Table, stage: str, documents: str, *, every_state: bool) -> tuple[str, str]:
    """
    DELETE and INSERT for one table.

    :param stage: the quoted temporary table with the table's own columns.
    :param documents: the one with all documents of the load and their audit columns.
    :param every_state: whether documents that were not extracted count too; only in the ledger they do.
    """
    number, key = quote(_NUMBER.name), quote(KEY.name)
    chosen = "" if every_state else f" WHERE {quote(STATE.name)} = '{EXTRACTED}'"
    target = ", ".join(quote(column.name) for column in (*table.own, *AUDIT))
    source = ", ".join(
        [f"s.{quote(column.name)}" for column in table.own] + [f"d.{quote(column.name)}" for column in AUDIT]
    )
    delete = f"DELETE FROM {quote_table(table)} WHERE {key} IN (SELECT {key} FROM {documents}{chosen})"  # noqa: S608
    insert = (
        f"INSERT INTO {quote_table(table)} ({target}) SELECT {source} FROM {stage} s"  # noqa: S608
        f" JOIN {documents} d ON d.{number} = s.{number}"
        f" WHERE d.{number} IN (SELECT max({number}) FROM {documents}{chosen} GROUP BY {key})"
    )
    return delete, insert
