"""
Runs one cell of the matrix in an environment that is there and empty; called by noxfile.py.

    python -m scripts.compat.cell 3.1.8-pins-py3.12 --python .nox/3-1-8-pins-py3-12/bin/python --wheel dist/....whl
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from scripts.airflow_stack.stack import exit_on_termination
from scripts.compat.bounds import declared_bounds
from scripts.compat.checks import ALL, INSTALL, TESTS, Checklist
from scripts.compat.environments import EXTRAS, excluding, extras_of, install, requirements
from scripts.compat.releases import Cell, cell, resolver_options
from scripts.compat.results import CellResult, dump, wheel_digest
from scripts.compat.running import check_installed
from scripts.compat.testing import install_optional_tools, lay_out, needed_tools, run_tests

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
VERSIONS = """
import importlib.metadata, json, platform
versions = {found.metadata["Name"].lower(): found.version for found in importlib.metadata.distributions()}
print(json.dumps([platform.python_version(), versions]))
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cell, write its result down and say whether it passed."""
    exit_on_termination()
    options = _parser().parse_args(arguments)
    chosen = cell(options.cell)
    result = run(chosen, options.python, options.wheel.resolve(), quick=options.quick)
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / f"{chosen.name}.json").write_text(dump([result]))
    return 0 if result.passed or chosen.release.preview else 1


def run(chosen: Cell, python: Path, wheel: Path, *, quick: bool) -> CellResult:
    """Install and try everything."""
    checklist = Checklist(lambda line: print(f"{chosen.name}  {line}", flush=True))
    result = CellResult(
        chosen.name,
        chosen.release.version,
        chosen.kind,
        wheel_digest(wheel),
        ran_on=datetime.now(UTC).date().isoformat(),
        checks=checklist.checks,
    )
    extras = EXTRAS if quick else extras_of(chosen)
    wanted = requirements(chosen, wheel, declared_bounds(ROOT / "pyproject.toml"), extras)
    if chosen.tests:
        wanted += needed_tools(ROOT / "pyproject.toml")
    constraints = os.environ.get("CONSTRAINTS", "")
    if not checklist.attempt(INSTALL, lambda: install(UV, python, chosen, wanted, constraints) or ""):
        checklist.leave_out(ALL[1:], "could not be installed")
        return result
    result.python, result.versions = _versions(python)
    folder = Path(tempfile.mkdtemp(prefix="raydocs-compat-"))
    try:
        if chosen.tests:
            checklist.attempt(TESTS, lambda: test_installed(chosen, python, folder))
            return result
        check_installed(checklist, python, chosen, wheel.name.split("-")[1], folder, quick=quick)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return result


def test_installed(chosen: Cell, python: Path, folder: Path) -> str:
    """
    Run the unit and integration tests beside what is installed.

    :raises AssertionError: some failed; the message names them.
    """
    options = [*resolver_options(chosen), *excluding(folder)]
    without = install_optional_tools(UV, python, ROOT / "pyproject.toml", folder, options)
    outcomes = run_tests(python, lay_out(ROOT, folder), folder / "report.xml")
    assert not outcomes.failed, "\n".join([outcomes.summary, *outcomes.failed])
    return ", ".join(filter(None, [outcomes.summary, without]))


def _versions(python: Path) -> tuple[str, dict[str, str]]:
    output = subprocess.run([python, "-c", VERSIONS], check=True, capture_output=True, text=True).stdout
    version, packages = json.loads(output)
    return version, packages


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scripts.compat.cell")
    parser.add_argument("cell")
    parser.add_argument("--python", type=lambda text: Path(text).absolute(), required=True)
    parser.add_argument("--wheel", type=Path, required=True)
    parser.add_argument("--results", type=Path, default=ROOT / ".compat")
    parser.add_argument("--quick", action="store_true", help="wheel, imports and the demo Dag alone")
    return parser


if __name__ == "__main__":
    sys.exit(main())
