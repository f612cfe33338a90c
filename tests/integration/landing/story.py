"""
The same loads into any engine, one after the other: after each, it has to hold what DuckDB holds.

DuckDB's own rows are checked value by value in the other tests of this folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from raydocs_provider.api.schema import parse_schema
from raydocs_provider.landing.column_types import parse_column_types
from raydocs_provider.landing.documents import LandingDocument
from raydocs_provider.landing.lander import Lander
from raydocs_provider.landing.tables import LandingPlan, Table, plan_tables
from raydocs_provider.landing.warehouses.base import Warehouse
from tests.integration.landing.conftest import open_database, plain
from tests.integration.landing.invoices import DATA, GROUPS, LOAD, NUMBER, STRING, failure, invoice, result

HOSTILE = [
    "'; DROP TABLE invoices; --",
    "\\",
    "\\N",
    "\\'",
    "a\n\\.\nb",
    "NULL",
    "",
    " ",
    '"',
    "`",
    ",",
    "{}",
    "tab\tnewline\ncarriage\rreturn\r\n",
    "%s %(a)s ? :a $1 @a {a}",
    "\x01\x1a\x1f\x7f",
    "\ufeffmark \u2028 \u00a0 é 漢 😀",
    "x" * 60_000,
]

WIDER = GROUPS | {
    "totals": GROUPS["totals"] | {"tax": NUMBER, "currency": STRING, "due": STRING, "seen": STRING, "pages": STRING},
    "stamps": {"marks": {"type": "array", "items": STRING}},
}
READ_AS = {"totals.due": "date", "totals.seen": "timestamp", "totals.pages": "integer"}

Rows = dict[str, list[tuple[Any, ...]]]


def plan_as(groups: dict[str, Any], table: str, column_types: dict[str, str] | None = None) -> LandingPlan:
    schema = parse_schema({"groups": {name: {"fields": fields} for name, fields in groups.items()}})
    return plan_tables(schema, table, parse_column_types(column_types, schema))


def documents_with(texts: list[str]) -> list[LandingDocument]:
    return [
        invoice(
            f"text-{number}",
            {"invoice_header": {"invoice_number": text}, "line_items": {"remarks": [text, text]}},
            {"invoice_header": {"invoice_number": {"reasoning": text, "sources": [{"text": text}]}}},
        )
        for number, text in enumerate(texts)
    ]


def loads() -> Iterator[tuple[dict[str, Any], list[LandingDocument]]]:
    """Arguments of the plan, and the documents of each load."""
    before = {"groups": GROUPS}
    later = {"groups": WIDER, "column_types": READ_AS}
    yield before, [invoice("a"), invoice("b"), failure()]
    yield before, [failure(), invoice("b"), invoice("a")]
    fewer = DATA | {"line_items": {"items": DATA["line_items"]["items"][1:], "remarks": []}, "unknown": {"x": [1]}}
    yield before, [invoice("a", fewer, result_id="result-2"), failure("b")]
    wider = DATA | {
        "totals": {
            "total_amount": Decimal("-12345678901234567890123456789.123456789"),
            "tax": Decimal("0.000000001"),
            "currency": "EUR",
            "due": "2026-02-28",
            "seen": "2026-02-28T23:59:59.999999+01:00",
            "pages": 2**63 - 1,
        },
        "invoice_header": {"paid": True, "vendor": {"address": {"a": [1, "x", None, {"b": False}]}}},
        "stamps": {"marks": ["paid", None, ""]},
    }
    yield later, [invoice("c", wider), invoice("a", wider, result_id="result-3")]
    unfit = DATA | {"totals": {"total_amount": "1.250,00 EUR", "due": "soon", "pages": 2.5, "tax": 10**40}}
    yield later, [invoice("d", unfit), *documents_with(HOSTILE)]
    old = replace(result(id_="result-0"), completed_at="2025-01-01T00:00:00.000000Z")
    yield later, [replace(invoice("c"), result=old), replace(failure("d"), session_id="session-again")]
    yield later, []


def held(warehouse: Warehouse, plan: LandingPlan) -> Rows:
    """All that is in the tables of a plan, with the same Python types from every engine."""
    with warehouse.reading() as cursor:
        return {str(table).split(".")[-1]: _rows(warehouse, cursor, table) for table in plan.tables}


def play(warehouse: Warehouse, table: str) -> Iterator[Rows]:
    """Do the loads and show after each what is there."""
    for arguments, documents in loads():
        plan = plan_as(table=table, **arguments)
        Lander(warehouse, plan).land(documents, LOAD)
        yield held(warehouse, plan)


@contextmanager
def reference(directory: Path) -> Iterator[Warehouse]:
    """A DuckDB with nothing in it."""
    from raydocs_provider.landing.warehouses import warehouse_for

    with pytest.MonkeyPatch.context() as patch:
        yield warehouse_for(open_database("duckdb", _no_fixture, directory, patch).hook)


def check_story(
    warehouse: Warehouse, table: str, directory: Path, adapt: Callable[[Rows], Rows] = lambda rows: rows
) -> None:
    """
    Play the loads into an engine and into DuckDB.

    :param adapt: what is known to be different, done to the rows of both.
    """
    with reference(directory) as duckdb:
        expected = list(play(duckdb, "invoices"))
    for number, rows in enumerate(play(warehouse, table)):
        ours, theirs = adapt(rows), adapt(expected[number])
        assert ours.keys() == theirs.keys(), f"load {number}"
        for name in ours:
            assert ours[name] == theirs[name], f"load {number}, table {name}"


def _rows(warehouse: Warehouse, cursor: Any, table: Table) -> list[tuple[Any, ...]]:
    columns = ", ".join(warehouse.quote(column.name) for column in table.columns)
    found = warehouse.fetch(cursor, f"SELECT {columns} FROM {warehouse.quote_table(table)}")
    kinds = [column.kind for column in table.columns]
    return sorted((tuple(plain(cell, kind) for cell, kind in zip(row, kinds, strict=True)) for row in found), key=repr)


def _no_fixture(name: str) -> Any:
    raise AssertionError(f"DuckDB needs no {name}")
