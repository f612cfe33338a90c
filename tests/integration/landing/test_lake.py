"""A lake holds, value by value, what a load puts into a warehouse."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from packaging.version import Version
from pyarrow import parquet

from raydocs_provider.api.schema import parse_schema
from raydocs_provider.landing.documents import LandingDocument
from raydocs_provider.landing.lake import LakeWriter, columns_in_files
from raydocs_provider.landing.tables import Column, Kind, LandingPlan, Table, plan_tables
from tests.integration.landing.conftest import Database
from tests.integration.landing.invoices import DATA, GROUPS, LOAD, NEW_AUDIT, STRING, failure, invoice, plan_of
from tests.integration.landing.test_any_data import fresh, schemas_with_data

# What DuckDB is told about a column of NDJSON; for JSON texts it is the same in Parquet.
TYPES = {
    Kind.TEXT: "VARCHAR",
    Kind.DECIMAL: "DECIMAL(38,9)",
    Kind.INTEGER: "BIGINT",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.DATE: "DATE",
    Kind.TIMESTAMP: "TIMESTAMP",
    Kind.JSON: "VARCHAR",
}
_EXACT = Context(prec=60)
Rows = list[tuple[Any, ...]]


def write(plan: LandingPlan, documents: list[LandingDocument], folder: Path) -> dict[tuple[str, str], Path]:
    """The files of a load by table and format."""
    load = LakeWriter(plan, ("ndjson", "parquet")).write(documents, LOAD, folder)
    return {(file.table, file.format): file.path for file in load.files}


def ask(sql: str) -> Rows:
    """On a connection of its own: the one that the module has is shared by all tests."""
    with duckdb.connect() as connection:
        return connection.execute(sql).fetchall()


def rows_of(path: Path | None, columns: tuple[Column, ...]) -> Rows:
    """The rows of a file; none where there is no file."""
    if path is None:
        return []
    if path.suffix == ".ndjson":
        names = ", ".join(f"{quoted(column.name)}: '{TYPES[column.kind]}'" for column in columns)
        found = ask(f"SELECT * FROM read_ndjson('{path}', columns = {{{names}}})")
    else:
        found = [tuple(row.values()) for row in parquet.read_table(path).to_pylist()]
    return comparable(found, columns)


def comparable(rows: Rows, columns: tuple[Column, ...]) -> Rows:
    """The same Python types from every reader and every engine, in one order."""
    plain = [tuple(_plain(cell, column.kind) for cell, column in zip(row, columns, strict=True)) for row in rows]
    return sorted(plain, key=repr)


def _plain(cell: Any, kind: Kind) -> Any:
    if cell is None:
        return None
    if isinstance(cell, datetime):
        return cell.replace(tzinfo=None) if cell.tzinfo is None else cell.astimezone(UTC).replace(tzinfo=None)
    # SQLite has numbers of 15 digits, and texts for what it has no type for.
    if kind is Kind.DECIMAL:
        return Decimal(repr(cell) if isinstance(cell, float) else str(cell)).normalize(_EXACT)
    if kind is Kind.TIMESTAMP:
        return datetime.fromisoformat(cell)
    if kind is Kind.DATE and isinstance(cell, str):
        return date.fromisoformat(cell)
    return bool(cell) if kind is Kind.BOOLEAN else cell


def quoted(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def in_warehouse(database: Database, table: Table) -> Rows:
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    name = ".".join(f'"{part}"' for part in table.name)
    return comparable(database.query(f"SELECT {names} FROM {name}"), table.columns)


@pytest.mark.parametrize("database", ["duckdb", "sqlite"], indirect=True)
def test_both_formats_have_the_rows_of_a_warehouse(database, tmp_path):
    plan = plan_of(GROUPS, database.table)
    documents = [
        invoice("a"),
        invoice("b", DATA | {"totals": {"total_amount": "12 EUR"}, "unknown": {"x": "\u2028 \t"}}, NEW_AUDIT),
        failure(),
        replace(invoice("a"), filename="again.pdf"),
    ]
    database.lander(plan).land(documents, LOAD)
    files = write(plan, documents, tmp_path)

    for table in plan.tables:
        landed = in_warehouse(database, table)
        assert landed
        assert rows_of(files[str(table), "parquet"], table.columns) == landed
        assert rows_of(files[str(table), "ndjson"], table.columns) == landed


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=schemas_with_data())
@example(drawn=({"groups": {"g": {"fields": {"f": STRING}}}}, [{"g": {"f": "a\rb"}}, {"g": {"f": "a\r\nb"}}], [{}, {}]))
def test_whatever_the_schema_and_whatever_the_data_both_formats_have_the_rows_of_a_warehouse(request, drawn):
    schema, all_data, audits = drawn
    documents = [
        invoice(str(number), data, audit) for number, (data, audit) in enumerate(zip(all_data, audits, strict=True))
    ]
    folder = request.getfixturevalue("tmp_path_factory").mktemp("lake")
    with fresh("duckdb", request) as database:
        plan = plan_tables(parse_schema(schema), database.table)
        database.lander(plan).land(documents, LOAD)
        files = write(plan, documents, folder)

        for table in plan.tables:
            landed = in_warehouse(database, table)
            columns = columns_in_files(table)
            for format_ in ("ndjson", "parquet"):
                assert rows_of(files.get((str(table), format_)), columns) == landed


def test_a_number_in_ndjson_is_exact_where_duckdb_before_2_0_1_rounds_a_json_number(tmp_path):
    """Why decimals are texts."""
    amount = Decimal("123456789012.34")
    plan = plan_of({"g": {"f": {"type": "number"}}}, "t")
    file = write(plan, [invoice("a", {"g": {"f": amount}}, {})], tmp_path)["t", "ndjson"]
    as_number = tmp_path / "number.ndjson"
    as_number.write_text(json.dumps({"g__f": float(amount)}) + "\n")
    assert str(amount) in as_number.read_text()

    def read(path: Path) -> Any:
        return ask(f"SELECT g__f FROM read_ndjson('{path}', columns = {{g__f: 'DECIMAL(38,9)'}})")[0]

    assert read(file) == (amount,)
    # Seen with 2.0.0, and no longer with 2.0.1.
    rounds = Version(duckdb.__version__) < Version("2.0.1")
    assert read(as_number) == (Decimal("123456789012.339998720") if rounds else amount,)
