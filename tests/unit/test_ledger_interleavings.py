"""
Attempts of one task that run at the same time, in every order that chance finds: nothing is paid twice, nothing lost.

Airflow runs one attempt at a time, but a worker that it has given up may only be frozen. Each attempt here is a thread
that stands before its next read or write of the ledger, or before the paid request or its answer, until it is told to
go on. The ledger has no fence but its own, as in files.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raydocs_provider.exceptions import RaydocsAmbiguousSubmitError, RaydocsError, RaydocsValidationError
from raydocs_provider.extraction.ledger import Attempt, Claim, Ledger, Submissions
from raydocs_provider.extraction.manifest import UPLOADED, DocumentRecord
from raydocs_provider.extraction.submission import settle_known
from raydocs_provider.hooks.raydocs import RaydocsHook
from raydocs_provider.hooks.submitting import batches, create_sessions

CLAIM = Claim(epoch=0, conn_id="raydocs_default", template_id="t1", template_hash="h1")
DOCUMENTS = ("a", "b", "c")


class Killed(BaseException):
    """The process ended here."""


class Payment(NamedTuple):
    """A document that Raydocs took."""

    epoch: int
    document: str
    session: str
    by: int


class Task:
    """A task instance: its attempts, its ledger, and what Raydocs was sent for it."""

    def __init__(self, documents: tuple[str, ...] = DOCUMENTS, size: int = 1, *, resubmit: bool = False) -> None:
        self.documents, self.size, self.resubmit = documents, size, resubmit
        self.claim = CLAIM
        self.values: dict[str, str] = {}
        self.paid: list[Payment] = []
        self.recorded: list[tuple[int, dict[str, str]]] = []
        self.attempts: list[Running] = []

    def begin(self, *, clear: bool = False, answer: str = "ok") -> Running:
        """Have another attempt begin: a retry, or after a clear."""
        if clear:
            self.claim = replace(self.claim, epoch=self.claim.epoch + 1)
        running = Running(self, len(self.attempts) + 1, self.claim, answer)
        self.attempts.append(running)
        return running

    def end(self) -> None:
        """Let all that still runs go to its end, and check what came of it by a last attempt."""
        for running in self.attempts:
            running.run()
        last = self.begin()
        last.run()
        assert last.found is not None, f"the last attempt did not come to its end: {last.error!r}"
        assert last.error is None
        if not self.resubmit:
            again = {each: times for each, times in Counter(paid[:2] for paid in self.paid).items() if times > 1}
            assert not again, "paid for twice"
        recorded = {
            document: session
            for epoch, sessions in self.recorded
            if epoch == self.claim.epoch
            for document, session in sessions.items()
        }
        known = last.found.sessions | {paid.document: paid.session for paid in self.paid if paid.by == last.number}
        assert recorded.keys() <= known.keys(), "a session that was recorded is lost"
        of_this_epoch = {(paid.document, paid.session) for paid in self.paid if paid.epoch == self.claim.epoch}
        assert last.found.sessions.items() <= of_this_epoch, "a session of before a clear is used"


class Running:
    """An attempt; its ledger's store and its hook at the same time."""

    def __init__(self, task: Task, number: int, claim: Claim, answer: str) -> None:
        self._task, self.number, self._claim, self._answer = task, number, claim, answer
        self._go, self._stands = threading.Semaphore(0), threading.Semaphore(0)
        self._killed = False
        self.at = ""
        self.alive = True
        self.found: Submissions | None = None
        self.error: Exception | None = None
        threading.Thread(target=self._live, daemon=True).start()
        self._stands.acquire()

    def run(self, until: str | None = None) -> Running:
        """Go on to the end, or until it is about to do something, such as ``write raydocs_ledger_0``."""
        while self.alive:
            self.step()
            if until is not None and self.at == until:
                return self
        assert until is None, f"it never was about to {until}"
        return self

    def step(self) -> None:
        """Do what it stands before."""
        if self.alive:
            self._go.release()
            self._stands.acquire()

    def kill(self) -> None:
        """End it here."""
        self._killed = True
        self.step()

    # --- the store and the hook

    def get(self, key: str) -> Any:
        self._reach(f"read {key}")
        value = self._task.values.get(key)
        return None if value is None else json.loads(value)

    def set(self, key: str, value: Any) -> None:
        self._reach(f"write {key}")
        self._task.values[key] = json.dumps(value)
        if value.get("sessions"):
            self._task.recorded.append((self._claim.epoch, dict(zip(value["sha256"], value["sessions"], strict=True))))

    def call(self, request: Any, before_sending: Callable[[], None]) -> list[SimpleNamespace]:
        before_sending()
        self._reach("pay")
        if self._answer == "refused":
            raise RaydocsValidationError("The template has no fields.")
        sessions = []
        for document in request.json["files"]:
            sessions.append(SimpleNamespace(id=f"s{len(self._task.paid)}"))
            self._task.paid.append(Payment(self._claim.epoch, document, sessions[-1].id, self.number))
        self._reach("be answered")
        if self._answer == "lost":
            raise RaydocsAmbiguousSubmitError("No answer.")
        return sessions

    # --- in its thread

    def _reach(self, at: str) -> None:
        self.at = at
        self._stands.release()
        self._go.acquire()
        if self._killed:
            raise Killed

    def _live(self) -> None:
        try:
            self._reach("begin")
            self._submit()
        except Killed:
            pass
        except Exception as problem:
            self.error = problem
        self.alive = False
        self._stands.release()

    def _submit(self) -> None:
        task = self._task
        attempt = Attempt(f"019a0000-0000-7000-8000-{self.number:012}", self.number)
        ledger = Ledger(self, self._claim, attempt)
        self.found = ledger.take_over()
        records = [DocumentRecord(each, UPLOADED, sha256=each, key=each) for each in task.documents]
        policy = "resubmit" if task.resubmit else "fail"
        left = settle_known(records, self.found, on_ambiguous_submit=policy)
        for batch in batches([record for record in left if record.state == UPLOADED], task.size):
            create_sessions(cast("RaydocsHook", self), "t1", batch, ledger)


@contextmanager
def a_task(**options: Any) -> Iterator[Task]:
    """A task whose end is checked; no thread of it is left."""
    task = Task(**options)
    try:
        yield task
        task.end()
        unexpected = [each.error for each in task.attempts if each.error and not isinstance(each.error, RaydocsError)]
        assert not unexpected
    finally:
        for running in task.attempts:
            running.kill()


goes_on = st.tuples(st.just("go on"), st.integers(0, 3), st.sampled_from([1, 1, 2, 4, 8, 20]))
begins = st.tuples(st.just("begin"), st.booleans(), st.sampled_from(["ok", "ok", "ok", "refused", "lost"]))
is_killed = st.tuples(st.just("kill"), st.integers(0, 3), st.none())


@settings(max_examples=250)
@given(
    moves=st.lists(st.one_of(goes_on, goes_on, goes_on, begins, is_killed), min_size=4, max_size=40),
    documents=st.integers(1, 3),
    size=st.integers(1, 2),
    resubmit=st.booleans(),
)
def test_however_attempts_take_turns_nothing_is_paid_for_twice_and_no_session_is_lost(
    moves: list[tuple[str, int, Any]], documents: int, size: int, resubmit: bool
) -> None:
    with a_task(documents=DOCUMENTS[:documents], size=size, resubmit=resubmit) as task:
        task.begin()
        for move, which, how in moves:
            if move == "begin" and len(task.attempts) < 4:
                task.begin(clear=bool(which), answer=how)
            elif move == "go on":
                for _ in range(how):
                    task.attempts[-1 - int(which) % len(task.attempts)].step()
            elif move == "kill":
                task.attempts[-1 - int(which) % len(task.attempts)].kill()


@pytest.mark.parametrize("clear", [False, True])
@pytest.mark.parametrize("progress", ["write raydocs_ledger_0", "write raydocs_ledger_1", "be answered", None])
def test_an_attempt_that_is_frozen_while_it_takes_the_ledger_over_finds_out_that_a_later_one_has_done_so(
    clear: bool, progress: str | None
) -> None:
    with a_task() as task:
        old = task.begin().run("write raydocs_ledger_owner")
        new = task.begin(clear=clear).run(progress)
        old.run()
        new.run()


@pytest.mark.parametrize("steps", range(6))
def test_two_frozen_attempts_at_the_beginning_of_a_batch_spoil_nothing_of_a_cleared_task(steps: int) -> None:
    with a_task() as task:
        first = task.begin().run("be answered").run("write raydocs_ledger")
        second = task.begin().run("write raydocs_ledger")
        for _ in range(steps):
            second.step()
        task.begin(clear=True).run()
        first.run()
        second.run()
