"""Rows as text, in the forms that engines load. Each of them is quick for what is common and right for the rest."""

from __future__ import annotations

import json
from abc import abstractmethod
from array import array
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from itertools import islice
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any, BinaryIO

from raydocs_provider.landing.tables import Kind, Table
from raydocs_provider.landing.texts import may_have_exponent
from raydocs_provider.landing.values import Cell, Row, text_of_cell

_BUFFER_BYTES = 1 << 17
_CHUNK_BYTES = 1 << 20

# Stand for NULL and for the end of a row until the rest is written: no text holds them, because no database takes them.
_NULL = "\0\0"
_END = "\0"

#: Around the cells of CSV. Hardly a text holds it, and so has to be changed; JSON is full of quotation marks.
QUOTE = "\x1e"
_NEXT = f"{QUOTE},{QUOTE}"
_QUOTED_NULL = f"{QUOTE}{_NULL}{QUOTE}"
_NEXT_END = f",{QUOTE}{_END}{QUOTE},".encode()

# `str` writes their cells as every engine reads them, but for exponents.
_PLAIN = (Kind.TEXT, Kind.JSON, Kind.DECIMAL, Kind.INTEGER)

#: Rows of a document, and the end of each line -> lines.
EncodeLines = Callable[[Sequence[Row], bytes], bytes]


class TextFile:
    """
    Rows as lines. No file is open but while it is written to or read.

    :param encode_lines: makes lines of the rows of a document.
    """

    def __init__(self, path: Path, encode_lines: EncodeLines) -> None:
        self._path = path
        self._rest = path.with_name(f"{path.name}-rest")
        self._encode_lines = encode_lines
        self._buffer: list[bytes] = []
        self._buffered = 0
        self._sizes = array("Q")
        self.counts = array("Q")

    def write(self, rows: Sequence[Row], shared: bytes) -> int:
        """Write the rows of the next document. Returns how many bytes they are."""
        lines = self._encode_lines(rows, shared) if rows else b""
        size = len(lines)
        self._sizes.append(size)
        self.counts.append(len(rows))
        self._buffer.append(lines)
        self._buffered += size
        if self._buffered > _BUFFER_BYTES:
            self.complete()
        return size

    def complete(self) -> None:
        """Have the file hold all that was written."""
        with self._path.open("ab") as file:
            file.write(b"".join(self._buffer))
        self._buffer.clear()
        self._buffered = 0

    def path(self, without: Collection[int]) -> Path:
        """
        The file.

        :param without: documents whose rows are left out, by their place; where there are any, it is a copy.
        """
        if not any(self._sizes[place] for place in without):
            return self._path
        with self._path.open("rb") as source, self._rest.open("wb") as target:
            for place, size in enumerate(self._sizes):
                if place in without:
                    source.seek(size, 1)
                else:
                    _copy(source, target, size)
        return self._rest

    def delete(self) -> None:
        """Delete the files."""
        self._path.unlink()
        self._rest.unlink(missing_ok=True)


class LineFormat:
    """
    One row a line, each with the cells that all rows of its document share at its end.

    :param encode: cells -> text; encoded cells joined by ``separator`` are the encoding of them all.
    :param start: before each row; ``end`` after it.
    """

    def __init__(self, encode: Callable[[Sequence[Cell]], str], separator: str, start: str = "", end: str = "") -> None:
        self._encode = encode
        self._separator = separator
        self._start = start
        self._end = end

    def share(self, cells: Row) -> bytes:
        """The end of each row of a document: most of it, and so encoded once."""
        return f"{self._separator}{self._encode(cells)}{self._end}\n".encode()

    def encoder_of(self, table: Table) -> EncodeLines:
        """What makes lines of the rows that a document has for a table."""
        return self.encode_lines

    def encode_lines(self, rows: Sequence[Row], end: bytes) -> bytes:
        """Rows of a document, each with this end."""
        return b"".join([(self._start + self._encode(row)).encode() + end for row in rows])


class JsonFormat(LineFormat):
    """A JSON array a line, to be read by `read_json`."""

    def __init__(self, encode: Callable[[Sequence[Cell]], str]) -> None:
        super().__init__(encode, ", ", "[", "]")


class _QuickFormat(LineFormat):
    """
    All rows of a document are encoded at once, unless something in them makes that difficult.

    :param between: what stands between the texts of two cells.
    """

    def __init__(self, encode: Callable[[Sequence[Cell]], str], separator: str, between: str) -> None:
        super().__init__(encode, separator)
        self._between = between

    def encoder_of(self, table: Table) -> EncodeLines:
        """Most tables have only texts and numbers."""
        return partial(self._encode_at_once, is_plain=all(column.kind in _PLAIN for column in table.own))

    @abstractmethod
    def finish(self, text: str, cells: int, end: bytes) -> bytes | None:
        """
        Make lines of joined texts; None if that is too difficult.

        :param cells: how many texts there are.
        :param end: of each line.
        """

    def _encode_at_once(self, rows: Sequence[Row], end: bytes, is_plain: bool) -> bytes:
        texts = _plain_texts_of(rows) if is_plain else _texts_of(rows)
        text = self._between.join(texts)
        if is_plain and may_have_exponent(text):
            text = self._between.join(_texts_of(rows))
        lines = self.finish(text, len(texts), end)
        return self.encode_lines(rows, end) if lines is None else lines


class TextFormat(_QuickFormat):
    r"""Tabs between cells, as PostgreSQL's COPY reads text: ``\N`` is NULL, a newline is ``\n``."""

    def __init__(self) -> None:
        super().__init__(_encode_text, "\t", "\t")

    def finish(self, text: str, cells: int, end: bytes) -> bytes | None:
        """What is difficult is whatever has to be escaped."""
        if "\\" in text or "\n" in text or "\r" in text or text.count("\t") != cells - 1:
            return None
        # NULL first, as long as there is little text.
        return text.replace(_NULL, r"\N").encode().replace(b"\t\0\t", end)


class CsvFormat(_QuickFormat):
    """CSV in which an empty cell is NULL and every other is quoted, with `QUOTE`."""

    def __init__(self) -> None:
        super().__init__(_encode_csv, ",", _NEXT)

    def finish(self, text: str, cells: int, end: bytes) -> bytes | None:
        """What is difficult is a quotation mark that has to be doubled."""
        if text.count(QUOTE) != 2 * (cells - 1):
            return None
        # NULL first, as long as there is little text. The last quotation mark is of the empty text.
        return f"{QUOTE}{text}".replace(_QUOTED_NULL, "").encode().replace(_NEXT_END, end)[:-1]


def _texts_of(rows: Sequence[Sequence[Cell]]) -> list[str]:
    """The cells of all rows, an end after each row, and an empty text."""
    texts = [
        cell if type(cell) is str else _NULL if cell is None else text_of_cell(cell) or ""
        for row in rows
        for cell in (*row, _END)
    ]
    texts.append("")
    return texts


def _plain_texts_of(rows: Sequence[Sequence[Cell]]) -> list[str]:
    """As `_texts_of`, in half the time, for texts and numbers; only exponents are left in."""
    texts = [_NULL if cell is None else str(cell) for row in rows for cell in (*row, _END)]
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
    *texts, _, _ = _texts_of([cells])
    row = "\t".join(texts)
    if row.count("\t") != len(texts) - 1:
        row = "\t".join([_escape(text).replace("\t", r"\t") for text in texts])
    elif "\\" in row or "\n" in row or "\r" in row:
        row = _escape(row)
    return row.replace(_NULL, r"\N")


def _encode_csv(cells: Sequence[Cell]) -> str:
    *texts, _, _ = _texts_of([cells])
    row = _NEXT.join(texts)
    if row.count(QUOTE) != 2 * (len(texts) - 1):
        row = _NEXT.join([text.replace(QUOTE, QUOTE * 2) for text in texts])
    return f"{QUOTE}{row}{QUOTE}".replace(_QUOTED_NULL, "")


def _copy(source: BinaryIO, target: BinaryIO, size: int) -> None:
    while size:
        chunk = source.read(min(size, _CHUNK_BYTES))
        target.write(chunk)
        size -= len(chunk)


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace("\r", r"\r")


def _json_of(cell: Cell) -> str:
    text = text_of_cell(cell) or ""
    return text if isinstance(cell, bool | int) else encode_basestring(text)
