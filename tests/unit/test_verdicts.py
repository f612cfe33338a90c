"""What people made of documents: how it is written, and what it does to the rows."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydocs_provider.api.models import Result
from raydocs_provider.api.schema import parse_schema
from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.landing.documents import LandingDocument, LoadContext, Verdict
from raydocs_provider.landing.review import MAX_FIELDS, parse_review
from raydocs_provider.landing.rows import DocumentRows, RowReader
from raydocs_provider.landing.tables import LandingPlan, plan_tables
from raydocs_provider.landing.verdicts import parse_verdicts

SECRET = "4711-SECRET"
SESSIONS = frozenset({"s1", "s2"})


# As they are written


def test_a_session_is_all_a_verdict_needs():
    assert parse_verdicts([{"session_id": "s1"}], SESSIONS) == {"s1": Verdict()}


def test_verdicts_come_by_session_with_all_they_hold():
    at = "2026-03-01T09:30:00+01:00"
    written = [
        {"session_id": "s2", "corrections": {"a.b": 1}, "reviewed_by": "Rita", "reviewed_at": at},
        {"session_id": "s1", "corrections": None, "reviewed_by": None, "reviewed_at": None},
    ]

    assert parse_verdicts(written, SESSIONS) == {
        "s2": Verdict({"a.b": 1}, "Rita", datetime(2026, 3, 1, 8, 30, tzinfo=UTC)),
        "s1": Verdict(),
    }


@pytest.mark.parametrize(
    "time",
    [
        "2026-03-01T08:30:00",
        "2026-03-01T08:30:00Z",
        datetime(2026, 3, 1, 8, 30),
        datetime(2026, 3, 1, 9, 30, tzinfo=timezone(timedelta(hours=1))),
    ],
)
def test_a_time_is_read_in_utc_if_without_an_offset(time):
    verdicts = parse_verdicts([{"session_id": "s1", "reviewed_at": time}], SESSIONS)

    assert verdicts["s1"].reviewed_at == datetime(2026, 3, 1, 8, 30, tzinfo=UTC)


def test_no_verdicts_are_none():
    assert parse_verdicts(iter(()), SESSIONS) == {}


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ({"session_id": "s1"}, "list of mappings, not dict"),
        (f"[{SECRET}]", "list of mappings, not str"),
        (7, "list of mappings, not int"),
        ([{"session_id": "s1"}, SECRET], r"verdicts\[1\] has to be a mapping with session_id"),
        ([None], r"verdicts\[0\] has to be a mapping"),
        ([{"corrections": {"a.b": SECRET}}], "mapping with session_id"),
        ([{"session_id": None}], "mapping with session_id"),
        ([{"session_id": "s1", "correction": {"a.b": SECRET}}], "corrections, reviewed_at, reviewed_by"),
        ([{"session_id": "s3", "corrections": {"a.b": SECRET}}], "'s3', which is not of this extraction"),
        ([{"session_id": "s1"}, {"session_id": "s1"}], "two verdicts for session 's1'"),
        ([{"session_id": "s1", "corrections": [SECRET]}], "fields to values"),
        ([{"session_id": "s1", "corrections": {1: SECRET}}], "fields to values"),
        ([{"session_id": "s1", "corrections": ""}], "fields to values"),
        ([{"session_id": "s1", "reviewed_by": {"name": SECRET}}], "reviewed_by has to be a text"),
        ([{"session_id": "s1", "reviewed_at": "yesterday"}], "reviewed_at has to be a time"),
        ([{"session_id": "s1", "reviewed_at": 1_780_000_000}], "reviewed_at has to be a time"),
        ([{"session_id": "s1", "reviewed_at": "0001-01-01T00:00:00+14:00"}], "reviewed_at has to be a time"),
    ],
)
def test_a_verdict_that_cannot_be_used_is_refused_and_not_quoted(verdicts, said):
    with pytest.raises(RaydocsInputError, match=said) as caught:
        parse_verdicts(verdicts, SESSIONS)

    assert SECRET not in str(caught.value)


def test_a_verdict_does_not_show_what_was_typed():
    assert SECRET not in repr(Verdict({"a.b": SECRET}))


# What they do

STRING = {"type": "string"}
NUMBER = {"type": "number"}
ITEM = {"type": "object", "properties": {"text": STRING, "amount": NUMBER}}
GROUPS: dict[str, dict[str, Any]] = {
    "header": {
        "number": STRING,
        "vendor": {"type": "object", "properties": {"name": STRING, "city": STRING}},
        "stamp": {"type": "object"},
    },
    "totals": {"amount": NUMBER, "pieces": {"type": "integer"}, "paid": {"type": "boolean"}},
    "lines": {"items": {"type": "array", "items": ITEM}, "notes": {"type": "array", "items": STRING}},
}
DATA = {
    "header": {"number": "A1", "vendor": {"name": "Acme"}},
    "totals": {"amount": Decimal("12.50")},
    "lines": {"items": [{"text": "x", "amount": 2}, {"text": "y", "amount": "two"}], "notes": ["n0", "n1"]},
}
AUDIT = {"totals": {"amount": {"confidence": Decimal("0.4"), "reasoning": "Blurred."}}}
LOAD = LoadContext("template-1", "hash-1", datetime(2026, 1, 2, tzinfo=UTC))
SCHEMA = parse_schema({"groups": {name: {"fields": fields} for name, fields in GROUPS.items()}})
PLAN = plan_tables(SCHEMA, "t")
RULES = parse_review(0.5, ["required(totals.pieces)"])
REVIEWER = RULES.resolve(SCHEMA) if RULES else None


def read(
    corrections: dict[str, Any] | None, data: Any = DATA, plan: LandingPlan = PLAN, reviewer: Any = REVIEWER
) -> DocumentRows:
    """The rows of a document; ``corrections`` None is without a verdict."""
    verdict = None if corrections is None else Verdict(corrections, "Rita", datetime(2026, 1, 1, tzinfo=UTC))
    document = LandingDocument(
        "extracted", filename="a.pdf", sha256="ab" * 32, session_id="s1", result=Result("r1", data=data, audit=AUDIT)
    )
    return RowReader(plan, LOAD, reviewer).read(replace(document, verdict=verdict))


def cells(made: DocumentRows, table: str) -> list[dict[str, Any]]:
    return [
        dict(zip((column.name for column in each.own), row, strict=True))
        for each, rows in made.rows.items()
        if str(each) == table
        for row in rows
    ]


def field(made: DocumentRows, name: str, index: int | None = None) -> dict[str, Any]:
    (found,) = [row for row in cells(made, "t__fields") if (row["field_name"], row["_index"]) == (name, index)]
    return found


def refusal(corrections: dict[str, Any], data: Any = DATA, plan: LandingPlan = PLAN) -> str:
    with pytest.raises(RaydocsInputError) as caught:
        read(corrections, data, plan)
    return str(caught.value)


def test_a_corrected_value_lands_in_its_column_and_the_extracted_one_stays_beside_it():
    made = read({"totals.amount": "99.90"})

    assert cells(made, "t")[0]["totals__amount"] == Decimal("99.90")
    kept = field(made, "amount")
    assert (kept["value"], kept["corrected_value"], kept["reasoning"]) == ("12.50", "99.90", "Blurred.")
    assert cells(made, "t")[0]["_review_status"] == cells(made, "t__documents")[0]["review_status"] == "corrected"


def test_without_corrections_a_verdict_approves_and_changes_no_other_cell():
    plain, approved = read(None), read({})

    assert cells(approved, "t") == [{**cells(plain, "t")[0], "_review_status": "approved"}]
    assert cells(approved, "t__fields") == cells(plain, "t__fields")
    assert cells(approved, "t__lines__items") == cells(plain, "t__lines__items")


def test_the_ledger_says_who_and_when_and_still_why():
    (ledger,) = cells(read({"totals.pieces": 3}), "t__documents")

    assert (ledger["reviewed_by"], ledger["reviewed_at"]) == ("Rita", datetime(2026, 1, 1, tzinfo=UTC))
    assert json.loads(ledger["review_codes"]) == [
        "required:totals.pieces",
        "misfit:lines.items.amount",
        "low_confidence:totals.amount",
    ]


def test_a_value_in_an_item_of_a_list_is_corrected_by_its_place():
    made = read({"lines.items[1].amount": "2.00", "lines.notes[0]": "N"})

    assert [row["amount"] for row in cells(made, "t__lines__items")] == [Decimal(2), Decimal("2.00")]
    assert [row["value"] for row in cells(made, "t__lines__notes")] == ["N", "n1"]
    assert field(made, "items.amount", 0)["corrected_value"] is None
    assert field(made, "items.amount", 1)["corrected_value"] == "2.00"


def test_a_corrected_misfit_is_none_any_more_but_says_that_it_was_one():
    assert json.loads(cells(read(None), "t")[0]["_meta"])["problems"] == [
        {"field": "lines.items[1].amount", "problem": "not a number"}
    ]

    made = read({"lines.items[1].amount": 2})

    assert cells(made, "t")[0]["_meta"] is None
    assert made.problems == 0
    assert field(made, "items.amount", 1)["review_code"] == "misfit"


@pytest.mark.parametrize(
    ("name", "column", "typed", "cell"),
    [
        ("totals.pieces", "totals__pieces", "3", 3),
        ("totals.paid", "totals__paid", "true", True),
        ("header.vendor.city", "header__vendor__city", "Bonn", "Bonn"),
        ("header.stamp", "header__stamp", {"day": 1}, '{"day":1}'),
    ],
)
@pytest.mark.parametrize("data", [DATA, {}, {"header": {"vendor": None}, "totals": None}, {"header": "A1"}, None])
def test_what_was_not_found_can_be_filled_in(name, column, typed, cell, data):
    made = read({name: typed}, data)

    assert cells(made, "t")[0][column] == cell
    filled = field(made, name.partition(".")[2])
    assert filled["value"] is None
    assert filled["corrected_value"] == (cell if isinstance(typed, dict) else typed)


def test_what_the_document_does_not_state_is_corrected_to_nothing():
    made = read({"header.number": None})

    assert cells(made, "t")[0]["header__number"] is None
    assert (field(made, "number")["value"], field(made, "number")["corrected_value"]) == ("A1", "")
    assert made.given.review_status == "corrected"


@pytest.mark.parametrize(
    ("corrections", "data", "said"),
    [
        ({"totals.amount": SECRET}, DATA, "correction of totals.amount: not a number"),
        ({"totals.pieces": "1.5"}, DATA, "correction of totals.pieces: not an integer"),
        ({"totals.paid": SECRET}, DATA, "correction of totals.paid: not a boolean"),
        ({"lines.items[0].amount": SECRET}, DATA, r"correction of lines.items[0].amount: not a number"),
        ({"totals.sum": SECRET}, DATA, "the document has no totals.sum: write fields as"),
        ({"lines.items[2].amount": 1, "lines.items.amount": 2}, DATA, "no lines.items.amount, lines.items[2].amount"),
        ({"lines.items": []}, DATA, "the document has no lines.items"),
        ({"header": {}}, DATA, "the document has no header"),
        ({"lines.items[0].amount": 1}, {}, "the document has no lines.items[0].amount"),
    ],
)
def test_a_correction_that_cannot_land_is_refused_without_what_was_typed(corrections, data, said):
    message = refusal(corrections, data)

    assert message.startswith("a.pdf (session s1): ")
    assert said in message
    assert SECRET not in message


def test_all_corrections_of_a_document_that_cannot_land_are_named_at_once():
    message = refusal({"totals.amount": "much", "totals.pieces": "many", "totals.sum": 1, "header.number": "A2"})

    assert all(name in message for name in ("totals.amount", "totals.pieces", "totals.sum"))
    assert "header.number" not in message


def test_a_name_that_is_two_fields_corrects_neither():
    groups = {"a": {"fields": {"b.c": STRING, "b": {"type": "object", "properties": {"c": STRING}}}}}
    data = {"a": {"b.c": "1", "b": {"c": "2"}}}

    assert "a.b.c is two fields" in refusal({"a.b.c": "3"}, data, plan_tables(parse_schema({"groups": groups}), "t"))


@pytest.mark.parametrize("state", ["failed", "submitted"])
def test_a_document_without_a_result_cannot_be_reviewed(state):
    document = LandingDocument(state, filename="a.pdf", session_id="s1", verdict=Verdict())

    with pytest.raises(RaydocsInputError, match=r"a.pdf \(session s1\): nothing was extracted"):
        RowReader(PLAN, LOAD).read(document)


# What is asked


def test_the_values_to_look_at_are_named_as_corrections_name_them():
    made = read(None)

    assert made.review_fields == ("totals.pieces", "totals.amount", "lines.items[1].amount")
    corrected = read(dict.fromkeys(made.review_fields, "7"))
    assert [row["corrected_value"] for row in cells(corrected, "t__fields")].count("7") == 3


def test_no_more_values_are_named_than_a_person_fills_in():
    data = {"lines": {"items": [{"amount": "much"}] * (MAX_FIELDS + 5)}}

    assert len(read(None, data).review_fields) == MAX_FIELDS


def test_an_item_of_a_group_that_iterates_is_corrected_by_its_place():
    groups = {"lines": {"fields": {"items": GROUPS["lines"]["items"]}}, "pages": {"fields": {"carried": NUMBER}}}
    groups["pages"]["config"] = {"iterates_on": "lines.items"}
    plan = plan_tables(parse_schema({"groups": groups}), "t")

    made = read({"pages[1].carried": "9"}, {"pages": [{"carried": 1}, {"carried": 2}]}, plan, None)

    assert [row["carried"] for row in cells(made, "t__pages")] == [Decimal(1), Decimal(9)]


scalars = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.sampled_from([SECRET, "", "12", "\0"])
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["number", "vendor", SECRET]), inner, max_size=3)
    ),
    max_leaves=8,
)
items = st.lists(st.fixed_dictionaries({}, optional={"text": anything, "amount": anything}) | anything, max_size=3)
documents = st.fixed_dictionaries(
    {},
    optional={
        "header": st.fixed_dictionaries({}, optional=dict.fromkeys(GROUPS["header"], anything)) | anything,
        "totals": st.fixed_dictionaries({}, optional=dict.fromkeys(GROUPS["totals"], anything)) | anything,
        "lines": st.fixed_dictionaries({}, optional={"items": items | anything, "notes": anything}) | anything,
        SECRET: anything,
    },
)
EVERYTHING = parse_review(
    0.5,
    ["missing_confidence", "required(totals.pieces)", "required(header.vendor.name)", "totals.amount = totals.pieces"],
)


@given(documents)
def test_whatever_is_asked_can_be_answered_and_says_nothing_of_the_document(data):
    assert EVERYTHING is not None
    reviewer = EVERYTHING.resolve(SCHEMA)

    made = read(None, data, reviewer=reviewer)

    assert SECRET not in repr((made.review_codes, made.review_fields))
    answered = read(dict.fromkeys(made.review_fields), data, reviewer=reviewer)
    emptied = [row for row in cells(answered, "t__fields") if row["corrected_value"] == ""]
    assert len(emptied) == len(made.review_fields)


def test_data_that_the_template_does_not_know_is_nothing_to_correct():
    rules = parse_review(None, ["missing_confidence"])
    assert rules is not None

    made = read(None, {"totals": {"amount": 1, SECRET: 2}, SECRET: {"x": 1}}, reviewer=rules.resolve(SCHEMA))

    assert made.review_codes == ("missing_confidence:totals", "missing_confidence:*")
    assert made.review_fields == ()


numbers = st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**9), max_value=10**9)


@given(st.dictionaries(st.sampled_from(["totals.amount", "lines.items[0].amount", "lines.items[1].amount"]), numbers))
def test_corrections_change_what_they_name_and_nothing_else(corrections):
    plain, corrected = read(None), read(corrections)
    amounts = {"totals.amount": Decimal("12.50"), "lines.items[0].amount": Decimal(2), "lines.items[1].amount": None}

    landed = dict(
        zip(
            amounts,
            [cells(corrected, "t")[0]["totals__amount"], *(i["amount"] for i in cells(corrected, "t__lines__items"))],
            strict=True,
        )
    )
    assert landed == amounts | corrections
    untouched = {"totals__amount", "_meta", "_review_status"}
    before, after = (
        {k: v for k, v in cells(made, "t")[0].items() if k not in untouched} for made in (plain, corrected)
    )
    assert before == after
    assert [row["value"] for row in cells(corrected, "t__fields")] == [r["value"] for r in cells(plain, "t__fields")]
