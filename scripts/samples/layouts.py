"""How invoices look: four layouts, as four kinds of companies would send them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from samples.invoices import Invoice, LineItem
from samples.layout import GREY, PALE, SIGNS, Column, Layout
from samples.sheet import HEIGHT, WIDTH, Sheet


class Classic(Layout):
    """A letterhead in a serif face, centred, with ruled lines."""

    font = "Times-Roman"
    bold = "Times-Bold"
    size = 10.5
    margin = 60
    first_row = 355
    columns = (
        Column("No.", 60, "left"),
        Column("Description", 92, "left"),
        Column("Quantity", 372, "right"),
        Column("Unit price", 450, "right"),
        Column("Amount", WIDTH - 60, "right"),
    )
    description_width = 215

    def day(self, day: date | None) -> str:
        return f"{day:%B} {day.day}, {day.year}" if day else ""

    def draw_head(self, sheet: Sheet, invoice: Invoice) -> None:
        vendor, middle, width = invoice.vendor, WIDTH / 2, WIDTH - 2 * self.margin
        sheet.text(middle, 78, vendor.name, size=24, bold=True, align="center")
        sheet.text(middle, 96, "  ·  ".join(vendor.address), size=9.5, color=GREY, align="center")
        sheet.text(middle, 110, f"{vendor.phone}  ·  {vendor.email}", size=9.5, color=GREY, align="center")
        sheet.rule(self.margin, 122, width, weight=1.6)
        sheet.rule(self.margin, 125, width, weight=0.5)
        sheet.text(middle, 160, "INVOICE", size=19, align="center")
        y = 195.0
        for label, value in self.facts(invoice):
            sheet.text(345, y, f"{label}:", size=self.size, color=GREY)
            sheet.text(WIDTH - self.margin, y, value, size=self.size, align="right")
            y += 17
        y = 195.0
        for label, lines in (
            ("Supplier:", (vendor.name, f"{vendor.tax_id_label}: {vendor.tax_id}")),
            ("Customer:", (invoice.customer.name, *invoice.customer.address)),
        ):
            sheet.text(self.margin, y, label, size=self.size, color=GREY)
            y = sheet.block(self.margin, y + 15, lines, size=self.size) + 10

    def draw_heading(self, sheet: Sheet, y: float) -> None:
        width = WIDTH - 2 * self.margin
        sheet.rule(self.margin, y - 14, width, weight=1)
        super().draw_heading(sheet, y)
        sheet.rule(self.margin, y + 6, width)

    def draw_totals(self, sheet: Sheet, y: float, invoice: Invoice) -> None:
        sheet.rule(345, y - 18, WIDTH - self.margin - 345)
        y = self.draw_sums(
            sheet,
            y,
            345,
            [
                ("Subtotal", self.money(invoice.subtotal, invoice.currency)),
                ("Tax rate", self.percent(invoice.tax_rate)),
                (invoice.vendor.tax, self.money(invoice.tax_amount, invoice.currency)),
            ],
        )
        sheet.rule(345, y - 12, WIDTH - self.margin - 345, weight=1)
        sheet.text(345, y + 4, "Total due", size=12, bold=True)
        total = self.money(invoice.total_amount, invoice.currency)
        sheet.text(WIDTH - self.margin, y + 4, total, size=12, bold=True, align="right")
        sheet.rule(345, y + 11, WIDTH - self.margin - 345, weight=1)

    def draw_foot(self, sheet: Sheet, invoice: Invoice, page: int, pages: int) -> None:
        sheet.rule(self.margin, HEIGHT - 62, WIDTH - 2 * self.margin, weight=0.5)
        text = f"Please pay to {invoice.vendor.bank}. Thank you for your business."
        sheet.text(WIDTH / 2, HEIGHT - 48, text, size=9, color=GREY, align="center")
        sheet.text(WIDTH / 2, HEIGHT - 34, f"Page {page} of {pages}", size=9, color=GREY, align="center")


class Modern(Layout):
    """A band in the company's colour, facts in a row below it, a tinted total."""

    first_row = 330
    padding = 16
    columns = (
        Column("#", 56, "left"),
        Column("Description", 82, "left"),
        Column("Qty", 375, "right"),
        Column("Price", 455, "right"),
        Column("Total", WIDTH - 56, "right"),
    )
    description_width = 245

    def day(self, day: date | None) -> str:
        return f"{day.day} {day:%b %Y}" if day else ""

    def draw_head(self, sheet: Sheet, invoice: Invoice) -> None:
        vendor = invoice.vendor
        sheet.box(0, 0, WIDTH, 118, fill=self.accent)
        sheet.disc(68, 58, 18, fill="#ffffff")
        sheet.disc(80, 58, 11, fill=self.accent)
        sheet.disc(84, 58, 6, fill="#ffffff")
        sheet.text(104, 56, vendor.name, size=19, bold=True, color="#ffffff")
        sheet.text(104, 74, f"{vendor.email}  |  {vendor.phone}", size=8.5, color="#ffffff")
        sheet.text(WIDTH - 50, 64, "Invoice", size=26, color="#ffffff", align="right")
        for x, label, lines in (
            (50, "FROM", (vendor.name, *vendor.address)),
            (320, "BILLED TO", (invoice.customer.name, *invoice.customer.address)),
        ):
            sheet.text(x, 150, label, size=8, bold=True, color=self.accent)
            sheet.block(x, 165, lines, size=9.5)
        sheet.text(50, 228, f"{vendor.tax_id_label}: {vendor.tax_id}", size=9, color=GREY)
        sheet.box(50, 246, WIDTH - 100, 46, fill="#f3f4f6", radius=5)
        facts = self.facts(invoice)
        for index, (label, value) in enumerate(facts):
            x = 64 + index * (WIDTH - 120) / len(facts)
            sheet.text(x, 264, label, size=8, color=GREY)
            sheet.text(x, 279, value, size=10, bold=True)

    def draw_later_head(self, sheet: Sheet, invoice: Invoice) -> None:
        sheet.box(0, 0, WIDTH, 40, fill=self.accent)
        sheet.text(50, 25, invoice.vendor.name, size=11, bold=True, color="#ffffff")
        sheet.text(WIDTH - 50, 25, f"Invoice {invoice.number}, continued", color="#ffffff", align="right")

    def draw_heading(self, sheet: Sheet, y: float) -> None:
        super().draw_heading(sheet, y)
        sheet.rule(self.margin, y + 7, WIDTH - 2 * self.margin, weight=1.4, color=self.accent)

    def draw_row(self, sheet: Sheet, y: float, invoice: Invoice, item: LineItem, description: Sequence[str]) -> float:
        below = super().draw_row(sheet, y, invoice, item, description)
        sheet.rule(self.margin, below - self.size - 5, WIDTH - 2 * self.margin, weight=0.4, color=PALE)
        return below

    def draw_totals(self, sheet: Sheet, y: float, invoice: Invoice) -> None:
        y = self.draw_sums(
            sheet,
            y,
            350,
            [
                ("Subtotal", self.money(invoice.subtotal, invoice.currency)),
                (
                    f"{invoice.vendor.tax} {self.percent(invoice.tax_rate)}",
                    self.money(invoice.tax_amount, invoice.currency),
                ),
            ],
        )
        sheet.box(336, y - 8, WIDTH - 50 - 336, 30, fill=self.accent, radius=5)
        sheet.text(350, y + 11, "Amount due", size=11, bold=True, color="#ffffff")
        total = self.money(invoice.total_amount, invoice.currency)
        sheet.text(WIDTH - 60, y + 11, total, size=12, bold=True, color="#ffffff", align="right")

    def draw_foot(self, sheet: Sheet, invoice: Invoice, page: int, pages: int) -> None:
        sheet.text(50, HEIGHT - 40, f"{invoice.vendor.name}  |  {invoice.vendor.bank}", size=8, color=GREY)
        sheet.text(WIDTH - 50, HEIGHT - 40, f"{page} / {pages}", size=8, color=GREY, align="right")


class Compact(Layout):
    """Everything on little paper: two columns of facts, a dense striped table."""

    size = 8
    margin = 40
    first_row = 222
    padding = 6
    tail = 90
    columns = (
        Column("Item", 46, "left"),
        Column("Description", 80, "left"),
        Column("Qty", 400, "right"),
        Column("Unit price", 472, "right"),
        Column("Line total", WIDTH - 46, "right"),
    )
    description_width = 280

    def money(self, value: Decimal, currency: str) -> str:
        return f"{self.number(value, places=2)} {currency}" if self.name_currency else super().money(value, currency)

    def day(self, day: date | None) -> str:
        return f"{day:%d-%b-%Y}" if day else ""

    def draw_head(self, sheet: Sheet, invoice: Invoice) -> None:
        vendor = invoice.vendor
        sheet.box(self.margin, 36, 6, 26, fill=self.accent)
        sheet.text(54, 58, "INVOICE", size=22, bold=True)
        sheet.text(WIDTH - self.margin, 52, vendor.name, size=13, bold=True, align="right")
        sheet.rule(self.margin, 74, WIDTH - 2 * self.margin, weight=1.2, color=self.accent)
        left = [
            f"Seller: {vendor.name}",
            *vendor.address,
            f"{vendor.tax_id_label}: {vendor.tax_id}",
            "",
            f"Buyer: {invoice.customer.name}",
            *invoice.customer.address,
        ]
        for index, line in enumerate(left):
            sheet.text(self.margin, 94 + index * 12, line, size=8.5, bold=line.startswith(("Seller", "Buyer")))
        for index, (label, value) in enumerate(self.facts(invoice)):
            sheet.text(340, 94 + index * 15, f"{label.replace('number', 'No.')}: {value}".rstrip(), size=9)

    def draw_heading(self, sheet: Sheet, y: float) -> None:
        sheet.box(self.margin, y - 12, WIDTH - 2 * self.margin, 18, fill=self.accent)
        for column in self.columns:
            sheet.text(column.x, y, column.heading, size=self.size, bold=True, color="#ffffff", align=column.align)

    def draw_row(self, sheet: Sheet, y: float, invoice: Invoice, item: LineItem, description: Sequence[str]) -> float:
        if item.position % 2 == 0:
            height = len(description) * self.size * 1.25 + self.padding
            sheet.box(self.margin, y - 11, WIDTH - 2 * self.margin, height, fill="#f3f4f6")
        return super().draw_row(sheet, y, invoice, item, description)

    def draw_totals(self, sheet: Sheet, y: float, invoice: Invoice) -> None:
        sheet.rule(self.margin, y - 20, WIDTH - 2 * self.margin, weight=1.2, color=self.accent)
        y = self.draw_sums(
            sheet,
            y,
            360,
            [
                ("Net amount", self.money(invoice.subtotal, invoice.currency)),
                (
                    f"{invoice.vendor.tax} @ {self.percent(invoice.tax_rate)}",
                    self.money(invoice.tax_amount, invoice.currency),
                ),
            ],
        )
        sheet.text(360, y + 3, "Balance due", size=11, bold=True)
        total = self.money(invoice.total_amount, invoice.currency)
        sheet.text(WIDTH - 46, y + 3, total, size=11, bold=True, align="right")

    def draw_foot(self, sheet: Sheet, invoice: Invoice, page: int, pages: int) -> None:
        vendor = invoice.vendor
        foot = f"{vendor.name} | {vendor.phone} | {vendor.email} | {vendor.bank} | page {page} of {pages}"
        sheet.text(WIDTH / 2, HEIGHT - 34, foot, size=7, color=GREY, align="center")


class German(Layout):
    """A business letter by DIN 5008: address window, block of facts at the right, amounts as 1.234,56."""

    margin = 62
    size = 9.5
    first_row = 388
    last_row = HEIGHT - 125
    columns = (
        Column("Pos.", 62, "left"),
        Column("Bezeichnung", 92, "left"),
        Column("Menge", 382, "right"),
        Column("Einzelpreis", 460, "right"),
        Column("Gesamt", WIDTH - 62, "right"),
    )
    description_width = 235

    def day(self, day: date | None) -> str:
        return f"{day:%d.%m.%Y}" if day else ""

    def number(self, value: Decimal, *, places: int | None = None) -> str:
        return super().number(value, places=places).translate(str.maketrans(",.", ".,"))

    def money(self, value: Decimal, currency: str) -> str:
        return f"{self.number(value, places=2)} {SIGNS[currency]}"

    def percent(self, value: Decimal) -> str:
        return f"{self.number(value)} %"

    def facts(self, invoice: Invoice) -> list[tuple[str, str]]:
        return [
            ("Rechnungsnummer", invoice.number),
            ("Rechnungsdatum", self.day(invoice.invoice_date)),
            ("Zahlbar bis", self.day(invoice.due_date)),
            ("Bestellnummer", invoice.purchase_order or ""),
            ("USt-IdNr.", invoice.vendor.tax_id),
            ("Währung", invoice.currency),
        ]

    def draw_head(self, sheet: Sheet, invoice: Invoice) -> None:
        vendor = invoice.vendor
        sheet.text(WIDTH - self.margin, 62, vendor.name, size=17, bold=True, color=self.accent, align="right")
        sheet.rule(self.margin, 76, WIDTH - 2 * self.margin, weight=2, color=self.accent)
        sheet.text(self.margin, 132, "Rechnungsempfänger", size=7.5, color=GREY)
        sheet.block(self.margin, 146, (invoice.customer.name, *invoice.customer.address), size=10.5)
        sheet.text(self.margin, 240, "Rechnungssteller", size=7.5, color=GREY)
        sheet.block(self.margin, 253, (vendor.name, ", ".join(vendor.address)), size=9.5)
        for index, (label, value) in enumerate(self.facts(invoice)):
            sheet.text(350, 132 + index * 16, label, size=9, color=GREY)
            sheet.text(WIDTH - self.margin, 132 + index * 16, value, size=9.5, align="right")
        sheet.text(self.margin, 312, f"Rechnung {invoice.number}", size=15, bold=True)
        greeting = "Sehr geehrte Damen und Herren, wir erlauben uns, wie folgt zu berechnen:"
        sheet.text(self.margin, 340, greeting, size=self.size)

    def draw_later_head(self, sheet: Sheet, invoice: Invoice) -> None:
        sheet.text(self.margin, 62, f"Rechnung {invoice.number}, Fortsetzung", size=9, color=GREY)
        sheet.text(WIDTH - self.margin, 62, invoice.vendor.name, size=11, bold=True, color=self.accent, align="right")
        sheet.rule(self.margin, 76, WIDTH - 2 * self.margin, weight=2, color=self.accent)

    def draw_heading(self, sheet: Sheet, y: float) -> None:
        super().draw_heading(sheet, y)
        sheet.rule(self.margin, y + 6, WIDTH - 2 * self.margin, color=self.accent)

    def draw_carried(self, sheet: Sheet, y: float, invoice: Invoice, amount: Decimal, way: str) -> float:
        sheet.text(350, y, "Übertrag", size=self.size, bold=True)
        sheet.text(self.columns[-1].x, y, self.money(amount, invoice.currency), size=self.size, align="right")
        return self.size * 2

    def draw_totals(self, sheet: Sheet, y: float, invoice: Invoice) -> None:
        sheet.rule(self.margin, y - 20, WIDTH - 2 * self.margin, color=self.accent)
        y = self.draw_sums(
            sheet,
            y,
            320,
            [
                ("Nettobetrag", self.money(invoice.subtotal, invoice.currency)),
                (f"USt. {self.percent(invoice.tax_rate)}", self.money(invoice.tax_amount, invoice.currency)),
            ],
        )
        sheet.text(320, y + 2, "Gesamtbetrag", size=11.5, bold=True)
        total = self.money(invoice.total_amount, invoice.currency)
        sheet.text(WIDTH - self.margin, y + 2, total, size=11.5, bold=True, align="right")
        sheet.rule(320, y + 9, WIDTH - self.margin - 320, weight=1.5, color=self.accent)

    def draw_foot(self, sheet: Sheet, invoice: Invoice, page: int, pages: int) -> None:
        vendor, y = invoice.vendor, HEIGHT - 72
        sheet.rule(self.margin, y - 14, WIDTH - 2 * self.margin, weight=0.5, color=PALE)
        sheet.block(self.margin, y, (vendor.name, *vendor.address), size=7, color=GREY)
        sheet.block(240, y, (vendor.phone, vendor.email), size=7, color=GREY)
        sheet.block(385, y, (vendor.bank, f"Seite {page} von {pages}"), size=7, color=GREY)
