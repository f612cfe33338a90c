"""``python -m tests.chaos [--seeds 100] [--seed N] [--documents 200]``; exits with 1 if anything did not hold."""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from tests.chaos.running import private_airflow, run_seed

AT_ONCE = 2


def main() -> int:
    """Run the seeds, two at a time, and say how each one went."""
    parser = argparse.ArgumentParser(prog="make chaos", description="Kill runs at random places and check the rest.")
    parser.add_argument("--seeds", type=int, default=100, help="how many, from 0 (default 100)")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--documents", type=int, default=200, help="documents in each run (default 200)")
    given = parser.parse_args()
    seeds = range(given.seeds) if given.seed is None else [given.seed]
    began = time.monotonic()
    verdicts = []
    with private_airflow(), ProcessPoolExecutor(AT_ONCE, get_context("spawn")) as pool:
        for done in as_completed([pool.submit(run_seed, seed, given.documents) for seed in seeds]):
            verdicts.append(done.result())
            print(verdicts[-1], flush=True)
    failed = sorted(verdict.scenario.seed for verdict in verdicts if verdict.violations)
    print(
        f"{len(verdicts)} seed(s) in {time.monotonic() - began:.0f} s: {sum(verdict.kills for verdict in verdicts)} "
        f"kills, {sum(verdict.starts for verdict in verdicts)} starts, "
        f"{sum(verdict.requests for verdict in verdicts)} requests; {len(failed)} seed(s) not clean"
    )
    for seed in failed:
        print(f"Reproduce: make chaos SEED={seed}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
