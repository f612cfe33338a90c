"""What a driver needs, loaded once in the process that drivers are forked from: importing Airflow takes seconds."""

# ruff: noqa: F401
import airflow.providers.duckdb.hooks.duckdb
import airflow.providers.sqlite.hooks.sqlite
import duckdb

import raydocs_provider.hooks.ledger_stores
import raydocs_provider.hooks.raydocs
import raydocs_provider.hooks.raydocs_async
import raydocs_provider.hooks.storage
import raydocs_provider.hooks.submitting
import raydocs_provider.hooks.watching
import raydocs_provider.landing.lander
import raydocs_provider.landing.warehouses.duckdb
import raydocs_provider.landing.warehouses.sqlite
import raydocs_provider.operators.extract
import raydocs_provider.transfers.raydocs_to_sql
import raydocs_provider.triggers.raydocs
