"""``python -m tests.distributed [--scenario NAME]``; exits with 1 if anything fell short."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.airflow_stack.client import StackError
from scripts.airflow_stack.stack import exit_on_termination
from tests.distributed.environment import BEFORE, ROOT, Environment, build_wheel, build_wheel_of
from tests.distributed.scenarios import SCENARIOS
from tests.distributed.services import open_broker, open_databases
from tests.distributed.stack import DistributedStack

HEARTBEAT_TIMEOUT = 20


def main() -> int:
    """Run the scenarios one after the other in one Airflow, and print a JSON line of figures for each."""
    parser = argparse.ArgumentParser(
        prog="make e2e-celery", description="Kill, freeze, restart and upgrade, and count."
    )
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS), help="only this one; repeatable")
    parser.add_argument(
        "--heartbeat-timeout",
        type=int,
        default=HEARTBEAT_TIMEOUT,
        metavar="SECONDS",
        help=f"[scheduler] task_instance_heartbeat_timeout (default {HEARTBEAT_TIMEOUT}; Airflow's own is 300)",
    )
    given = parser.parse_args()
    exit_on_termination()
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {text}", flush=True)

    problems: list[str] = []
    try:
        with TemporaryDirectory(prefix="raydocs-e2e-wheel-") as folder:
            environment = Environment(ROOT / ".venv-celery")
            environment.make(say)
            wheels = build_wheel(ROOT, Path(folder, "now")), build_wheel_of(BEFORE, Path(folder, "before"))
            environment.install(wheels[0])
            with open_databases(say) as databases, open_broker(say) as broker:
                stack = DistributedStack(
                    environment,
                    databases,
                    broker,
                    dag_ids=["mapped", "daily"],
                    heartbeat_timeout=given.heartbeat_timeout,
                    wheels=wheels,
                    report=say,
                )
                with stack:
                    for name in given.scenario or SCENARIOS:
                        say(f"Scenario {name}")
                        report = SCENARIOS[name](stack, say)
                        print(json.dumps({"scenario": name, **report.figures}), flush=True)
                        problems += [f"{name}: {problem}" for problem in report.problems]
    except (StackError, OSError) as problem:
        problems.append(str(problem))
    except KeyboardInterrupt:
        print("\nInterrupted; nothing is left running.")
        return 130
    for problem in problems:
        print(f"FELL SHORT: {problem}", file=sys.stderr)
    if not problems:
        say("Everything held.")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
