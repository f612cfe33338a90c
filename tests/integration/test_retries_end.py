"""Whether RaydocsRetryPolicy lets Airflow try again after attempts that really ended so: as docs/failures.md has it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raydocs_provider.api.models import Template
from raydocs_provider.emulator import Emulator
from raydocs_provider.exceptions import RaydocsError
from raydocs_provider.hooks import submitting
from tests.integration.conftest import CORRUPT, GOOD, uris
from tests.integration.test_ends import BATCH, LOOK, StateStore, TaskRun

pytestmark = [
    pytest.mark.usefixtures("no_pauses", "no_brief_look"),
    pytest.mark.airflow("3.3", because="it has retry policies"),
]


@pytest.fixture
def task(template: Template, results_path: str) -> TaskRun:
    return TaskRun(template, StateStore(), documents=uris(GOOD[:4]), results_path=results_path)


def retries_end(task: TaskRun, **changed: Any) -> bool:
    """Run the task once, see it fail, and ask the policy."""
    from raydocs_provider.operators.retry_policy import RaydocsRetryPolicy

    with pytest.raises(RaydocsError) as raised:
        task.attempt(**changed)
    context = task.context | {"task": task.operator}
    decision = RaydocsRetryPolicy().evaluate(raised.value, 1, 3, context)
    assert decision.action.value in ("fail", "default")
    return decision.action.value == "fail"


@pytest.mark.parametrize("deferrable", [False, True], ids=["sync", "deferred"])
def test_documents_that_stay_failed_end_them(task: TaskRun, deferrable: bool) -> None:
    documents = uris([*GOOD[:1], CORRUPT])
    assert retries_end(task, documents=documents, deferrable=deferrable)
    assert not retries_end(task, documents=documents, deferrable=deferrable, retry_failed=True)


def test_a_document_that_is_tried_again_keeps_them(task: TaskRun, emulator: Emulator) -> None:
    emulator.add_fault("answer", path=BATCH, status=422)
    assert not retries_end(task)


def test_a_lost_answer_ends_them_if_there_is_nothing_else_to_go_on_with(task: TaskRun, emulator: Emulator) -> None:
    emulator.add_fault("drop", path=BATCH, after=True)
    assert retries_end(task)


def test_a_lost_answer_keeps_them_where_it_may_be_submitted_again(task: TaskRun, emulator: Emulator) -> None:
    emulator.add_fault("drop", path=BATCH, after=True)
    assert not retries_end(task, on_ambiguous_submit="resubmit")


@pytest.mark.parametrize("nth", [1, 2])
def test_a_lost_answer_keeps_them_for_the_other_batches_until_only_it_is_left(
    task: TaskRun, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    monkeypatch.setattr(submitting.batches, "__defaults__", (2,))
    emulator.add_fault("drop", path=BATCH, after=True, nth=nth)
    assert not retries_end(task)
    assert retries_end(task), "the others are extracted, these stay failed"


def test_a_refused_token_ends_them_before_anything_is_paid(task: TaskRun, emulator: Emulator) -> None:
    emulator.add_fault("answer", path="/extractions/templates/", status=401)
    assert retries_end(task)


@pytest.mark.parametrize("deferrable", [False, True], ids=["sync", "deferred"])
def test_a_refused_token_keeps_them_while_sessions_are_paid_for(
    task: TaskRun, emulator: Emulator, deferrable: bool
) -> None:
    """Row 11: a clear would pay for them again. Also where the next attempt is refused before it has looked at one."""
    emulator.add_fault("answer", path=LOOK, nth=2, status=401)
    assert not retries_end(task, deferrable=deferrable)
    emulator.add_fault("answer", path="/extractions/templates/", status=401)
    assert not retries_end(task, deferrable=deferrable)


@pytest.mark.parametrize(
    ("changed", "end"),
    [
        ({"max_documents": 1}, True),
        ({"documents": "/inbox/**.pdf"}, True),
        ({"documents": "/there/is/none/yet.pdf"}, False),
        ({"documents": "/there/is/none/*.pdf"}, False),
        ({"results_path": "/dev/null/results"}, False),
    ],
)
def test_an_argument_that_cannot_work_ends_them_and_a_file_that_may_come_does_not(
    task: TaskRun, changed: dict[str, Any], end: bool
) -> None:
    assert retries_end(task, **changed) == end


def test_a_schema_that_the_warehouse_lacks_ends_them(
    task: TaskRun, connect: Callable[..., str], tmp_path: Path
) -> None:
    connect("warehouse", conn_type="duckdb", host=str(tmp_path / "warehouse.duckdb"))
    assert retries_end(task, check_target="warehouse/finance.invoices")
