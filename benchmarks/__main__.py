"""``python -m benchmarks [FIGURE ...]``: one JSON line for each figure; exits with 1 if one falls short."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.cookbook import measure_cookbook
from benchmarks.extraction import LIMIT, measure_extraction
from benchmarks.figures import Figure
from benchmarks.fleet import measure_fleet
from benchmarks.importing import measure_importing
from benchmarks.landing import measure_landing
from benchmarks.surroundings import private_airflow, say
from benchmarks.triggerer import measure_triggerer
from benchmarks.uploading import measure_upload

# The short ones first.
BENCHMARKS: dict[str, Callable[..., Iterator[Figure]]] = {
    "import": measure_importing,
    "upload": measure_upload,
    "landing": measure_landing,
    "triggerer": measure_triggerer,
    "cookbook": measure_cookbook,
    "extraction": measure_extraction,
    "fleet": measure_fleet,
}


def main() -> int:
    """Measure what was asked for, everything by default."""
    parser = argparse.ArgumentParser(prog="make bench", description="Measure, and hold the figures to their bars.")
    parser.add_argument("figures", nargs="*", help=f"any of {', '.join(BENCHMARKS)}; default all", metavar="FIGURE")
    parser.add_argument(
        "--limit", type=int, default=LIMIT, help=f"requests a minute in 'extraction' (default {LIMIT}; Raydocs has 100)"
    )
    given = parser.parse_args()
    if unknown := sorted(set(given.figures) - set(BENCHMARKS)):
        parser.error(f"no such figure: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    # FastAPI's, when several emulators are made at once.
    warnings.filterwarnings("ignore", category=UserWarning, module="pydantic")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # leaves nothing behind then either
    short = []
    with private_airflow() as home:
        for name in given.figures or BENCHMARKS:
            began = time.monotonic()
            options = {"limit": given.limit} if name == "extraction" else {}
            with tempfile.TemporaryDirectory(dir=home) as folder:
                for figure in BENCHMARKS[name](Path(folder), **options):
                    print(figure.to_json(), flush=True)
                    if not figure.holds:
                        short.append(figure.name)
            say(f"{name}: {time.monotonic() - began:.0f} s")
    if short:
        say(f"Fell short: {', '.join(short)}")
    return bool(short)


if __name__ == "__main__":
    sys.exit(main())
