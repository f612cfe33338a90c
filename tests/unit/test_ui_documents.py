"""What the tab says where the list of documents is out of reach."""

from __future__ import annotations

from typing import Any

import pytest

from raydocs_provider.plugins.api.documents import TaskDocuments
from raydocs_provider.plugins.api.reading import TaskFacts
from raydocs_provider.plugins.api.summaries import TaskRun


def describe_without_list(kind: str, **progress: Any) -> dict[str, Any]:
    run = TaskRun("invoices", "r", "t", -1, 1, "failed", None, None, None, {"kind": kind, **progress})
    facts = TaskFacts(run, None, None, {}, 0)
    return TaskDocuments(facts, None, "out of reach").describe("", "", 0, 10)


@pytest.mark.parametrize("kind", ["extract", "create_sessions"])
def test_nothing_is_said_to_be_free_where_nobody_knows(kind: str) -> None:
    said = describe_without_list(kind, counts={"total": 40, "failed": 3})
    assert said["problem"] == "out of reach"
    assert said["retry"]["summary"].startswith("Nobody can say from here what a retry pays for")
    assert " 40 document" in said["clear"]["summary"]


@pytest.mark.parametrize("kind", ["upload", "wait", "load", "store"])
def test_tasks_that_never_pay_say_so_without_a_list(kind: str) -> None:
    said = describe_without_list(kind)
    assert "pays for nothing" in said["retry"]["summary"]
    assert "pays for nothing" in said["clear"]["summary"]
