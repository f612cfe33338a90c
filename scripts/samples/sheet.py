"""Drawing on the pages of a PDF: text with an alignment, boxes and rules, and how rows are spread over pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import simpleSplit
from reportlab.pdfgen.canvas import Canvas

WIDTH, HEIGHT = A4
Align = Literal["left", "right", "center"]


class Sheet:
    """
    A PDF being drawn. Distances are in points from the top left corner of the page.

    No compression and no embedded fonts, so that the bytes depend on nothing but what is drawn.
    """

    def __init__(self, path: Path, *, title: str, font: str, bold: str) -> None:
        self.font, self.bold = font, bold
        self._canvas = Canvas(str(path), pagesize=A4, invariant=1, pageCompression=0)
        self._canvas.setTitle(title)
        self._canvas.setAuthor("airflow-provider-raydocs")

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 9,
        bold: bool = False,
        color: str = "#1f2430",
        align: Align = "left",
        spacing: float = 0,
    ) -> None:
        font = self.bold if bold else self.font
        self._canvas.setFillColor(HexColor(color))
        self._canvas.setFont(font, size)
        if align != "left":
            width = self._canvas.stringWidth(text, font, size)
            x -= width if align == "right" else width / 2
        self._canvas.drawString(x, HEIGHT - y, text, charSpace=spacing)

    def block(self, x: float, y: float, lines: Sequence[str], *, size: float = 9, color: str = "#1f2430") -> float:
        """Lines under each other; returns the y below the last."""
        for line in lines:
            self.text(x, y, line, size=size, color=color)
            y += size * 1.35
        return y

    def box(self, x: float, y: float, width: float, height: float, *, fill: str, radius: float = 0) -> None:
        self._canvas.setFillColor(HexColor(fill))
        self._canvas.roundRect(x, HEIGHT - y - height, width, height, radius, stroke=0, fill=1)

    def disc(self, x: float, y: float, radius: float, *, fill: str) -> None:
        self._canvas.setFillColor(HexColor(fill))
        self._canvas.circle(x, HEIGHT - y, radius, stroke=0, fill=1)

    def frame(self, x: float, y: float, width: float, height: float, *, color: str = "#1f2430") -> None:
        self._canvas.setStrokeColor(HexColor(color))
        self._canvas.setLineWidth(0.6)
        self._canvas.rect(x, HEIGHT - y - height, width, height, stroke=1, fill=0)

    def rule(self, x: float, y: float, width: float, *, weight: float = 0.6, color: str = "#1f2430") -> None:
        self._canvas.setStrokeColor(HexColor(color))
        self._canvas.setLineWidth(weight)
        self._canvas.line(x, HEIGHT - y, x + width, HEIGHT - y)

    def wrap(self, text: str, width: float, size: float) -> list[str]:
        return [str(line) for line in simpleSplit(text, self.font, size, width)]

    def next_page(self) -> None:
        self._canvas.showPage()

    def save(self) -> None:
        self._canvas.showPage()
        self._canvas.save()


def paginate(heights: Sequence[float], *, first: float, later: float, tail: float) -> list[range]:
    """
    Which rows go on which page.

    :param heights: of the rows.
    :param first: room for rows on the first page.
    :param later: room for rows on every further page.
    :param tail: what has to fit below the last row. If it does not, the last rows move to one more page with it.
    """
    pages: list[range] = []
    start, used, room = 0, 0.0, first
    for index, height in enumerate(heights):
        if used + height > room:
            pages.append(range(start, index))
            start, used, room = index, 0.0, later
        used += height
    pages.append(range(start, len(heights)))
    if used + tail > room:
        split = max(start + 1, len(heights) - 3)
        pages[-1:] = [range(start, split), range(split, len(heights))]
    return pages
