"""
The unit and integration tests in the environment of a cell, against the wheel that is installed there.

Tests run from a copy of the source tree that lacks the package: what they import is the installed one. Their tools are
resolved together with everything else in the cell, because some go with one version of a library only: the async client
of S3 with a few of botocore.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

PACKAGE = "raydocs_provider"
OURSELVES = "airflow-provider-raydocs"
# Of the extra `test`: what checks the source, and what drives the page in a browser.
NOT_FOR_THESE_TESTS = frozenset({"mypy", "ruff", "types-pyyaml", "types-requests", "playwright"})
# What else stands in a source tree: environments, caches, what was built.
LEFT_BEHIND = (PACKAGE, ".*", "__pycache__", "dist", "build", "site")
SUITES = ("tests/unit", "tests/integration")


@dataclass(frozen=True)
class Outcomes:
    """
    How a run of the tests ended.

    :param failed: names of the tests that failed or could not begin.
    :param skipped: how many were skipped, by reason.
    """

    passed: int
    failed: tuple[str, ...]
    skipped: Mapping[str, int]

    @property
    def summary(self) -> str:
        """One line for the table."""
        counts = {"passed": self.passed, "skipped": sum(self.skipped.values()), "failed": len(self.failed)}
        return ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count or outcome == "passed")


def needed_tools(pyproject: Path) -> list[str]:
    """
    Requirements of the tests, without what only other checks of the source need and without our own extras.

    Without lower bounds as well: those are for `.venv`, and a tool has to be as old as what it goes with. The double of
    Snowflake, say, is made for one release of DuckDB.
    """
    extras = tomllib.loads(pyproject.read_text())["project"]["optional-dependencies"]
    wanted = [Requirement(text) for text in extras["test"]]
    for tool in wanted:
        tool.specifier = SpecifierSet(",".join(str(bound) for bound in tool.specifier if bound.operator != ">="))
    return [str(tool) for tool in wanted if tool.name not in {*NOT_FOR_THESE_TESTS, OURSELVES}]


def optional_tools(pyproject: Path) -> list[str]:
    """What the tests of the benchmarks compare with; they are skipped without it."""
    return list(tomllib.loads(pyproject.read_text())["project"]["optional-dependencies"]["bench"])


def constraints(frozen: str) -> list[str]:
    """Constraints that hold all that is installed, as ``uv pip freeze`` prints it, but for what came from a file."""
    return [line for line in frozen.splitlines() if "==" in line and not line.startswith(("#", "-"))]


def install_optional_tools(
    uv: str | Path, python: Path, pyproject: Path, folder: Path, options: Sequence[str] = ()
) -> str:
    """
    Install what only some tests need beside what is there, of which nothing moves.

    :param folder: for a few files.
    :param options: of ``uv pip install``, such as what it leaves out.
    :return: which tools could not be installed beside these pins, if any.
    """
    frozen = _run(folder, uv, "pip", "freeze", "--python", python).stdout
    held = folder / "constraints.txt"
    held.write_text("\n".join(constraints(frozen)))
    command = [uv, "pip", "install", "--quiet", "--python", python, "--constraints", held, *options]
    try:
        _run(folder, *command, *optional_tools(pyproject))
    except subprocess.CalledProcessError:
        names = ", ".join(canonicalize_name(Requirement(text).name) for text in optional_tools(pyproject))
        return f"without {names}, which cannot be installed beside these pins"
    return ""


def lay_out(tree: Path, folder: Path) -> Path:
    """Copy the source tree, without the package; returns where the tests run."""
    return Path(shutil.copytree(tree, folder / "tree", ignore=shutil.ignore_patterns(*LEFT_BEHIND)))


def run_tests(python: Path, tree: Path, report: Path, chosen: Sequence[str] = SUITES) -> Outcomes:
    """
    Run the tests of a tree that was laid out.

    :param report: where pytest writes what became of each test.
    :raises subprocess.CalledProcessError: pytest itself failed.
    """
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junit-xml={report}", *chosen]
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    report.unlink(missing_ok=True)
    done = subprocess.run(command, cwd=tree, env=environment, check=False)
    if not report.exists():
        raise subprocess.CalledProcessError(done.returncode, command)
    return read_report(report.read_text())


def read_report(text: str) -> Outcomes:
    """What became of the tests, of a report in JUnit's format."""
    passed, failed, skipped = 0, [], Counter[str]()
    for case in ET.fromstring(text).iter("testcase"):
        outcomes = {child.tag: child for child in case}
        if outcomes.keys() & {"failure", "error"}:
            failed.append(f"{case.get('classname')}.{case.get('name')}")
        elif "skipped" in outcomes:
            skipped[str(outcomes["skipped"].get("message"))] += 1
        else:
            passed += 1
    return Outcomes(passed, tuple(failed), dict(skipped))


def _run(folder: Path, *command: Any) -> subprocess.CompletedProcess[str]:
    # Not in the source tree, for the sake of its overrides.
    return subprocess.run(list(map(str, command)), cwd=folder, check=True, capture_output=True, text=True)
