"""
`make demo`: invoices (PDF, PNG, JPG) through a real Airflow and a local Raydocs into DuckDB tables.

Ends with exit status 0 only if the documents were waited for in the triggerer and everything that went in came
out: as rows, or as a failure with its reason.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

from scripts.airflow_stack.client import AirflowClient, StackError, TaskChange
from scripts.airflow_stack.stack import AirflowStack, exit_on_termination
from scripts.landed import count, describe

ROOT = Path(__file__).parents[1]
DAG_ID = "invoices_to_warehouse"
DOCUMENTS = ROOT / "example_dags" / "documents"
UNREADABLE = 1  # one of the samples is a PDF cut off in the middle
RUN_SECONDS = 300
# About what the real service takes for a page or two; long enough that waiting moves to the triggerer.
EMULATOR = ("--parse-seconds", "2-4", "--extract-seconds", "12-18", "--seed", "1")


class Demo:
    """One run of the Dag, told as it happens."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._deferred_to = ""
        self._told: dict[str, int] = {}

    def say(self, text: str) -> None:
        """Print a line with the seconds since the beginning."""
        print(f"{time.monotonic() - self._began:6.1f} s  {text}", flush=True)

    def run(self) -> list[str]:
        """Do it all and return what fell short."""
        self.say("Starting a local Raydocs and an Airflow of its own (scheduler, triggerer, Dag processor, API) ...")
        stack = AirflowStack(ROOT / "example_dags", dag_ids=[DAG_ID], emulator_options=EMULATOR, report=self.say)
        with stack:
            given = [path for path in DOCUMENTS.iterdir() if not path.name.startswith(".")]
            self.say(f"Triggering the Dag {DAG_ID} on {len(given)} documents in {DOCUMENTS.relative_to(ROOT)}")
            run_id = stack.client.trigger(DAG_ID)
            for change in stack.client.watch(DAG_ID, run_id, seconds=RUN_SECONDS):
                self.tell(stack.client, run_id, change)
            for task in stack.client.task_instances(DAG_ID, run_id):
                self.tell_log(stack.client, run_id, task["task_id"], task["try_number"])
            if (state := stack.client.run_state(DAG_ID, run_id)) != "success":
                raise StackError(f"The Dag run ended as {state}.")
            counts = count(stack.warehouse)
            self.say("The Dag run succeeded. What landed in DuckDB:")
            print(f"\n{describe(stack.warehouse)}\n")
            print(
                f"{counts.documents} documents = {counts.extracted} extracted + {counts.failed} failed; "
                f"{counts.invoices} invoices with {counts.lines} line items and {counts.fields} field records\n"
            )
            if os.environ.get("KEEP"):
                kept = shutil.copy(stack.warehouse, ROOT / "demo.duckdb")
                self.say(f"The database is kept in {kept}")
            self.say("Stopping Airflow and Raydocs ...")
        self.say("Done; nothing is left running.")
        shortfalls = counts.shortfalls(given=len(given), failing=UNREADABLE)
        if not self._deferred_to:
            shortfalls.append("the extract task never waited in the triggerer")
        return shortfalls

    def tell(self, client: AirflowClient, run_id: str, change: TaskChange) -> None:
        """Say what a task is up to, with what it has logged itself."""
        if change.state in ("queued", "scheduled", "waiting"):
            return
        where = f" to the triggerer ({change.trigger})" if change.state == "deferred" else ""
        self.say(f"{change.task_id}: {change.state}{where}")
        if change.task_id == "extract" and change.state == "deferred":
            self._deferred_to = change.trigger
        self.tell_log(client, run_id, change.task_id, change.try_number)

    def tell_log(self, client: AirflowClient, run_id: str, task_id: str, try_number: int) -> None:
        """Print what a task has logged since the last time: lines of this package, and errors."""
        lines = client.task_log(DAG_ID, run_id, task_id, try_number)
        for line in lines[self._told.get(task_id, 0) :]:
            if "raydocs_provider" in line.logger or line.error:
                print(f"          | {line.error or line.text}", flush=True)
        self._told[task_id] = len(lines)


def main() -> int:
    exit_on_termination()
    try:
        shortfalls = Demo().run()
    except (StackError, OSError) as error:
        shortfalls = [str(error)]
    except KeyboardInterrupt:
        print("\nInterrupted; nothing is left running.")
        return 130
    for shortfall in shortfalls:
        print(f"FELL SHORT: {shortfall}", file=sys.stderr)
    return 1 if shortfalls else 0


if __name__ == "__main__":
    sys.exit(main())
