"""One document -> its rows. Pure: no clock, no I/O, nothing kept between documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from raydocs_provider.api.models import Result
from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.landing.documents import LandingDocument, LoadContext, Verdict, document_key
from raydocs_provider.landing.replacing import EXTRACTED, Given
from raydocs_provider.landing.review import APPROVED, CORRECTED, MAX_FIELDS, Reviewer
from raydocs_provider.landing.tables import Kind, LandingPlan, Records, Table
from raydocs_provider.landing.values import Cell, Fitted, fit, fitter_of, json_of, moment_of, storable, text_of

Row = tuple[Cell, ...]
Trail = tuple[str | int, ...]

_AUDIT_KEYS = frozenset({"confidence", "reasoning", "sources"})
# About the target or the template, not about a value: no reason to look at the document.
_NO_COLUMN = "no column"
_UNKNOWN = "not in the template"
_NOTHING: Mapping[str, Any] = {}
_MISSING = object()


class DocumentRows(NamedTuple):
    """
    What lands for one document.

    :param given: what decides whether it is written.
    :param audit: the cells of `AUDIT`, the same for each of its rows.
    :param rows: each row's table and the cells of that table's own columns.
    :param problems: how many values did not fit as they were.
    :param review_codes: why a person should look at it, or has looked; empty if nobody needs to.
    :param review_fields: which values that is about, at most `MAX_FIELDS`, written as in corrections.
    """

    given: Given
    audit: Row
    rows: list[tuple[Table, Row]]
    problems: int
    review_codes: tuple[str, ...]
    review_fields: tuple[str, ...]


class RowReader:
    """
    Makes rows of the documents of a load.

    :param plan: the tables.
    :param reviewer: says what a person should look at; default: nothing is said about it.
    """

    def __init__(self, plan: LandingPlan, reviewer: Reviewer | None = None) -> None:
        self._plan = plan
        self._reviewer = reviewer
        self._records = _Records(plan.records)

    def read(self, document: LandingDocument, load: LoadContext) -> DocumentRows:
        """
        Make the rows of one document.

        :param document: every document gets its row in the ledger.
        :param load: what goes into the audit columns.
        :raises RaydocsInputError: there is a verdict, and the document has no values; or a correction is for none of
            them, or does not fit its column. The message names document and fields, no values.
        """
        result, verdict = document.result, document.verdict
        key = document_key(document, load.template_id)
        extracted_at = moment_of((result.completed_at or result.created_at) if result else None)
        submitted_at = None if document.submitted_at is None else datetime.fromtimestamp(document.submitted_at, UTC)
        audit = (
            key,
            text_of(document.session_id or (result and result.session_id)),
            text_of(result and result.id),
            text_of(document.source_uri),
            text_of(document.sha256),
            text_of(load.template_id),
            text_of(load.template_hash),
            extracted_at,
            load.loaded_at,
            text_of(load.dag_id),
            text_of(load.run_id),
            text_of(load.task_id),
            load.map_index,
            load.try_number,
        )
        rows: list[tuple[Table, Row]] = []
        status: str | None = None
        codes: tuple[str, ...] = ()
        questions: tuple[str, ...] = ()
        problems = 0
        if document.state == EXTRACTED and result is not None:
            reading = _Reading(self._plan, self._records, result, self._reviewer, verdict)
            status, codes = reading.read_document()
            if reading.refusals:
                raise RaydocsInputError(f"{_name(document)}: {'; '.join(reading.refusals)}.")
            rows, problems, questions = reading.rows, len(reading.problems), reading.questions
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
        rows.append((self._plan.documents, ledger))
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


class _Value:
    """A value: where its cell goes, if anywhere, and what makes it."""

    def __init__(self, position: int | None, fit_value: Callable[[object], Fitted]) -> None:
        self.position = position
        self.fit = fit_value


class _Object:
    """An object whose fields land in the columns of the record it is in."""

    def __init__(self) -> None:
        self.entries: dict[str, _Entry] = {}


class _Records:
    """Records of one kind, as a tree along which their values are read."""

    def __init__(self, records: Records) -> None:
        self.table = records.table if records.landed else None
        # What the API gives for a group that iterates is not documented: one object for all items is one row.
        self.of_group = len(records.path) == 1 and records.depth == 1
        self.root: _Entry = _Object()
        landed = [column for column in records.values if column.landed]
        self.width = len(landed)
        for column in records.values:
            position = landed.index(column) if column.landed else None
            self._hang(column.path or (), _Value(position, fitter_of(column)))
        for inner in records.lists:
            self._hang(inner.path, _Records(inner))

    def _hang(self, path: tuple[str, ...], entry: _Entry) -> None:
        if not path:
            self.root = entry
            return
        node: Any = self.root
        for name in path[:-1]:
            node = node.entries.setdefault(name, _Object())
        node.entries[path[-1]] = entry


_Entry = _Value | _Object | _Records


class _Reading:
    """
    Walks one result along the plan.

    A trail says where a value is: names from the group down, and the index after each list it goes through. What the
    server said about values is walked along; the entry nearest to a value counts. How the items of a list are audited
    is not documented: wherever the audit follows the shape of the data, the item's own entry is found; else the one of
    its list stands for it.
    """

    def __init__(
        self,
        plan: LandingPlan,
        records: _Records,
        result: Result,
        reviewer: Reviewer | None,
        verdict: Verdict | None,
    ) -> None:
        self._plan = plan
        self._records = records
        self._data = result.data
        self._audit = result.audit
        self._review = reviewer.open(result.data) if reviewer else None
        self._verdict = verdict
        self._corrections = verdict.corrections if verdict else _NOTHING
        self._corrected: set[str] = set()
        self._questions = dict.fromkeys(self._review.fields if self._review else ())
        self._audited = _NOTHING
        self._remarks: tuple[Cell, Cell, Cell] = (None, None, None)
        self.rows: list[tuple[Table, Row]] = []
        self.problems: list[dict[str, str]] = []
        self.refusals: list[str] = []

    @property
    def questions(self) -> tuple[str, ...]:
        """The values to look at, those that a check is about first."""
        return tuple(self._questions)[:MAX_FIELDS]

    def read_document(self) -> tuple[str | None, tuple[str, ...]]:
        """Collect the rows. Returns the review status and why."""
        if self._data is None:
            self._report((), "no data")
        cells = self._read_record(self._records, dict(self._data or {}), (), self._audit, _NOTHING)
        if unknown := self._corrections.keys() - self._corrected:
            self.refusals.append(
                f"the document has no {', '.join(sorted(unknown))}: write fields as the _meta column does, for example "
                "lines.line_items[0].total"
            )
        status, codes = self._review.close() if self._review else (None, ())
        if self._verdict is not None:
            status = CORRECTED if self._corrections else APPROVED
        meta = json_of({"problems": self.problems}) if self.problems else None
        self.rows.append((self._plan.records.table, (*cells, meta, status)))
        return status, codes

    def _read_record(
        self, records: _Records, record: object, trail: Trail, audit: object, nearest: Mapping[str, Any]
    ) -> list[Cell]:
        """Collect the rows that lie below a record and return the record's own cells."""
        cells: list[Cell] = [None] * records.width
        self._read(records.root, record, trail, audit, nearest, cells)
        return cells

    def _read(
        self,
        entry: _Entry,
        value: object,
        trail: Trail,
        audit: object,
        nearest: Mapping[str, Any],
        cells: list[Cell],
    ) -> None:
        if isinstance(entry, _Value):
            self._read_value(entry, value, trail, nearest, cells)
        elif isinstance(entry, _Object):
            self._read_object(entry, value, trail, audit, nearest, cells)
        elif isinstance(value, list):
            self._read_list(entry, value, trail, audit, nearest)
        elif entry.of_group and isinstance(value, dict):
            self._read_list(entry, [value], trail, audit, nearest)
        else:
            self._keep(trail, value, nearest, "not a list")

    def _read_value(
        self, entry: _Value, value: object, trail: Trail, nearest: Mapping[str, Any], cells: list[Cell]
    ) -> None:
        correction = self._correct(trail) if self._corrections else _MISSING
        if value is _MISSING:
            if correction is _MISSING:
                return
            value = None
        cell, problem = entry.fit(value)
        misfit, lands = problem is not None, value
        if correction is not _MISSING:
            lands = correction
            cell, problem = entry.fit(lands)
            if cell is None and lands is not None:
                self.refusals.append(f"correction of {_spell(trail)}: {problem}")
        if entry.position is not None:
            cells[entry.position] = cell
        else:
            misfit, problem = False, None if lands is None else _NO_COLUMN
        if problem:
            self._report(trail, problem)
        if self._add_field(trail, value, nearest, misfit, correction) and len(self._questions) < MAX_FIELDS:
            self._questions[_spell(trail)] = None

    def _correct(self, trail: Trail) -> object:
        """The correction of a value."""
        name = _spell(trail)
        if name in self._corrected:
            # Names may hold dots.
            self.refusals.append(f"{name} is two fields of the document: rename one in the template")
        correction = self._corrections.get(name, _MISSING)
        if correction is not _MISSING:
            self._corrected.add(name)
        return correction

    def _read_object(
        self,
        entry: _Object,
        value: object,
        trail: Trail,
        audit: object,
        nearest: Mapping[str, Any],
        cells: list[Cell],
    ) -> None:
        if not isinstance(value, dict):
            self._keep(trail, value, nearest, "not an object")
            if not self._corrections:
                return
            # There may be corrections of what should be in it.
            value = {}
        entries = entry.entries
        known = 0
        for name, inner in entries.items():
            if name in value:
                known += 1
                below = value[name]
            elif self._corrections:
                below = _MISSING
            else:
                continue
            said = audit.get(name) if isinstance(audit, dict) else None
            # The groups have no entry of their own.
            near = said if trail and isinstance(said, dict) and not _AUDIT_KEYS.isdisjoint(said) else nearest
            self._read(inner, below, (*trail, name), said, near, cells)
        if known < len(value):
            for name, below in value.items():
                if name not in entries:
                    self._keep((*trail, str(name)), below, nearest, _UNKNOWN)

    def _read_list(
        self, records: _Records, items: list[object], trail: Trail, audit: object, nearest: Mapping[str, Any]
    ) -> None:
        for index, item in enumerate(items):
            below = (*trail, index)
            said = (audit[index] if index < len(audit) else None) if isinstance(audit, list) else audit
            near = said if isinstance(said, dict) and not _AUDIT_KEYS.isdisjoint(said) else nearest
            cells = self._read_record(records, item, below, said, near)
            if records.table is not None:
                self.rows.append((records.table, (*_indexes(below), *cells)))

    def _keep(self, trail: Trail, value: object, nearest: Mapping[str, Any], problem: str) -> None:
        """Something where the template has something else: it has no column, but is not lost."""
        if value is not None and value is not _MISSING:
            self._add_field(trail, value, nearest, problem != _UNKNOWN)
            self._report(trail, problem)

    def _add_field(
        self, trail: Trail, value: object, audit: Mapping[str, Any], misfit: bool, correction: object = _MISSING
    ) -> str | None:
        """Add a row to `t__fields`. Returns why to look at the value, if there is a reason."""
        if audit is not self._audited:
            # What is said about a list is the same for all that is in it.
            self._audited, self._remarks = audit, _remarks_of(audit)
        confidence, reasoning, sources = self._remarks
        code = self._review.judge(trail, confidence, value is None, misfit) if self._review else None
        row = (
            *_place(trail, self._plan.depth),
            text_of(value),
            # NULL is that nobody corrected it.
            None if correction is _MISSING else text_of(correction) or "",
            confidence,
            reasoning,
            sources,
            code,
        )
        self.rows.append((self._plan.fields, row))
        return code

    def _report(self, trail: Trail, problem: str) -> None:
        self.problems.append({"field": _spell(trail), "problem": problem})


def _remarks_of(audit: Mapping[str, Any]) -> tuple[Cell, Cell, Cell]:
    """What the server says about a value: confidence, reasoning and sources."""
    sources = audit.get("sources")
    return (
        fit(audit.get("confidence"), Kind.DECIMAL)[0],
        text_of(audit.get("reasoning")),
        None if sources is None else json_of(sources),
    )


def _name(document: LandingDocument) -> str:
    return f"{document.filename or document.source_uri} (session {document.session_id})"


def _spell(trail: Trail) -> str:
    """A trail as people read it: ``lines.line_items[2].total``."""
    return "".join(f".{step}" if isinstance(step, str) else f"[{step}]" for step in trail).removeprefix(".")


@lru_cache(maxsize=16_384)
def _place(trail: Trail, depth: int) -> Row:
    """Group, field and indexes of a value, as `t__fields` has them. Most documents have the same trails."""
    group, *names = [step for step in trail if isinstance(step, str)] or [""]
    indexes = _indexes(trail)
    return (storable(group), storable(".".join(names)), *(None,) * (depth - len(indexes)), *indexes)


def _indexes(trail: Trail) -> tuple[int, ...]:
    return tuple(step for step in trail if isinstance(step, int))
