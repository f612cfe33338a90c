from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydocs_provider.api.schema import parse_schema
from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.landing.column_types import parse_column_types
from raydocs_provider.landing.names import MAX_NAME_BYTES
from raydocs_provider.landing.tables import AUDIT, Kind, LandingPlan, Table, plan_tables


def plan(groups: dict[str, dict[str, Any]], table: str = "invoices") -> LandingPlan:
    schema = {"groups": {name: {"fields": fields} for name, fields in groups.items()}}
    return plan_tables(parse_schema(schema), table)


def own(table: Table) -> list[tuple[str, Kind]]:
    return [(column.name, column.kind) for column in table.own]


def names_by_path(planned: LandingPlan) -> dict[Any, str]:
    """What every value and every list of a plan is called, by what it is."""
    names: dict[Any, str] = {}

    def collect(records, above):
        names[above, "table"] = str(records.table)
        for column in records.values:
            names[above, column.path] = column.name
        for inner in records.lists:
            collect(inner, (*above, inner.path))

    collect(planned.records, ())
    return names


STRING = {"type": "string"}
NUMBER = {"type": "number"}


def test_a_document_has_a_column_per_field_and_objects_are_flattened():
    planned = plan(
        {
            "header": {"number": STRING, "paid": {"type": "boolean"}, "pages": {"type": "integer"}},
            "totals": {"amount": NUMBER, "due": {"type": "date"}},
            "vendor": {
                "address": {"type": "object", "properties": {"city": STRING, "geo": {"type": "object"}}},
            },
        }
    )

    assert own(planned.records.table) == [
        ("header__number", Kind.TEXT),
        ("header__paid", Kind.BOOLEAN),
        ("header__pages", Kind.INTEGER),
        ("totals__amount", Kind.DECIMAL),
        ("totals__due", Kind.TEXT),
        ("vendor__address__city", Kind.TEXT),
        ("vendor__address__geo", Kind.JSON),
        ("_meta", Kind.JSON),
        ("_review_status", Kind.TEXT),
    ]


def test_lists_have_tables_of_their_own_and_lists_in_lists_too():
    taxes = {"type": "array", "items": {"type": "object", "properties": {"rate": NUMBER}}}
    items = {"type": "array", "items": {"type": "object", "properties": {"text": STRING, "taxes": taxes}}}
    planned = plan({"lines": {"items": items, "remarks": {"type": "array", "items": STRING}}}, "finance.invoices")

    assert {str(table): own(table) for table in planned.tables[1:-2]} == {
        "finance.invoices__lines__items": [("_index", Kind.INTEGER), ("text", Kind.TEXT)],
        "finance.invoices__lines__items__taxes": [
            ("_parent_index", Kind.INTEGER),
            ("_index", Kind.INTEGER),
            ("rate", Kind.DECIMAL),
        ],
        "finance.invoices__lines__remarks": [("_index", Kind.INTEGER), ("value", Kind.TEXT)],
    }
    assert [column.name for column in planned.fields.own][:4] == ["group_name", "field_name", "_parent_index", "_index"]


def test_a_list_directly_in_a_list_lands_as_json_because_it_has_no_name():
    planned = plan({"g": {"matrix": {"type": "array", "items": {"type": "array", "items": NUMBER}}}})

    assert own(planned.records.lists[0].table) == [("_index", Kind.INTEGER), ("value", Kind.JSON)]
    assert planned.records.lists[0].lists == ()


def test_a_group_that_iterates_is_a_list_with_lists_inside_of_it():
    fields = {"sum": NUMBER, "stamps": {"type": "array", "items": STRING}}
    groups = {name: {"config": {"iterates_on": "g.items"}, "fields": fields} for name in ("pages", "fields")}
    planned = plan_tables(parse_schema({"groups": groups}), "t")

    assert own(planned.records.table) == [("_meta", Kind.JSON), ("_review_status", Kind.TEXT)]
    assert {str(table): own(table) for table in planned.tables[1:3]} == {
        "t__pages": [("_index", Kind.INTEGER), ("sum", Kind.DECIMAL)],
        "t__pages__stamps": [("_parent_index", Kind.INTEGER), ("_index", Kind.INTEGER), ("value", Kind.TEXT)],
    }
    # A group called like a table of ours gets another name.
    assert str(planned.tables[3]).startswith("t__fields_")
    assert planned.depth == 2


def test_column_types_go_before_the_types_of_the_template():
    items = {"type": "array", "items": {"type": "object", "properties": {"price": STRING, "day": STRING}}}
    schema = parse_schema({"groups": {"g": {"fields": {"due": STRING, "items": items, "notes": STRING}}}})
    readings = {"g.due": "date:%d/%m/%Y", "g.items.price": "decimal:,"}

    planned = plan_tables(schema, "t", parse_column_types(readings, schema))

    assert [(column.name, column.kind, column.formats) for column in planned.records.values] == [
        ("g__due", Kind.DATE, ("%d/%m/%Y",)),
        ("g__notes", Kind.TEXT, None),
    ]
    assert [(column.name, column.kind, column.formats) for column in planned.records.lists[0].values] == [
        ("price", Kind.DECIMAL, (",",)),
        ("day", Kind.TEXT, None),
    ]


def test_no_list_is_called_like_a_table_or_the_view_of_ours():
    lists = {name: {"type": "array", "items": STRING} for name in ("fields", "documents", "review")}
    groups = {name: {"config": {"iterates_on": "x"}, "fields": lists} for name in ("fields", "documents", "review")}
    planned = plan_tables(parse_schema({"groups": groups}), "t")

    names = [str(table) for table in (*planned.tables, planned.review)]
    assert len(set(names)) == len(names) == 1 + 3 + 9 + 3
    assert str(planned.review) == "t__review"


def test_every_table_carries_the_audit_columns_and_starts_with_the_key():
    planned = plan({"lines": {"items": {"type": "array", "items": STRING}}})

    for table in planned.tables:
        assert table.columns[0].name == "_document_key"
        assert {column.name for column in AUDIT} <= {column.name for column in table.columns}


def test_the_ledger_is_written_last():
    assert str(plan({"g": {"f": STRING}}).tables[-1]) == "invoices__documents"


def test_only_the_last_part_of_the_target_gets_suffixes():
    tables = [table.name for table in plan({"g": {"f": STRING}}, "Lake.Finance.Invoices 2026").tables]

    assert tables == [
        ("Lake", "Finance", "Invoices 2026"),
        ("Lake", "Finance", "Invoices 2026__fields"),
        ("Lake", "Finance", "Invoices 2026__documents"),
    ]


@pytest.mark.parametrize(
    "table", ["", " ", "a..b", ".a", "a.", "a.b.c.d", " a", "a ", "a\nb", "a\0b", "\ud800", "x" * 64]
)
def test_a_target_that_is_no_table_name_is_refused(table):
    with pytest.raises(RaydocsInputError, match="table="):
        plan({"g": {"f": STRING}}, table)


@pytest.mark.parametrize(
    ("field", "column"),
    [
        ("total_amount", "g__total_amount"),
        ("Total Amount (EUR)", "g__total_amount_eur"),
        ("totalAmount", "g__totalamount"),
        ("Größe", "g__grosse"),
        ("Montant dû", "g__montant_du"),
        ("金額", "g__金額"),
        ("select", "g__select"),
        ("2nd", "g__2nd"),
        ("_dunder__", "g__dunder"),
        ("!!!", "g__x"),
        ('"; DROP TABLE x; --', "g__drop_table_x"),
    ],
)
def test_names_become_plain_identifiers(field, column):
    assert plan({"g": {field: STRING}}).records.values[0].name == column


def test_of_two_fields_alike_the_one_already_in_plain_form_keeps_the_name():
    names = {
        column.path: column.name for column in plan({"g": {"Net Amount": STRING, "net_amount": STRING}}).records.values
    }

    assert names["g", "net_amount"] == "g__net_amount"
    assert names["g", "Net Amount"].startswith("g__net_amount_")


def test_a_group_and_field_cannot_be_mistaken_for_another_group_and_field():
    columns = plan({"a_b": {"c": STRING}, "a": {"b_c": STRING, "b__c": STRING}}).records.values

    assert len({column.name for column in columns}) == 3


def test_long_names_are_cut_at_63_bytes_and_stay_apart():
    fields = {"ü金" * 40 + str(number): STRING for number in range(3)} | {"金" * 60 + "a": STRING}

    names = [column.name for column in plan({"group" * 10: fields}).records.values]

    assert len(set(names)) == 4
    assert all(len(name.encode()) <= MAX_NAME_BYTES for name in names)


def test_tables_of_a_long_target_are_cut_and_stay_apart():
    lists = {f"list{number}": {"type": "array", "items": STRING} for number in range(3)}

    names = [table.name[-1] for table in plan({"g": lists}, "t" * 60).tables]

    assert len(set(names)) == 6
    assert all(len(name.encode()) <= MAX_NAME_BYTES for name in names)


field_names = st.text(max_size=12) | st.sampled_from(["a", "A", "a_", "a__b", "á", "value", "fields", "x" * 70])
nodes = st.recursive(
    st.sampled_from([STRING, NUMBER, {"type": "integer"}, {"type": "boolean"}, {"type": "object"}, {"type": "array"}]),
    lambda inner: (
        st.builds(lambda items: {"type": "array", "items": items}, inner)
        | st.builds(
            lambda properties: {"type": "object", "properties": properties},
            st.dictionaries(field_names, inner, max_size=3),
        )
    ),
    max_leaves=8,
)
schemas = st.dictionaries(field_names, st.dictionaries(field_names, nodes, max_size=4), max_size=4)


@given(schemas)
def test_no_two_columns_or_tables_share_a_name_in_any_schema(groups):
    planned = plan(groups)
    tables = [str(table).lower() for table in planned.tables]

    assert len(set(tables)) == len(tables)
    for table in planned.tables:
        names = [column.name.lower() for column in table.columns]
        assert len(set(names)) == len(names)
        assert all(0 < len(name.encode()) <= MAX_NAME_BYTES for name in names)


@given(schemas, st.randoms())
def test_names_do_not_depend_on_the_order_of_the_schema(groups, shuffler: random.Random):
    def shuffled(node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        pairs = [(key, shuffled(value)) for key, value in node.items()]
        shuffler.shuffle(pairs)
        return dict(pairs)

    assert names_by_path(plan(shuffled(groups))) == names_by_path(plan(groups))
