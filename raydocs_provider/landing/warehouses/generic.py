"""
Any other database that SQLAlchemy has a dialect for: it quotes names, spells types, reads columns back, binds values.

What the database makes of a type is looked at when a table is created. So one whose types would not be known again by
the next load is refused by the first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from raydocs_provider.exceptions import RaydocsInputError, RaydocsLandingError
from raydocs_provider.landing.contract import (
    BOOLEANS,
    DATES,
    EVERYTHING,
    INTEGERS,
    NUMBERS,
    TIMES,
    Holding,
    Holdings,
    integers_of,
    room_of,
)
from raydocs_provider.landing.row_formats import read_json
from raydocs_provider.landing.tables import KEY, Column, Kind, Table
from raydocs_provider.landing.warehouses.base import Warehouse

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect, Engine
    from sqlalchemy.schema import Table as SqlTable
    from sqlalchemy.types import TypeEngine

_ROWS = 1_000

# What our statements compare. Some databases compare no texts without a limit.
_COMPARED = frozenset({KEY.name, "_document_sha256", "state", "review_status"})

# Stands for a % that no driver is to double: nobody has this character in a name.
_PERCENT = "\ue000"

# These say nothing about what a column holds.
_COLLATION = re.compile(r" (CHARACTER SET|COLLATE) .*", re.IGNORECASE)


class GenericWarehouse(Warehouse):
    """
    A database behind a hook whose ``get_sqlalchemy_engine()`` works.

    - Connections are the engine's, and so of the driver that the dialect is for.
    - A load is one transaction, DDL included, as far as the database has them. Where it has none, a load that fails
      leaves documents without a row in the ledger, and the next load of the same documents repairs them.
    - Nothing keeps two loads apart: only one at a time should write into the same tables.
    - Times are in UTC, in a type without a zone. JSON is text.

    :raises RaydocsInputError: there is no such engine.
    """

    modules: ClassVar = ("sqlalchemy",)
    locks_first: ClassVar = False
    portion: ClassVar = 500
    remains: ClassVar = "Nothing of this load was committed, as far as the database has transactions."

    def __init__(self, hook: Any) -> None:
        super().__init__(hook)
        self._engine = _engine_of(hook)

    @property
    def types(self) -> Mapping[Kind, str]:  # type: ignore[override]
        """As the dialect spells them, which may depend on the server that was connected to."""
        return {kind: self._spell(type_) for kind, type_ in _types().items()}

    @property
    def holdings(self) -> Holdings:  # type: ignore[override]
        """
        In the spellings of the dialects that come with SQLAlchemy.

        Not CHAR(n), which pads, nor JSON, which binds values in ways of its own. Times only as ours are created: some
        of the other types cut off microseconds, some convert to a zone.
        """
        whole = INTEGERS.kinds if self._engine.dialect.supports_native_boolean else INTEGERS.kinds | BOOLEANS.kinds
        return {
            r"N?TEXT|LONGTEXT|N?CLOB|STRING|N?VARCHAR2?(\(max\))?": EVERYTHING,
            r"N?VARCHAR2?\((?P<length>\d+)( CHAR)?\)": EVERYTHING,
            r"BOOL(EAN)?|BIT|TINYINT\(1\)": BOOLEANS,
            r"(NUMERIC|DECIMAL|NUMBER)(\((?P<precision>\d+)(, ?(?P<scale>\d+))?\))?": NUMBERS,
            r"SMALLINT(\(\d+\))?": Holding(whole, integers_of(16).limit),
            r"INT(EGER)?(\(\d+\))?": Holding(whole, integers_of(32).limit),
            r"BIGINT(\(\d+\))?": Holding(whole),
            r"DATE": DATES,
            re.escape(self.types[Kind.TIMESTAMP]): TIMES,
        }

    def connect(self) -> Any:
        """A connection of the engine, which is its own cursor."""
        return self._engine.connect()

    def open_cursor(self, connection: Any) -> Any:
        """The connection."""
        return connection

    def begin(self, connection: Any) -> Any:
        """The connection: its first statement begins a transaction."""
        return connection

    def column_types(self, cursor: Any, table: Table) -> Mapping[str, str]:
        """As the dialect spells them, without collations."""
        return {name: _COLLATION.sub("", self._spell(type_)) for name, type_ in self._reflect(cursor, table).items()}

    def create_table(self, cursor: Any, table: Table) -> None:
        """
        Create a table, and see whether the next load will know its columns again.

        :raises RaydocsLandingError: it will not.
        """
        self.execute(cursor, f"CREATE TABLE {self.quote_table(table)} ({self._definitions(table.columns)})")
        found = self.column_types(cursor, table)
        for column in table.columns:
            type_ = found.get(column.name, "")
            room = room_of(self.holdings, type_, column.kind)
            if room is not None and room.kind is not column.kind:
                raise RaydocsLandingError(
                    f"Cannot land into this {self._engine.dialect.name} database: its dialect of SQLAlchemy shows the "
                    f"column {column.name} of {table}, which was created as {self._type_of(column)}, as "
                    f"{type_ or 'missing'}. Nothing was written. If {table} stands there empty, drop it.",
                    retryable=False,
                )

    def add_columns(self, cursor: Any, table: Table, columns: Sequence[Column]) -> None:
        """As the database wants it: some take ADD COLUMN, others ADD."""
        from alembic.ddl.base import AddColumn
        from sqlalchemy import Column as SqlColumn

        *schema, name = _quoted(table.name)
        for column in columns:
            added = SqlColumn(_quoted([column.name])[0], _type_of(column))
            cursor.execute(AddColumn(name, added, schema=schema[0] if schema else None))

    def index_key(self, cursor: Any, table: Table) -> None:
        """Only for the databases that SQLAlchemy comes with: others may have no indexes."""
        if type(self._engine.dialect).__module__.startswith("sqlalchemy.dialects."):
            from sqlalchemy import Index

            reflected = self._table(cursor, table)
            Index(_quoted([table.key_index])[0], reflected.columns[KEY.name]).create(cursor)

    def copy(self, cursor: Any, table: Table, columns: Sequence[Column], file: Path) -> None:
        """Bind the rows while reading them, each cell as what the type of its column is for."""
        target = self._table(cursor, table)
        names = [column.name for column in columns]
        readers = [_reader_of(target.columns[name].type) for name in names]
        insert = target.insert()
        for rows in read_json(file, _ROWS):
            cursor.execute(
                insert,
                [
                    {
                        name: None if cell is None else read(cell)
                        for name, cell, read in zip(names, row, readers, strict=True)
                    }
                    for row in rows
                ],
            )

    def fetch(self, cursor: Any, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query without parameters."""
        return [tuple(row) for row in cursor.exec_driver_sql(sql, execution_options={"no_parameters": True})]

    def execute(self, cursor: Any, sql: str) -> None:
        """As it is: without parameters, a ``%`` in a name stands for itself."""
        cursor.exec_driver_sql(sql, execution_options={"no_parameters": True})

    def quote(self, name: str) -> str:
        """As the dialect does."""
        quoted: str = self._engine.dialect.identifier_preparer.quote_identifier(name.replace("%", _PERCENT))
        return quoted.replace(_PERCENT, "%")

    def quote_table(self, table: Table) -> str:
        """
        ``table`` or ``schema.table``.

        :raises RaydocsInputError: a database is named as well, of which SQLAlchemy knows nothing.
        """
        if len(table.name) > 2:
            raise RaydocsInputError(f"Name {table} as schema.table, or as table: the database is the connection's.")
        return super().quote_table(table)

    def hint(self, error: BaseException) -> str:
        """The driver's name for its error, and its code if it has one."""
        driver = getattr(error, "orig", None)
        codes = (getattr(driver, name, None) for name in ("sqlstate", "pgcode", "sqlite_errorname", "errno"))
        first = next(iter(getattr(driver, "args", ())), None)
        code = next((code for code in codes if code), first if isinstance(first, int) else "")
        return f"{type(driver).__name__} {code}".strip() if driver else ""

    def _definitions(self, columns: Iterable[Column]) -> str:
        return ", ".join(f"{self.quote(column.name)} {self._type_of(column)}" for column in columns)

    def _type_of(self, column: Column) -> str:
        return self._spell(_type_of(column))

    def _spell(self, type_: TypeEngine[Any]) -> str:
        from sqlalchemy.exc import CompileError

        try:
            return type_.compile(dialect=self._engine.dialect)
        except CompileError:  # a type of the database that the dialect does not know
            return "unknown"

    def _reflect(self, cursor: Any, table: Table) -> dict[str, TypeEngine[Any]]:
        """The types of the columns of a table; none if it is missing."""
        from sqlalchemy import inspect
        from sqlalchemy.exc import NoSuchTableError

        self.quote_table(table)
        *schema, name = _quoted(table.name)
        try:
            # A new inspector for each look: it remembers what it has seen.
            columns = inspect(cursor).get_columns(name, schema=schema[0] if schema else None)
        except NoSuchTableError:
            return {}
        return {column["name"]: column["type"] for column in columns}

    def _table(self, cursor: Any, table: Table) -> SqlTable:
        """The table as SQLAlchemy has it, with the types that its columns really have."""
        from sqlalchemy import Column as SqlColumn
        from sqlalchemy import MetaData
        from sqlalchemy import Table as SqlTable

        *schema, name = _quoted(table.name)
        columns = (
            SqlColumn(_quoted([column])[0], _exact(type_, self._engine.dialect))
            for column, type_ in self._reflect(cursor, table).items()
        )
        return SqlTable(name, MetaData(), *columns, schema=schema[0] if schema else None)


def _engine_of(hook: Any) -> Engine:
    from sqlalchemy.pool import NullPool

    problem = ""
    try:
        # Without a pool, closing a connection closes it. Values stay out of what SQLAlchemy says and logs.
        engine: Engine = hook.get_sqlalchemy_engine({"poolclass": NullPool, "future": True, "hide_parameters": True})
        return engine
    except Exception as error:
        problem = type(error).__name__
    # Not in the handler: some of these errors quote the URI, and with it the password.
    raise RaydocsInputError(
        f"Cannot land through {type(hook).__name__}: its get_sqlalchemy_engine() fails with {problem}. Other databases "
        "than those with an engine of their own (docs/landing.md) need a dialect of SQLAlchemy: install the package "
        "that has it, or land into one of those."
    )


def _types() -> Mapping[Kind, TypeEngine[Any]]:
    """Each kind's type. Those that are too short, or round, where the usual one of a dialect would be."""
    from sqlalchemy import BigInteger, Boolean, Date, DateTime, Numeric, UnicodeText
    from sqlalchemy.dialects import mssql, mysql, oracle

    long = mysql.LONGTEXT(charset="utf8mb4", collation="utf8mb4_bin")
    text = UnicodeText().with_variant(long, "mysql").with_variant(long, "mariadb")
    moment = (
        DateTime()
        .with_variant(mysql.DATETIME(fsp=6), "mysql")
        .with_variant(mysql.DATETIME(fsp=6), "mariadb")
        .with_variant(mssql.DATETIME2(6), "mssql")  # type: ignore[no-untyped-call]
        .with_variant(oracle.TIMESTAMP(), "oracle")
    )
    return {
        Kind.TEXT: text,
        Kind.DECIMAL: Numeric(38, 9),
        Kind.INTEGER: BigInteger(),
        Kind.BOOLEAN: Boolean(),
        Kind.DATE: Date(),
        Kind.TIMESTAMP: moment,
        Kind.JSON: text,
    }


def _type_of(column: Column) -> TypeEngine[Any]:
    from sqlalchemy import String

    return String(64) if column.name in _COMPARED and column.path is None else _types()[column.kind]


def _exact(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    """The type, or that of texts where the dialect would bind its decimals as floats."""
    from sqlalchemy.types import Numeric, String

    if isinstance(type_, Numeric):
        process = type_.dialect_impl(dialect).bind_processor(dialect)
        if process is not None and isinstance(process(Decimal(1)), float):
            return String()
    return type_


def _quoted(names: Iterable[str]) -> list[Any]:
    """Names that SQLAlchemy quotes whatever is in them."""
    from sqlalchemy.sql.elements import quoted_name

    return [quoted_name(name, True) for name in names]


def _reader_of(type_: TypeEngine[Any]) -> Callable[[Any], Any]:
    """What makes the value that a type binds of a cell as it stands in the file."""
    from sqlalchemy import types

    if isinstance(type_, types.String):
        return _text
    if isinstance(type_, types.Numeric):
        return Decimal
    if isinstance(type_, types.DateTime):
        return datetime.fromisoformat
    if isinstance(type_, types.Date):
        return date.fromisoformat
    return bool if isinstance(type_, types.Boolean) else int


def _text(cell: object) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return str(cell)
