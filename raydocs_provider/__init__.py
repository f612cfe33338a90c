"""Airflow provider for Raydocs. Holds the version and imports nothing: Airflow loads it in every process."""

__version__ = "0.1.0"
