"""
What a task has submitted and is going to be billed for, kept where a retry finds it.

Raydocs knows no idempotency keys and lists no sessions, so a session whose id is lost cannot be found again. Before a
batch is paid for, the intent is recorded; when the answer has come, its sessions. A retry then finds one of three
for every document: a session (attach to it), nothing (submit it), or an intent without an answer (ambiguous).

Entries belong to one *claim*: the epoch of the task instance, the template as it was, and the connection. A retry has
the same claim. A cleared task has another epoch and starts anew, as somebody who clears a task expects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

_HEADER = "raydocs_ledger"
_VERSION = 1


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
    :param failed: sessions that are known to have failed.
    :param ambiguous: documents of batches whose answer was never recorded, by sha256.
    :param submitted_at: when the first of the sessions was submitted, in epoch seconds.
    """

    sessions: dict[str, str] = field(default_factory=dict)
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
        self._batches = 0
        self._failed: list[str] = []

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
        self._batches = int(header["batches"])
        self._failed = list(header.get("failed", ()))
        found.failed.update(self._failed)
        for number in range(self._batches):
            entry = self._store.get(_key(number))
            if not isinstance(entry, Mapping):
                continue
            if entry["sessions"] is None:
                found.ambiguous.update(entry["sha256"])
                continue
            found.sessions.update(zip(entry["sha256"], entry["sessions"], strict=True))
            submitted_at = float(entry["submitted_at"])
            found.submitted_at = min(submitted_at, found.submitted_at or submitted_at)
        # Resubmitted since, by an attempt that was told to: the later answer stands.
        found.ambiguous -= found.sessions.keys()
        return found

    def intend(self, sha256s: Sequence[str], now: float) -> int:
        """
        Record that a batch is about to be paid for.

        :returns: the batch's number, for :meth:`record`.
        """
        number = self._batches
        self._write(number, sha256s, None, now)
        # Counted only now: an entry that no header counts was never sent and means nothing.
        self._batches += 1
        self._write_header()
        return number

    def record(self, number: int, sha256s: Sequence[str], session_ids: Sequence[str], now: float) -> None:
        """Record the sessions a batch was answered with."""
        self._write(number, sha256s, session_ids, now)

    def withdraw(self, number: int) -> None:
        """Record that a batch was refused: nothing was created, nothing is owed."""
        self._write(number, (), (), 0.0)

    def record_failed(self, session_ids: Iterable[str]) -> None:
        """Record sessions that have failed, so that a retry knows without looking."""
        known = set(self._failed)
        new = [session_id for session_id in session_ids if session_id not in known]
        if new:
            self._failed.extend(new)
            self._write_header()

    def _write(self, number: int, sha256s: Sequence[str], session_ids: Sequence[str] | None, now: float) -> None:
        if self._store is not None:
            entry = {
                "sha256": list(sha256s),
                "sessions": None if session_ids is None else list(session_ids),
                "submitted_at": now,
            }
            self._store.set(_key(number), entry)

    def _write_header(self) -> None:
        if self._store is not None:
            header = {
                "version": _VERSION,
                "claim": self._claim,
                "batches": self._batches,
                "failed": self._failed,
            }
            self._store.set(_HEADER, header)


def _key(number: int) -> str:
    return f"{_HEADER}_{number}"
