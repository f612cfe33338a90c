from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from raydocs_provider.landing.values import Cell, storable, text_of_cell
from raydocs_provider.landing.warehouses.encoding import QUOTE, encode_csv, encode_json, encode_text, read_json

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


def read_csv(row: str) -> list[str | None]:
    """CSV in which only quoted cells are texts."""
    cells: list[str | None] = []
    rest = "," + row
    while rest:
        found = re.match(r",(?:Q((?:[^Q]|QQ)*)Q)?(?=,|$(?!\n))".replace("Q", QUOTE), rest)
        assert found, "neither empty nor quoted"
        cells.append(None if found[1] is None else found[1].replace(QUOTE * 2, QUOTE))
        rest = rest[found.end() :]
    return cells


def read_array(row: str) -> list[Any]:
    assert "\n" not in row
    return list(json.loads(f"[{row}]"))


@given(ROWS)
@example([None, "", "\\N"])
@example(["a\nb"])
@example(["a\tb"])
@example(["a\rb"])
def test_text_is_read_back_as_it_was(cells):
    assert read_text(encode_text(cells)) == [text_of_cell(cell) for cell in cells]


@given(ROWS)
@example([None, "", QUOTE, f"{QUOTE},{QUOTE}", None])
def test_csv_is_read_back_as_it_was(cells):
    assert read_csv(encode_csv(cells)) == [text_of_cell(cell) for cell in cells]


@given(ROWS)
def test_json_is_read_back_as_it_was_and_numbers_with_a_point_as_text(cells):
    assert read_array(encode_json(cells)) == [
        cell if isinstance(cell, bool | int) else text_of_cell(cell) for cell in cells
    ]


@pytest.mark.parametrize(
    ("encode", "separator"), [(encode_text, "\t"), (encode_csv, ","), (encode_json, ", ")], ids=["text", "csv", "json"]
)
@given(one=ROWS, other=ROWS)
def test_two_parts_of_a_row_are_encoded_as_the_whole(
    encode: Callable[[Sequence[Cell]], str], separator: str, one: list[Cell], other: list[Cell]
) -> None:
    assert encode(one) + separator + encode(other) == encode([*one, *other])


def test_cells_have_the_texts_that_every_engine_reads():
    at = datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=timezone(timedelta(hours=2)))

    cells = [None, "", "a", True, False, -7, Decimal("1E+3"), Decimal("-0.10"), date(2026, 1, 2), at]

    assert encode_text(cells) == "\\N\t\ta\ttrue\tfalse\t-7\t1000\t-0.10\t2026-01-02\t2026-01-02 01:04:05.678900"
    assert encode_csv(cells).replace(QUOTE, "'") == (
        ",'','a','true','false','-7','1000','-0.10','2026-01-02','2026-01-02 01:04:05.678900'"
    )
    assert encode_json(cells) == (
        'null, "", "a", true, false, -7, "1000", "-0.10", "2026-01-02", "2026-01-02 01:04:05.678900"'
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
