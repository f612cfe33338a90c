"""Who waits for the request budget says so: each task for itself, in threads and on event loops."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from raydocs_provider.extraction.budget import Urgency
from raydocs_provider.hooks import pacing
from raydocs_provider.hooks.pacing import Pacer, Waiter


class Clock:
    """Sleeping is how time passes."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()

    async def sleep(seconds: float) -> None:
        clock.sleep(seconds)

    monkeypatch.setattr(pacing, "time", clock)
    monkeypatch.setattr(pacing, "asyncio", SimpleNamespace(sleep=sleep))
    return clock


class Scarce:
    """A shared budget that others use up for so many seconds."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock, self._until = clock, clock.now + seconds

    def take(self) -> float:
        return max(0.0, min(0.5, self._until - self._clock.now))

    async def take_async(self) -> float:
        return self.take()


def wait(pacer: Pacer, waiter: Waiter, how: str) -> None:
    if how == "thread":
        pacer.wait(Urgency.UPLOAD, waiter)
    else:
        asyncio.run(pacer.wait_async(Urgency.UPLOAD, waiter))


def told(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if "Waiting for" in record.getMessage()]


@pytest.mark.parametrize("how", ["thread", "event loop"])
def test_each_task_says_what_it_waits_for_though_another_one_has_said_so(clock, caplog, how):
    caplog.set_level("INFO")
    pacer = Pacer(1)
    first, second = Waiter(), Waiter()
    wait(pacer, first, how)  # takes the request of this minute
    others = [pacer._join(Urgency.UPLOAD) for _ in range(2)]
    ticket = pacer._join(Urgency.UPLOAD)
    for waiter in (first, second):
        pacer._tell(waiter, clock.now, pacer._take(ticket), ticket)
    assert len(told(caplog)) == 2
    assert "the request budget (1 a minute), with 2 requests of this process before it" in told(caplog)[1]
    for gone in (*others, ticket):
        pacer._leave(gone)
    caplog.clear()
    wait(pacer, second, how)
    assert not told(caplog), "this task has said so less than a minute ago"


@pytest.mark.parametrize("how", ["thread", "event loop"])
def test_a_task_says_once_a_minute_that_it_waits_for_the_budget_in_redis(clock, caplog, how):
    caplog.set_level("INFO")
    pacer = Pacer(1_000, Scarce(clock, seconds=150))
    wait(pacer, Waiter(), how)
    assert len(told(caplog)) == 3
    assert all("the shared request budget" in line for line in told(caplog))


def test_short_waits_are_not_told(clock, caplog):
    caplog.set_level("INFO")
    pacer, waiter = Pacer(1_000, Scarce(clock, seconds=5)), Waiter()
    wait(pacer, waiter, "thread")
    assert not told(caplog)
