"""
The Airflow releases that this package is run on, and which packages are installed beside each.

Airflow asks to be installed with the pins of its release: what its other dependencies were when it came out. Where
the constraint file is not at hand, all packages as of a few days after the release are the same, or nearly so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal

# Providers of the same wave appear up to a few days after the core that they were tested with.
AFTER_RELEASE = timedelta(days=5)

Kind = Literal["pins", "newest", "lowest"]
KINDS: tuple[Kind, ...] = ("pins", "newest", "lowest")


@dataclass(frozen=True)
class Release:
    """
    A release of Airflow.

    :param version: what ``apache-airflow==`` takes.
    :param released: the day it was uploaded to PyPI.
    :param pythons: Pythons that it supports, of those that we do.
    :param outside_pins: packages that have to be younger than its pins, with the day up to which they are looked at.
    :param core_needs: requirements without which the core itself does not run beside the newest packages.
    :param preview: a beta: looked at, and it may fail.
    """

    version: str
    released: date
    pythons: tuple[str, ...]
    outside_pins: Mapping[str, date] = field(default_factory=dict)
    core_needs: tuple[str, ...] = ()
    preview: bool = False

    @property
    def pinned_on(self) -> date:
        """The last day whose packages count as the pins of this release."""
        return self.released + AFTER_RELEASE

    @property
    def minor(self) -> tuple[int, int]:
        """Major and minor version."""
        major, minor, *_ = self.version.split(".")
        return int(major), int(minor)


# The first DuckDB provider that needs Airflow 3 is younger than all of these releases.
DUCKDB = {"apache-airflow-providers-duckdb": date(2026, 10, 5)}

RELEASES = (
    Release(
        "3.0.6",
        date(2025, 8, 29),
        ("3.11", "3.12"),
        # The DuckDB provider needs common-sql 1.28.2.
        outside_pins={**DUCKDB, "apache-airflow-providers-common-sql": date(2025, 10, 26)},
        # Newer ones refuse how 3.0 describes its routes, and the API server does not start.
        core_needs=("fastapi<0.118", "cadwyn<6", "starlette<0.49"),
    ),
    Release("3.1.8", date(2026, 3, 11), ("3.11", "3.12", "3.13"), outside_pins=DUCKDB),
    Release(
        "3.2.2",
        date(2026, 5, 29),
        ("3.11", "3.12", "3.13"),
        outside_pins=DUCKDB,
        # A newer one does not take how 3.2 describes the states of a task, and no task can report one.
        core_needs=("fastapi<0.137",),
    ),
    Release("3.3.2", date(2026, 9, 17), ("3.11", "3.12", "3.13"), outside_pins=DUCKDB),
    Release("3.4.0b2", date(2026, 10, 20), ("3.13",), preview=True),
)


@dataclass(frozen=True)
class Cell:
    """
    One field of the matrix.

    :param kind: what is installed beside Airflow: the pins of its release, the newest of everything, or exactly the
        lowest that pyproject declares.
    :param python: major and minor version.
    :param tests: it is the unit and integration tests that run in it.
    """

    release: Release
    kind: Kind
    python: str
    tests: bool = False

    @property
    def name(self) -> str:
        """How it is asked for: ``make compat CELL=3.1.8-pins-py3.12``."""
        return f"{self.release.version}-{self.kind}-py{self.python}{'-tests' if self.tests else ''}"


def release(version: str) -> Release:
    """
    The release of this version.

    :raises KeyError: it is none of those that we run on.
    """
    return {known.version: known for known in RELEASES}[version]


def resolver_options(cell: Cell, constraints: str = "") -> list[str]:
    """
    Options of ``uv pip install`` that make the packages beside Airflow those of this kind of cell.

    :param constraints: file or URL of the constraints of the release, with ``{airflow}`` and ``{python}`` where the
        versions go; used instead of the date. Default: none is at hand.
    """
    if cell.kind == "newest":
        return []
    if constraints:
        return ["--constraints", constraints.format(airflow=cell.release.version, python=cell.python)]
    options = ["--exclude-newer", cell.release.pinned_on.isoformat()]
    for package, day in cell.release.outside_pins.items():
        options += ["--exclude-newer-package", f"{package}={day.isoformat()}"]
    return options


def airflow_requirements(cell: Cell) -> list[str]:
    """What is asked for besides our wheel and its extras."""
    core_needs = cell.release.core_needs if cell.kind == "newest" else ()
    return [f"apache-airflow=={cell.release.version}", *core_needs]


def cells() -> list[Cell]:
    """All fields of the matrix. The lowest is run on the oldest Python: the first wheels of Python 3.13 are younger."""
    fields = [
        Cell(known, kind, python)
        for known in RELEASES
        for kind in KINDS
        if not (known.preview and kind != "newest")
        for python in (known.pythons[:1] if kind == "lowest" else known.pythons)
    ]
    tests = [Cell(known, "pins", "3.12", tests=True) for known in RELEASES if not known.preview]
    newest, lowest = (
        Cell(release("3.3.2"), "newest", "3.13", tests=True),
        Cell(RELEASES[0], "lowest", "3.11", tests=True),
    )
    return [*fields, *tests, newest, lowest]


def cell(name: str) -> Cell:
    """
    The field of this name.

    :raises KeyError: there is none.
    """
    return {known.name: known for known in cells()}[name]


def quick_cells(python: tuple[int, int]) -> list[Cell]:
    """
    What runs before each change lands: the pins of two releases, and the lowest.

    :param python: the Python that is there; the nearest older one where it is too new.
    """
    return [
        _on(release("3.1.8"), "pins", python),
        _on(release("3.3.2"), "pins", python),
        next(known for known in cells() if known.kind == "lowest"),
    ]


def _on(known: Release, kind: Kind, python: tuple[int, int]) -> Cell:
    version = "{}.{}".format(*python)
    return Cell(known, kind, version if version in known.pythons else known.pythons[-1])
