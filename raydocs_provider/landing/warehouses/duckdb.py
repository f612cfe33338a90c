"""DuckDB: one CSV scan per table. Times are TIMESTAMP in UTC, because reading TIMESTAMPTZ from Python needs pytz."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_random

from raydocs_provider.exceptions import RaydocsInputError, RaydocsLandingError
from raydocs_provider.landing.contract import BOOLEANS, DATES, EVERYTHING, INTEGERS, JSON, NUMBERS, TIMES, integers_of
from raydocs_provider.landing.names import lower_ascii
from raydocs_provider.landing.row_formats import QUOTE, CsvFormat, LineFormat
from raydocs_provider.landing.tables import Column, Kind, Table
from raydocs_provider.landing.warehouses.base import Warehouse
from raydocs_provider.landing.warehouses.waiting import Announcement

log = logging.getLogger(__name__)

# How long a file may be open in another process.
_WAIT_SECONDS = 600
# Not all loads that wait ask at once, again and again.
_ASK = wait_random(0.1, 0.5)

# The longest row that can be loaded. Memory is taken for what a row needs, not for this.
_MAX_LINE_BYTES = 512 * 1024 * 1024

# Row groups that are kept until they are written: 5, each of 122,880 rows. Older versions have no such setting.
_CAN_BUFFER_LESS = """
    SELECT 1 FROM duckdb_settings()
    WHERE name = 'write_buffer_row_group_count' AND NOT current_setting('lock_configuration')
"""

_HINTS = {
    "CatalogException": "(the schema has to exist before the load; is it spelt right?)",
    "PermissionException": "(the connection's settings must let DuckDB read local files)",
}


class DuckDBWarehouse(Warehouse):
    """A DuckDB file."""

    types: ClassVar = {
        Kind.TEXT: "VARCHAR",
        Kind.DECIMAL: "DECIMAL(38,9)",
        Kind.INTEGER: "BIGINT",
        Kind.BOOLEAN: "BOOLEAN",
        Kind.DATE: "DATE",
        Kind.TIMESTAMP: "TIMESTAMP",
        Kind.JSON: "JSON",
    }
    # Not TIMESTAMP WITH TIME ZONE, which would take our UTC for the session's own zone.
    holdings: ClassVar = {
        r"VARCHAR": EVERYTHING,
        r"TINYINT": integers_of(8),
        r"SMALLINT": integers_of(16),
        r"INTEGER": integers_of(32),
        r"BIGINT|HUGEINT": INTEGERS,
        r"DECIMAL\((?P<precision>\d+),(?P<scale>\d+)\)": NUMBERS,
        r"BOOLEAN": BOOLEANS,
        r"DATE": DATES,
        r"JSON": JSON,
        r"TIMESTAMP": TIMES,
    }
    modules: ClassVar = ("duckdb", "_duckdb")
    # A scan keeps all of its file in memory.
    part_bytes: ClassVar = 16 * 1024 * 1024

    def connect(self) -> Any:
        """
        Wait as long as another process has the file open: DuckDB lets in one process at a time, for reading as well.

        :raises RaydocsLandingError: it does not let go of it.
        """

        def tell(waited: int, state: RetryCallState) -> None:
            log.info("Waiting for %s, which has the DuckDB file open: %d s so far.", _holder(state), waited)

        waiting = Retrying(
            retry=retry_if_exception(_is_locked),
            wait=_ASK,
            stop=stop_after_delay(_WAIT_SECONDS),
            before_sleep=Announcement(tell),
            retry_error_callback=_give_up,
        )
        return waiting(super().connect)

    def open_cursor(self, connection: Any) -> Any:
        """
        The connection is its own cursor.

        :raises RaydocsInputError: the database is in memory, so that all rows would be gone with the connection.
        """
        in_memory = "SELECT 1 FROM duckdb_databases() WHERE database_name = current_database() AND path IS NULL"
        if connection.execute(in_memory).fetchone():
            raise RaydocsInputError("This DuckDB connection is in memory; give it the path of a file as its host.")
        return connection

    def begin(self, connection: Any) -> Any:
        """Leave autocommit, and let less of a load be in memory where that can be said."""
        cursor = self.open_cursor(connection)
        if cursor.execute(_CAN_BUFFER_LESS).fetchone():
            cursor.execute("SET write_buffer_row_group_count = 1")
        return cursor.begin()

    @property
    def row_format(self) -> LineFormat:
        """CSV: the quickest of what DuckDB reads and Python writes without another library."""
        return CsvFormat()

    def copy(self, cursor: Any, table: Table, columns: Sequence[Column], file: Path) -> None:
        """Scan the file as text, so that nothing is guessed: the columns of the table say what becomes of it."""
        names = ", ".join(self.quote(column.name) for column in columns)
        texts = ", ".join(f"{_literal(column.name)}: 'VARCHAR'" for column in columns)
        cursor.execute(
            f"INSERT INTO {self.quote_table(table)} ({names}) "  # noqa: S608
            f"SELECT * FROM read_csv({_literal(str(file))}, columns = {{{texts}}}, "
            # Else a carriage return in the first row of a file is taken for the end of its lines.
            "new_line = '\\n', "
            f"auto_detect = false, header = false, delim = ',', quote = '{QUOTE}', escape = '{QUOTE}', nullstr = '', "
            f"allow_quoted_nulls = false, parallel = false, max_line_size = {_MAX_LINE_BYTES})"
        )

    def copy_while(
        self, cursor: Any, table: Table, columns: Sequence[Column], file: Path, meanwhile: Callable[[], bool]
    ) -> None:
        """Copy in a thread, which needs the interpreter only at the end."""
        with ThreadPoolExecutor(1) as thread:
            copying = thread.submit(self.copy, cursor, table, columns, file)
            while not copying.done() and meanwhile():
                pass
        copying.result()

    def column_types(self, cursor: Any, table: Table) -> Mapping[str, str]:
        """Without the length of a VARCHAR, which DuckDB does not keep. Names have no case."""
        cursor.execute("SELECT current_database(), current_schema()")
        here = cursor.fetchone()
        *parents, name = table.name
        # `a.b` is the table b of the schema a, or of the database a: DuckDB looks for both.
        places = (
            [(*here[: 2 - len(parents)], *parents), (*parents, "main")]
            if len(parents) == 1
            else [(*here, *parents)[-2:]]
        )
        for database, schema in places:
            columns = self.fetch(
                cursor,
                "SELECT column_name, data_type FROM duckdb_columns() "
                "WHERE lower(database_name) = lower(?) AND lower(schema_name) = lower(?) "
                "AND lower(table_name) = lower(?)",
                (database, schema, name),
            )
            if columns:
                return {lower_ascii(column): type_ for column, type_ in columns}
        return {}

    def is_final(self, error: BaseException) -> bool:
        """All that a person has to act on."""
        return type(error).__name__ in _HINTS

    def hint(self, error: BaseException) -> str:
        """DuckDB has no error codes, only classes."""
        return _HINTS.get(type(error).__name__, "")


def _is_locked(error: BaseException) -> bool:
    """Only the message tells."""
    return type(error).__name__ == "IOException" and "Could not set lock on file" in str(error)


def _holder(state: RetryCallState) -> str:
    """Which process has the file, as DuckDB says."""
    found = re.search(r"PID \d+", str(state.outcome.exception() if state.outcome else ""))
    return f"the process with the {found.group()}" if found else "another process"


def _give_up(state: RetryCallState) -> None:
    raise RaydocsLandingError(
        f"For {_WAIT_SECONDS // 60} minutes, {_holder(state)} has had the DuckDB file open. Nothing was written. "
        "End that process, or have it close its connection, and run the load again."
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
