"""Checks in a running Airflow."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from scripts.airflow_stack.client import StackError, TaskChange
from scripts.airflow_stack.stack import AirflowStack
from scripts.compat.checks import (
    ALL,
    BUDGET,
    CONNECTION,
    DEFERRABLE,
    IMPORTS,
    LINEAGE,
    LISTED,
    LOADS,
    PARQUET,
    PLUGIN_OFF,
    PLUGIN_ON,
    STEP_BY_STEP,
    SYNC,
    Checklist,
    Commands,
)
from scripts.compat.installed import import_all, providers_get, runs_without_plugin
from scripts.compat.releases import Cell
from scripts.compat.servers import Servers, open_servers
from scripts.landed import count

EXAMPLES = Path(__file__).parents[2] / "example_dags"
DEMO, EXTRACT, STEPS = "invoices_to_warehouse", "compat_extract", "compat_steps"
UNREADABLE = 1  # one of the samples is a PDF cut off in the middle
RUN_SECONDS = 600
# Long enough that a deferrable task finds its documents unfinished and defers, and with many tasks at once as well. No
# limit: the Dags of a cell count their requests apart from each other.
EMULATOR = ("--parse-seconds", "1-2", "--seed", "1", "--rate-limit", "0", "--extract-seconds")
EXTRACT_SECONDS = {True: "12-15", False: "30-35"}  # by whether the demo runs alone


def gather_dags(folder: Path) -> Path:
    """The example Dags, and those of the cells."""
    dags = folder / "dags"
    shutil.copytree(EXAMPLES, dags, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(Path(__file__).with_name("dags"), dags, dirs_exist_ok=True)
    return dags


class Runs:
    """
    A run of each Dag in one Airflow, all at once, and each watched from its beginning.

    :raises StackError: a Dag cannot be triggered.
    """

    def __init__(self, stack: AirflowStack, *dag_ids: str) -> None:
        self.stack = stack
        self.ids = {dag_id: stack.client.trigger(dag_id) for dag_id in dag_ids}
        watchers = ThreadPoolExecutor(len(dag_ids))
        self._changes = {dag_id: watchers.submit(self._watch, dag_id) for dag_id in dag_ids}
        watchers.shutdown(wait=False)

    def _watch(self, dag_id: str) -> list[TaskChange]:
        return list(self.stack.client.watch(dag_id, self.ids[dag_id], seconds=RUN_SECONDS))

    def task(self, dag_id: str, task_id: str) -> list[TaskChange]:
        """
        How a task went, in states, once its run has ended.

        :raises StackError: it did not succeed.
        """
        went = [change for change in self._changes[dag_id].result() if change.task_id == task_id]
        if not went or went[-1].state != "success":
            states = ", ".join(change.state for change in went) or "never started"
            raise StackError(f"{dag_id}.{task_id}: {states}{self._error(dag_id, task_id, went)}")
        return went

    def _error(self, dag_id: str, task_id: str, went: list[TaskChange]) -> str:
        if not went or went[-1].state != "failed":
            return ""
        lines = self.stack.client.task_log(dag_id, self.ids[dag_id], task_id, went[-1].try_number)
        return "".join(
            f"; {line.error or line.text}"
            for line in lines
            if line.error or line.level.lower() in ("error", "critical")
        )


def demo_ran(runs: Runs) -> str:
    """Everything that went in came out, and the waiting was the triggerer's."""
    extract = runs.task(DEMO, "extract")
    runs.task(DEMO, "load")
    given = sum(1 for path in (EXAMPLES / "documents").iterdir() if not path.name.startswith("."))
    counts = count(runs.stack.warehouse)
    shortfalls = counts.shortfalls(given=given, failing=UNREADABLE)
    if not any(change.state == "deferred" for change in extract):
        shortfalls.append("the extract task never waited in the triggerer")
    assert not shortfalls, "; ".join(shortfalls)
    return f"{counts.documents} documents, {counts.invoices} invoices, {counts.lines} lines in DuckDB"


def kept_its_worker(runs: Runs) -> str:
    """The extraction that does not defer."""
    assert not any(change.state == "deferred" for change in runs.task(EXTRACT, "extract")), "it deferred"
    return ""


def loaded(runs: Runs, servers: Servers, engine: str) -> str:
    """Rows are in the database of an engine."""
    runs.task(EXTRACT, f"load_{engine}")
    rows = servers.count[engine]("compat_extract")
    assert rows == 2, f"{rows} rows of 2 documents"
    return ""


def waited(runs: Runs, servers: Servers, mode: str) -> str:
    """The sensor waited as it was told to, and what it waited for landed."""
    states = {change.state for change in runs.task(STEPS, f"wait_{mode}")}
    runs.task(STEPS, f"load_{mode}")
    seen = {"reschedule": "up_for_reschedule", "deferrable": "deferred"}
    for other, state in seen.items():
        assert (state in states) == (mode == other), f"{mode}: {', '.join(sorted(states))}"
    rows = servers.count["sqlite"](f"compat_{mode}")
    assert rows == 2, f"{rows} rows of 2 documents"
    return ""


def plugin_shows(stack: AirflowStack, cell: Cell) -> str:
    """Airflow has loaded the plugin; from 3.2 on it has the page, and the page's API answers."""
    plugins = {plugin["name"]: plugin for plugin in stack.client.call("GET", "/api/v2/plugins")["plugins"]}
    assert "raydocs" in plugins, f"Airflow knows {', '.join(sorted(plugins))}"
    pages = plugins["raydocs"].get("react_apps") or []
    assert bool(pages) == (cell.release.minor >= (3, 2)), f"{len(pages)} pages"
    if not pages:
        return "loaded; the page needs Airflow 3.2"
    shown = stack.client.call("GET", "/raydocs/api/runs")["total"]
    assert shown, "the page shows no runs"
    return f"{shown} tasks on the page"


def check_installed(checklist: Checklist, python: Path, cell: Cell, version: str, folder: Path, *, quick: bool) -> None:
    """Everything after the installation."""
    dags = gather_dags(folder)
    with open_servers(folder) as servers:
        events = folder / "lineage.jsonl"
        settings = {"COMPAT_ENGINES": ",".join(sorted(servers.connections)), **lineage_settings(events)}
        dag_ids = [DEMO] if quick else [DEMO, EXTRACT, STEPS]
        stack = AirflowStack(
            dags,
            dag_ids=dag_ids,
            emulator_options=[*EMULATOR, EXTRACT_SECONDS[quick]],
            python=python,
            settings=settings,
            report=checklist.report,
        )
        # An Airflow of its own, so that the scheduler of the other takes none of its tasks.
        home = folder / "home"
        apart = {"AIRFLOW_HOME": str(home), "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs")}
        commands = Commands(python, folder, stack.command_environment() | apart)
        checklist.attempt(LISTED, lambda: providers_get(commands, version))
        checklist.attempt(IMPORTS, lambda: import_all(commands, dags))
        try:
            with stack:
                if quick:
                    _check_demo(checklist, stack)
                else:
                    _check_running(checklist, stack, servers, cell, events)
                    commands.environment |= connection_settings(stack, servers) | {"COMPAT_ENGINES": "sqlite"}
                    checklist.attempt(PLUGIN_OFF, lambda: runs_without_plugin(commands, EXTRACT))
        except (StackError, OSError) as error:
            reason = str(error)
            checklist.attempt(DEFERRABLE, lambda: _refuse(reason))
            tried = {check.name for check in checklist.checks}
            checklist.leave_out([name for name in ALL if name not in tried], "Airflow did not start")


def _refuse(reason: str) -> str:
    raise StackError(reason)


def lineage_settings(events: Path) -> dict[str, str]:
    """Have Airflow's OpenLineage provider write its events into a file."""
    transport = {"type": "file", "log_file_path": str(events), "append": True}
    return {"AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport)}


def compat_connection(stack: AirflowStack, servers: Servers) -> dict[str, Any]:
    """The Raydocs connection of the Dags of the cells: in a hurry, and counted in Redis where there is one."""
    extra = {"requests_per_minute": 1000, **({"budget_url": servers.redis} if servers.redis else {})}
    return {
        "conn_type": "raydocs",
        "host": stack.raydocs_url,
        "password": stack.raydocs_token,
        "extra": json.dumps(extra),
    }


def connection_settings(stack: AirflowStack, servers: Servers) -> dict[str, str]:
    """The connections as an environment."""
    connections = {"raydocs_compat": compat_connection(stack, servers), **servers.connections}
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(connection) for name, connection in connections.items()}


def _check_demo(checklist: Checklist, stack: AirflowStack) -> None:
    runs = Runs(stack, DEMO)
    checklist.attempt(DEFERRABLE, lambda: demo_ran(runs))


def _check_running(checklist: Checklist, stack: AirflowStack, servers: Servers, cell: Cell, events: Path) -> None:
    for name, connection in {"raydocs_compat": compat_connection(stack, servers), **servers.connections}.items():
        stack.client.add_connection(connection_id=name, **connection)
    runs = Runs(stack, DEMO, EXTRACT, STEPS)
    checklist.attempt(DEFERRABLE, lambda: demo_ran(runs))
    checklist.attempt(SYNC, lambda: kept_its_worker(runs))
    for mode, name in STEP_BY_STEP.items():
        checklist.attempt(name, lambda mode=mode: waited(runs, servers, mode))
    for engine, name in LOADS.items():
        if engine in servers.connections:
            checklist.attempt(name, lambda engine=engine: loaded(runs, servers, engine))
        else:
            checklist.leave_out([name], f"needs {servers.missing[engine]}")
    checklist.attempt(PARQUET, lambda: parquet_written(runs))
    checklist.attempt(LINEAGE, lambda: lineage_told(events))
    if servers.redis:
        checklist.attempt(BUDGET, lambda: budget_counted(runs, servers))
    else:
        checklist.leave_out([BUDGET], f"needs {servers.missing['redis']}")
    commands = Commands(stack.python, stack.folder, stack.command_environment())
    checklist.attempt(CONNECTION, lambda: commands.airflow("connections", "test", "raydocs_default") and "")
    checklist.attempt(PLUGIN_ON, lambda: plugin_shows(stack, cell))


def parquet_written(runs: Runs) -> str:
    """The lake has Parquet files."""
    runs.task(EXTRACT, "store")
    files = list((runs.stack.results / "lake").rglob("*.parquet"))
    assert files, "no file"
    return f"{len(files)} files"


def lineage_told(events: Path) -> str:
    """An event names a table that a load wrote."""
    lines = events.read_text().splitlines() if events.exists() else []
    outputs = {output["name"] for line in lines for output in json.loads(line).get("outputs") or []}
    assert any("compat_extract" in name for name in outputs), f"{len(lines)} events name {sorted(outputs)[:5]}"
    return f"{len(lines)} events"


def budget_counted(runs: Runs, servers: Servers) -> str:
    """Requests are counted in Redis under the address of this Raydocs."""
    import redis

    with redis.Redis.from_url(servers.redis) as client:
        address = runs.stack.raydocs_url.removeprefix("http://")
        keys = [key.decode() for key in client.scan_iter("raydocs:budget:*") if address in key.decode()]
    assert keys, "no key of this Raydocs"
    return ""
