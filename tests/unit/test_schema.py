from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydocs_provider.api.schema import MAX_DEPTH, ExtractionSchema, Field, parse_schema
from raydocs_provider.exceptions import RaydocsInputError

INVOICE = {
    "config": {"reasoning_enabled": True, "system_message": None},
    "groups": {
        "invoice_header": {
            "search_query": "invoice number, date",
            "extraction_prompt": "Read the header.",
            "fields": {
                "invoice_number": {"type": "string", "extraction_prompt": "The number."},
                "total_amount": {"type": "number"},
            },
        },
        "line_items": {
            "config": {"iterates_on": "invoice_header.pages"},
            "fields": {
                "items": {
                    "type": "array",
                    "items": {"type": "object", "properties": {"description": {"type": "string"}}},
                }
            },
        },
    },
}


def one_field(node: Any, **schema: Any) -> Field:
    parsed = parse_schema({"groups": {"g": {"fields": {"f": node}}}, **schema})
    return parsed.groups[0].fields[0]


def test_groups_and_fields_come_in_the_order_of_the_schema():
    schema = parse_schema(INVOICE)

    assert [(group.name, [field.name for field in group.fields]) for group in schema.groups] == [
        ("invoice_header", ["invoice_number", "total_amount"]),
        ("line_items", ["items"]),
    ]


def test_an_array_of_objects_knows_its_items_and_their_properties():
    items = parse_schema(INVOICE).groups[1].fields[0]

    assert items == Field("items", "array", items=Field("", "object", (Field("description", "string"),)))


@pytest.mark.parametrize(
    ("node", "type_"),
    [
        ({"type": "integer"}, "integer"),
        ({"type": "Number"}, "number"),
        ({"type": ["null", "boolean"]}, "boolean"),
        ({"type": ["null"]}, ""),
        ({"type": "date"}, "date"),
        ({"type": 7}, ""),
        ({}, ""),
        ({"properties": {}}, "object"),
        ({"items": {"type": "string"}}, "array"),
    ],
)
def test_a_type_is_read_where_it_can_be_and_is_an_open_set(node, type_):
    assert one_field(node).type == type_


@pytest.mark.parametrize("reference", ["#/definitions/address", "#/$defs/address", "address"])
def test_a_reference_stands_for_its_definition(reference):
    definition = {"address": {"type": "object", "properties": {"city": {"type": "string"}}}}
    schema = {"$defs" if "$defs" in reference else "definitions": definition}

    assert one_field({"$ref": reference}, **schema) == Field("f", "object", (Field("city", "string"),))


def test_a_reference_that_leads_nowhere_is_a_field_of_unknown_type():
    assert one_field({"$ref": "#/definitions/gone"}) == Field("f", "")


def test_a_definition_that_contains_itself_ends_as_an_object_without_known_properties():
    node = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "node"}}},
    }

    field = one_field({"$ref": "node"}, definitions={"node": node})

    assert field.properties[1].items == Field("", "object")


def test_definitions_that_only_lead_to_each_other_end():
    assert one_field({"$ref": "a"}, definitions={"a": {"$ref": "b"}, "b": {"$ref": "a"}}).type == "object"


def test_definitions_that_multiply_are_refused_before_they_fill_the_memory():
    doubling = {
        f"level{level}": {
            "type": "object",
            "properties": {side: {"$ref": f"level{level + 1}"} for side in "abcd"},
        }
        for level in range(30)
    }

    with pytest.raises(RaydocsInputError, match="more than 5000 fields"):
        one_field({"$ref": "level0"}, definitions=doubling)


def test_what_is_nested_very_deep_keeps_its_properties_unread():
    node: dict[str, Any] = {"type": "string"}
    for _ in range(500):
        node = {"type": "object", "properties": {"inner": node}}

    field, depth = one_field(node), 0
    while field.properties:
        field, depth = field.properties[0], depth + 1

    assert depth == MAX_DEPTH
    assert field.type == "object"


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        (None, "schema_json is missing"),
        ([], "schema_json is list"),
        ({}, "groups is missing"),
        ({"groups": []}, "groups is list"),
        ({"groups": {"header": "x"}}, "groups.header is str"),
        ({"groups": {"header": {}}}, "groups.header.fields is missing"),
        ({"groups": {"header": {"fields": {"total": "number"}}}}, "groups.header.fields.total is str"),
        (
            {"groups": {"header": {"fields": {"who": {"type": "object", "properties": 1}}}}},
            "groups.header.fields.who.properties is int",
        ),
        (
            {"groups": {"header": {"fields": {"tags": {"type": "array", "items": "string"}}}}},
            "groups.header.fields.tags.items is str",
        ),
    ],
)
def test_a_schema_that_cannot_be_used_says_where(schema, path):
    with pytest.raises(RaydocsInputError, match=path):
        parse_schema(schema)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["object", "array", "#/d/a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "items", "properties", "$ref", "groups", "fields", "definitions", "a", "b"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=30,
)


@given(json_values)
def test_whatever_the_api_gives_is_a_schema_or_an_input_error(value):
    with contextlib.suppress(RaydocsInputError):
        assert isinstance(parse_schema(value), ExtractionSchema)
