#!/usr/bin/env bash
# Celery 5.7.0 takes Airflow's CeleryExecutor away: the newest provider for Celery installs beside it, and cannot be imported.
#
# Seen with apache-airflow-providers-celery 3.26.0 and celery 5.7.0 on Airflow 3.3.2. The provider's requirement admits 5.7.0,
# and imports `retry` from celery.backends.database, which 5.7.0 no longer has. With celery 5.6.3 the same provider is
# imported.
# Why it matters here: the distributed tests of this package pin celery<5.7 for it, and so must who installs the newest of
# everything.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check uv
cd "$folder"
export AIRFLOW_HOME="$folder/airflow" AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__LOGGING__LOGGING_LEVEL=ERROR
seen=""
for celery in 5.6.3 5.7.0; do
  # Everything as it was on that day, so that only a changed pin can change the outcome.
  "$folder/venv/bin/uv" pip install --quiet --python "$folder/venv/bin/python" --exclude-newer 2026-11-25 \
    apache-airflow==3.3.2 apache-airflow-providers-celery==3.26.0 "celery==$celery"
  outcome=$("$folder/venv/bin/python" - 2>/dev/null <<'PYTHON'
try:
    from airflow.providers.celery.executors.celery_executor import CeleryExecutor
    print(CeleryExecutor.__name__)
except ImportError as error:
    print(f"ImportError: {error.name}")
PYTHON
)
  echo "celery $celery: $outcome"
  seen="$seen$outcome;"
done
test "$seen" = "CeleryExecutor;ImportError: celery.backends.database;"
