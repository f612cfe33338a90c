"""The environment of the Airflow processes, apart from that of the tests: what is installed in it is a wheel."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

from scripts.airflow_stack.client import StackError

ROOT = Path(__file__).parents[2]
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
# What the lock does not name is taken as it was on this day.
RESOLVED_ON = "2026-12-01"
# The release before the one whose wheel is built from this tree: Dag runs that it began have to end well.
BEFORE = "56aee00"


class Environment:
    """
    A virtual environment that is kept between runs, like ``.venv``.

    :param folder: where it is.
    """

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self._folder = folder
        self._stamp = folder / ".installed"

    def make(self, report: Callable[[str], None]) -> None:
        """Install Airflow with Celery, unless that is done and the requirements are what they were."""
        wanted = REQUIREMENTS.read_text() + (ROOT / "requirements-dev.lock").read_text()
        if self._stamp.exists() and self._stamp.read_text() == wanted:
            return
        report(f"Installing Airflow with Celery into {self._folder.name} ...")
        run(uv(), "venv", "--quiet", "--clear", "--python", sys.executable, self._folder)
        self._install("--exclude-newer", RESOLVED_ON, "-r", REQUIREMENTS, "-c", ROOT / "requirements-dev.lock")
        self._stamp.write_text(wanted)

    def install(self, wheel: Path) -> None:
        """Put this wheel of the provider in the place of the one that is there."""
        self._install("--no-deps", "--reinstall", wheel)

    def _install(self, *arguments: str | Path) -> None:
        # Without .pyc files each of Airflow's processes would spend seconds compiling at its start.
        run(uv(), "pip", "install", "--quiet", "--compile-bytecode", "--python", self.bin / "python", *arguments)


def build_wheel(source: Path, folder: Path) -> Path:
    """Build the wheel of a tree; returns its path."""
    folder.mkdir(parents=True)
    run(uv(), "build", "--quiet", "--wheel", "--out-dir", folder, source)
    (built,) = folder.glob("*.whl")
    return built


def build_wheel_of(commit: str, folder: Path) -> Path | None:
    """Build the wheel of a commit; None where its history is not at hand, as in an sdist or a shallow clone."""
    folder.mkdir(parents=True)
    archive, source = folder / "source.tar", folder / "source"
    try:
        run("git", "-C", ROOT, "archive", "--output", archive, commit)
    except (StackError, OSError):
        return None
    with tarfile.open(archive) as tar:
        tar.extractall(source, filter="data")
    return build_wheel(source, folder / "dist")


def uv() -> Path:
    """The uv of ``.venv``."""
    return Path(sys.executable).with_name("uv")


def run(*command: str | Path) -> None:
    """
    Run a command that says nothing when it works.

    :raises StackError: with its own words when it does not.
    """
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise StackError(f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}".strip())
