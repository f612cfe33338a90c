"""What an invoice says, and the values that are to be read from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

CENT = Decimal("0.01")


@dataclass(frozen=True)
class LineItem:
    position: int
    description: str
    quantity: Decimal
    unit_price: Decimal

    @property
    def total(self) -> Decimal:
        total = self.quantity * self.unit_price
        assert total == total.quantize(CENT), "a line total has to be printable without rounding"
        return total.quantize(CENT)


@dataclass(frozen=True)
class Party:
    name: str
    address: tuple[str, ...]


@dataclass(frozen=True)
class Vendor(Party):
    """:param tax: what the tax on its invoices is called: ``VAT``, or ``Sales tax`` in the United States."""

    tax: str
    tax_id: str
    phone: str
    email: str
    bank: str

    @property
    def tax_id_label(self) -> str:
        return "EIN" if self.tax == "Sales tax" else "VAT ID"


@dataclass(frozen=True)
class Invoice:
    """:param due_date: None leaves the place beside its label empty. :param purchase_order: likewise."""

    number: str
    invoice_date: date
    due_date: date | None
    purchase_order: str | None
    vendor: Vendor
    customer: Party
    currency: str
    tax_rate: Decimal
    items: tuple[LineItem, ...]

    @property
    def subtotal(self) -> Decimal:
        return sum((item.total for item in self.items), Decimal(0))

    @property
    def tax_amount(self) -> Decimal:
        return (self.subtotal * self.tax_rate / 100).quantize(CENT, ROUND_HALF_UP)

    @property
    def total_amount(self) -> Decimal:
        return self.subtotal + self.tax_amount

    def expected(self) -> dict[str, Any]:
        """What an extraction with `example_dags/schemas/invoice.json` has to return."""
        return {
            "invoice_header": {
                "invoice_number": self.number,
                "invoice_date": self.invoice_date.isoformat(),
                "due_date": self.due_date.isoformat() if self.due_date else None,
                "purchase_order": self.purchase_order,
                "vendor_name": self.vendor.name,
                "vendor_tax_id": self.vendor.tax_id,
                "customer_name": self.customer.name,
                "currency": self.currency,
            },
            "totals": {
                "subtotal": float(self.subtotal),
                "tax_rate": float(self.tax_rate),
                "tax_amount": float(self.tax_amount),
                "total_amount": float(self.total_amount),
            },
            "lines": {
                "line_items": [
                    {
                        "position": item.position,
                        "description": item.description,
                        "quantity": float(item.quantity),
                        "unit_price": float(item.unit_price),
                        "total": float(item.total),
                    }
                    for item in self.items
                ]
            },
        }
