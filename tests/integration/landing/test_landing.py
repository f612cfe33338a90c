from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from raydocs_provider.exceptions import RaydocsInputError, RaydocsLandingError
from raydocs_provider.landing.documents import LandingDocument
from raydocs_provider.landing.lander import Lander
from raydocs_provider.landing.tables import AUDIT, LandingPlan, Table
from raydocs_provider.landing.warehouses import warehouse_for
from tests.integration.landing.conftest import ENGINES, Database, quoted
from tests.integration.landing.invoices import (
    DATA,
    GROUPS,
    LOAD,
    LOADED_AT,
    NEW_AUDIT,
    NUMBER,
    SOURCES,
    STRING,
    failure,
    invoice,
    key,
    plan_of,
)

every_engine = pytest.mark.parametrize("database", ENGINES, indirect=True)
postgres_only = pytest.mark.parametrize("database", [name for name in ENGINES if "postgres" in name], indirect=True)


@pytest.fixture
def plan(database: Database) -> LandingPlan:
    return plan_of(GROUPS, database.table)


def own_rows(database: Database, plan: LandingPlan) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that landed but for the audit columns."""
    return {
        str(table).split(".")[-1]: database.rows(table, "_document_key", *(column.name for column in table.own))
        for table in plan.tables
    }


def all_rows(database: Database, plan: LandingPlan) -> dict[str, list[tuple[Any, ...]]]:
    return {str(table): database.rows(table) for table in plan.tables}


@every_engine
def test_an_invoice_lands_in_its_tables_value_by_value(database, plan):
    document = invoice()
    a, b = key(document), key(failure())

    summary = database.lander(plan).land([document, failure()], LOAD)

    # Corrected value, confidence, reasoning, sources, review code.
    table_said = (None, Decimal("0.8"), "The table on page 1.", None, None)
    nothing = (None,) * 5
    # Attempts, time of submission, and what a review says.
    once = (1, *(None,) * 5)
    assert own_rows(database, plan) == {
        "invoices": [
            (
                a,
                "RE-2026/001",
                'Müller & "Söhne"',
                {"city": "Köln", "zip": "50667"},
                False,
                Decimal("1234.5"),
                None,
                None,
            )
        ],
        "invoices__line_items__items": [(a, 0, "Widget", 3, Decimal("1.2E+3")), (a, 1, None, 1, Decimal("34.5"))],
        "invoices__line_items__items__taxes": [(a, 0, 0, "VAT", Decimal("19"))],
        "invoices__line_items__remarks": [(a, 0, "Net 30")],
        "invoices__fields": sorted(
            [
                (a, "invoice_header", "invoice_number", None, None, "RE-2026/001", *nothing),
                (a, "invoice_header", "vendor.name", None, None, 'Müller & "Söhne"', *nothing),
                (a, "invoice_header", "vendor.address", None, None, '{"city":"Köln","zip":"50667"}', *nothing),
                (a, "invoice_header", "paid", None, None, "false", *nothing),
                (
                    a,
                    "totals",
                    "total_amount",
                    None,
                    None,
                    "1234.50",
                    None,
                    Decimal("0.95"),
                    "Bottom right.",
                    None,
                    None,
                ),
                (a, "line_items", "items.description", None, 0, "Widget", *table_said),
                (a, "line_items", "items.quantity", None, 0, "3", *table_said),
                (a, "line_items", "items.total", None, 0, "1200", *table_said),
                (a, "line_items", "items.taxes.name", 0, 0, "VAT", *table_said),
                (a, "line_items", "items.taxes.rate", 0, 0, "19", *table_said),
                (a, "line_items", "items.description", None, 1, None, *table_said),
                (a, "line_items", "items.quantity", None, 1, "1", *table_said),
                (a, "line_items", "items.total", None, 1, "34.50", *table_said),
                (a, "line_items", "remarks", None, 0, "Net 30", *nothing),
            ],
            key=repr,
        ),
        "invoices__documents": sorted(
            [
                (a, "extracted", None, None, None, "a.pdf", *once),
                (b, "failed", "parsing", "parsing_failed", "The file is damaged.", "broken.pdf", *once),
            ]
        ),
    }
    assert summary.rows == {str(table): len(database.rows(table)) for table in plan.tables}
    assert summary.documents == {"extracted": 1, "failed": 1}
    assert summary.problems == 0


@every_engine
def test_the_audit_of_the_newer_api_lands_with_its_sources_and_without_a_confidence(database, plan):
    database.lander(plan).land([invoice(audit=NEW_AUDIT)], LOAD)

    said = {row[0]: row[1:] for row in database.rows(plan.fields, "field_name", "confidence", "reasoning", "sources")}
    assert said.pop("total_amount") == (None, "Bottom right.", SOURCES)
    assert set(said.values()) == {(None, None, None)}


@every_engine
def test_every_row_says_where_it_comes_from(database, plan):
    document = invoice()

    database.lander(plan).land([document], LOAD)

    expected = (
        key(document),
        "session-a",
        "result-1",
        "s3://inbox/a.pdf",
        document.sha256,
        LOAD.template_id,
        LOAD.template_hash,
        datetime(2026, 2, 1, 10, tzinfo=UTC),
        LOADED_AT,
        "invoices",
        "scheduled__1",
        "load",
        -1,
        1,
    )
    for table in plan.tables:
        assert set(database.rows(table, *(column.name for column in AUDIT))) == {expected}


@every_engine
def test_the_same_documents_twice_give_the_same_rows(database, plan):
    documents = [invoice("a"), invoice("b"), failure()]
    database.lander(plan).land(documents, LOAD)
    before = all_rows(database, plan)

    database.lander(plan).land(reversed(documents), LOAD)

    assert all_rows(database, plan) == before


@every_engine
def test_a_new_extraction_with_fewer_items_leaves_no_orphan(database, plan):
    fewer = DATA | {"line_items": {"items": DATA["line_items"]["items"][1:], "remarks": []}}
    other = invoice("b")
    database.lander(plan).land([invoice("a"), other], LOAD)

    database.lander(plan).land([invoice("a", fewer, result_id="result-2")], LOAD)

    by_document = {
        str(table).removeprefix(str(plan.records.table)): [
            row for row in database.rows(table, "_document_key", "_result_id") if row[0] != key(other)
        ]
        for table in plan.tables
    }
    again = (key(invoice("a")), "result-2")
    assert by_document == {
        "": [again],
        "__line_items__items": [again],
        "__line_items__items__taxes": [],
        "__line_items__remarks": [],
        "__fields": [again] * 8,
        "__documents": [again],
    }
    assert len(database.rows(plan.records.lists[0].table)) == 3


@every_engine
def test_a_failed_new_extraction_keeps_the_rows_of_the_good_one_and_the_ledger_says_failed(database, plan):
    database.lander(plan).land([invoice("a")], LOAD)
    before = {table: database.rows(table) for table in plan.tables[:-1]}

    database.lander(plan).land([failure("a")], LOAD)

    assert {table: database.rows(table) for table in plan.tables[:-1]} == before
    assert database.rows(plan.documents, "_document_key", "state") == [(key(failure("a")), "failed")]


@every_engine
def test_of_a_document_given_twice_in_one_load_one_lands_and_rather_a_result_than_a_failure(database, plan):
    first = invoice("a")
    later = invoice("a", DATA | {"totals": {"total_amount": 7}}, result_id="result-2")

    summary = database.lander(plan).land([first, invoice("b"), later, failure("b")], LOAD)

    assert database.rows(plan.records.table, "_result_id", "totals__total_amount", "_source_uri") == [
        ("result-1", Decimal("1234.5"), "s3://inbox/b.pdf"),
        ("result-2", Decimal("7"), "s3://inbox/a.pdf"),
    ]
    assert len(database.rows(plan.records.lists[0].table)) == 4
    assert database.rows(plan.documents, "_source_uri", "state") == [
        ("s3://inbox/a.pdf", "extracted"),
        ("s3://inbox/b.pdf", "extracted"),
    ]
    assert summary.documents == {"extracted": 3, "failed": 1}
    assert summary.rows[str(plan.documents)] == 2


@every_engine
def test_nothing_to_land_still_makes_the_tables(database, plan):
    summary = database.lander(plan).land([], LOAD)

    assert summary.rows == {str(table): 0 for table in plan.tables}
    assert all(rows == [] for rows in all_rows(database, plan).values())


@every_engine
def test_a_field_added_to_the_template_becomes_a_column_and_old_rows_stay(database, plan):
    database.lander(plan).land([invoice("a")], LOAD)
    groups = GROUPS | {
        "totals": GROUPS["totals"] | {"tax": NUMBER, "currency": STRING},
        "stamps": {"seen": {"type": "array", "items": STRING}},
    }
    wider = plan_of(groups, database.table)
    data = DATA | {"totals": {"total_amount": 7, "tax": 1, "currency": "EUR"}, "stamps": {"seen": ["paid"]}}

    database.lander(wider).land([invoice("b", data)], LOAD)

    assert database.rows(wider.records.table, "_source_uri", "totals__tax", "totals__currency") == [
        ("s3://inbox/a.pdf", None, None),
        ("s3://inbox/b.pdf", Decimal(1), "EUR"),
    ]
    assert database.rows(wider.tables[4], "value") == [("paid",)]


@every_engine
def test_a_field_taken_out_of_the_template_leaves_its_column_empty_for_new_rows(database, plan):
    database.lander(plan).land([invoice("a")], LOAD)
    narrower = plan_of({name: fields for name, fields in GROUPS.items() if name != "totals"}, database.table)

    database.lander(narrower).land([invoice("b")], LOAD)

    assert database.rows(plan.records.table, "_source_uri", "totals__total_amount") == [
        ("s3://inbox/a.pdf", Decimal("1234.5")),
        ("s3://inbox/b.pdf", None),
    ]


HOSTILE = [
    "'; DROP TABLE invoices; --",
    "\\",
    "\\N",
    "\\.",
    "a\n\\.\nb",
    "NULL",
    "",
    " ",
    '"',
    '""',
    ",",
    "{}",
    "tab\tnewline\ncarriage\rreturn\r\n",
    "%s %(a)s ? :a $1",
    "\x01\x1a\x1f\x7f",
    "\ufeffmark \u2028 \u00a0 é 漢 😀",
    "x" * 1_000_000,
]


@every_engine
def test_hostile_text_lands_as_it_is(database, plan):
    documents = [
        invoice(str(number), {"invoice_header": {"invoice_number": text}}, {}) for number, text in enumerate(HOSTILE)
    ]

    summary = database.lander(plan).land(documents, LOAD)

    assert summary.problems == 0
    assert sorted(row[0] for row in database.rows(plan.records.table, "invoice_header__invoice_number")) == sorted(
        HOSTILE
    )
    assert sorted(row[0] for row in database.rows(plan.fields, "value")) == sorted(HOSTILE)


@every_engine
@pytest.mark.parametrize("text", ["a\rb", "\r", "\r\n", "\n", '"\r', ",\r\n,"], ids=repr)
def test_text_that_looks_like_the_end_of_a_line_lands_as_it_is_also_in_the_first_row(database, plan, text):
    database.lander(plan).land([invoice(data={"invoice_header": {"invoice_number": text}})], LOAD)

    assert database.rows(plan.records.table, "invoice_header__invoice_number") == [(text,)]
    assert database.rows(plan.fields, "value") == [(text,)]


@every_engine
def test_hostile_text_lands_as_it_is_outside_of_the_data_too(database, plan):
    text = '\'; DROP \\ \t \n "x" {'
    document = replace(
        failure(), filename=text, reason=text, source_uri=text, session_id=text, stage="nul\0", code="half\ud83d"
    )
    audit = {"totals": {"total_amount": {"reasoning": text, "sources": [{"text": text + "\0"}]}}}

    database.lander(plan).land([document, invoice("a", audit=audit)], LOAD)

    assert (text, text, text, text, "nul\ufffd", "half\ufffd") in database.rows(
        plan.documents, "filename", "reason", "_source_uri", "_session_id", "stage", "code"
    )
    assert (text, [{"text": text + "\ufffd"}]) in database.rows(plan.fields, "reasoning", "sources")


@every_engine
def test_characters_that_cannot_be_stored_are_replaced_and_that_is_said(database, plan):
    data = {"invoice_header": {"invoice_number": "nul\0half\ud83d", "vendor": {"address": {"a\0": "\0"}}}}

    database.lander(plan).land([invoice("a", data)], LOAD)

    assert database.rows(
        plan.records.table, "invoice_header__invoice_number", "invoice_header__vendor__address", "_meta"
    ) == [
        (
            "nul\ufffdhalf\ufffd",
            {"a\ufffd": "\ufffd"},
            {
                "problems": [
                    {"field": "invoice_header.invoice_number", "problem": "held characters that cannot be stored"}
                ]
            },
        )
    ]


@every_engine
def test_numbers_that_do_not_fit_land_empty_with_their_text_in_fields(database, plan):
    bad = {"text": "1.250,00 EUR", "huge": 10**400, "nan": float("nan"), "tiny": Decimal("0.0000000001"), "bool": True}

    summary = database.lander(plan).land(
        [invoice(name, {"totals": {"total_amount": value}}, {}) for name, value in bad.items()], LOAD
    )

    assert summary.problems == 5
    assert database.rows(plan.records.table, "_source_uri", "totals__total_amount") == [
        ("s3://inbox/bool.pdf", None),
        ("s3://inbox/huge.pdf", None),
        ("s3://inbox/nan.pdf", None),
        ("s3://inbox/text.pdf", None),
        ("s3://inbox/tiny.pdf", Decimal(0)),
    ]
    assert [row[0] for row in database.rows(plan.fields, "value")] == sorted(
        ["true", "1" + "0" * 400, "nan", "1.250,00 EUR", "1E-10"]
    )


@pytest.mark.parametrize("database", [name for name in ENGINES if name != "sqlite"], indirect=True)
def test_money_is_exact_to_38_digits(database, plan):
    amount = Decimal("12345678901234567890123456789.123456789")

    database.lander(plan).land([invoice(data={"totals": {"total_amount": amount}})], LOAD)

    assert database.rows(plan.records.table, "totals__total_amount") == [(amount,)]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_money_in_sqlite_can_be_summed_and_compared_and_its_exact_text_is_in_fields(database, plan):
    amounts = [Decimal("9.90"), Decimal("100.10"), Decimal("12345678901234567890.123456789")]

    database.lander(plan).land(
        [invoice(str(number), {"totals": {"total_amount": amount}}, {}) for number, amount in enumerate(amounts)], LOAD
    )

    assert database.query("SELECT sum(totals__total_amount) FROM invoices WHERE totals__total_amount < 1000") == [
        (110,)
    ]
    assert ("12345678901234567890.123456789",) in database.rows(plan.fields, "value")


@every_engine
def test_hostile_names_in_the_template_become_columns(database):
    groups = {'a"; DROP': {"select": STRING, "Total (€) \0": NUMBER, "total": NUMBER, "TOTAL": NUMBER, "%s": STRING}}
    plan = plan_of(groups, database.table)
    values = {"select": "s", "Total (€) \0": 1, "total": 2, "TOTAL": 3, "%s": "p"}

    database.lander(plan).land([invoice(data={'a"; DROP': values}, audit={})], LOAD)

    names = {column.path[-1]: column.name for column in plan.records.values}
    assert database.rows(plan.records.table, *(names[name] for name in values)) == [("s", 1, 2, 3, "p")]


@every_engine
def test_an_error_in_the_middle_leaves_nothing_behind_and_no_value_in_the_message(
    database, plan, caplog, monkeypatch, request
):
    database.lander(plan).land([invoice("a")], LOAD)
    before = all_rows(database, plan)
    wider = plan_of(GROUPS | {"more": {"field": STRING}}, database.table)
    warehouse = warehouse_for(database.hook)
    copy = warehouse.copy_while

    def fail_at_the_ledger(cursor: Any, table: Table, *rest: Any) -> None:
        # By now a column is added and the rows of all other tables are replaced.
        if table.name == plan.documents.name:
            warehouse.execute(cursor, "SELECT 'SECRET' FROM no_such_table")
        copy(cursor, table, *rest)

    monkeypatch.setattr(warehouse, "copy_while", fail_at_the_ledger)
    with caplog.at_level(logging.DEBUG), pytest.raises(RaydocsLandingError) as raised:
        Lander(warehouse, wider).land([invoice("a", {"totals": {"total_amount": 666}}), invoice("SECRET")], LOAD)

    assert all_rows(database, plan) == before
    # MySQL commits a column that is added.
    assert ("more__field" in database.columns(plan.records.table)) == ("mysql" in request.node.name)
    assert "replace rows of" in str(raised.value)
    assert "invoices__documents" in str(raised.value)
    assert "SECRET" not in str(raised.value) + caplog.text
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


@every_engine
def test_a_value_the_engine_refuses_is_not_in_the_error(database, plan):
    name = quoted(plan.records.table)
    database.execute(f"CREATE TABLE {name} (invoice_header__invoice_number TEXT CHECK (length(_meta) < 5), _meta TEXT)")
    data = {"invoice_header": {"invoice_number": "SECRET"}, "totals": {"total_amount": "SECRET"}}

    with pytest.raises(RaydocsLandingError, match=r"replace rows of .*invoices: ") as raised:
        database.lander(plan).land([invoice("a", data)], LOAD)

    assert "SECRET" not in str(raised.value)


@every_engine
def test_documents_that_stop_coming_leave_the_warehouse_untouched(database, plan):
    def documents() -> Iterator[LandingDocument]:
        yield invoice("a")
        raise ConnectionResetError("the results stopped coming")

    with pytest.raises(ConnectionResetError):
        database.lander(plan).land(documents(), LOAD)

    database.lander(plan).land([], LOAD)
    assert database.count(plan.records.table) == 0


@every_engine
def test_no_connection_is_open_while_documents_are_read(database, plan, monkeypatch):
    opened: list[Any] = []
    get_conn = type(database.hook).get_conn
    monkeypatch.setattr(type(database.hook), "get_conn", lambda hook: opened.append(get_conn(hook)) or opened[-1])

    def documents() -> Iterator[LandingDocument]:
        yield invoice("a")
        (looked,) = opened
        with pytest.raises(Exception, match=r"(?i)closed|not available|2006"):
            looked.cursor().execute("SELECT 1")

    database.lander(plan).land(documents(), LOAD)

    assert len(opened) == 2


@every_engine
@pytest.mark.parametrize("table", ["missing.invoices", "missing.missing.invoices"])
def test_a_schema_that_does_not_exist_is_named_with_what_to_do(database, table):
    if table.count(".") == 2 and database.hook.conn_type == "mysql":
        with pytest.raises(RaydocsInputError, match=f"name {table} as database.table"):
            database.lander(plan_of(GROUPS, table)).land([invoice()], LOAD)
        return
    with pytest.raises(RaydocsLandingError, match=rf"{table}.*: .*\("):
        database.lander(plan_of(GROUPS, table)).land([invoice()], LOAD)


@pytest.mark.parametrize("database", ["duckdb"], indirect=True)
def test_duckdb_lands_into_an_existing_schema(database):
    database.execute("CREATE SCHEMA finance")
    plan = plan_of(GROUPS, "warehouse.finance.invoices")

    database.lander(plan).land([invoice()], LOAD)

    assert database.count(plan.records.table) == 1


@pytest.mark.parametrize("database", ["duckdb"], indirect=True)
def test_a_duckdb_in_memory_is_refused_because_its_rows_would_be_lost(database, plan, monkeypatch):
    in_memory = database.reconnect(monkeypatch, conn_type="duckdb", host="")

    with pytest.raises(RaydocsInputError, match="in memory"):
        in_memory.lander(plan).land([invoice()], LOAD)


@pytest.mark.parametrize("database", ["duckdb"], indirect=True)
def test_a_duckdb_that_may_not_read_files_says_so(database, plan, monkeypatch):
    locked = database.reconnect(
        monkeypatch,
        conn_type="duckdb",
        host=database.hook.get_database(),
        extra={"settings": {"enable_external_access": "false"}},
    )

    with pytest.raises(RaydocsLandingError, match="must let DuckDB read local files"):
        locked.lander(plan).land([invoice()], LOAD)


@postgres_only
def test_both_drivers_of_the_postgres_hook_are_used(database, request):
    with closing(database.hook.get_conn()) as connection:
        driver = type(connection).__module__.split(".")[0]

    assert driver == ("psycopg2" if "psycopg2" in request.node.name else "psycopg")


@postgres_only
def test_postgres_needs_no_right_to_create_where_the_tables_exist(database, plan, monkeypatch):
    database.lander(plan).land([invoice("a")], LOAD)
    database.execute("DROP ROLE IF EXISTS loader")
    database.execute("CREATE ROLE loader LOGIN")
    database.execute('GRANT USAGE ON SCHEMA "landing test" TO loader')
    database.execute('GRANT SELECT, INSERT, DELETE ON ALL TABLES IN SCHEMA "landing test" TO loader')
    as_loader = database.reconnect(monkeypatch, login="loader")

    as_loader.lander(plan).land([invoice("b")], LOAD)

    assert database.count(plan.records.table) == 2
    wider = plan_of(GROUPS | {"more": {"field": STRING}}, database.table)
    with pytest.raises(RaydocsLandingError, match=r"InsufficientPrivilege 42501 \(the connection's user needs"):
        as_loader.lander(wider).land([invoice("c")], LOAD)
    database.execute('DROP SCHEMA "landing test" CASCADE')


@postgres_only
@pytest.mark.parametrize("extra", [{"cursor": "dictcursor"}, {"options": "-c timezone=Asia/Tokyo"}], ids=str)
def test_postgres_does_not_depend_on_the_extras_of_the_connection(database, plan, extra, monkeypatch):
    database.reconnect(monkeypatch, extra=extra).lander(plan).land([invoice("a")], LOAD)

    assert database.reconnect(monkeypatch).rows(plan.records.table, "_loaded_at") == [(LOADED_AT,)]


def test_the_engine_behind_a_connection_that_is_not_supported_is_named():
    class MsSqlHook: ...

    with pytest.raises(RaydocsInputError, match=r"MsSqlHook; supported are .*DuckDBHook, .*PostgresHook, .*SqliteHook"):
        warehouse_for(MsSqlHook())


def test_a_hook_of_the_users_own_is_known_by_what_it_extends():
    class PostgresHook: ...

    class AuditedPostgresHook(PostgresHook): ...

    assert type(warehouse_for(AuditedPostgresHook())).__name__ == "PostgresWarehouse"
