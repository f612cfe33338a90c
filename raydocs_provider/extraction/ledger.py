"""
What a task has submitted and is going to be billed for, kept where a retry finds it.

Raydocs knows no idempotency keys and lists no sessions, so a session whose id is lost cannot be found again. Before a
batch is paid for, the intent is recorded; when the answer has come, its sessions. A retry then finds one of three
for every document: a session (attach to it), nothing (submit it), or an intent without an answer (ambiguous).

Entries belong to one *claim*: the epoch of the task instance, the template as it was, and the connection. A retry has
the same claim. A cleared task has another epoch and starts anew, as somebody who clears a task expects.

One attempt owns the ledger: the last one that took it over. A worker that was frozen may go on when its successor is
long at work, so an attempt writes its intent, and then asks whether the ledger is still its own. A successor takes the
ledger over, and then reads the intents. Whoever is first, one of the two sees the other, and no batch is sent twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol
from uuid import UUID

from raydocs_provider.exceptions import RaydocsSupersededError
from raydocs_provider.wording import say_count, say_minute

_HEADER = "raydocs_ledger"
_OWNER = "raydocs_ledger_owner"
_VERSION = 1
_NO_BATCH: dict[str, Any] = {"sha256": (), "sessions": (), "failed": (), "submitted_at": 0.0}


class LedgerStore(Protocol):
    """
    Where entries are kept: small JSON values by key, each written whole.

    Airflow 3.3's task state store limits a value to 64 KB; an entry of 50 documents takes about 6 KB.
    """

    def get(self, key: str) -> Any:
        """The value, or None."""

    def set(self, key: str, value: Any) -> None:
        """Keep a value; durable when this returns."""


@dataclass(frozen=True, slots=True)
class Claim:
    """
    What entries have to agree in for a later attempt to use them.

    :param epoch: changes when the task is cleared, not when it is retried.
    """

    epoch: int
    conn_id: str
    template_id: str
    template_hash: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """
    One attempt of a task instance.

    :param id: of the task instance at this attempt. Airflow gives a new one to each, made of the time (UUID 7).
    :param try_number: for people.
    """

    id: str
    try_number: int = 1


@dataclass(frozen=True, slots=True)
class Unanswered:
    """
    A batch that was, perhaps, sent, and of which no answer was recorded.

    :param documents: how many were in it.
    :param sent_at: when, in epoch seconds.
    """

    template_id: str
    documents: int
    sent_at: float

    def describe(self) -> str:
        """What to look for in the dashboard, such as ``50 documents, template 12, 2026-12-01 03:52 UTC``."""
        return f"{say_count(self.documents, 'document')}, template {self.template_id}, {say_minute(self.sent_at)}"


@dataclass(slots=True)
class Submissions:
    """
    What earlier attempts of the same claim have left.

    :param sessions: session id by document sha256.
    :param batches: the same, batch by batch.
    :param failed: sessions that are known to have failed.
    :param ambiguous: the batch by document sha256, for documents of batches whose answer was never recorded.
    :param submitted_at: when the first of the sessions was submitted, in epoch seconds.
    """

    sessions: dict[str, str] = field(default_factory=dict)
    batches: list[dict[str, str]] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)
    ambiguous: dict[str, Unanswered] = field(default_factory=dict)
    submitted_at: float | None = None


class Ledger:
    """
    The entries of one claim.

    :param store: where they are kept; None keeps nothing, and a retry submits again.
    :param attempt: whose ledger this is; needed for :meth:`take_over`.
    """

    def __init__(self, store: LedgerStore | None, claim: Claim, attempt: Attempt | None = None) -> None:
        self._store = store
        self._claim = asdict(claim)
        self._mark = hashlib.sha256(json.dumps(self._claim, sort_keys=True).encode()).hexdigest()[:16]
        self._attempt = attempt
        self._owned = False
        self._batches: dict[int, dict[str, Any]] = {}
        self._to_empty: set[int] = set()
        self._next = self._unmarked = 0

    def take_over(self) -> Submissions:
        """
        Make the ledger this attempt's own, and read what earlier ones have left. From now on they submit nothing.

        :raises RaydocsSupersededError: if a later attempt has done so before.
        """
        if self._store is None or self._attempt is None:
            return self.recall()
        owner = self._store.get(_OWNER)
        if _is_later(owner, self._attempt.id):
            raise _superseded(owner)
        self._store.set(_OWNER, asdict(self._attempt))
        self._owned = True
        found = self.recall()
        # Whoever was before may be frozen at the beginning of its next entry, but of none behind that one.
        self._to_empty.add(self._next)
        self._next += 1
        return found

    def recall(self) -> Submissions:
        """
        Read what earlier attempts have left; nothing, if they had another claim.

        :raises RaydocsSupersededError: if a later attempt has written to the ledger: this one was frozen while it took
            the ledger over, and the other one has done so meanwhile.
        """
        found = Submissions()
        self._batches, self._to_empty, self._next, self._unmarked = {}, set(), 0, 0
        if self._store is None:
            return found
        header = self._store.get(_HEADER)
        counted = 0
        if isinstance(header, Mapping) and header.get("version") == _VERSION:
            counted = int(header["batches"])
            # Older versions did not say in an entry whose it is: all that the header counts was of its claim.
            if header.get("claim") == self._claim:
                self._unmarked = int(header.get("unmarked", counted))
        # A frozen attempt may have written an older header over a newer one, so the entries themselves are asked.
        while (entry := self._store.get(_key(self._next))) is not None or self._next < counted:
            batch = dict(entry or _NO_BATCH)
            if self._owned and self._attempt and _is_later(batch.get("attempt"), self._attempt.id):
                raise _superseded(batch["attempt"])
            if batch["claim"] == self._mark if "claim" in batch else entry and self._next < self._unmarked:
                self._batches[self._next] = batch
            elif entry is None or batch["sha256"]:
                self._to_empty.add(self._next)
            self._next += 1
        for batch in self._batches.values():
            if batch["sessions"] is None:
                unanswered = Unanswered(self._claim["template_id"], len(batch["sha256"]), float(batch["submitted_at"]))
                found.ambiguous.update(dict.fromkeys(batch["sha256"], unanswered))
            elif batch["sessions"]:
                found.batches.append(dict(zip(batch["sha256"], batch["sessions"], strict=True)))
                found.sessions.update(found.batches[-1])
                found.failed.update(batch["failed"])
                submitted_at = float(batch["submitted_at"])
                found.submitted_at = min(submitted_at, found.submitted_at or submitted_at)
        # Resubmitted since, by an attempt that was told to: the later answer stands.
        found.ambiguous = {sha256: sent for sha256, sent in found.ambiguous.items() if sha256 not in found.sessions}
        return found

    def check_owner(self) -> None:
        """
        Ask whether the ledger is still this attempt's own.

        :raises RaydocsSupersededError: if not. Airflow's state store tells an old attempt nothing at all, which is the
            same.
        """
        if not self._owned or self._store is None or self._attempt is None:
            return
        owner = self._store.get(_OWNER)
        if not isinstance(owner, Mapping) or owner.get("id") != self._attempt.id:
            raise _superseded(owner)

    def intend(self, sha256s: Sequence[str], now: float) -> int:
        """
        Record that a batch is about to be paid for.

        :returns: the batch's number, for :meth:`record`.
        :raises RaydocsSupersededError: when a later attempt has taken the ledger over: the batch must not be sent.
        """
        self._empty()
        self.check_owner()
        number, self._next = self._next, self._next + 1
        # Counted first: older versions overlook no entry, and one that is counted and not there was never sent.
        self._count(self._next)
        self._write(number, sha256s, None, now)
        try:
            self.check_owner()
        except Exception:
            with suppress(Exception):  # nothing was sent, so there is nothing to be in doubt about
                self.withdraw(number)
            raise
        return number

    def _empty(self) -> None:
        """
        Have no gap in the numbers, and nothing of another claim.

        Older versions take all that the header counts for their own. Numbers are never used again: an attempt of the
        other claim may be frozen, and write the answer to its batch when it goes on.
        """
        if self._to_empty:
            self.check_owner()
        for number in sorted(self._to_empty):
            self.withdraw(number)
        self._to_empty = set()

    def _count(self, batches: int) -> None:
        if self._store is not None:
            header = {"version": _VERSION, "claim": self._claim, "batches": batches, "unmarked": self._unmarked}
            self._store.set(_HEADER, header)

    def record(self, number: int, sha256s: Sequence[str], session_ids: Sequence[str], now: float) -> None:
        """Record the sessions a batch was answered with: whoever owns the ledger by now, they are paid for."""
        self._write(number, sha256s, session_ids, now)

    def withdraw(self, number: int) -> None:
        """Record that a batch was refused: nothing was created, nothing is owed."""
        self._write(number, (), (), 0.0)

    def record_failed(self, failed: Mapping[str, str]) -> None:
        """
        Record sessions that have failed, so that a retry knows without looking, and what they held.

        Which session of a batch holds which document is only known once it has been looked at: a batch may be answered
        in another order. A retry that submits the failed documents again must not take others for them.

        :param failed: document sha256 by session id.
        """
        for number, batch in list(self._batches.items()):
            sha256s, session_ids = batch["sha256"], list(batch["sessions"] or ())
            new = [
                session_id for session_id in session_ids if session_id in failed and session_id not in batch["failed"]
            ]
            for session_id in new:
                if failed[session_id] in sha256s:
                    said, held = session_ids.index(session_id), sha256s.index(failed[session_id])
                    session_ids[said], session_ids[held] = session_ids[held], session_ids[said]
            if new:
                self._write(number, sha256s, session_ids, batch["submitted_at"], [*batch["failed"], *new])

    def _write(
        self,
        number: int,
        sha256s: Sequence[str],
        session_ids: Sequence[str] | None,
        now: float,
        failed: Sequence[str] = (),
    ) -> None:
        batch: dict[str, Any] = {
            "sha256": list(sha256s),
            "sessions": None if session_ids is None else list(session_ids),
            "failed": list(failed),
            "submitted_at": now,
            "claim": self._mark,
        }
        if self._attempt:
            batch["attempt"] = asdict(self._attempt)
        self._batches[number] = batch
        if self._store is not None:
            self._store.set(_key(number), batch)


def has_submissions(store: LedgerStore, epoch: int) -> bool:
    """
    Whether there is something that a retry would go on with, and that clearing the task would pay for again.

    :param epoch: of the running attempt, see :class:`Claim`. Connection and template may be any.
    """
    header = store.get(_HEADER)
    claim = header.get("claim") if isinstance(header, Mapping) and header.get("version") == _VERSION else None
    if not isinstance(claim, Mapping) or claim.get("epoch") != epoch:
        return False
    found = Ledger(store, Claim(**claim)).recall()
    return bool(found.sessions or found.ambiguous)


def _key(number: int) -> str:
    return f"{_HEADER}_{number}"


def _is_later(owner: object, attempt_id: str) -> bool:
    try:
        theirs, ours = UUID(str(owner["id"])), UUID(attempt_id)  # type: ignore[index]
    except (KeyError, TypeError, ValueError):
        return False
    return theirs.version == ours.version == 7 and theirs.int > ours.int


def _superseded(owner: object) -> RaydocsSupersededError:
    if not isinstance(owner, Mapping):
        return RaydocsSupersededError(
            "The ledger is gone. Either Airflow has begun a newer attempt of this task, which goes on with what was "
            "submitted, or somebody has deleted it. This one stops before it submits, and pays for, anything more."
        )
    return RaydocsSupersededError(
        f"A newer attempt of this task (try {owner.get('try_number')}) has begun since, so this one stops before it "
        "submits, and pays for, anything more. Nothing is to be done: the newer one goes on with what was submitted."
    )
