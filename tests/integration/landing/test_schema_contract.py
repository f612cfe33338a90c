"""A template that has changed since the last load, and what ``on_schema_change`` makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from raydocs_provider.api.schema import parse_schema
from raydocs_provider.arguments import DISCARD, EVOLVE, FREEZE, SCHEMA_MODES
from raydocs_provider.exceptions import RaydocsLandingError
from raydocs_provider.landing.documents import LandingDocument
from raydocs_provider.landing.review import parse_review
from raydocs_provider.landing.tables import LandingPlan
from tests.integration.landing.conftest import ENGINES, Database, quoted
from tests.integration.landing.invoices import DATA, GROUPS, LOAD, NUMBER, STRING, invoice, plan_of

every_engine = pytest.mark.parametrize("database", ENGINES, indirect=True)

# A field, a field below an object and a list more; the total is a text now.
VENDOR = {"type": "object", "properties": GROUPS["invoice_header"]["vendor"]["properties"] | {"vat_id": STRING}}
WIDER: dict[str, dict[str, Any]] = {
    "invoice_header": GROUPS["invoice_header"] | {"vendor": VENDOR},
    "totals": {"total_amount": STRING, "tax": NUMBER},
    "line_items": GROUPS["line_items"],
    "stamps": {"seen": {"type": "array", "items": STRING}},
}
WIDER_DATA: dict[str, Any] = {
    "invoice_header": {"invoice_number": "B", "vendor": {"name": "Acme", "vat_id": "DE1"}},
    "totals": {"total_amount": "about 7", "tax": 1},
    "stamps": {"seen": ["paid", "sent"]},
}


@pytest.fixture
def plan(database: Database) -> LandingPlan:
    """What an earlier version of the template has made, with an invoice in it."""
    plan = plan_of(GROUPS, database.table)
    database.lander(plan).land([invoice("a")], LOAD)
    return plan


@pytest.fixture
def wider(database: Database, plan: LandingPlan) -> LandingPlan:
    return plan_of(WIDER, database.table)


def texts(database: Database, plan: LandingPlan, document: str) -> dict[str, str]:
    """What `t__fields` has of a document."""
    return {
        ".".join(filter(None, (group, field))): text
        for uri, group, field, text in database.rows(plan.fields, "_source_uri", "group_name", "field_name", "value")
        if uri == f"s3://inbox/{document}.pdf"
    }


def problems(database: Database, plan: LandingPlan, document: str) -> dict[str, str]:
    """What `_meta` says of a document."""
    (meta,) = [
        meta
        for uri, meta in database.rows(plan.records.table, "_source_uri", "_meta")
        if uri == f"s3://inbox/{document}.pdf"
    ]
    return {problem["field"]: problem["problem"] for problem in meta["problems"]} if meta else {}


@every_engine
def test_evolve_adds_columns_and_tables_and_old_rows_stay(database, plan, wider):
    summary = database.lander(wider, EVOLVE).land([invoice("b", WIDER_DATA, {})], LOAD)

    columns = ("_source_uri", "invoice_header__vendor__vat_id", "totals__tax")
    assert database.rows(wider.records.table, *columns) == [
        ("s3://inbox/a.pdf", None, None),
        ("s3://inbox/b.pdf", "DE1", Decimal(1)),
    ]
    stamps = next(records.table for records in wider.records.walk() if records.path == ("stamps", "seen"))
    assert database.rows(stamps, "_index", "value") == [(0, "paid"), (1, "sent")]
    # The column of the total keeps its type.
    assert problems(database, wider, "b") == {"totals.total_amount": f"the column is {type_of_total(summary)}"}
    assert texts(database, wider, "b")["totals.total_amount"] == "about 7"
    assert ("s3://inbox/a.pdf", Decimal("1234.5")) in database.rows(
        plan.records.table, "_source_uri", "totals__total_amount"
    )


def type_of_total(summary: Any) -> str:
    """The type of the column that has another one now, as the engine spells it."""
    (note,) = [note for note in summary.notes if "totals__total_amount" in note]
    return str(note.partition(" is ")[2].partition(" and should be ")[0])


@every_engine
def test_what_evolve_has_added_is_no_difference_to_the_next_load(database, plan, wider):
    groups = WIDER | {"totals": GROUPS["totals"] | {"tax": NUMBER}}
    wider = plan_of(groups, database.table)
    database.lander(wider, EVOLVE).land([], LOAD)

    for mode in SCHEMA_MODES:
        summary = database.lander(wider, mode).land([invoice("b")], LOAD)
        assert summary.notes == ()


@every_engine
def test_freeze_refuses_before_a_document_is_read_and_names_every_difference(database, plan, wider):
    before = {table: database.columns(table) for table in plan.tables}
    read: list[int] = []

    def documents() -> Iterator[LandingDocument]:
        read.append(1)
        yield invoice("b", WIDER_DATA, {})

    with pytest.raises(RaydocsLandingError) as raised:
        database.lander(wider, FREEZE).land(documents(), LOAD)

    message = str(raised.value)
    t = database.table
    assert [line.split("_")[0] for line in message.splitlines()] == [
        "on",
        "- column totals",
        f"- {t} lacks invoice",
        f"- there is no table {t}",
        "Nothing was written. Change the target by hand, or let one load run with 'evolve', which adds what is missing "
        "and changes no type.",
    ]
    assert f"{t} lacks invoice_header__vendor__vat_id " in message
    assert ", totals__tax " in message
    assert f"there is no table {t}__stamps__seen, with _document_key " in message
    assert read == []
    assert {table: database.columns(table) for table in plan.tables} == before
    assert database.count(plan.documents) == 1


@every_engine
def test_freeze_lands_where_nothing_differs(database, plan):
    narrower = plan_of({name: fields for name, fields in GROUPS.items() if name != "totals"}, database.table)

    for planned in (plan, narrower):
        database.lander(planned, FREEZE).land([invoice("b")], LOAD)

    assert database.count(plan.records.table) == 2


@every_engine
def test_freeze_does_not_make_the_first_tables(database):
    plan = plan_of(GROUPS, database.table)

    with pytest.raises(RaydocsLandingError, match=r"no table .*invoices, with _document_key "):
        database.lander(plan, FREEZE).land([invoice("a")], LOAD)

    with pytest.raises(Exception, match=r"(?i)no such table|does(n't| not) exist"):
        database.count(plan.documents)


@every_engine
def test_discard_adds_nothing_and_keeps_the_values_in_fields(database, plan, wider):
    before = {table: database.columns(table) for table in plan.tables}

    summary = database.lander(wider, DISCARD).land([invoice("b", WIDER_DATA, {})], LOAD)

    t = database.table
    assert summary.notes == (
        f"there is no column invoice_header__vendor__vat_id in {t}",
        next(note for note in summary.notes if note.startswith(f"column totals__total_amount of {t} is ")),
        f"there is no column totals__tax in {t}",
        f"there is no table {t}__stamps__seen",
    )
    assert {table: database.columns(table) for table in plan.tables} == before
    assert set(summary.rows) == {str(table) for table in plan.tables}
    assert database.rows(plan.records.table, "invoice_header__invoice_number", "_source_uri")[0] == (
        "B",
        "s3://inbox/b.pdf",
    )
    assert problems(database, wider, "b") == {
        "invoice_header.vendor.vat_id": "no column",
        "totals.total_amount": f"the column is {type_of_total(summary)}",
        "totals.tax": "no column",
        "stamps.seen[0]": "no column",
        "stamps.seen[1]": "no column",
    }
    assert texts(database, wider, "b") == {
        "invoice_header.invoice_number": "B",
        "invoice_header.vendor.name": "Acme",
        "invoice_header.vendor.vat_id": "DE1",
        "totals.total_amount": "about 7",
        "totals.tax": "1",
        "stamps.seen": "sent",
    }


@every_engine
def test_discard_makes_the_first_tables_and_completes_what_is_ours(database):
    plan = plan_of(GROUPS, database.table)
    database.lander(plan, DISCARD).land([invoice("a")], LOAD)
    name = quoted(plan.fields)
    database.execute(f"ALTER TABLE {name} DROP COLUMN corrected_value")
    database.execute(f"DROP TABLE {quoted(plan.documents)}")

    summary = database.lander(plan, DISCARD).land([invoice("b")], LOAD)

    assert summary.notes == ()
    assert database.count(plan.records.table) == 2
    assert database.rows(plan.documents, "filename") == [("b.pdf",)]
    assert "corrected_value" in database.columns(plan.fields)


@every_engine
def test_values_that_were_left_out_land_when_their_columns_are_made(database, plan, wider):
    database.lander(wider, DISCARD).land([invoice("b", WIDER_DATA, {})], LOAD)

    database.lander(wider, EVOLVE).land([invoice("b", WIDER_DATA, {})], LOAD)

    assert ("s3://inbox/b.pdf", Decimal(1)) in database.rows(wider.records.table, "_source_uri", "totals__tax")
    assert problems(database, wider, "b").keys() == {"totals.total_amount"}


@every_engine
def test_tables_can_be_extended_under_the_view_of_what_to_review(database):
    plan = plan_of(GROUPS, database.table)
    rules = parse_review(0.9)
    schema = parse_schema({"groups": {name: {"fields": fields} for name, fields in WIDER.items()}})
    reviewer = rules.resolve(schema) if rules else None
    database.lander(plan, EVOLVE, reviewer).land([invoice("a")], LOAD)
    wider = plan_of(WIDER, database.table)

    database.lander(wider, EVOLVE, reviewer).land([invoice("b", DATA | {"totals": {"tax": 1}})], LOAD)

    assert database.rows(wider.records.table, "_source_uri", "totals__tax") == [
        ("s3://inbox/a.pdf", None),
        ("s3://inbox/b.pdf", Decimal(1)),
    ]
    reviewed = {row[0] for row in database.query(f"SELECT filename FROM {quoted(plan.review)}")}
    assert reviewed == {"a.pdf", "b.pdf"}


@every_engine
def test_freeze_makes_no_view_either(database, plan):
    rules = parse_review(0.9)
    schema = parse_schema({"groups": {name: {"fields": fields} for name, fields in GROUPS.items()}})
    reviewer = rules.resolve(schema) if rules else None

    summary = database.lander(plan, FREEZE, reviewer).land([invoice("b")], LOAD)

    assert summary.reviews == {"review": 1}
    with pytest.raises(Exception, match=r"(?i)no such table|does(n't| not) exist"):
        database.count(plan.review)


@every_engine
def test_tables_that_change_while_documents_are_read_end_the_load(database, plan, wider):
    def documents() -> Iterator[LandingDocument]:
        yield invoice("b", WIDER_DATA, {})
        database.execute(f"ALTER TABLE {quoted(plan.records.table)} ADD COLUMN totals__tax DECIMAL(38,9)")

    with pytest.raises(RaydocsLandingError, match=r"were changed while .* Nothing was written. Run the load again\."):
        database.lander(wider, DISCARD).land(documents(), LOAD)

    assert database.count(plan.documents) == 1
    database.lander(wider, DISCARD).land([invoice("b", WIDER_DATA, {})], LOAD)
    assert ("s3://inbox/b.pdf", Decimal(1)) in database.rows(wider.records.table, "_source_uri", "totals__tax")


@every_engine
def test_a_load_that_made_the_same_tables_meanwhile_is_no_change(database):
    plan = plan_of(GROUPS, database.table)

    def documents() -> Iterator[LandingDocument]:
        database.lander(plan).land([invoice("b")], LOAD)
        yield invoice("a")

    database.lander(plan).land(documents(), LOAD)

    assert database.count(plan.records.table) == 2
