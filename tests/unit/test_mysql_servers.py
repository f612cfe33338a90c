"""What MySQL of Oracle says differently from MariaDB, which the other tests of this engine run on."""

from __future__ import annotations

from typing import Any

import pytest
import sqlglot

from raydocs_provider.landing.contract import room_of
from raydocs_provider.landing.tables import KEY, Column, Kind, Table
from raydocs_provider.landing.warehouses.mysql import MySqlWarehouse

TABLE = Table(("finance", "invoices"), (Column("total", Kind.DECIMAL), Column("_meta", Kind.JSON)))


class Server:
    """Answers as a server would; remembers what it was asked."""

    def __init__(self, version: str, columns: dict[str, tuple[str, str | None]]) -> None:
        self.asked: list[str] = []
        self._answers = {
            "SHOW FULL COLUMNS": [(name, type_, collation, "YES") for name, (type_, collation) in columns.items()],
            "SELECT VERSION()": [(version,)],
            "SELECT constraint_name": [("_meta", "json_valid(`_meta`)"), ("total", "`total` > 0")],
        }

    def execute(self, sql: str, parameters: Any = ()) -> None:
        self.asked.append(sql)

    def fetchall(self) -> list[tuple[Any, ...]]:
        return next((rows for start, rows in self._answers.items() if self.asked[-1].startswith(start)), [])


def types_in(server: Server) -> dict[str, str]:
    return dict(MySqlWarehouse(hook=None).column_types(server, TABLE))


def test_a_column_of_json_is_one_in_mysql_and_a_checked_text_in_mariadb():
    in_mysql = Server("8.4.3", {"total": ("decimal(38,9)", None), "_meta": ("json", None)})
    in_mariadb = Server(
        "10.11.19-MariaDB-log", {"total": ("decimal(38,9)", None), "_meta": ("longtext", "utf8mb4_bin")}
    )

    assert types_in(in_mysql) == types_in(in_mariadb) == {"total": "decimal(38,9)", "_meta": "json"}
    # There, the view has no column that says of which table a check is.
    assert not any("check_constraints" in sql for sql in in_mysql.asked)


@pytest.mark.parametrize(
    ("type_", "kind"),
    [
        ("bigint", Kind.INTEGER),
        ("bigint(20)", Kind.INTEGER),
        ("tinyint(1)", Kind.BOOLEAN),
        ("decimal(38,9)", Kind.DECIMAL),
        ("datetime(6)", Kind.TIMESTAMP),
        ("date", Kind.DATE),
        ("longtext", Kind.TEXT),
        ("longtext", Kind.JSON),
        ("json", Kind.JSON),
    ],
)
def test_the_types_of_our_columns_take_everything_as_either_server_spells_them(type_, kind):
    assert room_of(MySqlWarehouse.holdings, type_, kind) is None


@pytest.mark.parametrize(
    "type_", ["int unsigned", "int(10) unsigned", "bigint(20) unsigned zerofill", "double", "bit(1)"]
)
def test_types_that_would_change_or_refuse_a_number_take_none(type_):
    room = room_of(MySqlWarehouse.holdings, type_, Kind.INTEGER)

    assert room is not None
    assert room.kind is None


def test_the_statements_parse_in_the_dialect_of_mysql():
    server = Server("8.4.3", {})
    warehouse = MySqlWarehouse(hook=None)
    warehouse.create_table(server, TABLE)
    warehouse.add_columns(server, TABLE, [KEY, *TABLE.own])
    warehouse.delete(server, TABLE, ["a", "b"])
    warehouse.count_attempts(server, TABLE, 2, ["a"])

    created, altered, *_ = [sqlglot.parse_one(sql, dialect="mysql") for sql in server.asked]
    assert created.find(sqlglot.exp.Schema).this.sql("mysql") == "`finance`.`invoices`"
    assert [action.key for action in altered.args["actions"]] == ["columndef"] * 3
