"""An Airflow of its own in a temporary folder for all tests of this run, and fixtures for every test."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from raydocs_provider.emulator import Emulator

ROOT = Path(__file__).parents[1]
DAGS = ROOT / "tests" / "integration" / "dags"


def _use_private_airflow() -> None:
    """Airflow reads its settings once, on import: a folder of this test run, and the Dags of these tests."""
    folder = Path(tempfile.mkdtemp(prefix="raydocs-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    bundles = [
        {
            "name": name,
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(path), "refresh_interval": 0},
        }
        for name, path in (("examples", ROOT / "example_dags"), ("tests", DAGS))
    ]
    os.environ |= {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
    }


# Here and nowhere further down: the first test module that is collected may import Airflow.
_use_private_airflow()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    from tests.version_marks import why_not_here

    for item in items:
        for reason in filter(None, map(why_not_here, item.iter_markers("airflow"))):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def make_emulator() -> Iterator[Callable[..., Emulator]]:
    """Starts emulators that run until the test ends: quick and without a rate limit unless told otherwise."""
    from raydocs_provider.emulator import Emulator

    with ExitStack() as running:

        def start(**settings: Any) -> Emulator:
            quick = {"rate_limit": 0, "parse_seconds": 0, "extract_seconds": 0}
            return running.enter_context(Emulator(**{**quick, **settings}))

        yield start


@pytest.fixture
def emulator(make_emulator: Callable[..., Emulator]) -> Emulator:
    """A Raydocs of the seed generation that takes no time."""
    return make_emulator()
