"""What hundreds of triggers cost the process and the event loop they share."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.documents import make_documents, make_template
from benchmarks.figures import Bar, Figure
from benchmarks.surroundings import CONNECTION, as_uri, memory, say, seconds_without_processor, start_processes
from benchmarks.tasks import api_requests
from raydocs_provider.emulator import Emulator

TRIGGERS = 200
SESSIONS = 10
SECONDS = 40
# Sixty times the real limit, so that the loop is kept busy.
REQUESTS_PER_MINUTE = 6_000
_TICK = 0.01


def measure_triggerer(
    folder: Path, triggers: int = TRIGGERS, sessions: int = SESSIONS, seconds: float = SECONDS
) -> Iterator[Figure]:
    """
    One process with many triggers and, beside it, one with a single trigger: the difference is what the others cost.

    :param sessions: of each trigger; they stay open, so all of them are looked at again and again.
    """
    say(f"{triggers} triggers with {sessions} sessions each, in one process, for {seconds:.0f} s ...")
    inputs = make_documents(folder / "documents", sessions)
    with Emulator(rate_limit=0, extract_seconds=3_600) as raydocs:
        with start_processes(1, raydocs.url, raydocs.token, REQUESTS_PER_MINUTE) as worker:
            manifests = worker.submit(_make_manifests, make_template(raydocs), inputs, folder, triggers).result()
        with (
            start_processes(1, raydocs.url, raydocs.token, REQUESTS_PER_MINUTE) as alone,
            start_processes(1, raydocs.url, raydocs.token, REQUESTS_PER_MINUTE) as together,
        ):
            for loading in [process.submit(_load) for process in (alone, together)]:
                loading.result()
            at = time.time()
            running = (
                alone.submit(_run_triggers, manifests[:1], seconds),
                together.submit(_run_triggers, manifests, seconds),
            )
            one, many = (each.result() for each in running)
        looks = len(api_requests(raydocs, since=at))
    context = {
        "triggers": triggers,
        "sessions_each": sessions,
        "seconds": seconds,
        "looks_per_minute": looks * 60 / seconds,
    }
    each = (many.memory - one.memory) / (triggers - 1) / 1e3
    sizes = {"with_one_mb": one.memory / 1e6, "with_all_mb": many.memory / 1e6}
    yield Figure("trigger_memory", each, "kB each", Bar("<=", 30), context | sizes)
    lags = {
        "most": many.lag.most,
        "p99_of_loop_with_one": one.lag.p99,
        "p99_on_the_clock": many.lag_on_clock.p99,
        "p99_on_the_clock_of_loop_with_one": one.lag_on_clock.p99,
        "cpu_share_of_one": many.cpu_seconds / seconds,
    }
    yield Figure("trigger_loop_lag_p99", many.lag.p99, "ms", Bar("<=", 20), context | lags)


@dataclass(frozen=True)
class _Lag:
    """How late a loop got around to what was due, in milliseconds: in 99 of 100 cases at most, and ever."""

    p99: float
    most: float

    @classmethod
    def of(cls, late: list[float]) -> _Lag:
        late = sorted(late)
        return cls(1e3 * late[int(0.99 * len(late))], 1e3 * late[-1])


@dataclass(frozen=True)
class _Load:
    """
    What triggers took of their process.

    :param memory: resident, in bytes.
    :param lag: what the loop itself was late for.
    :param lag_on_clock: the same with the waits for a processor that others were using.
    """

    memory: int
    lag: _Lag
    lag_on_clock: _Lag
    cpu_seconds: float


def _load() -> None:
    from raydocs_provider.hooks import raydocs_async, storage, watching  # noqa: F401
    from raydocs_provider.triggers import raydocs  # noqa: F401


def _make_manifests(template_id: str, inputs: str, folder: Path, number: int) -> list[dict[str, Any]]:
    """What the operator hands to its trigger, for this many tasks with sessions of their own."""
    from raydocs_provider.extraction.documents import find_documents
    from raydocs_provider.extraction.ledger import Claim, Ledger
    from raydocs_provider.extraction.manifest import Manifest
    from raydocs_provider.extraction.spool import dump_manifest
    from raydocs_provider.hooks.raydocs import RaydocsHook
    from raydocs_provider.hooks.storage import open_path, open_spool
    from raydocs_provider.hooks.submitting import create_sessions, hash_documents, upload_documents

    found = find_documents(inputs, open_path)
    files = {document.uri: document for document in found}
    hashed = hash_documents(found)
    manifests = []
    with RaydocsHook(CONNECTION) as hook:
        for index in range(number):
            results_path = as_uri(folder / f"results-{index}")
            ledger = Ledger(None, Claim(0, CONNECTION, template_id, ""))
            records = create_sessions(hook, template_id, upload_documents(hook, hashed, files), ledger)
            manifest = Manifest(tuple(records), CONNECTION, template_id, "", results_path, time.time())
            manifests.append(dump_manifest(manifest, open_spool(results_path)))
    return manifests


def _run_triggers(manifests: list[dict[str, Any]], seconds: float) -> _Load:
    return asyncio.run(_run_on_loop(manifests, seconds))


async def _run_on_loop(manifests: list[dict[str, Any]], seconds: float) -> _Load:
    from raydocs_provider.triggers.raydocs import RaydocsSessionsTrigger

    deadline = time.time() + 3_600
    cpu = time.process_time()
    triggers = [RaydocsSessionsTrigger(CONNECTION, manifest, deadline) for manifest in manifests]
    running = [asyncio.create_task(_first_event(trigger)) for trigger in triggers]
    lag, lag_on_clock = await _tick(seconds)
    cpu = time.process_time() - cpu
    assert not any(each.done() for each in running), "a trigger fired, but all sessions are open"
    gc.collect()
    # What the allocator only keeps for later is no trigger's.
    ctypes.CDLL(None).malloc_trim(0)
    used = memory("VmRSS")
    for each in running:
        each.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    return _Load(used, lag, lag_on_clock, cpu)


async def _first_event(trigger: Any) -> None:
    async for _ in trigger.run():
        return


async def _tick(seconds: float) -> tuple[_Lag, _Lag]:
    """Be due every now and then, and see how late the loop gets around to it; without and with others' share in it."""
    own, on_clock = [], []
    until = time.monotonic() + seconds
    while (began := time.monotonic()) < until:
        waited = seconds_without_processor()
        await asyncio.sleep(_TICK)
        late = time.monotonic() - began - _TICK
        on_clock.append(late)
        own.append(late - (seconds_without_processor() - waited))
    return _Lag.of(own), _Lag.of(on_clock)
