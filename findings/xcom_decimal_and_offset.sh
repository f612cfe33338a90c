#!/usr/bin/env bash
# What a task returns comes back changed, or not at all: Decimals are rounded to floats, and an aware datetime with a
# fixed offset is stored and cannot be read.
#
# Seen with apache-airflow-task-sdk 1.3.2 (Airflow 3.3.2). `serialize` takes both without a word, so the task that
# returns the value succeeds: an amount of 17 digits and two decimals then has another value in the next task, and a
# timestamp such as psycopg gives for a session time zone without a name fails the task that pulls it.
# Why it matters here: amounts and times of decisions travel between tasks. We take and give them as text.
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
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from airflow.sdk.serde import deserialize, serialize


def pulled(value):
    """The value as the next task gets it."""
    stored = json.dumps(serialize(value))
    try:
        return repr(deserialize(json.loads(stored)))
    except Exception as error:
        return type(error).__name__


amount = pulled(Decimal("12345678901234567.89"))
moment = pulled(datetime(2026, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=2))))
print(f"Decimal('12345678901234567.89') is pulled as {amount}")
print(f"2026-01-02T03:04+02:00 is stored, and pulling it ends in {moment}")
assert (amount, moment) == ("Decimal('12345678901234568')", "ValueError"), "the behaviour has changed"
PYTHON
