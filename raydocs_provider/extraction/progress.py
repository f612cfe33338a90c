"""
How far a task is, in a few numbers: what people on call see of it while it runs and afterwards.

A record is small, holds no content of documents, and is kept as an XCom of the task, where the Raydocs page of the
Airflow UI finds it.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from raydocs_provider.extraction.manifest import FAILED, STATES, SUBMITTED, Manifest

#: The XCom that holds a record.
PROGRESS_KEY = "raydocs_progress"
VERSION = 1

EXTRACT = "extract"
UPLOAD = "upload"
CREATE_SESSIONS = "create_sessions"
WAIT = "wait"
LOAD = "load"
STORE = "store"

MAX_FAILURE_GROUPS = 20
NO_ANSWER = "none"


class Usage:
    """
    What a task has asked of Raydocs so far. Threads and event loops may count into the same one.

    :param requests: answers by class: ``2xx``, ``4xx``, ``429``, ``5xx``, and ``none`` for requests without one.
    :param budget_wait: seconds spent waiting for the request budget, those of parallel requests added up.
    """

    def __init__(self, requests: Mapping[str, int] | None = None, budget_wait: float = 0.0) -> None:
        self._requests = Counter(requests or {})
        self._budget_wait = budget_wait
        self._lock = threading.Lock()

    def count(self, status: int | None) -> str:
        """Count an answer, or the lack of one, and return its class."""
        answer = NO_ANSWER if status is None else "429" if status == 429 else f"{status // 100}xx"
        with self._lock:
            self._requests[answer] += 1
        return answer

    def wait(self, seconds: float) -> None:
        """Add a time spent waiting."""
        with self._lock:
            self._budget_wait += seconds

    def to_json(self) -> dict[str, Any]:
        """As it stands in a record."""
        with self._lock:
            return {"requests": dict(self._requests), "budget_wait": round(self._budget_wait, 1)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any] | None) -> Usage:
        """Go on from a record; from nothing where there is none that can be read."""
        requests = record.get("requests") if isinstance(record, Mapping) else None
        waited = record.get("budget_wait") if isinstance(record, Mapping) else None
        counts = requests if isinstance(requests, Mapping) else {}
        return cls(
            {str(name): count for name, count in counts.items() if isinstance(count, int)},
            float(waited) if isinstance(waited, int | float) else 0.0,
        )


def describe_extraction(
    kind: str,
    manifest: Manifest,
    usage: Usage,
    now: float,
    *,
    total: int | None = None,
    template_name: str | None = None,
    retry: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """
    The record of a task that brings documents to their results.

    :param kind: ``extract``, ``upload``, ``create_sessions`` or ``wait``.
    :param manifest: as far as it is known.
    :param now: epoch seconds.
    :param total: how many documents there are, with those that are in no manifest yet; default: those of the manifest.
    :param retry: what a retry depends on: the arguments of the operator.
    """
    failures = Counter(
        (record.stage or "", record.code or "") for record in manifest.documents if record.state == FAILED
    )
    submitted = [record.submitted_at for record in manifest.documents if record.state == SUBMITTED]
    return {
        "version": VERSION,
        "kind": kind,
        "updated_at": round(now, 1),
        "conn_id": manifest.conn_id,
        "template_id": manifest.template_id,
        "template_name": template_name,
        "counts": {"total": len(manifest.documents) if total is None else total}
        | {state: manifest.states[state] for state in STATES},
        "failures": [[*group, count] for group, count in failures.most_common(MAX_FAILURE_GROUPS)],
        "oldest_open": min((moment for moment in submitted if moment is not None), default=None),
        "seconds": describe_seconds([record.seconds for record in manifest.documents if record.seconds is not None]),
        "retry": dict(retry) if retry else None,
    } | usage.to_json()


def describe_landing(
    kind: str,
    landed: Mapping[str, Any],
    manifest: Mapping[str, Any],
    usage: Usage,
    now: float,
) -> dict[str, Any]:
    """
    The record of a task that lands documents.

    :param kind: ``load`` or ``store``.
    :param landed: what the operator returns.
    :param manifest: of the extraction, as JSON.
    """
    return {
        "version": VERSION,
        "kind": kind,
        "updated_at": round(now, 1),
        "conn_id": manifest.get("conn_id"),
        "template_id": manifest.get("template_id"),
        "rows": landed.get("rows"),
        "problems": landed.get("problems"),
        "kept": landed.get("kept"),
        "reviews": landed.get("reviews"),
    } | usage.to_json()


def describe_seconds(durations: Sequence[float]) -> dict[str, Any] | None:
    """
    The middle, the slow tenth and the slowest of some durations in seconds; None of none.

    With a histogram by quarter octaves, from which those of several tasks can be told to a fifth.
    """
    if not durations:
        return None
    ranked = sorted(durations)
    histogram = Counter(str(math.ceil(4 * math.log2(max(duration, 0.01)))) for duration in ranked)
    return {
        "p50": round(ranked[_rank(0.5, len(ranked))], 1),
        "p90": round(ranked[_rank(0.9, len(ranked))], 1),
        "max": round(ranked[-1], 1),
        "histogram": dict(histogram),
    }


def merge_seconds(described: Iterable[Mapping[str, Any]]) -> dict[str, float] | None:
    """The same of all durations together, from what `describe_seconds` said about parts of them."""
    histogram: Counter[int] = Counter()
    slowest = 0.0
    for part in described:
        slowest = max(slowest, float(part.get("max", 0.0)))
        for exponent, count in dict(part.get("histogram") or {}).items():
            histogram[int(exponent)] += int(count)
    total = histogram.total()
    if not total:
        return None

    def at(part: float) -> float:
        left = _rank(part, total)
        for exponent in sorted(histogram):
            left -= histogram[exponent]
            if left < 0:
                return round(min(slowest, 2 ** (exponent / 4)), 1)
        return round(slowest, 1)

    return {"p50": at(0.5), "p90": at(0.9), "max": round(slowest, 1)}


def _rank(part: float, total: int) -> int:
    return min(total - 1, int(part * total))
