"""What a person should look at, and what became of it, in every warehouse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from raydocs_provider.api.schema import parse_schema
from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.landing.documents import LandingDocument, Verdict
from raydocs_provider.landing.lander import Lander, LandingSummary
from raydocs_provider.landing.tables import LandingPlan
from raydocs_provider.landing.target import plan_target
from raydocs_provider.landing.warehouses import warehouse_for
from tests.integration.landing.conftest import ENGINES, Database, quoted
from tests.integration.landing.invoices import DATA, GROUPS, LOAD, STRING, failure, invoice, plan_of

every_engine = pytest.mark.parametrize("database", ENGINES, indirect=True)
# SQLite keeps to no precision.
with_precision = pytest.mark.parametrize("database", [name for name in ENGINES if name != "sqlite"], indirect=True)

BELOW = {"totals": 0.99, "line_items": 0.5}
CHECKS = ("required(invoice_header.invoice_number)", "sum(line_items.items.total) = totals.total_amount +/- 0.01")
REVIEWED_AT = datetime(2026, 2, 4, 8, 30, tzinfo=UTC)
# A value, to be found in no message and no summary.
SECRET = "4711-SECRET"

NO_NUMBER = {**DATA, "invoice_header": {**DATA["invoice_header"], "invoice_number": None}}
SURE = {"totals": {"total_amount": {"confidence": Decimal(1)}}}
# What a person should look at: a total that is not sure, and an invoice without its number.
UNSURE_TOTAL, WITHOUT_NUMBER, FINE = "a", "b", "c"


def documents() -> list[LandingDocument]:
    return [
        invoice(UNSURE_TOTAL),
        invoice(WITHOUT_NUMBER, NO_NUMBER, SURE, "result-2"),
        invoice(FINE, audit=SURE, result_id="result-3"),
    ]


def again(document: LandingDocument, day: int, data: Any = DATA) -> LandingDocument:
    """The document extracted anew, on a day of March."""
    assert document.result is not None
    result = replace(document.result, id=f"result-of-{day}", data=data, completed_at=f"2026-03-{day:02}T10:00:00Z")
    return replace(document, session_id=f"session-of-{day}", result=result)


def land(
    database: Database,
    given: Sequence[LandingDocument],
    *,
    groups: Any = GROUPS,
    below: Any = BELOW,
    checks: Sequence[str] = CHECKS,
    mode: str = "evolve",
) -> LandingSummary:
    schema = parse_schema({"groups": {name: {"fields": fields} for name, fields in groups.items()}})
    plan, reviewer = plan_target(schema, database.table, None, below, checks)
    return Lander(warehouse_for(database.hook), plan, mode, reviewer).land(given, LOAD)


def judged(document: LandingDocument, by: str = "Rita", **corrections: object) -> LandingDocument:
    """The document with what a person made of it; ``__`` stands for a dot."""
    named = {name.replace("__", "."): value for name, value in corrections.items()}
    return replace(document, verdict=Verdict(named, by, REVIEWED_AT))


@pytest.fixture
def plan(database: Database) -> LandingPlan:
    return plan_of(GROUPS, database.table)


def everything(database: Database, plan: LandingPlan) -> dict[str, list[tuple[Any, ...]]]:
    return {str(table): database.rows(table) for table in plan.tables}


def ledger(database: Database, plan: LandingPlan) -> dict[str, tuple[Any, ...]]:
    columns = ("filename", "state", "review_status", "review_codes", "reviewed_by", "reviewed_at")
    return {row[0].removesuffix(".pdf"): row[1:] for row in database.rows(plan.documents, *columns)}


def statuses(database: Database, plan: LandingPlan) -> dict[str, str | None]:
    """The status in the table of documents."""
    return {
        row[0].removeprefix("s3://inbox/").removesuffix(".pdf"): row[1]
        for row in database.rows(plan.records.table, "_source_uri", "_review_status")
    }


def totals(database: Database, plan: LandingPlan) -> list[Any]:
    return [row[0] for row in database.rows(plan.records.table, "totals__total_amount")]


def to_review(database: Database, plan: LandingPlan, *columns: str) -> list[tuple[Any, ...]]:
    """Rows of the view."""
    names = ", ".join(f'"{column}"' for column in columns)
    return sorted(database.query(f"SELECT {names} FROM {quoted(plan.review)}"), key=repr)


# What is said


@every_engine
def test_a_document_to_review_lands_as_it_would_without_rules(database, plan):
    land(database, documents(), below=None, checks=())
    columns = [
        (table, [column.name for column in table.columns if not column.name.strip("_").startswith("review")])
        for table in plan.tables
    ]
    without = [database.rows(table, *names) for table, names in columns]

    summary = land(database, documents())

    assert [database.rows(table, *names) for table, names in columns] == without
    assert summary.documents == {"extracted": 3}
    assert summary.reviews == {"review": 2, "passed": 1}


@every_engine
def test_the_ledger_says_why_and_the_table_of_documents_says_so(database, plan):
    land(database, [*documents(), failure()])

    assert ledger(database, plan) == {
        UNSURE_TOTAL: ("extracted", "review", ["low_confidence:totals.total_amount"], None, None),
        WITHOUT_NUMBER: ("extracted", "review", ["required:invoice_header.invoice_number"], None, None),
        FINE: ("extracted", "passed", None, None, None),
        "broken": ("failed", None, None, None, None),
    }
    assert statuses(database, plan) == {UNSURE_TOTAL: "review", WITHOUT_NUMBER: "review", FINE: "passed"}


@every_engine
def test_each_value_in_question_says_why(database, plan):
    misfit = {"totals": {"total_amount": "1.234,50"}, "line_items": {"items": [{"total": 1}, {"total": "two"}]}}
    land(database, [*documents(), invoice("d", misfit, SURE, "result-4")])

    codes = database.rows(plan.fields, "_source_uri", "field_name", "_index", "review_code")
    assert [row for row in codes if row[-1] is not None] == [
        ("s3://inbox/a.pdf", "total_amount", None, "low_confidence"),
        ("s3://inbox/b.pdf", "invoice_number", None, "required"),
        ("s3://inbox/d.pdf", "items.total", 1, "misfit"),
        ("s3://inbox/d.pdf", "total_amount", None, "misfit"),
    ]


@every_engine
def test_without_rules_nothing_is_said_and_there_is_no_view(database, plan):
    summary = land(database, documents(), below=None, checks=())

    assert set(statuses(database, plan).values()) == {None}
    assert (summary.reviews, summary.to_review) == ({}, ())
    assert warehouse_columns(database, plan) == []


@every_engine
def test_those_to_ask_about_are_listed_by_name_and_never_with_a_value(database):
    secrets = {
        "invoice_header": {"invoice_number": SECRET, "paid": SECRET, SECRET: SECRET},
        "totals": {"total_amount": SECRET},
    }
    summary = land(database, [*documents(), invoice("d", secrets, SURE, "result-4")])

    number, total = "invoice_header.invoice_number", "totals.total_amount"
    assert summary.to_review == (
        ("session-a", "a.pdf", (f"low_confidence:{total}",), (total,)),
        ("session-b", "b.pdf", (f"required:{number}",), (number,)),
        (
            "session-d",
            "d.pdf",
            (f"unchecked:{total}", "misfit:invoice_header.paid", f"misfit:{total}"),
            (total, "invoice_header.paid"),
        ),
    )
    assert SECRET not in repr(summary)


# The view


def warehouse_columns(database: Database, plan: LandingPlan) -> list[str]:
    """The columns of the view, in their order; none if there is no view."""
    warehouse = warehouse_for(database.hook)
    with warehouse.reading() as cursor:
        return list(warehouse.column_types(cursor, plan.review))


@every_engine
def test_the_view_has_each_value_in_question_of_each_document_to_review(database, plan):
    land(database, [*documents(), failure()])

    columns = ("filename", "group_name", "field_name", "value", "confidence", "review_code")
    assert [
        (*row[:4], row[4] and Decimal(str(row[4])).normalize(), row[5]) for row in to_review(database, plan, *columns)
    ] == [
        ("a.pdf", "totals", "total_amount", "1234.50", Decimal("0.95"), "low_confidence"),
        ("b.pdf", "invoice_header", "invoice_number", None, None, "required"),
    ]


@every_engine
def test_a_document_that_no_single_value_is_to_blame_for_is_in_the_view_once(database, plan):
    land(database, [invoice()], below=None, checks=["sum(line_items.items.quantity) = sum(line_items.items.total)"])

    assert to_review(database, plan, "filename", "group_name", "review_code") == [("a.pdf", None, None)]


@every_engine
def test_the_view_has_the_columns_that_a_reviewer_asks_for(database, plan):
    land(database, documents())

    assert set(warehouse_columns(database, plan)) == {
        *("_document_key", "_session_id", "_source_uri", "_extracted_at", "_loaded_at", "filename", "review_codes"),
        *(column.name for column in plan.fields.own),
    }


@every_engine
def test_the_view_is_there_before_the_first_document(database, plan):
    land(database, [])

    assert to_review(database, plan, "filename") == []


@every_engine
def test_the_view_lives_on_when_the_template_grows(database, plan):
    land(database, documents())
    grown = GROUPS | {"stamps": {"seen": {"type": "array", "items": STRING}, "by": STRING}}

    land(database, documents(), groups=grown)

    assert [row[0] for row in to_review(database, plan, "filename")] == ["a.pdf", "b.pdf"]


@every_engine
def test_a_view_from_before_lists_in_lists_shows_their_places_once_it_is_dropped(database, plan):
    flat = {**GROUPS, "line_items": {"remarks": GROUPS["line_items"]["remarks"]}}
    below = {"totals": 0.99}
    land(database, documents(), groups=flat, below=below, checks=CHECKS[:1])
    assert "_parent_index" not in warehouse_columns(database, plan)

    land(database, documents())
    assert "_parent_index" not in warehouse_columns(database, plan)
    assert len(to_review(database, plan, "filename")) == 2
    database.execute(f"DROP VIEW {quoted(plan.review)}")
    land(database, documents())

    assert "_parent_index" in warehouse_columns(database, plan)


@every_engine
def test_a_view_of_ones_own_is_left_alone(database, plan):
    land(database, documents(), below=None, checks=())
    database.execute(f"CREATE VIEW {quoted(plan.review)} AS SELECT filename AS mine FROM {quoted(plan.documents)}")

    land(database, documents())

    assert warehouse_columns(database, plan) == ["mine"]


@every_engine
@pytest.mark.parametrize("mode", ["freeze", "discard"])
def test_a_load_that_changes_nothing_else_makes_a_view_only_if_it_may(database, plan, mode):
    land(database, documents(), below=None, checks=())

    land(database, documents(), mode=mode)

    assert bool(warehouse_columns(database, plan)) is (mode == "discard")
    assert statuses(database, plan)[UNSURE_TOTAL] == "review"


# What a person says


@every_engine
def test_an_approved_document_keeps_its_values_and_is_no_longer_to_review(database, plan):
    land(database, documents())
    before = totals(database, plan)

    summary = land(database, [judged(documents()[0])])

    assert statuses(database, plan) == {UNSURE_TOTAL: "approved", WITHOUT_NUMBER: "review", FINE: "passed"}
    assert ledger(database, plan)[UNSURE_TOTAL] == (
        "extracted",
        "approved",
        ["low_confidence:totals.total_amount"],
        "Rita",
        REVIEWED_AT,
    )
    assert totals(database, plan) == before
    assert to_review(database, plan, "filename") == [("b.pdf",)]
    assert (summary.reviews, summary.to_review, summary.kept) == ({"approved": 1}, (), 0)


@every_engine
def test_corrected_values_land_in_their_columns_under_the_same_key_and_the_extracted_ones_stay(database, plan):
    land(database, documents())
    keys = database.rows(plan.records.table, "_document_key")
    corrections = {"totals.total_amount": "99.90", "line_items.items[1].total": "34.90", "line_items.remarks[0]": "Net"}

    land(database, [replace(documents()[0], verdict=Verdict(corrections, "Rita", REVIEWED_AT))])

    assert database.rows(plan.records.table, "_document_key") == keys
    assert totals(database, plan) == [Decimal("1234.5"), Decimal("1234.5"), Decimal("99.9")]
    assert statuses(database, plan)[UNSURE_TOTAL] == ledger(database, plan)[UNSURE_TOTAL][1] == "corrected"
    (items,) = (inner.table for inner in plan.records.lists if inner.path[-1] == "items")
    landed = database.rows(items, "_source_uri", "_index", "total")
    assert [row[1:] for row in landed if row[0] == "s3://inbox/a.pdf"] == [(0, Decimal(1200)), (1, Decimal("34.9"))]
    changed = database.rows(plan.fields, "field_name", "_index", "value", "corrected_value", "review_code")
    assert [row for row in changed if row[3] is not None] == [
        ("items.total", 1, "34.50", "34.90", None),
        ("remarks", 0, "Net 30", "Net", None),
        ("total_amount", None, "1234.50", "99.90", "low_confidence"),
    ]


@every_engine
def test_what_was_not_found_is_filled_in_and_what_is_not_stated_is_emptied(database, plan):
    land(database, documents())

    land(database, [judged(documents()[1], invoice_header__invoice_number="RE-7", totals__total_amount=None)])

    columns = ("_review_status", "invoice_header__invoice_number", "totals__total_amount")
    assert ("corrected", "RE-7", None) in database.rows(plan.records.table, *columns)
    changed = database.rows(plan.fields, "field_name", "value", "corrected_value")
    assert [row for row in changed if row[2] is not None] == [
        ("invoice_number", None, "RE-7"),
        ("total_amount", "1234.50", ""),
    ]


@every_engine
@pytest.mark.parametrize(
    ("corrections", "said"),
    [
        ({"totals.total_amount": SECRET}, "correction of totals.total_amount: not a number"),
        ({"line_items.items[1].quantity": "1.5"}, r"line_items\.items\[1\]\.quantity: not an integer"),
        ({"totals.total": SECRET}, r"the document has no totals\.total"),
        ({"line_items.items[2].total": 1}, r"the document has no line_items\.items\[2\]\.total"),
    ],
)
def test_a_correction_that_cannot_land_fails_the_load_before_anything_is_written(database, plan, corrections, said):
    land(database, documents())
    before = everything(database, plan)

    with pytest.raises(RaydocsInputError, match=said) as caught:
        land(database, [judged(documents()[1]), replace(documents()[0], verdict=Verdict(corrections))])

    assert SECRET not in str(caught.value)
    assert everything(database, plan) == before


@every_engine
def test_all_verdicts_that_cannot_be_followed_are_named_at_once(database, plan):
    land(database, documents())
    verdicts = [judged(document, totals__total_amount="much") for document in documents()]

    with pytest.raises(RaydocsInputError) as caught:
        land(database, verdicts)

    assert [f"{name}.pdf (session session-{name}): " in str(caught.value) for name in "abc"] == [True] * 3
    assert "Nothing was written" in str(caught.value)


@with_precision
def test_a_correction_that_an_existing_column_has_no_room_for_is_refused(database, plan):
    land(database, [], below=None, checks=())
    database.execute(f"DROP TABLE {quoted(plan.records.table)}")
    database.execute(f"CREATE TABLE {quoted(plan.records.table)} (totals__total_amount DECIMAL(6,2))")
    land(database, documents())

    with pytest.raises(RaydocsInputError, match=r"totals\.total_amount: no room in"):
        land(database, [judged(documents()[0], totals__total_amount="12345.00")])

    land(database, [judged(documents()[0], totals__total_amount="999.99")])
    assert Decimal("999.99") in totals(database, plan)


@every_engine
def test_a_field_whose_column_is_left_out_is_corrected_in_the_fields_table_alone(database, plan):
    flat = {**GROUPS, "totals": {}}
    land(database, documents(), groups=flat, below=0.99, checks=())

    land(database, [judged(documents()[0], totals__total_amount="1")], mode="discard")

    changed = database.rows(plan.fields, "field_name", "corrected_value")
    assert [row for row in changed if row[1] is not None] == [("total_amount", "1")]


# What comes after


@every_engine
def test_another_load_of_the_same_result_does_not_undo_a_verdict(database, plan):
    land(database, documents())
    land(database, [judged(documents()[0], totals__total_amount="99.90")])
    before = database.rows(plan.records.table)

    summary = land(database, documents())

    assert (summary.kept, [found[0] for found in summary.to_review]) == (1, ["session-b"])
    assert sorted(map(repr, database.rows(plan.records.table))) == sorted(map(repr, before))
    assert ledger(database, plan)[UNSURE_TOTAL][1] == "corrected"


@every_engine
def test_the_same_verdict_again_changes_nothing(database, plan):
    land(database, documents())
    verdict = judged(documents()[0], totals__total_amount="99.90")
    land(database, [verdict])
    before = everything(database, plan)

    land(database, [verdict])

    assert everything(database, plan) == before


@every_engine
def test_a_later_verdict_about_the_same_result_replaces_the_one_before(database, plan):
    land(database, documents())
    land(database, [judged(documents()[0], totals__total_amount="99.90")])

    land(database, [judged(documents()[0], by="Sam")])

    assert totals(database, plan) == [Decimal("1234.5")] * 3
    assert ledger(database, plan)[UNSURE_TOTAL][1:4:2] == ("approved", "Sam")
    assert {row[0] for row in database.rows(plan.fields, "corrected_value")} == {None}


@every_engine
def test_a_newer_result_replaces_what_was_corrected_and_is_reviewed_anew(database, plan):
    land(database, documents())
    land(database, [judged(documents()[0], totals__total_amount="99.90")])

    summary = land(database, [again(documents()[0], 5)])

    assert totals(database, plan) == [Decimal("1234.5")] * 3
    assert ledger(database, plan)[UNSURE_TOTAL][1:] == (
        "review",
        ["low_confidence:totals.total_amount"],
        None,
        None,
    )
    assert [found[0] for found in summary.to_review] == ["session-of-5"]
    assert {row[0] for row in database.rows(plan.fields, "corrected_value")} == {None}


@every_engine
def test_a_verdict_about_a_result_that_was_replaced_is_not_followed(database, plan):
    land(database, documents())
    land(database, [again(documents()[0], 5)])
    before = everything(database, plan)

    summary = land(database, [judged(documents()[0], totals__total_amount="99.90")])

    assert (summary.kept, summary.reviews) == (1, {})
    assert everything(database, plan) == before


@every_engine
def test_a_failed_attempt_since_takes_no_corrected_value_away(database, plan):
    land(database, documents())
    land(database, [judged(documents()[0], totals__total_amount="99.90")])
    failed = replace(failure(UNSURE_TOTAL), submitted_at=datetime(2026, 3, 5, tzinfo=UTC).timestamp())

    land(database, [failed])
    summary = land(database, [documents()[0]])

    assert ledger(database, plan)[UNSURE_TOTAL][0] == "failed"
    assert summary.kept == 1
    assert Decimal("99.9") in totals(database, plan)
    assert statuses(database, plan)[UNSURE_TOTAL] == "corrected"


@every_engine
def test_a_verdict_needs_no_rules(database, plan):
    land(database, documents())

    land(database, [judged(documents()[0], totals__total_amount="99.90")], below=None, checks=())

    assert ledger(database, plan)[UNSURE_TOTAL][1:3] == ("corrected", None)
    assert to_review(database, plan, "filename") == [("b.pdf",)]
