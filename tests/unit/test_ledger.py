"""The ledger: what a retry finds of the submissions before it, wherever those were cut off."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydocs_provider.extraction.ledger import Claim, Ledger

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
    assert found.ambiguous == {"a", "b"}
    assert found.sessions == {}


def test_a_document_submitted_again_is_no_longer_ambiguous():
    store = MemoryStore()
    Ledger(store, CLAIM).intend(["a", "b"], 100.0)
    retry = Ledger(store, CLAIM)
    retry.recall()
    submit(retry, ["a"], ["s1"])
    found = Ledger(store, CLAIM).recall()
    assert found.ambiguous == {"b"}
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
