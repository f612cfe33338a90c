"""The values of one result -> the rows of its documents table, its lists and `t__fields`. Pure, as all of `rows` is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from raydocs_provider.api.models import Result
from raydocs_provider.landing.documents import Verdict
from raydocs_provider.landing.names import Path
from raydocs_provider.landing.review import APPROVED, CORRECTED, MAX_FIELDS, DocumentReview, Reviewer
from raydocs_provider.landing.tables import LandingPlan, Records, Table
from raydocs_provider.landing.texts import json_of, storable
from raydocs_provider.landing.values import Cell, Fitted, Row, fit_decimal, fitter_of, text_of

Indexes = tuple[int, ...]
# What the server says about a value: confidence, reasoning and sources.
Remarks = tuple[Cell, Cell, Cell]

# About the target or the template, not about a value: no reason to look at the document.
_NO_COLUMN = "no column"
_UNKNOWN = "not in the template"
_NOTHING: Mapping[str, Any] = {}
_NO_REMARKS: Remarks = (None, None, None)
_MISSING = object()
# In the steps to a place: where the index of an item goes.
_ITEM = None


class ResultReader:
    """
    Reads the results of a template.

    What can be known without a document is worked out here, once. It is needed for every value of every document.

    :param plan: the tables.
    :param reviewer: says what a person should look at; None: nothing is said about it.
    """

    def __init__(self, plan: LandingPlan, reviewer: Reviewer | None) -> None:
        self._plan = plan
        self._reviewer = reviewer
        self._record = _Record(plan.records, _Place((), plan.depth))

    def read(self, result: Result, verdict: Verdict | None) -> ResultRows:
        """Read one result, as corrected by a person if one has looked at it."""
        found = ResultRows(self._plan, self._reviewer.open(result.data) if self._reviewer else None, verdict)
        if result.data is None:
            found.report(self._record.place, (), "no data")
        cells = self._record.read(found, dict(result.data or {}), (), result.audit, _NO_REMARKS)
        found.close(cells)
        return found


class ResultRows:
    """
    What one result lands as. It is collected while its values are read along the template.

    What the server said about values is walked along; the entry nearest to a value counts. How the items of a list are
    audited is not documented: wherever the audit follows the shape of the data, the item's own entry is found; else the
    one of its list stands for it.

    :param review: of the document, if there are rules.
    """

    def __init__(self, plan: LandingPlan, review: DocumentReview | None, verdict: Verdict | None) -> None:
        self._table = plan.records.table
        self._fields = plan.fields
        self._review = review
        self._verdict = verdict
        self._corrected: set[str] = set()
        self._questions = dict.fromkeys(review.fields) if review else {}
        self.corrections = verdict.corrections if verdict else _NOTHING
        self.rows = defaultdict[Table, list[Row]](list)
        self.problems: list[dict[str, str]] = []
        self.refusals: list[str] = []
        self.status: str | None = None
        self.codes: tuple[str, ...] = ()

    @property
    def questions(self) -> tuple[str, ...]:
        """The values to look at, those that a check is about first."""
        return tuple(self._questions)[:MAX_FIELDS]

    def close(self, cells: Row) -> None:
        """Sum up, and add the row of the document, which begins with these cells."""
        if unknown := self.corrections.keys() - self._corrected:
            self.refusals.append(
                f"the document has no {', '.join(sorted(unknown))}: write fields as the _meta column does, for example "
                "lines.line_items[0].total"
            )
        if self._review is not None:
            self.status, self.codes = self._review.close()
        if self._verdict is not None:
            self.status = CORRECTED if self.corrections else APPROVED
        meta = json_of({"problems": self.problems}) if self.problems else None
        self.rows[self._table].append((*cells, meta, self.status))

    def correct(self, place: _Place, indexes: Indexes) -> object:
        """The correction of a value; `_MISSING` if there is none."""
        name = place.spell(indexes)
        if name in self._corrected:
            # Names may hold dots.
            self.refusals.append(f"{name} is two fields of the document: rename one in the template")
        correction = self.corrections.get(name, _MISSING)
        if correction is not _MISSING:
            self._corrected.add(name)
        return correction

    def keep(self, place: _Place, indexes: Indexes, value: object, remarks: Remarks, problem: str) -> None:
        """Something where the template has something else: it has no column, but is not lost."""
        if value is not None and value is not _MISSING:
            self.add_field(place, indexes, value, remarks, problem != _UNKNOWN)
            self.report(place, indexes, problem)

    def add_field(
        self,
        place: _Place,
        indexes: Indexes,
        value: object,
        remarks: Remarks,
        misfit: bool,
        correction: object = _MISSING,
    ) -> str | None:
        """Add a row to `t__fields`. Returns why to look at the value, if there is a reason."""
        code = self._review.judge(place.path, remarks[0], value is None, misfit) if self._review else None
        # NULL is that nobody corrected it.
        corrected = None if correction is _MISSING else text_of(correction) or ""
        self.rows[self._fields].append((*place.cells, *indexes, text_of(value), corrected, *remarks, code))
        return code

    def report(self, place: _Place, indexes: Indexes, problem: str) -> None:
        """Say what is wrong with a value, or with where it goes."""
        self.problems.append({"field": place.spell(indexes), "problem": problem})

    def ask(self, place: _Place, indexes: Indexes) -> None:
        """Have a person look at a value."""
        if len(self._questions) < MAX_FIELDS:
            self._questions[place.spell(indexes)] = None


class _Place:
    """
    Where something stands in the documents of a template, whatever the indexes of the items it is in.

    :param steps: names from the group down, and `_ITEM` after each list that they go through.
    :param depth: how many lists deep the innermost list of the template is.
    """

    def __init__(self, steps: tuple[str | None, ...], depth: int) -> None:
        self._steps = steps
        self._depth = depth
        self.path: Path = tuple(step for step in steps if step is not None)
        group, *names = self.path or ("",)
        missing = depth - steps.count(_ITEM)
        # Of a row in `t__fields`, all that stands before its own indexes.
        self.cells: Row = (storable(group), storable(".".join(names)), *(None,) * missing)

    def below(self, *steps: str | None) -> _Place:
        """A place further down."""
        return _Place((*self._steps, *steps), self._depth)

    def spell(self, indexes: Indexes) -> str:
        """As people read it: ``lines.line_items[2].total``."""
        rest = iter(indexes)
        return "".join(f"[{next(rest)}]" if step is _ITEM else f".{step}" for step in self._steps).removeprefix(".")


class _Entry(ABC):
    """What the template has at a place."""

    def __init__(self, place: _Place) -> None:
        self.place = place

    @abstractmethod
    def read(
        self, found: ResultRows, value: object, indexes: Indexes, audit: object, remarks: Remarks, cells: list[Cell]
    ) -> None:
        """
        Read what a document has at this place.

        :param value: it; `_MISSING` if there is nothing, which a correction may change.
        :param indexes: of the items that it is in, outermost list first.
        :param audit: what the server said about it and all that is in it, in a shape that nobody promises.
        :param remarks: of the entry of the audit that stands for it, as long as nothing in it has its own.
        :param cells: of the record that it is in, where its own go.
        """


class _Value(_Entry):
    """
    A value.

    :param position: of its cell among those of its record; None: it has no column.
    :param fit_value: makes the cell.
    """

    def __init__(self, place: _Place, position: int | None, fit_value: Callable[[object], Fitted]) -> None:
        super().__init__(place)
        self._position = position
        self._fit = fit_value

    def read(
        self, found: ResultRows, value: object, indexes: Indexes, audit: object, remarks: Remarks, cells: list[Cell]
    ) -> None:
        correction = _MISSING
        if found.corrections:
            correction = found.correct(self.place, indexes)
            if value is _MISSING:
                if correction is _MISSING:
                    return
                value = None
        cell, problem = self._fit(value)
        misfit, lands = problem is not None, value
        if correction is not _MISSING:
            lands = correction
            cell, problem = self._fit(lands)
            if cell is None and lands is not None:
                found.refusals.append(f"correction of {self.place.spell(indexes)}: {problem}")
        if self._position is not None:
            cells[self._position] = cell
        else:
            misfit, problem = False, None if lands is None else _NO_COLUMN
        if problem:
            found.report(self.place, indexes, problem)
        if found.add_field(self.place, indexes, value, remarks, misfit, correction):
            found.ask(self.place, indexes)


class _Object(_Entry):
    """
    An object whose fields land in the columns of the record that it is in.

    :param entries: what it has, by name.
    """

    def __init__(self, place: _Place) -> None:
        super().__init__(place)
        self.entries: dict[str, _Entry] = {}
        # What is said in the place of a group is about its fields, one by one: it has no entry of its own.
        self._has_groups = not place.path

    def read(
        self, found: ResultRows, value: object, indexes: Indexes, audit: object, remarks: Remarks, cells: list[Cell]
    ) -> None:
        if not isinstance(value, dict):
            found.keep(self.place, indexes, value, remarks, "not an object")
            if not found.corrections:
                return
            # There may be corrections of what should be in it.
            value = {}
        audits = audit if isinstance(audit, dict) else _NOTHING
        known = 0
        for name, entry in self.entries.items():
            if name in value:
                known += 1
                below = value[name]
            elif found.corrections:
                below = _MISSING
            else:
                continue
            said = audits.get(name)
            near = remarks if self._has_groups else _nearest(said, remarks)
            entry.read(found, below, indexes, said, near, cells)
        if known < len(value):
            for name, below in value.items():
                if name not in self.entries:
                    found.keep(self.place.below(str(name)), indexes, below, remarks, _UNKNOWN)


class _List(_Entry):
    """A list, each of whose items is a record of its own."""

    def __init__(self, records: Records, place: _Place) -> None:
        super().__init__(place)
        self._table = records.table if records.landed else None
        self._item = _Record(records, place.below(_ITEM))
        # What the API gives for a group that iterates is not documented: one object for all items is one row.
        self._is_group = len(place.path) == 1

    def read(
        self, found: ResultRows, value: object, indexes: Indexes, audit: object, remarks: Remarks, cells: list[Cell]
    ) -> None:
        if self._is_group and isinstance(value, dict):
            value = [value]
        if not isinstance(value, list):
            found.keep(self.place, indexes, value, remarks, "not a list")
            return
        by_item = audit if isinstance(audit, list) else None
        if self._is_group:
            # A group has no entry of its own, but one object may stand for all of its items.
            remarks = _nearest(audit, remarks)
        for index, item in enumerate(value):
            below = (*indexes, index)
            if by_item is None:
                own = self._item.read(found, item, below, audit, remarks)
            else:
                said = by_item[index] if index < len(by_item) else None
                own = self._item.read(found, item, below, said, _nearest(said, remarks))
            if self._table is not None:
                found.rows[self._table].append(below + own)


class _Record:
    """A document or an item of a list: a value, or an object that may have lists in it."""

    def __init__(self, records: Records, place: _Place) -> None:
        self.place = place
        self._entry: _Entry = _Object(place)
        positions = count()
        for column in records.values:
            path = column.path or ()
            position = next(positions) if column.landed else None
            self._hang(path, _Value(place.below(*path), position, fitter_of(column)))
        for inner in records.lists:
            self._hang(inner.path, _List(inner, place.below(*inner.path)))
        self._width = next(positions)

    def _hang(self, path: Path, entry: _Entry) -> None:
        if not path:
            self._entry = entry
            return
        node: Any = self._entry
        for name in path[:-1]:
            node = node.entries.setdefault(name, _Object(node.place.below(name)))
        node.entries[path[-1]] = entry

    def read(self, found: ResultRows, value: object, indexes: Indexes, audit: object, remarks: Remarks) -> Row:
        """Read it as `_Entry.read` does. Returns its own cells, after the rows that lie below it are collected."""
        cells: list[Cell] = [None] * self._width
        self._entry.read(found, value, indexes, audit, remarks, cells)
        return tuple(cells)


def _nearest(said: object, remarks: Remarks) -> Remarks:
    """What is said about something, if it is an entry of the audit; else the remarks of the entry around it."""
    if not isinstance(said, dict) or not ("confidence" in said or "reasoning" in said or "sources" in said):
        return remarks
    sources = said.get("sources")
    return (
        fit_decimal(said.get("confidence"))[0],
        text_of(said.get("reasoning")),
        None if sources is None else json_of(sources),
    )
