"""Rows as text, in the forms that engines load. Each of them is quick for what is common and right for the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any

from raydocs_provider.landing.values import Cell, text_of_cell

# Stands for NULL until the rest is written: no text holds it, because no database takes it.
_NULL = "\0"

#: Around the cells of CSV. Hardly a text holds it, and so has to be changed; JSON is full of quotation marks.
QUOTE = "\x1e"
_NEXT = f"{QUOTE},{QUOTE}"
_QUOTED_NULL = f"{QUOTE}{_NULL}{QUOTE}"


def encode_text(cells: Sequence[Cell]) -> str:
    r"""Cells with tabs between them, as PostgreSQL's COPY reads text: ``\N`` is NULL, a newline is ``\n``."""
    texts = [_NULL if cell is None else cell if type(cell) is str else text_of_cell(cell) or "" for cell in cells]
    row = "\t".join(texts)
    if row.count("\t") != len(texts) - 1:
        row = "\t".join([_escape(text).replace("\t", r"\t") for text in texts])
    elif "\\" in row or "\n" in row or "\r" in row:
        row = _escape(row)
    return row.replace(_NULL, r"\N")


def encode_csv(cells: Sequence[Cell]) -> str:
    """CSV in which an empty cell is NULL and every other is quoted, with `QUOTE`."""
    texts = [_NULL if cell is None else cell if type(cell) is str else text_of_cell(cell) or "" for cell in cells]
    row = _NEXT.join(texts)
    if row.count(QUOTE) != 2 * (len(texts) - 1):
        row = _NEXT.join([text.replace(QUOTE, QUOTE * 2) for text in texts])
    return f"{QUOTE}{row}{QUOTE}".replace(_QUOTED_NULL, "")


def encode_json(cells: Sequence[Cell]) -> str:
    """Cells as they stand in a JSON array. Numbers that are no integers are texts, and so exact."""
    return ", ".join(
        ["null" if cell is None else encode_basestring(cell) if type(cell) is str else _json_of(cell) for cell in cells]
    )


def read_json(file: Path, size: int) -> Iterator[list[list[Any]]]:
    """
    The rows of a file of JSON arrays, in portions.

    :param size: rows of a portion.
    """
    with file.open(encoding="utf-8", newline="\n") as lines:
        while portion := [json.loads(line) for line in islice(lines, size)]:
            yield portion


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace("\r", r"\r")


def _json_of(cell: Cell) -> str:
    text = text_of_cell(cell) or ""
    return text if isinstance(cell, bool | int) else encode_basestring(text)
