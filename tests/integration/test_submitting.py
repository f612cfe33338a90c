"""When an intent is noted, and what is refused before anything is sent."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowRuntimeError

from raydocs_provider.exceptions import RaydocsInputError, RaydocsSupersededError
from raydocs_provider.extraction.budget import Urgency
from raydocs_provider.extraction.ledger import Attempt, Claim, Ledger
from raydocs_provider.extraction.manifest import UPLOADED, DocumentRecord
from raydocs_provider.hooks.ledger_stores import StateLedgerStore
from tests.integration.conftest import GOOD, Task, billed, requests_to, uris


class RefusingStore:
    """Airflow's state store, as an attempt sees it to which the API answers with this status."""

    def __init__(self, status: int) -> None:
        self._status = status

    def get(self, key: str) -> Any:
        error = SimpleNamespace(value="API_SERVER_ERROR")
        raise AirflowRuntimeError(SimpleNamespace(error=error, detail={"status_code": self._status}))  # type: ignore[arg-type]

    def set(self, key: str, value: Any) -> None:
        self.get(key)


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

    def wait(self: Any, *_: Any) -> None:
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


def test_a_refused_batch_that_is_not_repeated_because_the_ledger_cannot_be_read_is_not_ambiguous() -> None:
    from raydocs_provider.hooks.submitting import create_sessions

    class Store(MemoryStore):
        away = False

        def get(self, key: str) -> Any:
            if self.away:
                raise OSError("the bucket does not answer")
            return super().get(key)

    class RefusedForTheLimit:
        def call(self, request: Any, before_sending: Any) -> None:
            before_sending()
            store.away = True
            before_sending()

    store, claim = Store(), Claim(0, "raydocs_default", "t", "h")
    ledger = Ledger(store, claim, Attempt("019a0000-0000-7000-8000-000000000001"))
    ledger.take_over()
    record = DocumentRecord("file:///a.pdf", UPLOADED, sha256="a", key="key")
    with pytest.raises(OSError, match="does not answer"):
        create_sessions(RefusedForTheLimit(), "t", [record], ledger)  # type: ignore[arg-type]
    store.away = False
    assert not Ledger(store, claim).recall().ambiguous


@pytest.mark.parametrize("status", [401, 403, 404, 409, 410])
def test_what_airflow_answers_an_attempt_that_it_has_given_up_is_said_in_one_sentence(status: int) -> None:
    store = StateLedgerStore(RefusingStore(status))
    for ask in (lambda: store.get("raydocs_ledger"), lambda: store.set("raydocs_ledger", {})):
        with pytest.raises(RaydocsSupersededError, match=rf"^Airflow has given .* up \({status}\)") as told:
            ask()
        assert told.value.__context__ is None


def test_airflow_being_down_does_not_make_an_attempt_an_old_one() -> None:
    with pytest.raises(AirflowRuntimeError):
        StateLedgerStore(RefusingStore(500)).set("raydocs_ledger", {})


def test_sessions_that_were_paid_for_and_cannot_be_recorded_any_more_are_in_the_log(
    hook: Any, template: Any, emulator: Any, caplog: pytest.LogCaptureFixture
) -> None:
    from raydocs_provider.hooks.submitting import create_sessions

    class GivenUpAtTheAnswer(MemoryStore):
        def set(self, key: str, value: Any) -> None:
            if isinstance(value, dict) and value.get("sessions"):
                raise RaydocsSupersededError("given up")
            super().set(key, value)

    store = GivenUpAtTheAnswer()
    with pytest.raises(RaydocsSupersededError):
        create_sessions(hook, template.id, [upload(hook)], Ledger(store, Claim(0, "raydocs_default", "t", "h")))
    (session_id,) = requests_to(emulator)[-1].created
    assert session_id in caplog.text


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
