"""A load in parts is one load: what lands does not depend on them, and all of it lands or nothing does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raydocs_provider.landing.documents import LandingDocument
from raydocs_provider.landing.lander import LandingSummary
from raydocs_provider.landing.tables import LandingPlan
from raydocs_provider.landing.warehouses import warehouse_for
from raydocs_provider.landing.warehouses.base import Warehouse
from tests.integration.landing.conftest import ENGINES, Database
from tests.integration.landing.invoices import DATA, LOAD, NUMBER, STRING, failure, invoice, plan_of

every_engine = pytest.mark.parametrize("database", ENGINES, indirect=True)
# Those that have rows made while they work.
in_parts = pytest.mark.parametrize(
    "database", [name for name in ENGINES if name.startswith(("duckdb", "postgres"))], indirect=True
)

LINES = {"type": "array", "items": {"type": "object", "properties": {"total": NUMBER}}}
GROUPS: dict[str, dict[str, Any]] = {"invoice": {"number": STRING, "lines": LINES}}


@pytest.fixture(autouse=True)
def a_document_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    for engine in (Warehouse, *Warehouse.__subclasses__()):
        monkeypatch.setattr(engine, "part_bytes", 1)


def extracted(name: str, run: int, lines: int, hour: int) -> LandingDocument:
    data = {"invoice": {"number": f"{name}{run}", "lines": [{"total": line} for line in range(lines)]}}
    document = invoice(name, data, {}, f"result-{run}")
    assert document.result is not None
    result = replace(document.result, completed_at=f"2026-01-01T{hour:02}:00:00Z")
    return replace(document, session_id=f"session-{name}-{run}", result=result)


NAMES = st.sampled_from("abc")
RUNS = st.builds(extracted, NAMES, st.integers(1, 3), st.integers(0, 3), st.integers(1, 4))
# Without a time, the later load counts; so does the later part.
TIMES = st.integers(1, 4).map(lambda hour: datetime(2026, 1, 1, hour, 30, tzinfo=UTC).timestamp())
FAILURES = st.builds(lambda name, at: replace(failure(name), submitted_at=at), NAMES, TIMES)
DOCUMENTS = st.lists(RUNS | FAILURES, max_size=6)


def land(database: Database, plan: LandingPlan, documents: list[LandingDocument], at_hand: bool) -> LandingSummary:
    return database.lander(plan).land(iter(documents), LOAD, at_hand)


def rows_of(database: Database, plan: LandingPlan) -> dict[str, list[tuple[Any, ...]]]:
    return {str(table): database.rows(table) for table in plan.tables}


@every_engine
def test_documents_that_are_in_several_parts_land_once_and_the_newest_of_each(database):
    plan = plan_of(GROUPS, database.table)
    earlier = [extracted("a", 1, 3, 2), extracted("b", 1, 2, 4), failure("c")]
    land(database, plan, earlier, at_hand=True)

    summary = land(
        database,
        plan,
        [
            extracted("a", 2, 1, 3),
            # The tables hold a newer one.
            extracted("b", 2, 3, 3),
            failure("d"),
            failure("a"),
            extracted("d", 1, 3, 1),
            extracted("d", 2, 2, 2),
            # So does an earlier part.
            extracted("d", 3, 1, 1),
            extracted("a", 3, 2, 3),
        ],
        at_hand=True,
    )

    records, lines, _, ledger = plan.tables
    assert database.rows(records, "invoice__number") == [("a3",), ("b1",), ("d2",)]
    assert database.count(lines) == 2 + 2 + 2
    assert database.rows(ledger, "filename", "state") == [
        ("a.pdf", "extracted"),
        ("b.pdf", "extracted"),
        ("c.pdf", "failed"),
        ("d.pdf", "extracted"),
    ]
    assert summary.rows == {str(records): 2, str(lines): 4, str(plan.fields): 6, str(ledger): 2}
    assert summary.kept == 1
    assert summary.documents == {"extracted": 6, "failed": 2}


@pytest.mark.parametrize("database", ["duckdb", "sqlite"], indirect=True)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=DOCUMENTS, documents=DOCUMENTS)
def test_what_lands_does_not_depend_on_the_parts(database, before, documents):
    found = []
    for size in (None, 1):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(warehouse_for(database.hook)), "part_bytes", size)
            plan = plan_of(GROUPS, f"invoices_{size}")
            for table in (*plan.tables, plan.review):
                database.execute(f'DROP TABLE IF EXISTS "{table}"')
            first = land(database, plan, before, at_hand=True)
            second = land(database, plan, documents, at_hand=True)
        numbers = [
            (list(summary.rows.values()), summary.documents, summary.problems, summary.kept)
            for summary in (first, second)
        ]
        found.append((list(rows_of(database, plan).values()), numbers))

    assert found[0] == found[1]


@in_parts
def test_documents_at_hand_are_read_while_the_rows_of_others_are_copied(database, monkeypatch):
    plan = plan_of(GROUPS, database.table)
    warehouse = type(warehouse_for(database.hook))
    copying: list[str] = []
    during: list[int] = []
    copy_while = warehouse.copy_while

    def watched(self: Warehouse, cursor: Any, table: Any, *arguments: Any) -> None:
        copying.append(str(table))
        copy_while(self, cursor, table, *arguments)
        copying.pop()

    monkeypatch.setattr(warehouse, "copy_while", watched)

    def documents() -> Iterator[LandingDocument]:
        for number in range(40):
            during.append(len(copying))
            # More than a connection holds.
            yield invoice(str(number), {"invoice": {"number": "7" * 500_000}})

    database.lander(plan).land(documents(), LOAD, at_hand=True)

    # The first is read before there is a transaction; some of the others in between, when nothing was left to copy.
    assert during[0] == 0
    assert sum(during) > 10
    assert database.count(plan.records.table) == 40


@in_parts
def test_documents_that_are_not_at_hand_are_all_read_before_the_transaction(database, monkeypatch):
    warehouse = type(warehouse_for(database.hook))
    transaction = warehouse.transaction
    read: list[int] = []

    def watched(self: Warehouse, target: Any) -> Any:
        assert len(read) == 5
        return transaction(self, target)

    monkeypatch.setattr(warehouse, "transaction", watched)
    plan = plan_of(GROUPS, database.table)

    database.lander(plan).land((read.append(number) or invoice(str(number)) for number in range(5)), LOAD)

    assert database.count(plan.records.table) == 5


class Interrupted(BaseException):
    """Like what Airflow raises in a task that takes too long."""


@every_engine
@pytest.mark.parametrize("what", [ConnectionResetError, Interrupted])
@pytest.mark.parametrize("number", [0, 1, 7, 20])
def test_documents_that_stop_coming_undo_all_parts_and_say_why(database, what, number):
    plan = plan_of(GROUPS, database.table)
    land(database, plan, [extracted("a", 1, 2, 1)], at_hand=True)
    rows = rows_of(database, plan)

    def documents() -> Iterator[LandingDocument]:
        yield extracted("a", 2, 1, 2)
        for more in range(20):
            if more == number:
                break
            yield invoice(str(more), DATA)
        raise what("the results stopped coming")

    with pytest.raises(what, match="the results stopped coming"):
        database.lander(plan).land(documents(), LOAD, at_hand=True)

    assert rows_of(database, plan) == rows
    assert land(database, plan, [extracted("a", 3, 1, 3)], at_hand=True).rows[str(plan.records.table)] == 1
