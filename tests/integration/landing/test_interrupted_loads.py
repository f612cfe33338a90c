"""A load that is interrupted, wherever that is: the rows are as they were, and the next load lands everything."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from inspect import getmembers, isfunction
from itertools import count
from typing import Any

import pytest

from raydocs_provider.api.schema import parse_schema
from raydocs_provider.arguments import EVOLVE
from raydocs_provider.exceptions import RaydocsLandingError
from raydocs_provider.landing.lander import Lander
from raydocs_provider.landing.review import parse_review
from raydocs_provider.landing.tables import LandingPlan
from raydocs_provider.landing.warehouses import warehouse_for
from raydocs_provider.landing.warehouses.base import Warehouse
from tests.integration.landing.conftest import ENGINES, Database
from tests.integration.landing.invoices import LOAD, NUMBER, STRING, failure, invoice, plan_of

every_engine = pytest.mark.parametrize("database", ENGINES, indirect=True)

LINES = {"type": "array", "items": {"type": "object", "properties": {"total": NUMBER}}}
GROUPS: dict[str, dict[str, Any]] = {"invoice": {"number": STRING, "lines": LINES}}
WIDER = {"invoice": GROUPS["invoice"] | {"tax": NUMBER, "stamps": {"type": "array", "items": STRING}}}
DATA: dict[str, Any] = {"invoice": {"number": "1", "lines": [{"total": 1}, {"total": 2}]}}
WIDER_DATA = {"invoice": {"number": "2", "lines": [{"total": 3}], "tax": 4, "stamps": ["paid"]}}

# What is no call to the engine.
SILENT = {"quote", "quote_table", "encode", "hint", "explain", "is_missing", "select_review"}
# What is nothing but other calls, and the first of them, before which there is nothing to undo.
SILENT |= {"transaction", "reading", "connect"}


class Interrupted(BaseException):
    """Like what Airflow raises in a task that takes too long: no ``except Exception`` sees it."""


def interrupt(warehouse: Warehouse, at: int) -> None:
    """
    Interrupt a load when one of its calls to the engine has had its effect. What happens before the next one does not
    matter to the engine.

    :param at: which of them, from 0 on.
    """
    numbers = count()
    running: list[str] = []

    def watch(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **more: Any) -> Any:
            running.append(name)
            try:
                value = call(*args, **more)
            finally:
                running.pop()
            # Not the calls of which this one is made.
            if not running and next(numbers) == at:
                raise Interrupted
            return value

        return watched

    for name, _ in getmembers(type(warehouse), isfunction):
        if not name.startswith("_") and name not in SILENT:
            setattr(warehouse, name, watch(name, getattr(warehouse, name)))


def found(database: Database, plan: LandingPlan) -> tuple[dict[str, Any], dict[str, Any]]:
    """The columns of all tables and the view, and the rows without their NULLs."""
    warehouse = warehouse_for(database.hook)
    rows = {}
    with warehouse.reading() as cursor:
        columns = {str(table): dict(warehouse.column_types(cursor, table)) for table in (*plan.tables, plan.review)}
        for table in plan.tables:
            names = [column.name for column in table.columns if column.name in columns[str(table)]]
            selected = ", ".join(map(warehouse.quote, names))
            sql = f"SELECT {selected} FROM {warehouse.quote_table(table)}"
            rows[str(table)] = sorted(
                str({name: cell for name, cell in zip(names, row, strict=True) if cell is not None})
                for row in (warehouse.fetch(cursor, sql) if names else ())
            )
    return columns, rows


@every_engine
@pytest.mark.parametrize("first", [True, False], ids=["the first load", "a load with another template"])
@pytest.mark.parametrize("in_parts", [False, True], ids=["in one", "in parts"])
def test_a_load_interrupted_after_any_call_to_the_engine_has_changed_nothing(database, first, in_parts, monkeypatch):
    if in_parts:
        monkeypatch.setattr(type(warehouse_for(database.hook)), "part_bytes", 1)
    plan = plan_of(WIDER, database.table)
    rules = parse_review(0.99)
    assert rules is not None
    reviewer = rules.resolve(parse_schema({"groups": {name: {"fields": fields} for name, fields in WIDER.items()}}))
    documents = [invoice("a", WIDER_DATA, {}, "result-2"), failure("b"), invoice("c", DATA, {}), failure("d")]
    if not first:
        earlier = [invoice("a", DATA, {}), invoice("b", DATA, {}), replace(failure("c"), session_id="another")]
        database.lander(plan_of(GROUPS, database.table)).land(earlier, LOAD)
    columns, rows = found(database, plan)

    for interruptions in count():
        warehouse = warehouse_for(database.hook)
        interrupt(warehouse, interruptions)
        try:
            Lander(warehouse, plan, EVOLVE, reviewer).land(documents, LOAD, at_hand=in_parts)
            break
        except Interrupted:
            now, same = found(database, plan)
            assert same == rows
            # MySQL keeps the tables and columns that were made.
            assert database.hook.conn_type == "mysql" or now == columns

    landed = found(database, plan)
    assert landed != (columns, rows)
    database.lander(plan, EVOLVE, reviewer).land(documents, LOAD)
    assert found(database, plan) == landed
    # To look at five tables twice, to read, delete from and fill them takes more.
    assert interruptions > 20


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_who_is_cut_off_while_committing_is_told_that_nobody_knows(database: Database) -> None:
    warehouse = warehouse_for(database.hook)

    class CutOff:
        """A connection that commits, and whose answer is lost."""

        def __init__(self) -> None:
            self._connection = database.hook.get_conn()

        def __getattr__(self, name: str) -> Any:
            return getattr(self._connection, name)

        def __setattr__(self, name: str, value: Any) -> None:
            if name == "_connection":
                object.__setattr__(self, name, value)
            else:
                setattr(self._connection, name, value)

        def commit(self) -> None:
            self._connection.commit()
            raise sqlite3.OperationalError("disk I/O error")

    warehouse.connect = CutOff  # type: ignore[method-assign]
    plan = plan_of(GROUPS, database.table)
    with pytest.raises(RaydocsLandingError, match=r"to commit .* unknown\. Run it again"):
        Lander(warehouse, plan).land([invoice("a", DATA)], LOAD)
    assert database.count(plan.records.table) == 1
    database.lander(plan).land([invoice("a", DATA)], LOAD)
    assert database.count(plan.records.table) == 1
