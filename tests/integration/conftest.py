"""An Airflow of its own in a temporary folder, and the ways these tests reach a local Raydocs through it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version

from tests.moved import decode_trigger_kwargs, encode_trigger_kwargs
from tests.version_marks import AIRFLOW

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent


if TYPE_CHECKING:
    from raydocs_provider.api.models import Template
    from raydocs_provider.emulator import Emulator
    from raydocs_provider.emulator.front import LoggedRequest
    from raydocs_provider.hooks.raydocs import RaydocsHook
    from raydocs_provider.triggers.raydocs import RaydocsSessionsTrigger

SCHEMA = ROOT / "example_dags" / "schemas" / "invoice.json"
DOCUMENTS = ROOT / "example_dags" / "documents"
INVOICES = sorted(DOCUMENTS.glob("*.pdf"))
GOOD = [path for path in INVOICES if "corrupt" not in path.name]
CORRUPT = next(path for path in INVOICES if "corrupt" in path.name)


@pytest.fixture(autouse=True)
def _no_other_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever runs the tests may have proxies, netrc entries and Airflow connections; the tests do not."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith(("AIRFLOW_CONN_", "AIRFLOW_VAR_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Makes Airflow connections; returns the id."""

    def make(conn_id: str = "raydocs_default", *, conn_type: str = "raydocs", **fields: Any) -> str:
        if conn_type == "raydocs" and isinstance(extra := fields.get("extra", {}), dict):
            # Without a limit of its own the emulator takes any number; the hooks would keep to 100 a minute.
            fields["extra"] = {"requests_per_minute": 1_000_000, **extra}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps({"conn_type": conn_type, **fields}))
        return conn_id

    return make


@pytest.fixture
def connection(emulator: Emulator, connect: Callable[..., str]) -> str:
    """The connection ``raydocs_default`` to the emulator."""
    return connect(host=emulator.url, password=emulator.token)


@pytest.fixture
def hook(connection: str) -> Iterator[RaydocsHook]:
    from raydocs_provider.hooks.raydocs import RaydocsHook

    with RaydocsHook(connection) as hook:
        yield hook


@pytest.fixture
def template(hook: RaydocsHook) -> Template:
    """The invoice template, made at the emulator."""
    return make_template(hook)


def make_template(hook: RaydocsHook, name: str = "Invoices") -> Template:
    from raydocs_provider.hooks.templates import ensure_template, ensure_workspace, load_schema

    return ensure_template(hook, ensure_workspace(hook, "Tests", None), name, load_schema(str(SCHEMA)), None, None)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Retries and waits at their fastest.

    Jitter draws its lowest, so a 5xx is repeated at once; a 429 that does not say for how long holds the budget back
    for a moment only; sessions are looked at many times a second; a trigger's event leaves at once.
    """
    from raydocs_provider.extraction import budget
    from raydocs_provider.extraction.waiting import Pace
    from raydocs_provider.hooks import retrying
    from raydocs_provider.triggers import raydocs as triggers

    for function in (Pace.__init__, triggers.RaydocsSessionsTrigger.__init__):
        defaults = {
            name: each.default
            for name, each in signature(function).parameters.items()
            if each.default is not each.empty
        }
        monkeypatch.setattr(function, "__defaults__", tuple({**defaults, "poll_min": 0.05}.values()))
    monkeypatch.setattr(retrying.random, "random", lambda: 0.0)
    monkeypatch.setattr(budget, "_FIRST_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(triggers, "MIN_SECONDS_DEFERRED", 0.0)


@pytest.fixture
def usual_pace(no_pauses: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks as rare as they are shipped, for tests that count them."""
    from raydocs_provider.extraction.waiting import Pace

    monkeypatch.setattr(Pace.__init__, "__defaults__", tuple(each.default for each in fields(Pace)))


@pytest.fixture
def no_brief_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deferrable tasks defer as soon as they have submitted, however fast the extraction is."""
    from raydocs_provider.operators import extract
    from raydocs_provider.sensors import raydocs as sensors

    monkeypatch.setattr(extract, "BRIEF_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(sensors, "BRIEF_LOOK_SECONDS", 0.0)


@dataclass
class Task:
    """What operators use of the task instance they run as, and what they pushed to it."""

    dag_id: str = "dag"
    run_id: str = "run"
    task_id: str = "task"
    map_index: int = -1
    try_number: int = 1
    max_tries: int = 0
    pushed: dict[str, Any] = field(default_factory=dict)
    id: str = "019a0000-0000-7000-8000-000000000000"

    def next_try(self) -> None:
        """What Airflow does for another attempt: the next number, and an id of its own, made of the time."""
        self.try_number += 1
        self.id = f"{self.id[:-4]}{self.try_number:04}"

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = json.loads(json.dumps(value))

    @property
    def context(self) -> Any:
        return {"ti": self, "outlet_events": {}}


class OutletEvents:
    """The event of a task's one outlet. Not a dict of assets: before Airflow 3.2 those of the SDK have no hash."""

    def __init__(self, asset: Any) -> None:
        self._asset = asset
        self.extra: dict[str, Any] = {}

    def __getitem__(self, asset: Any) -> OutletEvents:
        if asset != self._asset:
            raise KeyError(asset)
        return self


@pytest.fixture
def ti() -> Task:
    return Task()


@pytest.fixture
def results_path(tmp_path: Path) -> str:
    return (tmp_path / "results").as_uri() + "/"


def uris(paths: list[Path]) -> list[str]:
    return [path.as_uri() for path in paths]


def requests_to(emulator: Emulator) -> list[LoggedRequest]:
    """The requests so far, with those whose answers are only just here: the log is written after an answer is sent."""
    with contextlib.suppress(urllib.error.HTTPError):
        urllib.request.urlopen(f"{emulator.url}/__emulator__/requests").close()  # not logged, and behind the others
    return emulator.requests()


def copies(folder: Path, number: int, original: Path = GOOD[0]) -> list[Path]:
    """Documents with the same text and different bytes."""
    content = original.read_bytes()
    made = [folder / f"copy_{each:03}{original.suffix}" for each in range(number)]
    for each, path in enumerate(made):
        path.write_bytes(content + f"\n% copy {each}\n".encode())
    return made


def count(emulator: Emulator, method: str, path: str) -> int:
    """How many requests of this method had a path that ends like this."""
    return sum(logged.method == method and logged.path.endswith(path) for logged in requests_to(emulator))


def billed(emulator: Emulator) -> int:
    """How many sessions were created at the emulator, whatever their answers."""
    return sum(
        len(logged.created)
        for logged in requests_to(emulator)
        if logged.method == "POST" and logged.path.endswith("/sessions/batch")
    )


def looks(emulator: Emulator) -> list[str]:
    """The session ids that were looked at, in order."""
    marker = "/extractions/sessions/"
    return [
        logged.path.partition(marker)[2]
        for logged in requests_to(emulator)
        if logged.method == "GET" and marker in logged.path
    ]


def stored_and_back(trigger: RaydocsSessionsTrigger) -> RaydocsSessionsTrigger:
    """The trigger as Airflow writes it into its database and reads it out again."""
    classpath, kwargs = trigger.serialize()
    stored = json.loads(json.dumps(encode_trigger_kwargs(kwargs)))
    module, _, name = classpath.rpartition(".")
    revived = getattr(import_module(module), name)(**decode_trigger_kwargs(stored))
    assert revived.serialize() == (classpath, kwargs)
    return revived


def fire(trigger: RaydocsSessionsTrigger) -> dict[str, Any]:
    async def first_event() -> dict[str, Any]:
        async for event in trigger.run():
            return dict(event.payload)
        raise AssertionError("no event")

    trigger.poll_min = 0.05
    return asyncio.run(first_event())


@contextmanager
def all_logs(file: Path) -> Iterator[Path]:
    """Everything any logger says at any level, in a file."""
    root = logging.getLogger()
    handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    # The emulator runs in this process too; what its server logs is no client's affair.
    names = [name for name in root.manager.loggerDict if not name.startswith("uvicorn")]
    loggers = [root, *map(logging.getLogger, names)]
    levels = {logger: logger.level for logger in loggers}
    ends = [logger for logger in loggers if logger is root or not logger.propagate]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    for logger in ends:
        logger.addHandler(handler)
    try:
        yield file
    finally:
        for logger in ends:
            logger.removeHandler(handler)
        for logger, level in levels.items():
            logger.setLevel(level)
        handler.close()


@pytest.fixture(scope="session")
def airflow_db() -> None:
    """The metadata database of the private Airflow."""
    assert "raydocs-tests-" in os.environ.get("AIRFLOW_HOME", ""), "Airflow was imported before this conftest"
    from airflow.utils.db import initdb

    initdb()


@dataclass(frozen=True)
class DagRun:
    """A Dag run that has ended."""

    run: Any

    @property
    def state(self) -> str:
        return str(self.run.state)

    def states(self) -> dict[str, str]:
        """State by task id; mapped tasks as ``task[index]``."""
        return {
            ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]": str(ti.state)
            for ti in self.run.get_task_instances()
        }


def _activate_assets(dag: Any) -> None:
    """As the Dag processor does. `dag.test` of Airflow 3.0 leaves it out, and then refuses to run their tasks."""
    from airflow.models.asset import AssetActive, AssetModel
    from airflow.utils.session import create_session

    with create_session() as session:
        for asset in {asset.name: asset for task in dag.tasks for asset in task.outlets}.values():
            if not session.query(AssetModel).filter_by(name=asset.name).count():
                session.add(AssetModel(name=asset.name, uri=asset.uri, group=asset.group, extra={}))
                session.flush()
                session.add(AssetActive(name=asset.name, uri=asset.uri))


@pytest.fixture
def run_dag(airflow_db: None) -> Callable[..., DagRun]:
    """Runs a whole Dag of a file, deferred tasks included, in this process."""

    def run(file: Path, dag_id: str | None = None, **settings: Any) -> DagRun:
        from tests.moved import DagBag

        bag = DagBag(str(file))
        assert not bag.import_errors
        dag = bag.dags[dag_id] if dag_id else next(iter(bag.dags.values()))
        if Version("3.1") > AIRFLOW:
            _activate_assets(dag)
        dag.deadline = None  # Airflow 3.3.2's dag.test cannot end a run that has one
        return DagRun(dag.test(**settings))

    return run
