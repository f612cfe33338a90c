"""The lower bounds that pyproject.toml declares, and what it takes to run exactly them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

AIRFLOW = "apache-airflow"
# What only work on the project installs; requirements-dev.lock says with which versions that was tried.
FOR_DEVELOPMENT = frozenset({"test", "bench", "docs"})


@dataclass(frozen=True)
class Bound:
    """
    A version that is said to be enough.

    :param extra: the extra that asks for it; empty for what is always installed.
    """

    extra: str
    package: str
    version: str

    @property
    def pin(self) -> str:
        """The requirement that is met by this version alone."""
        return f"{self.package}=={self.version}"


def declared_bounds(pyproject: Path) -> list[Bound]:
    """
    Lower bounds of all dependencies, those of the extras included.

    :raises ValueError: something is declared without a lower bound, or with more than one.
    """
    project = tomllib.loads(pyproject.read_text())["project"]
    asked: Mapping[str, Iterable[str]] = {"": project["dependencies"], **project["optional-dependencies"]}
    return [
        _bound(extra, Requirement(text))
        for extra, requirements in asked.items()
        if extra not in FOR_DEVELOPMENT
        for text in requirements
    ]


def pythons(pyproject: Path) -> set[str]:
    """Pythons that the classifiers name, such as 3.11."""
    prefix = "Programming Language :: Python :: "
    classifiers = tomllib.loads(pyproject.read_text())["project"]["classifiers"]
    return {text.removeprefix(prefix) for text in classifiers if text.startswith(f"{prefix}3.")}


def is_exactly(installed: str, bound: str) -> bool:
    """Whether an installed version is the one of a bound: 5.0.0 is 5.0, and 5.0.1 is not."""
    return Version(installed) == Version(bound)


def _bound(extra: str, requirement: Requirement) -> Bound:
    lower = [specifier.version for specifier in requirement.specifier if specifier.operator == ">="]
    if len(lower) != 1:
        raise ValueError(f"{requirement} has no lower bound that could be run")
    return Bound(extra, canonicalize_name(requirement.name), lower[0])
