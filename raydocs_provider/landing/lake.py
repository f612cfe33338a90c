"""
A load as files for lakes and external tables: which there are, what is in them, and what they are called.

In them is what a load into a warehouse inserts. Nothing can be deleted from a file, so that the rows of a document
which is extracted again stand next to the earlier ones; `_document_key` and the times tell which count. What a load
replaces are the files of the same task instance: their names are the same whenever it runs.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from raydocs_provider.api.schema import ExtractionSchema
from raydocs_provider.arguments import FILE_FORMATS, NDJSON, PARQUET, require_choices, require_text
from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.landing.column_types import check_column_types
from raydocs_provider.landing.documents import LandingDocument, LoadContext
from raydocs_provider.landing.lake_formats import SEPARATOR, WRITERS, encode_cells, require_arrow
from raydocs_provider.landing.names import assign_names
from raydocs_provider.landing.replacing import Given, last_of_each
from raydocs_provider.landing.review import Reviewer, parse_review
from raydocs_provider.landing.row_files import Part, RowFiles
from raydocs_provider.landing.row_formats import LineFormat
from raydocs_provider.landing.rows import DocumentRows, RowReader
from raydocs_provider.landing.tables import Column, LandingPlan, Table
from raydocs_provider.landing.target import plan_target

#: What readers call the column that they make of the names of folders.
PARTITION = "load_date"

# Of the part of a file's name that is for people. With the rest it stays below the 255 bytes that file systems take.
_MAX_STEM = 180
_TABLE = re.compile(r"[^\W_][\w-]*")


@dataclass(frozen=True)
class LakeTarget:
    """
    What `RaydocsToObjectStorageOperator` is told about its files.

    :param table: the name of the table with one row per document.
    :param formats: of `FILE_FORMATS`.
    :param column_types: see `parse_column_types`.
    :param review_below: see `parse_review`.
    :param review_checks: see `parse_review`.
    :raises RaydocsInputError: an argument that no template makes right.
    """

    table: str
    formats: Sequence[str] = (NDJSON,)
    column_types: Mapping[str, str] | None = None
    review_below: float | Mapping[str, float] | None = None
    review_checks: Sequence[str] = field(default=())

    def __post_init__(self) -> None:
        require_choices(self.formats, "formats", FILE_FORMATS)
        check_column_types(self.column_types)
        parse_review(self.review_below, self.review_checks)

    def check(self) -> None:
        """
        Check what is known when the task runs, before anything is read.

        :raises RaydocsInputError: the name of the table cannot be a folder's, or what writes a format is not installed.
        """
        table = require_text(self.table, "table")
        if not _TABLE.fullmatch(table):
            raise RaydocsInputError(
                f"table={table!r} becomes the name of a folder: it has to consist of letters, digits, '_' and '-', and "
                "to begin with a letter or a digit. What comes before it, such as a schema, belongs into path."
            )
        if PARQUET in self.formats:
            require_arrow()

    def writer(self, schema: ExtractionSchema) -> LakeWriter:
        """
        Make what writes the documents of a template.

        :raises RaydocsInputError: the template has no such field as an argument names.
        """
        plan, reviewer = plan_target(schema, self.table, self.column_types, self.review_below, self.review_checks)
        return LakeWriter(plan, require_choices(self.formats, "formats", FILE_FORMATS), reviewer)


class LakeFile(NamedTuple):
    """
    A file on the local disk, on its way into the lake.

    :param table: whose rows it has.
    :param format: how they stand in it.
    """

    table: str
    format: str
    path: Path


@dataclass(frozen=True, slots=True)
class LakeLoad:
    """
    A load that is written on the local disk.

    :param tables: the names of all tables there may have been rows for, the ledger last.
    :param files: of the tables that have rows, and of the ledger, whose come last.
    :param rows: how many there are, by table.
    :param documents: documents given, per state. One given twice counts twice here and is written once.
    :param problems: values that did not fit as they were; ``_meta`` of their rows says which and why.
    :param reviews: documents per review status; empty without rules.
    """

    tables: tuple[str, ...]
    files: tuple[LakeFile, ...]
    rows: Mapping[str, int]
    documents: Mapping[str, int]
    problems: int
    reviews: Mapping[str, int]


class LakeWriter:
    """
    Writes documents as files.

    :param plan: which tables.
    :param formats: in which each is written.
    :param reviewer: says what a person should look at; default: nothing is said about it.
    """

    def __init__(self, plan: LandingPlan, formats: Sequence[str] = (NDJSON,), reviewer: Reviewer | None = None) -> None:
        self._plan = plan
        self._formats = formats
        self._reviewer = reviewer

    def write(self, documents: Iterable[LandingDocument], load: LoadContext, folder: Path) -> LakeLoad:
        """
        Write the files of a load.

        :param documents: read once, in order. Of two with the same key the later one counts, unless its result is
            older.
        :param load: what goes into the audit columns.
        :param folder: an empty one on the local disk, for the files and about as much besides.
        """
        tables = self._plan.tables
        delivery = _Delivery(RowReader(self._plan, load, self._reviewer))
        made = delivery.read(documents)
        files = RowFiles(made, tables, folder, LineFormat(encode_cells, SEPARATOR))
        (rows,) = files.parts()
        given = delivery.given
        chosen = frozenset(last_of_each(given, rows.numbers).values())
        out = frozenset(range(len(given))) - chosen
        return LakeLoad(
            tables=tuple(map(str, tables)),
            files=tuple(self._write_files(rows, out, folder)),
            rows={str(table): rows.count(table, out) for table in tables},
            documents=dict(delivery.states),
            problems=delivery.problems,
            reviews=Counter(status for number in chosen if (status := given[number].review_status) is not None),
        )

    def _write_files(self, rows: Part, out: frozenset[int], folder: Path) -> Iterator[LakeFile]:
        for number, table in enumerate(self._plan.tables):
            if not rows.count(table, out) and table is not self._plan.documents:
                continue
            columns = columns_in_files(table)
            source = rows.path(table, out)
            for format_ in self._formats:
                file = LakeFile(str(table), format_, folder / f"{number}.{format_}")
                WRITERS[format_](source, columns, file.path)
                yield file
            source.unlink()


class _Delivery:
    """Counts the documents of a load while their rows are made."""

    def __init__(self, reader: RowReader) -> None:
        self._reader = reader
        self.given: list[Given] = []
        self.states: Counter[str] = Counter()
        self.problems = 0

    def read(self, documents: Iterable[LandingDocument]) -> Iterator[DocumentRows]:
        for document in documents:
            made = self._reader.read(document)
            self.states[document.state] += 1
            self.problems += made.problems
            self.given.append(made.given)
            yield made


def columns_in_files(table: Table) -> tuple[Column, ...]:
    """The columns of a table. One of the template's that is called like the partition gets a hash, as two alike do."""
    taken = {column.name for column in table.columns}
    return tuple(
        replace(column, name=assign_names([column.path], taken)[column.path])
        if column.name == PARTITION and column.path
        else column
        for column in table.columns
    )


def name_partition(logical_date: datetime | None, run_after: datetime) -> str:
    """
    The folder of a Dag run, the same whenever its tasks run.

    :param logical_date: of the run; None where it has none, as after an asset event.
    :param run_after: when the run could begin; then this counts.
    """
    return f"{PARTITION}={(logical_date or run_after).astimezone(UTC).date().isoformat()}"


def name_files(load: LoadContext) -> str:
    """
    What the files of a task instance are called, before their ending: like those of no other, and the same in each try.

    The ids are for people, made such that every storage takes them and no reader skips the file. The hash is of all of
    them, as they are.
    """
    ids = [load.dag_id or "", load.run_id or "", load.task_id or ""]
    if load.map_index >= 0:
        ids.append(str(load.map_index))
    readable = "__".join(re.sub(r"[^A-Za-z0-9_.-]+", "-", part) for part in ids)[:_MAX_STEM].lstrip("_.-")
    digest = hashlib.sha256("\0".join(ids).encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{readable}-{digest}".lstrip("-")
