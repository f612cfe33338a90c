"""
Imports everything of the installed package: run by the interpreter of a cell, with the standard library alone.

    python imports.py DAGS '["from raydocs_provider.hooks.raydocs import RaydocsHook"]'

All modules are imported, then what functions of theirs import when they are called, then the statements given, then the
files of a Dags folder. Prints one line of JSON: what was imported, what a package that is not installed here keeps from
being imported, which Dag files say that they need something else, what failed.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import pkgutil
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "raydocs_provider"
# The first Airflow that has it: of Airflow's own, and of ours, which then says what it needs.
SINCE = {"airflow.models.task_state_store": (3, 3), f"{PACKAGE}.operators.retry_policy": (3, 3)}


def main() -> None:
    """See the module's docstring."""
    package = importlib.import_module(PACKAGE)
    modules = [PACKAGE, *sorted(found.name for found in pkgutil.walk_packages(package.__path__, f"{PACKAGE}."))]
    statements = [f"import {module}" for module in modules]
    statements += sorted({late for module in modules for late in late_imports(module)})
    statements += json.loads(sys.argv[2])
    imported, left_out, failed = 0, set(), []
    for statement in statements:
        try:
            exec(statement, {})
        except ImportError as error:
            asked = statement.split()[1]
            missing = asked if asked in SINCE else error.name
            # Of an installed package that lacks a name, the version is not one that does.
            if isinstance(error, ModuleNotFoundError) and missing and is_optional(missing):
                left_out.add(missing)
            else:
                failed.append(f"{statement}: {error}")
        except Exception as error:
            failed.append(f"{statement}: {type(error).__name__}: {error}")
        else:
            imported += 1
    needy = []
    for file in sorted(Path(sys.argv[1]).glob("*.py")):
        try:
            runpy.run_path(str(file))
        except Exception as error:
            if isinstance(error, ImportError) and str(error).startswith(f"The Dag {file.stem} needs"):
                needy.append(file.name)
            else:
                failed.append(f"{file.name}: {type(error).__name__}: {error}")
        else:
            imported += 1
    print(
        json.dumps(
            {
                "imported": imported,
                "left_out": sorted(left_out),
                "needy": needy,
                "failed": failed,
                "where": str(Path(package.__file__ or "").parent),
            }
        )
    )


def is_optional(missing: str) -> bool:
    """Whether the package does without this module: it comes with an extra, or with a newer Airflow than this one."""
    from airflow import __version__ as airflow

    if missing in SINCE:
        return tuple(int(part) for part in airflow.split(".")[:2]) < SINCE[missing]
    return missing.split(".")[0] not in (PACKAGE, "airflow") or missing.startswith("airflow.providers.")


def late_imports(module: str) -> Iterator[str]:
    """What the functions of a module import, except where they say what to do without it."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return
    for function in ast.walk(ast.parse(Path(spec.origin).read_text())):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (ast.unparse(node) for node in required(function))


def required(node: ast.AST) -> Iterator[ast.stmt]:
    """Imports below a node that stand in no `try` that expects them to fail."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif not (isinstance(child, ast.Try) and "ImportError" in ast.unparse(child)):
            yield from required(child)


if __name__ == "__main__":
    main()
