"""
Amazon Redshift: COPY from files in S3 where there is a folder for them, else INSERTs of many rows with bound values.

redshift_connector takes no foreign keys in the extra of a connection. So the folder is named in the AWS connection that
the hook has beside its own.
"""

from __future__ import annotations

import gzip
import json
import logging
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from raydocs_provider.exceptions import RaydocsInputError, RaydocsLandingError
from raydocs_provider.landing.contract import BOOLEANS, DATES, EVERYTHING, NUMBERS, TIMES, integers_of
from raydocs_provider.landing.row_formats import encode_json
from raydocs_provider.landing.tables import KEY, Column, Kind, Table, plan_documents
from raydocs_provider.landing.values import Cell, text_of_cell
from raydocs_provider.landing.warehouses.base import Warehouse
from raydocs_provider.wording import say_count

log = logging.getLogger(__name__)

#: In the extra of the AWS connection: a folder in S3, ``s3://bucket/folder``.
STAGE = "raydocs_stage"
#: And the ARN of the role with which Redshift reads it; several with commas between them if one assumes the next.
COPY_ROLE = "raydocs_copy_role"

# What Redshift holds of a text.
_MAX_BYTES = 65_535

# Of one INSERT. The driver binds no more parameters; a statement has at most 16 MB.
_MAX_PARAMETERS = 32_767
_ROWS = 500
_STATEMENT_BYTES = 1 << 20

# Smaller files are sooner inserted than staged.
_STAGED_BYTES = 256 * 1024

_ROLE = re.compile(r"arn:aws[\w-]*:iam::\d{12}:role/[\w+=,.@/:-]+")

_HINTS = {
    "3F000": "the schema does not exist; create it first",
    "42501": "the user needs USAGE and CREATE on the schema, and has to own its tables if columns are to be added",
    "XX000": "sys_load_error_detail tells why a COPY failed; after a conflict with another load, run this one again",
}

_COLUMN_TYPES = """
    SELECT a.attname, format_type(a.atttypid, a.atttypmod)
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = %s AND {place} AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """
    Where files for COPY go.

    :param aws_conn_id: the connection that writes them.
    :param role: with which Redshift reads them; empty: its default role.
    """

    aws_conn_id: str
    bucket: str
    folder: str
    role: str = ""


class RedshiftWarehouse(Warehouse):
    """
    A database of Redshift.

    - A text has at most 65,535 bytes. A longer value lands as NULL, and ``_meta`` says so. What is ours (reasoning,
      sources, the text in ``t__fields``) is left out as well if it is longer, and the log counts that.
    - JSON is text: the strings in a SUPER are not longer either, and ``JSON_PARSE`` makes one.
    - A load locks the ledger until it ends. So loads into the same tables take turns, but for the first ones, of which
      one may fail; who reads the ledger waits too.
    - Names are lower case, as Redshift has them.
    - There are no indexes.
    """

    types: ClassVar = {
        Kind.TEXT: "character varying(65535)",
        Kind.DECIMAL: "DECIMAL(38,9)",
        Kind.INTEGER: "BIGINT",
        Kind.BOOLEAN: "BOOLEAN",
        Kind.DATE: "DATE",
        Kind.TIMESTAMP: "TIMESTAMP",
        Kind.JSON: "character varying(65535)",
    }
    # Not CHAR(n), which pads; not SUPER, which is made of a text by a function.
    holdings: ClassVar = {
        r"character varying\((?P<byte_length>\d+)\)": EVERYTHING,
        r"smallint": integers_of(16),
        r"integer": integers_of(32),
        r"bigint": integers_of(64),
        r"numeric\((?P<precision>\d+),(?P<scale>\d+)\)": NUMBERS,
        r"boolean": BOOLEANS,
        r"date": DATES,
        r"timestamp with(out)? time zone": TIMES,
    }
    modules: ClassVar = ("redshift_connector",)
    locks_first: ClassVar = False

    def __init__(self, hook: Any) -> None:
        super().__init__(hook)
        self._stage = _find_stage(hook)
        self._left_out = 0

    def begin(self, connection: Any) -> Any:
        """Leave autocommit. Times without a zone are in UTC, also for columns that have one."""
        connection.autocommit = False
        cursor = connection.cursor()
        cursor.execute("SET timezone TO 'UTC'")
        return cursor

    def lock(self, cursor: Any, target: Table) -> None:
        """Lock the ledger if there is one. All that a load reads is read after that."""
        ledger = plan_documents(str(target))
        if self.column_types(cursor, ledger):
            # To look has begun a transaction, which would see nothing of what is committed while it waits.
            cursor.connection.commit()
            self.execute(cursor, f"LOCK TABLE {self.quote_table(ledger)}")

    def column_types(self, cursor: Any, table: Table) -> Mapping[str, str]:
        """With length and precision, for example ``numeric(18,2)``."""
        self.quote_table(table)
        *schema, name = table.name
        place = "n.nspname = %s" if schema else "pg_table_is_visible(c.oid)"
        return dict(self.fetch(cursor, _COLUMN_TYPES.replace("{place}", place), (name, *schema)))

    def encode(self, cells: Sequence[Cell]) -> str:
        """JSON of texts, to be read again, without those that are too long."""
        return encode_json([self._text(cell) for cell in cells])

    def copy(self, cursor: Any, table: Table, columns: Sequence[Column], file: Path) -> None:
        """
        Stage the file and COPY it, or bind its rows.

        Texts that are bound have no type of their own: they become what their column is, as literals do.

        :raises RaydocsLandingError: the folder in S3 cannot be written to.
        """
        if self._left_out:
            log.warning(
                "Leaving out %s of more than %d bytes: reasoning, sources, or values as they were.",
                say_count(self._left_out, "text"),
                _MAX_BYTES,
            )
            self._left_out = 0
        names = ", ".join(self.quote(column.name) for column in columns)
        into = f"{self.quote_table(table)} ({names})"
        if self._stage and file.stat().st_size > _STAGED_BYTES:
            self._copy_staged(cursor, into, file, self._stage)
            return
        place = f"({', '.join(['%s'] * len(columns))})"
        insert = f"INSERT INTO {into} VALUES "  # noqa: S608
        for rows in _read_portions(file, min(_ROWS, _MAX_PARAMETERS // len(columns))):
            cursor.execute(insert + ", ".join([place] * len(rows)), [cell for row in rows for cell in row])

    def fetch(self, cursor: Any, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query. Without parameters a ``%`` in it stands for itself."""
        cursor.execute(sql, parameters) if parameters else cursor.execute(sql)
        return [tuple(row) for row in cursor.fetchall()]

    def quote_table(self, table: Table) -> str:
        """
        ``table`` or ``schema.table``.

        :raises RaydocsInputError: a database is named as well, or there are capital letters.
        """
        name = str(table)
        if len(table.name) > 2:
            raise RaydocsInputError(f"Name {name} as schema.table: the database is the one of the connection.")
        if name != name.lower():
            raise RaydocsInputError(f"Redshift has names in lower case: write {name.lower()!r} instead of {name!r}.")
        return super().quote_table(table)

    def is_final(self, error: BaseException) -> bool:
        """No schema, no rights."""
        return _sqlstate(error) in ("3F000", "42501")

    def hint(self, error: BaseException) -> str:
        """The SQLSTATE, and what to do about those that a person has to act on."""
        state = _sqlstate(error)
        return f"{state} ({_HINTS[state]})" if state in _HINTS else state

    def _definitions(self, columns: Iterable[Column]) -> str:
        """The key is short: Redshift takes memory for what a column could hold."""
        return ", ".join(
            f"{self.quote(column.name)} {'character varying(64)' if column is KEY else self.types[column.kind]}"
            for column in columns
        )

    def _text(self, cell: Cell) -> str | None:
        text = text_of_cell(cell)
        if text is not None and len(text) > _MAX_BYTES // 4 and len(text.encode()) > _MAX_BYTES:
            self._left_out += 1
            return None
        return text

    def _copy_staged(self, cursor: Any, into: str, file: Path, stage: Stage) -> None:
        s3 = _connect_s3(stage.aws_conn_id)
        key = "/".join(filter(None, (stage.folder, f"raydocs-{uuid.uuid4().hex}.csv.gz")))
        # In no text: a word that nobody knows beforehand.
        null = f"null-{uuid.uuid4().hex}"
        role = f"'{stage.role}'" if stage.role else "default"
        packed = file.with_name(f"{file.name}.csv.gz")
        try:
            _pack(file, packed, null)
            _upload(s3, packed, stage.bucket, key)
            cursor.execute(
                f"COPY {into} FROM {_literal(f's3://{stage.bucket}/{key}')} IAM_ROLE {role} "
                f"FORMAT AS CSV NULL AS '{null}' GZIP DATEFORMAT 'auto' TIMEFORMAT 'auto' COMPUPDATE OFF"
            )
        finally:
            packed.unlink(missing_ok=True)
            _remove(s3, stage.bucket, key)


def _find_stage(hook: Any) -> Stage | None:
    """
    What the AWS connection of the hook says about a stage; None: nothing.

    :raises RaydocsInputError: it says what cannot be used.
    """
    name = hook.aws_conn_id
    try:
        extra = hook.get_connection(name).extra_dejson if name else {}
    except Exception as error:
        # The one of Airflow, from which nothing is imported here. Without the connection there is no stage.
        if type(error).__name__ != "AirflowNotFoundException":
            raise
        extra = {}
    uri, role = extra.get(STAGE) or "", extra.get(COPY_ROLE) or ""
    if not uri:
        return None
    scheme, _, place = str(uri).partition("://")
    bucket, _, folder = place.partition("/")
    if scheme != "s3" or not bucket or "@" in place:
        raise RaydocsInputError(f"{STAGE} of the connection {name!r} has to be s3://bucket/folder, not {uri!r}.")
    if role and not _ROLE.fullmatch(str(role)):
        raise RaydocsInputError(f"{COPY_ROLE} of the connection {name!r} has to be the ARN of a role, not {role!r}.")
    return Stage(name, bucket, folder.strip("/"), str(role))


def _connect_s3(aws_conn_id: str) -> Any:
    # Nothing here imports Airflow; but the hook has come from its provider for AWS, which has this one too.
    return import_module("airflow.providers.amazon.aws.hooks.s3").S3Hook(aws_conn_id=aws_conn_id).get_conn()


def _read_portions(file: Path, size: int) -> Iterator[list[list[str | None]]]:
    """
    Rows for one statement each.

    :param size: how many there are at most.
    """
    portion: list[list[str | None]] = []
    written = 0
    with file.open("rb") as lines:
        for line in lines:
            if portion and (len(portion) == size or written + len(line) > _STATEMENT_BYTES):
                yield portion
                portion, written = [], 0
            portion.append(json.loads(line))
            written += len(line)
    if portion:
        yield portion


def _pack(file: Path, packed: Path, null: str) -> None:
    """Write the rows as CSV, compressed. Cells that are NULL are ``null``, all others are quoted."""
    with gzip.open(packed, "wt", encoding="utf-8", newline="\n") as target:
        for rows in _read_portions(file, _ROWS):
            for row in rows:
                cells = (null if cell is None else '"' + cell.replace('"', '""') + '"' for cell in row)
                target.write(",".join(cells) + "\n")


def _upload(s3: Any, file: Path, bucket: str, key: str) -> None:
    try:
        s3.upload_file(str(file), bucket, key)
        return
    except Exception as error:
        problem = type(error).__name__
    # Not in the handler: what S3 says may have a signed URL in it.
    raise RaydocsLandingError(
        f"s3://{bucket}/{key} could not be written ({problem}). Nothing of this load was committed. The AWS connection "
        f"whose extra has {STAGE} needs s3:PutObject and s3:DeleteObject there."
    )


def _remove(s3: Any, bucket: str, key: str) -> None:
    """Where that fails, the load has not."""
    try:
        s3.delete_object(Bucket=bucket, Key=key)
    except Exception as error:
        log.warning(
            "s3://%s/%s could not be removed (%s). It holds rows of this load.", bucket, key, type(error).__name__
        )


def _literal(text: str) -> str:
    # A backslash is one that escapes here.
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _sqlstate(error: BaseException) -> str:
    said = next(iter(error.args), None)
    return str(said.get("C", "")) if isinstance(said, dict) else ""
