"""What docs/landing.md says about the engines and no other test holds."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from copy import copy
from decimal import Decimal
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Any

import pytest

from raydocs_provider.api.schema import parse_schema
from raydocs_provider.landing.column_types import parse_column_types
from raydocs_provider.landing.documents import LandingDocument
from raydocs_provider.landing.lander import Lander
from raydocs_provider.landing.tables import AUDIT, LandingPlan, Table, plan_tables
from raydocs_provider.landing.values import text_of
from raydocs_provider.landing.warehouses import warehouse_for
from tests.integration.landing.conftest import ENGINES, MYSQL, Database, quoted
from tests.integration.landing.invoices import DATA, GROUPS, LOAD, NUMBER, STRING, invoice, plan_of

PAGE = (Path(__file__).parents[3] / "docs" / "landing.md").read_text(encoding="utf-8")

every_engine = pytest.mark.parametrize("database", ENGINES, indirect=True)
postgres_only = pytest.mark.parametrize("database", [name for name in ENGINES if "postgres" in name], indirect=True)


def table_below(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its own head."""
    lines = PAGE.split(f"\n{heading}\n", 1)[1].splitlines()
    table = takewhile(lambda line: line.startswith("|"), dropwhile(lambda line: not line.startswith("|"), lines))
    return [line.strip("| ").split(" | ") for line in table][2:]


def columns_below(heading: str) -> set[str]:
    return {name for row in table_below(heading) for name in row[0].replace("`", "").split(", ")}


@every_engine
def test_the_columns_of_the_page_are_the_columns_of_the_tables(database):
    plan = plan_of(GROUPS, database.table)
    audit = columns_below("### On every table")
    ledger = columns_below("### `invoices__documents`: the ledger, one row per document ever given")
    ours = columns_below("### `invoices`: one row per extracted document") - {"<group>__<field>"}
    fields = columns_below("### `invoices__fields`: one row per extracted value") - {"..."}

    database.lander(plan).land([], LOAD)

    assert audit == {column.name for column in AUDIT}
    assert database.columns(plan.documents) == audit | ledger
    assert database.columns(plan.fields) == audit | fields
    assert database.columns(plan.records.table) == audit | ours | {column.name for column in plan.records.values}


TYPES: dict[str, Any] = {"text": "string", "num": "number", "int": "integer", "bool": "boolean", "obj": "object"}
COLUMN_TYPES = {"g.day": "date", "g.moment": "timestamp"}


@pytest.mark.parametrize("database", [name for name in ENGINES if name not in MYSQL], indirect=True)
def test_the_types_of_the_page_are_the_types_of_the_columns(database, request):
    fields = {field: {"type": type_} for field, type_ in TYPES.items()} | {"day": STRING, "moment": STRING}
    schema = parse_schema({"groups": {"g": {"fields": fields}}})
    plan = plan_tables(schema, database.table, parse_column_types(COLUMN_TYPES, schema))
    database.lander(plan).land([], LOAD)

    if "sqlite" in request.node.name:
        found = {row[1]: row[2] for row in database.query("PRAGMA table_info(invoices)")}
    else:
        # `numeric(38,9)` is what PostgreSQL calls a DECIMAL(38,9).
        sql = (
            "SELECT column_name, data_type, numeric_precision, numeric_scale FROM information_schema.columns "
            "WHERE table_name = 'invoices'"
        )
        found = {row[0]: f"DECIMAL({row[2]},{row[3]})" if row[0] == "g__num" else row[1] for row in database.query(sql)}

    index = {"postgres": 1, "duckdb": 2, "sqlite": 3}[
        next(name for name in ("postgres", "duckdb", "sqlite") if name in request.node.name)
    ]
    promised = [row[index].split("`")[1] for row in table_below("## Types")]
    spelt = {"timestamp with time zone": "TIMESTAMPTZ"}
    columns = [*(f"g__{field}" for field in TYPES), "_loaded_at", "g__day"]
    assert [spelt.get(found[column], found[column]).upper() for column in columns] == promised
    assert found["g__moment"] == found["_loaded_at"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_sqlite_keeps_15_digits_of_a_number(database):
    plan = plan_of(GROUPS, database.table)
    amounts = [Decimal("1234567890123.45"), Decimal("0.123456789")]

    database.lander(plan).land(
        [invoice(str(amount), {"totals": {"total_amount": amount}}, {}) for amount in amounts], LOAD
    )

    found = database.query("SELECT totals__total_amount, typeof(totals__total_amount) FROM invoices ORDER BY 1 DESC")
    assert [(f"{number:.15g}", type_) for number, type_ in found] == [(str(amount), "real") for amount in amounts]


MISFITS = [
    ("number", "1.250,00 EUR", None, "not a number"),
    ("number", 10**29, None, "too large a number"),
    ("integer", 2**63, None, "too large a number"),
    ("number", Decimal("0.12345678912"), Decimal("0.123456789"), "rounded to 9 decimals"),
    ("integer", Decimal("2.5"), None, "not an integer"),
    ("boolean", "yes", None, "not a boolean"),
    ("string", ["a"], '["a"]', "not a text"),
    ("string", "a\0", "a\ufffd", "held characters that cannot be stored"),
    ("number", "1234.50", Decimal("1234.5"), None),
    ("boolean", "true", True, None),
    ("number", 10**29 - 1, Decimal(10**29 - 1), None),
    ("integer", 2**63 - 1, 2**63 - 1, None),
    ("array", "a", None, "not a list"),
    ("unknown", 1, None, "not in the template"),
]


@every_engine
@pytest.mark.parametrize(("type_", "value", "cell", "problem"), MISFITS, ids=str)
def test_a_value_that_does_not_fit_lands_as_the_page_says(database, request, type_, value, cell, problem):
    if "sqlite" in request.node.name and cell == Decimal(10**29 - 1):
        cell = Decimal("1E+29")
    schema = {"other": STRING} if type_ == "unknown" else {"f": {"type": type_}}
    plan = plan_of({"g": schema}, database.table)

    database.lander(plan).land([invoice("a", {"g": {"f": value}}, {})], LOAD)

    meta = {"problems": [{"field": "g.f", "problem": problem}]} if problem else None
    columns = [column.name for column in plan.records.values if column.name == "g__f"]
    assert database.rows(plan.records.table, "_meta", *columns) == [(meta, *[cell for _ in columns])]
    assert database.rows(plan.fields, "value") == [(text_of(value).replace("\0", "\ufffd"),)]
    assert problem is None or f"`{problem}`" in PAGE


@every_engine
@pytest.mark.parametrize(
    ("type_", "value", "problem"),
    [("decimal", "1.250", "ambiguous number"), ("date", "tomorrow", "not a date")],
)
def test_a_value_that_column_types_cannot_read_lands_as_the_page_says(database, type_, value, problem):
    schema = parse_schema({"groups": {"g": {"fields": {"f": STRING}}}})
    plan = plan_tables(schema, database.table, parse_column_types({"g.f": type_}, schema))

    database.lander(plan).land([invoice("a", {"g": {"f": value}}, {})], LOAD)

    assert database.rows(plan.records.table, "g__f", "_meta") == [
        (None, {"problems": [{"field": "g.f", "problem": problem}]})
    ]
    assert f'`"{value}"` as `{type_}`' in PAGE
    assert f"`{problem}`" in PAGE


# from, to, value, and what lands in PostgreSQL and DuckDB, and in SQLite.
TYPE_CHANGES: list[tuple[str, str, Any, Any, Any]] = [
    ("string", "number", Decimal("12.5"), "12.5", "12.5"),
    ("string", "integer", 12, "12", "12"),
    ("string", "boolean", True, "true", "1"),
    ("string", "object", {"a": 1}, '{"a":1}', '{"a":1}'),
    ("number", "string", "007", None, None),
    ("number", "integer", 12, Decimal(12), 12),
    ("number", "boolean", True, None, 1),
    ("number", "object", {"a": 1}, None, None),
    ("integer", "string", "007", None, None),
    ("integer", "number", Decimal("3.5"), None, 3.5),
    ("integer", "boolean", True, None, 1),
    ("integer", "object", {"a": 1}, None, None),
    ("boolean", "string", "1", None, None),
    ("boolean", "number", Decimal("3.5"), None, 3.5),
    ("boolean", "integer", 3, None, 3),
    ("boolean", "object", {"a": 1}, None, None),
    ("object", "string", "007", None, "007"),
    ("object", "number", Decimal("12.5"), None, "12.5"),
    ("object", "integer", 12, None, "12"),
    ("object", "boolean", True, None, "1"),
]


@every_engine
@pytest.mark.parametrize(("before", "after", "value", "typed", "in_sqlite"), TYPE_CHANGES, ids=str)
def test_a_field_of_another_type_meets_the_column_it_has(database, request, before, after, value, typed, in_sqlite):
    database.lander(plan_of({"g": {"f": {"type": before}}}, database.table)).land([], LOAD)
    plan = plan_of({"g": {"f": {"type": after}}}, database.table)
    # In MySQL a column of JSON is one of text.
    as_text = "mysql" in request.node.name and before in ("string", "object")
    expected = in_sqlite if as_text or "sqlite" in request.node.name else typed

    database.lander(plan).land([invoice("a", {"g": {"f": value}}, {})], LOAD)

    assert database.query(f"SELECT g__f FROM {quoted(plan.records.table)}") == [(expected,)]
    assert database.rows(plan.fields, "value") == [(text_of(value),)]
    ((meta,),) = database.rows(plan.records.table, "_meta")
    assert (meta is None) == (expected is not None)


@pytest.mark.parametrize("database", [name for name in ENGINES if name != "sqlite"], indirect=True)
def test_a_whole_number_lands_in_the_column_of_an_integer(database):
    database.lander(plan_of({"g": {"f": {"type": "integer"}}}, database.table)).land([], LOAD)
    plan = plan_of({"g": {"f": NUMBER}}, database.table)

    database.lander(plan).land([invoice("a", {"g": {"f": Decimal("3.0")}}, {})], LOAD)

    assert database.query(f"SELECT g__f FROM {quoted(plan.records.table)}") == [(3,)]


def test_the_page_says_of_every_change_of_type_what_comes_of_it():
    said = {
        (before.strip("`"), after): ["NULL" in word for word in words]
        for before, to, *words in table_below("### A field of another type")
        for after in to.replace("`", "").split(", ")
    }

    assert said == {(before, after): [cell is None for cell in lands] for before, after, _, *lands in TYPE_CHANGES}


@pytest.mark.parametrize("database", [name for name in ENGINES if name not in ("sqlite", *MYSQL)], indirect=True)
def test_a_column_can_be_given_the_type_its_field_has_now(database):
    database.lander(plan_of(GROUPS, database.table)).land([invoice("a")], LOAD)
    plan = plan_of(GROUPS | {"totals": {"total_amount": STRING}}, database.table)

    database.execute(f"ALTER TABLE {quoted(plan.records.table)} {statements_of_the_page()[0]}")
    database.lander(plan).land([invoice("b", DATA | {"totals": {"total_amount": "about 7"}})], LOAD)

    assert ("about 7",) in database.rows(plan.records.table, "totals__total_amount")


@every_engine
def test_a_column_can_be_renamed_to_make_place_for_one_of_the_new_type(database):
    database.lander(plan_of(GROUPS, database.table)).land([invoice("a")], LOAD)
    plan = plan_of(GROUPS | {"totals": {"total_amount": STRING}}, database.table)

    database.execute(f"ALTER TABLE {quoted(plan.records.table)} {statements_of_the_page()[1]}")
    database.lander(plan).land([invoice("b", DATA | {"totals": {"total_amount": "about 7"}})], LOAD)

    assert database.rows(plan.records.table, "totals__total_amount") == [("about 7",), (None,)]
    assert Decimal("1234.5") in [
        row[0] and Decimal(str(row[0]))
        for row in database.query(f"SELECT totals__total_amount_old FROM {quoted(plan.records.table)}")
    ]


def statements_of_the_page() -> list[str]:
    """What the page does to a column of `invoices`."""
    return [part.split("`")[0] for part in PAGE.split("`ALTER TABLE invoices ")[1:]]


def test_the_names_of_the_page_are_the_names_of_the_columns():
    fields = ("Total Amount", "Nº / Größe (€)")
    plan = plan_of({"Invoice Header": dict.fromkeys(fields, STRING)}, "invoices")
    assert {column.name for column in plan.records.values} == {row[1].strip("`") for row in table_below("## Names")}

    alike = plan_of({"Invoice Header": dict.fromkeys(("TOTAL_AMOUNT", "total-amount"), STRING)}, "invoices")
    assert [column.name.partition("__")[2] for column in alike.records.values] == [
        "total_amount",
        "total_amount_e5d51b3a",
    ]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_loads_into_the_same_sqlite_file_wait_for_each_other(database):
    plan = plan_of(GROUPS, database.table)
    with ThreadPoolExecutor(4) as threads:
        loads = [
            threads.submit(Lander(warehouse_for(copy(database.hook)), plan).land, [invoice(str(number))], LOAD)
            for number in range(8)
        ]
        for load in loads:
            load.result()

    assert database.count(plan.records.table) == 8


@pytest.mark.parametrize("database", ["duckdb"], indirect=True)
@pytest.mark.parametrize("read_only", [True, False])
def test_a_duckdb_file_that_is_open_for_writing_is_refused_to_other_processes(database, read_only):
    database.lander(plan_of(GROUPS, database.table)).land([], LOAD)
    other = f"import duckdb; duckdb.connect({database.hook.get_database()!r}, read_only={read_only})"

    with closing(database.hook.get_conn()):
        meanwhile = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True, timeout=60)
    afterwards = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True, timeout=60)

    assert "Could not set lock" in meanwhile.stderr
    assert afterwards.returncode == 0


_IMPATIENT = {
    "sqlite": "PRAGMA busy_timeout = 0",
    "postgres": "SET lock_timeout = 50",
    "mysql": "SET lock_wait_timeout = 1",
}


def look_during_a_load(database: Database, plan: LandingPlan, document: LandingDocument, sql: str) -> Any:
    """What another connection sees, or why it does not, after all rows but the ledger's are written."""
    warehouse = warehouse_for(database.hook)
    copy_file = warehouse.copy_while
    seen: list[Any] = []

    def look_before_the_ledger(cursor: Any, table: Table, *rest: Any) -> None:
        if table.name == plan.documents.name:
            with database.open() as (_, reader):
                reader.execute(_IMPATIENT[database.hook.conn_type])
                try:
                    reader.execute(sql)
                    seen.append(reader.fetchall()[0][0])
                except Exception as error:
                    seen.append(str(error))
        copy_file(cursor, table, *rest)

    warehouse.copy_while = look_before_the_ledger  # type: ignore[method-assign]
    Lander(warehouse, plan).land([document], LOAD)
    return seen[0]


@pytest.mark.parametrize("database", [name for name in ENGINES if name != "duckdb"], indirect=True)
def test_a_reader_sees_the_rows_from_before_while_a_load_goes_on(database):
    plan = plan_of(GROUPS, database.table)
    count = f"SELECT count(*) FROM {quoted(plan.records.table)}"
    database.lander(plan).land([invoice("a")], LOAD)

    assert look_during_a_load(database, plan, invoice("b"), count) == 1
    assert database.count(plan.records.table) == 2


@postgres_only
def test_a_reader_in_postgres_waits_for_a_load_that_adds_a_column(database):
    database.lander(plan_of(GROUPS, database.table)).land([invoice("a")], LOAD)
    wider = plan_of(GROUPS | {"more": {"field": STRING}}, database.table)
    count = f"SELECT count(*) FROM {quoted(wider.records.table)}"

    assert "lock timeout" in look_during_a_load(database, wider, invoice("b"), count)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_reader_in_sqlite_waits_for_a_load_that_is_larger_than_the_cache(database):
    plan = plan_of(GROUPS, database.table)
    database.lander(plan).land([invoice("a")], LOAD)
    large = invoice("b", {"invoice_header": {"invoice_number": "x" * 5_000_000}})

    assert "locked" in look_during_a_load(database, plan, large, "SELECT count(*) FROM invoices")
