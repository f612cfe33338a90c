"""Documents with 14 rows each, as an extraction gives them to a load, and these rows as one would make them by hand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from raydocs_provider.api import parsing
from raydocs_provider.api.schema import parse_schema
from raydocs_provider.landing.documents import LandingDocument, LoadContext, document_key
from raydocs_provider.landing.rows import Row
from raydocs_provider.landing.tables import LandingPlan, Table, plan_tables

ROWS_EACH = 14
LOAD = LoadContext(
    template_id="0197f3a4-2b1c-7d60-9a53-3f1c8e5d7b42",
    template_hash=hashlib.sha256(b"template").hexdigest(),
    loaded_at=datetime(2026, 2, 1, 6, 0, 12, 345678, tzinfo=UTC),
    dag_id="invoices",
    run_id="scheduled__2026-02-01T06:00:00+00:00",
    task_id="load",
)

_TEXT, _NUMBER = {"type": "string"}, {"type": "number"}
_ITEM = {"type": "object", "properties": {"description": _TEXT, "amount": _NUMBER}}
SCHEMA = {
    "groups": {
        "header": {"fields": {"number": _TEXT, "date": _TEXT, "vendor": _TEXT, "customer": _TEXT}},
        "totals": {"fields": {"net": _NUMBER, "total": _NUMBER}},
        "lines": {"fields": {"items": {"type": "array", "items": _ITEM}}},
    }
}


def plan_landing(table: str) -> LandingPlan:
    """The tables for these documents."""
    return plan_tables(parse_schema(SCHEMA), table)


def make_results(first: int, number: int) -> Iterator[LandingDocument]:
    """
    Documents that are extracted, one at a time, each with its own values, remarks and sources.

    :param first: the number of the first one.
    """
    for index in range(first, first + number):
        # As a file under results_path is read.
        body = json.loads(json.dumps(_answer(index)), parse_float=Decimal)
        result = parsing.result(body)
        yield LandingDocument(
            state="extracted",
            source_uri=f"s3://finance-inbox/2026/01/invoice-{index:06}.pdf",
            filename=f"invoice-{index:06}.pdf",
            sha256=hashlib.sha256(str(index).encode()).hexdigest(),
            session_id=result.session_id,
            result=result,
            submitted_at=1_769_900_000.0 + index / 10,
        )


def _answer(index: int) -> dict[str, Any]:
    net = 1000 + index % 9000 + 0.25
    data = {
        "header": {
            "number": f"INV-2026-{index:06}",
            "date": f"2026-01-{index % 28 + 1:02}",
            "vendor": f"Northwind Traders Ltd {index % 500}",
            "customer": "Müller & Söhne GmbH",
        },
        "totals": {"net": net, "total": net + 190.5},
        "lines": {
            "items": [
                {"description": f"Service package {index % 97}, month {line}", "amount": net / 2} for line in (1, 2)
            ]
        },
    }
    said = {
        group: {
            name: {"reasoning": f"Printed next to the label {name!r}.", "confidence": (60 + index % 40) / 100}
            for name in fields
        }
        for group, fields in data.items()
    }
    sources = {
        group: {
            name: {"sources": [{"chunk_id": _uuid(index), "text": f"{name} {index:,}", "page": 1 + index % 3}]}
            for name in fields
        }
        for group, fields in data.items()
    }
    return {
        "id": _uuid(3 * index),
        "extraction_session_id": _uuid(3 * index + 1),
        "status": "completed",
        "data": data,
        "reasoning": said,
        "audit_data": sources,
        "completed_at": f"2026-01-31T{index // 3600 % 24:02}:{index // 60 % 60:02}:{index % 60:02}.000000Z",
    }


def _uuid(number: int) -> str:
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def make_rows_by_hand(documents: Iterable[LandingDocument], plan: LandingPlan) -> Mapping[Table, list[Row]]:
    """
    The rows of these documents, by the shortest code for this template: nothing is checked, read or fitted.

    Their cells are in the order of `copied_columns`, and equal to those that a load makes.
    """
    invoices: list[Row] = []
    items: list[Row] = []
    fields: list[Row] = []
    ledger: list[Row] = []
    for document in documents:
        result = document.result
        assert result is not None
        assert result.data is not None
        audit = (
            document_key(document, LOAD.template_id),
            document.session_id,
            result.id,
            document.source_uri,
            document.sha256,
            LOAD.template_id,
            LOAD.template_hash,
            datetime.fromisoformat(result.completed_at or ""),
            LOAD.loaded_at,
            LOAD.dag_id,
            LOAD.run_id,
            LOAD.task_id,
            LOAD.map_index,
            LOAD.try_number,
        )
        invoices.append((*result.data["header"].values(), *result.data["totals"].values(), None, None, *audit))
        submitted = datetime.fromtimestamp(document.submitted_at or 0, UTC)
        ledger.append(("extracted", None, None, None, document.filename, 1, submitted, *(None,) * 4, *audit))
        for group, values in result.data.items():
            for name, value in values.items():
                said = result.audit[group][name]
                sources = json.dumps(said["sources"], ensure_ascii=False, separators=(",", ":"))
                remarks = (None, said["confidence"], said["reasoning"], sources, None, *audit)
                if not isinstance(value, list):
                    fields.append((group, name, None, str(value), *remarks))
                    continue
                for index, item in enumerate(value):
                    items.append((index, *item.values(), *audit))
                    for inner, each in item.items():
                        fields.append((group, f"{name}.{inner}", index, str(each), *remarks))
    return dict(zip(plan.tables, (invoices, items, fields, ledger), strict=True))
