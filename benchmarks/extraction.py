"""Requests for each document, and wall time against what the limit allows at best."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.documents import make_documents
from benchmarks.figures import Bar, Figure
from benchmarks.surroundings import as_uri, say
from benchmarks.tasks import Ran, run_task
from raydocs_provider.emulator import Emulator
from raydocs_provider.emulator.limits import FixedWindow

DOCUMENTS = 1_000
# The real limit is 100 a minute; six times that, with everything else six times as fast, shows the same in a sixth of
# the time and leaves the processor idle.
LIMIT = 600
REAL_LIMIT = 100
# Seconds from least to most, at the real limit.
PARSING = (2, 4)
EXTRACTION = (20, 60)
BATCH = 50


def measure_extraction(folder: Path, documents: int = DOCUMENTS, limit: int = LIMIT) -> Iterator[Figure]:
    """
    A task that extracts many documents, once where sessions hold their results and once where they hold summaries.

    :param limit: requests a minute. Extractions take as long in proportion as :data:`EXTRACTION` says for 100 a minute.
    """
    inputs = make_documents(folder / "documents", documents)
    say(
        f"{documents} documents at {limit} requests a minute, with and without summaries side by side: "
        f"{ideal_seconds(3 * documents, limit) / 60:.0f} minutes or a little more ..."
    )
    began, cpu = time.monotonic(), time.process_time()
    with ThreadPoolExecutor(2) as both:
        running = [
            both.submit(_extract, folder / name, inputs, limit, summaries=summaries)
            for name, summaries in (("whole", False), ("summaries", True))
        ]
        whole, summaries = (each.result() for each in running)
    used = time.process_time() - cpu + whole.cpu_seconds + summaries.cpu_seconds
    share = used / (time.monotonic() - began) / (os.cpu_count() or 1)
    least = 2 * documents + math.ceil(documents / BATCH)

    def figure(name: str, ran: Ran, value: float, unit: str, bar: Bar, **more: float) -> Figure:
        context = {
            "documents": documents,
            "extracted": ran.extracted,
            "limit": limit,
            "requests": len(ran.requests),
            "refused": ran.refused,
            "seconds": ran.seconds,
            "cpu_share": share,
        }
        # Where documents are missing the value says nothing.
        return Figure(name, value if ran.extracted == documents else math.inf, unit, bar, more | context)

    for name, ran, floor, bar in (
        ("requests_per_document", whole, least, Bar("<=", 2.3)),
        ("requests_per_document_summaries", summaries, least + documents, Bar("<=", 3.3)),
    ):
        yield figure(name, ran, len(ran.requests) / documents, "requests", bar, floor=floor / documents)
    best = max(ideal_seconds(least, limit), (PARSING[1] + EXTRACTION[1]) * REAL_LIMIT / limit)
    yield figure("wall_time_over_floor", whole, whole.seconds / best, "x", Bar("<=", 1.15), floor_seconds=best)


def ideal_seconds(requests: int, limit: int) -> float:
    """How long the requests take a client that is never refused and never idle while it might send."""
    window, now = FixedWindow(limit), 0.0
    for _ in range(requests):
        verdict = window.hit("", now)
        if not verdict.allowed:
            now = verdict.resets_at
            window.hit("", now)
    return now


def span(seconds: tuple[float, float], pace: float = 1) -> str:
    """Least and most seconds as the emulator takes them."""
    least, most = seconds
    return f"{least * pace}-{most * pace}"


def _extract(folder: Path, inputs: str, limit: int, *, summaries: bool) -> Ran:
    pace = REAL_LIMIT / limit
    with Emulator(
        rate_limit=limit,
        parse_seconds=span(PARSING, pace),
        extract_seconds=span(EXTRACTION, pace),
        summaries=summaries,
        seed=1,
    ) as raydocs:
        arguments = {
            "documents": inputs,
            "results_path": as_uri(folder),
            "expected_seconds": 30 * pace,
        }
        return run_task(raydocs, limit, arguments)
