"""How a session ended, and which one to look at next, when: judged by tables and by a simulated server."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from math import inf
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raydocs_provider.api.models import (
    DOCUMENT_STATUSES,
    RESULT_STATUSES,
    SESSION_STATUSES,
    Document,
    Parsing,
    Result,
    Session,
)
from raydocs_provider.extraction.manifest import EXTRACTED, FAILED, Outcome
from raydocs_provider.extraction.waiting import (
    Pace,
    Waiting,
    judge,
    newest_run,
    server_seconds,
    unknown_statuses,
)

SHA256 = "a" * 64


def session(
    document: str | None = "parsed",
    *runs: str | None,
    status: str | None = None,
    parsings: Sequence[str | None] = (),
    sha256: str | None = SHA256,
) -> Session:
    """A session of one document, with its runs from the oldest to the newest."""
    results = tuple(
        Result(f"r{n}", status=run, created_at=f"2026-01-15T10:3{n}:00Z") for n, run in enumerate(runs, start=1)
    )
    parsed = tuple(Parsing(parsing) for parsing in parsings)
    return Session("s", status=status, documents=(Document("d", "a.pdf", document, sha256, parsed),), results=results)


def verdict(judged: Session) -> str:
    outcome = judge(judged)
    return "open" if outcome is None else outcome.code or outcome.state


OPEN, DONE = "open", "extracted"
RUNNING = ["created", "parsing_pending", "pending", "processing", "paused", None]
# The run, whatever else the session says: document, session status.
SURROUNDINGS = [
    ("parsed", None),
    ("ready", "completed"),
    ("processing", "processing"),
    ("failed", None),
    ("failed", "failed"),
    ("brand_new", "brand_new"),
    (None, None),
]


@pytest.mark.parametrize(("document", "status"), SURROUNDINGS)
def test_a_finished_run_decides_whatever_else_is_said(document: str | None, status: str | None) -> None:
    assert verdict(session(document, "completed", status=status)) == DONE
    assert verdict(session(document, "failed", status=status)) == "extraction_failed"
    assert verdict(session(document, "completed", status=status, parsings=["failed"])) == DONE


@pytest.mark.parametrize("run", RUNNING)
@pytest.mark.parametrize("status", [None, "pending", "processing", "completed", "failed", "brand_new"])
@pytest.mark.parametrize("document", ["uploaded", "queued", "parsing", "parsed", "processed", "ready", "odd", None])
def test_an_unfinished_run_goes_on_as_long_as_its_document_lives(
    run: str | None, status: str | None, document: str | None
) -> None:
    assert verdict(session(document, run, status=status)) == OPEN


@pytest.mark.parametrize("runs", [[], *([run] for run in RUNNING)])
@pytest.mark.parametrize("status", [None, "processing", "completed", "failed"])
def test_a_failed_document_ends_a_session_without_a_finished_run(runs: list[str | None], status: str | None) -> None:
    assert verdict(session("failed", *runs, status=status)) == "document_failed"


# No run yet: document, its parsings, session status -> verdict.
WITHOUT_A_RUN: list[tuple[str | None, Sequence[str | None], str | None, str]] = [
    # New layer.
    ("uploaded", [], "pending", OPEN),
    ("queued", ["queued"], "pending", OPEN),
    ("parsing", ["parsing"], "processing", OPEN),
    ("parsed", ["ready"], "processing", OPEN),
    ("processed", ["ready"], "completed", OPEN),
    ("parsing", ["failed"], "processing", "parsing_failed"),
    ("queued", ["failed", "failed"], None, "parsing_failed"),
    (None, ["failed"], None, "parsing_failed"),
    ("parsing", ["failed", "queued"], "processing", OPEN),
    ("parsing", ["failed", None], "processing", OPEN),
    ("parsing", ["failed", "brand_new"], "processing", OPEN),
    # A document that is done was parsed in another way than the one that failed.
    ("parsed", ["failed"], "processing", OPEN),
    ("ready", ["failed"], "processing", OPEN),
    ("processed", ["failed"], "processing", OPEN),
    ("failed", ["failed"], "failed", "document_failed"),
    ("failed", ["ready"], None, "document_failed"),
    ("failed", [], None, "document_failed"),
    # Old layer: no parsings, no sha256, no word on the session.
    ("pending", [], None, OPEN),
    ("processing", [], None, OPEN),
    ("ready", [], None, OPEN),
    # The session's own word counts only where nothing else does.
    ("parsed", [], "failed", "session_failed"),
    (None, [], "failed", "session_failed"),
    ("parsed", [], "completed", OPEN),
    ("parsed", [], "brand_new", OPEN),
]


@pytest.mark.parametrize(("document", "parsings", "status", "expected"), WITHOUT_A_RUN)
def test_a_session_without_a_run_is_judged_by_its_document(
    document: str | None, parsings: Sequence[str | None], status: str | None, expected: str
) -> None:
    assert verdict(session(document, status=status, parsings=parsings)) == expected


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ([], OPEN),
        (["failed", "failed"], "document_failed"),
        (["failed", "parsed"], OPEN),
        (["failed", "parsing"], OPEN),
    ],
)
def test_a_session_of_several_documents_fails_with_the_last_of_them(documents: list[str], expected: str) -> None:
    judged = Session("s", documents=[Document(f"d{n}", status=status) for n, status in enumerate(documents)])
    assert verdict(judged) == expected


@pytest.mark.parametrize(
    ("runs", "expected", "run"),
    [
        (["failed", "completed"], DONE, "r2"),
        (["completed", "failed"], "extraction_failed", "r2"),
        (["completed", "processing"], OPEN, None),
        (["failed", "created"], OPEN, None),
        (["completed", "paused"], OPEN, None),
    ],
)
def test_of_several_runs_the_newest_decides(runs: list[str], expected: str, run: str | None) -> None:
    judged = session("parsed", *runs)
    for results in (judged.results, judged.results[::-1]):
        found = Session("s", documents=judged.documents, results=results)
        assert verdict(found) == expected
        outcome = judge(found)
        assert (outcome.result_id if outcome else None) == run


@pytest.mark.parametrize(
    ("times", "newest"),
    [
        ([], None),
        ([None], 0),
        (["2026-01-15T10:30:00Z", "2026-01-15T10:31:00Z"], 1),
        (["2026-01-15T10:31:00Z", "2026-01-15T10:30:00Z"], 0),
        (["2026-01-15T10:30:00.500000Z", "2026-01-15T10:30:00Z"], 0),
        (["2026-01-15T10:30:00Z", "2026-01-15T10:30:00.500000Z"], 1),
        (["2026-01-15T12:00:00+02:00", "2026-01-15T10:30:00Z"], 1),
        (["2026-01-15T10:30:00", "2026-01-15T10:30:01Z"], 1),
        (["2026-01-15T10:30:00Z", "2026-01-15T10:30:00Z"], 1),
        ([None, None], 1),
        (["2026-01-15T10:30:00Z", None], 0),
        (["yesterday", "2026-01-15T10:30:00Z"], 1),
        (["2026-01-15T10:30:00Z", "yesterday"], 0),
    ],
)
def test_the_newest_run_is_told_by_time_and_else_by_place(times: list[str | None], newest: int | None) -> None:
    results = [Result(str(n), created_at=time) for n, time in enumerate(times)]
    run = newest_run(results)
    assert (run.id if run else None) == (None if newest is None else str(newest))


def test_an_outcome_says_what_was_read_and_what_the_session_holds() -> None:
    assert judge(session("ready", "completed")) == Outcome(EXTRACTED, "r1", SHA256)
    assert judge(session("ready", "completed", sha256=None)) == Outcome(EXTRACTED, "r1", None)
    two = Session(
        "s", documents=[Document("d", sha256="b"), Document("e", sha256="c")], results=[Result("r", status="completed")]
    )
    assert judge(two) == Outcome(EXTRACTED, "r", None)


def test_a_failure_gives_the_reason_there_is() -> None:
    told = judge(Session("s", results=[Result("r", status="failed", error="No text found")]))
    silent = judge(Session("s", results=[Result("r", status="failed")]))
    assert told == Outcome(FAILED, "r", None, "extraction", "extraction_failed", "No text found")
    assert silent == Outcome(FAILED, "r", None, "extraction", "extraction_failed", "Raydocs gave no reason.")
    damaged = judge(session("failed"))
    assert damaged is not None
    assert (damaged.stage, damaged.result_id, damaged.document_sha256) == ("parsing", None, SHA256)
    assert "damaged, encrypted" in (damaged.reason or "")


def test_statuses_no_page_names_are_reported_by_what_has_them() -> None:
    odd = session("parsed", "paused", None, "completed", status="archived", parsings=["reading"])
    assert unknown_statuses(odd) == {"result 'paused'", "session 'archived'", "parsing 'reading'"}
    assert unknown_statuses(session("shredded")) == {"document 'shredded'"}


def test_every_status_of_the_pages_is_known() -> None:
    for status in (*RESULT_STATUSES, None):
        assert not unknown_statuses(session("parsed", status))
    for status in (*DOCUMENT_STATUSES, None):
        assert not unknown_statuses(session(status))
    for status in (*SESSION_STATUSES, None):
        assert not unknown_statuses(session(status=status))


# --- which session to look at next -----------------------------------------------------------------------------------

ENDED = Outcome(EXTRACTED, "r")
BUDGET = 0.6  # seconds a look takes, at 100 requests a minute


@dataclass
class Watched:
    """What a wait over simulated sessions did."""

    waiting: Waiting
    looks: Mapping[str, Sequence[float]]
    order: Sequence[str]
    ended_at: float

    @property
    def looks_per_session(self) -> float:
        return len(self.order) / len(self.looks)


def watch(
    durations: Mapping[str, float],
    pace: Pace | None = None,
    *,
    seconds_per_look: float = BUDGET,
    until: float = 1e6,
    seed: int = 0,
) -> Watched:
    """Wait for sessions that take so long, on a clock that the request budget sets the pace of."""
    random, now, looks, order = Random(seed), 0.0, defaultdict[str, list[float]](list), []
    waiting = Waiting(dict.fromkeys(durations, 0.0), pace or Pace())

    def round_seconds() -> float:
        return seconds_per_look * len(waiting.open)

    while (look := waiting.next_look(now, round_seconds())) is not None:
        session_id, delay = look
        assert delay >= 0
        assert session_id in waiting.open
        if now + delay > until:
            break
        now += delay
        looks[session_id].append(now)
        order.append(session_id)
        if now >= durations[session_id]:
            waiting.record_outcome(session_id, ENDED, durations[session_id])
        else:
            waiting.record_unfinished(session_id, now, round_seconds(), random.random())
        now += seconds_per_look
    return Watched(waiting, looks, order, now)


def sessions(durations: Sequence[float]) -> dict[str, float]:
    return {f"s{number}": duration for number, duration in enumerate(durations)}


DURATIONS = st.lists(st.floats(0, 2000), min_size=1, max_size=40).map(sessions)
PACES = st.builds(
    Pace,
    expected_seconds=st.floats(1, 300),
    poll_min=st.floats(1, 30),
    session_timeout=st.none() | st.floats(1, 1000),
)
LOOK = st.floats(0.01, 5)
SEED = st.integers(0, 100)


@given(DURATIONS, PACES, LOOK, st.floats(0, 3000), SEED)
@settings(max_examples=50)
def test_every_session_ends_or_is_still_open(
    durations: dict[str, float], pace: Pace, seconds_per_look: float, until: float, seed: int
) -> None:
    waiting = watch(durations, pace, seconds_per_look=seconds_per_look, until=until, seed=seed).waiting
    assert waiting.open | set(waiting.outcomes) == set(durations)
    assert not waiting.open & set(waiting.outcomes)
    assert waiting.finished == (not waiting.open)


@given(DURATIONS, PACES, LOOK, SEED)
@settings(max_examples=50)
def test_every_session_ends_when_there_is_time(
    durations: dict[str, float], pace: Pace, seconds_per_look: float, seed: int
) -> None:
    watched = watch(durations, pace, seconds_per_look=seconds_per_look, seed=seed)
    assert watched.waiting.finished
    for session_id, outcome in watched.waiting.outcomes.items():
        last = watched.looks[session_id][-1]
        if outcome == ENDED:
            assert last >= durations[session_id]
        else:
            assert outcome.code == "session_timeout"
            assert pace.session_timeout is not None
            assert pace.session_timeout <= last < durations[session_id]


@given(DURATIONS, PACES, LOOK, SEED)
@settings(max_examples=50)
def test_nobody_is_looked_at_within_poll_min_of_its_submission_or_its_last_look(
    durations: dict[str, float], pace: Pace, seconds_per_look: float, seed: int
) -> None:
    looks = watch(durations, pace, seconds_per_look=seconds_per_look, seed=seed).looks
    for times in looks.values():
        assert times[0] >= min(pace.poll_min, pace.expected_seconds, pace.session_timeout or inf)
        assert all(later - earlier >= pace.poll_min - 1e-6 for earlier, later in pairwise(times))


@given(DURATIONS, LOOK, SEED)
@settings(max_examples=50)
def test_until_one_is_known_to_have_ended_there_is_one_look_at_a_time(
    durations: dict[str, float], seconds_per_look: float, seed: int
) -> None:
    watched = watch(durations, seconds_per_look=seconds_per_look, seed=seed)
    times = sorted((at, one) for one, looks in watched.looks.items() for at in looks)
    probes = [at for at, one in takewhile(lambda look: look[0] < durations[look[1]], times)]
    assert all(later - earlier >= Pace().poll_min - 1e-6 for earlier, later in pairwise(probes))


@given(DURATIONS, LOOK, SEED)
@settings(max_examples=50)
def test_until_one_is_known_to_have_ended_every_look_is_at_another(
    durations: dict[str, float], seconds_per_look: float, seed: int
) -> None:
    order = watch(dict.fromkeys(durations, 1e5), seconds_per_look=seconds_per_look, seed=seed, until=3000).order
    assert len(set(order[: len(durations)])) == min(len(order), len(durations))


def test_nobody_is_looked_at_again_while_another_is_overdue_for_longer() -> None:
    waiting = Waiting({"probed": 0.0, "ended": 0.0, "due": 0.0}, Pace(poll_min=5))
    waiting.record_unfinished("probed", 20.0, 1.0, 0.5)  # due again at 25
    waiting.record_outcome("ended", ENDED, 24.0)
    assert waiting.next_look(60.0, 20.0) == ("due", 0.0)  # due since 24
    waiting.record_unfinished("due", 60.0, 1.0, 0.5)
    assert waiting.next_look(61.0, 20.0) == ("probed", 0.0)


@pytest.mark.parametrize("count", [1, 10, 50])
@pytest.mark.parametrize("seconds", [3.0, 20.0, 300.0, 3600.0])
def test_where_looks_are_plenty_an_end_is_seen_soon(count: int, seconds: float) -> None:
    durations = alike(count, seconds)
    watched = watch(durations)
    # Turns, a pause of two rounds with jitter, and as much as they differ: the first end is found by chance.
    spread = 0.2 * seconds if count > 1 else 0.0
    patience = Pace().poll_min + 3.5 * BUDGET * count + spread
    assert all(watched.looks[one][-1] - durations[one] <= patience for one in durations)


def alike(count: int, seconds: float) -> dict[str, float]:
    random = Random(7)
    return sessions([seconds * random.uniform(0.9, 1.1) for _ in range(count)])


@pytest.mark.parametrize(
    ("count", "seconds", "at_most"),
    [(200, 20, 1.1), (200, 60, 1.5), (1000, 20, 1.1), (1000, 60, 1.1), (1000, 300, 1.5), (2000, 300, 1.3)],
)
def test_many_sessions_that_take_alike_are_looked_at_little_more_than_once(
    count: int, seconds: float, at_most: float
) -> None:
    watched = watch(alike(count, seconds))
    assert watched.waiting.finished
    assert watched.looks_per_session <= at_most


def test_what_the_finished_ones_took_is_expected_of_the_others() -> None:
    waiting = Waiting({f"s{number}": 100.0 for number in range(11)}, Pace(expected_seconds=30))
    assert waiting.expected_duration() == 30
    for number in range(10):
        waiting.record_outcome(f"s{number}", ENDED, 10.0 * (number + 1))
    assert waiting.expected_duration() == 80
    assert waiting.next_look(100.0, 1000.0) == ("s10", 80.0)


@pytest.mark.parametrize("outcome", [Outcome(FAILED, code="document_failed"), Outcome(FAILED, code="session_timeout")])
def test_what_failed_teaches_nothing(outcome: Outcome) -> None:
    waiting = Waiting({"s0": 0.0, "s1": 0.0}, Pace())
    waiting.record_outcome("s0", outcome, 1.0)
    assert waiting.expected_duration() == 30


def test_sessions_that_are_stuck_do_not_hide_the_ones_that_are_done() -> None:
    watched = watch(sessions([1e9] * 50 + [40.0] * 50), until=300)
    assert watched.waiting.open == {f"s{number}" for number in range(50)}


def test_a_session_that_takes_too_long_counts_as_failed() -> None:
    waiting = Waiting({"s": 1000.0}, Pace(session_timeout=60))
    waiting.record_unfinished("s", 1059, 1.0, 0.5)
    assert waiting.open
    waiting.record_unfinished("s", 1060, 1.0, 0.5)
    outcome = waiting.outcomes["s"]
    assert (outcome.state, outcome.stage, outcome.code) == (FAILED, "waiting", "session_timeout")
    assert "60 s" in (outcome.reason or "")
    assert "is billed" in (outcome.reason or "")


def test_the_oldest_is_looked_at_first_whoever_was_named_first() -> None:
    waiting = Waiting({"young": 20.0, "old": 10.0}, Pace())
    look = waiting.next_look(100.0, 1.0)
    assert look == ("old", 0.0)


@given(DURATIONS, st.sets(st.integers(0, 39)))
@settings(max_examples=50)
def test_what_is_recalled_is_never_looked_at(durations: dict[str, float], recalled: set[int]) -> None:
    known = {f"s{number}" for number in recalled} & set(durations)
    waiting = Waiting(dict.fromkeys(durations, 0.0), Pace())
    for session_id in known:
        waiting.record_outcome(session_id, ENDED)
    assert waiting.expected_duration() == Pace().expected_seconds
    seen, now = [], 0.0
    while (look := waiting.next_look(now, 1.0)) is not None:
        now += look[1]
        seen.append(look[0])
        waiting.record_outcome(look[0], ENDED, now)
    assert sorted(seen) == sorted(set(durations) - known)


def test_the_first_outcome_of_a_session_stands() -> None:
    waiting = Waiting({"s": 0.0}, Pace())
    waiting.record_outcome("s", ENDED, 10)
    waiting.record_outcome("s", Outcome(FAILED, code="late"), 20)
    waiting.record_outcome("of another task", ENDED, 30)
    assert waiting.outcomes == {"s": ENDED}
    assert waiting.expected_duration() == 10


def test_a_wait_for_nothing_is_over() -> None:
    waiting = Waiting({}, Pace())
    assert waiting.finished
    assert waiting.next_look(0.0, 0.0) is None


def test_a_wait_resumed_late_looks_at_once() -> None:
    assert Waiting({"s0": 0.0, "s1": 0.0}, Pace()).next_look(5000.0, 1.2) == ("s0", 0.0)


@given(st.data())
@settings(max_examples=60)
def test_no_order_of_events_loses_a_session_or_gives_it_two_places(data: Any) -> None:
    ids = [f"s{number}" for number in range(data.draw(st.integers(1, 6)))]
    waiting, now = Waiting(dict.fromkeys(ids, 0.0), Pace()), 0.0
    for _ in range(data.draw(st.integers(0, 30))):
        now += data.draw(st.floats(0, 100))
        session_id = data.draw(st.sampled_from(ids))
        if data.draw(st.booleans()):
            waiting.record_unfinished(session_id, now, 1.0, 0.5)
        else:
            waiting.record_outcome(session_id, ENDED, now)
    left = []
    while (look := waiting.next_look(now, 1.0)) is not None:
        now += look[1]
        left.append(look[0])
        waiting.record_outcome(look[0], ENDED, now)
    assert len(left) == len(set(left))
    assert set(waiting.outcomes) == set(ids)


@pytest.mark.parametrize(
    ("created", "completed", "updated", "status", "seconds"),
    [
        ("2026-01-15T10:30:00Z", "2026-01-15T10:30:42.500000Z", None, "completed", 42.5),
        ("2026-01-15T10:30:00Z", None, "2026-01-15T10:31:00Z", "completed", 60.0),
        ("2026-01-15T10:30:00Z", "2026-01-15T10:30:40Z", "2026-01-15T11:00:00Z", "failed", 40.0),
        ("2026-01-15T10:30:00+02:00", "2026-01-15T08:30:05Z", None, "completed", 5.0),
        ("2026-01-15T10:30:00Z", "2026-01-15T10:29:00Z", None, "completed", 0.0),
        ("2026-01-15T10:30:00Z", None, None, "completed", None),
        (None, "2026-01-15T10:30:42Z", None, "completed", None),
        ("2026-01-15T10:30:00Z", "2026-01-15T10:30:42", None, "completed", None),
        ("soon", "later", None, "completed", None),
        ("2026-01-15T10:30:00Z", "2026-01-15T10:30:42Z", None, "processing", None),
    ],
)
def test_a_duration_is_taken_from_the_servers_own_clock(
    created: str | None, completed: str | None, updated: str | None, status: str, seconds: float | None
) -> None:
    run = Result("r", status=status, updated_at=updated, completed_at=completed)
    assert server_seconds(Session("s", created_at=created, results=[run])) == seconds


def test_a_session_without_a_run_has_no_duration() -> None:
    assert server_seconds(Session("s", created_at="2026-01-15T10:30:00Z")) is None
