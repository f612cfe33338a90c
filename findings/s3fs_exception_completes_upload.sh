#!/usr/bin/env bash
# Leaving s3fs's `open(path, "wb")` by an exception completes the upload: half an object stands under the final key.
#
# Seen with s3fs 2026.9.0 against moto 5.2.5. S3 itself shows an object whole or not at all, so a reader has no reason to
# expect a part; but closing the file, which the `with` block does on an exception too, uploads what was written so far.
# Why it matters here: result files and lake files are written by tasks that are killed or fail in the middle. We make
# the whole content first and write it in one call.
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
try:
    with s3fs.S3FileSystem(endpoint_url=url).open("bucket/result.json", "wb") as file:
        file.write(b'{"total": 1')
        raise RuntimeError("the rest could not be made")
except RuntimeError:
    pass
stands = store.get_object(Bucket="bucket", Key="result.json")["Body"].read()
print(f"after an exception in the middle of writing, the object holds {stands!r}")
server.stop()
assert stands == b'{"total": 1', "the behaviour has changed"
PYTHON
