"""A private Airflow next to a local Raydocs, for `make demo`, `make airflow` and the end-to-end tests."""
