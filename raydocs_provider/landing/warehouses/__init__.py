"""One file per engine: its types, how rows get into it in bulk, and its habits with transactions."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.landing.warehouses.base import Warehouse

__all__ = ["Warehouse", "warehouse_for"]

# Names of hooks, so that no provider is imported; engines, imported for the connection that needs them.
_BY_HOOK = {
    "PostgresHook": "postgres:PostgresWarehouse",
    "DuckDBHook": "duckdb:DuckDBWarehouse",
    "SqliteHook": "sqlite:SqliteWarehouse",
    "MySqlHook": "mysql:MySqlWarehouse",
    "SnowflakeHook": "snowflake:SnowflakeWarehouse",
    "BigQueryHook": "bigquery:BigQueryWarehouse",
    "RedshiftSQLHook": "redshift:RedshiftWarehouse",
    "DatabricksHook": "databricks:DatabricksWarehouse",  # what a connection gives; it is no DbApiHook
    "DatabricksSqlHook": "databricks:DatabricksWarehouse",
    # The base class of all of them.
    "DbApiHook": "generic:GenericWarehouse",
}


def warehouse_for(hook: Any) -> Warehouse:
    """
    The warehouse behind an Airflow hook, told by the names of its class and base classes.

    :param hook: what ``BaseHook.get_hook(conn_id)`` gives.
    :raises RaydocsInputError: no engine of this package.
    """
    for base in type(hook).__mro__:
        if base.__name__ in _BY_HOOK:
            module, name = _BY_HOOK[base.__name__].split(":")
            engine: type[Warehouse] = getattr(import_module(f"{__name__}.{module}"), name)
            return engine(hook)
    raise RaydocsInputError(
        f"Cannot land into a connection of {type(hook).__name__}; supported are {', '.join(sorted(_BY_HOOK))}."
    )
