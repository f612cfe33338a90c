"""What only MySQL and MariaDB do, in either client of their hook."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import closing
from copy import copy
from dataclasses import replace
from datetime import UTC, date, datetime
from threading import Thread
from time import sleep
from typing import Any

import pytest

from raydocs_provider.api.schema import parse_schema
from raydocs_provider.exceptions import RaydocsInputError, RaydocsLandingError
from raydocs_provider.landing.column_types import parse_column_types
from raydocs_provider.landing.landed import find_landed
from raydocs_provider.landing.lander import Lander
from raydocs_provider.landing.review import parse_review
from raydocs_provider.landing.tables import LandingPlan, Table, plan_tables
from raydocs_provider.landing.warehouses import mysql, waiting, warehouse_for
from tests.integration.landing.conftest import CONN_ID, MYSQL, Database
from tests.integration.landing.invoices import (
    GROUPS,
    LOAD,
    LOADED_AT,
    NUMBER,
    STRING,
    TEMPLATE_ID,
    invoice,
    key,
    plan_of,
    result,
)

pytestmark = pytest.mark.parametrize("database", MYSQL, indirect=True)


@pytest.fixture
def plan(database: Database) -> LandingPlan:
    return plan_of(GROUPS, database.table)


def starting_with(database: Database, command: str) -> Database:
    """The same database through a hook whose connections begin with a statement."""
    hook = type(database.hook)(mysql_conn_id=CONN_ID, init_command=command)
    return Database(hook, database.table, database.server)


def numbered(*values: Any) -> list[Any]:
    return [
        invoice(str(number), {"invoice_header": {"invoice_number": value}}, {}) for number, value in enumerate(values)
    ]


def test_both_clients_of_the_hook_are_used(database, request):
    with closing(database.hook.get_conn()) as connection:
        client = type(connection).__module__.split(".")[0]

    assert client == ("MySQLdb" if "mysqlclient" in request.node.name else "mysql")


@pytest.mark.parametrize("mode", ["", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES,PIPES_AS_CONCAT", "TRADITIONAL"])
def test_no_sql_mode_of_the_server_changes_what_lands(database, plan, mode):
    texts = ["\\', (SELECT 1)) -- ", "\\", "a\\'b", '"x"', "%s"]
    other = starting_with(database, f"SET sql_mode = '{mode}'")

    other.lander(plan).land(numbered(*texts), LOAD)

    assert sorted(row[0] for row in database.rows(plan.records.table, "invoice_header__invoice_number")) == sorted(
        texts
    )
    with warehouse_for(other.hook).reading() as cursor:
        cursor.execute("SELECT @@sql_mode")
        assert "STRICT_ALL_TABLES" in cursor.fetchall()[0][0]


@pytest.mark.parametrize(
    "command",
    [
        "SET autocommit = 1",
        "SET time_zone = '+09:00'",
        "SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
        "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SET NAMES latin1",
    ],
)
def test_no_setting_of_a_session_changes_what_lands(database, plan, command):
    other = starting_with(database, command)

    other.lander(plan).land(numbered("é😀"), LOAD)
    with pytest.raises(RaydocsLandingError):
        Lander(failing_at(other, plan.documents), plan).land(numbered("again"), LOAD)

    assert database.rows(plan.records.table, "invoice_header__invoice_number", "_loaded_at") == [("é😀", LOADED_AT)]


def failing_at(database: Database, last: Table) -> Any:
    """A warehouse that refuses the rows of a table."""
    warehouse = warehouse_for(copy(database.hook))
    copy_file = warehouse.copy

    def fail(cursor: Any, table: Table, *rest: Any) -> None:
        if table.name == last.name:
            cursor.execute("SELECT * FROM no_such_table")
        copy_file(cursor, table, *rest)

    warehouse.copy = fail
    return warehouse


@pytest.mark.parametrize(
    "extra", [{"charset": "utf8"}, {"charset": "latin1"}, {"cursor": "SSCursor"}, {"cursor": "SSDictCursor"}], ids=str
)
def test_no_extra_of_the_connection_changes_what_lands(database, plan, monkeypatch, extra):
    client = database.server["extra"]
    other = database.reconnect(monkeypatch, extra=client | extra)

    for _ in range(2):
        other.lander(plan).land([*numbered("é😀"), invoice("b")], LOAD)

    same = database.reconnect(monkeypatch, extra=client)
    assert same.rows(plan.records.table, "invoice_header__invoice_number") == [("RE-2026/001",), ("é😀",)]


def test_a_load_that_fails_leaves_no_row_but_keeps_the_tables_and_columns_it_made(database, plan):
    with pytest.raises(RaydocsLandingError):
        Lander(failing_at(database, plan.documents), plan).land([invoice()], LOAD)
    assert [database.count(table) for table in plan.tables] == [0] * len(plan.tables)

    database.lander(plan).land([invoice()], LOAD)
    before = {table: database.rows(table) for table in plan.tables}
    wider = plan_of(GROUPS | {"more": {"a": STRING, "b": NUMBER}}, database.table)
    with pytest.raises(RaydocsLandingError):
        Lander(failing_at(database, plan.documents), wider).land([invoice(), invoice("b")], LOAD)

    assert {table: database.rows(table) for table in plan.tables} == before
    assert {"more__a", "more__b"} <= database.columns(plan.records.table)


def test_a_rehearsal_makes_the_tables_and_no_row(database, plan):
    database.lander(plan).rehearse()

    assert [database.count(table) for table in plan.tables] == [0] * len(plan.tables)


def test_an_older_result_that_had_to_wait_does_not_overwrite_the_newer_one(database, plan):
    """Under REPEATABLE READ, what is read before the wait would be all that is ever seen."""
    other = starting_with(database, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    newer = replace(invoice(), result=replace(result(), completed_at="2026-03-01T00:00:00Z"))
    older = replace(invoice(), result=replace(result(id_="result-0"), completed_at="2026-02-01T00:00:00Z"))
    late = Thread(target=lambda: other.lander(plan).land([older], LOAD))
    warehouse = warehouse_for(other.hook)
    copy_file = warehouse.copy

    def start_the_other(cursor: Any, table: Table, *rest: Any) -> None:
        if table.name == plan.documents.name:
            late.start()
            wait_until_one_waits(database, "User lock")
        copy_file(cursor, table, *rest)

    warehouse.copy = start_the_other
    database.lander(plan).land([], LOAD)
    Lander(warehouse, plan).land([newer], LOAD)
    late.join()

    assert database.rows(plan.records.table, "_result_id") == [("result-1",)]
    assert database.rows(plan.documents, "_result_id", "attempts") == [("result-1", 1)]


def wait_until_one_waits(database: Database, what: str) -> None:
    """Until a connection to this database waits for something."""
    sql = f"SELECT count(*) FROM information_schema.processlist WHERE state = '{what}' AND db = DATABASE()"
    while not database.query(sql)[0][0]:
        sleep(0.01)


def test_a_load_that_adds_a_column_waits_for_those_who_read_the_table(database, plan):
    database.lander(plan).land([invoice()], LOAD)
    wider = plan_of(GROUPS | {"more": {"f": STRING}}, database.table)
    load = Thread(target=lambda: database.lander(wider).land([invoice("b")], LOAD))

    with warehouse_for(copy(database.hook)).reading() as cursor:
        cursor.execute("SELECT count(*) FROM invoices")
        assert [row[0] for row in cursor.fetchall()] == [1]
        load.start()
        wait_until_one_waits(database, "Waiting for table metadata lock")
    load.join()

    assert database.count(plan.documents) == 2


def test_a_load_that_waits_says_for_which_connection(database, plan, monkeypatch, caplog):
    monkeypatch.setattr(waiting, "_FIRST_SECONDS", 0)
    monkeypatch.setattr(mysql, "_LOCK_SECONDS", 1)
    database.lander(plan).land([], LOAD)
    warehouse = warehouse_for(copy(database.hook))
    with caplog.at_level(logging.INFO, logger="raydocs_provider"):
        with warehouse.transaction(plan.records.table) as cursor:
            cursor.execute("SELECT CONNECTION_ID()")
            ((holder,),) = cursor.fetchall()
            load = Thread(target=lambda: database.lander(plan).land([invoice()], LOAD))
            load.start()
            while "Waiting for" not in caplog.text:
                sleep(0.01)
        load.join()

    assert f"Waiting for another load into invoices, connection {holder} of the server: " in caplog.text
    assert database.count(plan.documents) == 1


def test_loads_into_other_tables_do_not_wait(database, plan):
    other = plan_of(GROUPS, "other")
    with warehouse_for(copy(database.hook)).transaction(plan.records.table):
        database.lander(other).land([invoice()], LOAD)

    assert database.count(other.documents) == 1


def test_the_lock_is_given_back_with_the_connection(database, plan):
    database.lander(plan).land([invoice()], LOAD)
    with pytest.raises(RaydocsLandingError):
        Lander(failing_at(database, plan.documents), plan).land([invoice()], LOAD)

    warehouse = warehouse_for(database.hook)
    with warehouse.reading() as cursor:
        name = warehouse._lock_name(cursor, plan.records.table)
        assert warehouse.fetch(cursor, "SELECT IS_FREE_LOCK(%s)", (name,)) == [(1,)]


def test_a_table_is_the_same_to_the_lock_with_its_database_and_without(database):
    warehouse = warehouse_for(database.hook)
    names = ("invoices", f"{database.server['schema']}.invoices", "Invoices", "mysql.invoices")
    with warehouse.reading() as cursor:
        locks = [warehouse._lock_name(cursor, plan_of(GROUPS, name).records.table) for name in names]

    assert locks[0] == locks[1] == locks[2] != locks[3]


@pytest.mark.parametrize(
    ("table", "says"), [("a.b.invoices", "name a.b.invoices as database.table"), ("in%voices", "do not take the %")]
)
def test_a_name_that_mysql_does_not_take_is_refused_before_anything_is_read(database, table, says):
    def documents() -> Iterator[Any]:
        pytest.fail("documents were read")
        yield

    with pytest.raises(RaydocsInputError, match=says):
        database.lander(plan_of(GROUPS, table)).land(documents(), LOAD)


@pytest.mark.parametrize("name", ["in`voices", 'in"voices', "in'voices; --", "in\\voices", "Größe 😀", "select"])
def test_a_table_of_any_other_name_is_loaded_again_and_again(database, name):
    plan = plan_of(GROUPS, f"{database.server['schema']}.{name}")
    for _ in range(2):
        summary = database.lander(plan).land([invoice()], LOAD)

    found = {row[0] for row in database.query("SHOW TABLES")}
    assert len(found) == len(plan.tables) == len(summary.rows)
    assert all(count == 1 or "__" in table for table, count in summary.rows.items())


def test_a_field_whose_name_mysql_cannot_spell_has_a_column_of_another_name(database):
    plan = plan_of({"g": {"𠀀": STRING, "𠀁": STRING}}, database.table)
    for _ in range(2):
        database.lander(plan).land([invoice("a", {"g": {"𠀀": "x", "𠀁": "y"}}, {})], LOAD)

    names = sorted(name for name in database.columns(plan.records.table) if name.startswith("g__"))
    assert [name[:4] for name in names] == ["g___", "g___"]
    assert sorted(database.query(f"SELECT {', '.join(names)} FROM invoices")[0]) == ["x", "y"]


def test_a_column_in_capital_letters_is_the_column(database, plan):
    database.execute("CREATE TABLE invoices (INVOICE_HEADER__INVOICE_NUMBER VARCHAR(20), _SOURCE_URI TEXT)")

    database.lander(plan).land([invoice()], LOAD)

    assert database.rows(plan.records.table, "invoice_header__invoice_number", "_source_uri") == [
        ("RE-2026/001", "s3://inbox/a.pdf")
    ]


@pytest.mark.parametrize("engine", ["MyISAM", "Aria", "MEMORY"])
def test_a_table_without_transactions_is_refused_with_what_to_do(database, plan, engine):
    if not database.query(f"SELECT 1 FROM information_schema.engines WHERE engine = '{engine}'"):
        pytest.skip(f"this server has no {engine}")
    database.execute(f"CREATE TABLE invoices__documents (of_mine INT) ENGINE = {engine}")

    with pytest.raises(RaydocsLandingError) as raised:
        database.lander(plan).land([invoice()], LOAD)

    assert f"invoices__documents is a table of {engine}, which has no transactions" in str(raised.value)
    assert "ALTER TABLE `invoices__documents` ENGINE = InnoDB" in str(raised.value)
    database.execute("ALTER TABLE `invoices__documents` ENGINE = InnoDB")
    database.lander(plan).land([invoice()], LOAD)
    assert database.count(plan.documents) == 1


@pytest.mark.parametrize(("declared", "characters"), [("TINYTEXT", 63), ("TEXT", 16_383), ("VARCHAR(7)", 7)])
def test_a_text_that_may_be_too_long_for_its_column_lands_as_null(database, declared, characters):
    plan = plan_of({"g": {"f": STRING}}, database.table)
    database.execute(f"CREATE TABLE invoices (g__f {declared})")
    fits = "😀" * characters

    database.lander(plan).land([invoice(text[:1], {"g": {"f": text}}, {}) for text in (fits, "x" + fits)], LOAD)

    column = f"{declared.lower()}({characters})".replace("(7)(7)", "(7)")
    problem = {"problems": [{"field": "g.f", "problem": f"no room in {column}"}]}
    assert database.rows(plan.records.table, "g__f", "_meta") == [(fits, None), (None, problem)]


def test_data_of_any_depth_and_numbers_of_any_size_land_as_they_are(database):
    deep: Any = "x"
    for _ in range(150):
        deep = [deep]
    data = {"deep": deep, "exact": 12345678901234567890123456789}
    plan = plan_of({"g": {"f": {"type": "object"}}}, database.table)

    database.lander(plan).land([invoice("a", {"g": {"f": data}}, {})], LOAD)

    assert database.rows(plan.records.table, "g__f", "_meta") == [(data, None)]


def test_the_first_and_the_last_days_and_moments_land(database):
    fields = {"first": STRING, "last": STRING}
    schema = parse_schema({"groups": {"d": {"fields": fields}, "m": {"fields": fields}}})
    types = {"d.first": "date", "d.last": "date", "m.first": "timestamp", "m.last": "timestamp"}
    plan = plan_tables(schema, database.table, parse_column_types(types, schema))
    data = {
        "d": {"first": "0001-01-01", "last": "9999-12-31"},
        "m": {"first": "0001-01-01T00:00:00Z", "last": "9999-12-31T23:59:59.999999Z"},
    }

    database.lander(plan).land([invoice("a", data, {})], LOAD)

    assert database.rows(plan.records.table, "d__first", "d__last", "m__first", "m__last") == [
        (
            date.min,
            date.max,
            datetime.min.replace(tzinfo=UTC),
            datetime.max.replace(tzinfo=UTC),
        )
    ]


def test_texts_are_compared_by_character(database, plan):
    database.lander(plan).land(numbered("Müller", "MULLER", "muller"), LOAD)

    sql = "SELECT count(*) FROM invoices WHERE invoice_header__invoice_number = '{}'"
    assert [database.query(sql.format(text))[0][0] for text in ("muller", "Müller", "MÜLLER")] == [1, 1, 0]
    assert len(database.query("SELECT 1 FROM invoices GROUP BY invoice_header__invoice_number")) == 3


def test_every_table_has_a_primary_key_that_does_not_show(database, plan):
    database.lander(plan).land([invoice()], LOAD)

    keys = database.query(
        "SELECT table_name, column_name FROM information_schema.statistics "
        "WHERE table_schema = DATABASE() AND index_name = 'PRIMARY'"
    )
    assert sorted(keys) == sorted((table.name[-1], "_row_id") for table in plan.tables)
    assert all("_row_id" not in database.columns(table) for table in plan.tables)


def test_the_types_of_the_columns(database):
    types = {"text": "string", "num": "number", "int": "integer", "bool": "boolean", "obj": "object"}
    plan = plan_of({"g": {field: {"type": type_} for field, type_ in types.items()}}, database.table)
    database.lander(plan).land([], LOAD)

    found = {row[0]: row[1] for row in database.query("SHOW COLUMNS FROM invoices")}
    assert [found[f"g__{field}"].removesuffix("(20)") for field in types] == [
        "longtext", "decimal(38,9)", "bigint", "tinyint(1)", "longtext"
    ]  # fmt: skip
    assert found["_document_key"] == "varchar(64)"
    assert found["_loaded_at"] == "datetime(6)"


def test_a_row_larger_than_the_server_takes_is_refused_with_the_setting_to_change(database, plan):
    ((packet,),) = database.query("SELECT @@max_allowed_packet")
    secret = "SECRET" * (packet // 12)

    with pytest.raises(RaydocsLandingError, match=r"Set its max_allowed_packet to \d+M or more") as raised:
        database.lander(plan).land(numbered("small", secret), LOAD)

    assert "SECRET" not in str(raised.value)
    assert database.count(plan.records.table) == 0


def test_rows_of_many_sizes_land_in_statements_of_a_bounded_size(database, plan, monkeypatch):
    monkeypatch.setattr(mysql, "_STATEMENT_BYTES", 2_000)
    texts = ["'\"\\" * size for size in (0, 1, 700, 1_000, 3, 0, 5_000, 1)]
    warehouse = warehouse_for(database.hook)

    Lander(warehouse, plan).land(numbered(*texts), LOAD)

    assert sorted(row[0] for row in database.rows(plan.records.table, "invoice_header__invoice_number")) == sorted(
        texts
    )


def test_150_short_texts_fit_into_a_row(database):
    fields = {f"f{number}": STRING for number in range(150)}
    plan = plan_of({"g": fields}, database.table)
    data = {"g": dict.fromkeys(fields, "x" * 40)}

    summary = database.lander(plan).land([invoice("a", data, {})], LOAD)

    assert summary.rows["invoices"] == 1


def test_more_texts_than_a_row_of_innodb_holds_are_explained(database):
    fields = {f"f{number}": STRING for number in range(300)}
    plan = plan_of({"g": fields}, database.table)

    with pytest.raises(RaydocsLandingError, match=r"1118 \(too many columns") as raised:
        database.lander(plan).land([invoice("a", {"g": dict.fromkeys(fields, "SECRET" * 6)}, {})], LOAD)

    assert "SECRET" not in str(raised.value)
    assert database.count(plan.records.table) == 0


def test_a_connection_without_a_database_needs_it_in_the_name_of_the_table(database, plan, monkeypatch):
    schema = database.server["schema"]
    nowhere = database.reconnect(monkeypatch, schema="")

    with pytest.raises(RaydocsLandingError, match=r"1046 \(name the table with its database"):
        nowhere.lander(plan).land([invoice()], LOAD)
    nowhere.lander(plan_of(GROUPS, f"{schema}.invoices")).land([invoice()], LOAD)

    assert database.reconnect(monkeypatch).count(plan.documents) == 1


def reviewing(database: Database, plan: LandingPlan) -> Lander:
    schema = parse_schema({"groups": {name: {"fields": fields} for name, fields in GROUPS.items()}})
    rules = parse_review(0.99)
    assert rules is not None
    return Lander(warehouse_for(database.hook), plan, reviewer=rules.resolve(schema))


def test_the_view_shows_what_to_review(database, plan):
    for _ in range(2):
        reviewing(database, plan).land([invoice()], LOAD)

    rows = database.query("SELECT DISTINCT _document_key, filename FROM invoices__review")
    assert rows == [(key(invoice()), "a.pdf")]


def test_a_view_that_is_broken_is_explained(database, plan):
    database.execute("CREATE TABLE gone (a INT)")
    database.execute("CREATE VIEW invoices AS SELECT * FROM gone")
    database.execute("DROP TABLE gone")

    with pytest.raises(RaydocsLandingError, match=r"1356 \(drop the view"):
        database.lander(plan).land([invoice()], LOAD)


@pytest.fixture
def user(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Somebody without any right, by name."""
    name = f"landing_{os.getpid()}"
    database.execute(f"CREATE USER '{name}'@'%'")
    yield name
    database.reconnect(monkeypatch, login="root").execute(f"DROP USER '{name}'@'%'")


def grant(database: Database, monkeypatch: pytest.MonkeyPatch, user: str, rights: str, table: str = "*") -> None:
    root = database.reconnect(monkeypatch, login="root")
    root.execute(f"GRANT {rights} ON `{database.server['schema']}`.{table} TO '{user}'@'%'")


def test_a_load_needs_the_rights_that_the_page_names_and_an_error_names_them(database, plan, user, monkeypatch):
    def rehearse(plan: LandingPlan, refused: bool) -> None:
        lander = database.reconnect(monkeypatch, login=user).lander(plan)
        if refused:
            with pytest.raises(RaydocsLandingError, match=r"(1044|1142) \(the connection.s user needs SELECT, INSERT"):
                lander.rehearse()
        else:
            lander.rehearse()

    database.lander(plan).land([invoice("a")], LOAD)
    listed = plan_of(GROUPS | {"more": {"list": {"type": "array", "items": STRING}}}, database.table)
    wider = plan_of(GROUPS | {"more": {"f": STRING, "list": {"type": "array", "items": STRING}}}, database.table)

    rehearse(plan, refused=True)
    grant(database, monkeypatch, user, "SELECT, INSERT, DELETE")
    rehearse(plan, refused=True)
    grant(database, monkeypatch, user, "UPDATE", "invoices__documents")
    rehearse(plan, refused=False)
    for right in ("SELECT", "INSERT", "DELETE"):
        database.reconnect(monkeypatch, login="root").execute(
            f"REVOKE {right} ON `{database.server['schema']}`.* FROM '{user}'@'%'"
        )
        rehearse(plan, refused=True)
        grant(database, monkeypatch, user, right)
    rehearse(listed, refused=True)
    grant(database, monkeypatch, user, "CREATE")
    rehearse(listed, refused=False)
    rehearse(wider, refused=True)
    grant(database, monkeypatch, user, "ALTER")
    rehearse(wider, refused=False)
    database.reconnect(monkeypatch, login=user).lander(wider).land([invoice("b")], LOAD)

    assert database.reconnect(monkeypatch, login="root").count(plan.documents) == 2


def test_the_view_needs_the_right_to_create_one(database, plan, user, monkeypatch):
    grant(database, monkeypatch, user, "SELECT, INSERT, DELETE, UPDATE, CREATE")
    as_user = database.reconnect(monkeypatch, login=user)
    with pytest.raises(RaydocsLandingError, match=r"create the view invoices__review: \w+ 1142"):
        reviewing(as_user, plan).rehearse()

    grant(database, monkeypatch, user, "CREATE VIEW")
    reviewing(database.reconnect(monkeypatch, login=user), plan).rehearse()


def test_what_has_landed_is_found_with_the_right_to_select_from_the_ledger(database, plan, user, monkeypatch):
    database.lander(plan).land([invoice()], LOAD)
    grant(database, monkeypatch, user, "SELECT", "invoices__documents")
    reader = warehouse_for(database.reconnect(monkeypatch, login=user).hook)

    sha256 = str(invoice().sha256)
    assert find_landed(reader, "invoices", TEMPLATE_ID, "hash-1", [sha256]) == {sha256}
    database.reconnect(monkeypatch, login="root")


@pytest.mark.parametrize(
    ("declared", "says"),
    [("_source_uri VARCHAR(5)", r"1406 \(a text is longer"), ("_try_number SMALLINT", r"1264 \(a number is larger")],
)
def test_a_column_of_ours_that_is_too_small_fails_the_load_and_the_error_says_what_to_do(
    database, plan, declared, says
):
    database.execute(f"CREATE TABLE invoices ({declared})")

    with pytest.raises(RaydocsLandingError, match=says) as raised:
        database.lander(plan).land([invoice("SECRET")], replace(LOAD, try_number=40_000))

    assert "SECRET" not in str(raised.value)
    assert database.count(plan.records.table) == 0
