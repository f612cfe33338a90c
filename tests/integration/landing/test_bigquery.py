"""BigQuery: Google's client against a server of our own. No BigQuery has seen any of this."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlglot import exp

from raydocs_provider.exceptions import RaydocsInputError, RaydocsLandingError
from raydocs_provider.landing.landed import find_landed
from raydocs_provider.landing.lander import Lander
from raydocs_provider.landing.warehouses import warehouse_for
from raydocs_provider.landing.warehouses.bigquery import BigQueryWarehouse
from tests.integration.landing.fake_bigquery import LOCATION, FakeBigQuery, Refusal, Sent
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

PLAN = plan_of(GROUPS, "d.invoices")


@pytest.fixture
def bigquery() -> Iterator[FakeBigQuery]:
    with FakeBigQuery("d") as bigquery:
        yield bigquery


@pytest.fixture
def warehouse(bigquery: FakeBigQuery) -> BigQueryWarehouse:
    return warehouse_for(bigquery.hook())


def land(warehouse: BigQueryWarehouse, *documents: Any, plan: Any = PLAN) -> Any:
    return Lander(warehouse, plan).land(documents, LOAD)


def script_of(bigquery: FakeBigQuery) -> list[exp.Expression]:
    (script,) = [sent for sent in bigquery.sent if sent.sql.startswith("BEGIN TRANSACTION")]
    return script.statements


def shape(statement: exp.Expression) -> tuple[str, str]:
    """What a statement is, and about which table."""
    table = statement.find(exp.Table)
    return type(statement).__name__, table.name if table else ""


def test_what_lands_is_value_by_value_what_duckdb_lands(warehouse, tmp_path):
    check_story(warehouse, "d.invoices", tmp_path)


def test_all_statements_are_googlesql_and_values_are_in_none_of_them(bigquery, warehouse):
    secret = {"invoice_header": {"invoice_number": "SECRET", "vendor": {"name": "SECRET"}}, "new": {"x": "SECRET"}}

    land(warehouse, invoice("a"))
    land(warehouse, invoice("a", secret, result_id="result-2"), plan=plan_of(WIDER, "d.invoices"))

    statements = [statement for sent in bigquery.sent for statement in sent.statements]
    assert len(statements) > 40
    assert [statement for statement in statements if isinstance(statement, exp.Command)] == []
    assert not [sql for sql in bigquery.queries() if "SECRET" in sql]
    assert any("SECRET" in row.get("c0", "") for sent in bigquery.sent for row in sent.rows)


def test_a_load_is_one_transaction_that_deletes_the_ledger_first_and_writes_it_last(bigquery, warehouse):
    land(warehouse, invoice("a"))
    land(warehouse, invoice("a", result_id="result-2"))
    bigquery.sent.clear()

    land(warehouse, invoice("a", result_id="result-3"), failure("b"))

    lines = "invoices__line_items__items"
    ledger = "invoices__documents"
    assert [shape(statement) for statement in script_of(bigquery)] == [
        ("Transaction", ""),
        ("Select", ledger),
        ("Select", "invoices"),
        ("Delete", ledger),
        ("Delete", "invoices"),
        ("Insert", "invoices"),
        ("Delete", lines),
        ("Insert", lines),
        ("Delete", f"{lines}__taxes"),
        ("Insert", f"{lines}__taxes"),
        ("Delete", "invoices__line_items__remarks"),
        ("Insert", "invoices__line_items__remarks"),
        ("Delete", "invoices__fields"),
        ("Insert", "invoices__fields"),
        ("Insert", ledger),
        ("Commit", ""),
    ]
    assert [sent.what for sent in bigquery.sent][-2:] == ["drop", "drop"]


def test_attempts_are_counted_in_the_transaction(bigquery, warehouse):
    land(warehouse, failure("a"))
    bigquery.sent.clear()

    land(warehouse, replace(failure("a"), session_id="session-again"))

    assert shape(script_of(bigquery)[-2]) == ("Update", "invoices__documents")
    assert bigquery.execute("SELECT attempts FROM d.invoices__documents") == [(2,)]


def test_tables_columns_and_the_view_come_before_the_transaction_and_columns_at_once(bigquery, warehouse):
    land(warehouse, invoice("a"))
    *before, script = bigquery.queries()
    creates = [sql for sql in before if sql.startswith("CREATE TABLE IF NOT EXISTS")]
    assert [sql.endswith(" CLUSTER BY `_document_key`") for sql in creates] == [True] * 6
    assert "CREATE" not in script
    bigquery.sent.clear()

    land(warehouse, invoice("b"), plan=plan_of(WIDER, "d.invoices"))

    *before, script = bigquery.queries()
    (alter,) = [sql for sql in before if sql.startswith("ALTER TABLE")]
    assert alter.count("ADD COLUMN IF NOT EXISTS") == 5
    assert "ALTER" not in script


def test_staging_lies_beside_the_target_expires_by_itself_and_is_gone_after_the_load(bigquery, warehouse):
    land(warehouse, invoice("a"))

    created = [sent for sent in bigquery.sent if sent.what == "create"]
    in_a_day = (datetime.now(UTC) + timedelta(days=1)).timestamp() * 1_000
    assert len(created) == 7
    for sent in created:
        assert sent.name.startswith("d.raydocs_staging_")
        assert in_a_day - 60_000 < int(sent.body["expirationTime"]) <= in_a_day
        assert {column["type"] for column in sent.body["schema"]["fields"]} == {"STRING"}
    assert sorted(sent.name for sent in created) == sorted(sent.name for sent in bigquery.sent if sent.what == "drop")
    assert bigquery.staging == []
    for sent in bigquery.sent:
        if sent.what == "load":
            settings = sent.body["configuration"]["load"]
            assert (settings["writeDisposition"], settings["createDisposition"]) == ("WRITE_APPEND", "CREATE_NEVER")
            assert settings["sourceFormat"] == "NEWLINE_DELIMITED_JSON"
            assert not settings.get("autodetect")


@pytest.mark.parametrize("location", [None, "US"])
def test_jobs_run_where_the_tables_are(bigquery, location):
    land(warehouse_for(bigquery.hook(location)), invoice("a"))
    bigquery.sent.clear()

    land(warehouse_for(bigquery.hook(location)), invoice("a"))

    jobs = [sent.body["jobReference"]["location"] for sent in bigquery.sent if sent.what in ("load", "query")]
    assert set(jobs) == {LOCATION}


def test_whatever_request_fails_nothing_of_the_load_is_there_and_the_next_one_is_right(bigquery, warehouse, caplog):
    land(warehouse, invoice("a"))
    before = held(warehouse, PLAN)
    bigquery.sent.clear()
    land(warehouse, invoice("a"))
    requests = [sent.what for sent in bigquery.sent]
    assert set(requests) == {"get", "query", "create", "load", "drop"}

    for number in range(requests.index("drop")):
        with (
            refusing(bigquery, number),
            pytest.raises(RaydocsLandingError, match=r"roles/bigquery.dataEditor") as raised,
        ):
            land(warehouse, invoice("a", DATA | {"totals": {"total_amount": 7}}, result_id="result-2"))
        assert "SECRET" not in str(raised.value)
        assert raised.value.__context__ is None
        assert held(warehouse, PLAN) == before
        assert bigquery.staging == []

    land(warehouse, invoice("a", result_id="result-3"))
    assert bigquery.execute("SELECT _result_id FROM d.invoices") == [("result-3",)]
    assert "could not be dropped" not in caplog.text


def test_a_staging_table_that_cannot_be_dropped_fails_no_load_and_hides_no_failure(bigquery, warehouse, caplog):
    def refuse(sent: Sent) -> None:
        if sent.what == "drop" or (sent.sql.startswith("BEGIN") and failing):
            raise Refusal(403, "accessDenied", "SECRET: Access Denied")

    bigquery.refuse = refuse
    failing = False
    land(warehouse, invoice("a"))
    failing = True
    with pytest.raises(RaydocsLandingError, match=r"refused to commit the rows of d.invoices: Forbidden accessDenied"):
        land(warehouse, invoice("a", result_id="result-2"))

    assert len(bigquery.staging) == 14
    assert caplog.text.count("could not be dropped (Forbidden): it expires within a day") == 14
    assert "SECRET" not in caplog.text


@contextmanager
def refusing(bigquery: FakeBigQuery, number: int) -> Iterator[None]:
    """Refuse one request."""

    def refuse(sent: Sent) -> None:
        if len(bigquery.sent) == number + 1:
            raise Refusal(403, "accessDenied", "SECRET: Access Denied")

    bigquery.sent.clear()
    bigquery.refuse = refuse
    yield
    bigquery.refuse = lambda sent: None


def test_a_load_that_was_overtaken_since_it_looked_fails_and_is_right_when_it_runs_again(bigquery, warehouse):
    land(warehouse, invoice("a"), invoice("b"))
    other = Lander(warehouse_for(bigquery.hook()), PLAN)

    def overtake(sent: Sent) -> None:
        if sent.sql.startswith("BEGIN TRANSACTION"):
            bigquery.refuse = lambda sent: None
            later = replace(LOAD, loaded_at=LOAD.loaded_at + timedelta(seconds=1))
            other.land([invoice("a", result_id="result-2")], later)

    bigquery.refuse = overtake
    with pytest.raises(RaydocsLandingError, match=r"commit the rows of d.invoices: .* run this one again"):
        land(warehouse, invoice("a", result_id="result-3"), invoice("b", result_id="result-3"))

    assert sorted(bigquery.execute("SELECT _result_id FROM d.invoices")) == [("result-1",), ("result-2",)]
    land(warehouse, invoice("a", result_id="result-3"), invoice("b", result_id="result-3"))
    assert bigquery.execute("SELECT _result_id FROM d.invoices") == [("result-3",), ("result-3",)]


def test_a_rehearsal_runs_all_statements_and_rolls_them_back(bigquery, warehouse):
    land(warehouse, invoice("a"))
    before = held(warehouse, PLAN)
    bigquery.sent.clear()

    Lander(warehouse, PLAN).rehearse()

    kinds = [kind for kind, _ in map(shape, script_of(bigquery))]
    assert (kinds[0], kinds[-1]) == ("Transaction", "Rollback")
    assert {"Select", "Delete", "Insert"} <= set(kinds)
    assert held(warehouse, PLAN) == before
    assert bigquery.staging == []


def test_nothing_is_staged_and_no_transaction_begun_for_no_document(bigquery, warehouse):
    land(warehouse)

    assert not [sent for sent in bigquery.sent if sent.what in ("create", "load", "drop")]
    assert [sql for sql in bigquery.queries() if sql.startswith("BEGIN")] == []
    assert len(held(warehouse, PLAN)) == 6


def test_what_is_landed_is_found_also_before_there_is_anything(warehouse):
    sha256s = [str(invoice(name).sha256) for name in "ab"]

    assert find_landed(warehouse, "d.invoices", TEMPLATE_ID, "hash-1", sha256s) == frozenset()
    land(warehouse, invoice("a"))
    assert find_landed(warehouse, "d.invoices", TEMPLATE_ID, "hash-1", sha256s) == {sha256s[0]}


@pytest.mark.parametrize("name", ["it's; DROP TABLE y; --", "Große Tabelle", 'a"b', "%s @p $1"])
def test_names_are_quoted_whatever_is_in_them(bigquery, warehouse, name):
    plan = plan_of(GROUPS, f"d.{name}")

    land(warehouse, invoice("a"), plan=plan)
    land(warehouse, invoice("a"), plan=plan)

    assert len(held(warehouse, plan)[name]) == 1
    tables = {table.name for sent in bigquery.sent for sql in sent.statements for table in sql.find_all(exp.Table)}
    assert {found.removeprefix(name).split("__")[0] for found in tables if "staging" not in found} == {""}


@pytest.mark.parametrize("table", ["d.x`; DROP TABLE y; --", "d.back\\slash", "`d.invoices"])
def test_a_name_that_could_end_its_quotes_is_refused_before_anything_is_sent(bigquery, warehouse, table):
    with pytest.raises(RaydocsInputError, match="no name that BigQuery takes"):
        land(warehouse, invoice("a"), plan=plan_of(GROUPS, table))

    assert bigquery.sent == []


def test_a_project_may_be_named_and_a_dataset_has_to_be(bigquery, warehouse):
    land(warehouse, invoice("a"), plan=plan_of(GROUPS, "other-project.d.invoices"))
    assert any("INSERT INTO `other-project`.`d`.`invoices`" in sql for sql in bigquery.queries())
    bigquery.sent.clear()

    with pytest.raises(RaydocsInputError, match="table='invoices' names no dataset of BigQuery"):
        land(warehouse, invoice("a"), plan=plan_of(GROUPS, "invoices"))
    assert bigquery.sent == []


INTEGER = {"type": "integer"}
EXISTING = [
    ({"type": "NUMERIC", "precision": "10", "scale": "2"}, NUMBER, Decimal("12.34"), Decimal("12.345")),
    ({"type": "NUMERIC"}, NUMBER, Decimal("12345678901234567890123456789.123456789"), 10**29),
    ({"type": "BIGNUMERIC", "precision": "40", "scale": "1"}, NUMBER, Decimal("0.5"), Decimal("0.55")),
    ({"type": "STRING", "maxLength": "3"}, STRING, "abc", "abcd"),
    ({"type": "STRING"}, NUMBER, Decimal("1.10"), "not a number"),
    ({"type": "INTEGER"}, INTEGER, 2**63 - 1, 2**63),
    ({"type": "INTEGER"}, NUMBER, 5, Decimal("5.5")),
    ({"type": "FLOAT"}, NUMBER, None, Decimal("0.1")),
    ({"type": "STRING", "mode": "REPEATED"}, STRING, None, "x"),
    ({"type": "RECORD", "fields": [{"name": "x", "type": "STRING"}]}, {"type": "object"}, None, {"x": "y"}),
]


def test_a_column_that_exists_takes_what_it_gives_back_and_nothing_else(bigquery, warehouse):
    groups = {"g": {f"f{number}": field for number, (_, field, _, _) in enumerate(EXISTING)}}
    plan = plan_of(groups, "d.invoices")
    land(warehouse, plan=plan)
    fields = [{"name": f"G__F{number}", "mode": "NULLABLE", **field} for number, (field, *_) in enumerate(EXISTING)]
    bigquery.describe(
        "d.invoices",
        [*fields, *({"name": c.name, "type": "STRING"} for c in plan.records.table.columns if c.path is None)],
    )
    bigquery.sent.clear()
    data = [{"g": {f"f{number}": example[which] for number, example in enumerate(EXISTING)}} for which in (2, 3)]

    summary = land(warehouse, *(invoice(str(n), given, {}) for n, given in enumerate(data)), plan=plan)

    assert summary.problems == len(EXISTING)
    (staged, *_) = [sent for sent in bigquery.sent if sent.what == "load"]
    texts = [[row.get(f"c{number}") for number in range(len(EXISTING))] for row in staged.rows]
    assert texts == [
        [None if fits is None else str(fits) for _, _, fits, _ in EXISTING],
        [None] * len(EXISTING),
    ]
    (insert,) = [sql for sql in script_of(bigquery) if shape(sql) == ("Insert", "invoices")]
    casts = [cast.sql("bigquery") for cast in insert.find(exp.Select).expressions[: len(EXISTING)]]
    assert casts[:7] == [
        "CAST(c0 AS NUMERIC)",
        "CAST(c1 AS NUMERIC)",
        "CAST(c2 AS BIGNUMERIC)",
        "c3",
        "c4",
        "CAST(c5 AS INT64)",
        "CAST(c6 AS INT64)",
    ]


def test_a_script_stays_small_however_many_documents_there_are(bigquery, warehouse):
    keys = [f"{number:064x}" for number in range(12_000)]
    land(warehouse)

    with warehouse.transaction(PLAN.records.table) as script:
        for table in PLAN.tables:
            for start in range(0, len(keys), warehouse.portion):
                warehouse.delete(script, table, keys[start : start + warehouse.portion])

    (staged,) = [sent for sent in bigquery.sent if sent.what == "load"]
    assert sorted(row["c1"] for row in staged.rows) == keys
    assert len(script_of(bigquery)) == 2 + 6 * 3
    assert len(bigquery.queries()[-1]) < 10_000


def test_reads_stay_below_the_size_of_a_statement(warehouse):
    sql = f"SELECT * FROM t WHERE {warehouse._among([f'{number:064x}' for number in range(warehouse.portion)])}"

    assert len(sql) < 1_000_000


def test_a_dataset_that_is_missing_is_named_as_what_to_make(bigquery, warehouse):
    def missing(sent: Sent) -> None:
        if sent.sql.startswith("CREATE TABLE"):
            raise Refusal(404, "notFound", "Not found: Dataset p:nowhere SECRET")

    bigquery.refuse = missing
    with pytest.raises(RaydocsLandingError, match=r"create d.invoices.*: NotFound notFound \(the dataset has to exist"):
        land(warehouse, invoice("a"))


def test_texts_of_any_kind_are_staged_as_they_are(bigquery, warehouse, caplog):
    with caplog.at_level(logging.DEBUG, "raydocs_provider"):
        land(warehouse, *documents_with(["", "null", "SECRET", "\u2028", "\\"]))

    (staged, *_) = [sent for sent in bigquery.sent if sent.what == "load" and len(sent.rows) == 5]
    assert {row.get("c0") for row in staged.rows} == {"", "null", "SECRET", "\u2028", "\\"}
    assert "SECRET" not in caplog.text
