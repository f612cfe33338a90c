"""`make demo` as a person meets it: what it shows, and that nothing of it stays, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from scripts.airflow_stack.warden import members
from tests.e2e.conftest import ROOT

pytestmark = pytest.mark.e2e

DEMO = (sys.executable, "-m", "scripts.demo")
Found = TypeVar("Found")
# The warden, the emulator, `airflow standalone` and its four components.
ALL_STARTED = 7


def test_the_demo_shows_what_landed_and_what_failed(tmp_path: Path) -> None:
    demo = subprocess.run(DEMO, cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, check=False)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "extract: deferred to the triggerer" in demo.stdout
    assert "18 documents = 17 extracted + 1 failed" in demo.stdout
    assert "invoice_015_corrupt.pdf" in demo.stdout.partition("what failed and why")[2]
    assert "Traceback" not in demo.stdout + demo.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
def test_a_demo_that_is_stopped_leaves_no_process_and_no_file(tmp_path: Path, number: signal.Signals) -> None:
    with started_demo(tmp_path) as demo:
        session = eventually(lambda: session_below(demo.pid))
        eventually(lambda: len(list(members(session))) >= ALL_STARTED)
        demo.send_signal(number)
        assert demo.wait(timeout=60) == 128 + number
        assert list(members(session)) == []
    assert list(tmp_path.iterdir()) == []


def test_a_demo_that_is_killed_in_the_middle_of_a_run_leaves_no_process(tmp_path: Path) -> None:
    with started_demo(tmp_path) as demo:
        assert demo.stdout is not None
        assert any("extract: deferred" in line for line in demo.stdout)
        session = session_below(demo.pid)
        assert len(list(members(session))) > ALL_STARTED
        demo.kill()
        eventually(lambda: not list(members(session)))


def environment(folder: Path) -> dict[str, str]:
    """This process's environment, with temporary files in a folder that can be looked into afterwards."""
    return {**os.environ, "TMPDIR": str(folder)}


@contextmanager
def started_demo(folder: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        DEMO,
        cwd=ROOT,
        env=environment(folder),
        stdout=subprocess.PIPE,
        text=True,
        # Whoever runs the tests in the background of a script has SIGINT ignored, and children inherit that.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as demo:
        try:
            yield demo
        finally:
            demo.kill()


def session_below(pid: int) -> int:
    """The session that a child of this process leads; 0 while there is none."""
    return next((child.pid for child in psutil.Process(pid).children() if os.getsid(child.pid) == child.pid), 0)


def eventually(look: Callable[[], Found]) -> Found:
    """What ``look`` finds once it finds something."""
    deadline = time.monotonic() + 60
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen within a minute"
        time.sleep(0.1)
    return found
