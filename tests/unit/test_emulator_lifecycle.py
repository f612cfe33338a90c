"""What state a document, a run and a session are in at a moment."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from raydocs_provider.emulator.lifecycle import (
    DocumentProgress,
    DocumentStage,
    Outcome,
    RunStage,
    SessionStage,
    document_progress,
    run_progress,
    session_stage,
)

PARSED = DocumentProgress(DocumentStage.PARSED, 10)
FAILED = DocumentProgress(DocumentStage.FAILED, 10)
PARSING = DocumentProgress(DocumentStage.PARSING)

_times = st.floats(0, 1_000)


def stages_of_document(reading: Outcome | None) -> list[DocumentStage]:
    return [document_progress(100, 10, reading, now).stage for now in (100, 101, 102, 109, 110, 200)]


def test_a_document_is_queued_then_parsed_then_done():
    assert [stage.name for stage in stages_of_document(Outcome(100))] == [
        "QUEUED",
        "QUEUED",
        "PARSING",
        "PARSING",
        "PARSED",
        "PARSED",
    ]


def test_a_document_that_cannot_be_read_fails_when_its_parsing_would_have_ended():
    assert stages_of_document(Outcome(100, "corrupt"))[3:] == [
        DocumentStage.PARSING,
        DocumentStage.FAILED,
        DocumentStage.FAILED,
    ]


def test_a_document_stays_in_parsing_until_it_has_really_been_read():
    assert document_progress(100, 10, None, 10_000).stage is DocumentStage.PARSING
    assert document_progress(100, 10, Outcome(150), 149) == DocumentProgress(DocumentStage.PARSING)
    assert document_progress(100, 10, Outcome(150), 150) == DocumentProgress(DocumentStage.PARSED, 150)


def test_a_document_that_no_session_uses_is_not_parsed():
    assert document_progress(None, 10, None, 10_000) == DocumentProgress(DocumentStage.UPLOADED)


def test_a_run_waits_for_its_documents_then_takes_its_own_time():
    def at(now: float) -> RunStage:
        return run_progress(0, [PARSED, DocumentProgress(DocumentStage.PARSED, 20)], 10, Outcome(0), now).stage

    assert [at(now) for now in (20, 21.9, 22, 29.9, 30)] == [
        RunStage.CREATED,
        RunStage.CREATED,
        RunStage.PROCESSING,
        RunStage.PROCESSING,
        RunStage.COMPLETED,
    ]
    assert run_progress(0, [PARSED, PARSING], 10, None, 500).stage is RunStage.DEFERRED


def test_a_run_over_readable_and_unreadable_documents_is_a_run_over_the_readable_ones():
    assert run_progress(0, [PARSED, FAILED], 0, Outcome(0), 10).stage is RunStage.COMPLETED
    assert run_progress(0, [FAILED, FAILED], 0, None, 10).stage is RunStage.UNPARSED


def test_a_run_fails_when_its_extraction_did():
    assert run_progress(0, [PARSED], 0, Outcome(0, "boom"), 10).stage is RunStage.FAILED


def test_a_rerun_on_parsed_documents_begins_when_it_was_asked_for():
    assert run_progress(50, [PARSED], 10, None, 55).began_at == 50


def test_a_session_says_what_its_latest_run_says():
    completed = run_progress(0, [PARSED], 0, Outcome(0), 10)
    going_on = run_progress(0, [PARSED], 0, None, 10)
    unparsed = run_progress(0, [FAILED], 0, None, 10)
    assert session_stage([PARSED], [completed]) is SessionStage.COMPLETED
    assert session_stage([PARSED], [completed, going_on]) is SessionStage.PROCESSING
    assert session_stage([FAILED], [unparsed]) is SessionStage.FAILED


def test_a_session_without_runs_is_pending_unless_nothing_in_it_can_be_read():
    assert session_stage([], []) is SessionStage.PENDING
    assert session_stage([PARSED, FAILED], []) is SessionStage.PENDING
    assert session_stage([FAILED], []) is SessionStage.FAILED


@given(st.lists(_times, min_size=2), _times, _times, st.none() | st.builds(Outcome, _times, st.none() | st.just("bad")))
def test_a_document_never_goes_back(moments: list[float], started: float, seconds: float, reading: Outcome | None):
    seen = [document_progress(started, seconds, reading, now).stage.value for now in sorted(moments)]
    assert seen == sorted(seen)


@given(st.lists(_times, min_size=2), _times, _times, _times, _times)
def test_a_run_never_goes_back(
    moments: list[float], requested: float, parse_seconds: float, seconds: float, done_at: float
):
    order = [RunStage.DEFERRED, RunStage.CREATED, RunStage.PROCESSING, RunStage.COMPLETED]
    seen = []
    for now in sorted(moments):
        document = document_progress(0, parse_seconds, Outcome(0), now)
        extraction = Outcome(done_at) if done_at <= now else None
        seen.append(order.index(run_progress(requested, [document], seconds, extraction, max(now, requested)).stage))
    assert seen == sorted(seen)
