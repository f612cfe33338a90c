#!/usr/bin/env bash
# s3fs keeps a listing for the life of the process: new keys do not exist, deleted ones do, replaced ones cannot be read.
#
# Seen with s3fs 2026.9.0 against moto 5.2.5, with default options. Once a folder was listed, `exists` and `glob` answer
# from that listing, without an expiry, and reading a key that was replaced since raises FileExpired (an OSError with
# errno 16), however often it is tried.
# Why it matters here: a worker or a triggerer lives for days and looks into the same inbox and results folder again.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check uv
# Everything as it was on that day, so that only a changed pin can change the outcome.
"$folder/venv/bin/uv" pip install --quiet --python "$folder/venv/bin/python" --exclude-newer 2026-11-25 \
  s3fs==2026.9.0 'moto[server]==5.2.5' boto3
cd "$folder"
export AIRFLOW_HOME="$folder/airflow" AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__LOGGING__LOGGING_LEVEL=ERROR
"$folder/venv/bin/python" - <<'PYTHON'
import logging
import os

os.environ |= {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": "us-east-1"}
import boto3
import s3fs
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
url = "http://{}:{}".format(*server.get_host_and_port())
store = boto3.client("s3", endpoint_url=url)
store.create_bucket(Bucket="bucket")
for key in ("inbox/deleted.pdf", "inbox/replaced.pdf"):
    store.put_object(Bucket="bucket", Key=key, Body=b"first")

files = s3fs.S3FileSystem(endpoint_url=url)
files.ls("bucket/inbox")
store.put_object(Bucket="bucket", Key="inbox/new.pdf", Body=b"new")
store.delete_object(Bucket="bucket", Key="inbox/deleted.pdf")
store.put_object(Bucket="bucket", Key="inbox/replaced.pdf", Body=b"second version")

# Another object of the class for the same store: instances are cached as well.
again = s3fs.S3FileSystem(endpoint_url=url)
new, deleted = again.exists("bucket/inbox/new.pdf"), again.exists("bucket/inbox/deleted.pdf")
try:
    replaced = repr(again.open("bucket/inbox/replaced.pdf").read())
except OSError as error:
    replaced = type(error).__name__
print(f"new key exists: {new}; deleted key exists: {deleted}; reading the replaced key: {replaced}")
server.stop()
assert (new, deleted, replaced) == (False, True, "FileExpired"), "the behaviour has changed"
PYTHON
