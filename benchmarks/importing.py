"""What parsing a Dag costs that imports everything of ours a Dag may import."""

from __future__ import annotations

import json
import os
import pkgutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import raydocs_provider
from benchmarks.figures import Bar, Figure
from benchmarks.surroundings import say

RUNS = 9
PARTS = ("operators", "sensors", "transfers", "triggers", "links")

# What a Dag file has imported anyway, and what Airflow itself needs to define a trigger.
_AIRFLOW = ("airflow.sdk",)
_AIRFLOW_TRIGGERS = (*_AIRFLOW, "airflow.triggers.base")
# The processor's time is that of the user and of the system, of all threads.
_MEASURE = """
import importlib, json, sys, time
anyway, ours = json.loads(sys.argv[1])
for name in anyway:
    importlib.import_module(name)
before, began = set(sys.modules), time.process_time()
for name in ours:
    importlib.import_module(name)
print(json.dumps({"seconds": time.process_time() - began, "modules": sorted(set(sys.modules) - before)}))
"""


def measure_importing(folder: Path, runs: int = RUNS) -> Iterator[Figure]:
    """
    Fresh processes import all operators, sensors, transfers, triggers and links.

    :param runs: how many processes; the median counts.
    """
    say(f"Importing all operators, sensors and triggers in {runs} fresh processes ...")
    names = list(_modules())
    first = _import(_AIRFLOW_TRIGGERS, names)  # leaves the compiled files behind
    milliseconds = [1000 * _import(_AIRFLOW, names)["seconds"] for _ in range(runs)]
    context = {"runs": runs, "modules": len(names), "least": min(milliseconds), "most": max(milliseconds)}
    yield Figure("import_cpu", statistics.median(milliseconds), "ms", Bar("<=", 50), context)
    foreign = sorted({module.split(".")[0] for module in first["modules"]} - _KNOWN)
    yield Figure("import_third_party", len(foreign), "packages", Bar("==", 0), {"packages": foreign})


_KNOWN = {*sys.stdlib_module_names, "airflow", raydocs_provider.__name__}


def _modules() -> Iterator[str]:
    for part in PARTS:
        prefix = f"{raydocs_provider.__name__}.{part}"
        for path in raydocs_provider.__path__:
            yield from (module.name for module in pkgutil.walk_packages([f"{path}/{part}"], f"{prefix}."))


def _import(anyway: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", _MEASURE, json.dumps([anyway, names])]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured
