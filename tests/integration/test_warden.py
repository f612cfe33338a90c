"""The process that keeps a stack together: what it starts, what may end, and that nothing outlives its owner."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

ROOT = Path(__file__).parents[2]
Item = dict[str, Any]


@pytest.fixture
def item(tmp_path: Path) -> Callable[..., Item]:
    def make(name: str, seconds: float, **more: Any) -> Item:
        command = [sys.executable, "-c", f"import time; time.sleep({seconds})"]
        files = {"log": str(tmp_path / f"{name}.log"), "pid_file": str(tmp_path / f"{name}.pid")}
        return {"command": command, **files, **more}

    return make


@pytest.fixture
def warden() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    started = []

    def run(*items: Item) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "scripts.airflow_stack.warden", json.dumps(items)]
        started.append(subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE))
        return started[-1]

    yield run
    for process in started:
        process.stdin.close()
        process.wait(30)


def order(warden: subprocess.Popen[bytes], item: Item) -> None:
    warden.stdin.write(json.dumps(item).encode() + b"\n")
    warden.stdin.flush()


def pid_of(item: Item) -> int:
    return wait_for(lambda: int(Path(item["pid_file"]).read_text() or 0) if Path(item["pid_file"]).exists() else 0)


def wait_for(look: Callable[[], Any]) -> Any:
    for _ in range(300):
        if seen := look():
            return seen
        time.sleep(0.1)
    raise AssertionError("not within 30 seconds")


def test_a_process_is_started_when_its_owner_asks_and_gone_when_its_owner_is(warden, item):
    process, asked = warden(item("first", 600)), item("second", 600)
    order(process, asked)
    pids = [pid_of(asked), *(child.pid for child in psutil.Process(process.pid).children())]
    process.stdin.close()
    process.wait(30)
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


def test_the_end_of_an_expendable_process_ends_nothing_else(warden, item):
    needed, expendable = item("needed", 600), item("expendable", 0, expendable=True)
    process = warden(needed, expendable)
    ended = pid_of(expendable)
    wait_for(lambda: not psutil.pid_exists(ended))  # nor does it stay behind as a zombie
    asked = item("asked", 600, expendable=True)
    order(process, asked)
    assert psutil.pid_exists(pid_of(asked))
    assert psutil.pid_exists(pid_of(needed))


def test_the_end_of_any_other_process_ends_all(warden, item):
    needed, expendable = item("needed", 0), item("expendable", 600, expendable=True)
    process = warden(expendable, needed)
    other = pid_of(expendable)
    assert process.wait(30) == 0
    assert not psutil.pid_exists(other)
