"""Processes that do not know of each other, behind one address with one limit."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Bar, Figure
from benchmarks.surroundings import CONNECTION, say, start_processes
from benchmarks.tasks import api_requests
from raydocs_provider.emulator import Emulator

WORKERS = 8
MINUTES = 8
LIMIT = 100
# Requests under way at once in a worker, which uploads with so many threads, and in the triggerer.
THREADS_OF_A_WORKER = 4
TRIGGERS = 4


def measure_fleet(folder: Path, minutes: float = MINUTES) -> Iterator[Figure]:
    """
    Eight workers and a triggerer that want to send all the time, and begin at the same moment knowing nothing.

    Twice: with a server that says when to come back, and with one that does not.

    :param minutes: how long they send; whole minutes are whole windows of the limit.
    """
    say(f"{WORKERS} workers and a triggerer on {LIMIT} requests a minute, for {minutes:g} minutes ...")
    with ThreadPoolExecutor(2) as at_once:
        telling = at_once.submit(_run_fleet, minutes, retry_after=True)
        silent = at_once.submit(_run_fleet, minutes, retry_after=False)
    yield from _figures("fleet", telling.result(), Bar(">=", 0.9), Bar("<=", 0.1))
    yield from _figures("fleet_without_retry_after", silent.result())


@dataclass(frozen=True)
class _Shared:
    """What became of the limit. ``by_process`` is how many calls each process got through, least first."""

    minutes: float
    accepted: int
    refused: int
    by_process: list[int]


def _figures(name: str, shared: _Shared, used: Bar | None = None, refused: Bar | None = None) -> Iterator[Figure]:
    requests = shared.accepted + shared.refused
    context = {
        "processes": WORKERS + 1,
        "limit": LIMIT,
        "minutes": shared.minutes,
        "accepted": shared.accepted,
        "refused": shared.refused,
        "by_process": shared.by_process,
    }
    yield Figure(f"{name}_accepted", shared.accepted / (LIMIT * shared.minutes), "of the limit", used, context)
    yield Figure(f"{name}_refused", shared.refused / requests, "of the requests", refused, context)


def _run_fleet(minutes: float, *, retry_after: bool) -> _Shared:
    with (
        Emulator(rate_limit=LIMIT, retry_after=retry_after) as raydocs,
        start_processes(WORKERS + 1, raydocs.url, raydocs.token, LIMIT) as processes,
    ):
        loading = [processes.submit(_load) for _ in range(WORKERS + 1)]
        assert len({each.result() for each in loading}) == WORKERS + 1, "not every process took its turn"
        at = time.time()
        until = at + 60 * minutes
        running = [processes.submit(_work, until) for _ in range(WORKERS)]
        running.append(processes.submit(_trigger, until))
        calls = sorted(each.result() for each in running)
        requests = [request for request in api_requests(raydocs, since=at) if request.at < until]
    refused = sum(request.status == 429 for request in requests)
    return _Shared(minutes, len(requests) - refused, refused, calls)


def _load() -> int:
    """Import what takes long, and wait for the others to have got a process of their own as well."""
    from raydocs_provider.hooks import raydocs, raydocs_async  # noqa: F401

    time.sleep(5)
    return os.getpid()


def _work(until: float) -> int:
    from raydocs_provider.api.requests import list_workspaces
    from raydocs_provider.exceptions import RaydocsApiError
    from raydocs_provider.hooks.raydocs import RaydocsHook

    calls = 0

    def call() -> None:
        nonlocal calls
        while time.time() < until:
            with suppress(RaydocsApiError):
                hook.call(list_workspaces())
                calls += 1

    with RaydocsHook(CONNECTION) as hook:
        hook.open()
        for _ in range(THREADS_OF_A_WORKER):
            threading.Thread(target=call, daemon=True).start()
        time.sleep(until - time.time())
        return calls


def _trigger(until: float) -> int:
    return asyncio.run(_call_on_loop(until))


async def _call_on_loop(until: float) -> int:
    from raydocs_provider.api.requests import list_workspaces
    from raydocs_provider.exceptions import RaydocsApiError
    from raydocs_provider.hooks.raydocs_async import RaydocsAsyncHook

    calls = 0

    async def call() -> None:
        nonlocal calls
        async with RaydocsAsyncHook(CONNECTION) as hook:
            while True:
                with suppress(RaydocsApiError):
                    await hook.call(list_workspaces())
                    calls += 1

    with suppress(TimeoutError):
        async with asyncio.timeout(until - time.time()):
            await asyncio.gather(*(call() for _ in range(TRIGGERS)))
    return calls
