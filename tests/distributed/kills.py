"""The scenario in which machines are lost: workers, the triggerer, the scheduler, and one that comes back."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from tests.distributed import mapped
from tests.distributed.evidence import shortfalls
from tests.distributed.report import Report
from tests.distributed.stack import API_SERVER, SCHEDULER, TRIGGERER, WORKERS, DistributedStack

# The first task submits two batches; the answer to the second is the one that nobody receives.
SIZES = (80, 47, 47, 47, 47, 47, 47, 46, 46, 46)
IN_THE_WINDOW = 30
SIGNED_URL = "/vapor/signed-storage-url"
LEDGER = "raydocs_ledger"
Say = Callable[[str], None]


def kills(stack: DistributedStack, say: Say) -> Report:
    """Lose a worker in each place that matters, the triggerer and the scheduler; thaw a frozen worker too late."""
    story = Story(stack, say)
    story.lose_a_worker_between_a_batch_and_its_answer()
    story.lose_a_worker_while_uploading()
    story.freeze_a_worker_and_lose_the_triggerer()
    story.restart_the_scheduler()
    return story.judge()


class Story:
    """One run, and what happens to it."""

    def __init__(self, stack: DistributedStack, say: Say) -> None:
        self.stack = stack
        self.say = say
        self.report = Report()
        self.recovered: dict[str, float] = {}
        stack.set_pool(1)
        self.slow_uploads(0.5)
        self.run = mapped.start(stack, "kills", SIZES)

    def slow_uploads(self, seconds: float) -> None:
        """Make each upload take a while, so that there is a time while uploading."""
        self.stack.raydocs.mend()
        self.stack.raydocs.spoil(kind="delay", method="PUT", path="^/__storage__", count=0, delay=seconds)

    def lose_a_worker_between_a_batch_and_its_answer(self) -> None:
        """The batch is accepted and its answer held; the worker that waits for it dies."""
        self.wait("the first batch is answered", lambda: self.answered(0, 0))
        self.stack.raydocs.spoil(kind="delay", method="POST", path="/sessions/batch$", after=True, delay=40)
        self.wait("the second batch is sent", lambda: (0, 1) in self.run.batches())
        time.sleep(2)
        self.report.expect(not self.answered(0, 1), "the answer that was to be held came through")
        self.kill_worker_of("between a batch and its answer, in a pool of one", 0)

    def lose_a_worker_while_uploading(self) -> None:
        """Nothing of its tasks is submitted yet; their successors upload again and submit once."""
        self.slow_uploads(1.0)
        self.stack.set_pool(6)
        index = self.wait("two tasks upload on one worker", self.busiest)
        self.kill_worker_of("while uploading", index)

    def freeze_a_worker_and_lose_the_triggerer(self) -> None:
        """
        A worker stands still while it uploads, as a machine does that is suspended, until another has submitted what it
        was about to. Then it goes on.
        """
        index = self.wait("a task uploads", self.uploading_one)
        name = self.worker_of(index)
        family = self.stack.family(name)
        for process in reversed(family):
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        first = self.run.tasks()[index]
        task = psutil.Process(self.pid_of(index))
        self.say(f"{name} stands still; extract[{index}] was uploading")
        self.wait("tasks wait in the triggerer", lambda: self.run.states().count("deferred") >= 2)
        self.stack.kill(TRIGGERER)
        self.say("The triggerer is killed")
        time.sleep(3)
        self.stack.start(TRIGGERER)
        self.wait(
            "the successor of the frozen attempt has submitted",
            lambda: self.run.tasks()[index]["try"] > first["try"] and self.answered(index, 0),
        )
        # The task first: it uploads the rest and comes to its intent before its supervisor hears of the successor.
        task.resume()
        time.sleep(3)
        self.wait("the frozen attempt has uploaded the rest", self.uploads_are_done)
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.resume()
        self.say(f"{name} goes on after extract[{index}] was submitted by its successor")
        self.wait("the frozen attempt ends", lambda: not self.is_alive(task))
        refused = [
            line
            for line in self.stack.log_of(API_SERVER).read_text().splitlines()
            if first["id"] in line and LEDGER in line
        ]
        self.report.expect(
            any("status_code=404" in line for line in refused),
            "the intent of the attempt that was frozen did not come to be refused by the Execution API",
        )
        self.report.expect(
            "RaydocsSupersededError" in self.attempt_log(index, first["try"]).read_text(),
            "the attempt that was frozen did not say that another one has taken its place",
        )

    def uploads_are_done(self) -> bool:
        """Whether nothing was uploaded for some seconds."""
        asked = [each["at"] for each in self.stack.raydocs.requests(self.run.since) if each["path"] == SIGNED_URL]
        return time.time() - max(asked) > 4

    def restart_the_scheduler(self) -> None:
        """It dies without a word, and another one starts."""
        self.stack.kill(SCHEDULER)
        self.say("The scheduler is killed")
        time.sleep(3)
        self.stack.start(SCHEDULER)

    def judge(self) -> Report:
        """Everything that has to hold."""
        self.run.finish()
        self.stack.raydocs.mend()
        evidence = self.run.evidence()
        report = self.report
        report.problems += shortfalls(evidence)
        report.expect(
            evidence.unanswered == IN_THE_WINDOW,
            f"{evidence.unanswered} documents were in the window of a lost answer, expected {IN_THE_WINDOW}",
        )
        reasons = self.stack.query(
            "SELECT count(*) FROM log WHERE dag_id = %s AND run_id = %s AND event = 'heartbeat timeout'",
            mapped.DAG_ID,
            self.run.run_id,
        )[0][0]
        report.expect(reasons >= 3, f"{reasons} lost attempts stand in the audit log, expected 3 or more")
        report.figures = {
            **self.run.figures(),
            "heartbeat_timeout": self.stack.heartbeat_timeout,
            "seconds_until_it_runs_again": self.recovered,
            "lost_attempts_in_the_audit_log": reasons,
            "attempts": sum(task["try"] for task in self.run.tasks().values()),
        }
        return report

    # --- what is seen

    def wait(self, what: str, look: Callable[[], Any]) -> Any:
        """Wait for something that may take a recovery, and a message that went down with a worker."""
        return self.stack.wait_until(what, look, seconds=self.stack.heartbeat_timeout + 180)

    def answered(self, index: int, number: int) -> bool:
        """Whether a batch has its sessions in the ledger."""
        batch = self.run.batches().get((index, number))
        return batch is not None and batch["sessions"] is not None

    def uploading(self) -> list[int]:
        """Instances that run on a worker and have sent no batch yet."""
        sent = {index for index, _ in self.run.batches()}
        return [
            index
            for index, task in self.run.tasks().items()
            if task["state"] == "running" and index not in sent and self.has_begun(index, task["try"])
        ]

    def has_begun(self, index: int, attempt: int) -> bool:
        """Whether an attempt has found its documents."""
        log = self.attempt_log(index, attempt)
        return log.exists() and "Found" in log.read_text()

    def uploading_one(self) -> int | None:
        """An instance that uploads, as text, so that the first one is not taken for none."""
        return next((index for index in self.uploading() if index), None)

    def busiest(self) -> int | None:
        """An instance on the worker that has two or more of those that upload."""
        workers = [(self.worker_of(index), index) for index in self.uploading() if index]
        for name in WORKERS:
            if len(mine := [index for worker, index in workers if worker == name]) >= 2:
                return mine[0]
        return None

    def worker_of(self, index: int) -> str:
        """The worker below which the process of an instance runs."""
        pid = self.pid_of(index)
        for name in WORKERS:
            with suppress(psutil.NoSuchProcess):
                if pid in {process.pid for process in self.stack.family(name)}:
                    return name
        return ""

    def pid_of(self, index: int) -> int:
        """The process of an instance."""
        sql = (
            "SELECT pid FROM task_instance WHERE dag_id = %s AND run_id = %s AND task_id = 'extract' AND map_index = %s"
        )
        return int(self.stack.query(sql, mapped.DAG_ID, self.run.run_id, index)[0][0])

    def kill_worker_of(self, what: str, index: int) -> None:
        """Lose the worker of an instance, put another in its place and time how long its instance stands still."""
        name = self.worker_of(index)
        attempt = self.run.tasks()[index]["try"]
        self.stack.kill(name)
        at = time.monotonic()
        self.say(f"{name} is killed {what}, extract[{index}] on it")
        self.stack.start(name)

        def again() -> bool:
            task = self.run.tasks()[index]
            return task["try"] > attempt and task["state"] in ("running", "deferred", "success")

        self.wait("the task runs again", again)
        self.recovered[what] = round(time.monotonic() - at)
        self.say(f"extract[{index}] runs again, {self.recovered[what]} s after the kill")

    def attempt_log(self, index: int, attempt: int) -> Path:
        """What an attempt logged."""
        run = self.stack.logs / f"dag_id={mapped.DAG_ID}" / f"run_id={self.run.run_id}" / "task_id=extract"
        return run / f"map_index={index}" / f"attempt={attempt}.log"

    @staticmethod
    def is_alive(process: psutil.Process) -> bool:
        """Whether a process still runs."""
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
