"""
What a task has submitted and is going to be billed for, kept where a retry finds it.

Raydocs knows no idempotency keys and lists no sessions, so a session whose id is lost cannot be found again. Before a
batch is paid for, the intent is recorded; when the answer has come, its sessions. A retry then finds one of three
for every document: a session (attach to it), nothing (submit it), or an intent without an answer (ambiguous).

Entries belong to one *claim*: the epoch of the task instance, the template as it was, and the connection. A retry has
the same claim. A cleared task has another epoch and starts anew, as somebody who clears a task expects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

_HEADER = "raydocs_ledger"
_VERSION = 1
_NO_BATCH = {"sha256": (), "sessions": (), "failed": (), "submitted_at": 0.0}


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


@dataclass(slots=True)
class Submissions:
    """
    What earlier attempts of the same claim have left.

    :param sessions: session id by document sha256.
    :param batches: the same, batch by batch.
    :param failed: sessions that are known to have failed.
    :param ambiguous: documents of batches whose answer was never recorded, by sha256.
    :param submitted_at: when the first of the sessions was submitted, in epoch seconds.
    """

    sessions: dict[str, str] = field(default_factory=dict)
    batches: list[dict[str, str]] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)
    ambiguous: set[str] = field(default_factory=set)
    submitted_at: float | None = None


class Ledger:
    """
    The entries of one claim.

    :param store: where they are kept; None keeps nothing, and a retry submits again.
    """

    def __init__(self, store: LedgerStore | None, claim: Claim) -> None:
        self._store = store
        self._claim = asdict(claim)
        self._batches: list[dict[str, Any]] = []

    def recall(self) -> Submissions:
        """Read what earlier attempts have left; nothing, if they had another claim."""
        found = Submissions()
        header = self._store.get(_HEADER) if self._store else None
        if (
            not isinstance(header, Mapping)
            or header.get("version") != _VERSION
            or header.get("claim") != self._claim
            or self._store is None
        ):
            return found
        self._batches = [dict(self._store.get(_key(number)) or _NO_BATCH) for number in range(int(header["batches"]))]
        for batch in self._batches:
            if batch["sessions"] is None:
                found.ambiguous.update(batch["sha256"])
            elif batch["sessions"]:
                found.batches.append(dict(zip(batch["sha256"], batch["sessions"], strict=True)))
                found.sessions.update(found.batches[-1])
                found.failed.update(batch["failed"])
                submitted_at = float(batch["submitted_at"])
                found.submitted_at = min(submitted_at, found.submitted_at or submitted_at)
        # Resubmitted since, by an attempt that was told to: the later answer stands.
        found.ambiguous -= found.sessions.keys()
        return found

    def intend(self, sha256s: Sequence[str], now: float) -> int:
        """
        Record that a batch is about to be paid for.

        :returns: the batch's number, for :meth:`record`.
        """
        number = len(self._batches)
        self._batches.append(_NO_BATCH)
        self._write(number, sha256s, None, now)
        if self._store is not None:
            # Counted only now: a batch that no header counts was never sent and means nothing.
            self._store.set(_HEADER, {"version": _VERSION, "claim": self._claim, "batches": number + 1})
        return number

    def record(self, number: int, sha256s: Sequence[str], session_ids: Sequence[str], now: float) -> None:
        """Record the sessions a batch was answered with."""
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
        for number, batch in enumerate(self._batches):
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
        batch = {
            "sha256": list(sha256s),
            "sessions": None if session_ids is None else list(session_ids),
            "failed": list(failed),
            "submitted_at": now,
        }
        self._batches[number] = batch
        if self._store is not None:
            self._store.set(_key(number), batch)


def _key(number: int) -> str:
    return f"{_HEADER}_{number}"
