"""Rows as text, in the forms that engines load. Each of them is quick for what is common and right for the rest."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any

from raydocs_provider.landing.values import Cell, Row, text_of_cell

# Stand for NULL and for the end of a row until the rest is written: no text holds them, because no database takes them.
_NULL = "\0\0"
_END = "\0"

#: Around the cells of CSV. Hardly a text holds it, and so has to be changed; JSON is full of quotation marks.
QUOTE = "\x1e"
_NEXT = f"{QUOTE},{QUOTE}"
_QUOTED_NULL = f"{QUOTE}{_NULL}{QUOTE}"
_NEXT_END = f",{QUOTE}{_END}{QUOTE},".encode()


class RowFormat:
    """
    How rows stand in a file: one a line, each with the cells that all rows of its document share at its end.

    :param encode: cells -> text; encoded cells joined by ``separator`` are the encoding of them all.
    :param start: before each row; ``end`` after it.
    """

    def __init__(self, encode: Callable[[Sequence[Cell]], str], separator: str, start: str = "", end: str = "") -> None:
        self._encode = encode
        self._separator = separator
        self._start = start
        self._end = end

    def encode_end(self, shared: Row) -> bytes:
        """The end of each row of a document: most of it, and so encoded once."""
        return f"{self._separator}{self._encode(shared)}{self._end}\n".encode()

    def encode_lines(self, rows: Sequence[Row], end: bytes) -> bytes:
        """Rows of a document, each with this end."""
        return b"".join([(self._start + self._encode(row)).encode() + end for row in rows])


class JsonFormat(RowFormat):
    """A JSON array a line, to be read by `read_json`."""

    def __init__(self, encode: Callable[[Sequence[Cell]], str]) -> None:
        super().__init__(encode, ", ", "[", "]")


class TextFormat(RowFormat):
    r"""Tabs between cells, as PostgreSQL's COPY reads text: ``\N`` is NULL, a newline is ``\n``."""

    def __init__(self) -> None:
        super().__init__(_encode_text, "\t")

    def encode_lines(self, rows: Sequence[Row], end: bytes) -> bytes:
        """All rows at once, unless something in them has to be escaped."""
        texts = _texts_of(rows)
        text = "\t".join(texts)
        if "\\" in text or "\n" in text or "\r" in text or text.count("\t") != len(texts) - 1:
            return super().encode_lines(rows, end)
        # NULL first, as long as there is little text.
        return text.replace(_NULL, r"\N").encode().replace(b"\t\0\t", end)


class CsvFormat(RowFormat):
    """CSV in which an empty cell is NULL and every other is quoted, with `QUOTE`."""

    def __init__(self) -> None:
        super().__init__(_encode_csv, ",")

    def encode_lines(self, rows: Sequence[Row], end: bytes) -> bytes:
        """All rows at once, unless a quotation mark has to be doubled."""
        texts = _texts_of(rows)
        text = _NEXT.join(texts)
        if text.count(QUOTE) != 2 * (len(texts) - 1):
            return super().encode_lines(rows, end)
        # NULL first, as long as there is little text. The last quotation mark is of the empty text.
        return f"{QUOTE}{text}".replace(_QUOTED_NULL, "").encode().replace(_NEXT_END, end)[:-1]


def _texts_of(rows: Sequence[Row]) -> list[str]:
    """The cells of all rows, an end after each row, and an empty text."""
    texts = [
        cell if type(cell) is str else _NULL if cell is None else text_of_cell(cell) or ""
        for row in rows
        for cell in (*row, _END)
    ]
    texts.append("")
    return texts


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


def _encode_text(cells: Sequence[Cell]) -> str:
    texts = [_NULL if cell is None else cell if type(cell) is str else text_of_cell(cell) or "" for cell in cells]
    row = "\t".join(texts)
    if row.count("\t") != len(texts) - 1:
        row = "\t".join([_escape(text).replace("\t", r"\t") for text in texts])
    elif "\\" in row or "\n" in row or "\r" in row:
        row = _escape(row)
    return row.replace(_NULL, r"\N")


def _encode_csv(cells: Sequence[Cell]) -> str:
    texts = [_NULL if cell is None else cell if type(cell) is str else text_of_cell(cell) or "" for cell in cells]
    row = _NEXT.join(texts)
    if row.count(QUOTE) != 2 * (len(texts) - 1):
        row = _NEXT.join([text.replace(QUOTE, QUOTE * 2) for text in texts])
    return f"{QUOTE}{row}{QUOTE}".replace(_QUOTED_NULL, "")


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace("\r", r"\r")


def _json_of(cell: Cell) -> str:
    text = text_of_cell(cell) or ""
    return text if isinstance(cell, bool | int) else encode_basestring(text)
