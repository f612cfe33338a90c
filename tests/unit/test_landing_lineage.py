"""Which fields the columns of a plan are traced to."""

from __future__ import annotations

from typing import Any

from raydocs_provider.api.schema import ExtractionSchema, parse_schema
from raydocs_provider.arguments import DISCARD
from raydocs_provider.landing.column_types import parse_column_types
from raydocs_provider.landing.contract import EVERYTHING, NUMBERS, agree
from raydocs_provider.landing.lineage import Origin, list_fields, trace_columns
from raydocs_provider.landing.tables import Kind, LandingPlan, plan_tables

TEXT, NUMBER = {"type": "string"}, {"type": "number"}


def schema_of(groups: dict[str, Any]) -> ExtractionSchema:
    return parse_schema({"groups": groups})


SCHEMA = schema_of(
    {
        "Header": {
            "fields": {
                "No.": TEXT,
                "vendor": {"type": "object", "properties": {"City": TEXT}},
                "any": {"type": "object"},
            }
        },
        "lines": {
            "fields": {
                "items": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "total": NUMBER,
                            "taxes": {"type": "array", "items": {"type": "object", "properties": {"rate": NUMBER}}},
                        },
                    },
                },
                "remarks": {"type": "array", "items": TEXT},
                "matrix": {"type": "array", "items": {"type": "array", "items": NUMBER}},
            }
        },
        "details": {"fields": {"weight": NUMBER}, "config": {"iterates_on": "lines.items"}},
    }
)
FIELDS = {
    "Header.No.": "string",
    "Header.vendor.City": "string",
    "Header.any": "object",
    "lines.items.total": "number",
    "lines.items.taxes.rate": "number",
    "lines.remarks": "array",
    "lines.matrix": "array",
    "details.weight": "number",
}


def traced(plan: LandingPlan) -> dict[str, dict[str, Origin]]:
    return {str(table): origins for table, origins in trace_columns(plan).items()}


def fields_of(plan: LandingPlan) -> dict[str, dict[str, tuple[str, ...]]]:
    return {
        table: {column: origin.fields for column, origin in origins.items()} for table, origins in traced(plan).items()
    }


def test_every_field_is_listed_as_it_is_written_in_a_dag() -> None:
    assert list_fields(SCHEMA) == FIELDS


def test_each_column_is_traced_to_its_field_however_deep_it_is() -> None:
    found = fields_of(plan_tables(SCHEMA, "t"))
    assert set(found.pop("t__fields")["value"]) == set(FIELDS)
    assert found == {
        "t": {
            "header__no": ("Header.No.",),
            "header__vendor__city": ("Header.vendor.City",),
            "header__any": ("Header.any",),
        },
        "t__lines__items": {"total": ("lines.items.total",)},
        "t__lines__items__taxes": {"rate": ("lines.items.taxes.rate",)},
        "t__lines__remarks": {"value": ("lines.remarks",)},
        "t__lines__matrix": {"value": ("lines.matrix",)},
        "t__details": {"weight": ("details.weight",)},
    }


def test_an_origin_says_how_a_value_is_read() -> None:
    schema = schema_of({"g": {"fields": {"text": TEXT, "day": TEXT, "sum": NUMBER, "narrow": NUMBER}}})
    types = parse_column_types({"g.day": "date:%d/%m/%Y | %Y-%m-%d"}, schema)
    plan = plan_tables(schema, "t", types)
    holdings = {r"NUMERIC\((?P<precision>\d+),(?P<scale>\d+)\)": NUMBERS, ".*": EVERYTHING}
    existing = {("t",): {"g__narrow": "NUMERIC(5,2)"}}
    agreed = agree(plan, existing, holdings, dict.fromkeys(Kind, "ANY"), "evolve").plan
    assert traced(agreed)["t"] == {
        "g__text": Origin(("g.text",), "read as text", unchanged=True),
        "g__day": Origin(("g.day",), "read as date (%d/%m/%Y, %Y-%m-%d)", unchanged=False),
        "g__sum": Origin(("g.sum",), "read as decimal", unchanged=False),
        "g__narrow": Origin(("g.narrow",), "read as decimal, as far as NUMERIC(5,2) takes it", unchanged=False),
    }


def test_what_has_no_column_is_traced_to_the_fields_table_alone() -> None:
    plan = plan_tables(SCHEMA, "t")
    agreed = agree(plan, {("t",): {"header__no": "ANY"}}, {".*": EVERYTHING}, dict.fromkeys(Kind, "ANY"), DISCARD).plan
    found = fields_of(agreed)
    assert found.keys() == {"t", "t__fields"}
    assert found["t"] == {"header__no": ("Header.No.",)}
    assert set(found["t__fields"]["value"]) == set(FIELDS)
