"""Databricks: its statements against a client of our own. No Databricks has seen any of this."""

from __future__ import annotations

import json
import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from raydocs_provider.exceptions import RaydocsInputError, RaydocsLandingError
from raydocs_provider.landing.landed import find_landed
from raydocs_provider.landing.lander import Lander
from raydocs_provider.landing.warehouses import databricks as engine
from raydocs_provider.landing.warehouses import databricks_turns, warehouse_for
from raydocs_provider.landing.warehouses.base import Warehouse
from tests.integration.landing.fake_databricks import DatabricksSqlHook, FakeDatabricks, Sent, ServerOperationError
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
from tests.integration.landing.story import WIDER, check_story, documents_with, held

PLAN = plan_of(GROUPS, "s.invoices")
VOLUME = {"raydocs_volume": "/Volumes/main/s/it's/"}
LINES = "invoices__line_items__items"
LEDGER = "invoices__documents"
TABLES = ("invoices", LINES, f"{LINES}__taxes", "invoices__line_items__remarks", "invoices__fields", LEDGER)
WRITES = ("DELETE", "INSERT")
SHORT = {
    "invoice": {
        "number": STRING,
        "lines": {"type": "array", "items": {"type": "object", "properties": {"total": NUMBER}}},
    }
}
SHORT_PLAN = plan_of(SHORT, "s.invoices")


@pytest.fixture(autouse=True)
def quiet_translation() -> Iterator[None]:
    """sqlglot tells of each array that it counts from 1 on."""
    logger = logging.getLogger("sqlglot")
    level = logger.level
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(level)


@pytest.fixture
def databricks() -> Iterator[FakeDatabricks]:
    with FakeDatabricks("s") as databricks:
        yield databricks


@pytest.fixture(params=["bound", "volume"])
def warehouse(request, databricks: FakeDatabricks) -> Warehouse:
    return warehouse_for(databricks.hook(**VOLUME if request.param == "volume" else {}))


@pytest.fixture
def bound(databricks: FakeDatabricks) -> Warehouse:
    return warehouse_for(databricks.hook())


@pytest.fixture
def by_volume(databricks: FakeDatabricks) -> Warehouse:
    return warehouse_for(databricks.hook(**VOLUME))


def short(name: str, version: int = 1) -> Any:
    """A document with as many lines as its version."""
    data = {"invoice": {"number": f"{name}-{version}", "lines": [{"total": n} for n in range(version)]}}
    return invoice(name, data, {}, f"result-{version}")


class Killed(BaseException):
    """The end of a process, which does nothing more."""


def land(warehouse: Warehouse, *documents: Any, plan: Any = PLAN) -> Any:
    return Lander(warehouse, plan).land(documents, LOAD)


def refuse_at(number: int, error: Callable[[Sent], BaseException], for_good: bool = False) -> Callable[[Sent], None]:
    """Raise at one statement, counted from 0 on, and at all that follow, if it is for good."""
    count = 0

    def refuse(sent: Sent) -> None:
        nonlocal count
        count += 1
        if count == number + 1 or (for_good and count > number):
            raise error(sent)

    return refuse


def error_with(code: str) -> Callable[[Sent], BaseException]:
    return lambda sent: ServerOperationError(f"[{code}] SECRET is wrong. SQLSTATE: 42000")


def test_what_lands_is_value_by_value_what_duckdb_lands(warehouse, databricks, tmp_path):
    check_story(warehouse, "s.invoices", tmp_path)

    assert databricks.files == {}
    assert databricks.open == 0


def test_all_statements_are_sql_of_databricks_and_values_are_in_none_of_them(databricks, warehouse):
    secret = {"invoice_header": {"invoice_number": "SECRET", "vendor": {"name": "SECRET"}}, "new": {"x": "SECRET"}}

    land(warehouse, invoice("a"))
    land(warehouse, invoice("a", secret, result_id="result-2"), plan=plan_of(WIDER, "s.invoices"))

    statements = [sent.statement for sent in databricks.sent]
    assert len([statement for statement in statements if statement]) > 40
    assert not [sent.sql for sent in databricks.sent if "SECRET" in sent.sql]


def test_bound_rows_are_one_parameter_that_does_not_show(databricks, bound):
    land(bound, invoice("a", DATA | {"invoice_header": {"invoice_number": "SECRET"}}))

    parameters = [sent.parameters for sent in databricks.sent if sent.parameters]
    assert [len(found) for found in parameters] == [1] * len(TABLES)
    assert any("SECRET" in text for (text,) in parameters)
    assert "SECRET" not in repr(parameters)


def test_rows_in_a_volume_are_in_no_parameter_either(databricks, by_volume):
    land(by_volume, invoice("a"))

    assert not [sent for sent in databricks.sent if sent.parameters]
    files = [sent.sql for sent in databricks.sent if sent.verb == "PUT"]
    assert len(files) == len(TABLES)
    assert len({sql.partition(" INTO ")[2] for sql in files}) == len(TABLES)
    assert all(r" INTO '/Volumes/main/s/it\'s/raydocs-" in sql for sql in files)


@pytest.mark.parametrize("extra", [{}, VOLUME])
def test_the_ledger_goes_first_and_comes_last(databricks, extra):
    warehouse = warehouse_for(databricks.hook(**extra))
    land(warehouse, invoice("a"))
    databricks.sent.clear()

    land(warehouse, invoice("a", result_id="result-2"), failure("b"))

    assert [sent.shape for sent in databricks.sent if sent.verb in WRITES] == [
        ("DELETE", LEDGER),
        *((verb, table) for table in TABLES[:-1] for verb in WRITES),
        ("INSERT", LEDGER),
    ]


def test_rows_go_in_portions_and_a_long_row_alone(databricks, bound, monkeypatch):
    monkeypatch.setattr(engine, "_STATEMENT_BYTES", 4_000)

    land(bound, *documents_with(["a", "b", "c", "x" * 10_000, "d"]))

    inserts = [sent.parameters[0] for sent in databricks.sent if sent.shape == ("INSERT", "invoices")]
    assert len(inserts) > 2
    long = [text for text in inserts if len(text.encode()) > 4_100]
    assert [len(json.loads(text)) for text in long] == [1]
    assert sum(len(json.loads(text)) for text in inserts) == 5
    assert databricks.execute("SELECT COUNT(*) FROM s.invoices") == [(5,)]


@pytest.mark.parametrize("told", [0, 2])
def test_a_count_that_is_not_that_of_the_rows_fails_the_load(databricks, warehouse, told):
    databricks.told = lambda count: told
    with pytest.raises(RaydocsLandingError, match=rf"inserted {told} of 1 rows into s\.invoices\."):
        land(warehouse, invoice("a"))
    assert databricks.execute(f"SELECT * FROM s.{LEDGER}") == []
    assert databricks.files == {}


def test_a_client_that_does_not_tell_counts_is_no_matter(databricks, warehouse):
    databricks.told = lambda count: -1
    land(warehouse, invoice("a"))
    assert databricks.execute(f"SELECT COUNT(*) FROM s.{LEDGER}") == [(1,)]


# What a load leaves behind


def found_by_document(databricks: FakeDatabricks) -> dict[str, Counter[Any]]:
    """The rows of each document, whatever their table, without how often it was submitted."""
    documents: dict[str, Counter[Any]] = {}
    tables = databricks.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 's'")
    for (name,) in tables:
        if name != "invoices___lock":
            columns = "* EXCLUDE (attempts)" if name == LEDGER else "*"
            for row in databricks.execute(f'SELECT {columns} FROM s."{name}"'):
                documents.setdefault(row[0], Counter())[name, *map(repr, row)] += 1
    return documents


def named(documents: dict[str, Counter[Any]]) -> set[str]:
    return {key for key, rows in documents.items() if any(name == LEDGER for name, *_ in rows)}


@pytest.mark.parametrize("first", [[], [short("a"), short("b"), failure("c")]], ids=["new tables", "tables with rows"])
@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("extra", [{}, VOLUME], ids=["bound", "volume"])
def test_wherever_a_load_ends_the_ledger_names_no_incomplete_document_and_the_same_load_puts_it_right(
    monkeypatch, first, killed, extra
):
    monkeypatch.setattr(engine, "_STATEMENT_BYTES", 1_000)
    documents = [short("a", 2), short("b", 2), short("c")]

    def play(number: int | None = None) -> tuple[FakeDatabricks, Warehouse, dict[str, Counter[Any]]]:
        databricks = FakeDatabricks("s")
        warehouse = warehouse_for(databricks.hook(**extra))
        if first:
            land(warehouse, *first, plan=SHORT_PLAN)
        before = found_by_document(databricks)
        databricks.sent.clear()
        if number is not None:
            error = (lambda _: Killed()) if killed else error_with("INTERNAL_ERROR")
            databricks.refuse = refuse_at(number, error, for_good=killed)
        try:
            land(warehouse, *documents, plan=SHORT_PLAN)
        except Killed:
            assert killed
        except RaydocsLandingError as error:
            told.append(error)
        except ServerOperationError:
            assert databricks.sent[-1].verb == "SET"
        databricks.refuse = lambda _: None
        return databricks, warehouse, before

    told: list[BaseException] = []
    databricks, _, before = play()
    done = found_by_document(databricks)
    statements = len(databricks.sent)
    databricks.close()
    unnamed = 0
    for number in range(statements):
        databricks, warehouse, _ = play(number)
        now = found_by_document(databricks)
        for document in named(now):
            assert now[document] in (before.get(document), done[document]), f"statement {number}"
        unnamed += bool(now.keys() - named(now))
        # Of a turn that could not be given back, the time passes.
        if "invoices___lock" in str(databricks.execute("SELECT table_name FROM duckdb_tables()")):
            databricks.execute("UPDATE s.invoices___lock SET until = TIMESTAMPTZ '2026-01-01 00:00:00Z'")

        land(warehouse, *documents, plan=SHORT_PLAN)
        assert found_by_document(databricks) == done, f"statement {number}"
        assert databricks.open == 0
        databricks.close()
    assert not [error for error in told if "SECRET" in str(error) or error.__context__]
    assert bool(told) is not killed
    # Or all this was for nothing.
    assert unnamed > 3


def test_a_load_that_fails_says_what_may_be_left_of_it(databricks, warehouse):
    def refuse(sent: Sent) -> None:
        if sent.shape == ("INSERT", LINES):
            raise ServerOperationError("[PERMISSION_DENIED] SECRET: not allowed. SQLSTATE: 42501")

    databricks.refuse = refuse
    with pytest.raises(RaydocsLandingError) as raised:
        land(warehouse, invoice("a"))

    told = str(raised.value)
    assert told.startswith(
        f"The warehouse refused to replace rows of s.{LINES}: ServerOperationError PERMISSION_DENIED"
    )
    assert "USE SCHEMA" in told
    assert "Rows of this load may be in the tables" in told
    assert "committed" not in told
    assert "SECRET" not in told
    assert raised.value.__context__ is None
    assert databricks.files == {}


def test_a_file_that_cannot_be_removed_fails_no_load_and_is_named(databricks, by_volume, caplog):
    def refuse(sent: Sent) -> None:
        if sent.verb == "REMOVE":
            raise ServerOperationError("[PERMISSION_DENIED] SECRET")

    databricks.refuse = refuse
    land(by_volume, invoice("a"))

    assert len(databricks.files) == len(TABLES)
    assert all(f"{path} could not be removed (ServerOperationError)" in caplog.text for path in databricks.files)
    assert "SECRET" not in caplog.text


def test_attempts_are_counted(databricks, warehouse):
    land(warehouse, failure("a"))
    land(warehouse, replace(failure("a"), session_id="session-again"))
    assert databricks.execute(f"SELECT attempts FROM s.{LEDGER}") == [(2,)]


def test_a_rehearsal_asks_for_every_right_and_changes_no_row(databricks, warehouse):
    land(warehouse, invoice("a"))
    before = held(warehouse, PLAN)
    databricks.sent.clear()

    Lander(warehouse, PLAN).rehearse()

    asked = [sent.shape for sent in databricks.sent]
    assert {(verb, table) for verb in WRITES for table in TABLES} <= set(asked)
    assert ("UPDATE", LEDGER) in asked
    assert held(warehouse, PLAN) == before
    assert databricks.files == {}


# Turns


def turn_of(databricks: FakeDatabricks) -> tuple[Any, ...]:
    (turn,) = databricks.execute("SELECT holder, until > now() FROM s.invoices___lock")
    return turn


@pytest.mark.parametrize("fails", [False, True])
def test_a_load_has_its_turn_until_it_ends(databricks, bound, fails):
    turns = []

    def refuse(sent: Sent) -> None:
        if sent.verb in WRITES:
            turns.append(turn_of(databricks))
            if fails and sent.table == "invoices__fields":
                raise ServerOperationError("[INTERNAL_ERROR] it")

    databricks.refuse = refuse
    if fails:
        with pytest.raises(RaydocsLandingError, match="INTERNAL_ERROR"):
            land(bound, invoice("a"))
    else:
        land(bound, invoice("a"))

    ((holder, is_on),) = set(turns)
    assert len(holder) == 32
    assert is_on
    assert turn_of(databricks) == ("", False)


def test_a_load_waits_for_the_turn_of_another_and_looks_again_then(databricks, bound, monkeypatch, caplog):
    land(bound, invoice("a"))
    databricks.execute("UPDATE s.invoices___lock SET holder = 'other', until = now() + INTERVAL 1 HOUR")
    databricks.sent.clear()
    waited = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        assert not [sent for sent in databricks.sent if sent.verb in WRITES]
        if len(waited) == 3:
            databricks.execute("UPDATE s.invoices___lock SET holder = '', until = now() - INTERVAL 1 SECOND")

    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=sleep))
    land(bound, invoice("a", result_id="result-2"))

    assert len(waited) == 3
    assert all(1 <= seconds <= 5 for seconds in waited)
    assert databricks.execute("SELECT _result_id FROM s.invoices") == [("result-2",)]


def test_two_loads_that_ask_at_once_take_turns(databricks, bound, monkeypatch):
    """The statement of the one that is too late is refused by Databricks, and tried again."""
    land(bound, invoice("a"))
    asked = []

    def refuse(sent: Sent) -> None:
        if sent.shape == ("UPDATE", "invoices___lock") and not asked:
            asked.append(sent)
            raise ServerOperationError("[DELTA_CONCURRENT_APPEND.WITH_PARTITION_HINT] SECRET")

    databricks.refuse = refuse
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda seconds: None))
    land(bound, invoice("a", result_id="result-2"))
    assert databricks.execute("SELECT _result_id FROM s.invoices") == [("result-2",)]


def test_the_turn_of_a_load_that_was_killed_ends_by_itself(databricks, bound):
    land(bound, invoice("a"))
    databricks.execute("UPDATE s.invoices___lock SET holder = 'killed', until = now() - INTERVAL 1 SECOND")
    land(bound, invoice("a", result_id="result-2"))
    assert databricks.execute("SELECT _result_id FROM s.invoices") == [("result-2",)]


def test_a_long_load_prolongs_its_turn(databricks, bound, monkeypatch):
    monkeypatch.setattr(databricks_turns, "_PROLONGED_AFTER", 0)
    ends = []

    def refuse(sent: Sent) -> None:
        if sent.verb in WRITES:
            ((end,),) = databricks.execute("SELECT until FROM s.invoices___lock")
            ends.append(end)

    databricks.refuse = refuse
    land(bound, invoice("a"))
    assert len(set(ends)) == len(ends) > 5
    assert ends == sorted(ends)


def test_a_load_that_has_lost_its_turn_writes_nothing_more(databricks, bound, monkeypatch):
    monkeypatch.setattr(databricks_turns, "_PROLONGED_AFTER", 0)

    def refuse(sent: Sent) -> None:
        if sent.shape == ("INSERT", LINES):
            databricks.execute("UPDATE s.invoices___lock SET holder = 'other', until = now() + INTERVAL 1 HOUR")

    databricks.refuse = refuse
    with pytest.raises(RaydocsLandingError, match="took more than 30 minutes, and another load has begun"):
        land(bound, invoice("a"))

    assert [sent.shape for sent in databricks.sent if sent.verb in WRITES][-1] == ("INSERT", LINES)
    assert turn_of(databricks) == ("other", True)
    assert databricks.execute(f"SELECT * FROM s.{LEDGER}") == []


def test_without_the_row_of_the_lock_nothing_is_written(databricks, bound):
    land(bound, invoice("a"))
    databricks.execute("DELETE FROM s.invoices___lock")
    databricks.sent.clear()
    with pytest.raises(RaydocsLandingError, match="has to have one row; drop it to have it made anew"):
        land(bound, invoice("a"))
    assert not [sent for sent in databricks.sent if sent.verb in WRITES]


# Tables that exist


def test_columns_are_added_in_one_statement_and_filled(databricks, warehouse):
    land(warehouse, invoice("a"))
    databricks.sent.clear()

    data = DATA | {"totals": DATA["totals"] | {"tax": 1}}
    land(warehouse, invoice("b", data), plan=plan_of(WIDER, "s.invoices"))

    (alter,) = [sent for sent in databricks.sent if sent.verb == "ALTER"]
    assert "ADD COLUMNS (`totals__tax` DECIMAL(38,9), `totals__currency` STRING," in alter.sql
    assert sorted(databricks.execute("SELECT totals__tax FROM s.invoices"), key=str) == [(1,), (None,)]


def test_values_are_cast_to_the_types_that_columns_have_and_nothing_lands_where_none_fits(databricks, bound):
    land(bound, invoice("a"))
    databricks.describe(
        "invoices",
        {
            "totals__total_amount": "decimal(18,2)",
            "invoice_header__invoice_number": "varchar(3)",
            "invoice_header__vendor__name": "char(100)",
            "invoice_header__paid": "array<string>",
        },
    )
    databricks.sent.clear()

    summary = land(bound, invoice("a"))

    (insert,) = [sent.statement for sent in databricks.sent if sent.shape == ("INSERT", "invoices")]
    names = [column.name for column in insert.this.expressions]
    values = dict(zip(names, [value.sql("databricks") for value in insert.expression.expressions], strict=True))
    assert values["totals__total_amount"].endswith(" AS DECIMAL(18, 2))")
    assert values["invoice_header__invoice_number"] == f"r[{names.index('invoice_header__invoice_number')}]"
    assert values["invoice_header__vendor__name"] == "NULL"
    assert values["invoice_header__paid"] == "NULL"
    assert values["_loaded_at"].endswith(" AS TIMESTAMP)")
    assert databricks.execute("SELECT invoice_header__invoice_number FROM s.invoices") == [(None,)]
    assert len(summary.notes) == 4


def test_names_are_quoted_whatever_is_in_them_and_found_whatever_their_case(databricks, tmp_path):
    databricks.execute('CREATE SCHEMA "a`b; ?"')
    warehouse = warehouse_for(databricks.hook())
    plan = plan_of(GROUPS, "a`b; ?.%(x)s ``")

    land(warehouse, invoice("a"), plan=plan)
    databricks.execute('ALTER TABLE "a`b; ?"."%(x)s ``" RENAME COLUMN totals__total_amount TO "Totals__Total_Amount"')
    land(warehouse, invoice("b"), plan=plan)

    inserts = [sent.sql for sent in databricks.sent if sent.verb == "INSERT"]
    assert inserts[0].startswith("INSERT INTO `a``b; ?`.`%(x)s ````` (")
    assert databricks.execute('SELECT "totals__total_amount" FROM "a`b; ?"."%(x)s ``"') == [(1234.5,), (1234.5,)]


def test_what_has_landed_is_found(databricks, warehouse):
    landed = invoice("a")
    assert find_landed(warehouse, "s.invoices", TEMPLATE_ID, "hash-1", [landed.sha256]) == frozenset()
    land(warehouse, landed)
    assert find_landed(warehouse, "s.invoices", TEMPLATE_ID, "hash-1", [landed.sha256]) == {landed.sha256}


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("[SCHEMA_NOT_FOUND] The schema SECRET", "ServerOperationError SCHEMA_NOT_FOUND (write the table as"),
        ("Error running query: [INTERNAL_ERROR] SECRET", "ServerOperationError INTERNAL_ERROR."),
        ("org.apache.x.HiveSQLException: Error running query: [A.B] SECRET", "ServerOperationError A.B."),
        ("[DELTA_CONCURRENT_DELETE_READ] SECRET", "run the load again"),
        ("SECRET [SECRET_2] is wrong", "ServerOperationError."),
    ],
)
def test_of_an_error_its_code_is_told_and_no_more(databricks, bound, message, told):
    def refuse(sent: Sent) -> None:
        if sent.verb == "CREATE" and sent.table == "invoices":
            raise ServerOperationError(message)

    databricks.refuse = refuse
    with pytest.raises(RaydocsLandingError) as raised:
        land(bound, invoice("a"))
    assert told in str(raised.value)
    assert "SECRET" not in str(raised.value)


# Hooks


def test_a_connection_gives_a_hook_without_sql_of_which_one_with_sql_is_made(databricks, monkeypatch):
    module = SimpleNamespace(DatabricksSqlHook=DatabricksSqlHook)
    monkeypatch.setitem(sys.modules, "airflow.providers.databricks.hooks.databricks_sql", module)
    extra = {"sql_endpoint_name": "etl", "catalog": "main", "schema": "s", "use_inline_params": True}
    databricks.hook(**extra)

    warehouse = warehouse_for(databricks.rest_hook(**extra))
    land(warehouse, invoice("a"))

    for arguments in databricks.arguments:
        assert arguments["sql_endpoint_name"] == "etl"
        assert arguments["use_inline_params"] is False
    assert isinstance(warehouse.hook, DatabricksSqlHook)
    assert warehouse.hook.databricks_conn_id == "databricks_default"
    assert (warehouse.hook.arguments["catalog"], warehouse.hook.arguments["schema"]) == ("main", "s")


def test_without_the_provider_it_is_said_what_to_install(databricks, monkeypatch):
    monkeypatch.setitem(sys.modules, "airflow.providers.databricks.hooks.databricks_sql", None)
    warehouse = warehouse_for(databricks.rest_hook(http_path="/sql/1.0/warehouses/1"))
    with pytest.raises(RaydocsInputError, match=r"install airflow-provider-raydocs\[databricks\]"):
        land(warehouse, invoice("a"))


def test_without_a_warehouse_it_is_said_what_to_set(databricks):
    warehouse = warehouse_for(databricks.rest_hook())
    with pytest.raises(RaydocsInputError, match=r"'databricks_default' .* set http_path, or sql_endpoint_name"):
        land(warehouse, invoice("a"))


@pytest.mark.parametrize("volume", ["dbfs:/tmp", "/Volumes/main/s", "main.s.staging", 7])
def test_a_volume_that_is_none_is_refused_before_anything_is_done(databricks, volume):
    warehouse = warehouse_for(databricks.hook(raydocs_volume=volume))
    with pytest.raises(RaydocsInputError, match=r"it has to be a folder of a volume"):
        land(warehouse, invoice("a"))
    assert databricks.sent == []
