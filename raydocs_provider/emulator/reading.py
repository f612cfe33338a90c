"""
Turns a stored document into the lines of text on its pages, as the parsing step of Raydocs does.

PDF text is read by PDFium with the position of every character, so that what stands on one line in print is one line
here, and what stands under each other in print has the same cell number. Nothing looks at pixels: a scanned page reads
as an empty page. A PNG or JPEG can carry its text in its metadata (`scripts/make_samples.py` writes such pictures);
one that does not is readable but holds no text.
"""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import closing
from ctypes import byref, c_double
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import pypdfium2
import pypdfium2.raw as pdfium
from PIL import Image

IMAGE_TEXT_KEY = "raydocs-emulator-text"
"""
Where a picture carries its text: the keyword of a PNG text chunk, or the first line of a JPEG comment. The text is
UTF-8, one printed line per line, cells separated by tabs, pages by form feeds.
"""

# PDFium may be used by one thread at a time, whatever the number of documents.
_PDFIUM = threading.Lock()

# How much of a file's beginning is looked at to tell its type. PDF readers accept a header anywhere in the first KiB.
_HEAD_BYTES = 1024

# Distances between characters, in heights of a character.
_SAME_LINE = 0.4
_SAME_WORD = 0.15
_SAME_CELL = 0.6
_SAME_BLOCK = 2.5
# The same in font sizes.
_FREE_AROUND_INK = 0.1

# A line of more cells than this is no row of a table; it is not put under other cells.
_MOST_COLUMNS = 64


# What a PDF has to hold to show a line of text. It lacks the table of its objects, which readers make up for.
_SMALL_PDF = b"""%PDF-1.4
1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj
2 0 obj <</Type /Pages /Kids [3 0 R] /Count 1>> endobj
3 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 200 50] /Contents 5 0 R /Resources <</Font <</F 4 0 R>>>>>> endobj
4 0 obj <</Type /Font /Subtype /Type1 /BaseFont /Helvetica>> endobj
5 0 obj <</Length 42>> stream
BT /F 12 Tf 10 10 Td (A small PDF) Tj ET
endstream endobj
trailer <</Root 1 0 R>>
"""


class UnreadableDocument(Exception):  # noqa: N818 - the outcome of a document, not a mistake of the caller
    """The document cannot be parsed; the message is the reason, fit for showing to the user."""


@dataclass(frozen=True)
class Page:
    """
    One page of a document.

    :param number: counted from 1.
    :param lines: printed lines from top to bottom. Cells are separated by a tab; a cell left blank in a table is an
        empty one here. An empty line marks a wide vertical gap.
    """

    number: int
    lines: tuple[str, ...]


class _Glyph(NamedTuple):
    text: str
    left: float
    right: float
    baseline: float
    height: float


class _Cell(NamedTuple):
    text: str
    left: float
    right: float


def read_document(path: Path) -> tuple[Page, ...]:
    """
    The text of a PDF, PNG, JPEG or plain text file, page by page.

    The type is told from the content, never from the file's name.

    :raises UnreadableDocument: if the file is empty, corrupt, needs a password, or is of another type.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise UnreadableDocument("the file is empty")
    if b"%PDF-" in head:
        return _read_pdf(path)
    if head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
        return _read_image(path)
    if b"\0" not in head:
        return _read_text(path)
    raise UnreadableDocument("the file is neither a PDF nor a PNG or JPEG image nor plain text")


@cache
def check_reading() -> None:
    """
    Read a small PDF, once in a process: what is installed may lack what the reading of documents needs.

    :raises RuntimeError: with the version of pypdfium2.
    """
    try:
        read = [page.lines for page in _read_pdf(_SMALL_PDF)]
    except Exception as problem:
        read, cause = [], f"{type(problem).__name__}: {problem}"
    else:
        cause = f"a small PDF reads as {read}"
    if read != [("A small PDF",)]:
        raise RuntimeError(
            f"The emulator cannot read PDF documents with pypdfium2 {version('pypdfium2')} ({cause}). Install the one "
            "it is tested with: pip install --upgrade 'airflow-provider-raydocs[emulator]'."
        )


def _read_text(path: Path) -> tuple[Page, ...]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableDocument("the file is neither a PDF nor a PNG or JPEG image nor UTF-8 text") from error
    return _pages_of_text(text)


def _pages_of_text(text: str) -> tuple[Page, ...]:
    return tuple(Page(number, tuple(page.splitlines())) for number, page in enumerate(text.split("\f"), start=1))


def _read_image(path: Path) -> tuple[Page, ...]:
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            text = _carried_text(image)
            if image.format == "PNG":
                image.verify()
            else:
                # Decoding is the only check a JPEG has; at an eighth of its size it costs little memory.
                image.draft("L", (1, 1))
                image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableDocument(f"the image cannot be decoded: {type(error).__name__}") from error
    return _pages_of_text(text)


def _carried_text(image: Image.Image) -> str:
    if image.format == "PNG":
        return str(image.info.get(IMAGE_TEXT_KEY, ""))
    comment = image.info.get("comment", b"")
    key, _, text = comment.decode("utf-8", "replace").partition("\n")
    return text if key == IMAGE_TEXT_KEY else ""


def _read_pdf(source: Path | bytes) -> tuple[Page, ...]:
    with _PDFIUM:
        try:
            # Not as a context manager, which it has been since pypdfium2 5.0 only.
            with closing(pypdfium2.PdfDocument(source)) as document:
                if len(document) == 0:
                    raise UnreadableDocument("the PDF has no pages")
                return tuple(_read_pdf_page(document, index) for index in range(len(document)))
        except pypdfium2.PdfiumError as error:
            raise UnreadableDocument(f"the PDF cannot be opened: {error}") from error


def _read_pdf_page(document: Any, index: int) -> Page:
    # Closed page by page: PDFium keeps the objects of every open page in memory.
    page = document[index]
    try:
        textpage = page.get_textpage()
        try:
            glyphs = list(_glyphs_of(textpage, page.get_rotation()))
        finally:
            textpage.close()
    finally:
        page.close()
    return Page(index + 1, tuple(_lines_of(glyphs)))


def _glyphs_of(textpage: Any, rotation: int) -> Iterator[_Glyph]:
    x, y = c_double(), c_double()
    box = pdfium.FS_RECTF()
    ink = c_double(), c_double(), c_double(), c_double()  # left, right, bottom, top
    high_surrogate = ""
    for index in range(textpage.count_chars()):
        # PDFium makes up spaces and line ends; where those belong is what is found out here, by position.
        if pdfium.FPDFText_IsGenerated(textpage, index) == 1:
            continue
        text = _printable(pdfium.FPDFText_GetUnicode(textpage, index))
        if "\ud800" <= text <= "\udbff":
            high_surrogate = text
            continue
        text = (high_surrogate + text).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        high_surrogate = ""
        if not text:
            continue
        pdfium.FPDFText_GetCharOrigin(textpage, index, byref(x), byref(y))
        pdfium.FPDFText_GetLooseCharBox(textpage, index, byref(box))
        if box.left == box.right and box.top == box.bottom:
            # As pypdfium2 4 has it for text that is turned: the ink, with some of what a letter keeps free around it.
            pdfium.FPDFText_GetCharBox(textpage, index, *map(byref, ink))
            free = _FREE_AROUND_INK * pdfium.FPDFText_GetFontSize(textpage, index)
            box.left, box.right = ink[0].value - free, ink[1].value + free
            box.bottom, box.top = ink[2].value - free, ink[3].value + free
        (left, top), (right, bottom) = _turned(box.left, box.top, rotation), _turned(box.right, box.bottom, rotation)
        _, baseline = _turned(x.value, y.value, rotation)
        yield _Glyph(text, min(left, right), max(left, right), baseline, max(abs(top - bottom), 1.0))


def _turned(x: float, y: float, rotation: int) -> tuple[float, float]:
    """A point of a page where it is once the page is shown, that is turned clockwise by ``rotation`` degrees."""
    return {90: (y, -x), 180: (-x, -y), 270: (-y, x)}.get(rotation, (x, y))


def _printable(codepoint: int) -> str:
    """The character as it is kept: any white space is a space, what cannot be shown is nothing."""
    if codepoint == 0x02:  # how PDFium reports a hyphen at the end of a line
        return "-"
    text = chr(codepoint)
    if text.isspace():
        return " "
    return "" if unicodedata.category(text) in ("Cc", "Cn", "Cf") else text


def _lines_of(glyphs: Sequence[_Glyph]) -> Iterator[str]:
    """Lines from top to bottom, their cells put under those of the line before where they stand under them."""
    columns: list[_Cell] = []
    above: _Glyph | None = None
    for row in _rows_of(glyphs):
        cells = _cells_of(row)
        if not cells:
            continue
        if above is not None and above.baseline - row[0].baseline > _SAME_BLOCK * max(above.height, row[0].height):
            yield ""
            columns = []
        columns = _aligned(cells, columns)
        above = row[0]
        yield "\t".join(cell.text for cell in columns).rstrip("\t")


def _rows_of(glyphs: Sequence[_Glyph]) -> list[list[_Glyph]]:
    rows: list[list[_Glyph]] = []
    for glyph in sorted(glyphs, key=lambda glyph: -glyph.baseline):
        first = rows[-1][0] if rows else None
        if first and first.baseline - glyph.baseline <= _SAME_LINE * min(first.height, glyph.height):
            rows[-1].append(glyph)
        else:
            rows.append([glyph])
    return rows


def _cells_of(row: Sequence[_Glyph]) -> list[_Cell]:
    cells: list[list[_Glyph]] = []
    spaced = False
    for glyph in sorted(row, key=lambda glyph: glyph.left):
        if glyph.text == " ":
            spaced = True
            continue
        gap = glyph.left - cells[-1][-1].right if cells else float("inf")
        if gap > _SAME_CELL * glyph.height:
            cells.append([glyph])
        elif spaced or gap > _SAME_WORD * glyph.height:
            cells[-1].append(glyph._replace(text=" " + glyph.text))
        else:
            cells[-1].append(glyph)
        spaced = False
    return [
        _Cell(
            unicodedata.normalize("NFC", "".join(glyph.text for glyph in cell)),
            cell[0].left,
            max(glyph.right for glyph in cell),
        )
        for cell in cells
    ]


def _aligned(cells: Sequence[_Cell], columns: Sequence[_Cell]) -> list[_Cell]:
    """
    The cells of a line, with empty ones where a column of the line above has nothing on this line.

    A line with a cell under no column, or two under the same, is laid out differently and starts columns of its own.
    """
    if len(cells) > min(len(columns), _MOST_COLUMNS):
        return list(cells)
    taken: dict[int, _Cell] = {}
    for cell in cells:
        overlap, column = max((_overlap(cell, column), index) for index, column in enumerate(columns))
        if overlap <= 0 or column in taken:
            return list(cells)
        taken[column] = cell
    return [
        _Cell(taken[index].text, min(column.left, taken[index].left), max(column.right, taken[index].right))
        if index in taken
        else column._replace(text="")
        for index, column in enumerate(columns)
    ]


def _overlap(one: _Cell, other: _Cell) -> float:
    return min(one.right, other.right) - max(one.left, other.left)
