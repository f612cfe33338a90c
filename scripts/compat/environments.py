"""What is installed in a cell, and how."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from scripts.compat.bounds import AIRFLOW, Bound
from scripts.compat.checks import ENGINES
from scripts.compat.releases import RELEASES, Cell, airflow_requirements, resolver_options

EXTRAS = ("emulator", *ENGINES, "arrow", "openlineage", "redis")
# Of these there is no server here: they are imported, and tested against doubles.
ELSEWHERE = ("snowflake", "bigquery", "redshift", "databricks")
# The provider of MySQL asks for this one too, which needs headers and a compiler; it works with the other client.
EXCLUDED = ("mysqlclient",)
CLIENT = "mysql-connector-python>=9.1"


def extras_of(cell: Cell) -> tuple[str, ...]:
    """Extras of the wheel in a cell: every one beside the oldest Airflow of all, so that the lowest of each is run."""
    if cell.kind == "lowest" and cell.release == RELEASES[0]:
        return (*EXTRAS, *ELSEWHERE)
    # The tests have doubles of these two that speak to the real clients.
    return (*EXTRAS, "snowflake", "redshift") if cell.tests else EXTRAS


def requirements(cell: Cell, wheel: Path, bounds: Iterable[Bound], extras: Sequence[str]) -> list[str]:
    """
    All that is asked for: our wheel with extras, the Airflow of the cell, and in the cell of the lowest, each bound as
    it is declared.
    """
    pins = [
        bound.pin
        for bound in bounds
        if cell.kind == "lowest" and bound.extra in ("", *extras) and bound.package != AIRFLOW
    ]
    return [
        f"airflow-provider-raydocs[{','.join(extras)}] @ {wheel.as_uri()}",
        CLIENT,
        *airflow_requirements(cell),
        *pins,
    ]


def install(uv: str | Path, python: Path, cell: Cell, wanted: Sequence[str], constraints: str = "") -> None:
    """
    Install into the environment of an interpreter.

    :raises subprocess.CalledProcessError: it could not be; ``stderr`` says why.
    """
    # Not in the source tree, for the sake of its overrides.
    with tempfile.TemporaryDirectory() as folder:
        command = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python]
        command += [*excluding(Path(folder)), *resolver_options(cell, constraints), *wanted]
        subprocess.run(command, check=True, cwd=folder, capture_output=True, text=True)


def excluding(folder: Path) -> list[str]:
    """Options of ``uv pip install`` that leave out what cannot be built everywhere; it takes a file in the folder."""
    file = folder / "excluded.txt"
    file.write_text("\n".join(EXCLUDED))
    return ["--excludes", str(file)]
