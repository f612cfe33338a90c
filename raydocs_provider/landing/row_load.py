"""The rows of a load, on their way from the files into the tables."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from raydocs_provider.landing.contract import Existing
from raydocs_provider.landing.replacing import EXTRACTED, Given, Held, decide, last_of_each
from raydocs_provider.landing.row_files import Part, RowFiles
from raydocs_provider.landing.tables import EXTRACTED_AT, REVIEW_STATUS, LandingPlan, Table
from raydocs_provider.landing.values import moment_of
from raydocs_provider.landing.warehouses.base import Warehouse, copied_columns

# Of no document: what a rehearsal deletes.
_NO_KEY = "0" * 64


class RowLoad:
    """
    Replaces rows of documents, and counts what it does.

    :param given: the documents whose rows are written so far, by their numbers. It grows with them.
    :param rehearsal: everything is done for no document.
    """

    def __init__(
        self, warehouse: Warehouse, plan: LandingPlan, files: RowFiles, given: Sequence[Given], rehearsal: bool
    ) -> None:
        self._warehouse = warehouse
        self._files = files
        self._given = given
        self._rehearsal = rehearsal
        self._chosen: dict[str, int] = {}
        self._held: dict[str, Held] = {}
        self.plan = plan
        self.rows: dict[str, int] = {}
        self.columns: Existing = {}
        self.kept = 0
        self.left_out: set[int] = set()

    def replace(self, cursor: Any, created: Collection[tuple[str, ...]]) -> Iterator[str]:
        """
        Replace the rows of the documents, part by part.

        :param created: names of the tables that this load has created, in which there is nothing yet.
        """
        for part in self._files.parts():
            yield from self._replace(cursor, part, created)
            part.delete()
        self.rows = {str(table): self._files.count(table, self.left_out) for table in self.plan.tables}
        self.kept = sum(number in self.left_out for number in self._chosen.values())

    def _replace(self, cursor: Any, part: Part, created: Collection[tuple[str, ...]]) -> Iterator[str]:
        """
        Replace the rows of the documents of a part.

        The ledger's go first and come last: where a load is no transaction, it never names a document of which there
        are only some rows.
        """
        warehouse, ledger = self._warehouse, self.plan.documents
        chosen = last_of_each(self._given, part.numbers, self._chosen)
        yield f"read {self.plan.records.table} and {ledger}"
        overtaken, attempts = self._compare(cursor, chosen, ledger.name in created)
        self.left_out.update(number for number in part.numbers if chosen.get(self._given[number].key) != number)
        keys: list[str] = []
        # Those of which an earlier part has written another document, so that there are rows even in new tables.
        again: list[str] = []
        for key, number in chosen.items():
            before = self._chosen.get(key)
            is_written = before is not None and before not in self.left_out
            if number in overtaken:
                self.left_out.add(number)
                if is_written:
                    continue
            else:
                keys.append(key)
                if before is not None and is_written:
                    again.append(key)
                    self.left_out.add(before)
            self._chosen[key] = number
        extracted = [key for key in keys if self._given[chosen[key]].state == EXTRACTED]
        if self._rehearsal:
            keys, extracted, attempts = [_NO_KEY], [_NO_KEY], {_NO_KEY: 0}
        yield f"replace rows of {ledger}"
        self._delete(cursor, ledger, again if ledger.name in created else keys)
        for table in self.plan.tables:
            yield f"replace rows of {table}"
            if table is not ledger:
                self._delete(cursor, table, again if table.name in created else extracted)
            if part.count(table, self.left_out) or self._rehearsal:
                file = part.path(table, self.left_out)
                warehouse.copy_while(cursor, table, copied_columns(table), file, self._files.write_next)
        yield f"count attempts in {ledger}"
        for times in sorted(set(attempts.values()) - {1}):
            for portion in self._portions([key for key, value in attempts.items() if value == times]):
                warehouse.count_attempts(cursor, ledger, times, portion)

    def _compare(
        self, cursor: Any, chosen: Mapping[str, int], is_new: bool
    ) -> tuple[frozenset[int], Mapping[str, int]]:
        """
        Which documents stay as they are in the target, and how often the others were submitted.

        :param is_new: that there was no ledger before this load.
        """
        overtaken: set[int] = set()
        attempts: dict[str, int] = {}
        for keys in () if is_new else self._portions(list(chosen) or [_NO_KEY]):
            self._look_up(cursor, [key for key in keys if key not in self._chosen])
            stay, counts = decide({chosen[key]: self._given[chosen[key]] for key in keys if key in chosen}, self._held)
            overtaken |= stay
            attempts |= counts
        return frozenset(overtaken), attempts

    def _look_up(self, cursor: Any, keys: Sequence[str]) -> None:
        """What the target held of documents before this load."""
        if not keys:
            return
        warehouse, ledger, documents = self._warehouse, self.plan.documents, self.plan.records.table
        for key, state, session_id, count in warehouse.read_documents(
            cursor, ledger, ("state", "_session_id", "attempts"), keys
        ):
            self._held[key] = Held(state=state, session_id=session_id, attempts=count)
        for key, result_id, extracted_at, status in warehouse.read_documents(
            cursor, documents, ("_result_id", EXTRACTED_AT.name, REVIEW_STATUS.name), keys
        ):
            self._held[key] = replace(
                self._held.get(key, Held()),
                result_id=result_id,
                extracted_at=_moment(extracted_at),
                review_status=status,
            )

    def _delete(self, cursor: Any, table: Table, keys: Sequence[str]) -> None:
        for portion in self._portions(keys):
            self._warehouse.delete(cursor, table, portion)

    def _portions(self, keys: Sequence[str]) -> Iterator[Sequence[str]]:
        size = self._warehouse.portion
        return (keys[start : start + size] for start in range(0, len(keys), size))


def _moment(cell: object) -> datetime | None:
    """A time as an engine gives it back, which knows that it is in UTC or is text."""
    if isinstance(cell, datetime):
        return cell if cell.tzinfo else cell.replace(tzinfo=UTC)
    return moment_of(cell) if isinstance(cell, str) else None
