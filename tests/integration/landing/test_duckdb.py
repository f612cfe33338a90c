from __future__ import annotations

import pytest

from raydocs_provider.landing.warehouses.duckdb import DuckDBWarehouse
from tests.integration.landing.invoices import DATA, GROUPS, LOAD, invoice, plan_of

duckdb_only = pytest.mark.parametrize("database", ["duckdb"], indirect=True)


@duckdb_only
@pytest.mark.parametrize("size", [1, 3_000, 1_000_000])
def test_a_load_that_is_scanned_in_parts_lands_whole_and_once(database, monkeypatch, size):
    monkeypatch.setattr(DuckDBWarehouse, "part_bytes", size)
    plan = plan_of(GROUPS, database.table)
    documents = [
        invoice(str(number % 20), DATA | {"invoice_header": {"invoice_number": f"line one\n{number}"}})
        for number in range(25)
    ]

    database.lander(plan).land(documents, LOAD)
    again = database.lander(plan).land(documents, LOAD)

    landed = database.rows(plan.records.table, "invoice_header__invoice_number")
    assert landed == sorted((f"line one\n{number}",) for number in range(5, 25))
    assert {str(table): database.count(table) for table in plan.tables} == again.rows


@duckdb_only
def test_settings_that_the_connection_locks_are_left_alone(database, monkeypatch, tmp_path):
    locked = {"conn_type": "duckdb", "host": str(tmp_path / "locked.duckdb")}
    locked["extra"] = {"settings": {"lock_configuration": True}}
    database = database.reconnect(monkeypatch, **locked)
    plan = plan_of(GROUPS, database.table)

    database.lander(plan).land([invoice()], LOAD)

    assert database.count(plan.records.table) == 1
