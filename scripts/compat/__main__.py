"""
`make compat`: builds the wheel, runs the cells that it was not run in yet, and writes the table.

    python -m scripts.compat                      all that is missing
    python -m scripts.compat 3.1.8-pins-py3.12    this cell, also if it was run
    python -m scripts.compat --quick              the part of it that runs before each change lands
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from scripts.compat.releases import Cell, cell, cells, quick_cells
from scripts.compat.results import CellResult, parse, wheel_digest
from scripts.compat.table import RESULTS, write_pages

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".compat"
# A tool of this target alone: uv gets it when it is run, and it is in nobody's environment.
NOX = "nox==2026.10.20"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run cells, and say whether all of them passed."""
    options = _parser().parse_args(arguments)
    wheel = build_wheel(FOLDER / "dist")
    if options.quick:
        return run_cells(quick_cells(sys.version_info[:2]), "--wheel", wheel, "--quick", "--results", FOLDER / "quick")
    chosen = [cell(name) for name in options.cells] or missing(wheel_digest(wheel), read_results(FOLDER))
    failures = run_cells(chosen, "--wheel", wheel, "--results", FOLDER)
    write_pages(ROOT, read_results(FOLDER))
    return failures


def build_wheel(folder: Path) -> Path:
    """Build the wheel of the source tree."""
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "build", "--quiet", "--wheel", "--clear", "--out-dir", folder, ROOT], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def missing(wheel: str, results: Sequence[CellResult]) -> list[Cell]:
    """Cells in which this wheel has not passed."""
    passed = {result.cell for result in results if result.passed and result.wheel == wheel}
    return [known for known in cells() if known.name not in passed]


def read_results(folder: Path) -> list[CellResult]:
    """What was run so far: here, and of other cells what is committed."""
    committed = {result.cell: result for result in parse((ROOT / RESULTS).read_text())}
    here = {result.cell: result for file in sorted(folder.glob("*.json")) for result in parse(file.read_text())}
    return list((committed | here).values())


def run_cells(chosen: Sequence[Cell], *arguments: str | Path) -> int:
    """Run each cell in an environment of its own; zero when all passed or were skipped for want of an interpreter."""
    if not chosen:
        return 0
    began = time.monotonic()
    binaries = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(binaries), os.environ.get("PATH", os.defpath)]),
        "COMPAT_DRIVER": sys.executable,
    }
    nox = [binaries / "uv", "tool", "run", "--quiet", "--python", sys.executable, "--from", NOX, "nox"]
    sessions = [known.name for known in chosen]
    done = subprocess.run([*nox, "--sessions", *sessions, "--", *arguments], cwd=ROOT, env=environment, check=False)
    print(f"{len(chosen)} cells in {time.monotonic() - began:.0f} seconds")
    return done.returncode


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scripts.compat")
    parser.add_argument("cells", nargs="*", metavar="CELL", help="such as 3.1.8-pins-py3.12; default: what is missing")
    parser.add_argument("--quick", action="store_true", help="a few cells, with wheel, imports and the demo Dag alone")
    return parser


if __name__ == "__main__":
    sys.exit(main())
