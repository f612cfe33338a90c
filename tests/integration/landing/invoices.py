"""One invoice by hand: its schema, its results as both generations of the API give them, and what must land."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from raydocs_provider.api.models import Result
from raydocs_provider.api.schema import parse_schema
from raydocs_provider.landing.documents import LandingDocument, LoadContext, document_key
from raydocs_provider.landing.tables import LandingPlan, plan_tables

TEMPLATE_ID = "0c7b3f0e-template"
LOADED_AT = datetime(2026, 2, 3, 4, 5, 6, 789000, tzinfo=UTC)
LOAD = LoadContext(TEMPLATE_ID, "hash-1", LOADED_AT, "invoices", "scheduled__1", "load", -1, 1)

STRING = {"type": "string"}
NUMBER = {"type": "number"}
ITEM = {
    "type": "object",
    "properties": {
        "description": STRING,
        "quantity": {"type": "integer"},
        "total": NUMBER,
        "taxes": {"type": "array", "items": {"type": "object", "properties": {"name": STRING, "rate": NUMBER}}},
    },
}
GROUPS: dict[str, dict[str, Any]] = {
    "invoice_header": {
        "invoice_number": STRING,
        "vendor": {"type": "object", "properties": {"name": STRING, "address": {"type": "object"}}},
        "paid": {"type": "boolean"},
    },
    "totals": {"total_amount": NUMBER},
    "line_items": {"items": {"type": "array", "items": ITEM}, "remarks": {"type": "array", "items": STRING}},
}


def plan_of(groups: dict[str, dict[str, Any]], table: str) -> LandingPlan:
    return plan_tables(parse_schema({"groups": {name: {"fields": fields} for name, fields in groups.items()}}), table)


DATA: dict[str, Any] = {
    "invoice_header": {
        "invoice_number": "RE-2026/001",
        "vendor": {"name": 'Müller & "Söhne"', "address": {"city": "Köln", "zip": "50667"}},
        "paid": False,
    },
    "totals": {"total_amount": Decimal("1234.50")},
    "line_items": {
        "items": [
            {"description": "Widget", "quantity": 3, "total": Decimal("1200"), "taxes": [{"name": "VAT", "rate": 19}]},
            {"description": None, "quantity": 1, "total": "34.50", "taxes": []},
        ],
        "remarks": ["Net 30"],
    },
}
OLD_AUDIT = {
    "totals": {"total_amount": {"reasoning": "Bottom right.", "confidence": Decimal("0.95")}},
    "line_items": {"items": {"reasoning": "The table on page 1.", "confidence": Decimal("0.8")}},
}
SOURCES = [{"chunk_id": "4f0c", "text": "Total due 1,234.50", "page": 2}]
NEW_AUDIT = {"totals": {"total_amount": {"reasoning": "Bottom right.", "sources": SOURCES}}}


def result(data: Any = DATA, audit: Any = OLD_AUDIT, id_: str = "result-1") -> Result:
    return Result(id_, "session-1", "completed", data, audit, completed_at="2026-02-01T10:00:00.000000Z")


def invoice(name: str = "a", data: Any = DATA, audit: Any = OLD_AUDIT, result_id: str = "result-1") -> LandingDocument:
    return LandingDocument(
        "extracted",
        f"s3://inbox/{name}.pdf",
        f"{name}.pdf",
        sha256=name.encode().hex().zfill(64),
        session_id=f"session-{name}",
        result=result(data, audit, result_id),
    )


def failure(name: str = "broken") -> LandingDocument:
    return LandingDocument(
        "failed",
        f"s3://inbox/{name}.pdf",
        f"{name}.pdf",
        sha256=name.encode().hex().zfill(64),
        session_id=f"session-{name}",
        stage="parsing",
        code="parsing_failed",
        reason="The file is damaged.",
    )


def key(document: LandingDocument) -> str:
    return document_key(document, TEMPLATE_ID)
