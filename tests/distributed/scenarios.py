"""What is done to the stack while documents are paid for."""

from __future__ import annotations

from collections.abc import Callable

from tests.distributed import mapped
from tests.distributed.evidence import shortfalls
from tests.distributed.kills import kills
from tests.distributed.operations import backfill, budget, clear
from tests.distributed.report import Report
from tests.distributed.stack import DistributedStack
from tests.distributed.upgrade import upgrade

MOST_BYTES_PER_DOCUMENT = 1024

Say = Callable[[str], None]


def undisturbed(stack: DistributedStack, say: Say) -> Report:
    """500 documents in 10 mapped tasks, and nothing happens to them: the figures to compare the others with."""
    report = Report()
    stack.set_pool(6)
    run = mapped.start(stack, "undisturbed", [50] * 10)
    run.finish()
    report.problems += shortfalls(run.evidence())
    report.figures = run.figures()
    bytes_each = report.figures["metadata_bytes_per_document"]["all"]
    again = [index for index, task in run.tasks().items() if task["try"] > 1]
    report.expect(not again, f"nothing happened, and extract{again} took more than one attempt")
    report.expect(bytes_each <= MOST_BYTES_PER_DOCUMENT, f"{bytes_each} bytes of metadata per document")
    return report


SCENARIOS: dict[str, Callable[[DistributedStack, Say], Report]] = {
    "undisturbed": undisturbed,
    "kills": kills,
    "upgrade": upgrade,
    "clear": clear,
    "backfill": backfill,
    "budget": budget,
}
