"""
Snowflake, as far as fakesnow goes: it takes Snowflake's SQL and runs it on DuckDB, DDL inside of transactions included.

What only Snowflake can show is that it takes the same statements. They are all read as its dialect here, and their
order, names and texts are looked at.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raydocs_provider.api.schema import parse_schema
from raydocs_provider.exceptions import RaydocsLandingError
from raydocs_provider.landing.column_types import parse_column_types
from raydocs_provider.landing.contract import FREEZE
from raydocs_provider.landing.documents import LandingDocument
from raydocs_provider.landing.landed import find_landed
from raydocs_provider.landing.lander import Lander
from raydocs_provider.landing.review import parse_review
from raydocs_provider.landing.tables import LandingPlan, Table, plan_tables
from raydocs_provider.landing.texts import storable
from raydocs_provider.landing.warehouses import warehouse_for
from raydocs_provider.landing.warehouses.snowflake import SnowflakeWarehouse
from tests.integration.landing.conftest import CONN_ID, open_database
from tests.integration.landing.invoices import (
    DATA,
    GROUPS,
    LOAD,
    LOADED_AT,
    NUMBER,
    STRING,
    TEMPLATE_ID,
    failure,
    invoice,
    key,
    plan_of,
)
from tests.integration.landing.test_any_data import schemas_with_data
from tests.integration.landing.test_readme_queries import LANDING, README, SAMPLES, SCHEMA, document

fakesnow = pytest.importorskip("fakesnow", reason="Snowflake is tested with fakesnow: pip install fakesnow")
sqlglot = pytest.importorskip("sqlglot")
exp = sqlglot.exp

pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result:UserWarning")

CONNECTION = {
    "conn_type": "snowflake",
    "login": "loader",
    "password": "secret",
    "schema": "PUBLIC",
    "extra": {"account": "account", "database": "DB1", "warehouse": "WH"},
}


@dataclass
class Wire:
    """
    What goes to Snowflake, and what comes back instead of its own answer.

    :param sent: the statements.
    :param refuse: the number of the statement that is refused, from 1; None: none is.
    :param answers: what is fetched after a statement that starts so.
    :param updated: how many rows an UPDATE says it has found; None: as many as it has.
    """

    sent: list[str] = field(default_factory=list)
    refuse: int | None = None
    answers: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    updated: int | None = None
    opened: int = 0
    closed: int = 0

    def note(self, sql: str) -> None:
        from snowflake.connector.errors import ProgrammingError

        self.sent.append(sql)
        if len(self.sent) == self.refuse:
            raise ProgrammingError("Numeric value 'SECRET' is not recognized", 100038, "22018", "01b2-query")

    @property
    def parsed(self) -> list[Any]:
        return [sqlglot.parse_one(sql, dialect="snowflake") for sql in self.sent]


class Tapped:
    """A connection or a cursor on a wire."""

    def __init__(self, real: Any, wire: Wire) -> None:
        self._real = real
        self._wire = wire

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def cursor(self) -> Tapped:
        return Tapped(self._real.cursor(), self._wire)

    def execute(self, sql: str, parameters: Any = None) -> None:
        self._wire.note(sql)
        self._real.execute(sql, parameters)

    def fetchall(self) -> list[Any]:
        (answer,) = [rows for start, rows in self._wire.answers.items() if self._wire.sent[-1].startswith(start)] or [
            self._real.fetchall()
        ]
        return list(answer)

    @property
    def rowcount(self) -> int:
        is_update = self._wire.sent[-1].startswith("UPDATE")
        return self._wire.updated if is_update and self._wire.updated is not None else self._real.rowcount

    def close(self) -> None:
        self._wire.closed += 1
        self._real.close()


class Account:
    """An account with one empty schema, in this process."""

    def __init__(self) -> None:
        from airflow.providers.snowflake.hooks.snowflake import SnowflakeHook

        self.hook = SnowflakeHook(snowflake_conn_id=CONN_ID)

    @property
    def warehouse(self) -> SnowflakeWarehouse:
        return SnowflakeWarehouse(self.hook)

    def land(self, plan: LandingPlan, *documents: LandingDocument, wire: Wire | None = None) -> Any:
        return Lander(self.tap(wire) if wire else self.warehouse, plan).land(documents, LOAD)

    def tap(self, wire: Wire) -> SnowflakeWarehouse:
        warehouse = self.warehouse
        connect = warehouse.connect

        def connect_tapped() -> Tapped:
            wire.opened += 1
            return Tapped(connect(), wire)

        warehouse.connect = connect_tapped  # type: ignore[method-assign]
        return warehouse

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(self.hook.get_conn()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()]

    def rows(self, table: Table, *names: str) -> list[tuple[Any, ...]]:
        """In the words of somebody who quotes nothing."""
        columns = names or [column.name for column in table.columns]
        return sorted(self.query(f"SELECT {', '.join(columns)} FROM {table}"), key=repr)

    def all_rows(self, plan: LandingPlan) -> dict[str, list[tuple[Any, ...]]]:
        return {str(table): self.rows(table) for table in plan.tables}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(CONNECTION))
    with fakesnow.patch():
        yield Account()


@pytest.fixture
def plan() -> LandingPlan:
    return plan_of(GROUPS, "invoices")


KINDS: dict[str, Any] = {
    "text": STRING,
    "amount": NUMBER,
    "count": {"type": "integer"},
    "paid": {"type": "boolean"},
    "rest": {"type": "object"},
    "day": STRING,
    "moment": STRING,
}
COLUMN_TYPES = {"g.day": "date:%d.%m.%Y", "g.moment": "timestamp"}


def plan_of_kinds(table: str = "invoices") -> LandingPlan:
    """A plan with a column of each kind."""
    schema = parse_schema({"groups": {"g": {"fields": KINDS}}})
    return plan_tables(schema, table, parse_column_types(COLUMN_TYPES, schema))


def test_the_engine_is_found_by_the_hook(account):
    assert type(warehouse_for(account.hook)) is SnowflakeWarehouse


def test_a_value_of_each_kind_lands_as_it_is(account):
    plan = plan_of_kinds()
    full = {
        "text": "RE-2026/001",
        "amount": Decimal("12345678901234567890123456789.123456789"),
        "count": 2**63 - 1,
        "paid": False,
        "rest": {"city": "Köln", "zip": None},
        "day": "03.02.2026",
        "moment": "2026-02-03T04:05:06.000007+01:00",
    }
    least = {"text": "", "amount": Decimal("-0.000000001"), "day": "01.01.0001", "moment": "0001-01-01T00:00:00Z"}

    account.land(plan, invoice("a", {"g": full}, {}), invoice("b", {"g": least}, {}))

    columns = [f"g__{name}" for name in KINDS]
    found = dict(
        zip("ab", account.query(f"SELECT {', '.join(columns)} FROM invoices ORDER BY _source_uri"), strict=True)
    )
    assert found["a"][:4] == ("RE-2026/001", full["amount"], 2**63 - 1, False)
    assert json.loads(found["a"][4]) == full["rest"]
    assert found["a"][5:] == (date(2026, 2, 3), datetime(2026, 2, 3, 3, 5, 6, 7))
    assert found["b"] == ("", least["amount"], None, None, None, date(1, 1, 1), datetime(1, 1, 1))
    assert account.query("SELECT DISTINCT _loaded_at FROM invoices") == [(LOADED_AT.replace(tzinfo=None),)]
    assert dict(row[:2] for row in account.query("DESCRIBE TABLE invoices") if row[0].startswith("G__")) == {
        "G__TEXT": "VARCHAR(16777216)",
        "G__AMOUNT": "NUMBER(38,9)",
        "G__COUNT": "NUMBER(38,0)",
        "G__PAID": "BOOLEAN",
        "G__REST": "VARIANT",
        "G__DAY": "DATE",
        "G__MOMENT": "TIMESTAMP_NTZ(9)",
    }


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    texts=st.lists(
        st.text(st.characters(exclude_categories=()))
        | st.sampled_from(
            ["", " ", "\\N", "NULL", "null", "\t", "a\nb", "\r\n", "\u2028", "'; --", '"', "\\", "é😀", "1e5"]
        ),
        min_size=1,
        max_size=20,
    )
)
def test_any_text_lands_as_it_is(account, texts):
    plan = plan_of({"g": {"f": STRING}}, f"t{uuid4().hex}")

    account.land(plan, *(invoice(str(number), {"g": {"f": text}}, {}) for number, text in enumerate(texts)))

    expected = sorted((f"s3://inbox/{number}.pdf", storable(text)) for number, text in enumerate(texts))
    assert account.rows(plan.records.table, "_source_uri", "g__f") == expected
    assert account.rows(plan.fields, "_source_uri", "value") == expected


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=schemas_with_data())
def test_any_data_lands_under_any_schema(account, drawn):
    groups, all_data, audits = drawn
    plan = plan_of(groups, f"t{uuid4().hex}")
    documents = [
        invoice(str(number), data, audit) for number, (data, audit) in enumerate(zip(all_data, audits, strict=True))
    ]

    account.land(plan, *documents)

    for table in (plan.records.table, plan.documents):
        assert account.query(f"SELECT count(*) FROM {table}") == [(len(documents),)]


def test_more_rows_than_are_in_memory_at_once_all_land(account, monkeypatch):
    monkeypatch.setattr("raydocs_provider.landing.warehouses.snowflake._PORTION_BYTES", 1_000)
    plan = plan_of({"g": {"f": STRING}}, "invoices")

    summary = account.land(plan, *(invoice(str(number), {"g": {"f": "x" * number}}, {}) for number in range(300)))

    assert summary.rows["invoices"] == 300
    assert account.query("SELECT count(*), count(DISTINCT g__f), max(length(g__f)) FROM invoices") == [(300, 300, 299)]


def test_a_document_loaded_again_replaces_all_its_rows(account, plan):
    shorter = {**DATA, "line_items": {"items": DATA["line_items"]["items"][:1], "remarks": []}}
    account.land(plan, invoice("a"), invoice("b"), failure())
    before = account.all_rows(plan)

    account.land(plan, invoice("a"), invoice("b"), failure())
    assert account.all_rows(plan) == before

    account.land(plan, invoice("a", shorter, result_id="result-2"))
    items, remarks = plan.records.lists
    assert [row[0] for row in account.rows(items.table, "_source_uri")] == [
        "s3://inbox/a.pdf",
        *["s3://inbox/b.pdf"] * 2,
    ]
    assert account.rows(remarks.table, "_source_uri") == [("s3://inbox/b.pdf",)]

    account.land(plan, failure("a"))
    assert dict(account.rows(plan.documents, "filename", "state"))["a.pdf"] == "failed"
    assert len(account.rows(plan.records.table)) == 2


def test_a_document_submitted_again_has_its_attempts_counted(account, plan):
    account.land(plan, invoice("a"))

    account.land(plan, replace(invoice("a"), session_id="session-2"))

    assert account.rows(plan.documents, "attempts", "_session_id") == [(2, "session-2")]


def test_an_older_result_does_not_replace_a_newer_one(account, plan):
    newer = invoice("a", {"totals": {"total_amount": 2}}, result_id="newer")
    older = replace(newer, result=replace(newer.result, id="older", completed_at="2026-01-01T10:00:00.000000Z"))
    account.land(plan, newer, invoice("b"))

    summary = account.land(plan, older, invoice("c"))

    assert summary.kept == 1
    assert ("newer", Decimal(2)) in account.rows(plan.records.table, "_result_id", "totals__total_amount")
    assert len(account.rows(plan.documents)) == 3


def test_a_new_field_becomes_a_column_and_a_new_list_a_table(account, plan):
    account.land(plan, invoice("a"))
    wider = plan_of(GROUPS | {"more": {"field": STRING, "list": {"type": "array", "items": STRING}}}, "invoices")

    account.land(wider, invoice("b", {"more": {"field": "x", "list": ["y", "z"]}}, {}))

    assert account.rows(wider.records.table, "more__field") == sorted([(None,), ("x",)], key=repr)
    assert account.query("SELECT value FROM invoices__more__list ORDER BY _index") == [("y",), ("z",)]


def test_documents_to_review_are_in_a_view(account, plan):
    rules = parse_review(0.9)
    assert rules is not None
    reviewer = rules.resolve(parse_schema({"groups": {name: {"fields": fields} for name, fields in GROUPS.items()}}))

    for _ in range(2):
        Lander(account.warehouse, plan, reviewer=reviewer).land([invoice("a")], LOAD)

    # Each value of the table that Raydocs was not sure of.
    assert account.query("SELECT filename, review_code, count(*) FROM invoices__review GROUP BY 1, 2") == [
        ("a.pdf", "low_confidence", 8)
    ]


def test_the_queries_of_the_pages_say_the_same_as_on_duckdb(account, tmp_path, monkeypatch):
    plan = plan_tables(parse_schema(SCHEMA), "invoices")
    documents = [document(name, sample) for name, sample in SAMPLES.items()]
    account.land(plan, *documents)
    queries = {**README, **LANDING}

    found = {name: account.query(sql) for name, sql in queries.items()}

    duckdb = open_database("duckdb", lambda _: None, tmp_path, monkeypatch)
    duckdb.lander(plan).land(documents, LOAD)
    assert len(queries) > 5
    for name, sql in queries.items():
        assert [tuple(map(plain, row)) for row in found[name]] == [
            tuple(map(plain, row)) for row in duckdb.query(sql)
        ], name


def plain(cell: Any) -> Any:
    """Numbers as decimals, JSON without blanks."""
    if isinstance(cell, int | float | Decimal) and not isinstance(cell, bool):
        return round(Decimal(str(cell)), 4)
    return json.loads(cell) if isinstance(cell, str) and cell.startswith("{") else cell


def test_what_has_landed_is_found_and_nothing_else(account, plan):
    a, b = (str(invoice(name).sha256) for name in "ab")

    def landed(template_hash: str = "hash-1") -> frozenset[str]:
        return find_landed(account.warehouse, "invoices", TEMPLATE_ID, template_hash, [a, b])

    assert landed() == frozenset()
    account.land(plan, invoice("a"), failure("b"))
    assert landed() == {a}
    assert landed("hash-2") == frozenset()


# Existing columns: what they are declared as, the template's type, a value, and what is found.
EXISTING: list[tuple[str, str, Any, Any]] = [
    ("VARCHAR", "string", "007", "007"),
    ("VARCHAR", "number", Decimal("12345.6789"), "12345.6789"),
    ("VARCHAR", "integer", 100, "100"),
    ("VARCHAR", "boolean", True, "true"),
    ("VARCHAR", "object", {"a": 1.5}, '{"a":1.5}'),
    ("NUMBER(38,9)", "number", Decimal("0.000000001"), Decimal("0.000000001")),
    ("NUMBER(38,9)", "integer", 7, Decimal(7)),
    ("NUMBER(18,2)", "number", Decimal("12.50"), Decimal("12.50")),
    ("NUMBER(18,2)", "number", Decimal("12.505"), None),
    ("NUMBER(5,0)", "integer", 12345, 12345),
    ("NUMBER(5,0)", "integer", 123456, None),
    ("NUMBER(38,0)", "number", Decimal("12.0"), 12),
    ("NUMBER(38,0)", "number", Decimal("12.5"), None),
    ("NUMBER(38,9)", "string", "7", None),
    ("BOOLEAN", "boolean", False, False),
    ("BOOLEAN", "string", "true", None),
    ("VARIANT", "object", {"a": [1]}, '{"a":[1]}'),
    ("VARIANT", "string", "x", None),
    ("FLOAT", "number", Decimal("1.5"), None),
    ("BINARY", "string", "ff", None),
    ("TIMESTAMP_TZ", "string", "2026-01-01", None),
]


def test_an_existing_column_takes_what_it_gives_back_unchanged(account):
    columns = ", ".join(f"g__f{number} {declared}" for number, (declared, *_) in enumerate(EXISTING))
    account.query(f"CREATE TABLE invoices ({columns})")
    fields = {f"f{number}": {"type": type_} for number, (_, type_, _, _) in enumerate(EXISTING)}
    plan = plan_of({"g": fields}, "invoices")

    summary = account.land(plan, invoice("a", {"g": {f"f{number}": row[2] for number, row in enumerate(EXISTING)}}, {}))

    (found,) = account.query(f"SELECT {', '.join(f'g__f{number}' for number in range(len(EXISTING)))} FROM invoices")
    assert dict(enumerate(found)) == {number: row[3] for number, row in enumerate(EXISTING)}
    refused = [row for row in EXISTING if row[3] is None]
    assert summary.problems == len(refused)
    assert sum("FLOAT and should be NUMBER(38,9)" in note for note in summary.notes) == 1


def test_an_existing_column_of_a_limited_length_takes_what_has_room(account):
    # fakesnow does not keep the length of a column, so it is told here.
    account.query("CREATE TABLE invoices (g__short VARCHAR, g__long VARCHAR)")
    plan = plan_of({"g": {"short": STRING, "long": STRING}}, "invoices")
    described = [("G__SHORT", "VARCHAR(3)"), ("G__LONG", "VARCHAR")]
    wire = Wire(answers={'DESCRIBE TABLE "INVOICES"': [(name, type_, "COLUMN") for name, type_ in described]})

    summary = account.land(plan, invoice("a", {"g": {"short": "abcd", "long": "abcd"}}, {}), wire=wire)

    assert account.rows(plan.records.table, "g__short", "g__long") == [(None, "abcd")]
    assert summary.notes == ("column g__short of invoices is VARCHAR(3) and should be VARCHAR",)


def test_an_existing_column_with_lower_case_in_its_name_is_none_of_ours(account):
    # DuckDB cannot have two columns of which one is called like the other in capitals.
    wire = Wire(answers={"DESCRIBE": [("A", "DATE", "COLUMN"), ("b", "DATE", "COLUMN"), ("GRößE", "DATE", "COLUMN")]})
    account.query("CREATE TABLE invoices (a DATE)")
    warehouse = account.tap(wire)

    with warehouse.reading() as cursor:
        assert warehouse.column_types(cursor, Table(("invoices",), ())) == {"a": "DATE", "größe": "DATE"}


def test_under_freeze_a_target_that_is_missing_refuses_the_load_and_is_not_made(account, plan):
    wire = Wire()

    with pytest.raises(RaydocsLandingError, match=r"there is no table invoices, with .*NUMBER"):
        Lander(account.tap(wire), plan, FREEZE).land([invoice()], LOAD)

    assert {type(statement) for statement in wire.parsed} == {exp.Describe}


def test_names_are_found_without_quotes_and_hostile_ones_do_no_harm(account):
    groups = {'a"; DROP': {"select": STRING, "Größe": NUMBER, "%s": STRING, "€": STRING, "2nd": STRING}}
    # fakesnow cannot have a ' in the name of a table.
    plan = plan_of(groups, 'Invoices "50%" of')
    names = {column.path[-1]: column.name for column in plan.records.values}
    wire = Wire()

    account.land(plan, invoice(data={'a"; DROP': {"select": "s", "Größe": 1, "%s": "p"}}, audit={}), wire=wire)

    quoted = '"INVOICES ""50%"" OF"'
    assert account.query(f"SELECT {names['select']}, {names['%s']}, {names['Größe']} FROM {quoted}") == [
        ("s", "p", Decimal(1))
    ]
    identifiers = {
        identifier.name
        for statement in wire.parsed
        for identifier in statement.find_all(exp.Identifier)
        if identifier.quoted
    }
    assert {name for name in identifiers if name != name.upper() and name.isascii()} <= {"c"}


def test_letters_beyond_ascii_keep_their_case():
    warehouse = SnowflakeWarehouse(None)

    assert warehouse.quote("größe_ø") == '"GRößE_ø"'
    assert warehouse.quote_table(Table(("Db", "finance", 'in"voices'), ())) == '"DB"."FINANCE"."IN""VOICES"'


def statements_about_rows(wire: Wire) -> list[str]:
    """Those of the load's transaction."""
    begins = [number for number, sql in enumerate(wire.sent) if sql == "BEGIN TRANSACTION"]
    return wire.sent[begins[-1] :]


@pytest.mark.parametrize("table", ["invoices", "public.invoices", "db1.public.invoices"])
def test_every_statement_is_one_of_snowflakes_and_only_rows_are_in_the_transaction(account, table):
    schema = parse_schema({"groups": {"g": {"fields": KINDS}, "more": {"fields": {"list": {"type": "array"}}}}})
    plan = plan_of_kinds(table)
    wider = plan_tables(schema, table, parse_column_types(COLUMN_TYPES, schema))
    account.land(plan, invoice("a"))
    wire = Wire()

    account.land(wider, replace(invoice("a"), session_id="again"), invoice("b"), failure(), wire=wire)

    kinds = [type(statement) for statement in wire.parsed]
    assert exp.Command not in kinds
    about_rows = statements_about_rows(wire)
    before = wire.parsed[: -len(about_rows)]
    assert {type(statement) for statement in before} == {exp.Describe, exp.Create, exp.Alter}
    assert [sql for sql in wire.sent if sql.startswith("CREATE")][-1].startswith("CREATE TEMPORARY STAGE")
    assert [sql.split(" ")[0] for sql in about_rows[:4]] == ["BEGIN", "UPDATE", "SELECT", "SELECT"]
    assert "___LOCK" in about_rows[1]
    assert {sql.split(" ")[0] for sql in about_rows[4:-1]} == {"DELETE", "PUT", "COPY", "UPDATE"}
    assert about_rows[-1] == "COMMIT"
    # The ledger's rows go first and come last.
    assert "__DOCUMENTS" in next(sql for sql in about_rows if sql.startswith("DELETE"))
    assert "__DOCUMENTS" in [sql for sql in about_rows if sql.startswith("COPY")][-1]
    for copy in (sql for sql in about_rows if sql.startswith("COPY")):
        assert "FILE_FORMAT = (TYPE = PARQUET NULL_IF = ()) ON_ERROR = ABORT_STATEMENT PURGE = TRUE" in copy


def test_a_load_creates_nothing_but_its_stage_where_everything_exists(account, plan):
    account.land(plan, invoice("a"))
    wire = Wire()

    account.land(plan, invoice("b"), wire=wire)

    (created,) = [sql for sql in wire.sent if sql.startswith(("CREATE", "ALTER"))]
    assert created.startswith('CREATE TEMPORARY STAGE "_RAYDOCS_')


def test_each_file_is_staged_once_and_gone_after_the_load(account, plan):
    wire = Wire()

    account.land(plan, invoice("a"), invoice("a"), wire=wire)

    put = [sql for sql in wire.sent if sql.startswith("PUT")]
    assert len(put) == len(set(put)) == 6
    (stage,) = [sql.split(" ")[-1] for sql in wire.sent if sql.startswith("CREATE TEMPORARY STAGE")]
    assert account.query(f"LIST @{stage}") == []
    assert not any(Path(sql.split("'")[1].removeprefix("file://")).exists() for sql in put)
    assert wire.opened == wire.closed == 2


def test_no_value_of_a_document_is_in_a_statement_or_a_log(account, caplog):
    plan = plan_of_kinds()
    data = {"text": "SECRET", "amount": "SECRET", "rest": {"SECRET": "SECRET"}, "day": "SECRET"}
    wire = Wire()

    with caplog.at_level(logging.DEBUG):
        for _ in range(2):
            account.land(plan, invoice("a", {"g": data}, {"g": {"text": {"reasoning": "SECRET"}}}), wire=wire)

    assert "SECRET" not in " ".join(wire.sent) + caplog.text


def refusal_of(
    account: Account, plan: LandingPlan, documents: list[LandingDocument], wire: Wire
) -> RaydocsLandingError | None:
    try:
        account.land(plan, *documents, wire=wire)
    except RaydocsLandingError as error:
        return error
    return None


def test_a_load_that_is_refused_at_any_statement_leaves_the_rows_as_they_were(account):
    groups = {"g": {"f": STRING}}
    plan = plan_of(groups, "invoices")
    account.land(plan, invoice("a"), invoice("b"))
    before = account.all_rows(plan)
    wider = plan_of(groups | {"more": {"list": {"type": "array", "items": STRING}}}, "invoices")
    documents = [invoice("a", {"more": {"list": ["new"]}}, {}, "result-2"), replace(invoice("b"), session_id="again")]
    refused = 0

    while (wire := Wire(refuse=refused + 1)) and (error := refusal_of(account, wider, documents, wire)):
        refused += 1
        assert "ProgrammingError 100038 (query 01b2-query)" in str(error)
        assert "SECRET" not in str(error)
        assert error.__cause__ is None
        assert error.__context__ is None
        assert account.all_rows(plan) == before
        assert wire.opened == wire.closed
        assert "BEGIN TRANSACTION" not in wire.sent[:-1] or wire.sent[-1] == "ROLLBACK"

    assert refused == len(wire.sent) > 20
    assert account.query("SELECT value FROM invoices__more__list") == [("new",)]


def test_a_transaction_that_cannot_be_rolled_back_does_not_hide_why(account, plan):
    account.land(plan, invoice("a"))
    first = Wire()
    account.land(plan, invoice("a"), wire=first)
    copy = next(number for number, sql in enumerate(first.sent, start=1) if sql.startswith("COPY"))

    class Cut(Wire):
        def note(self, sql: str) -> None:
            if sql == "ROLLBACK":
                raise ConnectionResetError("the connection is gone")
            super().note(sql)

    with pytest.raises(RaydocsLandingError, match="refused to replace rows of invoices: ProgrammingError 100038"):
        account.land(plan, invoice("a"), wire=Cut(refuse=copy))


@pytest.mark.parametrize(
    ("answer", "loaded"),
    [
        ([("f", "PARTIALLY_LOADED", 1, 0, 1, 1, None)], 0),
        ([("f", "LOADED", 2, 2, 1, 0, None)], 2),
        ([("Copy executed with 0 files processed.",)], 0),
    ],
)
def test_a_copy_that_loads_another_number_of_rows_fails_the_load(account, plan, answer, loaded):
    account.land(plan, invoice("a"))
    before = account.all_rows(plan)

    with pytest.raises(RaydocsLandingError, match=rf"^Snowflake loaded {loaded} of 1 rows into invoices\. Nothing"):
        account.land(plan, invoice("a"), wire=Wire(answers={"COPY": answer}))

    assert account.all_rows(plan) == before


def test_a_rehearsal_sends_all_that_a_load_does_and_rolls_it_back(account, plan):
    account.land(plan, invoice("a"))
    before = account.all_rows(plan)
    load, rehearsal = Wire(), Wire()
    account.land(plan, invoice("a"), wire=load)

    Lander(account.tap(rehearsal), plan).rehearse()

    words = [{sql.split(" ")[0] for sql in wire.sent} for wire in (load, rehearsal)]
    assert words[1] - words[0] == {"ROLLBACK"}
    assert rehearsal.sent[-1] == "ROLLBACK"
    assert account.all_rows(plan) == before


def test_every_load_updates_the_row_that_keeps_others_out(account, plan):
    for loads in (1, 2, 3):
        account.land(plan, invoice("a"))
        assert account.query("SELECT loads FROM invoices___lock") == [(loads,)]


def test_while_a_load_has_touched_rows_no_other_gets_to_any(account, plan):
    account.land(plan, invoice("a"))
    wire = Wire()

    with account.warehouse.transaction(plan.records.table) as cursor:
        account.warehouse.read_documents(cursor, plan.documents, ["state"], [key(invoice("a"))])
        # Snowflake makes it wait; DuckDB refuses it.
        with pytest.raises(Exception, match=r"(?i)conflict"):
            account.land(plan, invoice("a"), wire=wire)

    assert statements_about_rows(wire)[-2:] == [
        'UPDATE "INVOICES___LOCK" SET "LOADS" = "LOADS" + 1',
        "ROLLBACK",
    ]


def test_a_first_load_that_another_overtakes_finds_its_rows(account, plan):
    class Overtaken(Wire):
        def note(self, sql: str) -> None:
            super().note(sql)
            if sql.startswith("CREATE TEMPORARY STAGE"):
                # The tables are there, and no lock is held yet.
                account.land(plan, invoice("a"), invoice("b"))

    account.land(plan, invoice("a", result_id="result-2"), wire=Overtaken())

    assert account.rows(plan.records.table, "_source_uri", "_result_id") == [
        ("s3://inbox/a.pdf", "result-2"),
        ("s3://inbox/b.pdf", "result-1"),
    ]
    assert len(account.rows(plan.documents)) == 2


def test_two_first_loads_at_once_may_leave_two_rows_and_both_are_locked_from_then_on(account, plan):
    account.land(plan, invoice("a"))
    account.query("INSERT INTO invoices___lock VALUES (0)")

    account.land(plan, invoice("a"))

    assert account.rows(Table(("invoices___lock",), ()), "loads") == [(1,), (2,)]


def test_a_load_that_finds_no_row_to_lock_says_what_to_do(account, plan):
    account.land(plan, invoice("a"))
    before = account.all_rows(plan)

    with pytest.raises(RaydocsLandingError, match=r"^invoices___lock has to have a row .*drop it"):
        account.land(plan, invoice("a"), wire=Wire(updated=0))

    assert account.all_rows(plan) == before


def test_a_schema_with_blanks_has_its_stage_in_quotes(account, plan):
    account.query('CREATE SCHEMA "MY SCHEMA"')
    wire = Wire()

    # fakesnow does not take a stage in quotes, which Snowflake asks for.
    with pytest.raises(RaydocsLandingError, match="ProgrammingError"):
        account.land(plan_of(GROUPS, "my schema.invoices"), invoice("a"), wire=wire)

    put = next(sql for sql in wire.sent if sql.startswith("PUT"))
    assert """ '@"MY SCHEMA"."_RAYDOCS_""" in put
    assert isinstance(sqlglot.parse_one(put, dialect="snowflake"), exp.Put)


@pytest.mark.parametrize("table", ["missing.invoices", "missing.missing.invoices"])
def test_a_schema_that_does_not_exist_is_named_with_what_to_do(account, table):
    with pytest.raises(RaydocsLandingError, match=rf"refused to create {table}: .*2003 .*the role may not see it"):
        account.land(plan_of(GROUPS, table), invoice("a"))


def test_a_ledger_that_cannot_be_read_is_not_taken_for_one_that_is_missing(account, plan):
    account.land(plan, invoice("a"))

    for refuse in (1, 2):
        with pytest.raises(RaydocsLandingError, match="refused to read invoices__documents: ProgrammingError 100038"):
            find_landed(account.tap(Wire(refuse=refuse)), "invoices", TEMPLATE_ID, "hash-1", ["f" * 64])


@pytest.mark.parametrize(
    ("errno", "hint"),
    [
        (606, "name a warehouse"),
        (625, "let fewer loads run at once"),
        (3001, "CREATE TABLE and CREATE VIEW"),
        (90105, "database.schema.table"),
        (90106, "schema.table"),
        (100078, "longer than a column takes"),
    ],
)
def test_an_error_is_told_by_its_code_with_what_to_do(errno, hint):
    from snowflake.connector.errors import ProgrammingError

    explanation = SnowflakeWarehouse(None).explain(ProgrammingError("SECRET", errno, "42501", "01b2-query"))

    assert explanation is not None
    assert explanation.startswith(f"ProgrammingError {errno} (")
    assert hint in explanation
    assert explanation.endswith("; query 01b2-query)")
    assert "SECRET" not in explanation


def test_an_error_without_a_code_is_told_by_its_class():
    from snowflake.connector.errors import OperationalError

    assert SnowflakeWarehouse(None).explain(OperationalError("SECRET")) == "OperationalError"
    assert SnowflakeWarehouse(None).explain(ValueError("SECRET")) is None


def test_times_are_written_with_microseconds_in_utc_whatever_their_year():
    warehouse = SnowflakeWarehouse(None)

    encoded = warehouse.encode([datetime(1, 1, 1, tzinfo=UTC), True, None, 5, Decimal("1E+3")])

    assert json.loads(f"[{encoded}]") == ["0001-01-01 00:00:00.000000", "true", None, "5", "1000"]
