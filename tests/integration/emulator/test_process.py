"""The emulator as a process: what it prints, how it stops, what survives."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import requests

from raydocs_provider.emulator import Emulator
from tests.integration.emulator.client import INVOICE, Client


@contextmanager
def process(*arguments: str, **environment: str):
    """A running emulator: its ``url``, its ``token`` and the ``process``; killed at the end if it still runs."""
    command = [sys.executable, "-m", "raydocs_provider.emulator", *arguments]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment or None
    )
    with running:
        try:
            url = running.stdout.readline().strip()
            assert url, running.stderr.read()
            yield SimpleNamespace(url=url, token="rd_test_token", process=running)
        finally:
            running.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_its_url_first_and_leaves_nothing_behind_when_stopped(tmp_path, number):
    with process("--port", "0", TMPDIR=str(tmp_path)) as emulator:
        Client(emulator).upload()
        assert list(tmp_path.iterdir())
        emulator.process.send_signal(number)
        assert emulator.process.wait(20) == 0
        assert emulator.process.stderr.read() == ""
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_said_plainly():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "raydocs_provider.emulator", "--port", port]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"Cannot listen on 127.0.0.1:{port}: ")
    assert "Traceback" not in ended.stderr


def test_a_state_file_that_is_none_is_said_plainly(tmp_path):
    (tmp_path / "state.db").write_text("This is not a database. " * 100)
    command = [sys.executable, "-m", "raydocs_provider.emulator", "--port", "0", "--state", str(tmp_path / "state.db")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "Cannot use" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_state_survives_a_kill_with_the_work_and_the_uploads_under_way(tmp_path):
    arguments = ["--port", "0", "--rate-limit", "0", "--state", str(tmp_path / "state.db"), "--parse-seconds", "1.5"]
    with process(*arguments) as before:
        client = Client(before)
        template = client.template()
        (session,) = client.batch(template)
        unused = client.upload()
        signed = client.sign()
        assert client.look(session)["results"] == []
        before.process.send_signal(signal.SIGKILL)
        before.process.wait(20)
    with process(*arguments) as after:
        client = Client(after)
        assert client.wait(session)["results"][0]["data"]["invoice"]["invoice_number"] == "INV-7"
        url = signed["url"].replace(before.url, after.url)
        assert requests.put(url, data=INVOICE, headers={"Content-Type": "text/plain"}, timeout=30).status_code == 200
        files = {"files": [unused, signed["key"]]}
        assert len(client.post(f"/extractions/templates/{template}/sessions/batch", files)) == 2


def test_ids_of_a_seeded_emulator_are_not_given_again_after_a_restart(tmp_path):
    made = []
    for _ in range(2):
        with Emulator(state=tmp_path / "state.db", seed=1, rate_limit=0) as emulator:
            made.append(Client(emulator).template())
    assert made[0] != made[1]


def test_without_a_state_file_uploads_lie_in_a_temporary_folder_that_goes(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Emulator() as emulator:
        Client(emulator).upload()
        assert [len(list(folder.iterdir())) for folder in tmp_path.iterdir()] == [1]
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_emulator_no_longer_listens_and_another_can_take_its_port():
    with Emulator() as first:
        port = int(first.url.rpartition(":")[2])
    with pytest.raises(requests.ConnectionError):
        requests.get(first.url, timeout=5)
    with Emulator(port=port) as second:
        assert second.url == first.url


def test_it_stops_in_time_while_a_request_hangs():
    with Emulator() as emulator:
        emulator.add_fault("delay", delay=3_600)
        with pytest.raises(requests.ReadTimeout):
            requests.get(f"{emulator.url}/workspaces", timeout=0.2)
    assert not emulator.running
