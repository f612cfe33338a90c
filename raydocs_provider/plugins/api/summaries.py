"""What the Raydocs page says about many task instances, from their progress records. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from raydocs_provider.extraction.manifest import EXTRACTED, FAILED, SKIPPED, SUBMITTED
from raydocs_provider.extraction.progress import CREATE_SESSIONS, EXTRACT, LOAD, STORE, UPLOAD, WAIT, merge_seconds
from raydocs_provider.landing.review import REVIEW

#: Task instances that may still change, in the order in which people want to see them.
ACTIVE = ("running", "deferred", "up_for_reschedule", "awaiting_input", "queued", "scheduled", "up_for_retry")
MAX_BUCKETS = 60
MAX_FAILURES = 50
# Steps of one extraction hand the same documents on: the furthest one counts them.
_FURTHEST = (EXTRACT, WAIT, CREATE_SESSIONS, UPLOAD)
_STEPS = (60, 300, 900, 3600, 3 * 3600, 6 * 3600, 86_400, 7 * 86_400)


@dataclass(frozen=True, slots=True)
class TaskRun:
    """
    A task instance of Raydocs.

    :param progress: its progress record.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    state: str | None
    run_after: datetime | None
    start_date: datetime | None
    end_date: datetime | None
    progress: Mapping[str, Any] = field(repr=False)

    @property
    def kind(self) -> str:
        """Of the task."""
        return str(self.progress.get("kind") or "")

    @property
    def counts(self) -> Mapping[str, int]:
        """Its documents by state."""
        return self.progress.get("counts") or {}

    @property
    def seen_at(self) -> datetime | None:
        """When it has ended, or told something last."""
        if self.end_date is not None:
            return self.end_date
        updated_at = self.progress.get("updated_at")
        return datetime.fromtimestamp(updated_at, UTC) if isinstance(updated_at, int | float) else self.start_date


def describe_run(run: TaskRun) -> dict[str, Any]:
    """One row of the page."""
    progress = run.progress
    return {
        "dag_id": run.dag_id,
        "run_id": run.run_id,
        "task_id": run.task_id,
        "map_index": run.map_index,
        "try_number": run.try_number,
        "state": run.state,
        "active": run.state in ACTIVE,
        "kind": run.kind,
        "run_after": _iso(run.run_after),
        "start_date": _iso(run.start_date),
        "end_date": _iso(run.end_date),
        "updated_at": _iso(run.seen_at),
        "template_id": progress.get("template_id"),
        "template_name": progress.get("template_name"),
        "counts": run.counts or None,
        "failures": progress.get("failures") or [],
        "to_review": (progress.get("reviews") or {}).get(REVIEW),
        "oldest_open": progress.get("oldest_open"),
        "seconds": {name: value for name, value in (progress.get("seconds") or {}).items() if name != "histogram"}
        or None,
        "requests": sum((progress.get("requests") or {}).values()),
        "limited": (progress.get("requests") or {}).get("429", 0),
        "budget_wait": progress.get("budget_wait") or 0.0,
        "rows": progress.get("rows"),
        "problems": progress.get("problems"),
    }


def in_order(runs: Iterable[TaskRun]) -> list[TaskRun]:
    """Those that may still change first, then the newest."""
    oldest = datetime.min.replace(tzinfo=UTC)
    ranked = sorted(runs, key=lambda run: run.start_date or run.run_after or oldest, reverse=True)
    return sorted(ranked, key=lambda run: run.state not in ACTIVE)


def summarize(runs: Sequence[TaskRun]) -> dict[str, Any]:
    """The numbers at the top of the page."""
    counted = furthest(runs)
    documents = Counter[str]()
    for run in counted:
        documents.update(run.counts)
    requests = Counter[str]()
    for run in runs:
        requests.update(run.progress.get("requests") or {})
    loads = [run for run in runs if run.kind in (LOAD, STORE)]
    seconds = merge_seconds(run.progress["seconds"] for run in counted if run.progress.get("seconds"))
    return {
        "tasks": len(runs),
        "active": sum(run.state in ACTIVE for run in runs),
        "documents": documents["total"],
        "extracted": documents[EXTRACTED],
        "failed": documents[FAILED],
        "skipped": documents[SKIPPED],
        "open": documents[SUBMITTED],
        "oldest_open": min(
            (run.progress["oldest_open"] for run in counted if run.state in ACTIVE and run.progress.get("oldest_open")),
            default=None,
        ),
        "to_review": sum((run.progress.get("reviews") or {}).get(REVIEW, 0) for run in loads),
        "rows": sum(sum((run.progress.get("rows") or {}).values()) for run in loads),
        "requests": requests.total(),
        "limited": requests["429"],
        "budget_wait": round(sum(run.progress.get("budget_wait") or 0.0 for run in runs), 1),
        "seconds": seconds,
    }


def furthest(runs: Iterable[TaskRun]) -> list[TaskRun]:
    """Of the steps of each Dag run, those that count its documents: each document once."""
    by_run: dict[tuple[str, str], list[TaskRun]] = {}
    for run in runs:
        if run.kind in _FURTHEST:
            by_run.setdefault((run.dag_id, run.run_id), []).append(run)
    counted = []
    for steps in by_run.values():
        kinds = {run.kind for run in steps}
        furthest_step = next((kind for kind in _FURTHEST[1:] if kind in kinds), None)
        counted += [run for run in steps if run.kind in (EXTRACT, furthest_step)]
    return counted


def group_failures(runs: Sequence[TaskRun]) -> list[dict[str, Any]]:
    """Failed documents by where and why, the most frequent first, each with the newest task that has some."""
    counts = Counter[tuple[str, str]]()
    tasks = Counter[tuple[str, str]]()
    examples: dict[tuple[str, str], TaskRun] = {}
    for run in in_order(furthest(runs)):
        for stage, code, count in run.progress.get("failures") or []:
            counts[stage, code] += count
            tasks[stage, code] += 1
            examples.setdefault((stage, code), run)
    return [
        {
            "stage": stage,
            "code": code,
            "count": count,
            "tasks": tasks[stage, code],
            "example": {
                "dag_id": examples[stage, code].dag_id,
                "run_id": examples[stage, code].run_id,
                "task_id": examples[stage, code].task_id,
                "map_index": examples[stage, code].map_index,
            },
        }
        for (stage, code), count in counts.most_common(MAX_FAILURES)
    ]


def draw_timeline(runs: Sequence[TaskRun], since: datetime, until: datetime) -> tuple[int, list[dict[str, Any]]]:
    """
    Documents and rows over time.

    :return: the width of a bucket in seconds, and the buckets, those without anything included.
    """
    span = max(1.0, (until - since).total_seconds())
    width = next((step for step in _STEPS if span / step <= MAX_BUCKETS), _STEPS[-1])
    first = int(since.timestamp()) // width * width
    number = int((until.timestamp() - first) // width) + 1
    buckets: list[Counter[str]] = [Counter() for _ in range(min(number, MAX_BUCKETS + 1))]
    counted = {id(run) for run in furthest(runs)}
    for run in runs:
        if run.seen_at is None:
            continue
        place = int(run.seen_at.timestamp() - first) // width
        if 0 <= place < len(buckets):
            if id(run) in counted:
                buckets[place].update({state: run.counts.get(state, 0) for state in (EXTRACTED, FAILED)})
            buckets[place]["rows"] += sum((run.progress.get("rows") or {}).values())
    return width, [
        {
            "at": _iso(datetime.fromtimestamp(first, UTC) + timedelta(seconds=width * place)),
            "extracted": bucket[EXTRACTED],
            "failed": bucket[FAILED],
            "rows": bucket["rows"],
        }
        for place, bucket in enumerate(buckets)
    ]


def list_filters(runs: Iterable[TaskRun]) -> dict[str, Any]:
    """What there is to choose from."""
    runs = list(runs)
    templates: dict[str, str | None] = {}
    for run in runs:
        if id_ := run.progress.get("template_id"):
            # Loads know the id alone.
            templates[id_] = templates.get(id_) or run.progress.get("template_name")
    return {
        "dags": sorted({run.dag_id for run in runs}),
        "tasks": sorted({run.task_id for run in runs}),
        "states": sorted({run.state or "none" for run in runs}),
        "kinds": sorted({run.kind for run in runs}),
        "templates": [{"id": id_, "name": name or id_} for id_, name in sorted(templates.items())],
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
