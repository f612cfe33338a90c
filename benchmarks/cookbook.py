"""The published cookbook loop and ours, on the same documents at the same time."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.documents import make_documents, make_template
from benchmarks.extraction import EXTRACTION, PARSING, REAL_LIMIT, span
from benchmarks.figures import Bar, Figure
from benchmarks.surroundings import as_uri, say
from benchmarks.tasks import api_requests, run_task
from raydocs_provider.emulator import Emulator

ROOT = Path(__file__).parents[1]
DOCUMENTS = 50


@dataclass(frozen=True)
class Spent:
    """What one way of extracting the documents took."""

    extracted: int
    requests: int
    refused: int
    seconds: float


def measure_cookbook(folder: Path, documents: int = DOCUMENTS) -> Iterator[Figure]:
    """
    Both ways, each with an emulator of its own that takes the same time for the same document.

    Once against a server that refuses nobody, which shows what each way asks for; once against the real limit, where
    the loop spends most of its time asleep after a 429.
    """
    inputs = make_documents(folder / "documents", documents)
    say(
        f"{documents} documents by the cookbook loop and by the operator, with and without a limit: about 2 minutes ..."
    )
    with ThreadPoolExecutor(4) as at_once:
        free_loop = at_once.submit(_run_loop, folder, 0)
        free_ours = at_once.submit(_run_ours, folder / "free", inputs, 0)
        limited_loop = at_once.submit(_run_loop, folder, REAL_LIMIT)
        limited_ours = at_once.submit(_run_ours, folder / "limited", inputs, REAL_LIMIT)
    yield _compare("cookbook_requests", free_ours.result(), free_loop.result(), documents, 0, Bar("<=", 0.2))
    yield _compare("cookbook_requests_limited", limited_ours.result(), limited_loop.result(), documents, REAL_LIMIT)


def _compare(name: str, ours: Spent, loop: Spent, documents: int, limit: int, bar: Bar | None = None) -> Figure:
    complete = ours.extracted == loop.extracted == documents
    context = {
        "documents": documents,
        "limit": limit,
        "extraction_seconds": span(EXTRACTION),
        "ours": ours.requests,
        "loop": loop.requests,
        "ours_refused": ours.refused,
        "loop_refused": loop.refused,
        "ours_seconds": ours.seconds,
        "loop_seconds": loop.seconds,
    }
    return Figure(name, ours.requests / loop.requests if complete else math.inf, "of the loop's", bar, context)


def _raydocs(limit: int) -> Emulator:
    return Emulator(rate_limit=limit, parse_seconds=span(PARSING), extract_seconds=span(EXTRACTION), seed=1)


def _run_loop(folder: Path, limit: int) -> Spent:
    files = sorted(str(path) for path in (folder / "documents").iterdir())
    with _raydocs(limit) as raydocs:
        command = [sys.executable, "-m", "benchmarks.cookbook_loop", raydocs.url, raydocs.token, make_template(raydocs)]
        at = time.time()
        done = subprocess.run([*command, *files], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
        requests = api_requests(raydocs, since=at)
    refused = sum(request.status == 429 for request in requests)
    return Spent(int(done.stdout), len(requests), refused, time.time() - at)


def _run_ours(folder: Path, inputs: str, limit: int) -> Spent:
    with _raydocs(limit) as raydocs:
        # With the limit that a connection has unless it is told another: the one that Raydocs documents.
        ran = run_task(raydocs, REAL_LIMIT, {"documents": inputs, "results_path": as_uri(folder)})
    return Spent(ran.extracted, len(ran.requests), ran.refused, ran.seconds)
