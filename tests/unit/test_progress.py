"""Progress records: small, about numbers only, and adding up over processes and tasks."""

from __future__ import annotations

import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydocs_provider.extraction.manifest import EXTRACTED, FAILED, SKIPPED, SUBMITTED, DocumentRecord, Manifest
from raydocs_provider.extraction.progress import (
    EXTRACT,
    LOAD,
    MAX_FAILURE_GROUPS,
    Usage,
    describe_extraction,
    describe_landing,
    describe_seconds,
    merge_seconds,
)

LONG_REASON = "The vendor ACME owes 1,234.50 EUR."


def failed(stage: str, code: str, number: int) -> list[DocumentRecord]:
    return [
        DocumentRecord(f"s3://in/{code}-{each}.pdf", SUBMITTED).fail(stage, code, LONG_REASON) for each in range(number)
    ]


def describe(documents: list[DocumentRecord], usage: Usage | None = None, **more):
    return describe_extraction(
        EXTRACT, Manifest(tuple(documents), "c", template_id="t"), usage or Usage(), 1000.04, **more
    )


def test_a_record_counts_documents_by_state():
    record = describe(
        [
            DocumentRecord("a", EXTRACTED),
            DocumentRecord("b", EXTRACTED),
            DocumentRecord("c", SKIPPED),
            DocumentRecord("d", SUBMITTED, submitted_at=50.0),
            *failed("parsing", "failed", 3),
        ]
    )
    assert record["counts"] == {
        "total": 7, "uploaded": 0, "submitted": 1, "extracted": 2, "skipped": 1, "failed": 3,
    }  # fmt: skip
    assert record["failures"] == [["parsing", "failed", 3]]
    assert record["updated_at"] == 1000.0


def test_failures_are_grouped_the_most_frequent_first_and_not_endless():
    documents = [each for number in range(30) for each in failed("upload", f"code_{number:02}", number + 1)]
    groups = describe(documents)["failures"]
    assert len(groups) == MAX_FAILURE_GROUPS
    assert [count for *_, count in groups] == list(range(30, 10, -1))


def test_the_oldest_open_session_is_the_oldest_of_those_that_are_still_open():
    documents = [
        DocumentRecord("a", EXTRACTED, submitted_at=1.0),
        DocumentRecord("b", SUBMITTED, submitted_at=30.0),
        DocumentRecord("c", SUBMITTED, submitted_at=20.0),
        DocumentRecord("d", SUBMITTED),
    ]
    assert describe(documents)["oldest_open"] == 20.0
    assert describe(documents[:1])["oldest_open"] is None


@given(st.integers(0, 2000), st.integers(0, 40))
def test_a_record_stays_small_and_holds_neither_names_nor_reasons(extracted, codes):
    """Whatever there is of documents: it is written every half minute and read for thousands of tasks at once."""
    documents = [DocumentRecord(f"s3://in/{each}.pdf", EXTRACTED, seconds=float(each)) for each in range(extracted)]
    documents += [each for number in range(codes) for each in failed("extraction", f"quite_a_long_code_{number}", 2)]
    record = describe(
        documents, template_name="Invoices", retry={"retry_failed": False, "skip_landed_in": "w/invoices"}
    )
    text = json.dumps(record)
    assert len(text) < 4096
    assert "s3://" not in text
    assert "ACME" not in text


def test_answers_are_counted_by_class():
    usage = Usage()
    for status in (200, 201, 404, 429, 429, 500, None):
        usage.count(status)
    usage.wait(1.26)
    assert usage.to_json() == {
        "requests": {"2xx": 2, "4xx": 1, "429": 2, "5xx": 1, "none": 1},
        "budget_wait": 1.3,
    }


def test_counting_goes_on_in_the_next_process():
    usage = Usage.from_json(json.loads(json.dumps({"requests": {"2xx": 5}, "budget_wait": 2.5})))
    usage.count(200)
    usage.wait(0.5)
    assert usage.to_json() == {"requests": {"2xx": 6}, "budget_wait": 3.0}


@pytest.mark.parametrize(
    "kept", [None, "text", {}, {"requests": None}, {"requests": {"2xx": "many"}, "budget_wait": "x"}]
)
def test_a_record_that_cannot_be_read_counts_as_nothing(kept):
    assert Usage.from_json(kept).to_json() == {"requests": {}, "budget_wait": 0.0}


def test_threads_count_together():
    usage = Usage()
    threads = [threading.Thread(target=lambda: [usage.count(200) for _ in range(500)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert usage.to_json()["requests"] == {"2xx": 4000}


DURATIONS = st.lists(st.floats(0.5, 86_400), min_size=1, max_size=60)


@given(DURATIONS)
def test_durations_are_in_order_and_of_the_list(durations):
    described = describe_seconds(durations)
    assert described["p50"] <= described["p90"] <= described["max"] == round(max(durations), 1)
    assert described["p50"] in [round(each, 1) for each in durations]
    assert sum(described["histogram"].values()) == len(durations)


def test_no_durations_are_unknown():
    assert describe_seconds([]) is None
    assert merge_seconds([]) is None


@given(st.lists(DURATIONS, min_size=1, max_size=5))
def test_durations_of_several_tasks_are_told_to_a_fifth(parts):
    merged = merge_seconds([describe_seconds(part) for part in parts])
    exact = describe_seconds([each for part in parts for each in part])
    assert merged["max"] == exact["max"]
    for name in ("p50", "p90"):
        # Never told faster than it was, and at most a quarter octave slower.
        assert exact[name] - 0.1 <= merged[name] <= exact[name] * 2**0.25 + 0.1


def test_a_load_says_how_many_rows_and_reviews_there_are():
    landed = {
        "rows": {"invoices": 3},
        "problems": 1,
        "kept": 0,
        "reviews": {"review": 2},
        "to_review": [{"session_id": "s"}],
    }
    record = describe_landing(LOAD, landed, {"conn_id": "c", "template_id": "t"}, Usage({"2xx": 1}), 5.0)
    assert record == {
        "version": 1, "kind": "load", "updated_at": 5.0, "conn_id": "c", "template_id": "t", "rows": {"invoices": 3},
        "problems": 1, "kept": 0, "reviews": {"review": 2}, "requests": {"2xx": 1}, "budget_wait": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize("state", [EXTRACTED, FAILED])
def test_terms_of_a_retry_and_the_template_are_told(state):
    terms = {"retry_failed": True, "on_ambiguous_submit": "fail", "skip_landed_in": None}
    record = describe([DocumentRecord("a", state)], template_name="Invoices", retry=terms)
    assert (record["template_id"], record["template_name"], record["retry"]) == ("t", "Invoices", terms)
