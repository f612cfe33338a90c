"""RaydocsSessionsSensor in its three modes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from raydocs_provider.emulator import Emulator
from raydocs_provider.exceptions import RaydocsAuthenticationError, RaydocsExtractionError, RaydocsManifestError
from raydocs_provider.hooks.raydocs import RaydocsHook
from raydocs_provider.operators.raydocs import RaydocsCreateSessionsOperator, RaydocsUploadOperator
from raydocs_provider.sensors import raydocs as sensors
from raydocs_provider.sensors.raydocs import RaydocsSessionsSensor
from tests.integration.conftest import CORRUPT, GOOD, Task, fire, looks, make_template, stored_and_back, uris
from tests.moved import (
    XCOM_RETURN_KEY,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)

pytestmark = pytest.mark.usefixtures("no_pauses")

Submit = Callable[..., tuple[Emulator, dict[str, Any]]]


@pytest.fixture
def submit(make_emulator: Callable[..., Emulator], connect: Callable[..., str], ti: Task, results_path: str) -> Submit:
    """Makes an emulator, and sessions at it; returns both."""

    def make(documents: Any = GOOD[:2], *, spool: bool = True, **settings: Any) -> tuple[Emulator, dict[str, Any]]:
        emulator = make_emulator(**settings)
        with RaydocsHook(connect(host=emulator.url, password=emulator.token)) as hook:
            template = make_template(hook)
        upload = RaydocsUploadOperator(
            task_id="upload", documents=uris(documents), results_path=results_path if spool else None
        )
        created = RaydocsCreateSessionsOperator(
            task_id="create", template_id=template.id, uploads=upload.execute(ti.context)
        )
        return emulator, created.execute(ti.context)

    return make


@dataclass
class SensorTask(Task):
    """A task instance of a sensor that was rescheduled first at some time."""

    first: datetime = field(default_factory=lambda: datetime.now(UTC))

    def get_first_reschedule_date(self, context: Any) -> datetime:
        return self.first


def sensor(sessions: Any, **arguments: Any) -> RaydocsSessionsSensor:
    quick: dict[str, Any] = {"poke_interval": 0.1, "timeout": 30, "expected_seconds": 0.1, "deferrable": False}
    return RaydocsSessionsSensor(task_id="wait", sessions=sessions, **{**quick, **arguments})


@pytest.mark.parametrize("spool", [True, False], ids=["results_path", "no results_path"])
def test_poking_ends_with_the_manifest(submit: Submit, ti: Task, spool: bool) -> None:
    _, sessions = submit(spool=spool)
    assert sensor(sessions).execute(ti.context)["counts"]["extracted"] == 2


def test_one_poke_is_one_look_while_nothing_has_ended_and_all_of_them_once_something_has(
    submit: Submit, ti: Task
) -> None:
    emulator, sessions = submit(GOOD[:5], parse_seconds=0, extract_seconds=2)
    time.sleep(0.2)
    assert not sensor(sessions).poke(ti.context)
    assert len(looks(emulator)) == 1
    time.sleep(3)
    assert sensor(sessions).poke(ti.context)
    assert len(looks(emulator)) == 6
    assert len(set(looks(emulator))) == 5


@pytest.mark.usefixtures("usual_pace")
def test_a_poke_before_anything_can_be_done_costs_nothing(submit: Submit, ti: Task) -> None:
    emulator, sessions = submit()
    assert not sensor(sessions, expected_seconds=60).poke(ti.context)
    assert looks(emulator) == []


def test_rescheduling_goes_on_where_the_last_poke_ended(submit: Submit) -> None:
    emulator, sessions = submit([*GOOD[:2], CORRUPT], parse_seconds=0, extract_seconds=2)
    ti = SensorTask()
    for _ in range(100):
        try:
            # A rescheduled task is a new process: nothing but the manifest and what is on file is left.
            done = sensor(sessions, mode="reschedule", on_partial_failure="warn").execute(ti.context)
            break
        except AirflowRescheduleException:
            time.sleep(0.1)
    assert (done["counts"]["extracted"], done["counts"]["failed"]) == (2, 1)
    pokes_of_the_corrupt_one = min(looks(emulator).count(session_id) for session_id in set(looks(emulator)))
    assert pokes_of_the_corrupt_one < max(looks(emulator).count(session_id) for session_id in set(looks(emulator)))


def test_a_slow_extraction_goes_through_the_trigger_and_back(
    submit: Submit, ti: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensors, "BRIEF_LOOK_SECONDS", 0.2)
    _, sessions = submit(extract_seconds=1.5)
    with pytest.raises(TaskDeferred) as deferred:
        sensor(sessions, deferrable=True).execute(ti.context)
    assert deferred.value.timeout is not None
    assert deferred.value.timeout > timedelta(seconds=30)
    event = fire(stored_and_back(deferred.value.trigger))  # type: ignore[arg-type]
    fresh = sensor(sessions, deferrable=True)
    assert fresh.resume_execution("execute_complete", {"event": event}, ti.context)["counts"]["extracted"] == 2


def test_a_fast_extraction_never_defers(submit: Submit, ti: Task) -> None:
    _, sessions = submit()
    assert sensor(sessions, deferrable=True).execute(ti.context)["counts"]["extracted"] == 2


# --- the deadline


def test_the_deadline_is_a_sensor_timeout_when_poking(submit: Submit, ti: Task) -> None:
    _, sessions = submit(extract_seconds=60)
    with pytest.raises(AirflowSensorTimeout):
        sensor(sessions, timeout=0.3).execute(ti.context)
    with pytest.raises(AirflowSkipException):
        sensor(sessions, timeout=0.3, soft_fail=True).execute(ti.context)


def test_the_deadline_is_a_sensor_timeout_when_rescheduling(submit: Submit) -> None:
    _, sessions = submit(extract_seconds=60)
    ti = SensorTask(first=datetime.now(UTC) - timedelta(seconds=31))
    with pytest.raises(AirflowSensorTimeout):
        sensor(sessions, mode="reschedule").execute(ti.context)
    with pytest.raises(AirflowSkipException):
        sensor(sessions, mode="reschedule", soft_fail=True).execute(ti.context)


def test_the_deadline_is_a_sensor_timeout_when_deferred(submit: Submit, ti: Task) -> None:
    _, sessions = submit([*GOOD[:2], CORRUPT], extract_seconds=60)
    with pytest.raises(TaskDeferred) as deferred:
        sensor(sessions, deferrable=True, timeout=1).execute(ti.context)
    event = fire(stored_and_back(deferred.value.trigger))  # type: ignore[arg-type]
    assert event["status"] == "deadline"
    with pytest.raises(AirflowSensorTimeout, match="2 of 3 sessions were not finished"):
        sensor(sessions).resume_execution("execute_complete", {"event": event}, ti.context)
    assert ti.pushed[XCOM_RETURN_KEY]["counts"]["failed"] == 1
    with pytest.raises(AirflowSkipException):
        sensor(sessions, soft_fail=True).resume_execution("execute_complete", {"event": event}, ti.context)


# --- failures


def test_a_failed_document_fails_the_sensor_and_the_others_stay_in_the_manifest(submit: Submit, ti: Task) -> None:
    _, sessions = submit([*GOOD[:2], CORRUPT])
    with pytest.raises(RaydocsExtractionError, match="1 of 3"):
        sensor(sessions).execute(ti.context)
    assert ti.pushed[XCOM_RETURN_KEY]["counts"]["extracted"] == 2
    assert sensor(sessions, on_partial_failure="warn").execute(ti.context)["counts"]["failed"] == 1


def test_a_refused_token_ends_the_wait(submit: Submit, ti: Task) -> None:
    emulator, sessions = submit()
    emulator.add_fault("answer", status=401, method="GET", count=0)
    with pytest.raises(RaydocsAuthenticationError):
        sensor(sessions).execute(ti.context)


@pytest.mark.parametrize("sessions", [None, [], "text"])
def test_a_sensor_says_what_it_needs(connection: str, ti: Task, sessions: Any) -> None:
    with pytest.raises(RaydocsManifestError):
        sensor(sessions).execute(ti.context)
