"""
The Airflow releases that this package is run on, and which packages are installed beside each.

Airflow asks to be installed with the pins of its release: what its other dependencies were when it came out. Where
the constraint file is not at hand, all packages as of a few days after the release are the same, or nearly so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal

# Providers of the same wave appear up to a few days after the core that they were tested with.
AFTER_RELEASE = timedelta(days=5)

Kind = Literal["pins", "newest", "lowest"]


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


# The first version of the DuckDB provider is younger than all of these releases.
DUCKDB = {"apache-airflow-providers-duckdb": date(2026, 10, 5)}

RELEASES = (
    Release(
        "3.0.6",
        date(2025, 8, 29),
        ("3.11", "3.12"),
        # 1.12.0, the lowest that we take: beside the pins of 3.0.6 it is 1.7.3, which lacks `compat.sdk`.
        outside_pins={**DUCKDB, "apache-airflow-providers-common-compat": date(2026, 1, 17)},
        # Newer ones refuse how 3.0 describes its routes, and the API server does not start.
        core_needs=("fastapi<0.118", "cadwyn<6", "starlette<0.49"),
    ),
    Release("3.1.8", date(2026, 3, 11), ("3.11", "3.12", "3.13"), outside_pins=DUCKDB),
    Release("3.2.2", date(2026, 5, 29), ("3.11", "3.12", "3.13"), outside_pins=DUCKDB),
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
    """

    release: Release
    kind: Kind
    python: str

    @property
    def name(self) -> str:
        """How it is asked for: ``make compat CELL=3.1.8-pins-py3.12``."""
        return f"{self.release.version}-{self.kind}-py{self.python}"


def release(version: str) -> Release:
    """
    The release of this version.

    :raises KeyError: it is none of those that we run on.
    """
    return {known.version: known for known in RELEASES}[version]


def resolver_options(cell: Cell, constraints: str = "") -> list[str]:
    """
    Options of ``uv pip install`` that make the packages beside Airflow those of this kind of cell.

    Run uv outside the source tree: in it, the overrides for `.venv` in pyproject.toml would apply.

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


def cells() -> Iterator[Cell]:
    """All fields of the matrix."""
    for known in RELEASES:
        for kind in ("pins", "newest"):
            if not (known.preview and kind == "pins"):
                yield from (Cell(known, kind, python) for python in known.pythons)
