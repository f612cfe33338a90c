"""Loads come in any order: a run of last week is cleared, a retry lands what another run has extracted again since."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from raydocs_provider.landing.documents import LandingDocument, Verdict
from raydocs_provider.landing.lander import Lander
from raydocs_provider.landing.tables import LandingPlan
from raydocs_provider.landing.warehouses import warehouse_for
from tests.integration.landing.conftest import ENGINES, Database
from tests.integration.landing.invoices import DATA, GROUPS, LOAD, failure, invoice, plan_of

every_engine = pytest.mark.parametrize("database", ENGINES, indirect=True)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def plan(database: Database) -> LandingPlan:
    return plan_of(GROUPS, database.table)


def extracted(hour: int | None, name: str = "a") -> LandingDocument:
    """The document as it was extracted so many hours after noon, with so many items and that total."""
    items = [{"description": f"item {number}"} for number in range(hour or 0)]
    data = DATA | {"totals": {"total_amount": hour}, "line_items": {"items": items}}
    document = invoice(name, data, {}, f"result-{hour}")
    assert document.result is not None
    at = None if hour is None else (NOON + timedelta(hours=hour)).isoformat()
    result = replace(document.result, completed_at=at, created_at=None)
    return replace(document, session_id=f"session-{hour}", result=result)


def failed(hour: int, name: str = "a") -> LandingDocument:
    """The document as it was submitted in vain so many hours after noon."""
    at = (NOON + timedelta(hours=hour)).timestamp()
    return replace(failure(name), session_id=f"in-vain-{hour}", submitted_at=at)


def land(database: Database, plan: LandingPlan, *documents: LandingDocument) -> int:
    """One load. Returns how many documents stayed as they were."""
    return database.lander(plan).land(documents, LOAD).kept


def stands(database: Database, plan: LandingPlan) -> tuple[Any, ...]:
    """Of one document: its total, the result each of its rows is from, the number of its items, and the ledger."""
    ((total,),) = database.rows(plan.records.table, "totals__total_amount")
    (results,) = {
        frozenset(row[0] for row in database.rows(table, "_result_id")) or None
        for table in (plan.records.table, plan.fields)
    }
    ((state, session_id),) = database.rows(plan.documents, "state", "_session_id")
    return total, results, database.count(plan.records.lists[0].table), state, session_id


def result_of(hour: int) -> tuple[Any, ...]:
    return Decimal(hour), {f"result-{hour}"}, hour, "extracted", f"session-{hour}"


@every_engine
def test_in_whatever_order_results_are_loaded_the_newest_stands_with_all_its_rows_and_no_others(database, plan):
    for number, order in enumerate(permutations((1, 2, 3))):
        database.table = f"{plan.records.table}{number}"
        here = plan_of(GROUPS, database.table)
        for hour in order:
            land(database, here, extracted(hour))

        assert stands(database, here) == result_of(3)


@every_engine
def test_an_older_result_changes_nothing_and_is_counted_as_kept(database, plan):
    land(database, plan, extracted(3))
    before = {table: database.rows(table) for table in plan.tables}

    summary = database.lander(plan).land([extracted(1)], replace(LOAD, run_id="later"))

    assert {table: database.rows(table) for table in plan.tables} == before
    assert summary.kept == 1
    assert summary.rows == {str(table): 0 for table in plan.tables}
    assert summary.documents == {"extracted": 1}


@every_engine
def test_a_load_replaces_what_is_older_and_keeps_what_is_newer(database, plan):
    land(database, plan, extracted(1, "a"), extracted(4, "b"), failed(4, "c"))

    kept = land(database, plan, extracted(2, "a"), extracted(2, "b"), extracted(2, "c"), extracted(2, "d"))

    assert kept == 1
    assert database.rows(plan.documents, "_source_uri", "_session_id", "attempts") == [
        ("s3://inbox/a.pdf", "session-2", 2),
        ("s3://inbox/b.pdf", "session-4", 1),
        ("s3://inbox/c.pdf", "session-2", 2),
        ("s3://inbox/d.pdf", "session-2", 1),
    ]
    assert database.rows(plan.records.table, "_source_uri", "_result_id") == [
        ("s3://inbox/a.pdf", "result-2"),
        ("s3://inbox/b.pdf", "result-4"),
        ("s3://inbox/c.pdf", "result-2"),
        ("s3://inbox/d.pdf", "result-2"),
    ]
    assert database.count(plan.records.lists[0].table) == 2 + 4 + 2 + 2


@every_engine
def test_a_failure_from_before_the_result_that_stands_changes_nothing(database, plan):
    land(database, plan, extracted(3))

    assert land(database, plan, failed(2)) == 1

    assert stands(database, plan) == result_of(3)


@every_engine
def test_a_failure_since_is_in_the_ledger_and_the_rows_stay_until_something_newer_comes(database, plan):
    land(database, plan, extracted(2))
    assert land(database, plan, failed(3)) == 0
    since = (*result_of(2)[:3], "failed", "in-vain-3")
    assert stands(database, plan) == since

    assert land(database, plan, extracted(1)) == 1
    assert stands(database, plan) == since

    assert land(database, plan, extracted(4)) == 0
    assert stands(database, plan) == result_of(4)


@every_engine
def test_where_a_time_is_not_known_the_later_load_counts(database, plan):
    land(database, plan, extracted(2))
    assert land(database, plan, extracted(None)) == 0
    assert database.rows(plan.records.table, "_result_id") == [("result-None",)]
    assert land(database, plan, extracted(1)) == 0
    assert stands(database, plan) == result_of(1)


@every_engine
def test_every_session_that_a_load_brings_is_one_attempt_more(database, plan):
    attempts = []
    for document in (failed(1), failed(1), failed(2), extracted(3), extracted(3), extracted(1), failed(4)):
        land(database, plan, document)
        attempts.append(database.rows(plan.documents, "attempts")[0][0])

    assert attempts == [1, 1, 2, 3, 3, 3, 4]


@every_engine
def test_a_file_that_could_not_be_uploaded_was_an_attempt_and_not_a_second_one(database, plan):
    upload_failed = replace(failure("a"), session_id=None, stage="upload")
    land(database, plan, upload_failed)
    land(database, plan, upload_failed)
    land(database, plan, extracted(1))

    assert database.rows(plan.documents, "attempts", "state") == [(2, "extracted")]


@every_engine
def test_the_word_of_a_person_stays_through_a_failed_attempt_and_goes_with_a_newer_result(database, plan):
    land(database, plan, replace(extracted(2), verdict=Verdict({"totals.total_amount": 200}, "Ada", NOON)))
    corrected = (Decimal(200), "corrected")
    columns = ("totals__total_amount", "_review_status")

    for document in (extracted(2), failed(3), extracted(2), extracted(1)):
        land(database, plan, document)
        assert database.rows(plan.records.table, *columns) == [corrected]

    land(database, plan, extracted(4))
    assert database.rows(plan.records.table, *columns) == [(Decimal(4), None)]


@every_engine
def test_more_documents_than_one_statement_is_about_are_compared_and_replaced(database, plan, monkeypatch):
    warehouse = warehouse_for(database.hook)
    monkeypatch.setattr(warehouse, "portion", 7)
    asked = []
    for name in ("read_documents", "delete", "count_attempts"):
        call = getattr(warehouse, name)
        monkeypatch.setattr(warehouse, name, lambda *given, call=call: asked.append(len(given[-1])) or call(*given))
    lander = Lander(warehouse, plan)
    names = [f"{number:02}" for number in range(50)]
    lander.land([extracted(number % 3 + 1, name) for number, name in enumerate(names)], LOAD)

    summary = lander.land([extracted(2, name) for name in names], LOAD)

    # All are looked for in two tables, 34 deleted from six, and for 17 it is the second attempt.
    assert (max(asked), sum(asked)) == (7, 50 * 2 + 34 * 6 + 17)
    assert summary.kept == len(range(2, 50, 3))
    assert [row[1] for row in database.rows(plan.records.table, "_source_uri", "_result_id")] == [
        f"result-{max(2, number % 3 + 1)}" for number in range(50)
    ]
    assert database.count(plan.records.lists[0].table) == sum(max(2, number % 3 + 1) for number in range(50))
