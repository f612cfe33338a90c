"""A rehearsal finds what a load would fail on, and leaves nothing behind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from raydocs_provider.arguments import DISCARD, EVOLVE, FREEZE, SCHEMA_MODES
from raydocs_provider.exceptions import RaydocsLandingError
from raydocs_provider.landing.tables import LandingPlan
from tests.integration.landing.conftest import ENGINES, Database, quoted
from tests.integration.landing.invoices import GROUPS, LOAD, NUMBER, STRING, invoice, plan_of
from tests.integration.landing.test_interrupted_loads import found

every_engine = pytest.mark.parametrize("database", ENGINES, indirect=True)
postgres_only = pytest.mark.parametrize("database", [name for name in ENGINES if "postgres" in name], indirect=True)

WIDER: dict[str, dict[str, Any]] = GROUPS | {
    "totals": GROUPS["totals"] | {"tax": NUMBER},
    "stamps": {"seen": {"type": "array", "items": STRING}},
}
SCHEMA = '"landing test"'


@pytest.fixture
def plan(database: Database) -> LandingPlan:
    return plan_of(GROUPS, database.table)


@every_engine
@pytest.mark.parametrize("first", [True, False], ids=["before the first load", "with another template"])
def test_a_rehearsal_leaves_nothing_behind(database, plan, first):
    if not first:
        database.lander(plan).land([invoice("a")], LOAD)
    wider = plan_of(WIDER, database.table)
    columns, rows = found(database, wider)

    assert database.lander(wider).rehearse() == ()

    now, same = found(database, wider)
    assert same == rows
    # MySQL keeps the tables and columns that were made.
    assert (now == columns) == (database.hook.conn_type != "mysql")
    database.lander(wider).land([invoice("b")], LOAD)
    assert database.count(plan.records.table) == (1 if first else 2)


@every_engine
@pytest.mark.parametrize("mode", SCHEMA_MODES)
def test_a_rehearsal_of_a_load_like_the_last_one_finds_nothing(database, plan, mode):
    database.lander(plan).land([invoice("a")], LOAD)
    before = found(database, plan)

    assert database.lander(plan, mode).rehearse() == ()

    assert found(database, plan) == before


@every_engine
def test_a_rehearsal_says_what_will_not_land_as_it_is(database, plan):
    database.lander(plan).land([], LOAD)
    wider = plan_of(WIDER, database.table)

    notes = database.lander(wider, DISCARD).rehearse()

    assert notes == database.lander(wider, DISCARD).land([], LOAD).notes
    assert notes == (
        f"there is no column totals__tax in {database.table}",
        f"there is no table {database.table}__stamps__seen",
    )


@every_engine
def test_a_rehearsal_fails_where_the_load_would(database, plan):
    with pytest.raises(RaydocsLandingError, match="on_schema_change='freeze'"):
        database.lander(plan, FREEZE).rehearse()

    database.execute(f"CREATE TABLE {quoted(plan.records.table)} (_loaded_at DATE, _source_uri DATE)")
    with pytest.raises(RaydocsLandingError, match="column _source_uri of"):
        database.lander(plan, EVOLVE).rehearse()


@every_engine
def test_a_rehearsal_in_a_schema_that_does_not_exist_fails(database):
    with pytest.raises(RaydocsLandingError, match=r"refused to .*missing\.invoices: .*\("):
        database.lander(plan_of(GROUPS, "missing.invoices")).rehearse()


@pytest.mark.parametrize("database", ["duckdb"], indirect=True)
def test_a_duckdb_that_may_not_read_files_is_found(database, plan, monkeypatch):
    settings = {"enable_external_access": "false"}
    locked = database.reconnect(
        monkeypatch, conn_type="duckdb", host=database.hook.get_database(), extra={"settings": settings}
    )

    with pytest.raises(RaydocsLandingError, match="must let DuckDB read local files"):
        locked.lander(plan).rehearse()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_sqlite_file_that_is_open_for_reading_only_is_found(database, plan, monkeypatch):
    file = Path(database.hook.get_conn().execute("PRAGMA database_list").fetchone()[2])
    database.lander(plan).land([], LOAD)
    read_only = database.reconnect(monkeypatch, conn_type="sqlite", host=str(file), extra={"mode": "ro"})

    with pytest.raises(RaydocsLandingError, match=r"refused to .*: OperationalError SQLITE_READONLY"):
        read_only.lander(plan).rehearse()


# --- rights in PostgreSQL


@pytest.fixture
def loader(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The database as a role sees it that has no rights yet."""
    database.execute("DROP ROLE IF EXISTS loader")
    database.execute("CREATE ROLE loader LOGIN")
    yield database.reconnect(monkeypatch, login="loader")
    database.reconnect(monkeypatch)
    database.execute("DROP OWNED BY loader CASCADE")
    database.execute("DROP ROLE loader")


def as_owner(database: Database, monkeypatch: pytest.MonkeyPatch, *statements: str) -> None:
    owner = database.reconnect(monkeypatch)
    for statement in statements:
        owner.execute(statement)
    database.reconnect(monkeypatch, login="loader")


@postgres_only
def test_the_rights_that_the_first_load_needs(database, plan, loader, monkeypatch):
    with pytest.raises(RaydocsLandingError, match=r"refused to show .*: InsufficientPrivilege 42501"):
        loader.lander(plan).rehearse()
    as_owner(database, monkeypatch, f"GRANT USAGE ON SCHEMA {SCHEMA} TO loader")
    with pytest.raises(RaydocsLandingError, match=r"refused to create .*: InsufficientPrivilege 42501 .*CREATE on the"):
        loader.lander(plan).rehearse()
    as_owner(database, monkeypatch, f"GRANT CREATE ON SCHEMA {SCHEMA} TO loader")

    loader.lander(plan).rehearse()
    loader.lander(plan).land([invoice("a")], LOAD)
    # As its tables are its own, it may also extend them.
    loader.lander(plan_of(WIDER, database.table)).rehearse()


@postgres_only
def test_the_rights_that_a_load_into_tables_of_somebody_else_needs(database, plan, loader, monkeypatch):
    wider = plan_of(WIDER, database.table)
    needed = [(right, table) for right in ("SELECT", "INSERT", "DELETE") for table in plan.tables]
    needed.append(("UPDATE", plan.documents))
    database.reconnect(monkeypatch).lander(plan).land([invoice("a")], LOAD)
    as_owner(
        database,
        monkeypatch,
        f"GRANT USAGE ON SCHEMA {SCHEMA} TO loader",
        *(f"GRANT {right} ON {quoted(table)} TO loader" for right, table in needed),
    )
    loader.lander(plan).rehearse()
    loader.lander(plan).land([invoice("a"), invoice("b")], LOAD)

    for right, table in needed:
        as_owner(database, monkeypatch, f"REVOKE {right} ON {quoted(table)} FROM loader")
        with pytest.raises(RaydocsLandingError, match=r"InsufficientPrivilege 42501 \(") as raised:
            loader.lander(plan).rehearse()
        assert re.search(rf" {table}\b", str(raised.value)), right
        as_owner(database, monkeypatch, f"GRANT {right} ON {quoted(table)} TO loader")

    with pytest.raises(RaydocsLandingError, match=r"refused to create .*__stamps__seen: .*42501 \(.*CREATE on"):
        loader.lander(wider).rehearse()
    as_owner(database, monkeypatch, f"GRANT CREATE ON SCHEMA {SCHEMA} TO loader")
    with pytest.raises(RaydocsLandingError, match=r"refused to extend .*invoices: .*42501 \(.*own"):
        loader.lander(wider).rehearse()
