"""The queries that the README and the landing page show, run on every engine over the sample invoices."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from raydocs_provider.api.models import Result
from raydocs_provider.api.schema import parse_schema
from raydocs_provider.landing.documents import LandingDocument
from raydocs_provider.landing.tables import plan_tables
from tests.integration.landing.conftest import ENGINES, Database
from tests.integration.landing.invoices import LOAD

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads((ROOT / "example_dags" / "schemas" / "invoice.json").read_text(encoding="utf-8"))
SAMPLES: dict[str, Any] = json.loads(
    (ROOT / "tests" / "data" / "sample_invoices.json").read_text(encoding="utf-8"), parse_float=Decimal
)
TRUTH = {name: sample["expected"] for name, sample in SAMPLES.items() if "expected" in sample}
UNSURE = {"confidence": Decimal("0.55"), "reasoning": "Two numbers are printed."}
SURE = {"confidence": Decimal("0.97"), "reasoning": "Printed next to its label."}

every_engine = pytest.mark.parametrize("database", ENGINES, indirect=True)


def queries_of(page: str) -> dict[str, str]:
    """The SQL of a page, by the last line of text before it."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return dict(re.findall(r"([^\n]+)\n\n```sql\n(.*?)```", text, re.DOTALL))


README = queries_of("README.md")
LANDING = queries_of("docs/landing.md")


def document(name: str, sample: dict[str, Any]) -> LandingDocument:
    where = {
        "source_uri": f"file:///inbox/{name}",
        "filename": name,
        "sha256": hashlib.sha256(name.encode()).hexdigest(),
        "session_id": f"session-{name}",
    }
    data = sample.get("expected")
    if data is None:
        return LandingDocument("failed", **where, stage="parsing", code="parsing_failed", reason="Damaged.")
    audit = {
        group: {field: UNSURE if field == "due_date" else SURE for field in fields} for group, fields in data.items()
    }
    return LandingDocument("extracted", **where, result=Result(f"result-{name}", data=data, audit=audit))


@pytest.fixture
def samples(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The samples, landed in the table that the pages write of, and a connection that finds it without its schema."""
    plan = plan_tables(parse_schema(SCHEMA), database.table)
    database.lander(plan).land([document(name, sample) for name, sample in SAMPLES.items()], LOAD)
    schema = database.table.rpartition(".")[0].replace(" ", r"\ ")
    return database.reconnect(monkeypatch, extra={"options": f'-c search_path="{schema}"'}) if schema else database


def run(database: Database, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query; numbers are decimals, whatever the engine made of them."""
    return [tuple(_plain(cell) for cell in row) for row in database.query(sql)]


def _plain(cell: Any) -> Any:
    return round(Decimal(str(cell)), 4).normalize() if isinstance(cell, float | Decimal) else cell


def totals_by_vendor() -> dict[tuple[str, str | None], Decimal]:
    totals: dict[tuple[str, str | None], Decimal] = defaultdict(Decimal)
    for data in TRUTH.values():
        header = data["invoice_header"]
        totals[header["vendor_name"], header["currency"]] += data["totals"]["total_amount"]
    return totals


def lines_of(data: dict[str, Any]) -> list[dict[str, Any]]:
    return data["lines"]["line_items"]


def test_the_pages_have_the_queries_that_are_tested_here():
    assert len(README) == 4
    assert len(LANDING) == len(re.findall("```sql", (ROOT / "docs" / "landing.md").read_text(encoding="utf-8")))


@every_engine
def test_the_total_per_vendor_is_the_sum_of_the_invoices(samples):
    rows = run(samples, README["Total per vendor:"])

    assert {(vendor, currency): total for vendor, currency, total in rows} == totals_by_vendor()
    assert [row[2] for row in rows] == sorted(totals_by_vendor().values(), reverse=True)


@every_engine
def test_the_lines_of_an_invoice_come_in_the_order_printed(samples):
    rows = run(samples, README["The lines of an invoice:"])

    truth = next(data for data in TRUTH.values() if data["invoice_header"]["invoice_number"] == "KV-2026-5587")
    assert rows == [
        (line["position"], line["description"], line["quantity"], line["unit_price"], line["total"])
        for line in lines_of(truth)
    ]


@every_engine
def test_the_values_raydocs_was_not_sure_of_are_listed_with_their_document(samples):
    rows = run(samples, README["Values to look at again, because Raydocs was not sure:"])

    assert sorted(rows, key=str) == sorted(
        (
            (name, "invoice_header", "due_date", data["invoice_header"]["due_date"], *UNSURE.values())
            for name, data in TRUTH.items()
        ),
        key=str,
    )


@every_engine
def test_what_is_missing_is_listed_with_why(samples):
    rows = run(samples, README["What is missing, and why:"])

    assert rows == [("invoice_015_corrupt.pdf", "parsing", "parsing_failed", "Damaged.")]


def land(database: Database, name: str, data: dict[str, Any] | None, audit: dict[str, Any] | None = None) -> None:
    """One more document, its content told by its name."""
    found = document(name, {"expected": data} if data else {})
    if audit is not None and found.result:
        found = replace(found, result=replace(found.result, audit=audit))
    database.lander(plan_tables(parse_schema(SCHEMA), database.table)).land([found], LOAD)


@every_engine
def test_every_line_is_shown_with_its_invoice(samples):
    rows = run(samples, LANDING["Lines with the invoice they are from:"])

    assert sorted(rows, key=str) == sorted(
        (
            (
                data["invoice_header"]["vendor_name"],
                data["invoice_header"]["invoice_number"],
                line["position"],
                line["description"],
                line["total"],
            )
            for data in TRUTH.values()
            for line in lines_of(data)
        ),
        key=str,
    )


@every_engine
def test_invoices_that_do_not_add_up_are_found(samples):
    wrong = deepcopy(TRUTH["invoice_001_classic_usd.pdf"])
    wrong["invoice_header"]["invoice_number"] = "WRONG"
    wrong["totals"]["subtotal"] += Decimal("0.5")
    land(samples, "wrong.pdf", wrong)
    by_hand = {
        (data["invoice_header"]["invoice_number"], data["totals"]["subtotal"], added)
        for data in [*TRUTH.values(), wrong]
        if (added := sum(Decimal(line["total"]) for line in lines_of(data))) != data["totals"]["subtotal"]
    }

    rows = run(samples, LANDING["Invoices whose lines do not add up to their subtotal:"])

    assert set(rows) == by_hand
    assert "WRONG" in {row[0] for row in rows}


@every_engine
def test_an_invoice_that_came_as_two_files_is_found(samples):
    name, data = next(iter(TRUTH.items()))
    land(samples, "a second scan.pdf", data)

    rows = run(samples, LANDING["The same invoice from more than one file (other bytes: a second scan, say):"])

    header = data["invoice_header"]
    assert rows == [(header["vendor_name"], header["invoice_number"], 2, "a second scan.pdf", name)]


@every_engine
def test_what_is_not_landed_says_whether_earlier_rows_stand(samples):
    land(samples, next(iter(TRUTH)), None)

    rows = run(samples, LANDING["What is not landed, and whether rows of an earlier success still stand:"])

    assert rows == [
        ("invoice_001_classic_usd.pdf", "parsing", "parsing_failed", "yes"),
        ("invoice_015_corrupt.pdf", "parsing", "parsing_failed", "no"),
    ]


@every_engine
def test_a_value_is_shown_with_its_confidence(samples):
    rows = run(samples, LANDING["A value and how sure Raydocs was of it:"])

    assert set(rows) == {
        (data["invoice_header"]["invoice_number"], data["totals"]["total_amount"], SURE["confidence"])
        for data in TRUTH.values()
    }


@every_engine
def test_a_value_in_a_list_is_shown_with_its_own_confidence(samples):
    data = next(iter(TRUTH.values()))
    said = [{"total": {"confidence": Decimal(index) / 10}} for index in range(len(lines_of(data)))]
    samples.execute("DELETE FROM invoices__lines__line_items")
    land(samples, "lines.pdf", data, {"lines": {"line_items": said}})

    rows = run(samples, LANDING["The same for a value in a list:"])

    assert rows == [
        (line["description"], line["total"], Decimal(index) / 10) for index, line in enumerate(lines_of(data))
    ]


@every_engine
def test_fields_are_listed_by_the_share_of_low_confidence(samples):
    rows = run(samples, LANDING["Which fields are worth a better prompt: the share of values under 0.8:"])

    due = sum(data["invoice_header"]["due_date"] is not None for data in TRUTH.values())
    lines = sum(len(lines_of(data)) for data in TRUTH.values())
    assert rows[0] == ("invoice_header", "due_date", due, UNSURE["confidence"], 1)
    assert ("lines", "line_items.description", lines, SURE["confidence"], 0) in rows
    assert {row[4] for row in rows[1:]} == {0}


@every_engine
def test_documents_with_values_that_did_not_fit_are_listed(samples):
    odd = deepcopy(next(iter(TRUTH.values())))
    odd["totals"]["subtotal"] = "about a thousand"
    land(samples, "odd.pdf", odd)

    ((filename, meta),) = run(samples, LANDING["Documents with values that did not fit:"])

    assert filename == "odd.pdf"
    assert "totals.subtotal" in str(meta)


@every_engine
def test_documents_of_an_older_template_are_listed(samples):
    query = LANDING["Documents read with another version of the template than the latest load:"]
    assert run(samples, query) == []
    name, data = next(iter(TRUTH.items()))
    later = replace(LOAD, template_hash="hash-0", loaded_at=LOAD.loaded_at + timedelta(hours=1))
    samples.lander(plan_tables(parse_schema(SCHEMA), samples.table)).land([document(name, {"expected": data})], later)

    rows = run(samples, query)

    assert {row[0] for row in rows} == set(TRUTH) - {name}
    assert {row[1] for row in rows} == {"hash-1"}
