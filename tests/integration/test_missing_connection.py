"""A connection that is not there, or that Airflow could not read, says where to set it and what it may hold."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.hooks.raydocs import RaydocsHook
from raydocs_provider.hooks.raydocs_async import RaydocsAsyncHook
from raydocs_provider.hooks.warehouse import open_warehouse

LOOK_UPS: dict[str, Callable[[str], Any]] = {
    "hook": lambda conn_id: RaydocsHook(conn_id).settings,
    "asynchronous hook": lambda conn_id: asyncio.run(RaydocsAsyncHook(conn_id).get_settings()),
    "warehouse": open_warehouse,
}


@pytest.mark.parametrize("look_up", LOOK_UPS.values(), ids=LOOK_UPS)
def test_one_that_is_missing_says_where_to_set_it(look_up):
    with pytest.raises(RaydocsInputError, match=r"'finance_raydocs' is not defined.* set AIRFLOW_CONN_FINANCE_RAYDOCS"):
        look_up("finance_raydocs")


@pytest.mark.parametrize("look_up", LOOK_UPS.values(), ids=LOOK_UPS)
def test_one_with_a_key_that_airflow_does_not_know_says_which_there_are(monkeypatch, look_up):
    wrong = {"conn_type": "raydocs", "password": "hunter2", "workspace_id": "7"}
    monkeypatch.setenv("AIRFLOW_CONN_RAYDOCS_DEFAULT", json.dumps(wrong))
    with pytest.raises(RaydocsInputError, match=r"could not use it: as JSON .*; all else belongs into extra") as caught:
        look_up("raydocs_default")
    assert "hunter2" not in str(caught.value)


def test_a_retry_may_find_it_because_a_secrets_backend_may_be_away():
    with pytest.raises(RaydocsInputError) as caught:
        open_warehouse("finance")
    assert caught.value.retryable


def test_the_connection_test_says_so_too():
    succeeded, said = RaydocsHook("finance_raydocs").test_connection()
    assert not succeeded
    assert "is not defined where this runs" in said
