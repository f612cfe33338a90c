"""Tables that somebody else made: what their columns hold as it is lands, for all else the load does not begin."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from raydocs_provider.exceptions import RaydocsLandingError
from raydocs_provider.landing.tables import LandingPlan
from tests.integration.landing.conftest import ENGINES, Database, quoted
from tests.integration.landing.invoices import GROUPS, LOAD, LOADED_AT, STRING, invoice, plan_of

every_engine = pytest.mark.parametrize("database", ENGINES, indirect=True)
postgres_only = pytest.mark.parametrize("database", [name for name in ENGINES if "postgres" in name], indirect=True)

HUGE = Decimal("12345678901234567890123456789.123456789")
VALUES: dict[str, Any] = {
    "string": "007",
    "number": Decimal("12345.678900001"),
    "integer": 100,
    "boolean": True,
    "object": {"a": 1.10},
}
EVERYTHING = frozenset(VALUES)
NUMBERS = frozenset({"number", "integer"})
WHOLE = frozenset({"integer"})

# Each type a column may have, and which types of the template it takes.
POSTGRES = {
    "TEXT": EVERYTHING,
    "VARCHAR": EVERYTHING,
    "VARCHAR(50)": EVERYTHING,
    "CHAR(50)": set(),
    "NAME": set(),
    "BIGINT": {"integer"},
    "INTEGER": {"integer"},
    "SMALLINT": {"integer"},
    "NUMERIC": NUMBERS,
    "NUMERIC(38,9)": NUMBERS,
    "NUMERIC(40,12)": NUMBERS,
    "NUMERIC(18,2)": {"integer"},
    "NUMERIC(18)": {"integer"},
    "NUMERIC(18,9)[]": set(),
    "REAL": set(),
    "DOUBLE PRECISION": set(),
    "MONEY": set(),
    "BOOLEAN": {"boolean"},
    "JSONB": {"object"},
    "JSON": {"object"},
    "DATE": set(),
    "TIMESTAMP": set(),
    "UUID": set(),
    "BYTEA": set(),
    '"landing test".amount': {"integer"},
    '"landing test".mood': set(),
}
DUCKDB = {
    "VARCHAR": EVERYTHING,
    "TEXT": EVERYTHING,
    "CHAR(50)": EVERYTHING,
    "TEXT COLLATE NOCASE": EVERYTHING,
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"), WHOLE),
    **dict.fromkeys(("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"), WHOLE),
    "DECIMAL(38,9)": NUMBERS,
    "DECIMAL(38,12)": NUMBERS,
    "DECIMAL(18,2)": {"integer"},
    "NUMERIC": {"integer"},
    "DECIMAL(18,9)[]": set(),
    "FLOAT": set(),
    "DOUBLE": set(),
    "BOOLEAN": {"boolean"},
    "JSON": {"object"},
    "DATE": set(),
    "TIMESTAMP": set(),
    "UUID": set(),
    "BLOB": set(),
    "ENUM('007', '100')": set(),
    "STRUCT(a DOUBLE)": set(),
}
SQLITE = {
    **dict.fromkeys(("TEXT", "VARCHAR(50)", "CLOB", "BLOB", ""), EVERYTHING),
    **dict.fromkeys(("INTEGER", "BIGINT", "NUMERIC(18,2)", "BOOLEAN", "DATETIME", "JSON"), NUMBERS | {"boolean"}),
    **dict.fromkeys(("REAL", "DOUBLE", "FLOAT"), frozenset({"number"})),
}


def types_of(database: Database) -> dict[str, set[str]]:
    engine = type(database.hook).__name__
    return {"PostgresHook": POSTGRES, "DuckDBHook": DUCKDB, "SqliteHook": SQLITE}[engine]


def make_table(database: Database, pairs: list[tuple[str, str]]) -> LandingPlan:
    """A table with a column of every pair's type, and a plan that has the pair's field for it."""
    if "landing test" in database.table:
        database.execute('CREATE DOMAIN "landing test".amount AS NUMERIC(18,2)')
        database.execute("""CREATE TYPE "landing test".mood AS ENUM ('007', '100')""")
    plan = plan_of({"g": {f"f{i}": {"type": type_} for i, (_, type_) in enumerate(pairs)}}, database.table)
    columns = ", ".join(f"g__f{i} {declared}" for i, (declared, _) in enumerate(pairs))
    database.execute(f"CREATE TABLE {quoted(plan.records.table)} ({columns})")
    return plan


@every_engine
def test_a_value_lands_in_a_column_that_holds_it_and_is_found_there_as_it_was(database):
    pairs = [(declared, type_) for declared, types in types_of(database).items() for type_ in sorted(types)]
    plan = make_table(database, pairs)
    data = {"g": {f"f{i}": VALUES[type_] for i, (_, type_) in enumerate(pairs)}}

    summary = database.lander(plan).land([invoice("a", data, {})], LOAD)

    assert summary.problems == 0
    columns = ", ".join(f"CAST(g__f{i} AS TEXT)" for i in range(len(pairs)))
    (found,) = database.query(f"SELECT {columns} FROM {quoted(plan.records.table)}")
    assert {pair: plain(text, pair[1]) for pair, text in zip(pairs, found, strict=True)} == {
        pair: VALUES[pair[1]] for pair in pairs
    }


def plain(text: str, type_: str) -> Any:
    """The value of a column's text."""
    match type_:
        case "number" | "integer":
            return Decimal(text)
        case "boolean":
            return {"true": True, "1": True}[text]
        case "object":
            return json.loads(text)
        case _:
            return text


@every_engine
def test_a_load_that_a_column_would_change_values_of_does_not_begin_and_names_all_such_columns(database):
    types = types_of(database)
    pairs = [(declared, type_) for declared, held in types.items() for type_ in sorted(EVERYTHING - held)]
    plan = make_table(database, pairs)
    before = database.columns(plan.records.table)
    data = {"g": {f"f{i}": VALUES[type_] for i, (_, type_) in enumerate(pairs)}}

    with pytest.raises(RaydocsLandingError) as raised:
        database.lander(plan).land([invoice("a", data, {})], LOAD)

    message = str(raised.value)
    assert [i for i in range(len(pairs)) if f"column g__f{i} of {database.table} is " not in message] == []
    assert database.columns(plan.records.table) == before
    assert database.count(plan.records.table) == 0
    for table in plan.tables[1:]:
        with pytest.raises(Exception, match=r"not exist|no such table"):
            database.count(table)


@every_engine
def test_the_error_says_which_type_a_column_has_which_it_needs_and_what_to_do(database, request):
    plan = make_table(database, [("BOOLEAN", "string")])

    with pytest.raises(RaydocsLandingError) as raised:
        database.lander(plan).land([invoice("a", {"g": {"f0": "SECRET"}}, {})], LOAD)

    has = "boolean" if "postgres" in request.node.name else "BOOLEAN"
    needs = "VARCHAR" if "duckdb" in request.node.name else "TEXT"
    assert str(raised.value) == (
        f"Columns that exist would change the values of this load: "
        f"column g__f0 of {database.table} is {has} and should be {needs}. Nothing was written. "
        "Change the type of the column, or rename the column so that the load adds a new one, "
        "or land into another table."
    )


@every_engine
def test_a_column_of_a_list_is_looked_at_as_well(database):
    items = {"type": "array", "items": {"type": "object", "properties": {"total": {"type": "boolean"}}}}
    database.lander(plan_of({"g": {"items": items}}, database.table)).land([], LOAD)
    items = {"type": "array", "items": {"type": "object", "properties": {"total": STRING}}}

    with pytest.raises(RaydocsLandingError, match=r"column total of .*invoices__g__items is "):
        database.lander(plan_of({"g": {"items": items}}, database.table)).land([], LOAD)


@pytest.mark.parametrize("database", [name for name in ENGINES if name != "sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("declared", "type_", "value"), [("NUMERIC(20,9)", "number", HUGE), ("INTEGER", "integer", 2**40)]
)
def test_a_number_too_large_for_its_column_fails_the_load_and_is_not_told(database, declared, type_, value):
    plan = make_table(database, [(declared, type_)])

    with pytest.raises(RaydocsLandingError, match=r"Exception \(|22003 \(") as raised:
        database.lander(plan).land([invoice("a", {"g": {"f0": value}}, {})], LOAD)

    assert str(value)[:6] not in str(raised.value)
    assert database.count(plan.records.table) == 0


@postgres_only
def test_a_text_too_long_for_its_column_fails_the_load_in_postgres(database):
    plan = make_table(database, [("VARCHAR(3)", "string")])

    with pytest.raises(RaydocsLandingError, match=r"22001 \(a text is longer") as raised:
        database.lander(plan).land([invoice("a", {"g": {"f0": "SECRET"}}, {})], LOAD)

    assert "SECRET" not in str(raised.value)
    database.lander(plan).land([invoice("a", {"g": {"f0": "abc   "}}, {})], LOAD)
    assert database.rows(plan.records.table, "g__f0") == [("abc",)]


@pytest.mark.parametrize("database", ["duckdb"], indirect=True)
def test_duckdb_has_no_limit_for_a_text(database):
    plan = make_table(database, [("VARCHAR(3)", "string")])

    database.lander(plan).land([invoice("a", {"g": {"f0": "longer"}}, {})], LOAD)

    assert database.rows(plan.records.table, "g__f0") == [("longer",)]


MOMENTS = {
    "PostgresHook": {
        "TIMESTAMPTZ": True, "TIMESTAMP": True, "TIMESTAMP(6)": True, "TEXT": True,
        "TIMESTAMP(0)": False, "TIMESTAMPTZ(3)": False, "DATE": False, "TIME": False,
    },
    "DuckDBHook": {
        "TIMESTAMP": True, "DATETIME": True, "VARCHAR": True,
        "TIMESTAMPTZ": False, "TIMESTAMP_S": False, "TIMESTAMP_MS": False, "DATE": False, "TIME": False,
    },
    "SqliteHook": {"TEXT": True, "TIMESTAMP": True, "DATETIME": True, "REAL": False},
}  # fmt: skip


@every_engine
@pytest.mark.parametrize("holds", [True, False])
def test_our_times_land_in_columns_that_keep_the_moment(database, monkeypatch, holds):
    plan = plan_of(GROUPS, database.table)
    declared = [type_ for type_, held in MOMENTS[type(database.hook).__name__].items() if held is holds]

    for type_ in declared:
        database.execute(f"DROP TABLE IF EXISTS {quoted(plan.records.table)}")
        database.execute(f"CREATE TABLE {quoted(plan.records.table)} (_loaded_at {type_})")
        if not holds:
            with pytest.raises(RaydocsLandingError, match="column _loaded_at of"):
                database.lander(plan).land([invoice()], LOAD)
            continue
        database.lander(plan).land([invoice()], LOAD)
        (found,) = database.query(f"SELECT CAST(_loaded_at AS TEXT) FROM {quoted(plan.records.table)}")
        # PostgreSQL shows a moment in the zone of the session, and says which that is.
        moment = LOADED_AT.fromisoformat(found[0] + ":00" * found[0].endswith("+00"))
        assert (moment if moment.tzinfo else moment.replace(tzinfo=LOADED_AT.tzinfo)) == LOADED_AT
