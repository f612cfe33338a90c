"""The page and tab that are committed are those of the sources next to them."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

import raydocs_provider
from raydocs_provider.links.raydocs import TAB
from raydocs_provider.plugins.plugin import RaydocsPlugin, list_react_apps

WWW = Path(__file__).parents[2] / "raydocs_provider" / "plugins" / "www"
BUNDLE = Path(raydocs_provider.__file__).parent / "plugins" / "www" / "dist" / "main.umd.cjs"
with_sources = pytest.mark.skipif(not WWW.exists(), reason="a wheel is tested: it has no sources of the page")
# As vite.config.ts lists them.
CONFIGURATION = ("package-lock.json", "package.json", "tsconfig.json", "vite.config.ts")
GIVEN_BY_AIRFLOW = {"React", "ReactJSXRuntime", "ReactRouterDOM", "ChakraUI"}


def hash_sources() -> str:
    sources = [path for path in (WWW / "src").rglob("*") if path.is_file() and ".test." not in path.name]
    names = [*CONFIGURATION, *(path.relative_to(WWW).as_posix() for path in sources)]
    digest = hashlib.sha256()
    for name in sorted(names):
        digest.update(name.encode() + b"\0" + (WWW / name).read_bytes() + b"\0")
    return digest.hexdigest()


@with_sources
def test_the_bundle_is_built_from_the_sources_as_they_are() -> None:
    built_from = re.match(r"/\* Built by `make ui`; sources ([0-9a-f]{64}) \*/\n", BUNDLE.read_text())
    assert built_from, "the bundle does not say what it is made of: run `make ui`"
    assert built_from[1] == hash_sources(), "run `make ui` and commit raydocs_provider/plugins/www/dist"


def test_the_bundle_takes_react_and_its_components_from_airflow() -> None:
    bundle = BUNDLE.read_text()
    factory = re.search(r"\.AirflowPlugin=\w+\(([^)]*)\)", bundle)
    assert factory is not None
    assert {name.partition(".")[2] for name in factory[1].split(",")} == GIVEN_BY_AIRFLOW
    assert len(bundle) < 150_000


@pytest.mark.airflow("3.2", because="there is a page and a tab: its UI hands its components to plugins")
def test_page_and_tab_have_routes_of_their_own_and_links_lead_to_the_tab() -> None:
    routes = {app["destination"]: app["url_route"] for app in RaydocsPlugin.react_apps}
    assert routes == {"nav": "raydocs", "task_instance": "raydocs-documents"}
    assert f"plugin/{routes['task_instance']}" == TAB
    assert all(f"/plugin/{route}" in BUNDLE.read_text() for route in routes.values())


@pytest.mark.parametrize(
    ("version", "apps"), [("3.0.6", 0), ("3.1.8", 0), ("3.2.0rc1", 2), ("3.10.0", 2), ("4.0.0", 2)]
)
def test_page_and_tab_are_absent_where_airflow_has_no_components_for_them(version: str, apps: int) -> None:
    assert len(list_react_apps(version)) == apps


@with_sources
def test_the_lock_of_the_ui_works_with_any_registry() -> None:
    packages = json.loads((WWW / "package-lock.json").read_text())["packages"]
    assert not [name for name, package in packages.items() if "resolved" in package]
    assert all("integrity" in package for name, package in packages.items() if name)
