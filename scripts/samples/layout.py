"""What all layouts of an invoice share: rows spread over pages, and how dates and amounts are written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

from samples.invoices import Invoice, LineItem
from samples.sheet import HEIGHT, WIDTH, Align, Sheet, paginate

GREY = "#6b7280"
PALE = "#e5e7eb"
INK = "#1f2430"
HEADING = 22
SIGNS = {"EUR": "€", "USD": "$", "GBP": "£"}


@dataclass(frozen=True)
class Column:
    heading: str
    x: float
    align: Align


class Layout(ABC):
    """
    One way to print an invoice.

    :param accent: the company's colour, where the layout has one.
    :param repeat_heading: whether the heading of the table stands on every page or on the first only.
    :param date_label: what the date of the invoice is called.
    :param name_currency: whether the currency has a label of its own or shows on the amounts alone.
    """

    font: ClassVar[str] = "Helvetica"
    bold: ClassVar[str] = "Helvetica-Bold"
    size: ClassVar[float] = 9
    margin: ClassVar[float] = 50
    first_row: ClassVar[float]
    later_row: ClassVar[float] = 110
    last_row: ClassVar[float] = HEIGHT - 90
    padding: ClassVar[float] = 8
    tail: ClassVar[float] = 110
    columns: ClassVar[tuple[Column, ...]]
    description_width: ClassVar[float]

    def __init__(
        self,
        *,
        accent: str = "#0f766e",
        repeat_heading: bool = True,
        date_label: str = "Invoice date",
        name_currency: bool = True,
    ) -> None:
        self.accent = accent
        self.repeat_heading = repeat_heading
        self.date_label = date_label
        self.name_currency = name_currency

    def draw(self, invoice: Invoice, path: Path) -> None:
        sheet = Sheet(path, title=f"Invoice {invoice.number}", font=self.font, bold=self.bold)
        descriptions = [sheet.wrap(item.description, self.description_width, self.size) for item in invoice.items]
        pages = paginate(
            [len(lines) * self.size * 1.25 + self.padding for lines in descriptions],
            first=self.last_row - self.first_row - HEADING,
            later=self.last_row - self.later_row - 2 * HEADING,
            tail=self.tail,
        )
        carried = Decimal(0)
        for number, rows in enumerate(pages, start=1):
            if number == 1:
                self.draw_head(sheet, invoice)
                y = self.first_row
            else:
                sheet.next_page()
                self.draw_later_head(sheet, invoice)
                y = self.later_row
            if number == 1 or self.repeat_heading:
                self.draw_heading(sheet, y)
            y += HEADING
            if number > 1:
                y += self.draw_carried(sheet, y, invoice, carried, "from")
            for index in rows:
                item = invoice.items[index]
                y = self.draw_row(sheet, y, invoice, item, descriptions[index])
                carried += item.total
            if number < len(pages):
                self.draw_carried(sheet, y, invoice, carried, "to")
            else:
                self.draw_totals(sheet, y + 14, invoice)
            self.draw_foot(sheet, invoice, number, len(pages))
        sheet.save()

    @abstractmethod
    def draw_head(self, sheet: Sheet, invoice: Invoice) -> None: ...

    @abstractmethod
    def draw_totals(self, sheet: Sheet, y: float, invoice: Invoice) -> None: ...

    @abstractmethod
    def draw_foot(self, sheet: Sheet, invoice: Invoice, page: int, pages: int) -> None: ...

    def draw_later_head(self, sheet: Sheet, invoice: Invoice) -> None:
        sheet.text(self.margin, 60, invoice.vendor.name, bold=True, size=11)
        sheet.text(WIDTH - self.margin, 60, f"Invoice {invoice.number}, continued", color=GREY, align="right")
        sheet.rule(self.margin, 72, WIDTH - 2 * self.margin, color=PALE)

    def draw_heading(self, sheet: Sheet, y: float) -> None:
        for column in self.columns:
            sheet.text(column.x, y, column.heading, size=self.size, bold=True, align=column.align)

    def draw_row(self, sheet: Sheet, y: float, invoice: Invoice, item: LineItem, description: Sequence[str]) -> float:
        """Returns the y of the next row."""
        values = [
            str(item.position),
            description[0],
            self.number(item.quantity),
            self.number(item.unit_price, places=2),
            self.number(item.total, places=2),
        ]
        for column, value in zip(self.columns, values, strict=True):
            sheet.text(column.x, y, value, size=self.size, align=column.align)
        for line in description[1:]:
            y += self.size * 1.25
            sheet.text(self.columns[1].x, y, line, size=self.size)
        return y + self.size * 1.25 + self.padding

    def draw_carried(self, sheet: Sheet, y: float, invoice: Invoice, amount: Decimal, way: str) -> float:
        """What has been added up so far, where a layout prints that; returns the height it took."""
        return 0

    def draw_sums(self, sheet: Sheet, y: float, x: float, sums: Sequence[tuple[str, str]]) -> float:
        for label, value in sums:
            sheet.text(x, y, label, size=self.size, color=GREY)
            sheet.text(self.columns[-1].x, y, value, size=self.size, align="right")
            y += self.size * 1.9
        return y

    def facts(self, invoice: Invoice) -> list[tuple[str, str]]:
        """What identifies the invoice, label and value; an unknown value is left blank."""
        facts = [
            ("Invoice number", invoice.number),
            (self.date_label, self.day(invoice.invoice_date)),
            ("Due date", self.day(invoice.due_date)),
            ("Purchase order", invoice.purchase_order or ""),
        ]
        return [*facts, ("Currency", invoice.currency)] if self.name_currency else facts

    def day(self, day: date | None) -> str:
        return day.isoformat() if day else ""

    def number(self, value: Decimal, *, places: int | None = None) -> str:
        return f"{value:,.{places}f}" if places is not None else f"{value.normalize():,f}"

    def money(self, value: Decimal, currency: str) -> str:
        return f"{SIGNS[currency]}{self.number(value, places=2)}"

    def percent(self, value: Decimal) -> str:
        return f"{self.number(value)}%"
