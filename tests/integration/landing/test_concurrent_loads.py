"""Loads into the same tables at the same time: each one lands whole, none is lost, nothing is there twice."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from threading import Thread
from time import sleep

import pytest

from raydocs_provider.exceptions import RaydocsLandingError
from raydocs_provider.landing.documents import LandingDocument
from raydocs_provider.landing.landed import find_landed
from raydocs_provider.landing.tables import LandingPlan
from raydocs_provider.landing.warehouses import duckdb as duckdb_warehouse
from raydocs_provider.landing.warehouses import waiting, warehouse_for
from tests.integration.landing.conftest import ENGINES, Database
from tests.integration.landing.invoices import (
    DATA,
    GROUPS,
    LOAD,
    NUMBER,
    STRING,
    TEMPLATE_ID,
    failure,
    invoice,
    plan_of,
)

ROOT = Path(__file__).parents[3]

servers = pytest.mark.parametrize(
    "database", [name for name in ENGINES if name not in ("duckdb", "sqlite")], indirect=True
)
in_duckdb = pytest.mark.parametrize("database", ["duckdb"], indirect=True)

WIDER = GROUPS | {
    "totals": GROUPS["totals"] | {"tax": NUMBER},
    "stamps": {"seen": {"type": "array", "items": STRING}},
}
WIDER_DATA = DATA | {"totals": DATA["totals"] | {"tax": 19}, "stamps": {"seen": ["paid", "posted"]}}


def land_at_once(database: Database, loads: list[tuple[LandingPlan, list[LandingDocument]]]) -> None:
    """Each load in a thread and on a connection of its own, four at a time."""

    def land(plan: LandingPlan, documents: list[LandingDocument]) -> None:
        Database(copy(database.hook), database.table).lander(plan).land(documents, LOAD)

    with ThreadPoolExecutor(4) as threads:
        for load in [threads.submit(land, *load) for load in loads]:
            load.result()


def rows_after(database: Database, plan: LandingPlan, documents: list[LandingDocument]) -> dict[str, list]:
    """What there is once documents have been landed by one load alone."""
    database.lander(plan).land(documents, LOAD)
    return {str(table): database.rows(table) for table in plan.tables}


@servers
def test_loads_of_the_same_and_of_other_documents_into_new_tables_all_land_once(database):
    plan = plan_of(GROUPS, database.table)
    shared = [invoice("x"), invoice("y"), failure()]

    # Half of them come in the opposite order, as two loads that delete the same rows would wait for each other.
    land_at_once(database, [(plan, [invoice(f"{n}"), *shared][:: -1 if n % 2 else 1]) for n in range(12)])

    found = {str(table): database.rows(table) for table in plan.tables}
    assert len(found[str(plan.documents)]) == 12 + 3
    assert set(database.rows(plan.documents, "attempts")) == {(1,)}
    assert found == rows_after(database, plan, [*(invoice(f"{n}") for n in range(12)), *shared])


@servers
def test_loads_go_on_while_another_adds_columns_and_tables(database):
    plan, wider = plan_of(GROUPS, database.table), plan_of(WIDER, database.table)
    database.lander(plan).land([invoice("first")], LOAD)
    narrow = [(plan, [invoice(f"narrow-{n}"), failure()]) for n in range(6)]
    wide = [(wider, [invoice(f"wide-{n}", WIDER_DATA), failure()]) for n in range(6)]

    land_at_once(database, [load for pair in zip(narrow, wide, strict=True) for load in pair])

    taxes = database.rows(wider.records.table, "_source_uri", "totals__tax")
    assert taxes == [
        ("s3://inbox/first.pdf", None),
        *((f"s3://inbox/narrow-{n}.pdf", None) for n in range(6)),
        *((f"s3://inbox/wide-{n}.pdf", 19) for n in range(6)),
    ]
    stamps = next(table for table in wider.tables if table.name[-1] == "invoices__stamps__seen")
    assert database.count(stamps) == 12
    assert database.count(wider.documents) == 14


@servers
def test_a_load_that_fails_lets_the_one_that_waits_for_it_land(database):
    plan = plan_of(GROUPS, database.table)
    database.lander(plan).land([], LOAD)
    warehouse = warehouse_for(copy(database.hook))
    load = Thread(target=lambda: database.lander(plan).land([invoice()], LOAD))

    def fail_halfway() -> None:
        with warehouse.transaction(plan.records.table) as cursor:
            warehouse.execute(cursor, f"DELETE FROM {warehouse.quote_table(plan.documents)}")
            load.start()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    load.join()

    assert database.count(plan.documents) == 1


@contextmanager
def held_open(database: Database) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the DuckDB file open until its input ends."""
    code = "import duckdb, sys; file = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, database.hook.get_database()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process


@in_duckdb
def test_a_load_waits_for_the_process_that_has_the_duckdb_file_open_and_says_so(database, caplog, monkeypatch):
    monkeypatch.setattr(waiting, "_FIRST_SECONDS", 0)
    plan = plan_of(GROUPS, database.table)
    load = Thread(target=lambda: database.lander(plan).land([invoice()], LOAD))

    with caplog.at_level(logging.INFO, logger="raydocs_provider"), held_open(database) as process:
        load.start()
        while "Waiting for" not in caplog.text:
            sleep(0.01)
        assert load.is_alive()
        process.stdin.close()
        load.join()

    assert f"Waiting for the process with the PID {process.pid}, which has the DuckDB file open: 0 s so far." in [
        record.getMessage() for record in caplog.records
    ]
    assert database.count(plan.documents) == 1


@in_duckdb
def test_looking_for_what_has_landed_waits_for_the_duckdb_file_as_well(database):
    plan = plan_of(GROUPS, database.table)
    database.lander(plan).land([invoice()], LOAD)
    found = []

    def look() -> None:
        sha256 = str(invoice().sha256)
        found.append(find_landed(warehouse_for(database.hook), database.table, TEMPLATE_ID, "hash-1", [sha256]))

    with held_open(database) as process:
        reader = Thread(target=look)
        reader.start()
        process.stdin.close()
        reader.join()

    assert [len(landed) for landed in found] == [1]


@in_duckdb
def test_a_duckdb_file_that_is_never_let_go_of_fails_the_load_with_what_to_do(database, monkeypatch):
    monkeypatch.setattr(duckdb_warehouse, "_WAIT_SECONDS", 0)

    with held_open(database) as process:
        with pytest.raises(RaydocsLandingError) as raised:
            database.lander(plan_of(GROUPS, database.table)).land([invoice()], LOAD)
        process.stdin.close()

    assert f"the process with the PID {process.pid} has had the DuckDB file open" in str(raised.value)
    assert "End that process" in str(raised.value)


@in_duckdb
def test_any_other_error_of_opening_a_duckdb_file_is_not_waited_for(database, monkeypatch):
    import duckdb

    elsewhere = database.reconnect(monkeypatch, conn_type="duckdb", host="/nowhere/warehouse.duckdb")

    with pytest.raises(RaydocsLandingError, match="IOException"):
        elsewhere.lander(plan_of(GROUPS, database.table)).land([invoice()], LOAD)
    with pytest.raises(duckdb.IOException):
        warehouse_for(elsewhere.hook).connect()


LANDS_THREE_TIMES = """
import sys
import duckdb
from raydocs_provider.landing.lander import Lander
from raydocs_provider.landing.warehouses import warehouse_for
from tests.integration.landing.invoices import GROUPS, LOAD, invoice, plan_of

class DuckDBHook:
    def get_conn(self):
        return duckdb.connect(sys.argv[1])

for number in range(3):
    lander = Lander(warehouse_for(DuckDBHook()), plan_of(GROUPS, "invoices"))
    lander.land([invoice(f"{sys.argv[2]}-{number}"), invoice("all")], LOAD)
"""


@in_duckdb
def test_processes_that_load_into_the_same_duckdb_file_at_once_all_land(database):
    command = [sys.executable, "-c", LANDS_THREE_TIMES, database.hook.get_database()]
    processes = [
        subprocess.Popen([*command, name], cwd=ROOT, stderr=subprocess.PIPE, text=True) for name in ("a", "b", "c")
    ]
    errors = [process.communicate()[1] for process in processes]

    assert [process.returncode for process in processes] == [0, 0, 0], errors
    plan = plan_of(GROUPS, database.table)
    assert database.count(plan.documents) == database.count(plan.records.table) == 10
    assert database.count(plan.records.lists[0].table) == 20
