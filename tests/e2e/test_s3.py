"""Documents and results on S3, with a real triggerer that reaches them through an Airflow connection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from scripts.airflow_stack.stack import AirflowStack
from tests.e2e.conftest import ROOT, S3_DAG_ID, FinishedRun, dump

pytestmark = pytest.mark.e2e

SECRET = "hunter2-hunter2"
FILES = sorted((ROOT / "example_dags" / "documents").glob("*.pdf"))[:4]


@pytest.fixture(scope="module")
def s3() -> Iterator[tuple[Any, str]]:
    """An S3 on this machine with four documents in it, and its URL."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    # What earlier tests have left: moto keeps its objects for as long as the process lives.
    requests.post(f"http://{host}:{port}/moto-api/reset", timeout=10).raise_for_status()
    endpoint = f"http://{host}:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id="test",
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
    )
    for bucket in ("inbox", "lake"):
        client.create_bucket(Bucket=bucket)
    for path in FILES:
        client.upload_file(str(path), "inbox", path.name)
    yield client, endpoint
    client.close()
    server.stop()


def test_a_triggerer_puts_results_on_s3_and_the_load_takes_them_from_there(
    finished_run: FinishedRun, airflow_stack: AirflowStack, s3: tuple[Any, str]
) -> None:
    client, endpoint = s3
    airflow_stack.client.add_connection(
        connection_id="aws_lake",
        conn_type="aws",
        login="test",
        password=SECRET,
        extra=json.dumps({"endpoint_url": endpoint, "region_name": "us-east-1"}),
    )
    run_id = airflow_stack.client.trigger(S3_DAG_ID)
    changes, stored = [], ""
    for change in airflow_stack.client.watch(S3_DAG_ID, run_id, seconds=200):
        changes.append((change.task_id, change.state))
        if change.state == "deferred":
            stored = dump(airflow_stack.folder / "airflow.db")
    assert airflow_stack.client.run_state(S3_DAG_ID, run_id) == "success"
    assert ("extract", "deferred") in changes
    assert airflow_stack.client.xcom(S3_DAG_ID, run_id, "extract")["counts"]["extracted"] == len(FILES)
    results = [each["Key"] for each in client.list_objects_v2(Bucket="lake", Prefix=f"raydocs/{run_id}/")["Contents"]]
    assert len([key for key in results if "/_" not in key]) == len(FILES)
    assert airflow_stack.client.xcom(S3_DAG_ID, run_id, "load")["rows"]["invoices_on_s3"] == len(FILES)
    assert SECRET not in stored
    assert not airflow_stack.client.unhealthy()
