from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydocs_provider.api.schema import parse_schema
from raydocs_provider.arguments import DISCARD, EVOLVE, FREEZE, SCHEMA_MODES
from raydocs_provider.exceptions import RaydocsLandingError
from raydocs_provider.landing.contract import (
    BOOLEANS,
    EVERYTHING,
    NUMBERS,
    Agreement,
    agree,
    integers_of,
    room_of,
)
from raydocs_provider.landing.tables import Column, Kind, LandingPlan, Room, plan_tables
from raydocs_provider.landing.values import fitter_of
from raydocs_provider.landing.warehouses.duckdb import DuckDBWarehouse
from raydocs_provider.landing.warehouses.postgres import PostgresWarehouse
from raydocs_provider.landing.warehouses.sqlite import SqliteWarehouse

HOLDINGS = {
    "flag": BOOLEANS,
    r"money\((?P<precision>\d+),(?P<scale>\d+)\)": NUMBERS,
    "short": integers_of(16),
    "whole|int": integers_of(64),
    r"word\((?P<length>\d+)\)": EVERYTHING,
    "int.*|text": EVERYTHING,
}
TYPES = {
    Kind.TEXT: "text",
    Kind.DECIMAL: "money(38,9)",
    Kind.INTEGER: "whole",
    Kind.BOOLEAN: "flag",
    Kind.DATE: "text",
    Kind.TIMESTAMP: "text",
    Kind.JSON: "text",
}


def kinds_that_land_whole(holdings: Any, type_: str) -> set[Kind]:
    return {kind for kind in Kind if room_of(holdings, type_, kind) is None}


# --- what a type takes


def test_the_first_pattern_for_the_whole_name_of_a_type_counts_in_any_case():
    assert kinds_that_land_whole(HOLDINGS, "FLAG") == {Kind.BOOLEAN}
    assert kinds_that_land_whole(HOLDINGS, "whole") == kinds_that_land_whole(HOLDINGS, "Int") == {Kind.INTEGER}
    assert kinds_that_land_whole(HOLDINGS, "int(\n3)") == set(Kind)


@pytest.mark.parametrize("type_", ["flags", "a flag", "", "flag[]"])
def test_a_type_that_is_not_listed_takes_nothing(type_):
    assert {room_of(HOLDINGS, type_, kind) for kind in Kind} == {Room(type_, None)}


def test_a_type_that_lists_many_values_is_not_shown_to_its_end():
    room = room_of(HOLDINGS, f"ENUM('{'x' * 1000}')", Kind.TEXT)

    assert room == Room("ENUM('" + "x" * 54, None)


@pytest.mark.parametrize(
    ("type_", "kind", "room"),
    [
        ("money(38,9)", Kind.DECIMAL, None),
        ("money(40,12)", Kind.DECIMAL, Room("money(40,12)", Kind.DECIMAL, 40, 12)),
        ("money(41,12)", Kind.DECIMAL, None),
        ("money(18,2)", Kind.DECIMAL, Room("money(18,2)", Kind.DECIMAL, 18, 2)),
        ("money(38,9)", Kind.INTEGER, None),
        ("money(20,2)", Kind.INTEGER, Room("money(20,2)", Kind.INTEGER, 20, 2)),
        ("money(19,0)", Kind.INTEGER, None),
        ("money(18,0)", Kind.INTEGER, Room("money(18,0)", Kind.INTEGER, 18, 0)),
        ("whole", Kind.DECIMAL, Room("whole", Kind.INTEGER, limit=2**63 - 1)),
        ("whole", Kind.INTEGER, None),
        ("short", Kind.INTEGER, Room("short", Kind.INTEGER, limit=32767)),
        ("short", Kind.DECIMAL, Room("short", Kind.INTEGER, limit=32767)),
        ("word(9)", Kind.TEXT, Room("word(9)", Kind.TEXT, length=9)),
        ("word(9)", Kind.DECIMAL, Room("word(9)", Kind.DECIMAL, length=9)),
        ("whole", Kind.BOOLEAN, Room("whole", None, limit=2**63 - 1)),
        ("money(38,9)", Kind.TEXT, Room("money(38,9)", None, 38, 9)),
    ],
)
def test_the_bounds_of_a_type_are_those_that_its_name_gives(type_, kind, room):
    assert room_of(HOLDINGS, type_, kind) == room


@pytest.mark.parametrize("warehouse", [DuckDBWarehouse, SqliteWarehouse])
def test_an_engine_takes_each_kind_whole_in_the_type_it_has_for_it(warehouse):
    assert [kind for kind, type_ in warehouse.types.items() if room_of(warehouse.holdings, type_, kind)] == []


@pytest.mark.parametrize(("warehouse", "name"), [(DuckDBWarehouse, "DECIMAL"), (PostgresWarehouse, "numeric")])
@given(
    digits=st.integers(1, 38).flatmap(lambda precision: st.tuples(st.just(precision), st.integers(0, precision))),
    number=st.decimals(-(10**30), 10**30, places=9) | st.decimals(-1000, 1000, places=3) | st.integers(-200, 200),
)
def test_a_decimal_takes_a_number_exactly_if_nothing_has_to_be_cut_off(warehouse, name, digits, number):
    precision, scale = digits
    fit = fitter_of(
        Column("c", Kind.DECIMAL, (), room=room_of(warehouse.holdings, f"{name}({precision},{scale})", Kind.DECIMAL))
    )
    has_room = abs(number) < 10 ** min(precision - scale, 29) and (Fraction(number) * 10**scale).denominator == 1

    cell, problem = fit(number)

    assert (cell, problem is None) == (number if has_room else None, has_room)


WORDS = st.lists(
    st.sampled_from(
        [
            "BIG",
            "INT",
            "POINT",
            "CHAR",
            "ACTER",
            "CLOB",
            "TEXT",
            "BLOB",
            "REAL",
            "FLOA",
            "DOUB",
            "LE",
            "NUMERIC",
            "DATE",
            "x",
        ]
    )
)


@given(words=WORDS, blank=st.sampled_from(["", " "]))
def test_sqlite_takes_in_a_column_exactly_what_it_gives_back(words, blank):
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE TABLE t (cell {blank.join(words)})")
        declared = connection.execute("PRAGMA table_info(t)").fetchone()[2]
        for kind, value in ((Kind.TEXT, "007"), (Kind.INTEGER, 2**63 - 1)):
            connection.execute("DELETE FROM t")
            connection.execute("INSERT INTO t VALUES (?)", (value,))
            text = connection.execute("SELECT CAST(cell AS TEXT) FROM t").fetchone()[0]
            assert (room_of(SqliteWarehouse.holdings, declared, kind) is None) == (text == str(value))


# --- what a load may do


NUMBER = {"type": "number"}
ITEM = {"type": "object", "properties": {"price": NUMBER, "parts": {"type": "array", "items": NUMBER}}}


def plan(**more: Any) -> LandingPlan:
    fields = {"amount": NUMBER, "items": {"type": "array", "items": ITEM}, **more}
    return plan_tables(parse_schema({"groups": {"g": {"fields": fields}}}), "finance.t")


def tables_of(planned: LandingPlan) -> dict[tuple[str, ...], dict[str, str]]:
    """What a first load of a plan leaves."""
    return {table.name: {column.name: TYPES[column.kind] for column in table.columns} for table in planned.tables}


def agree_on(planned: LandingPlan, existing: Mapping[tuple[str, ...], Mapping[str, str]], mode: str) -> Agreement:
    return agree(planned, existing, HOLDINGS, TYPES, mode)


def added(agreement: Agreement) -> dict[str, list[str]]:
    return {str(table): [column.name for column in columns] for table, columns in agreement.adds.items()}


def landed_columns(agreement: Agreement) -> dict[str, list[str]]:
    """The columns of the template that are filled, by table."""
    return {
        str(records.table): [column.name for column in records.values if column.landed]
        for records in agreement.plan.records.walk()
        if records.landed
    }


@pytest.mark.parametrize("mode", SCHEMA_MODES)
def test_a_target_that_is_as_planned_is_used_as_it_is_in_every_mode(mode):
    agreement = agree_on(plan(), tables_of(plan()), mode)

    assert (agreement.creates, agreement.adds, agreement.notes) == ((), {}, ())
    assert [(table.name, table.own) for table in agreement.plan.tables] == [
        (table.name, table.own) for table in plan().tables
    ]


@pytest.mark.parametrize("mode", SCHEMA_MODES)
def test_columns_that_the_template_does_not_have_any_more_are_no_difference(mode):
    agreement = agree_on(plan(), tables_of(plan(gone=NUMBER)), mode)

    assert (agreement.creates, agreement.adds, agreement.notes) == ((), {}, ())


@pytest.mark.parametrize("mode", [EVOLVE, DISCARD])
def test_the_first_load_creates_all_tables(mode):
    agreement = agree_on(plan(), {}, mode)

    assert agreement.creates == agreement.plan.tables
    assert [str(table) for table in agreement.creates] == [
        "finance.t",
        "finance.t__g__items",
        "finance.t__g__items__parts",
        "finance.t__fields",
        "finance.t__documents",
    ]
    assert agreement.notes == ()


WIDER = {"currency": {"type": "string"}, "stamps": {"type": "array", "items": NUMBER}}


def test_evolve_adds_what_is_missing():
    agreement = agree_on(plan(**WIDER), tables_of(plan()), EVOLVE)

    assert [str(table) for table in agreement.creates] == ["finance.t__g__stamps"]
    assert added(agreement) == {"finance.t": ["g__currency"]}
    assert agreement.notes == ()


def test_discard_fills_the_columns_that_exist_and_names_the_others():
    agreement = agree_on(plan(**WIDER), tables_of(plan()), DISCARD)

    assert (agreement.creates, agreement.adds) == ((), {})
    assert landed_columns(agreement) == {
        "finance.t": ["g__amount"],
        "finance.t__g__items": ["price"],
        "finance.t__g__items__parts": ["value"],
    }
    assert agreement.notes == ("there is no column g__currency in finance.t", "there is no table finance.t__g__stamps")
    assert [str(table) for table in agreement.plan.tables] == [str(table) for table in plan().tables]


def test_discard_leaves_out_a_list_and_fills_the_list_inside_of_it_if_that_has_a_table():
    existing = tables_of(plan())
    del existing["finance", "t__g__items"]

    agreement = agree_on(plan(), existing, DISCARD)

    assert landed_columns(agreement) == {"finance.t": ["g__amount"], "finance.t__g__items__parts": ["value"]}
    assert agreement.notes == ("there is no table finance.t__g__items",)


@pytest.mark.parametrize("mode", [EVOLVE, DISCARD])
def test_what_is_ours_is_completed(mode):
    existing = tables_of(plan())
    del existing["finance", "t__documents"]
    for table, name in (("t", "_meta"), ("t__g__items", "_index"), ("t__fields", "corrected_value")):
        del existing["finance", table][name]

    agreement = agree_on(plan(), existing, mode)

    assert [str(table) for table in agreement.creates] == ["finance.t__documents"]
    assert added(agreement) == {
        "finance.t": ["_meta"],
        "finance.t__g__items": ["_index"],
        "finance.t__fields": ["corrected_value"],
    }
    assert agreement.notes == ()


@pytest.mark.parametrize("mode", [EVOLVE, DISCARD])
def test_a_column_of_another_type_keeps_it_and_takes_what_it_can(mode):
    existing = tables_of(plan())
    existing["finance", "t"]["g__amount"] = "money(18,2)"
    existing["finance", "t__g__items"]["price"] = "flag"

    agreement = agree_on(plan(), existing, mode)

    rooms = {column.name: column.room for records in agreement.plan.records.walk() for column in records.values}
    assert rooms == {
        "g__amount": Room("money(18,2)", Kind.DECIMAL, 18, 2),
        "price": Room("flag", None),
        "value": None,
    }
    assert {column.name: column.room for column in agreement.plan.records.table.own}["g__amount"] == rooms["g__amount"]
    assert (agreement.creates, agreement.adds) == ((), {})
    assert agreement.notes == (
        "column g__amount of finance.t is money(18,2) and should be money(38,9)",
        "column price of finance.t__g__items is flag and should be money(38,9)",
    )


@pytest.mark.parametrize(("mode", "exists"), [(EVOLVE, False), (EVOLVE, True), (FREEZE, True)])
def test_where_the_widest_type_has_an_end_columns_have_it_and_that_is_no_difference(mode, exists):
    narrow = TYPES | {Kind.DECIMAL: "money(10,2)"}
    planned = plan()
    existing = {name: columns for name, columns in tables_of(planned).items() if exists or name[1] != "t__g__items"}
    existing["finance", "t"]["g__amount"] = "MONEY(10,2)"
    for columns in existing.values():
        columns.update({name: "money(10,2)" for name, type_ in columns.items() if type_ == "money(38,9)"})

    agreement = agree(planned, existing, HOLDINGS, narrow, mode)

    rooms = {column.name: column.room for records in agreement.plan.records.walk() for column in records.values}
    assert rooms["price"] == Room("money(10,2)", Kind.DECIMAL, 10, 2)
    assert agreement.notes == ()


def test_a_new_column_whose_type_the_engine_shows_by_another_name_takes_all_of_its_kind():
    agreement = agree(plan(), {}, HOLDINGS, TYPES | {Kind.DECIMAL: "cash(10,2)"}, EVOLVE)

    assert {column.room for records in agreement.plan.records.walk() for column in records.values} == {None}


def test_freeze_names_every_difference_and_what_to_do():
    existing = tables_of(plan())
    existing["finance", "t"]["g__amount"] = "money(18,2)"
    del existing["finance", "t__fields"]["corrected_value"]

    with pytest.raises(RaydocsLandingError) as raised:
        agree_on(plan(**WIDER), existing, FREEZE)

    message = str(raised.value)
    for difference in (
        "column g__amount of finance.t is money(18,2) and should be money(38,9)\n",
        "finance.t lacks g__currency text\n",
        "finance.t__fields lacks corrected_value text\n",
        "there is no table finance.t__g__stamps, with _document_key text, _index whole, value money(38,9), ",
    ):
        assert f"\n- {difference}" in message
    assert message.startswith("on_schema_change='freeze', and the target is not what the template lands in:\n")
    assert message.endswith(
        "\nNothing was written. Change the target by hand, or let one load run with 'evolve', "
        "which adds what is missing and changes no type."
    )


@pytest.mark.parametrize(
    ("name", "columns", "difference"),
    [
        ("t", {"g__amount": "flag"}, "column g__amount of finance.t is flag and should be money(38,9)"),
        ("t", {"g__amount": None}, "finance.t lacks g__amount money(38,9)"),
        ("t__documents", {"attempts": None}, "finance.t__documents lacks attempts whole"),
        ("t__g__items__parts", None, "there is no table finance.t__g__items__parts"),
    ],
)
def test_freeze_refuses_one_difference_too(name, columns, difference):
    existing = tables_of(plan())
    there = existing.pop(("finance", name)) | (columns or {})
    if columns:
        existing["finance", name] = {column: type_ for column, type_ in there.items() if type_}

    with pytest.raises(RaydocsLandingError, match=re.escape(f"the template lands in:\n- {difference}")):
        agree_on(plan(), existing, FREEZE)


def test_freeze_before_the_first_load_says_which_tables_to_make():
    with pytest.raises(RaydocsLandingError) as raised:
        agree_on(plan(), {}, FREEZE)

    assert all(f"there is no table {table}, with _document_key text, " in str(raised.value) for table in plan().tables)


@pytest.mark.parametrize("mode", SCHEMA_MODES)
def test_a_column_of_ours_that_would_change_what_it_is_given_is_refused_in_every_mode(mode):
    existing = tables_of(plan())
    existing["finance", "t"]["_source_uri"] = "whole"
    existing["finance", "t__documents"]["attempts"] = "flag"

    with pytest.raises(RaydocsLandingError) as raised:
        agree_on(plan(), existing, mode)

    assert (
        "column _source_uri of finance.t is whole and should be text; "
        "column attempts of finance.t__documents is flag and should be whole. Nothing was written. "
    ) in str(raised.value)


@pytest.mark.parametrize("mode", SCHEMA_MODES)
def test_a_column_of_ours_may_be_shorter_than_ours(mode):
    existing = tables_of(plan())
    existing["finance", "t"] |= {"_document_key": "word(64)", "_try_number": "short", "_loaded_at": "word(26)"}

    assert agree_on(plan(), existing, mode).notes == ()


def test_a_table_is_known_by_all_parts_of_its_name():
    elsewhere = {("other", *name[1:]): columns for name, columns in tables_of(plan()).items()}

    assert len(agree_on(plan(), elsewhere, EVOLVE).creates) == len(elsewhere) == 5
