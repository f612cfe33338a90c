#!/usr/bin/env bash
# DbApiHook.insert_rows(commit_every=0, executemany=True) writes no row, logs "Loaded a total of 0 rows" and raises nothing.
#
# Seen with apache-airflow-providers-common-sql 2.4.0 and apache-airflow-providers-sqlite 4.3.4 on Airflow 3.3.2. The
# parameter's documentation says that 0 inserts all rows in one transaction, and without executemany it does. Whoever
# asks for all or nothing together with the fast path gets nothing, in a task that succeeds.
# Why it matters here: it is the obvious way to land the rows of a load in one transaction. Our loads do not use
# insert_rows.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check uv
# Everything as it was on that day, so that only a changed pin can change the outcome.
"$folder/venv/bin/uv" pip install --quiet --python "$folder/venv/bin/python" --exclude-newer 2026-11-25 \
  apache-airflow==3.3.2 apache-airflow-providers-common-sql==2.4.0 apache-airflow-providers-sqlite==4.3.4
cd "$folder"
export AIRFLOW_HOME="$folder/airflow" AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__LOGGING__LOGGING_LEVEL=ERROR
"$folder/venv/bin/python" - <<'PYTHON'
import json
import os
import sqlite3

os.environ["AIRFLOW_CONN_DATABASE"] = json.dumps({"conn_type": "sqlite", "host": os.path.abspath("rows.db")})
from airflow.providers.sqlite.hooks.sqlite import SqliteHook

rows = [(number,) for number in range(10)]


def landed(**options):
    with sqlite3.connect("rows.db") as connection:
        connection.execute("DROP TABLE IF EXISTS t")
        connection.execute("CREATE TABLE t (a INTEGER)")
    SqliteHook("database").insert_rows("t", rows, target_fields=["a"], **options)
    return sqlite3.connect("rows.db").execute("SELECT count(*) FROM t").fetchone()[0]


one_by_one, many = landed(commit_every=0), landed(commit_every=0, executemany=True)
print(f"10 rows, commit_every=0: {one_by_one} landed; with executemany=True: {many} landed, no error")
assert (one_by_one, many) == (10, 0), "the behaviour has changed"
PYTHON
