"""An Airflow connection -> the warehouse behind it."""

from __future__ import annotations

from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.hooks.connection import missing_connection_explained
from raydocs_provider.landing.warehouses import Warehouse, warehouse_for
from raydocs_provider.version_compat import AirflowException, BaseHook

# Connection types, and the extra of this package that brings the Airflow provider of each.
_EXTRAS = {
    "postgres": "postgres",
    "duckdb": "duckdb",
    "sqlite": "sqlite",
    "mysql": "mysql",
    "snowflake": "snowflake",
    "gcpbigquery": "bigquery",
    "redshift": "redshift",
    "databricks": "databricks",
}


def open_warehouse(conn_id: str) -> Warehouse:
    """
    The warehouse of an Airflow connection. Nothing is connected to yet.

    :param conn_id: the connection.
    :raises RaydocsInputError: there is no such connection, the package for its type is not installed where this runs,
        or nothing of this package can land there.
    """
    with missing_connection_explained(conn_id):
        connection = BaseHook.get_connection(conn_id)
    kind = connection.conn_type or ""
    try:
        hook = connection.get_hook()  # type: ignore[no-untyped-call]
    except AirflowException:
        raise RaydocsInputError(_no_hook(conn_id, kind)) from None
    except ImportError as missing:
        # Hooks raise errors of their own, too, which name nothing.
        package = f"the Python package '{missing.name}'" if missing.name else "a Python package"
        raise RaydocsInputError(
            f"Connection '{conn_id}' of type '{kind}' needs {package}, which cannot be imported here. Install it "
            "beside Airflow on every worker."
        ) from missing
    return warehouse_for(hook)


def _no_hook(conn_id: str, kind: str) -> str:
    if not kind:
        return f"Connection '{conn_id}' has no type. Set its conn_type, to one of {', '.join(_EXTRAS)} for example."
    extra = _EXTRAS.get(kind)
    remedy = (
        f"pip install 'airflow-provider-raydocs[{extra}]' brings it"
        if extra
        else f"install the one that has it, if the type is not mistyped; common ones are {', '.join(_EXTRAS)}"
    )
    return (
        f"Connection '{conn_id}' is of type '{kind}', for which no Airflow provider is installed here: {remedy}. "
        "It has to be on every worker."
    )
