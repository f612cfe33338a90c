"""What the Raydocs page adds up, and in which order it shows it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydocs_provider.extraction.progress import CREATE_SESSIONS, EXTRACT, LOAD, UPLOAD, WAIT, describe_seconds
from raydocs_provider.plugins.api.summaries import (
    MAX_BUCKETS,
    TaskRun,
    describe_run,
    draw_timeline,
    furthest,
    group_failures,
    in_order,
    list_filters,
    summarize,
)

NIGHT = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)


def run(kind=EXTRACT, *, state="success", run_id="r1", task_id="extract", start=0.0, ended=True, **progress):
    began = NIGHT + timedelta(seconds=start)
    return TaskRun(
        "invoices", run_id, task_id, -1, 1, state, NIGHT, began, began + timedelta(seconds=60) if ended else None,
        {"kind": kind, "updated_at": (began + timedelta(seconds=30)).timestamp(), **progress},
    )  # fmt: skip


def counts(extracted=0, failed=0, submitted=0, skipped=0):
    return {
        "total": extracted + failed + submitted + skipped,
        "extracted": extracted,
        "failed": failed,
        "submitted": submitted,
        "skipped": skipped,
    }


def test_what_may_still_change_is_shown_first_and_then_the_newest():
    runs = [
        run(run_id="old", start=0),
        run(run_id="new", start=100),
        run(run_id="running", state="running", start=10),
        run(run_id="deferred", state="deferred", start=50),
        run(run_id="waiting to retry", state="up_for_retry", start=5),
    ]
    assert [each.run_id for each in in_order(runs)] == ["deferred", "running", "waiting to retry", "new", "old"]


def test_a_task_that_never_started_has_its_place():
    unknown = replace(run(run_id="x"), start_date=None, run_after=None, end_date=None)
    assert [each.run_id for each in in_order([unknown, run(run_id="known")])] == ["known", "x"]


def test_documents_of_an_extraction_in_steps_count_once_at_the_furthest_step():
    runs = [
        run(UPLOAD, task_id="upload", counts=counts(submitted=40)),
        run(CREATE_SESSIONS, task_id="create", counts=counts(submitted=40)),
        run(WAIT, task_id="wait", counts=counts(extracted=37, failed=3), failures=[["parsing", "failed", 3]]),
        run(LOAD, task_id="load", rows={"invoices": 37}),
    ]
    assert [each.task_id for each in furthest(runs)] == ["wait"]
    summary = summarize(runs)
    assert (summary["documents"], summary["extracted"], summary["failed"], summary["open"]) == (40, 37, 3, 0)
    assert summary["tasks"] == 4
    assert group_failures(runs)[0]["count"] == 3


def test_steps_that_have_not_come_to_waiting_count_where_they_are():
    runs = [run(UPLOAD, task_id="upload", counts=counts(failed=1))]
    assert summarize(runs)["failed"] == 1


def test_mapped_tasks_and_several_runs_all_count():
    runs = [run(run_id=f"r{each}", counts=counts(extracted=10)) for each in range(3)]
    runs += [replace(run(counts=counts(extracted=5)), map_index=each) for each in range(4)]
    assert summarize(runs)["extracted"] == 50


def test_requests_waits_rows_and_reviews_add_up_over_all_tasks():
    runs = [
        run(requests={"2xx": 80, "429": 2}, budget_wait=3.5),
        run(WAIT, task_id="wait", requests={"2xx": 20, "none": 1}, budget_wait=1.5),
        run(LOAD, task_id="load", rows={"invoices": 37, "lines": 100}, reviews={"review": 4, "passed": 33}),
        run(LOAD, task_id="load_again", run_id="r2", rows=None, reviews=None),
    ]
    summary = summarize(runs)
    assert (summary["requests"], summary["limited"], summary["budget_wait"]) == (103, 2, 5.0)
    assert (summary["rows"], summary["to_review"]) == (137, 4)


def test_the_oldest_open_session_is_one_of_a_task_that_still_waits():
    given_up = run(state="failed", counts=counts(submitted=1), oldest_open=1.0)
    waiting = run(run_id="r2", state="deferred", counts=counts(submitted=1), oldest_open=500.0)
    assert summarize([given_up, waiting])["oldest_open"] == 500.0
    assert summarize([given_up])["oldest_open"] is None


def test_durations_are_those_of_all_documents_together():
    runs = [run(run_id=f"r{each}", seconds=describe_seconds([10.0 * (each + 1)] * 10)) for each in range(3)]
    seconds = summarize(runs)["seconds"]
    assert seconds["max"] == 30.0
    assert 20.0 <= seconds["p50"] <= 24.0


def test_failures_lead_to_the_newest_task_that_has_some():
    runs = [
        run(run_id="old", start=0, failures=[["parsing", "failed", 5], ["upload", "upload_failed", 1]]),
        run(run_id="new", start=100, failures=[["parsing", "failed", 2]]),
    ]
    assert group_failures(runs) == [
        {
            "stage": "parsing", "code": "failed", "count": 7, "tasks": 2,
            "example": {"dag_id": "invoices", "run_id": "new", "task_id": "extract", "map_index": -1},
        },
        {
            "stage": "upload", "code": "upload_failed", "count": 1, "tasks": 1,
            "example": {"dag_id": "invoices", "run_id": "old", "task_id": "extract", "map_index": -1},
        },
    ]  # fmt: skip


@given(st.floats(60, 366 * 86_400), st.lists(st.floats(0, 1), max_size=20))
def test_a_timeline_has_few_buckets_and_loses_no_document_of_the_period(span, moments):
    since = NIGHT
    until = since + timedelta(seconds=span)
    runs = []
    for number, part in enumerate(moments):
        ended = since + timedelta(seconds=span * part * 0.999)
        runs.append(replace(run(run_id=f"r{number}", counts=counts(extracted=2, failed=1)), end_date=ended))
    width, buckets = draw_timeline(runs, since, until)
    assert 1 <= len(buckets) <= MAX_BUCKETS + 1
    assert sum(bucket["extracted"] for bucket in buckets) == 2 * len(moments)
    assert sum(bucket["failed"] for bucket in buckets) == len(moments)
    starts = [datetime.fromisoformat(bucket["at"]) for bucket in buckets]
    assert starts[0] <= since
    assert all(later - earlier == timedelta(seconds=width) for earlier, later in pairwise(starts))


def test_what_ended_outside_of_the_period_is_not_drawn():
    late = replace(run(counts=counts(extracted=9)), end_date=NIGHT + timedelta(days=30))
    _, buckets = draw_timeline([late], NIGHT, NIGHT + timedelta(hours=1))
    assert sum(bucket["extracted"] for bucket in buckets) == 0


def test_filters_name_what_there_is():
    runs = [
        run(template_id="t2", template_name="Receipts"),
        run(LOAD, task_id="load", state=None),
        run(template_id="t1", template_name=None),
    ]
    assert list_filters(runs) == {
        "dags": ["invoices"],
        "tasks": ["extract", "load"],
        "states": ["none", "success"],
        "kinds": ["extract", "load"],
        "templates": [{"id": "t1", "name": "t1"}, {"id": "t2", "name": "Receipts"}],
    }


def test_a_template_keeps_its_name_when_a_later_task_does_not_know_it():
    runs = [run(template_id="t", template_name="Invoices"), run(LOAD, task_id="load", template_id="t")]
    assert list_filters(runs)["templates"] == [{"id": "t", "name": "Invoices"}]


def test_a_row_says_when_it_was_heard_of_last_and_keeps_the_histogram_to_itself():
    row = describe_run(
        run(state="deferred", ended=False, seconds=describe_seconds([4.0]), requests={"2xx": 3, "429": 1})
    )
    assert row["updated_at"] == (NIGHT + timedelta(seconds=30)).isoformat()
    assert row["active"]
    assert row["seconds"] == {"p50": 4.0, "p90": 4.0, "max": 4.0}
    assert (row["requests"], row["limited"]) == (4, 1)


@pytest.mark.parametrize(
    "progress", [{}, {"counts": None, "failures": None, "requests": None, "rows": None, "seconds": None}]
)
def test_a_record_with_nothing_in_it_is_shown_as_nothing(progress):
    bare = run(**progress)
    assert describe_run(bare)["counts"] is None
    assert summarize([bare])["documents"] == 0
    assert group_failures([bare]) == []
