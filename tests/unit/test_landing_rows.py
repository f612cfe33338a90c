from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from raydocs_provider.api.models import Result
from raydocs_provider.api.schema import parse_schema
from raydocs_provider.landing.documents import LandingDocument, LoadContext, Verdict, document_key
from raydocs_provider.landing.rows import RowReader
from raydocs_provider.landing.tables import AUDIT, LandingPlan, plan_tables

STRING = {"type": "string"}
NUMBER = {"type": "number"}
TAXES = {"type": "array", "items": {"type": "object", "properties": {"rate": NUMBER}}}
ITEM = {"type": "object", "properties": {"text": STRING, "amount": NUMBER, "taxes": TAXES}}
PLAN = plan_tables(
    parse_schema(
        {
            "groups": {
                "header": {
                    "fields": {
                        "number": STRING,
                        "vendor": {"type": "object", "properties": {"name": STRING, "city": STRING}},
                    }
                },
                "totals": {"fields": {"amount": NUMBER}},
                "lines": {"fields": {"items": {"type": "array", "items": ITEM}}},
            }
        }
    ),
    "t",
)
LOAD = LoadContext("template-1", "hash-1", datetime(2026, 1, 2, tzinfo=UTC), "dag", "run", "load", 3, 2)
# Corrected value, confidence, reasoning, sources, review code.
NO_REMARKS = (None,) * 5
NOT_REVIEWED = (None,) * 4


def extracted(data: Any, audit: Any = None) -> LandingDocument:
    result = Result("result-1", data=data, audit=audit or {})
    return LandingDocument("extracted", "s3://in/a.pdf", "a.pdf", "ab" * 32, "session-1", result)


def landed(document: LandingDocument, plan: LandingPlan = PLAN) -> dict[str, list[tuple[Any, ...]]]:
    tables = defaultdict(list)
    for table, rows in RowReader(plan, LOAD).read(document).rows.items():
        assert all(len(row) == len(table.own) for row in rows)
        tables[str(table)] += rows
    return tables


def problems(document: LandingDocument, plan: LandingPlan = PLAN) -> dict[str, str]:
    meta = landed(document, plan)["t"][0][-2]
    found = json.loads(meta)["problems"] if meta else []
    assert RowReader(plan, LOAD).read(document).problems == len(found)
    return {problem["field"]: problem["problem"] for problem in found}


def field_values(document: LandingDocument, plan: LandingPlan = PLAN) -> list[tuple[Any, ...]]:
    return [row[:5] for row in landed(document, plan)["t__fields"]]


def test_a_document_gets_a_row_in_each_table_that_it_has_something_for():
    tables = landed(
        extracted(
            {
                "header": {"number": "A1", "vendor": {"name": "Acme", "city": "Bonn"}},
                "totals": {"amount": Decimal("12.50")},
                "lines": {"items": [{"text": "x", "amount": 2}, {"text": "y", "taxes": [{"rate": 7}, {"rate": 19}]}]},
            }
        )
    )

    assert dict(tables) == {
        "t__documents": [("extracted", None, None, None, "a.pdf", 1, None, *NOT_REVIEWED)],
        "t": [("A1", "Acme", "Bonn", Decimal("12.50"), None, None)],
        "t__lines__items": [(0, "x", Decimal(2)), (1, "y", None)],
        "t__lines__items__taxes": [(1, 0, Decimal(7)), (1, 1, Decimal(19))],
        "t__fields": [
            ("header", "number", None, None, "A1", *NO_REMARKS),
            ("header", "vendor.name", None, None, "Acme", *NO_REMARKS),
            ("header", "vendor.city", None, None, "Bonn", *NO_REMARKS),
            ("totals", "amount", None, None, "12.50", *NO_REMARKS),
            ("lines", "items.text", None, 0, "x", *NO_REMARKS),
            ("lines", "items.amount", None, 0, "2", *NO_REMARKS),
            ("lines", "items.text", None, 1, "y", *NO_REMARKS),
            ("lines", "items.taxes.rate", 1, 0, "7", *NO_REMARKS),
            ("lines", "items.taxes.rate", 1, 1, "19", *NO_REMARKS),
        ],
    }


def test_the_audit_cells_say_where_the_rows_come_from():
    document = extracted({})
    document = replace(document, result=replace(document.result, completed_at="2026-01-01T01:00:00+01:00"))
    audit = dict(zip((column.name for column in AUDIT), RowReader(PLAN, LOAD).read(document).audit, strict=True))

    assert audit == {
        "_document_key": document_key(document, "template-1"),
        "_session_id": "session-1",
        "_result_id": "result-1",
        "_source_uri": "s3://in/a.pdf",
        "_document_sha256": "ab" * 32,
        "_template_id": "template-1",
        "_template_hash": "hash-1",
        "_extracted_at": datetime(2026, 1, 1, tzinfo=UTC),
        "_loaded_at": datetime(2026, 1, 2, tzinfo=UTC),
        "_dag_id": "dag",
        "_run_id": "run",
        "_task_id": "load",
        "_map_index": 3,
        "_try_number": 2,
    }


def test_the_same_content_is_the_same_document_wherever_it_lies():
    document = extracted({})
    elsewhere = replace(document, source_uri="file:///b.pdf", session_id="session-2", sha256="AB" * 32)

    assert document_key(document, "template-1") == document_key(elsewhere, "template-1")
    assert document_key(document, "template-1") != document_key(document, "template-2")


def test_without_a_hash_the_session_is_the_identity_and_without_a_session_the_source():
    by_session = LandingDocument("failed", "s3://in/a.pdf", session_id="s1")
    by_source = LandingDocument("failed", "s3://in/a.pdf")

    assert document_key(by_session, "t") == document_key(replace(by_session, source_uri="s3://in/b.pdf"), "t")
    assert document_key(by_source, "t") != document_key(replace(by_source, source_uri="s3://in/b.pdf"), "t")
    assert len({document_key(by_session, "t"), document_key(by_source, "t")}) == 2


@pytest.mark.parametrize("state", ["failed", "timed_out", "a word of tomorrow"])
def test_a_document_that_was_not_extracted_is_only_in_the_ledger(state):
    result = Result("r", status="failed", data={"totals": {"amount": 1}})
    document = LandingDocument(state, "s3://in/a.pdf", result=result, stage="parsing", code="encrypted", reason="No.")

    assert dict(landed(document)) == {
        "t__documents": [(state, "parsing", "encrypted", "No.", None, 1, None, *NOT_REVIEWED)]
    }


def test_an_extracted_document_without_its_result_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="needs its result"):
        LandingDocument("extracted", "s3://in/a.pdf")


def test_what_the_data_leaves_out_is_empty_and_no_problem():
    assert landed(extracted({}))["t"] == [(None,) * 6]
    assert "t__fields" not in landed(extracted({"header": {"vendor": None}, "lines": {"items": None}}))


def test_a_field_that_was_looked_for_and_not_found_is_an_empty_value_with_its_reasoning():
    document = extracted({"totals": {"amount": None}}, {"totals": {"amount": {"reasoning": "No total on any page."}}})

    assert landed(document)["t__fields"] == [
        ("totals", "amount", None, None, None, None, None, "No total on any page.", None, None)
    ]
    assert problems(document) == {}


def test_a_result_without_data_lands_empty_and_says_so():
    assert problems(extracted(None)) == {"": "no data"}


def test_a_value_that_does_not_fit_is_empty_in_its_column_but_stands_in_fields_as_it_came():
    document = extracted({"totals": {"amount": "1.250,00 EUR"}, "lines": {"items": [{"amount": 1}, {"amount": "two"}]}})

    assert landed(document)["t"][0][3] is None
    assert landed(document)["t__lines__items"] == [(0, None, Decimal(1)), (1, None, None)]
    assert ("totals", "amount", None, None, "1.250,00 EUR") in field_values(document)
    assert ("lines", "items.amount", None, 1, "two") in field_values(document)
    assert problems(document) == {"totals.amount": "not a number", "lines.items[1].amount": "not a number"}


def test_problems_never_quote_the_value():
    document = extracted({"totals": {"amount": "SECRET"}, "header": {"vendor": "SECRET"}, "lines": {"items": "SECRET"}})

    assert "SECRET" not in landed(document)["t"][0][-2]


@pytest.mark.parametrize(
    ("data", "field", "problem"),
    [
        ({"header": "A1"}, ("header", "", None, None, "A1"), ("header", "not an object")),
        ({"header": {"vendor": "Acme"}}, ("header", "vendor", None, None, "Acme"), ("header.vendor", "not an object")),
        (
            {"lines": {"items": {"text": "x"}}},
            ("lines", "items", None, None, '{"text":"x"}'),
            ("lines.items", "not a list"),
        ),
        ({"lines": {"items": ["x"]}}, ("lines", "items", None, 0, "x"), ("lines.items[0]", "not an object")),
        ({"lines": ["x"]}, ("lines", "", None, None, '["x"]'), ("lines", "not an object")),
    ],
)
def test_data_of_another_shape_stands_in_fields_with_a_problem(data, field, problem):
    document = extracted(data)

    assert field_values(document) == [field]
    assert problems(document) == dict([problem])


def test_a_list_item_that_is_no_object_keeps_its_place_in_the_list():
    assert [row[0] for row in landed(extracted({"lines": {"items": [None, "x", {}]}}))["t__lines__items"]] == [0, 1, 2]


SOURCES = [{"chunk_id": "c1", "text": "Total 12.50", "page": 1}]


def remarks(audit: Any) -> dict[tuple[str, int | None], tuple[Any, ...]]:
    data = {"totals": {"amount": 1}, "lines": {"items": [{"amount": 1}, {"amount": 2}]}}
    return {(row[1], row[3]): row[6:9] for row in landed(extracted(data, audit))["t__fields"]}


def test_confidence_and_reasoning_of_the_older_api_stand_beside_the_value():
    said = remarks({"totals": {"amount": {"confidence": Decimal("0.95"), "reasoning": "Last line."}}})

    assert said["amount", None] == (Decimal("0.95"), "Last line.", None)


def test_sources_of_the_newer_api_are_json_and_a_missing_confidence_is_empty():
    said = remarks({"totals": {"amount": {"reasoning": "Last line.", "sources": SOURCES}}})

    assert said["amount", None][:2] == (None, "Last line.")
    assert json.loads(said["amount", None][2]) == SOURCES


def test_what_is_said_about_a_list_stands_for_all_of_its_items():
    said = remarks({"lines": {"items": {"confidence": 0.7}}})

    assert said["items.amount", 0] == said["items.amount", 1] == (Decimal("0.7"), None, None)
    assert said["amount", None] == (None, None, None)


@pytest.mark.parametrize(
    "second",
    [{"confidence": 0.4}, {"amount": {"confidence": 0.4}, "confidence": 0.9}],
    ids=["per item", "per value of an item"],
)
def test_what_is_said_about_one_item_goes_before_what_is_said_about_the_list(second):
    said = remarks({"lines": {"items": [{"confidence": 0.9}, second]}})

    assert said["items.amount", 0][0] == Decimal("0.9")
    assert said["items.amount", 1][0] == Decimal("0.4")


def test_a_field_called_like_a_part_of_an_entry_is_no_entry_of_its_group():
    plan = plan_tables(parse_schema({"groups": {"g": {"fields": {"reasoning": STRING, "other": STRING}}}}), "t")
    audit = {"g": {"reasoning": {"reasoning": "Printed.", "confidence": 0.9}}}

    rows = landed(extracted({"g": {"reasoning": "x", "other": "y"}}, audit), plan)["t__fields"]

    remarks_by_field = {row[1]: row[4:6] for row in rows}
    assert remarks_by_field == {"reasoning": (Decimal("0.9"), "Printed."), "other": (None, None)}


@pytest.mark.parametrize(
    "audit", [{"totals": None}, {"totals": []}, {"totals": {"amount": "sure"}}, {"lines": {"items": []}}]
)
def test_an_audit_of_unknown_shape_says_nothing(audit):
    assert set(remarks(audit).values()) == {(None, None, None)}


@pytest.mark.parametrize(
    ("confidence", "cell"), [("high", None), (True, None), ("0.5", Decimal("0.5")), (1, Decimal(1))]
)
def test_a_confidence_is_a_number_or_missing(confidence, cell):
    assert remarks({"totals": {"amount": {"confidence": confidence}}})["amount", None][0] == cell


def test_reasoning_that_is_no_text_is_kept_as_json():
    assert remarks({"totals": {"amount": {"reasoning": ["a", "b"]}}})["amount", None][1] == '["a","b"]'


# --- data that the template does not know


@pytest.mark.parametrize(
    ("data", "field", "where"),
    [
        ({"stamps": {"paid": True}}, ("stamps", "", None, None, '{"paid":true}'), "stamps"),
        ({"totals": {"discount": 3}}, ("totals", "discount", None, None, "3"), "totals.discount"),
        ({"header": {"vendor": {"vat": "DE1"}}}, ("header", "vendor.vat", None, None, "DE1"), "header.vendor.vat"),
        ({"lines": {"items": [{"sku": "x"}]}}, ("lines", "items.sku", None, 0, "x"), "lines.items[0].sku"),
        (
            {"lines": {"items": [{"taxes": [{"code": ["a"]}]}]}},
            ("lines", "items.taxes.code", 0, 0, '["a"]'),
            "lines.items[0].taxes[0].code",
        ),
        ({"lines": {"items": [{"": 1}]}}, ("lines", "items.", None, 0, "1"), "lines.items[0]."),
    ],
    ids=["group", "field", "below an object", "in a list", "in a list of a list", "without a name"],
)
def test_what_the_template_does_not_know_stands_in_fields_and_is_said(data, field, where):
    document = extracted(data)

    assert field_values(document) == [field]
    assert problems(document) == {where: "not in the template"}


def test_nothing_under_a_name_that_the_template_does_not_know_is_nothing():
    document = extracted({"stamps": None, "totals": {"discount": None}})

    assert "t__fields" not in landed(document)
    assert problems(document) == {}


def test_known_values_land_beside_unknown_ones_with_what_was_said_about_both():
    document = extracted(
        {"totals": {"amount": 1, "discount": 3}},
        {"totals": {"amount": {"confidence": 0.9}, "discount": {"confidence": 0.1, "reasoning": "In ink."}}},
    )

    assert landed(document)["t"][0][3] == 1
    assert {row[1]: row[6:8] for row in landed(document)["t__fields"]} == {
        "amount": (Decimal("0.9"), None),
        "discount": (None, None),
    }


# --- groups that iterate


PAGES = plan_tables(
    parse_schema(
        {
            "groups": {
                "totals": {"fields": {"amount": NUMBER}},
                "pages": {
                    "config": {"iterates_on": "lines.items"},
                    "fields": {
                        "sum": NUMBER,
                        "scan": {"type": "object", "properties": {"day": STRING}},
                        "stamps": {"type": "array", "items": STRING},
                    },
                },
            }
        }
    ),
    "t",
)


def test_a_group_that_iterates_has_a_row_per_item_and_lists_inside_of_it_have_theirs():
    data = {"pages": [{"sum": 1, "scan": {"day": "Mon"}}, {"sum": "two", "stamps": ["paid", "sent"]}]}
    tables = landed(extracted(data), PAGES)

    assert tables["t__pages"] == [(0, Decimal(1), "Mon"), (1, None, None)]
    assert tables["t__pages__stamps"] == [(1, 0, "paid"), (1, 1, "sent")]
    assert field_values(extracted(data), PAGES) == [
        ("pages", "sum", None, 0, "1"),
        ("pages", "scan.day", None, 0, "Mon"),
        ("pages", "sum", None, 1, "two"),
        ("pages", "stamps", 1, 0, "paid"),
        ("pages", "stamps", 1, 1, "sent"),
    ]
    assert problems(extracted(data), PAGES) == {"pages[1].sum": "not a number"}


def test_a_group_that_iterates_and_came_as_one_object_is_one_row():
    tables = landed(extracted({"pages": {"sum": 3, "stamps": ["paid"]}}), PAGES)

    assert tables["t__pages"] == [(0, Decimal(3), None)]
    assert tables["t__pages__stamps"] == [(0, 0, "paid")]
    assert problems(extracted({"pages": {"sum": 3}}), PAGES) == {}


@pytest.mark.parametrize(("data", "text"), [("SECRET", "SECRET"), (7, "7"), (True, "true")])
def test_a_group_that_iterates_and_came_as_something_else_stands_in_fields(data, text):
    document = extracted({"pages": data})

    assert "t__pages" not in landed(document, PAGES)
    assert field_values(document, PAGES) == [("pages", "", None, None, text)]
    assert problems(document, PAGES) == {"pages": "not a list"}


@pytest.mark.parametrize("data", [None, []])
def test_a_group_that_iterates_over_nothing_has_no_rows(data):
    tables = landed(extracted({"pages": data}), PAGES)

    assert set(tables) == {"t", "t__documents"}
    assert problems(extracted({"pages": data}), PAGES) == {}


@pytest.mark.parametrize(
    ("audit", "confidences"),
    [
        ([{"sum": {"confidence": 0.9}}, {"sum": {"confidence": 0.4}}], [Decimal("0.9"), Decimal("0.4")]),
        ([{"sum": {"confidence": 0.9}}], [Decimal("0.9"), None]),
        ({"sum": {"confidence": 0.7}}, [Decimal("0.7"), Decimal("0.7")]),
        ([{"confidence": 0.2}, {}], [Decimal("0.2"), None]),
        ("sure", [None, None]),
    ],
    ids=["per item", "for the first item", "for all items", "for an item as a whole", "of another shape"],
)
def test_what_is_said_about_a_group_that_iterates_stands_beside_its_values(audit, confidences):
    document = extracted({"pages": [{"sum": 1}, {"sum": 2}]}, {"pages": audit})

    assert [row[6] for row in landed(document, PAGES)["t__fields"]] == confidences


# --- columns that the schema contract leaves out


def test_values_without_a_column_stand_in_fields_and_that_is_said():
    records = PLAN.records
    items = replace(records.lists[0], landed=False)
    items = replace(items, values=tuple(replace(column, landed=False) for column in items.values), lists=())
    values = tuple(replace(column, landed=column.name != "header__number") for column in records.values)
    document = extracted(
        {"header": {"number": "A1", "vendor": {"city": "Bonn"}}, "lines": {"items": [{"text": "x", "amount": None}]}}
    )

    rows = RowReader(replace(PLAN, records=replace(records, values=values, lists=(items,))), LOAD).read(document).rows

    of = {str(table): row for table, (row, *_) in rows.items() if str(table) != "t__fields"}
    assert of["t"][:3] == (None, "Bonn", None)
    assert set(of) == {"t", "t__documents"}
    assert {problem["field"]: problem["problem"] for problem in json.loads(of["t"][-2])["problems"]} == {
        "header.number": "no column",
        "lines.items[0].text": "no column",
    }
    assert [row[:5] for row in rows[PLAN.fields]] == [
        ("header", "number", None, None, "A1"),
        ("header", "vendor.city", None, None, "Bonn"),
        ("lines", "items.text", None, 0, "x"),
        ("lines", "items.amount", None, 0, None),
    ]


# --- corrections


def corrected(data: Any, **corrections: object) -> LandingDocument:
    named = {name.replace("__", "."): value for name, value in corrections.items()}
    return replace(extracted(data), verdict=Verdict(named, "Ada", datetime(2026, 1, 3, tzinfo=UTC)))


def test_a_corrected_value_lands_and_the_extracted_one_stays_in_fields():
    document = corrected({"totals": {"amount": "1.250,00 EUR"}, "header": {"number": "A1"}}, totals__amount="1250.00")
    tables = landed(document)

    assert tables["t"] == [("A1", None, None, Decimal("1250.00"), None, "corrected")]
    assert {row[1]: row[4:6] for row in tables["t__fields"]} == {
        "number": ("A1", None),
        "amount": ("1.250,00 EUR", "1250.00"),
    }
    assert tables["t__documents"][0][-4:] == ("corrected", None, "Ada", datetime(2026, 1, 3, tzinfo=UTC))


def test_a_value_in_a_list_is_corrected_by_its_place():
    data = {"lines": {"items": [{"text": "a", "amount": 1}, {"text": "b", "amount": 2, "taxes": [{"rate": 7}]}]}}
    corrections = {"lines.items[1].amount": 20, "lines.items[1].taxes[0].rate": 19}
    tables = landed(replace(extracted(data), verdict=Verdict(corrections)))

    assert tables["t__lines__items"] == [(0, "a", Decimal(1)), (1, "b", Decimal(20))]
    assert tables["t__lines__items__taxes"] == [(1, 0, Decimal(19))]


@pytest.mark.parametrize("data", [{}, {"totals": {}}, {"totals": None}, {"totals": {"amount": None}}, None])
def test_a_value_that_was_not_found_can_be_corrected(data):
    tables = landed(corrected(data, totals__amount=5))

    assert tables["t"][0][3] == Decimal(5)
    assert [row[:6] for row in tables["t__fields"]] == [("totals", "amount", None, None, None, "5")]


def test_what_is_right_as_it_is_is_approved():
    tables = landed(corrected({"totals": {"amount": 5}}))

    assert tables["t"][0][3:] == (Decimal(5), None, "approved")
    assert tables["t__documents"][0][-4:-1] == ("approved", None, "Ada")
