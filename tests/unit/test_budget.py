"""The request budget: what one process may send when, and how strangers behind one address share a limit."""

from __future__ import annotations

import heapq
import math
import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raydocs_provider.emulator.limits import FixedWindow
from raydocs_provider.extraction.budget import WINDOW_SECONDS, Budget, Notices, Outage, Urgency


def send_when_allowed(budget: Budget, now: float, urgency: Urgency = Urgency.LOOK) -> float:
    """The time at which a request asked for at ``now`` leaves."""
    ticket = budget.join(urgency)
    while (wait := budget.take(ticket, now)) > 0:
        now += wait
    return now


@given(
    limit=st.integers(1, 300),
    pauses=st.lists(st.floats(0, 90, allow_nan=False), min_size=1, max_size=200),
)
@settings(deadline=None)
def test_no_minute_ever_holds_more_requests_than_the_limit(limit, pauses):
    budget = Budget(limit)
    now, sent = 0.0, []
    for pause in pauses:
        now = send_when_allowed(budget, now + pause if len(sent) % 7 == 0 else now)
        sent.append(now)
    for index, first in enumerate(sent):
        in_window = sum(1 for each in sent[index:] if each < first + WINDOW_SECONDS)
        assert in_window <= limit


def test_half_of_the_limit_may_leave_at_once_and_the_rest_never_stops():
    budget = Budget(100)
    sent = [send_when_allowed(budget, 0.0)]
    while sent[-1] < 600:
        sent.append(send_when_allowed(budget, sent[-1]))
    assert sent[49] == 0.0
    gaps = [later - earlier for earlier, later in pairwise(sent)]
    assert max(gaps) < 3.0
    assert sum(1 for each in sent if each < 600) >= 0.97 * 1000


def test_a_look_goes_before_uploads_that_have_waited_longer():
    budget = Budget(1)
    assert budget.take(budget.join(Urgency.UPLOAD), 0.0) == 0.0
    first_upload, second_upload = budget.join(Urgency.UPLOAD), budget.join(Urgency.UPLOAD)
    look = budget.join(Urgency.LOOK)
    assert budget.take(first_upload, 60.0) > 0
    assert budget.take(look, 60.0) == 0.0
    assert budget.take(second_upload, 120.0) > 0
    assert budget.take(first_upload, 120.0) == 0.0


def test_a_place_given_up_lets_the_next_one_move():
    budget = Budget(1)
    assert budget.take(budget.join(Urgency.LOOK), 0.0) == 0.0
    cancelled, patient = budget.join(Urgency.LOOK), budget.join(Urgency.LOOK)
    budget.leave(cancelled)
    budget.leave(cancelled)
    assert budget.take(patient, 60.0) == 0.0


def test_nothing_is_sent_before_the_server_said_to_come_back():
    budget = Budget(100)
    budget.refuse(10.0, retry_after=25.0)
    ticket = budget.join(Urgency.LOOK)
    assert budget.take(ticket, 34.9) == pytest.approx(0.1, abs=0.01)
    assert budget.take(ticket, 35.0) == 0.0


def test_refusals_of_requests_that_were_under_way_together_count_once():
    together, once = Budget(100), Budget(100)
    once.refuse(0.0, retry_after=30.0)
    for moment in (0.0, 0.1, 0.2, 0.3):
        together.refuse(moment, retry_after=30.0)
    assert together.allowance == once.allowance < 100


def test_refusals_together_that_do_not_say_when_to_come_back_are_one_pause():
    together, once = Budget(100), Budget(100)
    once.refuse(0.0, retry_after=None)
    for moment in (0.0, 0.1, 0.2, 0.3):
        together.refuse(moment, retry_after=None)
    waits = [budget.take(budget.join(Urgency.LOOK), 1.0) for budget in (together, once)]
    assert waits[0] == waits[1]


def test_pauses_grow_while_refusals_do_not_say_when_to_come_back():
    budget = Budget(100)
    now, waits = 0.0, []
    for _ in range(4):
        budget.refuse(now, retry_after=None)
        ticket = budget.join(Urgency.LOOK)
        waits.append(budget.take(ticket, now))
        now += waits[-1]
        assert budget.take(ticket, now) == 0.0
    assert waits == sorted(waits)
    assert waits[-1] >= 60.0


def test_an_allowance_recovers_slowly_and_never_beyond_the_limit():
    budget = Budget(100)
    budget.refuse(0.0, retry_after=1.0)
    shrunk = budget.allowance
    budget.accept(60.0)
    assert shrunk < budget.allowance < 100
    budget.accept(60.0 * 60)
    assert budget.allowance == 100


def test_a_lower_limit_told_by_the_server_is_obeyed_and_a_higher_one_is_not():
    budget = Budget(100)
    budget.accept(0.0, limit=40)
    assert budget.allowance == 40
    budget.accept(1.0, limit=500)
    assert budget.allowance == 40


def test_whoever_was_refused_waits_out_a_minute_that_others_have_nearly_used_up():
    budget = Budget(100)
    budget.refuse(0.0, 30.0)
    budget.accept(31.0, remaining=6)
    assert send_when_allowed(budget, 32.0) == 32.0
    budget.accept(33.0, remaining=5)
    assert send_when_allowed(budget, 33.0) == 90.0
    budget.accept(90.1, remaining=0)
    assert send_when_allowed(budget, 91.0) == 150.0


def test_whoever_has_the_limit_alone_uses_it_to_the_last_request():
    budget = Budget(100)
    budget.accept(10.0, remaining=0)
    assert send_when_allowed(budget, 11.0) == 11.0


def test_a_server_that_does_not_say_when_a_minute_ends_is_asked_to_the_last_request():
    budget = Budget(100)
    budget.refuse(0.0, None)
    budget.accept(31.0, remaining=0)
    assert send_when_allowed(budget, 32.0) == 32.0


def simulate_fleet(processes: int, minutes: int, *, retry_after: bool, seed: int) -> tuple[float, float]:
    """Strangers behind one address, all greedy: accepted over the limit, and 429s over all requests."""
    rng = random.Random(seed)
    server = FixedWindow(100)
    budgets = [Budget(100) for _ in range(processes)]
    events = [(rng.random() * 5, index, budget.join(Urgency.LOOK)) for index, budget in enumerate(budgets)]
    heapq.heapify(events)
    accepted = refused = 0
    while events[0][0] < minutes * 60:
        now, index, ticket = heapq.heappop(events)
        budget = budgets[index]
        if (wait := budget.take(ticket, now)) > 0:
            heapq.heappush(events, (now + wait + rng.random() * 0.01, index, ticket))
            continue
        verdict = server.hit("one address", now)
        if verdict.allowed:
            accepted += 1
            budget.accept(now, verdict.limit, verdict.remaining)
        else:
            refused += 1
            budget.refuse(now, math.ceil(verdict.resets_at - now) if retry_after else None)
        heapq.heappush(events, (now + 0.05 + rng.random() * 0.1, index, budget.join(Urgency.LOOK)))
    return accepted / (100 * minutes), refused / (accepted + refused)


@pytest.mark.parametrize("seed", range(3))
def test_nine_processes_on_one_address_use_the_limit_and_are_rarely_refused(seed):
    accepted, refused = simulate_fleet(9, 15, retry_after=True, seed=seed)
    assert accepted >= 0.95
    assert refused <= 0.06


@pytest.mark.parametrize("seed", range(3))
def test_nine_processes_find_their_shares_without_being_told_when_to_come_back(seed):
    accepted, refused = simulate_fleet(9, 60, retry_after=False, seed=seed)
    assert accepted >= 0.8
    assert refused <= 0.1


def test_a_lone_process_is_never_refused():
    accepted, refused = simulate_fleet(1, 15, retry_after=True, seed=1)
    assert refused == 0
    assert accepted >= 0.97


def test_what_does_not_answer_is_asked_once_a_minute_by_one_request():
    outage = Outage()
    assert outage.begin(0.0)
    asked = [moment for moment in range(1, 601) if outage.may_ask(moment) and not outage.begin(moment)]
    assert asked == [60 * minute for minute in range(1, 11)]


def test_while_one_request_finds_out_the_others_go_on():
    outage = Outage()
    outage.begin(0.0)
    assert [outage.may_ask(60.0) for _ in range(5)] == [True, False, False, False, False]


def test_the_end_of_an_outage_is_news_once_and_ends_the_pause():
    outage = Outage()
    assert not outage.end()
    assert [outage.begin(0.0), outage.begin(2.0)] == [True, False], "two requests that were under way together"
    assert outage.may_ask(62.0)
    assert [outage.end(), outage.end()] == [True, False]
    assert all(outage.may_ask(62.5) for _ in range(3))


def test_a_long_wait_is_told_once_a_minute_however_often_it_is_looked_at():
    notices = Notices()
    told = [now for now in range(0, 200, 2) if notices.is_due(now, waited=now, left=200 - now)]
    assert told == [0, 60, 120, 180]


def test_many_short_waits_are_told_once_they_have_taken_long_and_a_short_one_never():
    assert [now for now in range(30) if Notices().is_due(now, waited=min(now, 10), left=0.1)] == []
    notices = Notices()
    assert [now for now in range(30) if notices.is_due(now, waited=now, left=0.1)] == [11]
