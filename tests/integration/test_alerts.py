"""The example with alerts: who is told what, and when nobody is."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from raydocs_provider.emulator import Emulator
from raydocs_provider.links.raydocs import TAB
from tests.integration.conftest import CORRUPT, GOOD, ROOT, DagRun
from tests.integration.test_example_dags import warehouse  # noqa: F401 - a fixture

pytestmark = pytest.mark.airflow("3.2", because="a deadline has a callback there")

EXAMPLE = ROOT / "example_dags" / "invoices_with_alerts.py"


@pytest.fixture
def messages(connect: Callable[..., str]) -> Iterator[list[Any]]:
    """What a webhook behind the connection ``alerts`` is sent."""
    received: list[Any] = []

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    connect("alerts", conn_type="http", host="127.0.0.1", port=server.server_port, schema="http")
    yield received
    server.shutdown()
    thread.join()
    server.server_close()


def copy_with(folder: Path, *documents: Path) -> Path:
    """The Dag with these documents."""
    shutil.copytree(EXAMPLE.parent / "schemas", folder / "schemas")
    (folder / "documents").mkdir()
    for document in documents:
        shutil.copy(document, folder / "documents")
    return Path(shutil.copy(EXAMPLE, folder))


@pytest.mark.usefixtures("warehouse")
def test_failed_documents_are_told_once_with_the_way_to_them(
    run_dag: Callable[..., DagRun], messages: list[Any], tmp_path: Path
) -> None:
    run = run_dag(copy_with(tmp_path / "dags", *GOOD[:2], CORRUPT))
    assert run.state == "success"
    (message,) = messages
    text = message["text"]
    assert text.startswith("invoices_with_alerts: 1 of 3 documents failed (parsing: ")
    assert text.endswith(f"/tasks/extract/{TAB}")
    assert CORRUPT.name not in text


@pytest.mark.usefixtures("warehouse")
def test_nobody_is_told_when_all_is_well(run_dag: Callable[..., DagRun], messages: list[Any], tmp_path: Path) -> None:
    run = run_dag(copy_with(tmp_path / "dags", *GOOD[:2]))
    assert run.state == "success"
    assert messages == []


@pytest.mark.usefixtures("warehouse")
def test_an_extraction_that_fails_outright_is_told_too(
    run_dag: Callable[..., DagRun], emulator: Emulator, messages: list[Any], tmp_path: Path
) -> None:
    emulator.add_fault("answer", status=403, method="POST", path="/sessions/batch", count=0)
    run = run_dag(copy_with(tmp_path / "dags", *GOOD[:2]))
    assert run.states()["extract"] == "failed"
    assert [message["text"].split(" http")[0].split(" /dags")[0] for message in messages] == [
        "invoices_with_alerts: The extraction failed before it had looked at its documents."
    ]


def test_a_missed_deadline_is_told_by_the_triggerer(messages: list[Any], airflow_db: None) -> None:
    from airflow.triggers.callback import CallbackTrigger

    from tests.moved import DagBag

    (alert,) = DagBag(str(EXAMPLE)).dags["invoices_with_alerts"].deadline
    # What Airflow adds when a deadline is missed.
    context = {"dag_run": {"dag_id": "invoices_with_alerts", "dag_run_id": "manual__1"}, "deadline": {"id": "d"}}

    async def events() -> list[Any]:
        trigger = CallbackTrigger(alert.callback.path, {**alert.callback.kwargs, "context": context})
        return [event.payload async for event in trigger.run()]

    assert asyncio.run(events())[-1]["state"] == "success"
    assert messages == [{"text": "invoices_with_alerts: run manual__1 has not ended in two hours."}]
