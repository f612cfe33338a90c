"""
Airflow the way it runs in production, on one machine: CeleryExecutor, Redis, metadata in PostgreSQL, two workers, a
triggerer, results on S3. Everything in it is killed, frozen, restarted or upgraded while documents are paid for.

``make e2e-celery`` runs all scenarios, ``make e2e-celery SCENARIO=kills`` one of them.
"""
