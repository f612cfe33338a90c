from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import replace

import pytest

from raydocs_provider.exceptions import RaydocsInputError, RaydocsLandingError
from raydocs_provider.landing.landed import find_landed
from raydocs_provider.landing.tables import plan_documents
from raydocs_provider.landing.warehouses import warehouse_for
from tests.integration.landing.conftest import ENGINES, Database, quoted
from tests.integration.landing.invoices import GROUPS, LOAD, TEMPLATE_ID, failure, invoice, plan_of

every_engine = pytest.mark.parametrize("database", ENGINES, indirect=True)
postgres_only = pytest.mark.parametrize("database", [name for name in ENGINES if "postgres" in name], indirect=True)

A, B, C = (str(invoice(name).sha256) for name in "abc")


def land(database: Database, *documents, load=LOAD) -> None:
    database.lander(plan_of(GROUPS, database.table)).land(documents, load)


def landed(
    database: Database, *sha256s: str, template_id: str = TEMPLATE_ID, template_hash: str = "hash-1"
) -> frozenset[str]:
    return find_landed(warehouse_for(database.hook), database.table, template_id, template_hash, sha256s)


@every_engine
def test_what_has_landed_is_found_and_nothing_else(database):
    land(database, invoice("a"), invoice("b"), failure("c"))

    assert landed(database, A, C, "f" * 64) == {A}
    assert landed(database, A, B, C) == {A, B}
    assert landed(database, C) == frozenset()
    assert landed(database) == frozenset()


@every_engine
def test_a_document_whose_new_extraction_failed_is_not_landed(database):
    land(database, invoice("a"), invoice("b"))
    land(database, failure("a"))

    assert landed(database, A, B) == {B}


@every_engine
def test_another_template_or_another_version_of_it_does_not_count(database):
    land(database, invoice("a"), invoice("b"), invoice("c"))
    land(database, invoice("a"), load=replace(LOAD, template_hash="hash-2"))
    land(database, invoice("b"), load=replace(LOAD, template_id="other"))

    assert landed(database, A, B, C) == {B, C}
    assert landed(database, A, B, C, template_hash="hash-2") == {A}
    assert landed(database, A, B, C, template_id="other") == {B}
    assert landed(database, A, B, C, template_id="other", template_hash="hash-2") == frozenset()


@every_engine
def test_documents_that_landed_without_a_hash_are_not_found(database):
    land(database, replace(invoice("a"), sha256=None))

    assert landed(database, A) == frozenset()


@every_engine
def test_hashes_are_found_in_capitals_too_and_given_back_as_they_came(database):
    land(database, replace(invoice("a"), sha256="ab" * 32))

    assert landed(database, "AB" * 32) == {"AB" * 32}
    assert landed(database, "AB" * 32, "ab" * 32) == {"AB" * 32, "ab" * 32}


@every_engine
def test_thousands_of_documents_are_asked_for_in_portions(database, monkeypatch):
    land(database, *(invoice(f"{number:04}", {}, {}) for number in range(0, 3_000, 2)))
    warehouse = warehouse_for(database.hook)
    fetch, sizes, answers = warehouse.fetch, [], []

    def watch(cursor, sql, *parameters):
        rows = fetch(cursor, sql, *parameters)
        if "_document_sha256 IN" in sql:
            sizes.append(len(sql))
            answers.append(rows)
        return rows

    monkeypatch.setattr(warehouse, "fetch", watch)
    asked = [str(invoice(f"{number:04}").sha256) for number in range(2_501)]
    found = find_landed(warehouse, database.table, TEMPLATE_ID, "hash-1", asked)

    assert found == set(asked[::2])
    assert len(answers) == 6
    assert max(sizes) < 40_000
    assert max(map(len, answers)) <= 500


HOSTILE = ["", "'", "') OR 1=1 --", "%s", A[:-1], A + "0", A + "\n", "٣" * 64, "g" * 64, "\0", "\ud83d", "a'" * 32]


@every_engine
def test_what_is_no_hash_is_not_landed_and_never_reaches_the_warehouse(database, monkeypatch):
    land(database, invoice("a"))

    assert landed(database, A, *HOSTILE) == {A}
    monkeypatch.setattr(type(database.hook), "get_conn", None)
    assert landed(database, *HOSTILE) == frozenset()


@every_engine
@pytest.mark.parametrize("text", ["'; DROP TABLE invoices__documents; --", "%s", "\\", '"', "é漢"])
def test_a_hostile_template_is_only_compared(database, text):
    land(database, invoice("a"), load=replace(LOAD, template_id=text, template_hash=text))

    assert landed(database, A, template_id=text, template_hash=text) == {A}
    assert landed(database, A, template_id=text) == frozenset()
    assert landed(database, A) == frozenset()


@every_engine
def test_before_the_first_load_nothing_is_landed_and_nothing_is_made(database, caplog):
    with caplog.at_level(logging.INFO, logger="raydocs_provider"):
        assert landed(database, A) == frozenset()

    assert "invoices__documents does not exist yet" in caplog.text
    ledger = quoted(plan_documents(database.table))
    with pytest.raises(Exception, match=r"(?i)no such table|does not exist|doesn.t exist"):
        database.query(f"SELECT * FROM {ledger}")
    land(database, invoice("a"))
    assert landed(database, A) == {A}


@pytest.mark.parametrize("database", [name for name in ENGINES if name != "sqlite"], indirect=True)
def test_in_a_schema_that_does_not_exist_nothing_is_landed(database):
    assert find_landed(warehouse_for(database.hook), "missing.invoices", TEMPLATE_ID, "", [A]) == frozenset()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_schema_in_sqlite_is_refused_as_the_load_will_refuse_it(database):
    with pytest.raises(RaydocsLandingError, match="there are no schemas here"):
        find_landed(warehouse_for(database.hook), "missing.invoices", TEMPLATE_ID, "", [A])


@every_engine
@pytest.mark.parametrize("table", ["", "a..b", "a.b.c.d", "x" * 64, " invoices"])
def test_a_name_that_no_load_would_take_is_refused(database, table):
    with pytest.raises(RaydocsInputError, match="table="):
        find_landed(warehouse_for(database.hook), table, TEMPLATE_ID, "", [A])


@every_engine
def test_the_ledger_of_a_long_name_is_found_where_the_load_put_it(database):
    database.table = database.table.replace("invoices", "i" * 60)
    land(database, invoice("a"))

    assert landed(database, A) == {A}


@every_engine
def test_a_ledger_of_someone_elses_making_is_an_error_without_values(database):
    ledger = plan_documents(database.table)
    database.execute(f"CREATE TABLE {quoted(ledger)} (state TEXT, _template_id TEXT, _template_hash TEXT)")
    database.execute(f"INSERT INTO {quoted(ledger)} VALUES ('extracted', 'SECRET', 'SECRET')")

    with pytest.raises(RaydocsLandingError, match=r"refused to read .*invoices__documents: \w+") as raised:
        landed(database, A)

    assert "SECRET" not in str(raised.value)
    assert A not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


@postgres_only
def test_postgres_needs_select_and_says_so(database, monkeypatch):
    land(database, invoice("a"))
    database.execute("DROP ROLE IF EXISTS looker")
    database.execute("CREATE ROLE looker LOGIN")
    as_looker = database.reconnect(monkeypatch, login="looker")
    with pytest.raises(RaydocsLandingError, match="InsufficientPrivilege 42501"):
        landed(as_looker, A)
    database.reconnect(monkeypatch).execute('GRANT USAGE ON SCHEMA "landing test" TO looker')
    as_looker = database.reconnect(monkeypatch, login="looker")
    with pytest.raises(RaydocsLandingError, match="InsufficientPrivilege 42501"):
        landed(as_looker, A)
    database.reconnect(monkeypatch).execute(f"GRANT SELECT ON {quoted(plan_documents(database.table))} TO looker")

    assert landed(database.reconnect(monkeypatch, login="looker"), A) == {A}

    database.reconnect(monkeypatch).execute('DROP SCHEMA "landing test" CASCADE')


@postgres_only
@pytest.mark.parametrize("cursor", ["dictcursor", "realdictcursor", "namedtuplecursor"])
def test_postgres_does_not_depend_on_the_cursor_of_the_connection(database, cursor, request, monkeypatch):
    if cursor == "realdictcursor" and "psycopg2" not in request.node.name:
        cursor = "dictcursor"  # the hook refuses the other with psycopg 3
    land(database, invoice("a"))

    assert landed(database.reconnect(monkeypatch, extra={"cursor": cursor}), A) == {A}


@postgres_only
@pytest.mark.parametrize("exists", [True, False])
def test_postgres_is_left_without_a_lock(database, exists):
    if exists:
        land(database, invoice("a"))
    landed(database, A)

    with closing(database.hook.get_conn()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("SET lock_timeout = '10s'")
        cursor.execute('DROP SCHEMA "landing test" CASCADE')
        connection.commit()


@pytest.mark.parametrize("database", ["duckdb"], indirect=True)
@pytest.mark.parametrize("exists", [True, False])
def test_duckdb_is_left_for_others_to_open(database, exists):
    import duckdb

    if exists:
        land(database, invoice("a"))
    landed(database, A)

    # Refused as long as another connection, which is not read-only, is open.
    with duckdb.connect(database.hook.get_database(), read_only=True) as other:
        assert len(other.execute("SHOW TABLES").fetchall()) == (6 if exists else 0)


@pytest.mark.parametrize("database", ["duckdb"], indirect=True)
def test_a_duckdb_that_is_open_for_reading_only_can_be_asked(database, monkeypatch):
    land(database, invoice("a"))
    path = database.hook.get_database()

    read_only = database.reconnect(monkeypatch, conn_type="duckdb", host=path, extra={"read_only": True})

    assert landed(read_only, A) == {A}


@pytest.mark.parametrize("database", ["duckdb"], indirect=True)
def test_a_duckdb_in_memory_is_refused(database, monkeypatch):
    with pytest.raises(RaydocsInputError, match="in memory"):
        landed(database.reconnect(monkeypatch, conn_type="duckdb", host=""), A)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_sqlite_can_be_asked_while_a_load_is_going_on(database):
    land(database, invoice("a"))
    with closing(database.hook.get_conn()) as writer:
        writer.isolation_level = None
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM invoices__documents")

        assert landed(database, A) == {A}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("exists", [True, False])
def test_sqlite_is_left_without_a_lock(database, exists):
    if exists:
        land(database, invoice("a"))
    landed(database, A)

    with closing(database.hook.get_conn()) as other:
        other.execute("PRAGMA busy_timeout = 0")
        other.execute("BEGIN EXCLUSIVE")
        assert other.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone() == (
            6 if exists else 0,
        )
