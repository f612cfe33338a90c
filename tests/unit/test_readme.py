"""What the README shows works as it stands. What takes an Airflow to run is run by tests/e2e/test_readme.py."""

from __future__ import annotations

import json
import re
import tomllib
from types import SimpleNamespace
from typing import Any

import pytest

from raydocs_provider.get_provider_info import CONNECTION_FIELDS, CONNECTION_UI_BEHAVIOUR
from raydocs_provider.hooks.connection import read_settings
from scripts.compat.releases import RELEASES
from tests.readme import README, ROOT, blocks

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# What Airflow takes in the JSON of an AIRFLOW_CONN_* variable.
AIRFLOW_KEYS = {"conn_type", "description", "host", "login", "password", "schema", "port", "extra"}
# Of the HTTP provider, as `read_settings` knows them.
HTTP_EXTRAS = {"proxies", "verify", "cert"}


def test_every_block_is_of_a_kind_that_is_run() -> None:
    assert {block.kind for block in blocks()} == {"make", "pip", "emulator", "shell", "python", "sql"}


def test_the_dag_of_the_readme_is_a_dag() -> None:
    (block,) = [block for block in blocks("python") if "with DAG(" in block.text]
    namespace: dict[str, Any] = {"__file__": str(ROOT / "example_dags" / "schemas" / "invoices.py")}
    exec(compile(block.text, "README.md", "exec"), namespace)
    assert namespace["load"].upstream_task_ids == {"extract"}
    assert namespace["extract"].upstream_task_ids == {"template"}


def test_its_queries_and_its_checks_name_the_table_that_it_loads_into() -> None:
    (block,) = [block for block in blocks("python") if "with DAG(" in block.text]
    (table,) = re.findall(r"\btable=\"(.+?)\"", block.text)
    assert re.findall(r"check_target=\"(.+?)\"", block.text) == [f"warehouse/{table}"]
    for query in blocks("sql"):
        assert {name.partition("__")[0] for name in re.findall(r"(?:FROM|JOIN) (\w[\w.]*)", query.text)} == {table}


# `make test` cannot run itself, and the others have tests of their own: tests/e2e/test_demo.py and test_standalone.py.
def test_the_make_targets_are_there() -> None:
    targets = re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    named = [line.split() for block in blocks("make") for line in block.text.splitlines()]
    assert [command for command, _ in named] == ["make"] * 3
    assert {target for _, target in named} <= set(targets)
    assert "`make help`" in README
    assert "help" in targets


def test_what_is_installed_is_there_under_that_name() -> None:
    releases = {release.version: release for release in RELEASES}
    for block in blocks("pip"):
        for version in re.findall(r"apache-airflow==([\d.]+)", block.text):
            assert version in releases
        for extras in re.findall(r"airflow-provider-raydocs\[(.+?)\]", block.text):
            assert set(extras.split(",")) <= PROJECT["optional-dependencies"].keys()
        for airflow, python in re.findall(r"/constraints-([\d.]+)/constraints-([\d.]+)\.txt", block.text):
            assert f"apache-airflow=={airflow}" in block.text
            assert python in releases[airflow].pythons


def test_every_extra_for_users_is_named() -> None:
    for_the_project = {"docs", "bench", "test"}
    assert {extra for extra in PROJECT["optional-dependencies"] if f"`{extra}`" not in README} == for_the_project


def exported() -> list[tuple[str, str]]:
    return [
        (name, value)
        for block in blocks("shell")
        for name, value in re.findall(r"^export (AIRFLOW_CONN_\w+)='(.*)'$", block.text, re.MULTILINE)
    ]


def test_connections_are_json_with_keys_that_airflow_knows() -> None:
    assert {name for name, _ in exported()} == {"AIRFLOW_CONN_RAYDOCS_DEFAULT", "AIRFLOW_CONN_WAREHOUSE"}
    for _, value in exported():
        assert json.loads(value).keys() <= AIRFLOW_KEYS


def test_raydocs_connections_have_settings_that_are_read() -> None:
    for value in [json.loads(value) for _, value in exported() if '"raydocs"' in value]:
        extra = value.get("extra", {})
        assert extra.keys() <= CONNECTION_FIELDS.keys() | HTTP_EXTRAS
        fields = SimpleNamespace(**{"conn_id": "raydocs_default", "host": None, "schema": None, "port": None, **value})
        settings = read_settings(fields, extra)
        assert {name: getattr(settings, name) for name in extra} == extra


def test_the_table_of_the_connection_has_the_fields_of_the_form_and_the_keys() -> None:
    table = README.partition("| field of the form |")[2].partition("\n\n")[0]
    rows = dict(re.findall(r"^\| (.*?) ?\| (`.*?) \|", table, re.MULTILINE))
    fields = {field["label"]: f"`extra.{name}`" for name, field in CONNECTION_FIELDS.items()}
    fields |= {label: f"`{name}`" for name, label in CONNECTION_UI_BEHAVIOUR["relabeling"].items()}
    others = {"": ", ".join(f"`extra.{name}`" for name in ("proxies", "verify", "cert"))}
    assert rows == fields | others


@pytest.mark.parametrize("page", sorted(set(re.findall(r"\]\(((?!http)[^)#]+)\)", README))))
def test_what_the_readme_links_to_is_there(page: str) -> None:
    assert (ROOT / page).exists()


def test_sections_that_it_links_to_are_there() -> None:
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", README, flags=re.DOTALL), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#(.+?)\)", README)) <= anchors
