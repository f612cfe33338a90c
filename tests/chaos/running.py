"""One seed from its documents to its verdict."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.context import ForkServerContext
from pathlib import Path
from urllib.parse import urlsplit

from raydocs_provider.emulator import EmulatorOptions
from tests.chaos import driver
from tests.chaos.checks import Evidence, dump, find_violations, read_ledger
from tests.chaos.documents import SCHEMA, make_documents
from tests.chaos.driver import Home
from tests.chaos.raydocs import ChaosRaydocs, Recorded, Strikes, Weather, is_paid
from tests.chaos.scenario import Scenario, draw
from tests.integration.emulator.client import Client

LONGEST_START_SECONDS = 120
MOST_STARTS = 30


@dataclass(frozen=True)
class Verdict:
    """
    How a seed went.

    :param kept: folder with the files of a run that was not clean.
    """

    scenario: Scenario
    violations: tuple[str, ...]
    starts: int
    kills: int
    requests: int
    seconds: float
    kept: Path | None = None

    def __str__(self) -> str:
        state = "ok  " if not self.violations else "FAIL"
        line = (
            f"{state} seed {self.scenario.seed:3}  {self.seconds:5.1f} s  {self.kills} kill(s)  {self.starts} start(s)"
            f"  {self.requests:4} requests  {self.scenario.summarize()}"
        )
        kept = [f"     the run's files are kept in {self.kept}"] if self.kept else []
        return "\n".join([line, *(f"     {violation}" for violation in self.violations), *kept])


@contextmanager
def private_airflow() -> Iterator[None]:
    """An Airflow home for whatever is started meanwhile."""
    with tempfile.TemporaryDirectory(prefix="raydocs-chaos-airflow-") as home:
        before = os.environ.get("AIRFLOW_HOME")
        os.environ["AIRFLOW_HOME"] = home
        try:
            yield
        finally:
            del os.environ["AIRFLOW_HOME"]
            if before is not None:
                os.environ["AIRFLOW_HOME"] = before


def driver_processes() -> ForkServerContext:
    """Where drivers come from: forked from a process that has imported Airflow, which takes seconds, once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.chaos.preload"])
    return context


def run_seed(seed: int, documents: int) -> Verdict:
    """Run a scenario to its end and judge it."""
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix=f"raydocs-chaos-{seed}-"))
    run = Run(draw(seed, documents), folder)
    try:
        violations = run.run()
    finally:
        run.stop()
    if not violations:
        shutil.rmtree(folder)
    return Verdict(
        scenario=run.scenario,
        violations=tuple(violations),
        starts=run.starts,
        kills=run.kills,
        requests=run.strikes.requests,
        seconds=time.monotonic() - began,
        kept=folder if violations else None,
    )


class Run:
    """
    A scenario under way: Raydocs in a thread, one driver after the other.

    :param folder: what outlives the drivers.
    """

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        self.scenario = scenario
        self.home = Home(folder)
        self.strikes = Strikes(scenario.strikes)
        self.starts = 0
        self.kills = 0
        self.answers_lost = 0
        self._processes = driver_processes()
        self._weather = Weather(scenario)
        self._recorded = Recorded()
        self._restart_wanted = threading.Event()
        state = folder / "raydocs.db" if scenario.durable_raydocs else None
        options = EmulatorOptions.build(seed=scenario.seed, rate_limit=0, state=state, **scenario.raydocs)
        self._raydocs = self._make_raydocs(options)

    def _make_raydocs(self, options: EmulatorOptions) -> ChaosRaydocs:
        return ChaosRaydocs(options, self.strikes, self._weather, self._restart_wanted.set)

    def run(self) -> list[str]:
        """Everything, in order; returns what does not hold."""
        made = make_documents(self.home.documents, self.scenario)
        self._raydocs.start()
        self._template_id = Client(self._raydocs).template(schema=SCHEMA)
        self._weather.active = True
        if violation := self._run_drivers():
            return [violation]
        self.strikes.cease()
        self._weather.active = False
        # The ledger may be files under `results_path`. An answer may be lost by a strike, or as Raydocs goes down.
        self_kills = sum(bool(self.home.read(f"killed-{where}")) for where in ("ledger", "file"))
        windows = self.strikes.kills_of_paid + self_kills + self.answers_lost
        evidence = Evidence(self.scenario, self.home, made, self._batches(), windows, read_ledger(self.home))
        return [*find_violations(evidence), *self._run_again(evidence)]

    def stop(self) -> None:
        """Let go of everything."""
        self._raydocs.stop()

    def _run_drivers(self) -> str | None:
        while self.starts < MOST_STARTS:
            match self._start_driver("run"):
                case driver.DONE:
                    return None
                case None:
                    return f"start {self.starts} did not end within {LONGEST_START_SECONDS} s"
                case code if code not in (driver.FAILED, driver.ANSWER_LOST, -signal.SIGKILL):
                    return f"start {self.starts} ended with an error of no known kind ({code})"
        return f"not done after {self.starts} starts"

    def _start_driver(self, step: str) -> int | None:
        """Start a driver and see it end; returns its exit code, None if it had to be ended."""
        start = driver.Start(
            self.scenario,
            self.home,
            self._raydocs.url,
            self._raydocs.token,
            self._template_id,
            self.starts,
            step,
        )
        process = self._processes.Process(target=driver.drive, args=(start,))
        process.start()
        self.strikes.victim = process.pid
        self.starts += 1
        deadline = time.monotonic() + LONGEST_START_SECONDS
        while process.is_alive() and time.monotonic() < deadline:
            if self._restart_wanted.wait(0.01):
                self._restart_raydocs()
        self.strikes.victim = None
        if process.is_alive():
            process.kill()
            return None
        process.join()
        if self._restart_wanted.is_set():
            self._restart_raydocs()
        self.kills += process.exitcode == -signal.SIGKILL
        self.answers_lost += process.exitcode == driver.ANSWER_LOST
        return process.exitcode

    def _restart_raydocs(self) -> None:
        """Down, and up again at the same address with the state it had."""
        self._restart_wanted.clear()
        port = urlsplit(self._raydocs.url).port
        self._raydocs.stop()
        self._recorded.keep(self._raydocs)
        self._raydocs = self._make_raydocs(replace(self._raydocs.options, port=port))
        self._raydocs.start()

    def _batches(self) -> list[tuple[str, ...]]:
        logged = self._recorded.everything(self._raydocs)
        return [
            self._raydocs.sha256s(request.created)
            for request in logged
            if is_paid(request.method, request.path) and request.created
        ]

    def _run_again(self, evidence: Evidence) -> Iterator[str]:
        """A load that is run again needs nobody and changes nothing; an extraction that is tried again pays nothing."""
        before, sent = dump(evidence), self.strikes.requests
        if self._start_driver("load") != driver.DONE:
            yield "the load cannot be run again"
        if self.scenario.spool and self.strikes.requests != sent:
            yield f"the load made {self.strikes.requests - sent} request(s) when it was run again"
        if dump(evidence) != before:
            yield "the load left other rows when it was run again"
        self._start_driver("extract")
        excused = self.scenario.retry_failed or self.scenario.on_ambiguous_submit == "resubmit"
        if len(self._batches()) != len(evidence.batches) and not excused:
            yield "another try of the finished extraction submitted documents again"
