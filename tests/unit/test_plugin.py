"""The plugin that Airflow loads in all of its processes."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from raydocs_provider.plugins.plugin import BUNDLE, LazyApp, RaydocsPlugin, _base_path

# What a task process has loaded anyway, and what the plugin brings along.
NEWLY_IMPORTED = """
import json, sys
import airflow.sdk.execution_time.task_runner, airflow.plugins_manager
before = set(sys.modules)
import raydocs_provider.plugins.plugin
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_airflow_finds_it_by_its_entry_point():
    (found,) = (each for each in entry_points(group="airflow.plugins") if each.name == "raydocs")
    assert found.load() is RaydocsPlugin


def test_task_processes_do_not_pay_for_the_page():
    done = subprocess.run([sys.executable, "-c", NEWLY_IMPORTED], capture_output=True, text=True, check=True)
    imported = json.loads(done.stdout.splitlines()[-1])
    # Airflow from 3.2 on has read the metadata of all providers by then; before, the package itself is new.
    cheap = {"raydocs_provider", "raydocs_provider.plugins", "raydocs_provider.version_compat"}
    assert set(imported) - cheap == {"raydocs_provider.plugins.plugin"}


@pytest.mark.airflow("3.2", because="there is a page and a tab: its UI hands its components to plugins")
def test_airflow_takes_the_page_and_the_tab_as_they_are():
    """Of a plugin with anything in it that it does not know, Airflow's UI shows nothing at all."""
    from airflow.api_fastapi.core_api.datamodels.plugins import ReactAppResponse

    for react_app in RaydocsPlugin.react_apps:
        shown = ReactAppResponse.model_validate(react_app)
        assert (shown.name, shown.bundle_url) == ("Raydocs", BUNDLE)
    assert [each["destination"] for each in RaydocsPlugin.react_apps] == ["nav", "task_instance"]


@pytest.mark.airflow(before="3.2", because="its UI hands no components to plugins")
def test_where_airflow_cannot_show_page_and_tab_it_is_given_none():
    assert RaydocsPlugin.react_apps == []


@pytest.mark.parametrize(
    ("base_url", "path"),
    [
        ("", ""),
        ("http://localhost:8080", ""),
        ("https://example.com/airflow/", "/airflow"),
        ("https://e.com/a/b", "/a/b"),
    ],
)
def test_the_bundle_is_below_the_base_url(monkeypatch, base_url, path):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base_url)
    assert _base_path() == path


async def test_the_application_is_imported_by_the_first_request():
    lazy = LazyApp("tests.unit.test_plugin:_echo")
    assert lazy._app is None
    sent = []

    async def send(message):
        sent.append(message)

    await lazy({"type": "http"}, None, send)
    await lazy({"type": "http"}, None, send)
    assert sent == [{"type": "http"}, {"type": "http"}]
    assert lazy._app is _echo


async def _echo(scope, receive, send):
    await send(scope)
