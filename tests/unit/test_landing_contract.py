from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydocs_provider.landing.contract import BOOLEANS, EVERYTHING, INTEGERS, find_misfits, holds
from raydocs_provider.landing.tables import KEY, Column, Kind, Table
from raydocs_provider.landing.warehouses.duckdb import DuckDBWarehouse
from raydocs_provider.landing.warehouses.postgres import PostgresWarehouse
from raydocs_provider.landing.warehouses.sqlite import SqliteWarehouse

HOLDINGS = {"flag": BOOLEANS, "int|whole": INTEGERS, "int.*": EVERYTHING}
TYPES = {kind: kind.name for kind in Kind}


def held(type_: str) -> set[Kind]:
    return {kind for kind in Kind if holds(HOLDINGS, type_, kind)}


def test_the_first_pattern_for_the_whole_name_of_a_type_counts_in_any_case():
    assert held("FLAG") == {Kind.BOOLEAN}
    assert held("whole") == held("Int") == {Kind.INTEGER}
    assert held("int(\n3)") == set(Kind)


@pytest.mark.parametrize("type_", ["flags", "a flag", "", "flag[]"])
def test_a_type_that_is_not_listed_holds_nothing(type_):
    assert held(type_) == set()


def test_only_columns_that_exist_and_change_values_are_misfits():
    columns = [Column("price", Kind.DECIMAL), Column("pages", Kind.INTEGER), Column("new", Kind.JSON)]
    table = Table(("finance", "invoices"), tuple(columns))
    existing = {"price": "whole", "pages": "whole", "of_mine": "flag", KEY.name: "integer"}

    assert list(find_misfits(table, existing, HOLDINGS, TYPES)) == [
        "column price of finance.invoices is whole and should be DECIMAL"
    ]


def test_a_type_that_lists_many_values_is_not_shown_to_its_end():
    misfits = find_misfits(Table(("t",), ()), {KEY.name: f"ENUM('{'x' * 1000}')"}, HOLDINGS, TYPES)

    assert all(len(misfit) < 150 for misfit in misfits)


@pytest.mark.parametrize("warehouse", [DuckDBWarehouse, SqliteWarehouse])
def test_an_engine_holds_each_kind_in_the_type_it_has_for_it(warehouse):
    assert [kind for kind, type_ in warehouse.types.items() if not holds(warehouse.holdings, type_, kind)] == []


@pytest.mark.parametrize(("warehouse", "name"), [(DuckDBWarehouse, "DECIMAL"), (PostgresWarehouse, "numeric")])
@given(scale=st.integers(-38, 38))
def test_a_decimal_holds_our_numbers_from_nine_decimals_on_and_integers_if_it_has_any(warehouse, name, scale):
    kinds = {kind for kind in Kind if holds(warehouse.holdings, f"{name}(38,{scale})", kind)}

    assert kinds == ({Kind.DECIMAL, Kind.INTEGER} if scale >= 9 else {Kind.INTEGER} if scale >= 0 else set())


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
def test_sqlite_holds_in_a_column_exactly_what_it_gives_back(words, blank):
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE TABLE t (cell {blank.join(words)})")
        declared = connection.execute("PRAGMA table_info(t)").fetchone()[2]
        for kind, value in ((Kind.TEXT, "007"), (Kind.INTEGER, 2**63 - 1)):
            connection.execute("DELETE FROM t")
            connection.execute("INSERT INTO t VALUES (?)", (value,))
            text = connection.execute("SELECT CAST(cell AS TEXT) FROM t").fetchone()[0]
            assert holds(SqliteWarehouse.holdings, declared, kind) == (text == str(value))
