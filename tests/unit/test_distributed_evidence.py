"""What `make e2e-celery` takes for a shortfall."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.distributed.evidence import Evidence, shortfalls


def counts(total: int, failed: int = 0) -> dict[str, dict[str, int]]:
    return {"counts": {"total": total, "extracted": total - failed, "failed": failed}}


CLEAN = Evidence(
    documents=3,
    state="success",
    paid={"s1": "a", "s2": "b", "s3": "c"},
    manifests=[counts(2), counts(1)],
    landed=["a", "b", "c"],
    ledger=[("a", "extracted", None), ("b", "extracted", None), ("c", "extracted", None)],
)
CUT_OFF = replace(
    CLEAN,
    manifests=[counts(2, failed=1), counts(1)],
    landed=["a", "c"],
    ledger=[("a", "extracted", None), ("b", "failed", "ambiguous_submit"), ("c", "extracted", None)],
    unanswered=1,
)


@pytest.mark.parametrize("evidence", [CLEAN, CUT_OFF])
def test_each_document_paid_once_and_in_one_row_or_documented_as_ambiguous_is_no_shortfall(evidence):
    assert list(shortfalls(evidence)) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"state": "failed"}, "ended as failed"),
        ({"paid": CLEAN.paid | {"s4": "a"}}, "1 document(s) were paid for more than once"),
        ({"paid": {"s1": "a", "s2": "b"}}, "2 of 3 documents were paid for"),
        ({"manifests": [counts(2)]}, "the manifests count"),
        ({"manifests": [{"counts": {"total": 3, "extracted": 2, "failed": 0}}]}, "do not add up"),
        ({"landed": ["a", "b", "c", "c"]}, "1 document(s) have more than one row"),
        ({"landed": ["a", "b"]}, "2 documents have a row, 3 should"),
        ({"landed": ["a", "b", "d"]}, "not paid for"),
        ({"ledger": CLEAN.ledger[:2]}, "the documents table has 2 rows for 3 documents"),
        ({"ledger": [*CLEAN.ledger[:2], ("c", "failed", "upload_failed")]}, "upload_failed"),
        ({"unanswered": 1}, "expected 2 extracted and 1 failed"),
    ],
)
def test_what_does_not_hold_is_said(change, says):
    assert any(says in sentence for sentence in shortfalls(replace(CLEAN, **change)))
