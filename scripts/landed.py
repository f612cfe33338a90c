"""
What a run of the example Dag left in the warehouse, for people to read and for checks to rely on.

    python -m scripts.landed demo.duckdb
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import duckdb

HEADERS = """
    SELECT d.filename AS document, i.invoice_header__vendor_name AS vendor,
           i.invoice_header__invoice_number AS number, i.invoice_header__invoice_date AS date,
           i.invoice_header__currency AS currency, i.totals__total_amount::DECIMAL(18, 2) AS total
    FROM invoices i JOIN invoices__documents d USING (_document_key) ORDER BY d.filename
"""
LINES = """
    SELECT d.filename AS document, l.position AS pos, l.description, l.quantity::DOUBLE AS quantity,
           l.unit_price::DECIMAL(18, 2) AS unit_price, l.total::DECIMAL(18, 2) AS total
    FROM invoices__lines__line_items l JOIN invoices__documents d USING (_document_key)
    ORDER BY d.filename, l._index LIMIT 8
"""
DOUBTFUL = """
    SELECT d.filename AS document, f.group_name || '.' || f.field_name AS field, f.value,
           f.confidence::DECIMAL(3, 2) AS confidence
    FROM invoices__fields f JOIN invoices__documents d USING (_document_key)
    WHERE f.confidence < 0.8 ORDER BY f.confidence, d.filename, field LIMIT 8
"""
FAILED = """
    SELECT filename AS document, stage, code, reason FROM invoices__documents WHERE state = 'failed' ORDER BY filename
"""
COUNTS = """
    SELECT (SELECT count(*) FROM invoices__documents),
           (SELECT count(*) FROM invoices__documents WHERE state = 'extracted'),
           (SELECT count(*) FROM invoices__documents WHERE state = 'failed'),
           (SELECT count(*) FROM invoices),
           (SELECT count(*) FROM invoices__lines__line_items),
           (SELECT count(*) FROM invoices__fields),
           (SELECT count(*) FROM invoices__lines__line_items ANTI JOIN invoices USING (_document_key))
"""


@dataclass(frozen=True)
class Counts:
    """
    Rows in the four tables.

    :param orphans: line items whose invoice is not there.
    """

    documents: int
    extracted: int
    failed: int
    invoices: int
    lines: int
    fields: int
    orphans: int

    def shortfalls(self, *, given: int, failing: int) -> list[str]:
        """
        What is not as it should be, as sentences.

        :param given: how many documents went in.
        :param failing: how many of them cannot be read.
        """
        expectations = {
            f"{given} documents went in, the ledger has {self.documents}": self.documents == given,
            f"{failing} of them cannot be read, {self.failed} failed": self.failed == failing,
            f"{self.extracted} were extracted, there are {self.invoices} invoices": self.extracted == self.invoices,
            f"{self.documents - self.extracted - self.failed} documents neither landed nor failed": (
                self.documents == self.extracted + self.failed
            ),
            "there are no line items": self.lines > 0,
            "there are no field records": self.fields > 0,
            f"{self.orphans} line items belong to no invoice": not self.orphans,
        }
        return [sentence for sentence, holds in expectations.items() if not holds]


def count(warehouse: Path) -> Counts:
    """Count the rows."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        (row,) = connection.execute(COUNTS).fetchall()
    return Counts(*row)


def describe(warehouse: Path) -> str:
    """The landed rows as text: invoices, the first line items, what is doubtful, what failed."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        parts = []
        for title, query in (
            ("invoices: one row per document", HEADERS),
            ("invoices__lines__line_items: one row per line, the first 8", LINES),
            ("invoices__fields: the least certain values, below 0.8", DOUBTFUL),
            ("invoices__documents: what failed and why", FAILED),
        ):
            result = connection.execute(query)
            names = [column[0] for column in result.description]
            parts.append(f"{title}\n\n{table(names, result.fetchall())}")
    return "\n\n".join(parts)


def table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows in aligned columns under their names, numbers to the right."""
    cells = [[cell_text(value) for value in row] for row in rows]
    widths = [max(len(text) for text in column) for column in zip(names, *cells, strict=True)]
    numeric = [any(isinstance(row[i], int | float | Decimal) for row in rows) for i in range(len(names))]
    lines = [names, ["-" * width for width in widths], *cells]
    return "\n".join(
        "  "
        + "  ".join(
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in lines
    )


def cell_text(value: object) -> str:
    """A value as it is shown: nothing for NULL, whole numbers without a point, everything on one line."""
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else " ".join(str(value).split())


if __name__ == "__main__":
    print(describe(Path(sys.argv[1])))
