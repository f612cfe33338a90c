"""The scenario in which the package is upgraded, and put back, while triggers wait."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.distributed import mapped
from tests.distributed.environment import BEFORE
from tests.distributed.evidence import shortfalls
from tests.distributed.report import Report
from tests.distributed.stack import TRIGGERER, WORKERS, DistributedStack

SIZES = (25, 25, 25, 25)


def upgrade(stack: DistributedStack, say: Callable[[str], None]) -> Report:
    """What a run of one version has begun, the other one ends, in both directions."""
    report = Report()
    if stack.wheel_before is None:
        say(f"NOT RUN: commit {BEFORE} is not in the history at hand (clone the repository whole)")
        report.figures = {"not_run": f"commit {BEFORE} is not at hand"}
        return report
    stack.set_pool(6)
    install(stack, stack.wheel_before)
    for name, wheel in (("upgrade", stack.wheel_now), ("downgrade", stack.wheel_before)):
        run = mapped.start(stack, name, SIZES)
        stack.wait_until(
            "all tasks wait in the triggerer", lambda run=run: run.states() == ["deferred"] * len(SIZES), seconds=120
        )
        run.look()
        install(stack, wheel)
        say(f"{name}: the other wheel is installed, triggerer and workers are new, {len(SIZES)} triggers wait")
        run.finish()
        report.problems += [f"{name}: {problem}" for problem in shortfalls(run.evidence())]
        again = [index for index, task in run.tasks().items() if task["try"] > 1]
        report.expect(not again, f"{name}: extract{again} took more than one attempt")
        report.figures[name] = run.figures()
    install(stack, stack.wheel_now)
    return report


def install(stack: DistributedStack, wheel: Path) -> None:
    """Stop what runs the package's code, exchange the package, start again."""
    for name in (*WORKERS, TRIGGERER):
        stack.stop_process(name)
    stack.environment.install(wheel)
    for name in (TRIGGERER, *WORKERS):
        stack.start(name)
