"""Documents and results on S3, through an Airflow connection in the URI."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.integration.conftest import CORRUPT, GOOD, Task, requests_to


@pytest.fixture
def s3(connect: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An S3 on this machine with the buckets ``inbox`` and ``lake``, and the connection ``aws_default`` to it."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    # What earlier tests have left: moto keeps its objects for as long as the process lives.
    requests.post(f"http://{host}:{port}/moto-api/reset", timeout=10).raise_for_status()
    endpoint = f"http://{host}:{port}"
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "hunter2hunter2", "region_name": "us-east-1"}
    connect(
        "aws_default",
        conn_type="aws",
        login=keys["aws_access_key_id"],
        password=keys["aws_secret_access_key"],
        extra={"endpoint_url": endpoint, "region_name": keys["region_name"]},
    )
    # Storage that earlier tests opened was another server's.
    from airflow.sdk.io import store

    monkeypatch.setattr(store, "_STORE_CACHE", {})
    client = boto3.client("s3", endpoint_url=endpoint, **keys)
    for bucket in ("inbox", "lake"):
        client.create_bucket(Bucket=bucket)
    for path in [*GOOD[:3], CORRUPT]:
        client.upload_file(str(path), "inbox", f"invoices/2026-11-22/{path.name}")
    yield client
    client.close()
    server.stop()


def keys_in(client: Any, bucket: str) -> list[str]:
    return [each["Key"] for each in client.list_objects_v2(Bucket=bucket).get("Contents", [])]


@pytest.fixture
def extract(connection: str, template: Any, s3: Any, no_pauses: None) -> Callable[..., Any]:
    def make(**arguments: Any) -> Any:
        from raydocs_provider.operators.raydocs import RaydocsExtractOperator

        return RaydocsExtractOperator(
            task_id="extract",
            template_id=template.id,
            documents="s3://aws_default@inbox/invoices/2026-11-22/*.pdf",
            results_path="s3://aws_default@lake/raydocs/run-1/",
            expected_seconds=0.1,
            on_partial_failure="warn",
            **arguments,
        )

    return make


def load(manifest: dict[str, Any], tmp_path: Path, connect: Callable[..., str]) -> list[tuple[Any, ...]]:
    import duckdb

    from raydocs_provider.transfers.raydocs_to_sql import RaydocsToSqlOperator

    warehouse = tmp_path / "warehouse.duckdb"
    connect("warehouse", conn_type="duckdb", host=str(warehouse))
    RaydocsToSqlOperator(task_id="load", extraction=manifest, conn_id="warehouse", table="invoices").execute(
        Task().context
    )
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return connection.sql("SELECT _source_uri, state FROM invoices__documents ORDER BY 1").fetchall()


def test_documents_and_results_lie_on_s3_and_a_load_needs_no_request(extract, s3, emulator, tmp_path, connect):
    manifest = extract().execute(Task().context)
    assert manifest["counts"]["extracted"] == 3
    assert manifest["counts"]["failed"] == 1
    written = keys_in(s3, "lake")
    assert len([key for key in written if "/_" not in key]) == 4
    assert all(key.startswith("raydocs/run-1/") for key in written)
    before = len(requests_to(emulator))
    landed = load(manifest, tmp_path, connect)
    assert [(Path(uri).name, state) for uri, state in landed] == sorted(
        [(path.name, "extracted") for path in GOOD[:3]] + [(CORRUPT.name, "failed")]
    )
    assert all(uri.startswith("s3://inbox/") for uri, _ in landed)
    assert len(requests_to(emulator)) == before


def test_a_trigger_puts_results_on_s3_without_stopping_its_loop(extract, tmp_path, connect, monkeypatch):
    from raydocs_provider.operators import extract as extract_module
    from raydocs_provider.triggers.raydocs import RaydocsSessionsTrigger
    from tests.moved import TaskDeferred

    operator = extract(deferrable=True)
    monkeypatch.setattr(extract_module, "BRIEF_LOOK_SECONDS", 0.0)
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(Task().context)
    _, arguments = deferred.value.trigger.serialize()
    arguments = json.loads(json.dumps(arguments)) | {"expected_seconds": 0.1, "poll_min": 0.05}
    assert "hunter2" not in json.dumps(arguments)

    async def run() -> tuple[Any, int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.005)
                ticks += 1

        ticking = asyncio.create_task(tick())
        event = await anext(aiter(RaydocsSessionsTrigger(**arguments).run()))
        ticking.cancel()
        return event.payload, ticks

    payload, ticks = asyncio.run(run())
    assert payload["status"] == "finished"
    assert ticks > 10
    manifest = operator.execute_complete(Task().context, payload)
    assert len(load(manifest, tmp_path, connect)) == 4


def test_a_bucket_that_does_not_exist_is_found_out_before_anything_is_paid_for(extract, emulator):
    operator = extract()
    operator.results_path = "s3://aws_default@nowhere/raydocs/"
    with pytest.raises(Exception, match=r"nowhere|NoSuchBucket|bucket"):
        operator.execute(Task().context)
    assert not [each for each in requests_to(emulator) if each.path == "/vapor/signed-storage-url"]


def test_what_another_process_wrote_since_a_listing_is_read(s3):
    """A triggerer lists the folder for one task, then reads for the next what its worker has just written there."""
    from raydocs_provider.extraction.manifest import Outcome
    from raydocs_provider.hooks.storage import open_spool

    def write_elsewhere(name: str, content: object) -> None:
        s3.put_object(Bucket="lake", Key=f"run/{name}", Body=json.dumps(content).encode())

    spool = open_spool("s3://aws_default@lake/run/")
    assert spool is not None
    spool.write_session("first", Outcome("failed", code="x"), None)
    spool.write_value("note.json", {"state": "old"})
    assert set(spool.known_sessions(["first", "second"])) == {"first"}
    session = json.loads(s3.get_object(Bucket="lake", Key="run/first.json")["Body"].read())
    write_elsewhere("second.json", {**session, "session_id": "second"})
    write_elsewhere("_documents-1.json", [])
    write_elsewhere("note.json", {"state": "new and longer"})

    spool = open_spool("s3://aws_default@lake/run/")
    assert spool is not None
    assert spool.read_value("note.json") == {"state": "new and longer"}
    assert spool.read_session("second")[0].code == "x"
    assert set(spool.known_sessions(["first", "second"])) == {"first", "second"}
    write_elsewhere("third.json", {**session, "session_id": "third"})
    assert spool.read_session("third")[0].code == "x"


def test_an_old_attempt_finds_on_s3_that_its_successor_owns_the_ledger(s3):
    """Though it has listed the folder before: what is looked at before a batch is paid for is what lies there now."""
    from raydocs_provider.exceptions import RaydocsSupersededError
    from raydocs_provider.extraction.ledger import Attempt, Claim, Ledger
    from raydocs_provider.hooks.ledger_stores import SpoolLedgerStore
    from raydocs_provider.hooks.storage import open_spool

    spool = open_spool("s3://aws_default@lake/run/")
    assert spool is not None
    old, new = ({"id": f"019a0000-0000-7000-8000-00000000000{number}", "try_number": number} for number in (1, 2))
    ledger = Ledger(SpoolLedgerStore(spool, "task"), Claim(0, "raydocs_default", "t", "h"), Attempt(**old))
    ledger.take_over()
    ledger.record(ledger.intend(["a"], 100.0), ["a"], ["s1"], 100.0)
    spool.known_sessions(["s1"])
    (mark,) = (key for key in keys_in(s3, "lake") if "owner" in key)
    assert json.loads(s3.get_object(Bucket="lake", Key=mark)["Body"].read()) == old
    s3.put_object(Bucket="lake", Key=mark, Body=json.dumps(new).encode())
    before = {key: s3.get_object(Bucket="lake", Key=key)["Body"].read() for key in keys_in(s3, "lake")}
    with pytest.raises(RaydocsSupersededError, match=r"\(try 2\) has begun"):
        ledger.intend(["b"], 100.0)
    assert {key: s3.get_object(Bucket="lake", Key=key)["Body"].read() for key in keys_in(s3, "lake")} == before
