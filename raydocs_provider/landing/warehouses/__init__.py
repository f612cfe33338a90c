"""One file per engine: its types, how rows get into it in bulk, and its habits with transactions."""

from __future__ import annotations

from typing import Any

from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.landing.warehouses.base import Warehouse
from raydocs_provider.landing.warehouses.duckdb import DuckDBWarehouse
from raydocs_provider.landing.warehouses.postgres import PostgresWarehouse
from raydocs_provider.landing.warehouses.sqlite import SqliteWarehouse

__all__ = ["Warehouse", "warehouse_for"]

_BY_HOOK: dict[str, type[Warehouse]] = {
    "PostgresHook": PostgresWarehouse,
    "DuckDBHook": DuckDBWarehouse,
    "SqliteHook": SqliteWarehouse,
}


def warehouse_for(hook: Any) -> Warehouse:
    """
    The warehouse behind an Airflow hook, told by the names of its class and base classes: no provider is imported.

    :param hook: what ``BaseHook.get_hook(conn_id)`` gives.
    :raises RaydocsInputError: no engine of this package.
    """
    for base in type(hook).__mro__:
        if base.__name__ in _BY_HOOK:
            return _BY_HOOK[base.__name__](hook)
    raise RaydocsInputError(
        f"Cannot land into a connection of {type(hook).__name__}; supported are {', '.join(sorted(_BY_HOOK))}."
    )
