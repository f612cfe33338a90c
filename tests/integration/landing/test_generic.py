"""Databases without an engine of their own, through hooks of which only SQLAlchemy knows anything."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote as percent_encoded

import pytest
from airflow.providers.common.sql.hooks.sql import DbApiHook
from hypothesis import HealthCheck, given, settings
from packaging.version import Version
from sqlalchemy.dialects import mssql, oracle, registry
from sqlalchemy.dialects.sqlite.base import SQLiteTypeCompiler
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import URL

from raydocs_provider.exceptions import RaydocsInputError, RaydocsLandingError
from raydocs_provider.landing.landed import find_landed
from raydocs_provider.landing.lander import Lander
from raydocs_provider.landing.tables import Kind
from raydocs_provider.landing.warehouses import generic, warehouse_for
from raydocs_provider.landing.warehouses.base import Warehouse
from raydocs_provider.landing.warehouses.generic import GenericWarehouse
from tests.integration.landing.invoices import DATA, GROUPS, LOAD, NUMBER, STRING, TEMPLATE_ID, invoice, plan_of
from tests.integration.landing.story import Rows, check_story, documents_with, held, reference
from tests.integration.landing.test_any_data import schemas_with_data

CONN_ID = "some_database"
PSYCOPG_DIALECT = "sqlalchemy.dialects.postgresql.psycopg"
SQLALCHEMY = Version(version("sqlalchemy"))
# SQLAlchemy knows psycopg 3 from 2.0 on; Airflow 3.0 comes with 1.4.
POSTGRES = (*(["postgresql with psycopg"] if find_spec(PSYCOPG_DIALECT) else []), "postgresql with psycopg2")
SERVERS = (*POSTGRES, "mariadb")
ENGINES = ("sqlite", *SERVERS)

every_engine = pytest.mark.parametrize("target", ENGINES, indirect=True)
every_server = pytest.mark.parametrize("target", SERVERS, indirect=True)


class SomeHook(DbApiHook):
    """A hook as any provider may have it. The connection's extra is the URI."""

    conn_name_attr = "some_conn_id"
    default_conn_name = CONN_ID
    conn_type = "some"

    def get_uri(self) -> str:
        return str(self.connection_extra["uri"])


class Target:
    """An empty database with a target to land into."""

    def __init__(self, hook: SomeHook, table: str) -> None:
        self.hook = hook
        self.table = table

    @property
    def warehouse(self) -> Warehouse:
        return warehouse_for(self.hook)

    def execute(self, *statements: str) -> None:
        warehouse = self.warehouse
        with closing(warehouse.connect()) as connection:
            for sql in statements:
                warehouse.execute(connection, sql)
            connection.commit()

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with self.warehouse.reading() as cursor:
            return self.warehouse.fetch(cursor, sql)


@pytest.fixture
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    with fresh(request.param, request.getfixturevalue, tmp_path) as target:
        yield target


@contextmanager
def fresh(engine: str, fixture: Callable[[str], Any], directory: Path) -> Iterator[Target]:
    with pytest.MonkeyPatch.context() as patch:
        if engine == "sqlite":
            yield Target(hook_for(patch, f"sqlite:///{directory}/some.sqlite"), "invoices")
        elif engine == "mariadb":
            server = fixture("mysql")
            url = URL.create("mysql+mysqlconnector", "root", host=server["host"], port=server["port"])
            database = server["schema"]
            Target(hook_for(patch, str(url)), "").execute(
                f"DROP DATABASE IF EXISTS `{database}`", f"CREATE DATABASE `{database}` CHARACTER SET latin1"
            )
            yield Target(hook_for(patch, str(url.set(database=database))), f"{database}.invoices")
        else:
            socket = percent_encoded(fixture("postgres")["host"])
            driver = engine.rpartition(" ")[2]
            target = Target(
                hook_for(patch, f"postgresql+{driver}://postgres@/postgres?host={socket}"), "landing.invoices"
            )
            target.execute("DROP SCHEMA IF EXISTS landing CASCADE", "CREATE SCHEMA landing")
            yield target


def hook_for(patch: pytest.MonkeyPatch, uri: str) -> SomeHook:
    connection = {"conn_type": "some", "extra": {"uri": uri}}
    patch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(connection))
    return SomeHook()


def as_sqlite_keeps_it(rows: Rows) -> Rows:
    """SQLite has no decimals: 15 digits are what it keeps."""
    return {
        table: [tuple(f"{cell:.14e}" if isinstance(cell, Decimal) else cell for cell in row) for row in found]
        for table, found in rows.items()
    }


@every_engine
def test_what_lands_is_value_by_value_what_an_engine_of_our_own_lands(target, tmp_path, request):
    adapt = as_sqlite_keeps_it if "sqlite" in request.node.name else lambda rows: rows

    check_story(target.warehouse, target.table, tmp_path, adapt)


@pytest.mark.parametrize("engine", POSTGRES)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=schemas_with_data())
def test_any_data_lands_as_an_engine_of_our_own_lands_it(request, engine, drawn):
    groups, all_data, audits = drawn
    documents = [
        invoice(str(number), data, audit) for number, (data, audit) in enumerate(zip(all_data, audits, strict=True))
    ]
    directory = request.getfixturevalue("tmp_path_factory").mktemp("any")
    with fresh(engine, request.getfixturevalue, directory) as target, reference(directory) as duckdb:
        found = []
        for warehouse, table in ((target.warehouse, target.table), (duckdb, "invoices")):
            plan = plan_of(groups, table)
            Lander(warehouse, plan).land(documents, LOAD)
            found.append(held(warehouse, plan))
        assert found[0] == found[1]


@every_engine
@pytest.mark.parametrize("name", ['"; DROP TABLE x; --', "100% of :it", "a`b'c", "Große Tabelle", "[x]"])
def test_a_table_of_any_name_is_created_found_again_and_filled(target, name, request):
    *schema, _ = target.table.split(".")
    plan = plan_of(GROUPS, ".".join([*schema, name]))

    if "%" in name and "mariadb" in request.node.name and Version("2.1") > SQLALCHEMY:
        # Its dialect does not find such a table again: the first load says so, and writes nothing.
        with pytest.raises(RaydocsLandingError, match=r"as missing\. Nothing was written"):
            Lander(target.warehouse, plan).land([invoice("a")], LOAD)
        return
    for documents in ([invoice("a")], [invoice("a"), *documents_with(["%s :a"])]):
        Lander(target.warehouse, plan).land(documents, LOAD)

    assert len(held(target.warehouse, plan)[f"{name}"]) == 2


@every_engine
def test_a_load_is_rehearsed_and_leaves_no_row(target):
    plan = plan_of(GROUPS, target.table)

    Lander(target.warehouse, plan).rehearse()
    Lander(target.warehouse, plan).land([invoice("a")], LOAD)
    Lander(target.warehouse, plan).rehearse()

    assert len(held(target.warehouse, plan)["invoices"]) == 1


@every_engine
def test_what_is_landed_is_found_also_before_there_is_anything(target):
    plan, documents = plan_of(GROUPS, target.table), [invoice("a"), invoice("b")]
    sha256s = [str(document.sha256) for document in documents]

    assert find_landed(target.warehouse, target.table, TEMPLATE_ID, "hash-1", sha256s) == frozenset()
    Lander(target.warehouse, plan).land(documents[:1], LOAD)
    assert find_landed(target.warehouse, target.table, TEMPLATE_ID, "hash-1", sha256s) == {sha256s[0]}


EXISTING = {
    "NUMERIC(10,2)": (NUMBER, Decimal("12.34"), Decimal("12.345")),
    "VARCHAR(3)": (STRING, "abc", "abcd"),
    "INTEGER": ({"type": "integer"}, 2**31 - 1, 2**31),
    "SMALLINT": ({"type": "integer"}, 2**15 - 1, 2**15),
    "CHAR(9)": (STRING, None, "padded"),
    "DOUBLE PRECISION": (NUMBER, None, Decimal("0.1")),
}


@every_engine
def test_a_column_that_exists_takes_what_it_gives_back_and_nothing_else(target):
    groups = {"g": {f"f{number}": field for number, (field, _, _) in enumerate(EXISTING.values())}}
    plan = plan_of(groups, target.table)
    columns = ", ".join(f"g__f{number} {declared}" for number, declared in enumerate(EXISTING))
    target.execute(f"CREATE TABLE {target.warehouse.quote_table(plan.records.table)} ({columns})")
    data = [
        {"g": {f"f{number}": example[which] for number, example in enumerate(EXISTING.values())}} for which in (1, 2)
    ]

    summary = Lander(target.warehouse, plan).land([invoice(str(n), given, {}) for n, given in enumerate(data)], LOAD)

    values = {row[1:7] for row in held(target.warehouse, plan)["invoices"]}
    assert values == {tuple(fits for _, fits, _ in EXISTING.values()), (None,) * 6}
    assert summary.problems == 6
    assert len(summary.notes) == 6


@pytest.mark.parametrize("target", POSTGRES, indirect=True)
def test_a_load_that_fails_leaves_nothing_and_its_error_tells_no_value(target):
    plan = plan_of(GROUPS, target.table)
    target.execute("CREATE TABLE landing.invoices__documents (state VARCHAR(64) CHECK (state <> 'extracted'))")

    with pytest.raises(RaydocsLandingError, match=r"replace rows of landing.invoices__documents.*23514") as raised:
        Lander(target.warehouse, plan).land([invoice("SECRET", {"totals": {"total_amount": 1}})], LOAD)

    assert "SECRET" not in str(raised.value)
    assert raised.value.__context__ is None
    assert target.query("SELECT count(*) FROM pg_tables WHERE schemaname = 'landing'") == [(1,)]


@every_server
def test_a_database_above_the_schema_is_refused(target):
    with pytest.raises(RaydocsInputError, match=r"Name a\.b\.c as schema\.table"):
        Lander(target.warehouse, plan_of(GROUPS, "a.b.c")).land([], LOAD)


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("jdbc:hive2://h:10000/;password=SECRET", "ArgumentError"),
        ("nothing://me:SECRET@h/d", "NoSuchModuleError"),
        ("oracle+cx_oracle://me:SECRET@h/d", "ModuleNotFoundError"),
    ],
)
def test_a_hook_without_a_dialect_is_refused_with_what_is_possible(monkeypatch, uri, problem):
    with pytest.raises(RaydocsInputError, match=rf"through SomeHook: .*{problem}\. .*install the package") as raised:
        warehouse_for(hook_for(monkeypatch, uri))

    assert "SECRET" not in str(raised.value)
    assert raised.value.__context__ is None


def test_a_hook_that_is_no_database_is_refused():
    from airflow.providers.http.hooks.http import HttpHook

    with pytest.raises(RaydocsInputError, match="Cannot land into a connection of HttpHook"):
        warehouse_for(HttpHook())


class OddCompiler(SQLiteTypeCompiler):
    def visit_BIGINT(self, type_: Any, **kwargs: Any) -> str:
        return "DOUBLE"


class OddDialect(SQLiteDialect_pysqlite):
    name = "odd"
    type_compiler_cls = OddCompiler
    type_compiler = OddCompiler  # its name in SQLAlchemy 1.4
    supports_statement_cache = True


def test_a_database_whose_types_are_not_known_again_is_refused_by_the_first_load(monkeypatch, tmp_path):
    registry.register("odd", __name__, "OddDialect")
    target = Target(hook_for(monkeypatch, f"odd:///{tmp_path}/some.odd"), "invoices")
    plan = plan_of(GROUPS, "invoices")

    with pytest.raises(RaydocsLandingError, match=r"column .* which was created as DOUBLE, as (DOUBLE|FLOAT)"):
        Lander(target.warehouse, plan).land([invoice("a")], LOAD)

    assert target.query("SELECT name FROM sqlite_master") in ([], [("invoices__line_items__items",)], [("invoices",)])


@pytest.mark.parametrize(
    ("dialect", "version", "spelled"),
    [
        (mssql.dialect(), (16, 0), "NVARCHAR(max), NUMERIC(38, 9), BIGINT, BIT, DATE, DATETIME2(6)"),
        (oracle.dialect(), (23, 0), "CLOB, NUMERIC(38, 9), NUMBER(19), {boolean}, DATE, TIMESTAMP"),
    ],
)
def test_databases_that_do_not_run_here_get_types_that_hold_all_we_have(dialect, version, spelled):
    dialect.server_version_info = version
    if dialect.name == "mssql":
        dialect._setup_version_attributes()

    kinds = [Kind.TEXT, Kind.DECIMAL, Kind.INTEGER, Kind.BOOLEAN, Kind.DATE, Kind.TIMESTAMP]
    assert ", ".join(generic._types()[kind].compile(dialect=dialect) for kind in kinds) == spelled.format(
        boolean="SMALLINT" if Version("2.1") > SQLALCHEMY else "BOOLEAN"
    )


def test_values_stay_out_of_what_sqlalchemy_says(monkeypatch, tmp_path):
    warehouse = GenericWarehouse(hook_for(monkeypatch, f"sqlite:///{tmp_path}/some.sqlite"))

    assert warehouse._engine.hide_parameters
    assert re.fullmatch(r"sqlite:///.*", str(warehouse._engine.url))


def test_only_one_document_of_a_thousand_is_read_at_a_time_and_all_land(monkeypatch, tmp_path):
    target = Target(hook_for(monkeypatch, f"sqlite:///{tmp_path}/some.sqlite"), "invoices")
    plan = plan_of(GROUPS, "invoices")

    for _ in range(2):
        Lander(target.warehouse, plan).land((invoice(f"{number:04}", DATA) for number in range(1_201)), LOAD)

    assert target.query("SELECT count(*) FROM invoices") == [(1_201,)]
    assert target.query("SELECT count(*) FROM invoices__documents") == [(1_201,)]
