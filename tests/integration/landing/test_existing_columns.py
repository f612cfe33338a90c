"""Tables that somebody else made: what a column would change lands as NULL, and as text in the table of fields."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from raydocs_provider.exceptions import RaydocsLandingError
from raydocs_provider.landing.tables import LandingPlan
from raydocs_provider.landing.values import text_of
from tests.integration.landing.conftest import ENGINES, Database, quoted
from tests.integration.landing.invoices import GROUPS, LOAD, LOADED_AT, STRING, invoice, plan_of

every_engine = pytest.mark.parametrize("database", ENGINES, indirect=True)
postgres_only = pytest.mark.parametrize("database", [name for name in ENGINES if "postgres" in name], indirect=True)

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
NOTHING: frozenset[str] = frozenset()

# Each type a column may have, and for which types of the template it takes the value above.
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
    "UTINYINT": set(),
    "UBIGINT": set(),
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

MYSQL = {
    **dict.fromkeys(("LONGTEXT", "MEDIUMTEXT", "TEXT", "TINYTEXT", "VARCHAR(50)"), EVERYTHING),
    **dict.fromkeys(("TINYINT", "SMALLINT", "MEDIUMINT", "INT", "BIGINT"), WHOLE),
    "DECIMAL(38,9)": NUMBERS,
    "DECIMAL(40,12)": NUMBERS,
    "DECIMAL(18,2)": WHOLE,
    "BOOLEAN": {"boolean"},
    "JSON": {"object"},
    **dict.fromkeys(("CHAR(50)", "LONGTEXT CHARACTER SET latin1", "VARCHAR(50) CHARACTER SET utf8mb3"), NOTHING),
    **dict.fromkeys(("INT UNSIGNED", "DECIMAL(38,9) UNSIGNED", "FLOAT", "DOUBLE", "BIT(1)", "YEAR"), NOTHING),
    **dict.fromkeys(("DATE", "DATETIME(6)", "BLOB", "VARBINARY(50)", "ENUM('007', '100')"), NOTHING),
}


def types_of(database: Database) -> dict[str, set[str]]:
    engine = type(database.hook).__name__
    return {"PostgresHook": POSTGRES, "DuckDBHook": DUCKDB, "SqliteHook": SQLITE, "MySqlHook": MYSQL}[engine]


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
    columns = ", ".join(database.as_text(f"g__f{i}") for i in range(len(pairs)))
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
def test_a_value_that_a_column_would_change_lands_as_null_and_as_text_in_fields(database):
    types = types_of(database)
    pairs = [(declared, type_) for declared, held in types.items() for type_ in sorted(EVERYTHING - held)]
    plan = make_table(database, pairs)
    data = {"g": {f"f{i}": VALUES[type_] for i, (_, type_) in enumerate(pairs)}}

    summary = database.lander(plan).land([invoice("a", data, {})], LOAD)

    columns = ", ".join(f"g__f{i}" for i in range(len(pairs)))
    assert database.query(f"SELECT {columns} FROM {quoted(plan.records.table)}") == [(None,) * len(pairs)]
    texts = dict(database.rows(plan.fields, "field_name", "value"))
    assert texts == {f"f{i}": text_of(VALUES[type_]) for i, (_, type_) in enumerate(pairs)}
    ((meta,),) = database.rows(plan.records.table, "_meta")
    why = {problem["field"]: problem["problem"] for problem in meta["problems"]}
    assert list(why) == [f"g.f{i}" for i in range(len(pairs))]
    assert all(problem.startswith(("the column is ", "no room in ", "not an integer")) for problem in why.values())
    assert summary.problems == len(pairs)
    assert [note.split()[1] for note in summary.notes] == [f"g__f{i}" for i in range(len(pairs))]


@every_engine
def test_the_summary_says_which_type_a_column_has_and_which_it_should_have(database, request):
    plan = make_table(database, [("BOOLEAN", "string")])

    summary = database.lander(plan).land([], LOAD)

    has, needs = {
        "duckdb": ("BOOLEAN", "VARCHAR"),
        "sqlite": ("BOOLEAN", "TEXT"),
        "postgres": ("boolean", "TEXT"),
        "mysql": ("tinyint(1)", "LONGTEXT COLLATE utf8mb4_bin"),
    }[database.hook.conn_type]
    assert summary.notes == (f"column g__f0 of {database.table} is {has} and should be {needs}",)


@every_engine
def test_a_column_of_a_list_is_looked_at_as_well(database):
    items = {"type": "array", "items": {"type": "object", "properties": {"total": {"type": "boolean"}}}}
    database.lander(plan_of({"g": {"items": items}}, database.table)).land([], LOAD)
    items = {"type": "array", "items": {"type": "object", "properties": {"total": STRING}}}
    plan = plan_of({"g": {"items": items}}, database.table)

    summary = database.lander(plan).land([invoice("a", {"g": {"items": [{"total": "7"}, {}]}}, {})], LOAD)

    assert database.rows(plan.records.lists[0].table, "_index", "total") == [(0, None), (1, None)]
    assert database.rows(plan.fields, "field_name", "_index", "value") == [("items.total", 0, "7")]
    (note,) = summary.notes
    assert note.startswith(f"column total of {database.table}__g__items is ")


# The declared type, the template's, what it takes, and what it does not with the reason.
MONEY, WORD, SMALL, WHOLE_NUMBER = "NUMERIC(18,2)", "VARCHAR(20)", "SMALLINT", "BIGINT"
BOUNDED: dict[str, tuple[str, list[Any], list[Any], str]] = {
    MONEY: (
        "number",
        [Decimal("12.34"), Decimal("-0.10"), "12.30", Decimal("12.3000"), 7, Decimal(10**16 - 1), 0],
        [Decimal("1.005"), Decimal("0.001"), "7.125", 10**16, -(10**16)],
        "no room in ",
    ),
    WORD: ("string", ["", "x" * 20, "ü" * 20, "   ", 12], ["x" * 21, "ü" * 21, "x" * 20 + " ", 10**20], "no room in "),
    SMALL: ("integer", [0, 32767, -32767, "12"], [32768, -32769, 2**40], "no room in "),
    WHOLE_NUMBER: ("number", [Decimal("3.000"), -7, 2**63 - 1], [Decimal("3.5"), "0.1"], "not an integer"),
}
# DuckDB does not keep the length of a text; SQLite keeps no bounds at all.
UNBOUNDED = {"DuckDBHook": {WORD}, "SqliteHook": set(BOUNDED), "PostgresHook": set(), "MySqlHook": set()}


@every_engine
@pytest.mark.parametrize("declared", BOUNDED)
def test_a_column_with_less_room_takes_what_it_gives_back_unchanged(database, declared):
    type_, fitting, others, problem = BOUNDED[declared]
    plan = make_table(database, [(declared, type_)])
    unbounded = declared in UNBOUNDED[type(database.hook).__name__]
    values = [*fitting, *others]
    same = str if type_ == "string" else Decimal

    database.lander(plan).land([invoice(f"{i:02}", {"g": {"f0": value}}, {}) for i, value in enumerate(values)], LOAD)

    found = database.rows(plan.records.table, "_source_uri", "g__f0", "_meta")
    for value, (_, cell, meta) in zip(values, found, strict=True):
        if unbounded or value in fitting:
            assert (same(str(cell)), meta) == (same(str(value)), None)
        else:
            assert cell is None
            assert meta["problems"][0]["problem"].startswith(problem)
    assert {text for (text,) in database.rows(plan.fields, "value")} == {text_of(value) for value in values}


@every_engine
def test_a_column_written_in_capital_letters_is_the_one_in_small_letters(database):
    plan = plan_of({"g": {"f": STRING}}, database.table)
    database.execute(f"CREATE TABLE {quoted(plan.records.table)} (G__F VARCHAR(50), _SOURCE_URI VARCHAR(200))")

    for _ in range(2):
        database.lander(plan).land([invoice("a", {"g": {"f": "007"}}, {})], LOAD)

    assert database.rows(plan.records.table, "g__f", "_source_uri") == [("007", "s3://inbox/a.pdf")]
    assert len(database.columns(plan.records.table)) == len(plan.records.table.columns)


@pytest.mark.parametrize("database", ["duckdb", "sqlite"], indirect=True)
def test_a_table_written_in_capital_letters_is_the_one_in_small_letters(database):
    plan = plan_of({"g": {"f": STRING}}, database.table)
    database.execute("CREATE TABLE INVOICES (mine INTEGER)")

    for _ in range(2):
        database.lander(plan).land([invoice("a", {"g": {"f": "007"}}, {})], LOAD)

    assert database.query("SELECT mine, g__f FROM Invoices") == [(None, "007")]


@every_engine
def test_a_column_of_ours_that_would_change_what_is_written_refuses_every_load(database, request):
    plan = plan_of(GROUPS, database.table)
    database.execute(f"CREATE TABLE {quoted(plan.records.table)} (_source_uri DATE, _map_index DATE)")
    reads = []

    with pytest.raises(RaydocsLandingError) as raised:
        database.lander(plan).land((reads.append(1) or invoice() for _ in range(1)), LOAD)

    if "sqlite" in request.node.name:
        wrong = f"column _source_uri of {database.table} is DATE and should be TEXT"
    elif "duckdb" in request.node.name:
        wrong = (
            f"column _source_uri of {database.table} is DATE and should be VARCHAR; "
            f"column _map_index of {database.table} is DATE and should be BIGINT"
        )
    else:
        text = "LONGTEXT COLLATE utf8mb4_bin" if "mysql" in request.node.name else "TEXT"
        wrong = (
            f"column _source_uri of {database.table} is date and should be {text}; "
            f"column _map_index of {database.table} is date and should be BIGINT"
        )
    assert str(raised.value) == (
        f"Columns that exist would change what every load has to write: {wrong}. Nothing was written. "
        "Change the type of the column, or rename the column so that the load adds a new one, "
        "or land into another table."
    )
    assert reads == []
    assert database.columns(plan.records.table) == {"_source_uri", "_map_index"}


@postgres_only
@pytest.mark.parametrize(
    ("declared", "error"),
    [("_source_uri VARCHAR(5)", "22001 (a text is longer"), ("_try_number SMALLINT", "22003 (a number is larger")],
)
def test_a_column_of_ours_that_is_too_small_fails_the_load_in_postgres_and_the_error_says_what_to_do(
    database, declared, error
):
    plan = plan_of(GROUPS, database.table)
    database.execute(f"CREATE TABLE {quoted(plan.records.table)} ({declared})")

    with pytest.raises(RaydocsLandingError) as raised:
        database.lander(plan).land([invoice("SECRET")], replace(LOAD, try_number=40_000))

    assert error in str(raised.value)
    assert "SECRET" not in str(raised.value)
    assert database.count(plan.records.table) == 0


MOMENTS = {
    "PostgresHook": {
        "TIMESTAMPTZ": True, "TIMESTAMP": True, "TIMESTAMP(6)": True, "TEXT": True,
        "TIMESTAMP(0)": False, "TIMESTAMPTZ(3)": False, "DATE": False, "TIME": False,
    },
    "DuckDBHook": {
        "TIMESTAMP": True, "DATETIME": True, "VARCHAR": True,
        "TIMESTAMPTZ": False, "TIMESTAMP_S": False, "TIMESTAMP_MS": False, "DATE": False, "TIME": False,
    },
    "MySqlHook": {
        "DATETIME(6)": True, "TEXT": True, "VARCHAR(40)": True,
        "DATETIME": False, "DATETIME(3)": False, "TIMESTAMP(6)": False, "DATE": False, "TIME": False,
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
        (found,) = database.query(f"SELECT {database.as_text('_loaded_at')} FROM {quoted(plan.records.table)}")
        # PostgreSQL shows a moment in the zone of the session, and says which that is.
        moment = LOADED_AT.fromisoformat(found[0] + ":00" * found[0].endswith("+00"))
        assert (moment if moment.tzinfo else moment.replace(tzinfo=LOADED_AT.tzinfo)) == LOADED_AT
