"""Runs the built wheel on the Airflow releases, Pythons and dependencies that it says it works with: `make compat`."""
