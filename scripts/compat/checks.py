"""What is tried in a cell: names of the checks, in the order of the table, and how their ends are noted."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.compat.results import Check

MODES = ("poke", "reschedule", "deferrable")
# Databases that loads are tried in, each with the extra of its name.
ENGINES = ("sqlite", "duckdb", "postgres", "mysql")

INSTALL, LISTED, IMPORTS, DEFERRABLE, SYNC = "install", "providers get", "imports", "demo", "demo, sync"
STEP_BY_STEP = {mode: f"steps, {mode}" for mode in MODES}
LOADS = {engine: f"loads, {engine}" for engine in ENGINES}
PARQUET, LINEAGE, BUDGET = "parquet", "openlineage", "redis budget"
CONNECTION, PLUGIN_ON, PLUGIN_OFF = "connection test", "plugin on", "plugin off"
TESTS = "tests"
ALL = (
    INSTALL,
    LISTED,
    IMPORTS,
    DEFERRABLE,
    SYNC,
    *STEP_BY_STEP.values(),
    *LOADS.values(),
    PARQUET,
    LINEAGE,
    BUDGET,
    CONNECTION,
    PLUGIN_ON,
    PLUGIN_OFF,
)
# By what an extra is tried in a cell; what always comes along, by the Dag of the README.
TRIED_BY = {
    "": DEFERRABLE,
    "emulator": DEFERRABLE,
    **LOADS,
    "arrow": PARQUET,
    "openlineage": LINEAGE,
    "redis": BUDGET,
    **dict.fromkeys(("snowflake", "bigquery", "redshift", "databricks"), IMPORTS),
}


@dataclass
class Checklist:
    """
    Tries things, and writes down what became of each.

    :param report: called with each outcome, as a line.
    """

    report: Callable[[str], None]
    checks: list[Check] = field(default_factory=list)

    def attempt(self, name: str, look: Callable[[], str]) -> bool:
        """
        Note how ``look`` ends: what it returns is the detail, what it raises the reason of the failure.
        """
        began = time.monotonic()
        try:
            detail, outcome = look(), "ok"
        except subprocess.CalledProcessError as error:
            said = [line for line in (error.stdout or "").splitlines() if "rror" in line]
            detail, outcome = tail("\n".join([*said, error.stderr or str(error)])), "failed"
        except Exception as error:
            detail, outcome = f"{type(error).__name__}: {error}", "failed"
        self._note(Check(name, "ok" if outcome == "ok" else "failed", detail, round(time.monotonic() - began, 1)))
        return outcome == "ok"

    def leave_out(self, names: Sequence[str], reason: str) -> None:
        """Note that something was not tried, and why."""
        for name in names:
            self._note(Check(name, "not run", reason))

    def _note(self, check: Check) -> None:
        self.checks.append(check)
        self.report(
            f"{check.seconds:6.1f} s  {check.name}: {check.outcome}{f' ({check.detail})' if check.detail else ''}"
        )


def tail(text: str, lines: int = 12) -> str:
    """The last lines of what a command printed."""
    return "\n".join(text.strip().splitlines()[-lines:])


@dataclass
class Commands:
    """Runs what is installed in a cell, in an environment and outside the source tree."""

    python: Path
    folder: Path
    environment: dict[str, str]

    def run(self, *command: str | Path) -> str:
        """
        What a command prints.

        :raises subprocess.CalledProcessError: it failed.
        """
        program = [str(part) for part in command]
        done = subprocess.run(
            program, check=True, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=300
        )
        return done.stdout

    def airflow(self, *arguments: str) -> str:
        """What an `airflow` command prints."""
        return self.run(self.python.with_name("airflow"), *arguments)
