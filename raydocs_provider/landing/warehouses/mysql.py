"""MySQL and MariaDB: INSERTs of many rows with bound values, through mysqlclient or mysql-connector-python."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from tenacity import RetryCallState, Retrying, retry_if_result

from raydocs_provider.exceptions import RaydocsInputError, RaydocsLandingError
from raydocs_provider.landing.contract import BOOLEANS, DATES, EVERYTHING, JSON, NUMBERS, TIMES, integers_of
from raydocs_provider.landing.row_formats import encode_json
from raydocs_provider.landing.tables import KEY, Column, Kind, Table
from raydocs_provider.landing.values import Cell
from raydocs_provider.landing.warehouses.base import Warehouse
from raydocs_provider.landing.warehouses.waiting import Announcement

log = logging.getLogger(__name__)

_CHARSET = "utf8mb4"
# Of all texts. The charset goes without saying.
_COLLATE = f"COLLATE {_CHARSET}_bin"

# The longest names; characters, not bytes.
_MAX_NAME = 64

# The rows of a statement, as they are in the file. Escaped, they are at most twice as long.
_STATEMENT_BYTES = 256 * 1024
_ESCAPED = 2
# VALUES, and what a client may add.
_VALUES_BYTES = 100

# Short, so that a task that is to end does: while it waits for the server, mysqlclient lets no signal in.
_LOCK_SECONDS = 5

# How many characters of utf8mb4 these hold for certain: their limits are bytes.
_CHARACTERS = {"tinytext": 63, "text": 16_383, "mediumtext": 4_194_303}

_NO_SUCH_DATABASE = 1049
_NO_SUCH_TABLE = 1146

_RIGHTS = (
    "the connection's user needs SELECT, INSERT, UPDATE and DELETE on the tables, and CREATE, ALTER and CREATE VIEW "
    "for what is missing"
)
_AGAIN = "another session was at the same rows; run the load again"
_LOST = "the connection was lost; run the load again"
_BROKEN_VIEW = "drop the view; the next load makes it again"
_HINTS = {
    1044: _RIGHTS,
    1046: "name the table with its database, or give the connection a schema",
    _NO_SUCH_DATABASE: "the database does not exist; create it first",
    1118: "too many columns: a row of InnoDB has 8,126 bytes, of which a text of up to 40 bytes takes all it has",
    1142: _RIGHTS,
    1205: _AGAIN,
    1213: _AGAIN,
    1264: "a number is larger than a column takes; make that column BIGINT",
    1356: _BROKEN_VIEW,
    1406: "a text is longer than a column takes; make that column LONGTEXT",
    1449: _BROKEN_VIEW,
    2006: _LOST,
    2013: _LOST,
    2055: _LOST,
    3140: "a column of JSON refused a value; LONGTEXT takes it",
    3157: "a column of JSON refused a value; LONGTEXT takes it",
}


class MySqlWarehouse(Warehouse):
    """
    A database of MySQL (from 8.0.23) or MariaDB (from 10.3).

    - DDL commits by itself. So it comes before the rows: a load that fails may leave empty tables and columns behind,
      but no rows.
    - Loads into the same target take turns by GET_LOCK. The lock is the first thing a load asks for: all that it reads
      is read after the load before it has committed.
    - JSON is LONGTEXT. The type JSON turns numbers into doubles in MySQL, and refuses deep values in both.
    - Times are DATETIME(6) in UTC, which no time zone of a session, and no year 2038, touches.
    - Texts compare by character, whatever the collation of the database.
    - ``a.b`` is the table b of the database a; three parts are refused. Names of columns are the same in capitals.
    - Each table has an invisible primary key, without which clusters and some managed servers refuse it.
    - A row can be half as long as max_allowed_packet, and hold 150 texts of up to 40 bytes besides what is ours: InnoDB
      moves only longer ones out of its 8,126 bytes.
    - LOAD DATA LOCAL is not used: clients and servers have it off, and it stores what does not fit as 0 or NULL.
    """

    types: ClassVar = {
        Kind.TEXT: f"LONGTEXT {_COLLATE}",
        Kind.DECIMAL: "DECIMAL(38,9)",
        Kind.INTEGER: "BIGINT",
        Kind.BOOLEAN: "BOOLEAN",
        Kind.DATE: "DATE",
        Kind.TIMESTAMP: "DATETIME(6)",
        Kind.JSON: f"LONGTEXT {_COLLATE}",
    }
    # Before version 8.0.19, and in MariaDB, integers have a width for display. Nothing unsigned, which refuses what is
    # negative; not CHAR(n), which drops blanks; not TIMESTAMP, which ends in 2038.
    holdings: ClassVar = {
        r"longtext|(varchar|tinytext|text|mediumtext)\((?P<length>\d+)\)": EVERYTHING,
        r"tinyint\(1\)": BOOLEANS,
        r"tinyint(\(\d+\))?": integers_of(8),
        r"smallint(\(\d+\))?": integers_of(16),
        r"mediumint(\(\d+\))?": integers_of(24),
        r"int(\(\d+\))?": integers_of(32),
        r"bigint(\(\d+\))?": integers_of(64),
        r"decimal\((?P<precision>\d+),(?P<scale>\d+)\)": NUMBERS,
        r"date": DATES,
        r"datetime\(6\)": TIMES,
        r"json": JSON,
    }
    modules: ClassVar = ("MySQLdb", "mysql")

    def open_cursor(self, connection: Any) -> Any:
        """
        Settle what servers and connections differ in.

        sql_mode is set as a whole, and before any value is bound: without a strict mode, values are cut off with a
        warning; and mysql-connector-python asks once, with the first value, whether backslashes escape.
        """
        self._hook.set_autocommit(connection, False)
        # Not SET NAMES: the client has to know as well.
        if hasattr(connection, "set_charset_collation"):
            connection.set_charset_collation(_CHARSET)
        else:
            connection.set_character_set(_CHARSET)
        cursor = connection.cursor()
        cursor.execute("SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'")
        return cursor

    def begin(self, connection: Any) -> Any:
        """There is nothing to begin: without autocommit, a transaction is always open."""
        return self.open_cursor(connection)

    def lock(self, cursor: Any, target: Table) -> None:
        """
        Wait for the lock of the target, as long as it takes. Closing the connection gives it back.

        :raises RaydocsLandingError: the server cannot lock.
        """
        name = self._lock_name(cursor, target)

        def ask() -> Any:
            return self.fetch(cursor, "SELECT GET_LOCK(%s, %s)", (name, _LOCK_SECONDS))[0][0]

        def tell(waited: int, _: RetryCallState) -> None:
            ((holder,),) = self.fetch(cursor, "SELECT IS_USED_LOCK(%s)", (name,))
            log.info(
                "Waiting for another load into %s, connection %s of the server: %d s so far.", target, holder, waited
            )

        if not Retrying(retry=retry_if_result(lambda got: got == 0), before_sleep=Announcement(tell))(ask):
            raise RaydocsLandingError(f"The server could not lock {target}. Nothing was written. Run the load again.")

    def column_types(self, cursor: Any, table: Table) -> Mapping[str, str]:
        """
        As SHOW COLUMNS has them, but for texts: with the characters they hold, or the charset if that is not utf8mb4.

        :raises RaydocsLandingError: the table has an engine without transactions.
        """
        try:
            found = self.fetch(cursor, f"SHOW FULL COLUMNS FROM {self.quote_table(table)}")
        except Exception as error:
            # MySQL says which is missing, the table or its database; MariaDB always the table.
            if _code(error) in (_NO_SUCH_TABLE, _NO_SUCH_DATABASE):
                return {}
            raise
        self._require_transactions(cursor, table)
        checked = self._checked_json(cursor, table)
        # Names of columns are the same in small and in capital letters.
        ours = {_spell(column.name).lower(): column.name for column in table.columns}
        return {
            ours.get(name.lower(), name): "json" if name in checked else _spell_type(type_, collation)
            for name, type_, collation, *_ in found
        }

    def create_table(self, cursor: Any, table: Table) -> None:
        """With its index: to create that after the rows would commit them."""
        self.execute(
            cursor,
            f"CREATE TABLE IF NOT EXISTS {self.quote_table(table)} ("
            f"{self._definitions(table.columns)}, "
            "_row_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT INVISIBLE, PRIMARY KEY (_row_id), "
            f"INDEX {self.quote(table.key_index)} ({self.quote(KEY.name)})) "
            f"ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT {_COLLATE}",
        )

    def add_columns(self, cursor: Any, table: Table, columns: Sequence[Column]) -> None:
        """All in one statement: after 64 of them, MySQL has to rebuild the table."""
        added = ", ".join(f"ADD COLUMN {self._definitions([column])}" for column in columns)
        self.execute(cursor, f"ALTER TABLE {self.quote_table(table)} {added}")

    def encode(self, cells: Sequence[Cell]) -> str:
        """JSON, to be read again and bound."""
        return encode_json([int(cell) if isinstance(cell, bool) else cell for cell in cells])

    def copy(self, cursor: Any, table: Table, columns: Sequence[Column], file: Path) -> None:
        """
        Bind as many rows at a time as the server takes.

        :raises RaydocsLandingError: a row is longer than that.
        """
        names = ", ".join(self.quote(column.name) for column in columns)
        into = f"INSERT INTO {self.quote_table(table)} ({names})"
        if not file.stat().st_size:
            # A rehearsal: whether rows may be inserted.
            self.execute(cursor, f"{into} SELECT {names} FROM {self.quote_table(table)} WHERE FALSE")  # noqa: S608
            return
        ((packet,),) = self.fetch(cursor, "SELECT @@max_allowed_packet")
        row = f"({', '.join(['%s'] * len(columns))})"
        for rows in _read_portions(file, table, len(into.encode()) + _VALUES_BYTES, packet):
            values = ", ".join([row] * len(rows))
            cursor.execute(f"{into} VALUES {values}", [cell for cells in rows for cell in cells])

    def quote(self, name: str) -> str:
        """Between backquotes, which do not depend on sql_mode."""
        return "`" + _spell(name).replace("`", "``") + "`"

    def quote_table(self, table: Table) -> str:
        """
        ``table`` or ``database.table``.

        :raises RaydocsInputError: a name that cannot be one here.
        """
        if len(table.name) > 2:
            raise RaydocsInputError(f"There are no schemas in MySQL: name {table} as database.table, or as table.")
        if "%" in str(table):
            # With bound values, one client asks for it doubled, the other for it as it is.
            raise RaydocsInputError(f"The clients of MySQL do not take the % in {table}; give it another name.")
        return super().quote_table(table)

    def is_final(self, error: BaseException) -> bool:
        """All that a person has to act on."""
        return _HINTS.get(_code(error) or 0, _AGAIN) not in (_AGAIN, _LOST)

    def hint(self, error: BaseException) -> str:
        """The number of the error, and what to do about those that a person has to act on."""
        code = _code(error)
        return f"{code} ({_HINTS[code]})" if code in _HINTS else str(code or "")

    def _definitions(self, columns: Iterable[Column]) -> str:
        """The key is short, so that it can be indexed, joined and grouped by without a temporary table on disk."""
        return ", ".join(
            f"{self.quote(column.name)} {f'VARCHAR(64) {_COLLATE}' if column is KEY else self.types[column.kind]}"
            for column in columns
        )

    def _lock_name(self, cursor: Any, target: Table) -> str:
        """At most 64 characters. Capitals make no difference, because on some servers they make none in tables."""
        *database, name = target.name
        ((current,),) = self.fetch(cursor, "SELECT DATABASE()")
        place = "\0".join((database[0] if database else current or "", name)).lower()
        return f"raydocs:{hashlib.sha256(place.encode()).hexdigest()[:48]}"

    def _require_transactions(self, cursor: Any, table: Table) -> None:
        without = self.fetch(
            cursor,
            "SELECT t.engine FROM information_schema.tables t JOIN information_schema.engines e ON e.engine = t.engine "
            "WHERE t.table_schema = COALESCE(%s, DATABASE()) AND t.table_name = %s AND e.transactions <> 'YES'",
            _place(table),
        )
        if without:
            raise RaydocsLandingError(
                f"{table} is a table of {without[0][0]}, which has no transactions: a load that fails would leave "
                f"some of its rows. Nothing was written. ALTER TABLE {self.quote_table(table)} ENGINE = InnoDB helps.",
                retryable=False,
            )

    def _checked_json(self, cursor: Any, table: Table) -> frozenset[str]:
        """The columns of JSON in MariaDB, where they are LONGTEXT with a check."""
        ((version,),) = self.fetch(cursor, "SELECT VERSION()")
        if "mariadb" not in version.lower():
            return frozenset()
        checks = self.fetch(
            cursor,
            "SELECT constraint_name, check_clause FROM information_schema.check_constraints "
            "WHERE constraint_schema = COALESCE(%s, DATABASE()) AND table_name = %s",
            _place(table),
        )
        return frozenset(name for name, clause in checks if clause.startswith("json_valid("))


def _spell(name: str) -> str:
    """The name as it is stored: it can have no characters beyond U+FFFF."""
    bare = re.sub("[^\0-\uffff]", "_", name)
    return name if bare == name else f"{bare[: _MAX_NAME - 9]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _spell_type(type_: str, collation: str | None) -> str:
    if collation is not None and not collation.startswith(f"{_CHARSET}_"):
        return f"{type_} {collation.partition('_')[0]}"
    return f"{type_}({_CHARACTERS[type_]})" if type_ in _CHARACTERS else type_


def _place(table: Table) -> tuple[str | None, str]:
    """The database of a table, or None for the one of the connection, and its name, both as they are stored."""
    *database, name = map(_spell, table.name)
    return database[0] if database else None, name


def _read_portions(file: Path, table: Table, frame: int, packet: int) -> Iterator[list[list[Any]]]:
    """
    Rows for one statement each.

    :param frame: bytes of a statement without its rows.
    :param packet: bytes that a statement may have.
    """
    room = packet - frame
    portion: list[list[Any]] = []
    size = 0
    with file.open("rb") as lines:
        for line in lines:
            if _ESCAPED * len(line) > room:
                needed = -(-(_ESCAPED * len(line) + frame) // 2**20)
                raise RaydocsLandingError(
                    f"A row for {table} has {len(line):,} bytes, more than the server takes. Nothing was written. "
                    f"Set its max_allowed_packet to {needed}M or more, and run the load again.",
                    retryable=False,
                )
            if portion and size + len(line) > min(_STATEMENT_BYTES, room // _ESCAPED):
                yield portion
                portion, size = [], 0
            portion.append(json.loads(line))
            size += len(line)
    yield portion


def _code(error: BaseException) -> int | None:
    """As mysql-connector-python or mysqlclient has it."""
    code = getattr(error, "errno", None) or next(iter(error.args), None)
    return code if isinstance(code, int) else None
