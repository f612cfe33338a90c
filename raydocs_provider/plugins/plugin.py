"""
The Raydocs page and tab of the Airflow UI (Airflow 3.2 and newer).

Plugins are loaded in every process, that of each task included: nothing is imported here that can wait for the first
request.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Awaitable, Callable, MutableMapping
from importlib import import_module
from typing import Any

from airflow import __version__ as airflow_version
from airflow.plugins_manager import AirflowPlugin

from raydocs_provider import __version__
from raydocs_provider.version_compat import has_plugin_tabs

PREFIX = "/raydocs"
# The version keeps browsers from running the bundle of an older one.
BUNDLE = f"{PREFIX}/static/{__version__}/main.umd.cjs"

mimetypes.add_type("application/javascript", ".cjs")


class LazyApp:
    """
    An ASGI application that is imported when it is asked first.

    :param path: ``module:attribute`` of the application.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._app: Callable[..., Awaitable[None]] | None = None

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        """Hand a request on."""
        if self._app is None:
            module, name = self._path.split(":")
            self._app = getattr(import_module(module), name)
        await self._app(scope, receive, send)


def _base_path() -> str:
    """Where Airflow is below its host; Airflow before 3.3 takes the bundle's address as it is given."""
    from urllib.parse import urlsplit

    from raydocs_provider.version_compat import conf

    return urlsplit(str(conf.get("api", "base_url", fallback="") or "")).path.rstrip("/")


def list_react_apps(airflow_version: str) -> list[dict[str, Any]]:
    """
    The page under Browse and the tab on task instances.

    :param airflow_version: before 3.2 there are none.
    """
    if not has_plugin_tabs(airflow_version):
        return []
    shared = {"name": "Raydocs", "bundle_url": f"{_base_path()}{BUNDLE}"}
    return [
        {**shared, "destination": "nav", "category": "browse", "url_route": "raydocs"},
        # A route of its own: of two the same, Airflow drops the second.
        {**shared, "destination": "task_instance", "url_route": "raydocs-documents"},
    ]


class RaydocsPlugin(AirflowPlugin):
    """Mounts the API, and shows the page under Browse and the tab on task instances."""

    name = "raydocs"
    fastapi_apps: list[Any] = [  # noqa: RUF012, as Airflow declares it
        {"app": LazyApp("raydocs_provider.plugins.api.app:app"), "url_prefix": PREFIX, "name": "Raydocs"}
    ]
    react_apps: list[Any] = list_react_apps(airflow_version)
