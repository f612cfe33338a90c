"""
Names of Airflow that have moved between 3.0 and 3.4, each taken from where the installed Airflow has it.

Airflow has a provider for this, common-compat. Each of its releases knows other names, and what an Airflow release is
pinned to may be older than the name: 3.0.6 is released beside 1.7.3, which has none of these.

A name is looked up when it is asked for, so that a Dag file that needs one does not load the modules of the others.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import BaseHook
    from airflow.sdk.configuration import conf
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSensorTimeout,
        AirflowSkipException,
    )
    from airflow.sdk.lineage import get_hook_lineage_collector
    from airflow.sdk.observability.stats import Stats

# Where Airflow keeps what a task returns. It names the key in other modules in 3.0 than from 3.1 on.
XCOM_RETURN_KEY = "return_value"

__all__ = [
    "XCOM_RETURN_KEY",
    "AirflowException",
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "BaseHook",
    "Stats",
    "conf",
    "get_hook_lineage_collector",
    "has_plugin_tabs",
]


def has_plugin_tabs(airflow_version: str) -> bool:
    """Whether plugins can add tabs to Airflow's UI; before 3.2 it does not hand its components to them."""
    return tuple(int(part) for part in airflow_version.split(".")[:2]) >= (3, 2)


# The newest place first: the older ones are still there later, and warn.
_PLACES = {
    "AirflowException": ("airflow.sdk.exceptions", "airflow.exceptions"),
    "AirflowFailException": ("airflow.sdk.exceptions", "airflow.exceptions"),
    "AirflowNotFoundException": ("airflow.sdk.exceptions", "airflow.exceptions"),
    "AirflowSensorTimeout": ("airflow.sdk.exceptions", "airflow.exceptions"),  # moved in 3.2
    "AirflowSkipException": ("airflow.sdk.exceptions", "airflow.exceptions"),
    "BaseHook": ("airflow.sdk", "airflow.hooks.base"),  # moved in 3.1
    "Stats": ("airflow.sdk.observability.stats", "airflow.stats"),  # moved in 3.2
    "conf": ("airflow.sdk.configuration", "airflow.configuration"),
    "get_hook_lineage_collector": ("airflow.sdk.lineage", "airflow.lineage.hook"),
}


def __getattr__(name: str) -> Any:
    for place in _PLACES.get(name, ()):
        try:
            found = getattr(import_module(place), name)
        except (ModuleNotFoundError, AttributeError):
            continue
        globals()[name] = found
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
