"""What docs/review.md promises: its codes, its verdicts and its queries, on every engine."""

from __future__ import annotations

import ast
import re
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from raydocs_provider.api.schema import parse_schema
from raydocs_provider.landing.documents import Verdict
from raydocs_provider.landing.lander import Lander
from raydocs_provider.landing.review import MAX_CODES, MAX_FIELDS
from raydocs_provider.landing.target import plan_target
from raydocs_provider.landing.verdicts import parse_verdicts
from raydocs_provider.landing.warehouses import warehouse_for
from raydocs_provider.transfers.raydocs_to_sql import MAX_LISTED_REVIEWS, RaydocsToSqlOperator
from tests.integration.landing.conftest import ENGINES, Database
from tests.integration.landing.invoices import LOAD
from tests.integration.landing.test_readme_queries import SCHEMA, TRUTH, document, queries_of

PAGE = (Path(__file__).parents[3] / "docs" / "review.md").read_text(encoding="utf-8")
QUERIES = queries_of("docs/review.md")
FINE, WRONG_SUM, WITHOUT_NUMBER, UNSURE = list(TRUTH)[:4]
BELOW = {"totals": 0.8}
CHECKS = ["required(invoice_header.invoice_number)", "sum(lines.line_items.total) = totals.subtotal +/- 0.01"]

every_engine = pytest.mark.parametrize("database", ENGINES, indirect=True)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_has_the_queries_that_are_tested_here():
    assert len(QUERIES) == len(blocks("sql")) == 5


def test_the_rules_of_the_page_are_taken():
    (call,) = (block for block in blocks("python") if "review_below" in block)
    given = {
        keyword.arg: ast.literal_eval(keyword.value)
        for keyword in ast.parse(call.replace("...,", "")).body[0].value.keywords  # type: ignore[attr-defined]
    }

    operator = RaydocsToSqlOperator(task_id="load", extraction={}, conn_id="warehouse", table="invoices", **given)
    plan_target(parse_schema(SCHEMA), "invoices", None, operator.review_below, operator.review_checks)


def test_the_verdict_of_the_page_is_taken():
    (written,) = (block for block in blocks("python") if "session_id" in block)
    verdicts = ast.literal_eval(written)

    parsed = parse_verdicts(verdicts, {verdicts[0]["session_id"]})

    assert [list(verdict.corrections) for verdict in parsed.values()] == [list(verdicts[0]["corrections"])]


def test_the_codes_of_the_page_are_those_that_there_are():
    named = set(re.findall(r"^\| `(\w+)[:`]", PAGE, re.MULTILINE))

    assert named == {
        "no_data",
        "required",
        "sum",
        "unchecked",
        "misfit",
        "constant_confidence",
        "low_confidence",
        "missing_confidence",
        "more",
    }


def test_the_numbers_of_the_page_are_those_of_the_code():
    assert f"beyond {MAX_CODES} " in PAGE
    assert f"up to {MAX_LISTED_REVIEWS} documents" in PAGE
    assert f"at most {MAX_FIELDS}," in PAGE


def data_of(name: str) -> dict[str, Any]:
    data = deepcopy(TRUTH[name])
    if name == WRONG_SUM:
        data["totals"]["subtotal"] += 1
    if name == WITHOUT_NUMBER:
        data["invoice_header"]["invoice_number"] = None
    return data


@pytest.fixture
def reviewed(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Four invoices; of three in question, one was approved and one corrected."""
    given = {name: document(name, {"expected": data_of(name)}) for name in (FINE, WRONG_SUM, WITHOUT_NUMBER, UNSURE)}
    result = given[UNSURE].result
    assert result is not None
    audit = {**result.audit, "totals": {"tax_rate": {"confidence": Decimal("0.4"), "reasoning": "Blurred."}}}
    given[UNSURE] = replace(given[UNSURE], result=replace(result, audit=audit))
    at = datetime(2026, 2, 4, tzinfo=UTC)
    verdicts = [
        replace(given[WITHOUT_NUMBER], verdict=Verdict({"invoice_header.invoice_number": "A-7"}, "Rita", at)),
        replace(given[UNSURE], verdict=Verdict({}, "Rita", at)),
    ]
    plan, reviewer = plan_target(parse_schema(SCHEMA), database.table, None, BELOW, CHECKS)
    lander = Lander(warehouse_for(database.hook), plan, reviewer=reviewer)
    lander.land(given.values(), LOAD)
    lander.land(verdicts, LOAD)
    schema = database.table.rpartition(".")[0].replace(" ", r"\ ")
    return database.reconnect(monkeypatch, extra={"options": f'-c search_path="{schema}"'}) if schema else database


def run(database: Database, query: str) -> list[tuple[Any, ...]]:
    return [
        tuple(cell.normalize() if isinstance(cell, Decimal) else cell for cell in row)
        for row in database.query(QUERIES[query])
    ]


@every_engine
def test_what_waits_for_a_person_is_listed(reviewed):
    ((name, codes, *_),) = run(reviewed, "What waits for a person, the oldest first:")

    assert name == WRONG_SUM
    assert "sum:totals.subtotal" in str(codes)


@every_engine
def test_the_values_in_question_are_listed(reviewed):
    ((*value, confidence, reasoning, code),) = run(reviewed, "The values in question:")

    subtotal = data_of(WRONG_SUM)["totals"]["subtotal"]
    assert value == [WRONG_SUM, "totals", "subtotal", str(subtotal)]
    assert (round(float(confidence), 2), bool(reasoning), code) == (0.97, True, "sum")


@every_engine
def test_what_may_be_paid_is_all_but_what_is_in_review(reviewed):
    rows = run(reviewed, "What may be paid: documents that nobody has to look at any more:")

    assert {number for _, number, _ in rows} == {
        TRUTH[FINE]["invoice_header"]["invoice_number"],
        "A-7",
        TRUTH[UNSURE]["invoice_header"]["invoice_number"],
    }


@every_engine
def test_what_people_have_corrected_is_listed_with_what_was_extracted(reviewed):
    assert run(reviewed, "What people have corrected:") == [
        (WITHOUT_NUMBER, "invoice_header", "invoice_number", None, None, "A-7", "Rita")
    ]


@every_engine
def test_rules_that_ask_in_vain_are_told_from_those_that_find_something(reviewed):
    rows = run(reviewed, "Which rules ask in vain: how often a value was asked about, and how often it was wrong:")

    assert rows == [
        ("invoice_header", "invoice_number", "required", 1, 1),
        ("totals", "tax_rate", "low_confidence", 1, 0),
    ]
