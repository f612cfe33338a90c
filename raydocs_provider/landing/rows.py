"""One document -> its rows. Pure: no clock, no I/O, nothing kept between documents."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from raydocs_provider.api.models import Result
from raydocs_provider.landing.tables import Kind, LandingPlan, Path, Records, Table
from raydocs_provider.landing.values import Cell, fit, json_of, moment_of, storable, text_of

EXTRACTED = "extracted"
FAILED = "failed"

Row = tuple[Cell, ...]
Trail = tuple[str | int, ...]

_AUDIT_KEYS = frozenset({"confidence", "reasoning", "sources"})


@dataclass(frozen=True, slots=True)
class LandingDocument:
    """
    A document and what became of it.

    :param state: ``extracted`` has a result and gets rows everywhere. Any other word, ``failed`` for one, gets a row
        in the ledger only: what an earlier load landed for the document stays.
    :param source_uri: where the document came from.
    :param sha256: of its content. With the template's id it is the document's identity; None falls back to the
        session, then to the source.
    :param result: the run; needed if the state is ``extracted``.
    :param stage: where it failed, for example ``upload`` or ``parsing``.
    :param code: why, for machines.
    :param reason: why, for people.
    """

    state: str
    source_uri: str | None = None
    filename: str | None = None
    sha256: str | None = None
    session_id: str | None = None
    result: Result | None = None
    stage: str | None = None
    code: str | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        if self.state == EXTRACTED and self.result is None:
            raise ValueError("an extracted document needs its result")


@dataclass(frozen=True, slots=True)
class LoadContext:
    """
    Which template the results are from, and which task instance loads them when.

    :param template_hash: the template's content hash, its version.
    :param loaded_at: the time of the load, with its zone.
    """

    template_id: str | None
    template_hash: str | None
    loaded_at: datetime
    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: int = -1
    try_number: int = 1


class DocumentRows(NamedTuple):
    """
    What lands for one document.

    :param audit: the cells of `AUDIT`, the same for each of its rows.
    :param rows: each row's table and the cells of that table's own columns.
    :param problems: how many values did not fit as they were.
    """

    audit: Row
    rows: list[tuple[Table, Row]]
    problems: int


def document_key(document: LandingDocument, template_id: str | None) -> str:
    """
    The identity that decides which rows a load replaces, as hex SHA-256.

    The same content extracted with the same template is the same document, wherever the file lies and however
    often it was extracted.
    """
    if document.sha256:
        parts = ["content", document.sha256.lower(), template_id or ""]
    elif document.session_id:
        parts = ["session", document.session_id]
    else:
        parts = ["source", document.source_uri or document.filename or "", template_id or ""]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def rows_of(document: LandingDocument, plan: LandingPlan, load: LoadContext) -> DocumentRows:
    """
    Make the rows of one document.

    :param document: the document; every document gets its row in the ledger.
    :param plan: the tables.
    :param load: what goes into the audit columns.
    """
    result = document.result
    audit = (
        document_key(document, load.template_id),
        text_of(document.session_id or (result and result.session_id)),
        text_of(result and result.id),
        text_of(document.source_uri),
        text_of(document.sha256),
        text_of(load.template_id),
        text_of(load.template_hash),
        moment_of((result.completed_at or result.created_at) if result else None),
        load.loaded_at,
        text_of(load.dag_id),
        text_of(load.run_id),
        text_of(load.task_id),
        load.map_index,
        load.try_number,
    )
    ledger = (document.state, document.stage, document.code, document.reason, document.filename)
    rows: list[tuple[Table, Row]] = [(plan.documents, tuple(text_of(cell) for cell in ledger))]
    problems = 0
    if document.state == EXTRACTED and result is not None:
        reader = _Reader(plan, result)
        reader.read_document()
        rows += reader.rows
        problems = len(reader.problems)
    return DocumentRows(audit, rows, problems)


class _Reader:
    """
    Walks one result along the plan.

    A trail says where a value is: names from the group down, and the index after each list it goes through.
    """

    def __init__(self, plan: LandingPlan, result: Result) -> None:
        self._plan = plan
        self._data = result.data
        self._audit = dict(result.audit)
        self.rows: list[tuple[Table, Row]] = []
        self.problems: list[dict[str, str]] = []

    def read_document(self) -> None:
        if self._data is None:
            self._report((), "no data")
        cells = self._read(self._plan.records, dict(self._data or {}), ())
        meta = json_of({"problems": self.problems}) if self.problems else None
        self.rows.append((self._plan.records.table, (*cells, meta)))

    def _read(self, records: Records, record: object, trail: Trail) -> list[Cell]:
        """Collect the rows that lie below a record and return the record's own cells."""
        cells: list[Cell] = []
        misfits: dict[Path, object] = {}
        for column in records.values:
            found, value = _follow(column.path, record)
            cell = problem = None
            if found == column.path:
                cell, problem = fit(value, column.kind)
                self._add_field((*trail, *found), value)
                if problem:
                    self._report((*trail, *found), problem)
            elif not isinstance(value, dict):
                misfits[found] = value
            cells.append(cell)
        for inner in records.lists:
            found, value = _follow(inner.path, record)
            if found == inner.path and isinstance(value, list):
                for index, item in enumerate(value):
                    below = (*trail, *found, index)
                    row = self._read(inner, item, below)
                    self.rows.append((inner.table, (*_indexes(below), *row)))
            elif found == inner.path or not isinstance(value, dict):
                misfits[found] = value
        lists = {inner.path for inner in records.lists}
        for path, value in misfits.items():
            if value is not None:
                self._add_field((*trail, *path), value)
                self._report((*trail, *path), "not a list" if path in lists else "not an object")
        return cells

    def _add_field(self, trail: Trail, value: object) -> None:
        audit = _audit_of(trail, self._audit)
        sources = audit.get("sources")
        row = (
            *_place(trail, self._plan.depth),
            text_of(value),
            fit(audit.get("confidence"), Kind.DECIMAL)[0],
            text_of(audit.get("reasoning")),
            None if sources is None else json_of(sources),
        )
        self.rows.append((self._plan.fields, row))

    def _report(self, trail: Trail, problem: str) -> None:
        steps = (f".{step}" if isinstance(step, str) else f"[{step}]" for step in trail)
        self.problems.append({"field": "".join(steps).removeprefix("."), "problem": problem})


def _follow(path: Path, record: object) -> tuple[Path, object]:
    """Follow a path as far as it leads: how far that is, and the value there."""
    for depth, key in enumerate(path):
        if not isinstance(record, dict) or key not in record:
            return path[:depth], record
        record = record[key]
    return path, record


@lru_cache(maxsize=16_384)
def _place(trail: Trail, depth: int) -> Row:
    """Group, field and indexes of a value, as `t__fields` has them. Most documents have the same trails."""
    group, *names = [step for step in trail if isinstance(step, str)] or [""]
    indexes = _indexes(trail)
    return (storable(group), storable(".".join(names)), *(None,) * (depth - len(indexes)), *indexes)


def _indexes(trail: Trail) -> tuple[int, ...]:
    return tuple(step for step in trail if isinstance(step, int))


def _audit_of(trail: Trail, audit: object) -> Mapping[str, Any]:
    """
    What the server said about a value: the entry nearest to it that says anything.

    How the items of a list are audited is not documented. Wherever the audit follows the shape of the data, the
    item's own entry is found; else the one of its list stands for it.
    """
    nearest: Mapping[str, Any] = {}
    for depth, step in enumerate(trail):
        if isinstance(step, int):
            if isinstance(audit, list):
                audit = audit[step] if step < len(audit) else None
        elif isinstance(audit, dict):
            audit = audit.get(step)
        else:
            break
        # The first step is the group, which has no entry of its own.
        if depth and isinstance(audit, dict) and not _AUDIT_KEYS.isdisjoint(audit):
            nearest = audit
    return nearest
