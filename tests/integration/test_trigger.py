"""RaydocsSessionsTrigger run on a loop, as the triggerer runs it."""

from __future__ import annotations

import asyncio
import gc
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raydocs_provider.emulator import Emulator
from raydocs_provider.hooks import raydocs_async
from raydocs_provider.hooks.raydocs import RaydocsHook
from raydocs_provider.operators.raydocs import RaydocsCreateSessionsOperator, RaydocsUploadOperator
from raydocs_provider.triggers import raydocs as triggers
from raydocs_provider.triggers.raydocs import RaydocsSessionsTrigger
from tests.integration.conftest import (
    CORRUPT,
    GOOD,
    Task,
    fire,
    looks,
    make_template,
    requests_to,
    stored_and_back,
    uris,
)

pytestmark = pytest.mark.usefixtures("no_pauses")

Submit = Callable[..., tuple[Emulator, dict[str, Any]]]


@pytest.fixture
def submit(make_emulator: Callable[..., Emulator], connect: Callable[..., str], ti: Task, results_path: str) -> Submit:
    """Makes an emulator, and sessions at it; returns both."""

    def make(documents: Any = GOOD[:2], **settings: Any) -> tuple[Emulator, dict[str, Any]]:
        emulator = make_emulator(**settings)
        with RaydocsHook(connect(host=emulator.url, password=emulator.token)) as hook:
            template = make_template(hook)
        upload = RaydocsUploadOperator(task_id="upload", documents=uris(documents), results_path=results_path)
        uploads = upload.execute(ti.context)
        created = RaydocsCreateSessionsOperator(task_id="create", template_id=template.id, uploads=uploads)
        return emulator, created.execute(ti.context)

    return make


def trigger(manifest: Any, **arguments: Any) -> RaydocsSessionsTrigger:
    quick: dict[str, Any] = {"deadline": time.time() + 30, "expected_seconds": 0.1, "poll_min": 0.05}
    return RaydocsSessionsTrigger("raydocs_default", manifest, **{**quick, **arguments})


def test_making_one_never_fails_whatever_an_older_version_stored() -> None:
    for garbage in (None, "text", [], {"schema_version": 99}, object()):
        made = RaydocsSessionsTrigger(garbage, garbage, garbage, poll_min=garbage)  # type: ignore[arg-type]
        assert made.serialize()[1]["manifest"] is garbage


@pytest.mark.parametrize("manifest", [{}, {"schema_version": 99, "counts": {}}], ids=["nothing", "a later version"])
def test_a_manifest_that_cannot_be_read_is_an_event(connection: str, manifest: Any) -> None:
    event = fire(trigger(manifest))
    assert (event["status"], event["error_type"]) == ("error", "RaydocsManifestError")


def test_what_is_stored_is_plain_and_complete(submit: Submit) -> None:
    _, manifest = submit()
    classpath, kwargs = trigger(manifest, session_timeout=60).serialize()
    assert classpath == "raydocs_provider.triggers.raydocs.RaydocsSessionsTrigger"
    assert json.loads(json.dumps(kwargs)) == kwargs
    stored_and_back(trigger(manifest))


def test_all_sessions_end_in_one_event(submit: Submit) -> None:
    _, manifest = submit([*GOOD[:2], CORRUPT])
    event = fire(trigger(manifest))
    assert event["status"] == "finished"
    counts = event["manifest"]["counts"]
    assert (counts["extracted"], counts["failed"], counts["submitted"]) == (2, 1, 0)


def test_a_restarted_trigger_does_not_look_again_at_what_is_on_file(submit: Submit, tmp_path: Path) -> None:
    emulator, manifest = submit(GOOD[:6])

    def on_file() -> set[str]:
        return {path.stem for path in (tmp_path / "results").glob("[!._]*.json")}

    async def run_until_three_are_on_file() -> None:
        task = asyncio.create_task(anext(aiter(trigger(manifest).run())))  # type: ignore[arg-type]
        while len(on_file()) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run_until_three_are_on_file())
    before = len(looks(emulator))
    done = on_file()
    assert 3 <= len(done) < 6
    event = fire(stored_and_back(trigger(manifest)))
    assert event["manifest"]["counts"]["extracted"] == 6
    assert set(looks(emulator)[before:]).isdisjoint(done)


def test_a_refused_token_is_an_error_that_names_its_kind(submit: Submit) -> None:
    emulator, manifest = submit()
    emulator.add_fault("answer", status=401, count=0)
    event = fire(trigger(manifest))
    assert (event["status"], event["error_type"]) == ("error", "RaydocsAuthenticationError")
    assert event["manifest"] == manifest
    assert emulator.token not in json.dumps(event)


def test_a_results_path_that_cannot_be_read_is_an_event(submit: Submit) -> None:
    _, manifest = submit()
    assert fire(trigger({**manifest, "results_path": "nosuch://bucket/"}))["error_type"] == "RaydocsInputError"
    assert fire(trigger({**manifest, "results_path": "file:///dev/null/x/"}))["error_type"] == "RaydocsManifestError"


def test_a_results_path_that_the_triggerer_cannot_write_is_an_event(
    submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, manifest = submit()

    def refuse(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    event = fire(trigger(manifest))
    assert event["status"] == "error"
    assert "results_path" in event["error"]
    assert "No space left on device" in event["error"]
    assert event["manifest"] == manifest


def test_the_deadline_is_an_event_with_what_is_known(submit: Submit) -> None:
    _, manifest = submit([*GOOD[:2], CORRUPT], extract_seconds=60)
    event = fire(trigger(manifest, deadline=time.time() + 1.5))
    assert event["status"] == "deadline"
    counts = event["manifest"]["counts"]
    assert (counts["submitted"], counts["failed"]) == (2, 1)


def test_an_outage_longer_than_the_deadline_ends_at_the_deadline(submit: Submit) -> None:
    emulator, manifest = submit()
    emulator.add_fault("answer", status=503, count=0)
    event = fire(trigger(manifest, deadline=time.time() + 0.5))
    assert event["status"] in ("deadline", "error")


def test_no_event_leaves_right_after_the_deferral(submit: Submit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triggers, "MIN_SECONDS_DEFERRED", 1.5)
    _, manifest = submit()
    started_at = time.monotonic()
    assert fire(trigger(manifest))["status"] == "finished"
    assert time.monotonic() - started_at >= 1.5
    started_at = time.monotonic()
    assert fire(trigger({}))["status"] == "error"
    assert time.monotonic() - started_at >= 1.5


def test_a_cancelled_trigger_leaves_nothing_open_and_sends_nothing_more(submit: Submit) -> None:
    emulator, manifest = submit(extract_seconds=60)

    async def cancel() -> None:
        task = asyncio.create_task(anext(aiter(trigger(manifest).run())))  # type: ignore[arg-type]
        while not looks(emulator):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        asyncio.run(cancel())
        gc.collect()
    sent = len(requests_to(emulator))
    time.sleep(0.3)
    assert len(requests_to(emulator)) == sent


def test_triggers_on_one_loop_share_one_session(submit: Submit) -> None:
    _, manifest = submit(extract_seconds=1)
    sessions: set[object] = set()

    async def event(each: RaydocsSessionsTrigger) -> str:
        fired = await anext(aiter(each.run()))
        return str(fired.payload["status"])

    async def note_sessions() -> None:
        while True:
            sessions.update(raydocs_async._shared_sessions.get(asyncio.get_running_loop(), {}).values())
            await asyncio.sleep(0.01)

    async def run_several() -> list[str]:
        noting = asyncio.create_task(note_sessions())
        events = await asyncio.gather(*(event(trigger(manifest)) for _ in range(5)))
        noting.cancel()
        return events

    assert asyncio.run(run_several()) == ["finished"] * 5
    assert len(sessions) == 1


async def test_a_deferred_task_that_is_ended_by_hand_says_what_runs_on() -> None:
    said: list[str] = []

    class Log:
        def warning(self, message: str, *arguments: Any) -> None:
            said.append(message % arguments)

    ended = RaydocsSessionsTrigger("raydocs_default", {"counts": {"submitted": 14}}, 0.0)
    ended._log = Log()
    await ended.on_kill()
    assert "Up to 14 sessions go on, and are billed" in said[0]
