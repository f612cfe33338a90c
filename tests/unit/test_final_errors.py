"""Which errors of a warehouse come again until a person has changed something: by their codes, never their text."""

from __future__ import annotations

import sqlite3
from importlib import import_module

import pytest


def error(name="Error", *args, **attributes):
    """An error as the engine's client raises it, with its code where that client keeps it."""
    made = type(name, (Exception,), {})(*args)
    vars(made).update(attributes)
    return made


SQLITE = {"sqlite_errorname": "SQLITE_BUSY"}


@pytest.mark.parametrize(
    ("warehouse", "final", "passing"),
    [
        ("postgres.Postgres", error(sqlstate="3F000"), error(sqlstate="40001")),
        ("postgres.Postgres", error(pgcode="42501"), error(pgcode=None)),
        ("redshift.Redshift", error("E", {"C": "3F000"}), error("E", {"C": "XX000"})),
        ("duckdb.DuckDb", error("CatalogException"), error("IOException")),
        ("sqlite.Sqlite", error(sqlite_errorname="SQLITE_ERROR"), error(**SQLITE)),
        ("mysql.MySql", error(errno=1049), error(errno=1213)),
        ("mysql.MySql", error("E", 1142, "denied"), error("E", 2013, "lost")),
        ("snowflake.Snowflake", error(errno=2003), error(errno=625)),
        ("bigquery.BigQuery", error(errors=[{"reason": "accessDenied"}]), error(errors=[{"reason": "backendError"}])),
        ("databricks.Databricks", error(message="[SCHEMA_NOT_FOUND] x"), error(message="[DELTA_CONCURRENT_WRITE] x")),
    ],
)
def test_what_a_person_has_to_act_on_is_final_and_what_passes_is_not(warehouse, final, passing):
    module, name = warehouse.split(".")
    classes = vars(import_module(f"raydocs_provider.landing.warehouses.{module}"))
    kind = next(each for spelt, each in classes.items() if spelt.lower() == f"{name}Warehouse".lower())
    asked = object.__new__(kind)
    assert asked.is_final(final)
    assert not asked.is_final(passing)
    assert not asked.is_final(Exception("something else"))


def test_sqlite_itself_calls_a_mistake_so():
    with pytest.raises(sqlite3.OperationalError) as raised:
        sqlite3.connect(":memory:").execute("SELECT * FROM no_schema.no_table")
    assert raised.value.sqlite_errorname == "SQLITE_ERROR"
