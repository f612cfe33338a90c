"""Whoever sets up the connection of a warehouse is told what to change, before anything is uploaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.exceptions import AirflowException

from raydocs_provider.exceptions import RaydocsInputError, RaydocsWarehouseConnectionError
from raydocs_provider.hooks import warehouse
from raydocs_provider.hooks.warehouse import open_warehouse
from raydocs_provider.operators.raydocs import RaydocsExtractOperator
from raydocs_provider.transfers.raydocs_to_sql import RaydocsToSqlOperator
from tests.integration.conftest import GOOD, Task, count, uris

SECRET = "hunter2"
UPLOAD = ("POST", "/vapor/signed-storage-url")
# Nobody listens on port 1.
CANNOT_BE_REACHED = [
    {"conn_type": "postgres", "host": "127.0.0.1", "port": 1, "login": "me", "password": SECRET, "schema": "dwh"},
    {
        "conn_type": "mysql",
        "host": "127.0.0.1",
        "port": 1,
        "login": "me",
        "password": SECRET,
        "schema": "dwh",
        "extra": {"client": "mysql-connector-python"},
    },
    {"conn_type": "duckdb", "host": "/no/such/folder/warehouse.duckdb"},
    {"conn_type": "sqlite", "host": "/no/such/folder/warehouse.db"},
]
NO_PROVIDER = [
    (
        {"conn_type": "mssql"},
        r"is of type 'mssql', for which no Airflow provider is installed .* common ones are postgres",
    ),
    ({"conn_type": ""}, "has no type. Set its conn_type"),
]


@pytest.fixture
def attempts(connection: str, template: Any, tmp_path: Path, no_pauses: None) -> dict[str, Callable[[], Any]]:
    """Everything that opens the warehouse."""
    extract = {"template_id": template.id, "documents": uris(GOOD[:1]), "results_path": (tmp_path / "r").as_uri()}
    good = RaydocsExtractOperator(task_id="good", **extract, expected_seconds=0.1).execute(Task().context)
    return {
        "check_target": lambda: RaydocsExtractOperator(
            task_id="extract", **extract, check_target="warehouse/invoices"
        ).execute(Task().context),
        "skip_landed_in": lambda: RaydocsExtractOperator(
            task_id="extract", **extract, skip_landed_in="warehouse/invoices"
        ).execute(Task().context),
        "load": lambda: RaydocsToSqlOperator(
            task_id="load", extraction=good, conn_id="warehouse", table="invoices"
        ).execute(Task().context),
    }


@pytest.mark.parametrize("fields", CANNOT_BE_REACHED, ids=lambda fields: fields["conn_type"])
@pytest.mark.parametrize("where", ["check_target", "skip_landed_in", "load"])
def test_a_warehouse_that_cannot_be_connected_to_is_said_to_be(attempts, emulator, connect, fields, where):
    connect("warehouse", **fields)
    uploads = count(emulator, *UPLOAD)
    with pytest.raises(RaydocsWarehouseConnectionError, match="Check address, database, login and password") as caught:
        attempts[where]()
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None
    assert count(emulator, *UPLOAD) == uploads


@pytest.mark.parametrize(("fields", "said"), NO_PROVIDER, ids=["unknown type", "no type"])
@pytest.mark.parametrize("where", ["check_target", "skip_landed_in", "load"])
def test_a_type_without_a_provider_says_what_to_install(attempts, emulator, connect, fields, said, where):
    connect("warehouse", **fields)
    uploads = count(emulator, *UPLOAD)
    with pytest.raises(RaydocsInputError, match=said):
        attempts[where]()
    assert count(emulator, *UPLOAD) == uploads


@pytest.mark.parametrize(
    ("kind", "extra"),
    [("postgres", "postgres"), ("duckdb", "duckdb"), ("gcpbigquery", "bigquery"), ("redshift", "redshift")],
)
def test_the_extra_that_brings_a_missing_provider_is_named(monkeypatch, kind, extra):
    def no_hook() -> None:
        raise AirflowException(f'Unknown hook type "{kind}"')

    monkeypatch.setattr(
        warehouse.BaseHook, "get_connection", lambda conn_id: SimpleNamespace(conn_type=kind, get_hook=no_hook)
    )
    with pytest.raises(RaydocsInputError, match=rf"pip install 'airflow-provider-raydocs\[{extra}\]'"):
        open_warehouse("warehouse")


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (ModuleNotFoundError("No module named 'psycopg2'", name="psycopg2"), "needs the Python package 'psycopg2'"),
        (ImportError("install a client"), "needs a Python package, which"),
    ],
)
def test_a_client_that_is_not_installed_is_named_if_python_names_it(monkeypatch, missing, said):
    def no_client() -> None:
        raise missing

    monkeypatch.setattr(
        warehouse.BaseHook, "get_connection", lambda conn_id: SimpleNamespace(conn_type="postgres", get_hook=no_client)
    )
    with pytest.raises(RaydocsInputError, match=said):
        open_warehouse("warehouse")
