from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydocs_provider.landing.replacing import EXTRACTED, Given, Held, decide, last_of_each
from raydocs_provider.landing.review import APPROVED, CORRECTED, PASSED, REVIEW

FAILED = "failed"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
EARLIER, LATER = NOON - timedelta(hours=1), NOON + timedelta(hours=1)

# What stands was extracted at noon.
STANDS = Held(EXTRACTED, "session-noon", 1, "result-noon", NOON)
IN_THE_TARGET = {
    "nothing": None,
    "a result": STANDS,
    "a result, and a failure since": replace(STANDS, state=FAILED, session_id="session-since"),
    "a failure": Held(FAILED, "session-since", 1),
    "a result of unknown time": replace(STANDS, extracted_at=None),
    "a reviewed result": replace(STANDS, review_status=APPROVED),
    "a reviewed result, and a failure since": replace(STANDS, state=FAILED, review_status=CORRECTED),
    "a result whose row in the ledger is gone": replace(STANDS, state=None, session_id=None, attempts=None),
}


def result(name: str, at: datetime | None, key: str = "k") -> Given:
    return Given(key, EXTRACTED, f"session-{name}", f"result-{name}", at)


def failure(name: str, at: datetime | None, key: str = "k") -> Given:
    return Given(key, FAILED, f"session-{name}", at=at)


LOADED = {
    "an older result": result("earlier", EARLIER),
    "the same result": result("noon", NOON),
    "a newer result": result("later", LATER),
    "a result of unknown time": result("unknown", None),
    "an older failure": failure("earlier", EARLIER),
    "a newer failure": failure("later", LATER),
    "a failure of unknown time": failure("unknown", None),
}
KEPT = {
    "nothing": set(),
    "a result": {"an older result", "an older failure"},
    "a result, and a failure since": {"an older result"},
    "a failure": set(),
    "a result of unknown time": set(),
    "a reviewed result": {"an older result", "an older failure", "the same result"},
    "a reviewed result, and a failure since": {"an older result", "the same result"},
    "a result whose row in the ledger is gone": {"an older result"},
}


@pytest.mark.parametrize("there", IN_THE_TARGET)
def test_what_stays_as_it_is_whatever_is_loaded(there):
    held = IN_THE_TARGET[there]

    kept = {name for name, document in LOADED.items() if decide({7: document}, {"k": held} if held else {})[0] == {7}}

    assert kept == KEPT[there]


def test_a_person_may_say_something_else_about_the_same_result():
    held = {"k": replace(STANDS, review_status=APPROVED)}
    verdict = replace(result("noon", NOON), review_status=CORRECTED, reviewed=True)

    assert decide({0: verdict}, held)[0] == frozenset()


@pytest.mark.parametrize("at", [EARLIER, NOON, None])
def test_what_a_person_says_about_another_result_is_not_followed(at):
    verdict = replace(result("other", at), review_status=APPROVED, reviewed=True)

    assert decide({0: verdict}, {"k": STANDS})[0] == {0}
    assert decide({0: verdict}, {"k": replace(STANDS, result_id=None)})[0] == ({0} if at == EARLIER else set())


def test_what_a_person_says_about_a_newer_result_lands_with_it():
    verdict = replace(result("later", LATER), review_status=APPROVED, reviewed=True)

    assert decide({0: verdict}, {"k": STANDS})[0] == frozenset()


@pytest.mark.parametrize("status", [None, REVIEW, PASSED])
def test_what_no_person_has_reviewed_is_replaced_by_the_same_result(status):
    assert decide({0: result("noon", NOON)}, {"k": replace(STANDS, review_status=status)})[0] == frozenset()


@pytest.mark.parametrize(
    ("held", "document", "attempts"),
    [
        (STANDS, result("noon", NOON), 1),
        (STANDS, result("later", LATER), 2),
        (STANDS, failure("later", LATER), 2),
        (replace(STANDS, attempts=4), result("later", LATER), 5),
        (replace(STANDS, attempts=None), result("later", LATER), 2),
        (replace(STANDS, session_id=None), result("later", LATER), 2),
        (STANDS, Given("k", FAILED, None, at=LATER), 1),
        (replace(STANDS, state=None, session_id=None, attempts=None), result("noon", NOON), 1),
    ],
    ids=[
        "the same session",
        "another session",
        "another session, in vain",
        "the fifth session",
        "a ledger from before attempts were counted",
        "the first did not get as far as a session",
        "not submitted",
        "not in the ledger",
    ],
)
def test_each_session_is_another_attempt(held, document, attempts):
    assert decide({0: document}, {"k": held})[1] == {"k": attempts}


def test_what_is_new_or_stays_as_it_is_has_no_attempts_to_write_down():
    documents = {0: result("noon", NOON, "new"), 1: result("earlier", EARLIER, "known")}

    assert decide(documents, {"known": STANDS}) == (frozenset({1}), {})


@pytest.mark.parametrize(
    ("documents", "chosen"),
    [
        ([], {}),
        ([result("a", NOON), result("b", NOON, "other")], {"k": 0, "other": 1}),
        ([result("a", EARLIER), result("b", NOON)], {"k": 1}),
        ([result("a", NOON), result("b", EARLIER)], {"k": 0}),
        ([result("a", NOON), result("b", NOON)], {"k": 1}),
        ([result("a", NOON), result("b", None)], {"k": 1}),
        ([result("a", None), result("b", NOON)], {"k": 1}),
        ([result("a", NOON), failure("b", LATER)], {"k": 0}),
        ([failure("a", LATER), result("b", NOON)], {"k": 1}),
        ([failure("a", LATER), failure("b", NOON)], {"k": 0}),
        ([failure("a", NOON), failure("b", LATER)], {"k": 1}),
        ([failure("a", LATER), failure("b", None)], {"k": 1}),
        ([failure("a", None), failure("b", NOON)], {"k": 1}),
    ],
)
def test_of_several_with_one_key_the_newest_result_counts_else_the_newest_failure(documents, chosen):
    assert last_of_each(documents, range(len(documents))) == chosen


anything = st.builds(
    Given,
    key=st.sampled_from("abc"),
    state=st.sampled_from([EXTRACTED, FAILED]),
    at=st.sampled_from([EARLIER, NOON, LATER, None]),
)


@given(st.lists(anything, max_size=8), st.data())
def test_what_counts_does_not_depend_on_how_many_are_looked_at_at_once(documents, data):
    first = data.draw(st.integers(0, len(documents)))

    chosen = last_of_each(documents, range(first))
    later = last_of_each(documents, range(first, len(documents)), chosen)

    assert chosen | later == last_of_each(documents, range(len(documents)))


class Target:
    """What a warehouse holds of one document, as loads leave it."""

    def __init__(self) -> None:
        self.held: Held | None = None

    def load(self, documents: list[Given]) -> None:
        chosen = {number: documents[number] for number in last_of_each(documents, range(len(documents))).values()}
        kept, attempts = decide(chosen, {"k": self.held} if self.held else {})
        for number, document in chosen.items():
            if number not in kept:
                held = replace(
                    self.held or Held(),
                    state=document.state,
                    session_id=document.session_id,
                    attempts=attempts.get("k", 1),
                )
                if document.state == EXTRACTED:
                    held = replace(held, result_id=document.result_id, extracted_at=document.at)
                self.held = held


times = st.integers(0, 1_000).map(lambda minutes: NOON + timedelta(minutes=minutes))
results = st.lists(times, unique=True, min_size=1, max_size=6).map(lambda found: [result(str(at), at) for at in found])
failures = st.lists(times | st.none(), max_size=4).map(lambda found: [failure(f"in vain {at}", at) for at in found])


@given(results, failures, st.data())
def test_loads_in_any_order_end_with_the_newest_result(found, in_vain, data):
    newest = max(found, key=lambda document: document.at)
    order = data.draw(st.permutations([*found, *found, *in_vain]))
    target = Target()

    while order:
        size = data.draw(st.integers(1, len(order)))
        target.load(order[:size])
        order = order[size:]

    assert (target.held.result_id, target.held.extracted_at) == (newest.result_id, newest.at)


@given(results, failures, st.data())
def test_the_last_load_of_all_says_extracted_if_it_has_the_newest_result(found, in_vain, data):
    target = Target()
    for document in data.draw(st.permutations([*found, *in_vain])):
        target.load([document])
    newest = max(found, key=lambda document: document.at)

    target.load([newest])

    assert (target.held.state, target.held.session_id) == (EXTRACTED, newest.session_id)
    assert 1 <= target.held.attempts <= len(found) + len(in_vain) + 1
