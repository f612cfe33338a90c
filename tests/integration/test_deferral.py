"""RaydocsExtractOperator deferred: what is stored, what comes back, and what the task makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from raydocs_provider.api.models import Template
from raydocs_provider.emulator import Emulator
from raydocs_provider.exceptions import RaydocsAuthenticationError, RaydocsDeadlineError
from raydocs_provider.extraction.manifest import EXTRACTED, FAILED
from raydocs_provider.hooks.raydocs import RaydocsHook
from raydocs_provider.operators import extract as extract_module
from raydocs_provider.operators.raydocs import RaydocsExtractOperator
from tests.integration.conftest import CORRUPT, GOOD, Task, billed, fire, make_template, stored_and_back, uris
from tests.integration.test_operators import extract, read
from tests.moved import XCOM_RETURN_KEY, TaskDeferred

pytestmark = pytest.mark.usefixtures("no_pauses")

MakeEmulator = Callable[..., Emulator]
Connect = Callable[..., str]


@pytest.fixture
def slow(make_emulator: MakeEmulator) -> Emulator:
    """A Raydocs that takes longer than the operator looks before it defers."""
    return make_emulator(extract_seconds=1.5)


def defer(operator: Any, context: Any, monkeypatch: pytest.MonkeyPatch) -> TaskDeferred:
    monkeypatch.setattr(extract_module, "BRIEF_LOOK_SECONDS", 0.2)
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context)
    return deferred.value


def test_a_fast_extraction_never_defers(template: Template, ti: Task, results_path: str) -> None:
    operator = extract(template, uris(GOOD[:2]), results_path=results_path, deferrable=True)
    assert read(operator.execute(ti.context)).states == {EXTRACTED: 2}


@pytest.mark.parametrize("with_spool", [True, False], ids=["results_path", "no results_path"])
def test_a_slow_extraction_goes_through_the_trigger_and_back(
    slow: Emulator,
    connect: Connect,
    ti: Task,
    results_path: str,
    monkeypatch: pytest.MonkeyPatch,
    with_spool: bool,
) -> None:
    with RaydocsHook(connect(host=slow.url, password=slow.token)) as hook:
        template = make_template(hook)
    arguments: dict[str, Any] = {"results_path": results_path if with_spool else None, "deferrable": True}
    documents = uris([*GOOD[:2], CORRUPT])
    deferred = defer(extract(template, documents, **arguments), ti.context, monkeypatch)

    text = json.dumps(deferred.trigger.serialize())
    for secret in (slow.token, "signature", "__storage__", "X-Amz"):
        assert secret not in text
    assert deferred.timeout is not None
    assert deferred.timeout > timedelta(seconds=60)

    event = json.loads(json.dumps(fire(stored_and_back(deferred.trigger))))
    assert event["status"] == "finished"
    fresh = extract(template, documents, on_partial_failure="warn", **arguments)
    written = getattr(fresh, deferred.method_name)(ti.context, event)
    assert read(written).states == {EXTRACTED: 2, FAILED: 1}
    assert len(json.dumps(written)) < 4096
    assert billed(slow) == 3


def test_a_deadline_in_the_trigger_fails_the_task_with_what_is_known(
    make_emulator: MakeEmulator,
    connect: Connect,
    ti: Task,
    results_path: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    emulator = make_emulator(extract_seconds=60)
    with RaydocsHook(connect(host=emulator.url, password=emulator.token)) as hook:
        template = make_template(hook)
    operator = extract(template, uris(GOOD[:2]), results_path=results_path, timeout=1.5, deferrable=True)
    deferred = defer(operator, ti.context, monkeypatch)
    event = fire(stored_and_back(deferred.trigger))
    assert event["status"] == "deadline"
    with pytest.raises(RaydocsDeadlineError):
        operator.execute_complete(ti.context, event)
    assert read(ti.pushed[XCOM_RETURN_KEY]).states == {"submitted": 2}


def test_an_error_in_the_trigger_is_the_same_error_in_the_task_and_leaves_the_manifest(
    slow: Emulator, connect: Connect, ti: Task, results_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RaydocsHook(connect(host=slow.url, password=slow.token)) as hook:
        template = make_template(hook)
    operator = extract(template, uris(GOOD[:2]), results_path=results_path, deferrable=True)
    deferred = defer(operator, ti.context, monkeypatch)
    slow.add_fault("answer", status=401, method="GET", path="/extractions/sessions/", count=0)
    event = fire(stored_and_back(deferred.trigger))
    with pytest.raises(RaydocsAuthenticationError, match="401"):
        operator.execute_complete(ti.context, event)
    assert read(ti.pushed[XCOM_RETURN_KEY]).states == {"submitted": 2}


@pytest.mark.parametrize("event", [None, {}, {"status": "renamed"}, "text"])
def test_an_event_of_another_version_is_an_error_not_a_success(event: Any, ti: Task) -> None:
    operator = RaydocsExtractOperator(task_id="extract", template_id="t", documents="file:///a")
    with pytest.raises(Exception, match="event this version does not know"):
        operator.execute_complete(ti.context, event)
