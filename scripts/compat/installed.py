"""Checks of what is installed, without a running Airflow."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.compat.checks import Commands

ROOT = Path(__file__).parents[2]
OURSELVES = "airflow-provider-raydocs"


def providers_get(commands: Commands, version: str) -> str:
    """Airflow lists the provider."""
    output = commands.airflow("providers", "get", OURSELVES, "--output", "json")
    listed = json.loads(output.strip().splitlines()[-1])  # 3.0 logs to the same stream
    assert listed == [{"Provider": OURSELVES, "Version": version}], str(listed)
    return ""


def import_all(commands: Commands, dags: Path) -> str:
    """
    All modules, late imports, imports that pages and examples show, and Dag files work with what is installed.

    A Dag file that says it needs something else is taken out of the folder.
    """
    program = Path(__file__).with_name("imports.py")
    output = commands.run(commands.python, program, dags, json.dumps(shown_imports()))
    found = json.loads(output.splitlines()[-1])
    assert not found["failed"], "\n".join(found["failed"])
    assert "site-packages" in found["where"], f"not the wheel: {found['where']}"
    for name in found["needy"]:
        (dags / name).unlink()
    without = ", ".join([*found["left_out"], *found["needy"]])
    return f"{found['imported']} imports{f', without {without}' if without else ''}"


def shown_imports() -> list[str]:
    """Imports of this package in README, docs and example Dags."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "example_dags").glob("*.py"))]
    return sorted({statement for page in pages for statement in imports_in(page.read_text())})


def imports_in(text: str) -> Iterator[str]:
    """Statements that import something of this package, on one line or in brackets; a mention of a class counts too."""
    for module, bracketed, plain in re.findall(r"from (raydocs_provider[\w.]*) import (?:\(([^)]*)\)|([\w, ]+))", text):
        names = [name.strip() for name in re.sub(r"#.*", "", bracketed or plain).replace("\n", " ").split(",")]
        yield from (f"from {module} import {name.split(' as ')[0]}" for name in names if name)
    for module, name in re.findall(r"\b(raydocs_provider(?:\.[a-z_0-9]+)+)\.([A-Z]\w+)\b", text):
        yield f"from {module} import {name}"


@contextmanager
def without_plugin(python: Path) -> Iterator[None]:
    """Take the plugin away as somebody would who does not want it: Airflow has no switch, only what is installed."""
    (entry_points,) = (python.parents[1] / "lib").glob(
        "python*/site-packages/airflow_provider_raydocs-*.dist-info/entry_points.txt"
    )
    before = entry_points.read_text()
    # Not in place: the file may be a link to the one in uv's cache.
    entry_points.unlink()
    entry_points.write_text(re.sub(r"\[airflow\.plugins\]\n[^\[]*", "", before))
    try:
        yield
    finally:
        entry_points.write_text(before)


def runs_without_plugin(commands: Commands, dag_id: str) -> str:
    """Airflow knows the provider, not the plugin, and a Dag runs."""
    with without_plugin(commands.python):
        plugins = commands.airflow("plugins", "--output", "json")
        assert '"raydocs"' not in plugins, "the plugin is still there"
        assert OURSELVES in commands.airflow("providers", "get", OURSELVES, "--output", "json")
        commands.airflow("db", "migrate")
        commands.airflow("dags", "test", dag_id)
    return f"{dag_id} by `airflow dags test`"
