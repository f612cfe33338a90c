#!/usr/bin/env bash
# The same connection URI gives a text to tasks and a number to the API server.
#
# Seen with Airflow 3.3.2 and its task SDK 1.3.2. An extra whose values are all texts, {"workspace_id": "4711"}, is written
# into the URI as ?workspace_id=4711. Tasks (airflow.sdk.Connection) read it as text. Airflow core (airflow.models.Connection,
# which the API server tests a connection with) parses each value as JSON: "1" comes back as the number 1, "true" as True.
# Why it matters here: a connection given as URI, and every test of a connection, takes this way: an id of digits that a
# task can use fails where it is tested, or the other way round. We read settings of either type.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check uv
# Everything as it was on that day, so that only a changed pin can change the outcome.
"$folder/venv/bin/uv" pip install --quiet --python "$folder/venv/bin/python" --exclude-newer 2026-11-25 \
  apache-airflow==3.3.2 apache-airflow-task-sdk==1.3.2
cd "$folder"
export AIRFLOW_HOME="$folder/airflow" AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__LOGGING__LOGGING_LEVEL=ERROR
"$folder/venv/bin/python" - <<'PYTHON'
import json

from airflow.models import Connection as CoreConnection
from airflow.sdk import Connection as TaskConnection

extra = {"workspace_id": "4711", "flag": "true"}
uri = CoreConnection(conn_id="api", conn_type="http", host="api.example.com", extra=json.dumps(extra)).get_uri()
task, core = TaskConnection.from_uri(uri, "api").extra_dejson, CoreConnection(conn_id="api", uri=uri).extra_dejson
print(f"stored: {extra}; a task reads {task}; the API server reads {core}")
assert task == extra and core == {"workspace_id": 4711, "flag": True}, "the behaviour has changed"
PYTHON
