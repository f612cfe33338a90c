"""
A BigQuery for tests: the part of its REST API that Google's client uses for a load, over a DuckDB.

Statements are translated by sqlglot. So they are run, but what BigQuery itself would say to them nobody knows: it shows
which requests are made in which order, that every statement is GoogleSQL as sqlglot knows it, and what they do.
"""

from __future__ import annotations

import json
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import duckdb
import sqlglot
from sqlglot import exp

LOCATION = "EU"
_NUMERIC = exp.DataType.build("DECIMAL(38, 9)", dialect="duckdb")
# What DuckDB answers with, as the API calls it.
_API_TYPES = {"VARCHAR": "STRING", "BIGINT": "INTEGER", "BOOLEAN": "BOOLEAN", "DATE": "DATE", "JSON": "JSON"}


@dataclass
class Sent:
    """
    What was asked for.

    :param what: ``get``, ``create``, ``drop``, ``load`` or ``query``.
    :param name: of the table.
    """

    what: str
    name: str = ""
    sql: str = ""
    body: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def statements(self) -> list[exp.Expression]:
        return [statement for statement in sqlglot.parse(self.sql, read="bigquery") if statement is not None]


class Refusal(Exception):
    """An error as the API reports it."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": status, "message": message, "errors": [{"reason": reason, "message": message}]}


class FakeBigQuery:
    """
    Serves one project until it is closed.

    :param refuse: called before anything is done; may raise `Refusal`.
    """

    def __init__(self, *datasets: str) -> None:
        self.sent: list[Sent] = []
        self.refuse: Callable[[Sent], None] = lambda sent: None
        self._tables: dict[str, dict[str, Any]] = {}
        self._described: dict[str, list[dict[str, Any]]] = {}
        self._jobs: dict[str, dict[str, Any]] = {}
        self._answers: dict[str, dict[str, Any]] = {}
        self._database = duckdb.connect()
        for dataset in datasets:
            self._database.execute(f'CREATE SCHEMA "{dataset}"')
        fake = self

        class Handler(_Handler):
            bigquery = fake

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> FakeBigQuery:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._database.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def staging(self) -> list[str]:
        """The tables that were made through the API and are still there."""
        return sorted(self._tables)

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement of DuckDB."""
        return self._database.execute(sql).fetchall()

    def hook(self, location: str | None = LOCATION) -> Any:
        return BigQueryHook(self.url, location)

    def queries(self) -> list[str]:
        return [sent.sql for sent in self.sent if sent.what == "query"]

    def describe(self, name: str, fields: list[dict[str, Any]]) -> None:
        """Have the API describe a table in this way, whatever it is."""
        self._described[name] = fields

    # What the API does

    def get_table(self, name: str) -> dict[str, Any]:
        self._note(Sent("get", name))
        dataset, table = name.split(".")
        found = self._database.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = ? AND table_name = ?",
            [dataset, table],
        ).fetchall()
        if not found and name not in self._described:
            raise Refusal(404, "notFound", f"Not found: Table {name}")
        fields = self._described.get(name) or [_field(column, type_) for column, type_ in found]
        return {**_resource(name), "schema": {"fields": fields}}

    def create_table(self, body: dict[str, Any]) -> dict[str, Any]:
        reference = body["tableReference"]
        name = f"{reference['datasetId']}.{reference['tableId']}"
        self._note(Sent("create", name, body=body))
        columns = ", ".join(f"{column['name']} VARCHAR" for column in body["schema"]["fields"])
        self._database.execute(f"CREATE TABLE {_quoted(name)} ({columns})")
        self._tables[name] = body
        return {**body, **_resource(name)}

    def drop_table(self, name: str) -> None:
        self._note(Sent("drop", name))
        if name not in self._tables:
            raise Refusal(404, "notFound", f"Not found: Table {name}")
        self._database.execute(f"DROP TABLE {_quoted(name)}")
        del self._tables[name]

    def load(self, job: dict[str, Any], content: bytes) -> dict[str, Any]:
        destination = job["configuration"]["load"]["destinationTable"]
        name = f"{destination['datasetId']}.{destination['tableId']}"
        rows = [json.loads(line) for line in content.decode().splitlines()]
        sent = Sent("load", name, body=job, rows=rows)

        def run() -> dict[str, Any]:
            columns = {column["name"]: "VARCHAR" for column in self._tables[name]["schema"]["fields"]}
            assert all(isinstance(cell, str) and column in columns for row in rows for column, cell in row.items())
            with tempfile.NamedTemporaryFile(suffix=".ndjson") as file:
                file.write(content)
                file.flush()
                self._database.execute(
                    f"INSERT INTO {_quoted(name)} SELECT * FROM read_json('{file.name}', columns = {columns})"
                )
            return {}

        return self._run(job, sent, run)

    def query(self, job: dict[str, Any]) -> dict[str, Any]:
        sql = job["configuration"]["query"]["query"]
        sent = Sent("query", sql=sql, body=job)
        return self._run(job, sent, lambda: self._answer(sent))

    def answer_of(self, job_id: str) -> dict[str, Any]:
        return {**self._answers[job_id], "jobReference": self._jobs[job_id]["jobReference"], "jobComplete": True}

    def job(self, job_id: str) -> dict[str, Any]:
        return self._jobs[job_id]

    def _note(self, sent: Sent) -> None:
        self.sent.append(sent)
        self.refuse(sent)

    def _run(self, job: dict[str, Any], sent: Sent, run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        job_id = job.get("jobReference", {}).get("jobId") or uuid.uuid4().hex
        location = job.get("jobReference", {}).get("location", LOCATION)
        job = {**job, "jobReference": {"projectId": "p", "jobId": job_id, "location": location}}
        job["status"] = {"state": "DONE"}
        try:
            self._note(sent)
            self._answers[job_id] = run()
        except Refusal as refusal:
            error = refusal.body["errors"][0]
            job["status"] |= {"errorResult": error, "errors": [error]}
        except duckdb.Error as problem:
            error = {"reason": "invalidQuery", "message": str(problem)}
            job["status"] |= {"errorResult": error, "errors": [error]}
        job["statistics"] = {"query": {"statementType": "SCRIPT"}}
        self._jobs[job_id] = job
        return job

    def _answer(self, sent: Sent) -> dict[str, Any]:
        cursor = self._database.cursor()
        try:
            for statement in sent.statements:
                for part in _translate(statement):
                    cursor.execute(part)
        except duckdb.Error:
            if len(sent.statements) > 1:
                cursor.execute("ROLLBACK")
            raise
        if len(sent.statements) > 1 or cursor.description is None:
            return {"totalRows": "0", "schema": {"fields": []}}
        rows = cursor.fetchall()
        fields = [_field(column[0], str(column[1])) for column in cursor.description]
        return {
            "totalRows": str(len(rows)),
            "schema": {"fields": fields},
            "rows": [{"f": [{"v": _cell(cell)} for cell in row]} for row in rows],
        }


class BigQueryHook:
    """As the one of Airflow's provider, but for its credentials."""

    project_id = "p"

    def __init__(self, url: str, location: str | None) -> None:
        self._url = url
        self.location = location

    def get_client(self, project_id: str, location: str | None) -> Any:
        from google.auth.credentials import AnonymousCredentials
        from google.cloud.bigquery import Client

        return Client(
            project=project_id,
            location=location,
            credentials=AnonymousCredentials(),
            client_options={"api_endpoint": self._url},
        )


class _Handler(BaseHTTPRequestHandler):
    bigquery: FakeBigQuery
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer
    uploads: dict[str, tuple[dict[str, Any], bytes]] = {}  # noqa: RUF012

    def do_GET(self) -> None:
        *_, kind, name = self._path
        self._reply(
            {"jobs": self.bigquery.job, "queries": self.bigquery.answer_of}[kind](name)
            if kind in ("jobs", "queries")
            else self._try(self.bigquery.get_table, f"{self._path[-3]}.{name}")
        )

    def do_DELETE(self) -> None:
        self._reply(self._try(self.bigquery.drop_table, f"{self._path[-3]}.{self._path[-1]}") or {})

    def do_POST(self) -> None:
        body = json.loads(self._read())
        if self._path[0] == "upload":
            upload = uuid.uuid4().hex
            self.uploads[upload] = (body, b"")
            self._reply({}, Location=f"{self.bigquery.url}/resume/{upload}")
        elif self._path[-1] == "jobs":
            self._reply(self.bigquery.query(body))
        else:
            self._reply(self._try(self.bigquery.create_table, body))

    def do_PUT(self) -> None:
        job, content = self.uploads[self._path[-1]]
        self._reply(self.bigquery.load(job, content + self._read()))

    @property
    def _path(self) -> list[str]:
        return [unquote(part) for part in self.path.partition("?")[0].strip("/").split("/")]

    def _read(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def _try(self, do: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return do(*arguments)
        except Refusal as refusal:
            return refusal

    def _reply(self, answer: Any, **headers: str) -> None:
        status = 200
        if isinstance(answer, Refusal):
            status, answer = answer.status, {"error": answer.body}
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _translate(statement: exp.Expression) -> Iterator[str]:
    def plain(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Create):
            node.set("properties", None)
        if isinstance(node, exp.DataType) and node.this == exp.DataType.Type.DECIMAL and not node.expressions:
            return _NUMERIC.copy()
        if isinstance(node, exp.Table):
            node.set("catalog", None)
        return node

    translated = statement.transform(plain)
    actions = translated.args.get("actions") or [None]
    for action in actions:  # DuckDB adds one column a statement
        if isinstance(translated, exp.Alter):
            translated.set("actions", [action])
        yield translated.sql("duckdb")


def _resource(name: str) -> dict[str, Any]:
    dataset, table = name.split(".")
    return {
        "tableReference": {"projectId": "p", "datasetId": dataset, "tableId": table},
        "location": LOCATION,
        "type": "TABLE",
    }


def _field(name: str, type_: str) -> dict[str, Any]:
    api = "NUMERIC" if type_.startswith("DECIMAL") else "TIMESTAMP" if type_.startswith("TIMESTAMP") else ""
    return {"name": name, "type": api or _API_TYPES.get(type_, "STRING"), "mode": "NULLABLE"}


def _cell(cell: Any) -> Any:
    if cell is None:
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, datetime):
        moment = cell if cell.tzinfo else cell.replace(tzinfo=UTC)
        return str(round(moment.timestamp() * 1_000_000))
    return cell.isoformat() if isinstance(cell, date) else str(cell)


def _quoted(name: str) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))
