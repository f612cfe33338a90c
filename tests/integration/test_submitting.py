"""When an intent is noted, and what is refused before anything is sent."""

from __future__ import annotations

import time
from typing import Any

import pytest

from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.extraction.budget import Urgency
from raydocs_provider.extraction.ledger import Claim, Ledger
from raydocs_provider.extraction.manifest import UPLOADED, DocumentRecord
from tests.integration.conftest import GOOD, Task, billed, requests_to, uris


class MemoryStore(dict[str, Any]):
    def set(self, key: str, value: Any) -> None:
        self[key] = value


@pytest.fixture
def ledger() -> tuple[Ledger, MemoryStore]:
    store = MemoryStore()
    return Ledger(store, Claim(0, "raydocs_default", "t", "h")), store


def upload(hook: Any) -> DocumentRecord:
    uploaded = hook.upload(GOOD[0])
    return DocumentRecord(GOOD[0].as_uri(), UPLOADED, uploaded.sha256, uploaded.size, uploaded.key)


def test_a_task_killed_while_it_waits_for_the_budget_leaves_no_intent(hook, template, ledger, emulator, monkeypatch):
    from raydocs_provider.hooks import pacing
    from raydocs_provider.hooks.submitting import create_sessions

    record = upload(hook)
    before = len(requests_to(emulator))

    class Killed(BaseException):
        pass

    def wait(self: Any, urgency: Urgency) -> None:
        raise Killed

    monkeypatch.setattr(pacing.Pacer, "wait", wait)
    with pytest.raises(Killed):
        create_sessions(hook, template.id, [record], ledger[0])
    assert not ledger[1]
    assert len(requests_to(emulator)) == before


def test_a_batch_repeated_after_a_429_is_one_intent_and_one_payment(hook, template, ledger, make_emulator, connect):
    from raydocs_provider.hooks.raydocs import RaydocsHook
    from raydocs_provider.hooks.submitting import create_sessions
    from tests.integration.conftest import make_template

    emulator = make_emulator(admin=True)
    connect("raydocs_limited", host=emulator.url, password=emulator.token)
    with RaydocsHook("raydocs_limited") as limited:
        made = make_template(limited)
        record = upload(limited)
        path = f"{made.id}/sessions/batch"
        emulator.add_fault("answer", method="POST", path=path, status=429, headers={"Retry-After": "0"})
        (submitted,) = create_sessions(limited, made.id, [record], ledger[0])
    assert submitted.session_id
    assert billed(emulator) == 1
    found = ledger[0].recall()
    assert found.sessions == {record.sha256: submitted.session_id}
    assert not found.ambiguous


def test_the_test_button_does_not_wait_for_the_budget(emulator, connect):
    from raydocs_provider.hooks.pacing import pacer_for
    from raydocs_provider.hooks.raydocs import RaydocsHook

    connect(host=emulator.url, password=emulator.token, extra={"requests_per_minute": 1})
    with RaydocsHook() as hook:
        pacer_for(hook.settings).wait(Urgency.LOOK)  # the minute's only request is gone
        started_at = time.monotonic()
        assert hook.test_connection()[0]
    assert time.monotonic() - started_at < 30  # it would have been 60


@pytest.mark.parametrize("nothing", ["None", "  "])
def test_a_results_path_rendered_to_nothing_is_refused_before_anything_is_sent(
    connection: str, nothing: str, emulator: Any
) -> None:
    from raydocs_provider.operators.raydocs import RaydocsExtractOperator

    operator = RaydocsExtractOperator(
        task_id="extract", template_id="t", documents=uris(GOOD[:1]), results_path=nothing
    )
    with pytest.raises(RaydocsInputError, match="results_path is empty"):
        operator.execute(Task().context)
    assert not requests_to(emulator)
