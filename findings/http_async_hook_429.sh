#!/usr/bin/env bash
# HttpAsyncHook gives up at the first 429, whatever retry_limit says, and sends extras of the connection as headers.
#
# Seen with apache-airflow-providers-http 6.3.0 on Airflow 3.3.2. With retry_limit=3, a 503 is tried three times and a
# 429 with `Retry-After` once. An extra that the hook does not know (here: workspace_id) leaves as an HTTP header.
# Why it matters here: 429 is the normal answer of an API with a limit of requests a minute, and settings of a connection
# are nobody else's business. Our hooks take the session from this provider and do the sending themselves.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check uv
# Everything as it was on that day, so that only a changed pin can change the outcome.
"$folder/venv/bin/uv" pip install --quiet --python "$folder/venv/bin/python" --exclude-newer 2026-11-25 \
  apache-airflow==3.3.2 apache-airflow-providers-http==6.3.0
cd "$folder"
export AIRFLOW_HOME="$folder/airflow" AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__LOGGING__LOGGING_LEVEL=ERROR
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

received = []


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        received.append(self.headers)
        self.send_response(int(self.path.strip("/")))
        self.send_header("Retry-After", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
host, extra = f"http://127.0.0.1:{server.server_port}", {"workspace_id": "ws_1"}
os.environ["AIRFLOW_CONN_API"] = json.dumps({"conn_type": "http", "host": host, "extra": extra})
from airflow.providers.http.hooks.http import HttpAsyncHook


def attempts(status):
    received.clear()
    hook = HttpAsyncHook(method="GET", http_conn_id="api", retry_limit=3, retry_delay=0)
    try:
        asyncio.run(hook.run(endpoint=f"/{status}"))
    except Exception:
        return len(received)
    raise AssertionError("no error")


unavailable, refused = attempts(503), attempts(429)
header = received[0].get("workspace_id")
print(f"retry_limit=3: {unavailable} attempts for a 503, {refused} for a 429; header workspace_id: {header}")
assert (unavailable, refused, header) == (3, 1, "ws_1"), "the behaviour has changed"
PYTHON
