"""
The matrix: a session for each Airflow, kind of pins and Python; `make compat` runs those that were not run yet.

What a session tries is in scripts/compat; here it gets an environment of its own, by uv.
"""

from __future__ import annotations

import os
import shutil
import sys
from functools import partial
from pathlib import Path

import nox

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT))

from scripts.compat.releases import Cell, cells  # noqa: E402

nox.options.default_venv_backend = "uv"
nox.options.error_on_missing_interpreters = False
# What drives the cells: the interpreter of `.venv`, whose packages are not those of any cell.
DRIVER = os.environ.get("COMPAT_DRIVER", sys.executable)


def run_cell(session: nox.Session, cell: Cell) -> None:
    """Try the wheel in this cell."""
    python = Path(session.bin, "python")
    try:
        session.run(
            DRIVER, "-m", "scripts.compat.cell", cell.name, "--python", str(python), *session.posargs, external=True
        )
    finally:
        shutil.rmtree(session.virtualenv.location, ignore_errors=True)


for known in cells():
    nox.session(partial(run_cell, cell=known), name=known.name, python=known.python)
