"""What tests use of Airflow under one name each, wherever the Airflow that is installed has it."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import pytest

PLACES = {
    "AirflowRescheduleException": ("airflow.sdk.exceptions", "airflow.exceptions"),
    "AirflowSensorTimeout": ("airflow.sdk.exceptions", "airflow.exceptions"),
    "AirflowSkipException": ("airflow.sdk.exceptions", "airflow.exceptions"),
    "AirflowTaskTimeout": ("airflow.sdk.exceptions", "airflow.exceptions"),
    "BaseHook": ("airflow.sdk", "airflow.hooks.base"),
    "DagBag": ("airflow.dag_processing.dagbag", "airflow.models.dagbag"),
    "HookLineageCollector": ("airflow.sdk.lineage", "airflow.lineage.hook"),
    "Stats": ("airflow.sdk.observability.stats", "airflow.stats"),
    "TaskDeferred": ("airflow.sdk.exceptions", "airflow.exceptions"),
    "TaskStateStoreModel": ("airflow.models.task_state_store",),
    "conf": ("airflow.sdk.configuration", "airflow.configuration"),
    "get_listener_manager": ("airflow.sdk.listener", "airflow.listeners.listener"),
}

ABSENT_BEFORE_3_3 = ("TaskStateStoreModel",)
XCOM_RETURN_KEY = "return_value"


def __getattr__(name: str) -> Any:
    for place in PLACES.get(name, ()):
        try:
            return getattr(import_module(place), name)
        except (ModuleNotFoundError, AttributeError):
            continue
    if name in ABSENT_BEFORE_3_3:
        return None
    raise AttributeError(name)


def encode_trigger_kwargs(kwargs: dict[str, Any]) -> Any:
    """The arguments of a trigger as a task sends them off to be stored."""
    try:
        from airflow.sdk.serde import serialize
    except ModuleNotFoundError:  # before Airflow 3.2
        from airflow.serialization.serialized_objects import BaseSerialization

        return BaseSerialization.serialize(kwargs)
    return serialize(kwargs)


def decode_trigger_kwargs(stored: Any) -> Any:
    """The same as the triggerer reads them."""
    try:
        from airflow.sdk.serde import deserialize
    except ModuleNotFoundError:  # before Airflow 3.2
        from airflow.serialization.serialized_objects import BaseSerialization

        return BaseSerialization.deserialize(stored)
    return deserialize(stored)


def send_metrics_to(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is measured from now on goes to this statistics backend."""
    stats = __getattr__("Stats")
    if hasattr(stats, "instance"):  # before Airflow 3.3
        monkeypatch.setattr(stats, "instance", backend)
        monkeypatch.setattr(stats, "_instance_pid", os.getpid(), raising=False)
    else:
        from airflow.sdk._shared.observability.metrics import stats

        monkeypatch.setattr(stats, "_backend", backend)
