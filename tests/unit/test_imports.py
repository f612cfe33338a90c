"""Who may import whom, and what parsing a Dag may cost."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from packaging.version import Version

import raydocs_provider
from tests.version_marks import AIRFLOW

PACKAGE = Path(raydocs_provider.__file__).parent
NAME = "raydocs_provider"

# A part may import the parts before it and itself. Those of one line stand side by side.
LAYERS = (
    ("exceptions", "get_provider_info", "version_compat", "wording"),
    ("api", "arguments"),
    ("extraction", "landing"),
    ("hooks",),
    ("triggers", "links"),
    ("operators", "sensors", "transfers"),
    ("plugins",),
)
WITHOUT_AIRFLOW = {"exceptions", "api", "arguments", "wording", "extraction", "landing", "emulator"}
# The package itself holds its version, which all may import. Both import nothing of ours.
APART = {"__init__", "emulator"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    """Top-level part of the package that a file belongs to."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def test_every_part_of_the_package_has_its_place_in_the_layers() -> None:
    assert {part_of(path) for path in MODULES} <= {*APART, *(part for layer in LAYERS for part in layer)}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_what_its_layer_may(path: Path) -> None:
    part = part_of(path)
    foreign = {module for module in imports_of(path) if part_named(module) not in (None, "__init__", part)}
    forbidden = {module for module in foreign if part_named(module) not in lower_parts(part)}
    assert not forbidden, f"{part} may import {sorted(lower_parts(part)) or 'nothing'} of this package"


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if part_of(path) in WITHOUT_AIRFLOW],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_what_is_not_about_airflow_does_not_import_it(path: Path) -> None:
    assert not {module for module in imports_of(path) if module.split(".")[0] == "airflow"}


# What a Dag file with an operator and a sensor of Airflow loads anyway. Names of `airflow.sdk` bring their modules when
# they are first used, and how much they bring differs between versions.
BASELINE = "import airflow.triggers.base; from airflow.sdk import DAG, BaseOperator, BaseSensorOperator"
# What a Dag file may import of ours, and what that may bring along.
FOR_DAG_FILES = ("operators", "sensors", "transfers", "triggers", "links")
RETRY_POLICY = f"{NAME}.operators.retry_policy"
CHEAP = (*FOR_DAG_FILES, "__init__", "version_compat", "exceptions", "api", "arguments", "wording", "extraction")
NEWLY_IMPORTED = f"""
import importlib, json, sys
{BASELINE}
before = set(sys.modules)
for module in json.loads(sys.argv[1]):
    importlib.import_module(module)
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_parsing_a_dag_imports_nothing_beyond_airflow_and_the_standard_library() -> None:
    wanted = [module_name(path) for path in MODULES if part_of(path) in FOR_DAG_FILES]
    if Version("3.3") > AIRFLOW:
        wanted.remove(RETRY_POLICY)
    output = subprocess.run(
        [sys.executable, "-c", NEWLY_IMPORTED, json.dumps(wanted)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    imported = json.loads(output.splitlines()[-1])
    assert set(wanted) <= set(imported)
    assert [module for module in imported if not is_cheap(module)] == []


@pytest.mark.airflow(before="3.3", because="it has no retry policies")
def test_where_airflow_has_no_retry_policies_ours_says_so() -> None:
    with pytest.raises(ImportError, match=r"needs Airflow 3\.3 or newer: leave retry_policy out"):
        import_module(RETRY_POLICY)


def is_cheap(module: str) -> bool:
    top = module.split(".")[0]
    if top == NAME:
        return part_named(module) in CHEAP
    airflow = top == "airflow" and not module.startswith("airflow.providers.")
    return airflow or top in sys.stdlib_module_names


def module_name(path: Path) -> str:
    """Dotted name of a file of the package."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_named(module: str) -> str | None:
    """Part of our package that a dotted name belongs to; None for other people's modules."""
    top, *rest = module.split(".")
    return (rest[0] if rest else "__init__") if top == NAME else None


def lower_parts(part: str) -> set[str]:
    """Parts that this part may import, besides itself; nothing for those that stand apart."""
    if part in APART:
        return set()
    lower: set[str] = set()
    for layer in LAYERS:
        if part in layer:
            break
        lower |= set(layer)
    return lower


def imports_of(path: Path) -> Iterator[str]:
    """Dotted names of all that a file imports, wherever in it, for type checkers as well."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, f"{path}: a relative import"
            # `from raydocs_provider import x` means a module of ours or, of the package itself, the version.
            yield from (
                f"{node.module}.{alias.name}" if node.module == NAME and alias.name != "__version__" else node.module
                for alias in node.names
            )
