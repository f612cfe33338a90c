"""When failed or unfinished documents fail the task, and what its error says."""

from __future__ import annotations

import pytest

from raydocs_provider.arguments import choose_missing
from raydocs_provider.exceptions import RaydocsDeadlineError, RaydocsExtractionError
from raydocs_provider.extraction.failures import check_deadline, check_failures, describe_missing
from raydocs_provider.extraction.manifest import EXTRACTED, SKIPPED, SUBMITTED, DocumentRecord, Manifest


def manifest(*, extracted: int = 0, failed: int = 0, skipped: int = 0, still_open: int = 0) -> Manifest:
    documents = [DocumentRecord(f"s3://inbox/good{n}.pdf", EXTRACTED, session_id=f"g{n}") for n in range(extracted)]
    documents += [
        DocumentRecord(f"s3://inbox/bad{n}.pdf", SUBMITTED, session_id=f"b{n}").fail(
            "parsing" if n % 3 else "upload", "document_failed" if n % 3 else "upload_failed", f"Reason {n}."
        )
        for n in range(failed)
    ]
    documents += [DocumentRecord(f"s3://inbox/known{n}.pdf", SKIPPED) for n in range(skipped)]
    documents += [DocumentRecord(f"s3://inbox/open{n}.pdf", SUBMITTED, session_id=f"o{n}") for n in range(still_open)]
    return Manifest(tuple(documents), "raydocs_default")


@pytest.mark.parametrize(
    ("counts", "policy", "ratio", "fails"),
    [
        ({}, "fail", 1.0, False),
        ({"extracted": 3}, "fail", 0.0, False),
        ({"extracted": 99, "failed": 1}, "fail", 1.0, True),
        ({"extracted": 99, "failed": 1}, "warn", 1.0, False),
        ({"extracted": 9, "failed": 1}, "warn", 0.1, False),
        ({"extracted": 7, "failed": 3}, "warn", 0.3, False),
        ({"extracted": 9, "failed": 1}, "warn", 0.09, True),
        ({"extracted": 9, "failed": 1}, "warn", 0.0, True),
        ({"failed": 1}, "warn", 1.0, True),
        ({"failed": 10}, "warn", 1.0, True),
        ({"failed": 9, "still_open": 1}, "warn", 1.0, False),
        # What an earlier load has landed says nothing about how this one went.
        ({"failed": 2, "skipped": 98}, "warn", 1.0, True),
        ({"extracted": 1, "failed": 1, "skipped": 98}, "warn", 0.4, True),
        ({"skipped": 5}, "fail", 0.0, False),
    ],
)
def test_failed_documents_fail_the_task_as_it_was_told(
    counts: dict[str, int], policy: str, ratio: float, fails: bool
) -> None:
    if fails:
        with pytest.raises(RaydocsExtractionError):
            check_failures(manifest(**counts), policy, ratio)
    else:
        check_failures(manifest(**counts), policy, ratio)


def test_a_task_that_extracted_nothing_says_why_it_fails_in_spite_of_warn() -> None:
    with pytest.raises(RaydocsExtractionError, match=r"no document; those that were skipped \(15\) do not count"):
        check_failures(manifest(failed=1, skipped=15), "warn")
    with pytest.raises(RaydocsExtractionError, match=r"a task fails that has extracted no document\.$"):
        check_failures(manifest(failed=2), "warn")


def test_the_error_counts_causes_and_names_the_first_documents() -> None:
    with pytest.raises(RaydocsExtractionError) as raised:
        check_failures(manifest(extracted=3, failed=7), "fail")
    message = str(raised.value)
    assert message.startswith("7 of 10 documents failed (4 x parsing: document_failed, 3 x upload: upload_failed):")
    assert "bad0.pdf (Reason 0.); bad1.pdf (Reason 1.)" in message
    assert "bad4.pdf" in message
    assert "bad5.pdf" not in message
    assert "and 2 more" in message


def test_the_error_says_how_to_go_on_unless_there_is_nothing_to_go_on_with() -> None:
    with pytest.raises(RaydocsExtractionError, match=r"on_partial_failure='warn'.*trigger_rule='all_done'"):
        check_failures(manifest(extracted=1, failed=1), "fail")
    with pytest.raises(RaydocsExtractionError) as raised:
        check_failures(manifest(failed=2), "fail")
    assert "on_partial_failure" not in str(raised.value)


def test_more_failures_than_allowed_are_told_with_what_was_allowed() -> None:
    with pytest.raises(RaydocsExtractionError, match=r"more than max_failure_ratio=0\.1 allows"):
        check_failures(manifest(extracted=1, failed=1), "warn", 0.1)


def test_a_deadline_without_open_sessions_is_none() -> None:
    check_deadline(manifest(extracted=2, failed=1), 60)


@pytest.mark.parametrize(
    ("still_open", "told", "ids"),
    [
        (1, "1 of 3 sessions was not", "(o0)"),
        (5, "5 of 7 sessions were not", "(o0, o1, o2, o3, o4)"),
        (6, "6 of 8 sessions were not", "(o0, o1, o2, o3, o4, ...)"),
    ],
)
def test_a_deadline_names_how_many_are_open_and_the_first_of_them(still_open: int, told: str, ids: str) -> None:
    with pytest.raises(RaydocsDeadlineError) as raised:
        check_deadline(manifest(extracted=2, still_open=still_open), 3600.4)
    message = str(raised.value)
    assert message.startswith(f"{told} finished after 3600 s {ids}.")
    assert "is billed, at Raydocs" in message


def test_what_a_load_lacks_is_said_with_counts_and_causes() -> None:
    assert describe_missing(manifest(extracted=92, failed=6, skipped=3, still_open=2)) == (
        "8 of 103 documents are missing (4 x parsing: document_failed, 2 x upload: upload_failed, 2 x not finished)"
    )
    assert describe_missing(manifest(extracted=2, failed=1)) == (
        "1 of 3 documents is missing (1 x upload: upload_failed)"
    )


def test_what_an_earlier_load_has_landed_is_not_missing() -> None:
    assert describe_missing(manifest(extracted=1, skipped=9)) is None


@pytest.mark.parametrize("rule", ["all_success", "none_failed", "none_failed_min_one_success", "all_skipped"])
def test_a_load_that_waits_for_success_warns_of_missing_documents(rule: str) -> None:
    assert choose_missing(None, rule) == "warn"
    assert choose_missing("fail", rule) == "fail"


def test_a_load_that_runs_whatever_became_of_its_extraction_fails_for_missing_documents() -> None:
    """Whatever rules Airflow has, and will have: the Dag run must not be green with documents missing."""
    for rule in ("all_done", "all_done_min_one_success", "always", "one_done", "one_success", "none_skipped", "new"):
        assert choose_missing(None, rule) == "fail"
        assert choose_missing("warn", rule) == "warn"
