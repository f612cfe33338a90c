"""Arrays of objects from printed tables: a header row that names the properties, and the rows below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from raydocs_provider.emulator.fields import Field
from raydocs_provider.emulator.labels import Line, label_key

_TOTAL_WORDS = frozenset(
    {"total", "subtotal", "sum", "net", "vat", "tax", "gst", "amount", "balance"}
    | {"summe", "zwischensumme", "gesamt", "gesamtbetrag", "netto", "nettobetrag", "mwst", "ust"}
)
_CARRY_WORDS = frozenset({"carried", "brought", "continued", "übertrag"})

# A cell wrapped onto more lines than make this many characters is no cell but prose below the table.
_LONGEST_TEXT = 2000


@dataclass(frozen=True, slots=True)
class TableRow:
    """
    One item of an array.

    :param line: index of the line it begins on.
    :param values: the properties that have a value.
    :param complete: whether every column of the table has a value.
    """

    line: int
    values: dict[str, Any]
    complete: bool


@dataclass(frozen=True, slots=True)
class Table:
    """
    What was read for one array.

    :param lines: indices of all lines that belong to it: headers, rows and their continuations.
    """

    rows: tuple[TableRow, ...]
    lines: frozenset[int]


def read_table(lines: Sequence[Line], properties: Sequence[Field], *, decimal_comma: bool) -> Table | None:
    """
    Read the rows under every header that names these properties; None if there is no such header.

    A row is complete, or stands in unbroken sequence below the header. Rows on the next page continue the table with or
    without a repeated header, up to a line of totals. A line of nothing but text belongs to the row above it.
    """
    reader = _TableReader(properties, decimal_comma)
    for number, line in enumerate(lines):
        reader.read(number, line.cells)
    if not reader.lines:
        return None
    return Table(tuple(reader.rows), frozenset(reader.lines))


class _TableReader:
    def __init__(self, properties: Sequence[Field], decimal_comma: bool) -> None:
        scalars = [field for field in properties if field.type not in ("object", "array")]
        self._fields = {label: field for field in reversed(scalars) for label in reversed(field.labels)}
        self._enough = min(2, len(scalars))
        self._decimal_comma = decimal_comma
        self._columns: dict[int, Field] = {}
        self._unbroken = False
        self.rows: list[TableRow] = []
        self.lines: list[int] = []

    def read(self, number: int, cells: Sequence[str]) -> None:
        if columns := self._header(cells):
            self._columns, self._unbroken = columns, True
            self.lines.append(number)
        elif not self._columns:
            return
        elif row := self._row(number, cells):
            self.rows.append(row)
            self._unbroken = True
            self.lines.append(number)
        elif self._unbroken and self._continue_last_row(cells):
            self.lines.append(number)
        else:
            self._unbroken = False
            words = _words_of_sum(cells)
            if words and not words & _CARRY_WORDS:
                self._columns = {}

    def _header(self, cells: Sequence[str]) -> dict[int, Field]:
        columns: dict[int, Field] = {}
        for index, cell in enumerate(cells):
            field = self._fields.get(label_key(cell))
            if field is not None and field not in columns.values():
                columns[index] = field
        return columns if columns and len(columns) >= self._enough else {}

    def _row(self, number: int, cells: Sequence[str]) -> TableRow | None:
        values: dict[str, Any] = {}
        typed = False
        for index, field in self._columns.items():
            text = cells[index] if index < len(cells) else ""
            if not text:
                continue
            value = field.parse(text, decimal_comma=self._decimal_comma)
            if value is None:
                return None
            values[field.name] = value
            typed = typed or field.type != "string"
        complete = len(values) == len(self._columns)
        if complete and (typed or self._unbroken):
            return TableRow(number, values, complete)
        if self._unbroken and typed and len(values) >= self._enough and not _words_of_sum(cells):
            return TableRow(number, values, complete)
        return None

    def _continue_last_row(self, cells: Sequence[str]) -> bool:
        filled = [index for index, cell in enumerate(cells) if cell]
        field = self._columns.get(filled[0]) if len(filled) == 1 else None
        if field is None or field.type != "string" or not self.rows or _words_of_sum(cells):
            return False
        values = self.rows[-1].values
        begun = values.get(field.name, "")
        if len(begun) > _LONGEST_TEXT:
            return False
        values[field.name] = f"{begun} {cells[filled[0]]}".strip()
        return True


def _words_of_sum(cells: Sequence[str]) -> set[str]:
    """The words of a line that sums up what is above it, and none for any other line."""
    filled = [cell for cell in cells if cell]
    words = label_key(filled[0]).split() if 1 <= len(filled) <= 3 else []
    return set(words) if words and (words[0] in _TOTAL_WORDS or _CARRY_WORDS & set(words)) else set()
