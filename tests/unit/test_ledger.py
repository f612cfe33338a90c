"""The ledger: what a retry finds of the submissions before it, wherever those were cut off."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raydocs_provider.exceptions import RaydocsSupersededError
from raydocs_provider.extraction.ledger import Attempt, Claim, Ledger

CLAIM = Claim(epoch=0, conn_id="raydocs_default", template_id="t1", template_hash="h1")


class Killed(Exception):
    """The process ended here."""


class MemoryStore:
    """Keeps values as JSON text, like the real stores; can end the process at a given write."""

    def __init__(self):
        self.values: dict[str, str] = {}
        self.writes_left: int | None = None

    def get(self, key):
        return json.loads(self.values[key]) if key in self.values else None

    def set(self, key, value):
        if self.writes_left == 0:
            raise Killed
        if self.writes_left is not None:
            self.writes_left -= 1
        self.values[key] = json.dumps(value)


def submit(ledger: Ledger, sha256s: list[str], sessions: list[str], now: float = 100.0) -> None:
    number = ledger.intend(sha256s, now)
    ledger.record(number, sha256s, sessions, now)


def test_a_retry_finds_the_sessions_of_every_recorded_batch():
    store = MemoryStore()
    first = Ledger(store, CLAIM)
    submit(first, ["a", "b"], ["s1", "s2"], now=100.0)
    submit(first, ["c"], ["s3"], now=130.0)
    found = Ledger(store, CLAIM).recall()
    assert found.sessions == {"a": "s1", "b": "s2", "c": "s3"}
    assert found.submitted_at == 100.0
    assert not found.ambiguous


def test_a_retry_goes_on_numbering_where_the_first_attempt_stopped():
    store = MemoryStore()
    submit(Ledger(store, CLAIM), ["a"], ["s1"])
    retry = Ledger(store, CLAIM)
    retry.recall()
    submit(retry, ["b"], ["s2"])
    assert Ledger(store, CLAIM).recall().sessions == {"a": "s1", "b": "s2"}


@pytest.mark.parametrize(
    "other",
    [
        replace(CLAIM, epoch=2),
        replace(CLAIM, template_id="t2"),
        replace(CLAIM, template_hash="h2"),
        replace(CLAIM, conn_id="other"),
    ],
)
def test_entries_of_another_claim_are_not_taken_over_and_do_not_come_back(other):
    store = MemoryStore()
    submit(Ledger(store, CLAIM), ["a", "b"], ["s1", "s2"])
    ledger = Ledger(store, other)
    assert ledger.recall().sessions == {}
    submit(ledger, ["a"], ["s9"])
    assert Ledger(store, other).recall().sessions == {"a": "s9"}


def test_a_batch_whose_answer_was_never_recorded_is_ambiguous():
    store = MemoryStore()
    Ledger(store, CLAIM).intend(["a", "b"], 100.0)
    found = Ledger(store, CLAIM).recall()
    assert found.ambiguous.keys() == {"a", "b"}
    assert found.sessions == {}


def test_an_ambiguous_document_is_looked_for_by_template_number_of_documents_and_minute():
    store = MemoryStore()
    Ledger(store, CLAIM).intend(["a", "b"], 1_900_000_000.0)
    sent = Ledger(store, CLAIM).recall().ambiguous["a"]
    assert sent.describe() == "2 documents, template t1, 2030-03-17 17:46 UTC"


def test_a_document_submitted_again_is_no_longer_ambiguous():
    store = MemoryStore()
    Ledger(store, CLAIM).intend(["a", "b"], 100.0)
    retry = Ledger(store, CLAIM)
    retry.recall()
    submit(retry, ["a"], ["s1"])
    found = Ledger(store, CLAIM).recall()
    assert found.ambiguous.keys() == {"b"}
    assert found.sessions == {"a": "s1"}


def test_a_refused_batch_is_neither_owed_nor_ambiguous():
    store = MemoryStore()
    ledger = Ledger(store, CLAIM)
    ledger.withdraw(ledger.intend(["a"], 100.0))
    found = Ledger(store, CLAIM).recall()
    assert not found.sessions
    assert not found.ambiguous


def test_failed_sessions_are_remembered_and_a_later_session_replaces_them():
    store = MemoryStore()
    ledger = Ledger(store, CLAIM)
    submit(ledger, ["a", "b"], ["s1", "s2"])
    ledger.record_failed({"s1": "a"})
    ledger.record_failed({"s1": "a"})
    found = Ledger(store, CLAIM).recall()
    assert found.failed == {"s1"}
    retry = Ledger(store, CLAIM)
    retry.recall()
    submit(retry, ["a"], ["s3"])
    assert Ledger(store, CLAIM).recall().sessions == {"a": "s3", "b": "s2"}


@given(held=st.permutations("abcde"), failed=st.sets(st.sampled_from("abcde")))
def test_failed_sessions_are_known_by_what_they_held_whatever_the_order_of_the_answer(held, failed):
    """The answer is taken in order at first; then looks tell which session really held what."""
    store = MemoryStore()
    sessions = dict(zip(held, [f"s{number}" for number in range(5)], strict=True))
    submit(Ledger(store, CLAIM), list("abcde"), list(sessions.values()))
    ledger = Ledger(store, CLAIM)
    ledger.recall()
    ledger.record_failed({sessions[sha256]: sha256 for sha256 in failed})
    found = Ledger(store, CLAIM).recall()
    assert {sha256 for sha256, session_id in found.sessions.items() if session_id in found.failed} == failed
    assert all(found.sessions[sha256] == sessions[sha256] for sha256 in failed)
    assert sorted(found.sessions.values()) == sorted(sessions.values())


def test_two_thousand_failures_fit_the_state_store_of_airflow():
    store = MemoryStore()
    ledger = Ledger(store, CLAIM)
    for batch in range(40):
        submit(ledger, [f"{batch:02}{each:062}" for each in range(50)], [f"{batch:02}{each:034}" for each in range(50)])
    ledger.record_failed({session_id: sha256 for sha256, session_id in ledger.recall().sessions.items()})
    assert len(Ledger(store, CLAIM).recall().failed) == 2_000
    assert max(len(value) for value in store.values.values()) < 65_535 / 4


def test_without_a_store_nothing_is_kept_and_nothing_breaks():
    ledger = Ledger(None, CLAIM)
    submit(ledger, ["a"], ["s1"])
    ledger.record_failed({"s1": "a"})
    assert ledger.recall().sessions == {}


def test_a_batch_of_fifty_fits_the_state_store_of_airflow():
    store = MemoryStore()
    submit(Ledger(store, CLAIM), ["f" * 64] * 50, ["12345678-1234-1234-1234-123456789012"] * 50)
    assert max(len(value) for value in store.values.values()) < 65_535 / 4


@given(batches=st.integers(1, 6), killed_after=st.lists(st.integers(0, 20), max_size=5))
def test_wherever_attempts_are_killed_nothing_is_paid_for_without_a_trace(batches, killed_after):
    """A server that creates a session for every paid request; attempts die at any write of the ledger."""
    store = MemoryStore()
    paid: list[str] = []
    documents = [f"d{number}" for number in range(batches)]

    def attempt() -> None:
        ledger = Ledger(store, CLAIM)
        found = ledger.recall()
        # Every payment that was made is known: by its session, or as ambiguous.
        assert set(paid) <= found.sessions.keys() | found.ambiguous
        for document in documents:
            if document in found.sessions or document in found.ambiguous:
                continue
            number = ledger.intend([document], 100.0)
            paid.append(document)
            ledger.record(number, [document], [f"session-of-{document}"], 100.0)

    for writes in killed_after:
        store.writes_left = writes
        try:
            attempt()
        except Killed:
            continue
    store.writes_left = None
    attempt()
    assert len(paid) == len(set(paid))
    found = Ledger(store, CLAIM).recall()
    assert found.sessions.keys() | found.ambiguous == set(documents)
    assert len(found.ambiguous) <= len(killed_after)


# --- an old attempt that goes on when its successor has begun

OLD, NEW, LAST = (Attempt(f"019a0000-0000-7000-8000-{number:012}", number) for number in (1, 2, 3))
DOCUMENTS = ("d1", "d2", "d3")


class Account:
    """What Raydocs was sent, in order: which attempt paid for which document."""

    def __init__(self) -> None:
        self.paid: list[tuple[Attempt, str]] = []


def submit_all(store: Any, account: Account, attempt: Attempt, claim: Claim = CLAIM) -> None:
    """An attempt that submits one document a batch."""
    ledger = Ledger(store, claim, attempt)
    found = ledger.take_over()
    for document in DOCUMENTS:
        if document in found.sessions or document in found.ambiguous:
            continue
        number = ledger.intend([document], 100.0)
        store.reach()
        account.paid.append((attempt, document))
        ledger.record(number, [document], [f"{document} paid by {attempt.try_number}"], 100.0)


class FreezingStore(MemoryStore):
    """Runs something else, once, before the nth thing that an attempt does: as if it were frozen meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.steps_left: int | None = None
        self.meanwhile: Callable[[], None] = lambda: None

    def reach(self) -> None:
        if self.steps_left == 0:
            self.steps_left = None
            self.meanwhile()
        elif self.steps_left is not None:
            self.steps_left -= 1

    def get(self, key):
        self.reach()
        return super().get(key)

    def set(self, key, value):
        self.reach()
        super().set(key, value)


@settings(max_examples=400)
@given(frozen_at=st.integers(0, 40), killed_after=st.one_of(st.none(), st.integers(0, 20)))
def test_wherever_an_attempt_is_frozen_no_document_is_paid_for_twice(frozen_at, killed_after):
    """Its successor runs meanwhile, to its end or until killed; then the old one thaws, and then comes a third one."""
    store, account = FreezingStore(), Account()

    def succeed() -> None:
        store.writes_left = killed_after
        with suppress(Killed):
            submit_all(store, account, NEW)
        store.writes_left = None

    store.steps_left, store.meanwhile = frozen_at, succeed
    try:
        submit_all(store, account, OLD)
    except RaydocsSupersededError:
        assert store.steps_left is None, "nobody has superseded it"
    store.steps_left = None
    submit_all(store, account, LAST)
    documents = [document for _, document in account.paid]
    assert len(documents) == len(set(documents))
    found = Ledger(store, CLAIM).recall()
    assert found.sessions.keys() | found.ambiguous.keys() == set(DOCUMENTS)
    sessions = {document: f"{document} paid by {by.try_number}" for by, document in account.paid}
    assert found.sessions.items() <= sessions.items()
    lost = sessions.keys() - found.sessions.keys()
    assert len(lost) <= (killed_after is not None), "an answer is lost with its process, and by nobody else's writing"


@given(
    frozen_at=st.integers(0, 40),
    killed_after=st.one_of(st.none(), st.integers(1, 20)),
    before=st.integers(0, 6),
    epoch=st.integers(-1, 0),
)
def test_wherever_an_attempt_is_frozen_it_spoils_nothing_of_a_cleared_task(frozen_at, killed_after, before, epoch):
    """A clear pays for every document again, once; what the old one does then must not make it pay twice."""
    store, account = FreezingStore(), Account()
    earlier = Ledger(store, replace(CLAIM, epoch=epoch))
    for number in range(before):
        submit(earlier, [f"earlier {number}"], ["s"])
    cleared = replace(CLAIM, epoch=1)

    def succeed() -> None:
        account.paid.clear()
        store.writes_left = killed_after
        with suppress(Killed):
            submit_all(store, account, NEW, cleared)
        store.writes_left = None

    store.steps_left, store.meanwhile = frozen_at, succeed
    try:
        submit_all(store, account, OLD)
    except RaydocsSupersededError:
        assert store.steps_left is None, "nobody has superseded it"
    if store.steps_left is not None:
        return
    submit_all(store, account, LAST, cleared)
    # At step 1 it has looked whose the ledger is, and not yet made it its own. A successor that has left no entry is
    # not to be seen then: the old one goes on with its own submissions, and leaves those of the cleared task alone.
    if frozen_at != 1:
        assert len([by for by, _ in account.paid if by == OLD]) <= 1, "only what was on its way when it froze"
    documents = [document for by, document in account.paid if by != OLD]
    assert len(documents) == len(set(documents))


def test_the_sessions_of_an_answer_that_came_late_are_found_by_the_next_attempt():
    store = MemoryStore()
    old = Ledger(store, CLAIM, OLD)
    old.take_over()
    number = old.intend(["a"], 100.0)
    new = Ledger(store, CLAIM, NEW)
    assert new.take_over().ambiguous.keys() == {"a"}
    submit(new, ["b"], ["s2"])
    old.record(number, ["a"], ["s1"], 100.0)
    assert Ledger(store, CLAIM, LAST).take_over().sessions == {"a": "s1", "b": "s2"}


def test_an_attempt_that_only_now_opens_the_ledger_of_a_later_one_is_refused():
    store = MemoryStore()
    Ledger(store, CLAIM, NEW).take_over()
    with pytest.raises(RaydocsSupersededError, match=r"\(try 2\) has begun"):
        Ledger(store, CLAIM, OLD).take_over()
    Ledger(store, CLAIM, LAST).take_over()


def test_a_ledger_that_has_vanished_is_not_taken_for_an_empty_one():
    """Airflow's state store tells an old attempt that there is nothing; so does one that somebody has emptied."""
    store = MemoryStore()
    ledger = Ledger(store, CLAIM, OLD)
    ledger.take_over()
    submit(ledger, ["a"], ["s1"])
    store.values.clear()
    with pytest.raises(RaydocsSupersededError):
        ledger.intend(["b"], 100.0)
    assert not store.values


def test_entries_of_the_version_before_are_read_and_gone_on_with():
    store = MemoryStore()
    claim = {"epoch": 0, "conn_id": "raydocs_default", "template_id": "t1", "template_hash": "h1"}
    store.set("raydocs_ledger", {"version": 1, "claim": claim, "batches": 2})
    store.set(
        "raydocs_ledger_0", {"sha256": ["a", "b"], "sessions": ["s1", "s2"], "failed": ["s2"], "submitted_at": 100.0}
    )
    store.set("raydocs_ledger_1", {"sha256": ["c"], "sessions": None, "failed": [], "submitted_at": 160.0})
    # Left by another claim, and not counted: no part of this one, now and later.
    store.set("raydocs_ledger_2", {"sha256": ["x"], "sessions": ["s9"], "failed": [], "submitted_at": 1.0})
    for attempt in (OLD, NEW):
        ledger = Ledger(store, CLAIM, attempt)
        found = ledger.take_over()
        assert found.sessions.items() >= {"a": "s1", "b": "s2"}.items()
        assert found.failed == {"s2"}
        assert found.ambiguous.keys() == {"c"}
        assert "x" not in found.sessions
        submit(ledger, [f"d{attempt.try_number}"], ["s4"])
    assert Ledger(store, replace(CLAIM, epoch=1), LAST).take_over().sessions == {}


def test_what_is_written_is_read_by_the_version_before():
    """After a downgrade: it takes what the header counts, and knows of no marks."""
    store = MemoryStore()
    for attempt in (OLD, NEW):
        ledger = Ledger(store, CLAIM, attempt)
        ledger.take_over()
        submit(ledger, [f"d{attempt.try_number}"], [f"s{attempt.try_number}"])
    header = store.get("raydocs_ledger")
    assert header["version"] == 1
    entries = [store.get(f"raydocs_ledger_{number}") for number in range(header["batches"])]
    sessions = [dict(zip(entry["sha256"], entry["sessions"], strict=True)) for entry in entries if entry]
    assert [each for each in sessions if each] == [{"d1": "s1"}, {"d2": "s2"}]


def test_after_a_clear_the_version_before_reads_nothing_that_was_submitted_before_it():
    store = MemoryStore()
    for attempt, claim in ((OLD, CLAIM), (NEW, replace(CLAIM, epoch=1))):
        ledger = Ledger(store, claim, attempt)
        ledger.take_over()
        submit(ledger, ["d1"], [f"s{attempt.try_number}"])
    header = store.get("raydocs_ledger")
    assert header["claim"]["epoch"] == 1
    entries = [store.get(f"raydocs_ledger_{number}") for number in range(header["batches"])]
    assert [entry["sessions"] for entry in entries if entry["sha256"]] == [["s2"]]


@pytest.mark.parametrize("fails_at", ["its first look", "its second look"])
def test_a_batch_that_was_not_sent_because_the_store_failed_is_not_ambiguous(fails_at):
    class FailingStore(MemoryStore):
        looks_left: int | None = None

        def get(self, key):
            if key == "raydocs_ledger_owner" and self.looks_left is not None:
                self.looks_left -= 1
                if self.looks_left < 0:
                    raise OSError("the bucket does not answer")
            return super().get(key)

    store = FailingStore()
    ledger = Ledger(store, CLAIM, OLD)
    ledger.take_over()
    submit(ledger, ["a"], ["s1"])
    store.looks_left = 0 if fails_at == "its first look" else 1
    with pytest.raises(OSError, match="does not answer"):
        ledger.intend(["b"], 100.0)
    store.looks_left = None
    found = Ledger(store, CLAIM, NEW).take_over()
    assert found.sessions == {"a": "s1"}
    assert not found.ambiguous
