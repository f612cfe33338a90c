"""
Runs a few commands and makes sure that nothing of them outlives whoever asked for it.

    python -m scripts.airflow_stack.warden '[{"command": ["airflow", "standalone"], "log": "standalone.log"}]'

Airflow puts its tasks into process groups of their own, and what is killed hard leaves orphans, so neither
``killpg`` nor walking the process tree finds everything. What they all stay in is the session: the warden
leads one, and ends every process in it

- when its standard input closes: the owner is done, or was killed in whatever way,
- when one of the commands ends by itself, or the warden is told to terminate.

A command may name a folder to work in (``cwd``), a file for its process id (``pid_file``), and may be ``expendable``:
then its end is nobody's. Each line on standard input is one more command to start.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

# A triggerer with a trigger at work takes its time over SIGTERM; a stack that goes away need not wait for it.
POLITE_SECONDS = 8.0


def main(specification: str) -> None:
    """Run the commands until the end of standard input; see the module's docstring."""
    os.setsid()
    # With a handler in place the commands get the default action back: a background job of a shell would hand
    # down "ignore SIGINT", and `airflow standalone` can only be stopped cleanly by SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    commands: list[subprocess.Popen[bytes]] = []
    needed: list[subprocess.Popen[bytes]] = []
    orders = Orders()
    asked: list[dict[str, Any]] | None = json.loads(specification)
    try:
        while asked is not None:
            for item in asked:
                commands.append(start(item))
                if not item.get("expendable"):
                    needed.append(commands[-1])
            # Asked one by one, so that none stays behind as a zombie.
            ended = [command for command in commands if command.poll() is not None]
            if any(command in needed for command in ended):
                return
            asked = orders.read(within=0.2)
    finally:
        stop(commands)


def start(item: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Start one command in this session, its output going to its log."""
    with Path(item["log"]).open("wb") as output:
        process = subprocess.Popen(
            item["command"], cwd=item.get("cwd"), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    if pid_file := item.get("pid_file"):
        Path(pid_file).write_text(str(process.pid))
    return process


class Orders:
    """What the owner writes to standard input: one command a line."""

    def __init__(self) -> None:
        self._rest = b""

    def read(self, within: float) -> list[dict[str, Any]] | None:
        """Commands that have come, waiting up to ``within`` seconds for some; None when the owner is gone."""
        readable, _, _ = select.select([sys.stdin], [], [], within)
        if not readable:
            return []
        if not (block := os.read(sys.stdin.fileno(), 65536)):
            return None
        *lines, self._rest = (self._rest + block).split(b"\n")
        return [json.loads(line) for line in lines]


def stop(commands: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask the commands to end as Ctrl-C would, and end by force what is left in the session."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for command in commands:
        if command.poll() is None:
            command.send_signal(signal.SIGINT)
    deadline = time.monotonic() + POLITE_SECONDS
    for command in commands:
        try:
            command.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            command.kill()
    kill_session(os.getpid())


def kill_session(session: int) -> None:
    """Kill every process of this session except the caller, and return when they are gone."""
    while left := list(members(session)):
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=1)


def members(session: int) -> Iterator[psutil.Process]:
    """Processes of this session except the caller; a zombie is dead, whether or not anybody reaps it."""
    for process in psutil.process_iter():
        try:
            in_session = os.getsid(process.pid) == session
            if in_session and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except (psutil.Error, ProcessLookupError, PermissionError):
            continue


if __name__ == "__main__":
    main(sys.argv[1])
