from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from raydocs_provider.landing.row_formats import (
    QUOTE,
    CsvFormat,
    JsonFormat,
    LineFormat,
    TextFormat,
    encode_json,
    read_json,
)
from raydocs_provider.landing.tables import Column, Kind, Table
from raydocs_provider.landing.texts import storable
from raydocs_provider.landing.values import Row, text_of_cell

SPECIAL = st.text(st.sampled_from("\\\t\n\r\",'Nt.\x1e\x0b\x1a\x85\u2028\ufeff é😀"), max_size=12)
TEXTS = (
    st.text(max_size=12).map(storable)
    | SPECIAL
    | st.sampled_from(["", "\\N", "\\.", "NULL", '""', ",", "a\nb", "\r", "\t"])
)
CELLS = (
    st.none()
    | TEXTS
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.dates()
    | st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-9, minutes=-30))]))
)
ROWS = st.lists(CELLS, min_size=1, max_size=5)


# Of one document: they have the same number of cells of their own, and share others.
LINES = st.integers(1, 5).flatmap(lambda width: st.lists(st.tuples(*[CELLS] * width), max_size=5))
SHARED = st.lists(CELLS, min_size=1, max_size=4).map(tuple)


ANYTHING = Table(("t",), (Column("at", Kind.TIMESTAMP),))
TEXTS_AND_NUMBERS = Table(("t",), (Column("text", Kind.TEXT), Column("number", Kind.DECIMAL)))


def encode(form: LineFormat, rows: Sequence[Row], shared: Row, table: Table = ANYTHING) -> str:
    return form.encoder_of(table)(rows, form.share(shared)).decode()


def read_text(row: str) -> list[str | None]:
    """As PostgreSQL's COPY reads text. What it would read otherwise, or not at all, is an error here."""
    cells: list[str | None] = []
    for cell in row.split("\t"):
        assert not re.search(r"[\n\r\0]", cell)
        if cell == r"\N":
            cells.append(None)
            continue
        assert re.fullmatch(r"(?:[^\\]|\\[\\tnr])*", cell)
        cells.append(re.sub(r"\\(.)", lambda found: {"t": "\t", "n": "\n", "r": "\r"}.get(found[1], "\\"), cell))
    return cells


def read_csv(text: str) -> list[list[str | None]]:
    """CSV in which only quoted cells are texts."""
    cell = r"(?:Q((?:[^Q]|QQ)*)Q)?([,\n])".replace("Q", QUOTE)
    rows: list[list[str | None]] = []
    begins, place = True, 0
    while place < len(text):
        found = re.compile(cell).match(text, place)
        assert found, "neither empty nor quoted"
        if begins:
            rows.append([])
        rows[-1].append(None if found[1] is None else found[1].replace(QUOTE * 2, QUOTE))
        begins, place = found[2] == "\n", found.end()
    assert begins
    return rows


def texts(rows: Sequence[Row], shared: Row) -> list[list[str | None]]:
    return [[text_of_cell(cell) for cell in (*row, *shared)] for row in rows]


@given(LINES, SHARED)
@example([(None, "", "\\N"), ("", None, None)], (None,))
@example([("a\nb",), ("a\tb",), ("a\rb",)], ("",))
@example([("a\\",), (None,)], ("\n",))
def test_text_is_read_back_as_it_was(rows, shared):
    lines = encode(TextFormat(), rows, shared).split("\n")

    assert [read_text(line) for line in lines[:-1]] == texts(rows, shared)
    assert lines[-1] == ""


@given(LINES, SHARED)
@example([(None, "", QUOTE, f"{QUOTE},{QUOTE}", None)], (None,))
@example([(None, None), ("", ""), (None, "")], (QUOTE, None))
@example([("\n", ",")], ("\n",))
def test_csv_is_read_back_as_it_was(rows, shared):
    assert read_csv(encode(CsvFormat(), rows, shared)) == texts(rows, shared)


PLAIN_LINES = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.tuples(*[CELLS.filter(lambda cell: not isinstance(cell, bool | date))] * width))
)


@given(PLAIN_LINES, SHARED, st.sampled_from([TextFormat, CsvFormat]))
@example([(Decimal("1E+3"), 1), ("TYPE-B", None)], ("x",), TextFormat)
@example([(Decimal("1E-7"), "\x1e"), ("", None)], ("x",), CsvFormat)
def test_a_table_of_texts_and_numbers_has_the_same_lines_as_any_other(rows, shared, form):
    assert encode(form(), rows, shared, TEXTS_AND_NUMBERS) == encode(form(), rows, shared)


@given(LINES, SHARED)
def test_json_is_read_back_as_it_was_and_numbers_with_a_point_as_text(rows, shared):
    lines = encode(JsonFormat(encode_json), rows, shared).split("\n")

    assert [json.loads(line) for line in lines[:-1]] == [
        [cell if isinstance(cell, bool | int) else text_of_cell(cell) for cell in (*row, *shared)] for row in rows
    ]
    assert lines[-1] == ""


@given(LINES, SHARED)
def test_a_format_has_its_own_brackets_and_separator(rows, shared):
    form = LineFormat(lambda cells: "|".join(map(repr, cells)), "|", "<", ">")

    assert encode(form, rows, shared) == "".join(f"<{'|'.join(map(repr, (*row, *shared)))}>\n" for row in rows)


def test_cells_have_the_texts_that_every_engine_reads():
    at = datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=timezone(timedelta(hours=2)))

    row = (None, "", "a", True, False, -7, Decimal("1E+3"), Decimal("-0.10"), date(2026, 1, 2))

    assert encode(TextFormat(), [row], (at,)) == (
        "\\N\t\ta\ttrue\tfalse\t-7\t1000\t-0.10\t2026-01-02\t2026-01-02 01:04:05.678900\n"
    )
    assert encode(CsvFormat(), [row], (at,)).replace(QUOTE, "'") == (
        ",'','a','true','false','-7','1000','-0.10','2026-01-02','2026-01-02 01:04:05.678900'\n"
    )
    assert encode(JsonFormat(encode_json), [row], (at,)) == (
        '[null, "", "a", true, false, -7, "1000", "-0.10", "2026-01-02", "2026-01-02 01:04:05.678900"]\n'
    )


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_rows_of_json_are_read_in_portions_whatever_their_texts_look_like(tmp_path: Path, size: int):
    rows = [[text, None, 1] for text in ("a\nb", "\r", "\x85\u2028", "", "😀")]
    file = tmp_path / "rows"
    file.write_bytes("".join(f"[{encode_json(row)}]\n" for row in rows).encode())

    portions = list(read_json(file, size))

    assert [row for portion in portions for row in portion] == rows
    assert all(len(portion) == size for portion in portions[:-1])
    assert len(portions[-1]) <= size
