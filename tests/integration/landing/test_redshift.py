"""
Redshift: Airflow's hook and Amazon's driver, talking to a PostgreSQL.

PostgreSQL has no COPY from S3: what it would read is read as CSV from an S3 of moto, and inserted. No Redshift has seen
any of this.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import logging
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
import requests
import sqlglot
from airflow.providers.amazon.aws.hooks.redshift_sql import RedshiftSQLHook
from botocore.client import BaseClient
from redshift_connector.error import ProgrammingError
from sqlglot import exp

from raydocs_provider.exceptions import RaydocsInputError, RaydocsLandingError
from raydocs_provider.landing.documents import LandingDocument
from raydocs_provider.landing.landed import find_landed
from raydocs_provider.landing.lander import Lander
from raydocs_provider.landing.warehouses import redshift, warehouse_for
from raydocs_provider.landing.warehouses.redshift import RedshiftWarehouse
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
from tests.integration.landing.story import check_story, held

PLAN = plan_of(GROUPS, "land here.invoices")
ROLE = "arn:aws:iam::123456789012:role/redshift/Load"
KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "hunter2hunter2", "region_name": "us-east-1"}

# What PostgreSQL takes of the parameters that Amazon's driver begins with.
_KNOWN = (b"user", b"database", b"application_name", b"client_encoding")


@pytest.fixture(scope="module")
def port(postgres: dict[str, Any]) -> Iterator[int]:
    """Where Amazon's driver finds the PostgreSQL."""
    path = f"{postgres['host']}/.s.PGSQL.5432"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_relay, args=(listener, path), daemon=True).start()
        yield listener.getsockname()[1]


def _relay(listener: socket.socket, path: str) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(client, path), daemon=True).start()


def _serve(client: socket.socket, path: str) -> None:
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    (size,) = struct.unpack("!I", client.recv(4, socket.MSG_WAITALL))
    version, words = struct.unpack("!I", client.recv(4, socket.MSG_WAITALL))[0], []
    parts = client.recv(size - 8, socket.MSG_WAITALL).split(b"\0")
    for name, value in zip(parts[::2], parts[1::2], strict=False):
        if name in _KNOWN:
            words += [name, value]
    start = struct.pack("!I", version) + b"\0".join(words) + b"\0\0"
    server = socket.socket(socket.AF_UNIX)
    server.connect(path)
    server.sendall(struct.pack("!I", len(start) + 4) + start)
    back = threading.Thread(target=_pump, args=(server, client), daemon=True)
    back.start()
    _pump(client, server)
    back.join()
    server.close()
    client.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while chunk := source.recv(1 << 16):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class Recorder:
    """
    What is executed.

    :param refuse: called before each statement; may raise.
    """

    def __init__(self) -> None:
        self.executed: list[tuple[str, Any]] = []
        self.refuse: Callable[[str], None] = lambda sql: None
        self.s3: Any = None

    @property
    def sql(self) -> list[str]:
        return [sql for sql, _ in self.executed]


class RecordingHook(RedshiftSQLHook):
    recorder: Recorder

    def get_conn(self) -> Any:
        return _Connection(super().get_conn(), self.recorder)


class _Connection:
    def __init__(self, connection: Any, recorder: Recorder) -> None:
        self.__dict__.update(_connection=connection, _recorder=recorder)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._connection, name, value)

    def cursor(self) -> Any:
        return _Cursor(self._connection.cursor(), self._recorder, self)

    def commit(self) -> None:
        self._recorder.executed.append(("COMMIT", None))
        self._recorder.refuse("COMMIT")
        self._connection.commit()


class _Cursor:
    def __init__(self, cursor: Any, recorder: Recorder, connection: _Connection) -> None:
        self._cursor = cursor
        self._recorder = recorder
        self.connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def execute(self, sql: str, parameters: Any = None) -> Any:
        self._recorder.executed.append((sql, parameters))
        self._recorder.refuse(sql)
        if sql.startswith("COPY"):
            return self._copy(sql)
        return self._cursor.execute(sql, parameters) if parameters else self._cursor.execute(sql)

    def _copy(self, sql: str) -> Any:
        """What Redshift would do: read from S3 what is CSV there."""
        options = r"FORMAT AS CSV NULL AS '([\w-]+)' GZIP DATEFORMAT 'auto' TIMEFORMAT 'auto' COMPUPDATE OFF"
        match = re.fullmatch(rf"COPY (.*) FROM 's3://([^/]+)/([^']+)' IAM_ROLE (?:default|'arn:[^']+') {options}", sql)
        assert match is not None
        into, bucket, key, null = match.groups()
        text = gzip.decompress(self._recorder.s3.get_object(Bucket=bucket, Key=key)["Body"].read()).decode()
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
        for row in rows:
            cells = [None if cell == null else cell for cell in row]
            places = ", ".join(["%s"] * len(row))
            self._cursor.execute(f"INSERT INTO {into} VALUES ({places})", cells)
        return self._cursor


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def hook(port: int, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> RecordingHook:
    """An empty schema, and no AWS connection."""
    connection = {
        "conn_type": "redshift",
        "host": "127.0.0.1",
        "port": port,
        "login": "postgres",
        "password": "x",
        "schema": "postgres",
        "extra": {"ssl": False},
    }
    monkeypatch.setenv("AIRFLOW_CONN_SOME_REDSHIFT", json.dumps(connection))
    hook = RecordingHook(redshift_conn_id="some_redshift", aws_conn_id="lake")
    hook.recorder = recorder
    connection = hook.get_conn()
    connection.cursor().execute('DROP SCHEMA IF EXISTS "land here" CASCADE')
    connection.cursor().execute('CREATE SCHEMA "land here"')
    connection.commit()
    connection.close()
    recorder.executed.clear()
    return hook


@pytest.fixture
def warehouse(hook: RecordingHook) -> RedshiftWarehouse:
    return warehouse_for(hook)


@pytest.fixture
def s3(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket, and an AWS connection whose extra has a folder in it."""
    import boto3
    from moto.server import ThreadedMotoServer

    # moto lets clients wait a second for its leave to send a file.
    monkeypatch.setattr("urllib3.util.wait_for_read", lambda sock, timeout: False)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    # What earlier tests have left: moto keeps its objects for as long as the process lives.
    requests.post(f"http://{host}:{port}/moto-api/reset", timeout=10).raise_for_status()
    extra = {"endpoint_url": f"http://{host}:{port}", "region_name": KEYS["region_name"]}
    set_aws(monkeypatch, **extra, raydocs_stage="s3://lake/staged rows/", raydocs_copy_role=ROLE)
    recorder.s3 = client = boto3.client("s3", endpoint_url=extra["endpoint_url"], **KEYS)
    client.create_bucket(Bucket="lake")
    client.extra = extra
    yield client
    client.close()
    server.stop()


def set_aws(monkeypatch: pytest.MonkeyPatch, **extra: Any) -> None:
    connection = {
        "conn_type": "aws",
        "login": KEYS["aws_access_key_id"],
        "password": KEYS["aws_secret_access_key"],
        "extra": extra,
    }
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(connection))


@pytest.fixture
def all_staged(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redshift, "_STAGED_BYTES", 0)


def keys_in(s3: Any) -> list[str]:
    return [each["Key"] for each in s3.list_objects_v2(Bucket="lake").get("Contents", [])]


def land(warehouse: RedshiftWarehouse, *documents: LandingDocument, plan: Any = PLAN, mode: str = "evolve") -> Any:
    return Lander(warehouse, plan, mode).land(documents, LOAD)


def test_what_is_inserted_is_value_by_value_what_duckdb_holds(warehouse, tmp_path):
    check_story(warehouse, "land here.invoices", tmp_path)


def test_what_is_copied_from_s3_is_value_by_value_what_duckdb_holds(all_staged, hook, s3, recorder, tmp_path):
    check_story(warehouse_for(hook), "land here.invoices", tmp_path)

    assert len([sql for sql in recorder.sql if sql.startswith("COPY")]) > 20
    assert not [sql for sql in recorder.sql if sql.startswith("INSERT")]
    assert keys_in(s3) == []


@pytest.mark.parametrize("staged", [False, True])
def test_all_statements_are_of_redshifts_dialect_and_values_are_in_none(hook, recorder, staged, request):
    if staged:
        request.getfixturevalue("all_staged")
    secret = {"invoice_header": {"invoice_number": "SECRET"}, "totals": {"total_amount": Decimal("77.123")}}

    for _ in range(2):
        land(warehouse_for(hook), invoice("a", secret), failure("b"))
    land(warehouse_for(hook), plan=plan_of(GROUPS | {"more": {"tax": NUMBER}}, "land here.invoices"))

    kinds = {kind_of(sql) for sql in recorder.sql if sql != "COMMIT"}
    assert kinds == {"Set", "Lock", "Select", "Create", "Alter", "Delete", "Copy" if staged else "Insert"}
    assert not [sql for sql in recorder.sql if "SECRET" in sql or "77.123" in sql]


def kind_of(sql: str) -> str:
    if sql.startswith("LOCK TABLE "):  # not known to sqlglot
        return "Lock"
    (statement,) = sqlglot.parse(sql.replace("%s", "NULL"), read="redshift")
    assert not isinstance(statement, exp.Command), sql
    return type(statement).__name__


def test_a_load_locks_the_ledger_before_it_looks_and_deletes_there_first_and_writes_there_last(warehouse, recorder):
    land(warehouse, invoice("a"))
    recorder.executed.clear()

    land(warehouse, invoice("a", result_id="result-2"))

    begun = recorder.sql.index('LOCK TABLE "land here"."invoices__documents"')
    assert recorder.sql[begun - 1] == "COMMIT"
    rows = [re.match(r'(DELETE FROM|INSERT INTO) "land here"\."(\w+)"', sql) for sql in recorder.sql[begun:]]
    changes = [f"{match[1][:6]} {match[2]}" for match in rows if match]
    assert changes[0] == "DELETE invoices__documents"
    assert changes[-1] == "INSERT invoices__documents"
    assert recorder.sql[begun:].count("COMMIT") == 1
    assert recorder.sql[-1] == "COMMIT"


@pytest.mark.parametrize("staged", [False, True])
def test_whatever_statement_fails_the_rows_are_as_before_and_nothing_is_left_in_s3(hook, recorder, staged, request):
    if staged:
        request.getfixturevalue("all_staged")
    warehouse = warehouse_for(hook)
    land(warehouse, invoice("a"))
    before = held(warehouse, PLAN)
    recorder.executed.clear()
    land(warehouse, invoice("a"))
    # Before them the connection is settled, and there is nothing yet that could be said to have been refused.
    first = recorder.sql.index('LOCK TABLE "land here"."invoices__documents"') + 1

    for number, sql in list(enumerate(recorder.sql))[first:]:
        if staged and not sql.startswith(("COPY", "COMMIT")):
            continue
        recorder.executed.clear()

        def refuse(sql: str, number: int = number) -> None:
            if len(recorder.executed) == number + 1:
                raise ProgrammingError({"S": "ERROR", "C": "XX000", "M": "SECRET", "D": "SECRET"})

        recorder.refuse = refuse
        with pytest.raises(RaydocsLandingError, match=r"XX000 \(sys_load_error_detail tells") as raised:
            land(warehouse, invoice("a", DATA | {"totals": {"total_amount": 7}}, result_id="result-2"))
        recorder.refuse = lambda sql: None

        assert "SECRET" not in str(raised.value)
        assert raised.value.__context__ is None
        assert held(warehouse, PLAN) == before
        if staged:
            assert keys_in(recorder.s3) == []
    land(warehouse, invoice("a", result_id="result-3"))
    assert [row[-1] for row in held(warehouse, PLAN)["invoices"]] == [1]


def test_small_files_are_inserted_and_large_ones_staged(hook, s3, recorder):
    land(warehouse_for(hook), *(invoice(f"{number:03}") for number in range(80)))

    copied = [re.findall(r'"(\w+)" \(', sql)[0] for sql in recorder.sql if sql.startswith("COPY")]
    assert "invoices__fields" in copied
    assert "invoices" not in copied
    assert f"IAM_ROLE '{ROLE}'" in next(sql for sql in recorder.sql if sql.startswith("COPY"))
    assert keys_in(s3) == []


def test_without_a_role_redshift_uses_its_default_one(hook, all_staged, s3, recorder, monkeypatch):
    set_aws(monkeypatch, **s3.extra, raydocs_stage="s3://lake")

    land(warehouse_for(hook), invoice("a"))

    copies = [sql for sql in recorder.sql if sql.startswith("COPY")]
    assert all(" FROM 's3://lake/raydocs-" in sql and " IAM_ROLE default " in sql for sql in copies)


def test_a_folder_that_cannot_be_written_to_fails_the_load(hook, all_staged, s3, monkeypatch):
    set_aws(monkeypatch, **s3.extra, raydocs_stage="s3://missing/rows")
    warehouse = warehouse_for(hook)

    with pytest.raises(
        RaydocsLandingError, match=r"s3://missing/rows/raydocs-\w+.csv.gz could not be written"
    ) as raised:
        land(warehouse, invoice("a"))

    assert raised.value.__context__ is None
    assert "hunter2" not in str(raised.value)
    with warehouse.reading() as cursor:
        assert warehouse.column_types(cursor, PLAN.records.table) == {}


def test_a_file_that_cannot_be_removed_fails_no_load(hook, all_staged, s3, caplog):
    send = BaseClient._make_api_call

    def refuse(client: Any, operation: str, arguments: Any) -> Any:
        if operation == "DeleteObject":
            raise PermissionError
        return send(client, operation, arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", refuse)
        land(warehouse_for(hook), invoice("a"))

    assert len(keys_in(s3)) == 6
    assert caplog.text.count("could not be removed (PermissionError). It holds rows of this load.") == 6


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        ({"raydocs_stage": "gs://lake/x"}, "raydocs_stage of the connection 'lake' has to be s3://bucket/folder"),
        ({"raydocs_stage": "s3://other@lake/x"}, "raydocs_stage of the connection 'lake' has to be s3://bucket/folder"),
        ({"raydocs_stage": "lake"}, "raydocs_stage of the connection 'lake' has to be s3://bucket/folder"),
        (
            {"raydocs_stage": "s3://lake", "raydocs_copy_role": "x' --"},
            "raydocs_copy_role .* has to be the ARN of a role",
        ),
    ],
)
def test_a_stage_that_cannot_be_used_is_refused_at_once(hook, monkeypatch, extra, problem):
    set_aws(monkeypatch, **extra)

    with pytest.raises(RaydocsInputError, match=problem):
        warehouse_for(hook)


def test_a_folder_with_an_apostrophe_or_a_backslash_stays_inside_its_quotes():
    assert redshift._literal(r"s3://lake/it's\x") == r"'s3://lake/it''s\\x'"


LIMIT = 65_535


def test_a_text_of_more_bytes_than_redshift_holds_lands_as_null_and_that_is_said(warehouse, caplog):
    texts = ["x" * LIMIT, "x" * (LIMIT + 1), "é" * (LIMIT // 2), "é" * (LIMIT // 2 + 1), "😀" * 16_384]
    documents = [
        invoice(
            str(number),
            {"invoice_header": {"invoice_number": text, "vendor": {"address": {"street": text}}}},
            {"invoice_header": {"invoice_number": {"reasoning": text}}},
        )
        for number, text in enumerate(texts)
    ]

    with caplog.at_level(logging.WARNING, "raydocs_provider"):
        land(warehouse, *documents)

    names = [column.name for column in PLAN.records.table.columns]
    number, meta, source = (names.index(name) for name in ("invoice_header__invoice_number", "_meta", "_source_uri"))
    rows = sorted(held(warehouse, PLAN)["invoices"], key=lambda row: row[source])
    text, address = "invoice_header.invoice_number", "invoice_header.vendor.address"
    assert [(row[number], [problem["field"] for problem in row[meta]["problems"]]) for row in rows] == [
        (texts[0], [address]),
        (None, [text, address]),
        (texts[2], [address]),
        (None, [text, address]),
        (None, [text, address]),
    ]
    problems = {problem["problem"] for row in rows for problem in row[meta]["problems"]}
    assert problems == {"no room in character varying(65535)"}
    # Of each text that is too long: as value and as reasoning; of each address: as value.
    assert f"Leaving out {3 + 3 + 5} texts of more than {LIMIT} bytes" in caplog.text


def test_tables_of_ours_are_as_the_template_has_them_also_under_freeze(warehouse):
    land(warehouse, invoice("a"))

    summary = land(warehouse, invoice("b"), mode="freeze")

    assert summary.notes == ()
    assert len(held(warehouse, PLAN)["invoices"]) == 2


EXISTING = {
    "NUMERIC(10,2)": (NUMBER, Decimal("12.34"), Decimal("12.345")),
    "VARCHAR(3)": (STRING, "abc", "abcd"),
    "INTEGER": ({"type": "integer"}, 2**31 - 1, 2**31),
    "SMALLINT": ({"type": "integer"}, 2**15 - 1, 2**15),
    "CHAR(9)": (STRING, None, "padded"),
    "DOUBLE PRECISION": (NUMBER, None, Decimal("0.1")),
}


def test_a_column_that_exists_takes_what_it_gives_back_and_nothing_else(hook, warehouse):
    groups = {"g": {f"f{number}": field for number, (field, _, _) in enumerate(EXISTING.values())}}
    plan = plan_of(groups, "land here.invoices")
    columns = ", ".join(f"g__f{number} {declared}" for number, declared in enumerate(EXISTING))
    connection = hook.get_conn()
    connection.cursor().execute(f'CREATE TABLE "land here".invoices ({columns})')
    connection.commit()
    connection.close()
    data = [
        {"g": {f"f{number}": example[which] for number, example in enumerate(EXISTING.values())}} for which in (1, 2)
    ]

    summary = land(warehouse, *(invoice(str(n), given, {}) for n, given in enumerate(data)), plan=plan)

    values = {row[1:7] for row in held(warehouse, plan)["invoices"]}
    assert values == {tuple(fits for _, fits, _ in EXISTING.values()), (None,) * 6}
    assert len(summary.notes) == 6


@pytest.mark.parametrize(
    ("name", "staged"),
    [('"; drop table x; --', False), ("100% of %s", False), ("it's", False), ("große tabelle", False), ("%s'\"", True)],
)
def test_names_are_quoted_whatever_is_in_them(hook, name, staged, request):
    if staged:
        request.getfixturevalue("all_staged")
    plan = plan_of(GROUPS, f"land here.{name}")

    for _ in range(2):
        land(warehouse_for(hook), invoice("a"), plan=plan)

    assert len(held(warehouse_for(hook), plan)[name]) == 1


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("db.land here.invoices", r"Name db.land here.invoices as schema.table"),
        ("land here.Invoices", r"write 'land here.invoices' instead of 'land here.Invoices'"),
    ],
)
def test_names_that_redshift_would_not_keep_are_refused(warehouse, recorder, table, problem):
    with pytest.raises(RaydocsInputError, match=problem):
        land(warehouse, plan=plan_of(GROUPS, table))

    assert not [sql for sql in recorder.sql if sql.startswith("CREATE")]


def test_a_table_without_a_schema_is_found_where_it_was_made(hook, warehouse):
    plan = plan_of(GROUPS, "some_invoices_of_redshift")
    try:
        for _ in range(2):
            land(warehouse, invoice("a"), plan=plan)
        assert len(held(warehouse, plan)["some_invoices_of_redshift"]) == 1
    finally:
        connection = hook.get_conn()
        for table in plan.tables:
            connection.cursor().execute(f"DROP TABLE {table}")
        connection.commit()
        connection.close()


def test_loads_of_the_same_documents_at_once_take_turns(hook, warehouse):
    documents = [invoice(f"{number}") for number in range(5)]
    land(warehouse)

    def load(number: int) -> None:
        land(warehouse_for(hook), *(documents if number % 2 else reversed(documents)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(load, range(8)))

    rows = held(warehouse, PLAN)
    assert len(rows["invoices"]) == len(rows["invoices__documents"]) == 5
    assert len(rows["invoices__line_items__items"]) == 10


def test_what_is_landed_is_found_also_before_there_is_anything(warehouse):
    sha256s = [str(invoice(name).sha256) for name in "ab"]

    assert find_landed(warehouse, "land here.invoices", TEMPLATE_ID, "hash-1", sha256s) == frozenset()
    land(warehouse, invoice("a"))
    assert find_landed(warehouse, "land here.invoices", TEMPLATE_ID, "hash-1", sha256s) == {sha256s[0]}


def test_a_load_is_rehearsed_and_leaves_nothing(warehouse):
    Lander(warehouse, PLAN).rehearse()

    with warehouse.reading() as cursor:
        assert warehouse.column_types(cursor, PLAN.records.table) == {}


def test_an_insert_has_no_more_rows_parameters_or_bytes_than_one_can(tmp_path):
    file = tmp_path / "rows"
    rows = [["x" * 100_000], ["y" * 2_000_000], *([str(number)] for number in range(1_201))]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))

    portions = list(redshift._read_portions(file, 500))

    assert [row for portion in portions for row in portion] == rows
    assert [len(portion) for portion in portions] == [1, 1, 500, 500, 201]


def test_many_columns_do_not_exceed_the_parameters_of_a_statement(warehouse, recorder):
    plan = plan_of({"g": {f"f{number}": STRING for number in range(150)}}, "land here.invoices")

    land(warehouse, *(invoice(f"{number:03}", {"g": {"f1": "x"}}, {}) for number in range(400)), plan=plan)

    sizes = [len(parameters) for sql, parameters in recorder.executed if sql.startswith("INSERT")]
    assert max(sizes) <= 32_767
    assert len(held(warehouse, plan)["invoices"]) == 400
