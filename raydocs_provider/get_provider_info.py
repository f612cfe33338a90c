"""
Provider metadata: the connection type and its form, and the catalogue entries.

Airflow loads and validates this on every ``import airflow`` (3.2 and newer) and dies in every process when it is
invalid, so the function returns plain data, imports nothing and is checked against the schema by a test.
"""

from __future__ import annotations

from typing import Any

# Airflow 3.2+ builds the connection form from this; 3.0 and 3.1 ask the hook, which returns the same two dicts.
CONNECTION_UI_BEHAVIOUR: dict[str, Any] = {
    "hidden-fields": ["schema", "port", "login"],
    "relabeling": {"password": "API token", "host": "Base URL"},
    "placeholders": {"host": "https://api.raydocs.com", "password": "rd_live_..."},
}

CONNECTION_FIELDS: dict[str, Any] = {
    "workspace_id": {
        "label": "Workspace id",
        "description": "Default workspace for tasks that create or look up templates. A number.",
        "schema": {"type": ["string", "null"]},
    },
    "requests_per_minute": {
        "label": "Requests per minute",
        "description": "What Raydocs accepts from one IP address; 100 unless your contract says otherwise.",
        "schema": {"type": ["integer", "null"], "minimum": 1, "default": 100},
    },
    "budget_url": {
        "label": "Budget URL",
        "description": "A Redis (redis://host:6379/0) that counts the requests of all workers together. Optional.",
        "schema": {"type": ["string", "null"], "format": "password"},
    },
    "dashboard_url": {
        "label": "Dashboard URL",
        "description": "A web page to link to, with {session_id}, {template_id}, {workspace_id} in it. Optional.",
        "schema": {"type": ["string", "null"]},
    },
    "timeout": {
        "label": "Timeout (seconds)",
        "description": "How long one request may wait for an answer before it counts as lost. 60 if empty.",
        "schema": {"type": ["integer", "null"], "minimum": 1, "default": 60},
    },
}


def get_provider_info() -> dict[str, Any]:
    """Describe this package to Airflow (entry point ``apache_airflow_provider``)."""
    return {
        "package-name": "airflow-provider-raydocs",
        "name": "Raydocs",
        "description": "Extract structured data from documents with Raydocs and land it as typed warehouse tables.",
        "integrations": [
            {
                "integration-name": "Raydocs",
                "external-doc-url": "https://docs.raydocs.com/",
                "tags": ["service"],
            }
        ],
        "connection-types": [
            {
                "connection-type": "raydocs",
                "hook-class-name": "raydocs_provider.hooks.raydocs.RaydocsHook",
                "hook-name": "Raydocs",
                "ui-field-behaviour": CONNECTION_UI_BEHAVIOUR,
                "conn-fields": CONNECTION_FIELDS,
            }
        ],
        "hooks": [{"integration-name": "Raydocs", "python-modules": ["raydocs_provider.hooks.raydocs"]}],
        "operators": [{"integration-name": "Raydocs", "python-modules": ["raydocs_provider.operators.raydocs"]}],
        "sensors": [{"integration-name": "Raydocs", "python-modules": ["raydocs_provider.sensors.raydocs"]}],
        "triggers": [{"integration-name": "Raydocs", "python-modules": ["raydocs_provider.triggers.raydocs"]}],
        "transfers": [
            {
                "source-integration-name": "Raydocs",
                "target-integration-name": "Common SQL",
                "python-module": "raydocs_provider.transfers.raydocs_to_sql",
            },
            {
                "source-integration-name": "Raydocs",
                "target-integration-name": "Common IO",
                "python-module": "raydocs_provider.transfers.raydocs_to_object_storage",
            },
        ],
    }
