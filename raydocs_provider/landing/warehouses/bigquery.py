"""
BigQuery: load jobs into staging tables, and one script that is a transaction.

A transaction lives as long as its script. So what changes rows is collected while a load goes on, and runs when it
ends; what reads runs at once. That nobody has written in between is the first thing the transaction makes sure of.
"""

from __future__ import annotations

import json
import logging
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.landing.contract import BOOLEANS, DATES, EVERYTHING, INTEGERS, JSON, NUMBERS, TIMES
from raydocs_provider.landing.row_formats import read_json
from raydocs_provider.landing.tables import ATTEMPTS, KEY, LOADED_AT, Column, Kind, LandingPlan, Table
from raydocs_provider.landing.warehouses.base import Warehouse

if TYPE_CHECKING:
    from google.cloud.bigquery import Client, DatasetReference, SchemaField, TableReference

log = logging.getLogger(__name__)

# Should the task be killed before it has dropped them.
_STAGING_LIVES = timedelta(days=1)
_ROWS = 1_000
_KEYS = "keys"

# What the API calls types that SQL calls otherwise.
_TYPES = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}

_HINTS = {
    "notFound": "the dataset has to exist before the load, in the project and location of the connection",
    "accessDenied": (
        "the account needs roles/bigquery.jobUser on the project and roles/bigquery.dataEditor on the dataset"
    ),
    "invalidQuery": "if another load was at the same tables, run this one again; the job's error in BigQuery tells",
}


class BigQueryWarehouse(Warehouse):
    """
    Datasets of BigQuery. Tables are ``dataset.table`` or ``project.dataset.table``.

    - DDL is no part of a transaction. It comes before the rows: a load that fails may leave empty tables and columns
      behind, but no rows.
    - If another load writes the same documents at the same time, one of the two fails, and is right when it runs again.
    - Staging tables lie in the dataset of the target; their names begin with ``raydocs_staging_``. They are dropped
      when the load ends, and expire after a day where nobody could.
    - Tables are clustered by document key.
    - Numbers in JSON become doubles, as BigQuery has it.
    """

    # NUMERIC has 29 digits before the point and 9 after it: it is DECIMAL(38,9).
    types: ClassVar = {
        Kind.TEXT: "STRING",
        Kind.DECIMAL: "NUMERIC",
        Kind.INTEGER: "INT64",
        Kind.BOOLEAN: "BOOL",
        Kind.DATE: "DATE",
        Kind.TIMESTAMP: "TIMESTAMP",
        Kind.JSON: "JSON",
    }
    holdings: ClassVar = {
        r"STRING(\((?P<length>\d+)\))?": EVERYTHING,
        r"INT64": INTEGERS,
        r"(BIG)?NUMERIC(\((?P<precision>\d+)(,(?P<scale>\d+))?\))?": NUMBERS,
        r"BOOL": BOOLEANS,
        r"DATE": DATES,
        r"TIMESTAMP|DATETIME": TIMES,
        r"JSON": JSON,
    }
    modules: ClassVar = ("google",)
    locks_first: ClassVar = False

    @contextmanager
    def transaction(self, target: Table) -> Iterator[_Script]:
        """Collect what is to change, run it as one transaction, and drop the staging tables whatever happens."""
        with closing(self.open()) as client:
            script = _Script(client, _dataset(target, client))
            try:
                yield script
                script.finish("COMMIT TRANSACTION")
            finally:
                script.drop_staging()

    def connect(self) -> Client:
        """A client for the project and location of the connection."""
        client: Client = self._hook.get_client(project_id=self._hook.project_id, location=self._hook.location)
        return client

    def open_cursor(self, connection: Client) -> _Script:
        """Only for queries: nothing that it collects is ever run."""
        return _Script(connection)

    def begin(self, connection: Client) -> _Script:
        """The transaction begins when the script runs."""
        return _Script(connection)

    def rehearse(self, cursor: _Script) -> None:
        """Run what was collected, and roll it back."""
        cursor.finish("ROLLBACK TRANSACTION")

    def column_types(self, cursor: _Script, table: Table) -> Mapping[str, str]:
        """From the API, where it costs nothing, in the names that SQL has for types. Capitals make no difference."""
        from google.api_core.exceptions import NotFound

        self.quote_table(table)
        try:
            found = cursor.client.get_table(_dataset(table, cursor.client).table(table.name[-1]))
        except NotFound:
            return {}
        cursor.location = found.location
        types = {field.name.lower(): _spell(field) for field in found.schema}
        cursor.types[table.name] = {**cursor.types.get(table.name, {}), **types}
        return types

    def create_table(self, cursor: _Script, table: Table) -> None:
        """Clustered, so that a statement about some documents need not read all."""
        cursor.run(
            f"CREATE TABLE IF NOT EXISTS {self.quote_table(table)} ({self._definitions(table.columns)}) "
            f"CLUSTER BY {self.quote(KEY.name)}"
        )
        # For the location, and for the types, should another load have been faster.
        found = self.column_types(cursor, table)
        cursor.types[table.name] = {**{column.name: self.types[column.kind] for column in table.columns}, **found}

    def add_columns(self, cursor: _Script, table: Table, columns: Sequence[Column]) -> None:
        """All in one statement: a table can be changed five times in ten seconds."""
        added = ", ".join(f"ADD COLUMN IF NOT EXISTS {self._definitions([column])}" for column in columns)
        cursor.run(f"ALTER TABLE {self.quote_table(table)} {added}")
        cursor.types[table.name] = {**cursor.types[table.name], **{c.name: self.types[c.kind] for c in columns}}

    def create_review(self, cursor: _Script, view: Table, plan: LandingPlan) -> None:
        """At once, as all DDL."""
        cursor.run(f"CREATE VIEW IF NOT EXISTS {self.quote_table(view)} AS {self.select_review(plan)}")

    def read_documents(
        self, cursor: _Script, table: Table, columns: Sequence[str], keys: Sequence[str]
    ) -> list[tuple[Any, ...]]:
        """Have the transaction fail if these rows are not the same any more: each load that writes them dates them."""
        rows = super().read_documents(cursor, table, (*columns, LOADED_AT.name), keys)
        dates = [row[-1] for row in rows if isinstance(row[-1], datetime)]
        unchanged = f"COUNT(*) = {len(rows)}"
        if dates:
            latest = max(date if date.tzinfo else date.replace(tzinfo=UTC) for date in dates).astimezone(UTC)
            unchanged += f" AND MAX(CAST({self.quote(LOADED_AT.name)} AS TIMESTAMP)) = TIMESTAMP '{latest.isoformat()}'"
        cursor.expect(
            f"SELECT IF({unchanged}, TRUE, ERROR('another load has written the same documents')) "  # noqa: S608
            f"FROM {self.quote_table(table)} WHERE {self.quote(KEY.name)} IN ({cursor.select_keys(keys)})"
        )
        return [row[:-1] for row in rows]

    def delete(self, cursor: _Script, table: Table, keys: Sequence[str]) -> None:
        """In the transaction."""
        among = f"{self.quote(KEY.name)} IN ({cursor.select_keys(keys)})"
        cursor.collect(f"DELETE FROM {self.quote_table(table)} WHERE {among}")  # noqa: S608

    def count_attempts(self, cursor: _Script, table: Table, attempts: int, keys: Sequence[str]) -> None:
        """In the transaction."""
        among = f"{self.quote(KEY.name)} IN ({cursor.select_keys(keys)})"
        cursor.collect(
            f"UPDATE {self.quote_table(table)} SET {self.quote(ATTEMPTS.name)} = {attempts:d} WHERE {among}"  # noqa: S608
        )

    def copy(self, cursor: _Script, table: Table, columns: Sequence[Column], file: Path) -> None:
        """
        Load the file into a staging table of texts now, and its rows into the table in the transaction.

        Texts, so that nothing is guessed: each is cast to the type that its column has.
        """
        types = cursor.types[table.name]
        rows = (row for portion in read_json(file, _ROWS) for row in portion)
        staging = cursor.stage(len(columns), rows)
        names = ", ".join(self.quote(column.name) for column in columns)
        cells = ", ".join(_cast(f"c{number}", types[column.name]) for number, column in enumerate(columns))
        cursor.collect(
            f"INSERT INTO {self.quote_table(table)} ({names}) SELECT {cells} FROM {staging}"  # noqa: S608
        )

    def fetch(self, cursor: _Script, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query without parameters."""
        return [tuple(row.values()) for row in cursor.run(sql)]

    def execute(self, cursor: _Script, sql: str) -> None:
        """In the transaction."""
        cursor.collect(sql)

    def quote(self, name: str) -> str:
        """
        Between backquotes.

        :raises RaydocsInputError: the name has a character that could end it, which no name of BigQuery has.
        """
        return _quote(name)

    def is_final(self, error: BaseException) -> bool:
        """No dataset, no rights."""
        return _reason(error) in ("notFound", "accessDenied")

    def hint(self, error: BaseException) -> str:
        """The reason that the API gives, what to do about it, and the job, which tells more to those who may see it."""
        reason = _reason(error)
        job = getattr(getattr(error, "query_job", None), "job_id", None)
        return " ".join(filter(None, (reason, f"({_HINTS[reason]})" if reason in _HINTS else "", job and f"job {job}")))


class _Script:
    """
    What a load asks of BigQuery: some of it at once, the rest in one transaction.

    :param dataset: where staging tables go.
    """

    def __init__(self, client: Client, dataset: DatasetReference | None = None) -> None:
        self.client = client
        #: Where the tables are, once one was seen. A script that begins with BEGIN tells nobody.
        self.location: str | None = None
        #: The types of the columns that a table has by now.
        self.types: dict[tuple[str, ...], Mapping[str, str]] = {}
        self._dataset = dataset
        self._name = f"raydocs_staging_{uuid.uuid4().hex}"
        self._staging: list[TableReference] = []
        self._keys: dict[tuple[str, ...], int] = {}
        self._expectations: list[str] = []
        self._statements: list[str] = []

    def run(self, sql: str) -> Any:
        """Run a statement and return its rows."""
        return self.client.query(sql, location=self.location).result()

    def collect(self, sql: str) -> None:
        """Have a statement run in the transaction."""
        self._statements.append(sql)

    def expect(self, sql: str) -> None:
        """Have the transaction begin with a query that fails where something is not as it should be."""
        self._expectations.append(sql)

    def select_keys(self, keys: Sequence[str]) -> str:
        """
        A query for document keys, to be used in the transaction.

        They are staged as well: a script has at most 1 MB, and each key would be in it once for each table.
        """
        number = self._keys.setdefault(tuple(keys), len(self._keys))
        return f"SELECT c1 FROM {_quote_reference(self._reference(_KEYS))} WHERE c0 = '{number}'"  # noqa: S608

    def finish(self, end: str) -> None:
        """Run what was collected as one transaction, whose last statement is ``end``."""
        if not self._statements:
            return
        if self._keys:
            rows = ([str(number), key] for keys, number in self._keys.items() for key in keys)
            self.stage(2, rows, _KEYS)
        self.run(";\n".join(["BEGIN TRANSACTION", *self._expectations, *self._statements, end]))

    def stage(self, size: int, rows: Iterable[list[Any]], name: str | None = None) -> str:
        """
        Load rows into a new staging table.

        :param size: how many columns it has: ``c0``, ``c1``, ... Each holds a text.
        :param name: what its name ends in; default: a number.
        :return: its name, quoted.
        """
        from google.cloud.bigquery import LoadJobConfig, SchemaField
        from google.cloud.bigquery import Table as NewTable

        schema = [SchemaField(f"c{number}", "STRING") for number in range(size)]
        staging = NewTable(self._reference(name or str(len(self._staging))), schema)
        staging.expires = datetime.now(UTC) + _STAGING_LIVES
        self._staging.append(staging.reference)
        self.client.create_table(staging)
        config = LoadJobConfig(
            schema=schema,
            source_format="NEWLINE_DELIMITED_JSON",
            create_disposition="CREATE_NEVER",
            write_disposition="WRITE_APPEND",
        )
        with tempfile.TemporaryFile() as file:
            for row in rows:
                cells = {f"c{number}": _text(cell) for number, cell in enumerate(row) if cell is not None}
                file.write(json.dumps(cells).encode() + b"\n")
            if file.tell():
                loading = self.client.load_table_from_file(
                    file, staging.reference, rewind=True, location=self.location, job_config=config
                )
                loading.result()
        return _quote_reference(staging.reference)

    def drop_staging(self) -> None:
        """Drop what was staged. Where that fails, the load has not."""
        for staging in self._staging:
            try:
                self.client.delete_table(staging, not_found_ok=True)
            except Exception as error:
                log.warning("%s could not be dropped (%s): it expires within a day.", staging, type(error).__name__)

    def _reference(self, name: str) -> TableReference:
        assert self._dataset is not None, "a cursor for queries stages nothing"
        return self._dataset.table(f"{self._name}_{name}")


def _dataset(table: Table, client: Client) -> DatasetReference:
    from google.cloud.bigquery import DatasetReference

    *project, dataset = table.name[:-1] or [""]
    if not dataset:
        raise RaydocsInputError(f"table={str(table)!r} names no dataset of BigQuery: write it as dataset.table.")
    return DatasetReference(project[0] if project else client.project, dataset)


def _quote(name: str) -> str:
    if "`" in name or "\\" in name:
        raise RaydocsInputError(f"{name!r} is no name that BigQuery takes: give the table another.")
    return f"`{name}`"


def _quote_reference(table: TableReference) -> str:
    return ".".join(map(_quote, (table.project, table.dataset_id, table.table_id)))


def _spell(field: SchemaField) -> str:
    type_ = _TYPES.get(field.field_type, field.field_type)
    bounds = [str(bound) for bound in (field.max_length, field.precision, field.scale) if bound is not None]
    spelled = f"{type_}({','.join(bounds)})" if bounds else type_
    return f"ARRAY<{spelled}>" if field.mode == "REPEATED" else spelled


def _cast(cell: str, type_: str) -> str:
    """What makes the value of a column of a text."""
    match type_.partition("(")[0]:
        case "STRING":
            return cell
        case "JSON":
            return f"PARSE_JSON({cell}, wide_number_mode => 'round')"
        case plain:
            return f"CAST({cell} AS {plain})"


def _text(cell: object) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return str(cell)


def _reason(error: BaseException) -> str:
    reasons = [found.get("reason", "") for found in getattr(error, "errors", None) or () if isinstance(found, dict)]
    return next(filter(None, reasons), "")
