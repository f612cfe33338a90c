"""The table of what was run, for README.md and docs/compatibility.md, made of docs/compatibility.json."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from scripts.compat.bounds import declared_bounds
from scripts.compat.checks import ALL, TESTS
from scripts.compat.releases import RELEASES, Cell, cells
from scripts.compat.results import CellResult, Outcome, dump

RESULTS = Path("docs", "compatibility.json")
PAGES = (Path("README.md"), Path("docs", "compatibility.md"))
KIND_TITLES = {"pins": "pins of its release", "newest": "newest of everything", "lowest": "the lowest declared"}
# Of all that is installed, what decides whether this package works.
TOLD_VERSIONS = (
    "apache-airflow-providers-common-compat",
    "apache-airflow-providers-common-sql",
    "apache-airflow-providers-http",
    "apache-airflow-providers-standard",
)
SIGNS: dict[Outcome, str] = {"ok": "yes", "failed": "**fails**", "not run": "not run"}


def write_pages(root: Path, results: Sequence[CellResult]) -> None:
    """Write the results down, and the tables that are made of them."""
    kept = {bound.package for bound in declared_bounds(root / "pyproject.toml")} | {"apache-airflow", *TOLD_VERSIONS}
    in_order = {cell.name: place for place, cell in enumerate(cells())}
    known = sorted((result for result in results if result.cell in in_order), key=lambda it: in_order[it.cell])
    for result in known:
        result.versions = {name: result.versions[name] for name in sorted(kept & result.versions.keys())}
        # Why something failed is for those at work on it, and may name their folders.
        result.checks = [replace(check, detail="") if check.outcome == "failed" else check for check in result.checks]
    (root / RESULTS).write_text(dump(known))
    for page in PAGES:
        if (root / page).exists():
            (root / page).write_text(with_tables((root / page).read_text(), known))


def with_tables(page: str, results: Sequence[CellResult]) -> str:
    """
    A page with its generated parts made anew.

    :raises ValueError: it has no place for any.
    """
    tables = {"matrix": matrix, "cells": details, "versions": versions}
    pattern = re.compile(r"(<!-- compat:(\w+) -->\n).*?(<!-- /compat -->)", re.DOTALL)
    if not pattern.search(page):
        raise ValueError("no <!-- compat:... --> in the page")
    return pattern.sub(lambda found: f"{found[1]}{tables[found[2]](results)}\n{found[3]}", page)


def matrix(results: Sequence[CellResult]) -> str:
    """A line for each Airflow, with the Pythons it was run on by what was beside it."""
    known = {result.cell: result for result in results}
    rows = []
    for release in RELEASES:
        row = [f"{release.version} (a beta)" if release.preview else release.version]
        for kind in KIND_TITLES:
            of_kind = [cell for cell in cells() if cell.release == release and cell.kind == kind and not cell.tests]
            row.append(", ".join(_python(cell, known.get(cell.name)) for cell in of_kind) or "-")
        tests = [cell for cell in cells() if cell.release == release and cell.tests]
        row.append("; ".join(_tests(cell, known.get(cell.name)) for cell in tests) or "-")
        rows.append(row)
    return _table(["Airflow", *KIND_TITLES.values(), "unit and integration tests"], rows)


def _python(cell: Cell, result: CellResult | None) -> str:
    if result is None:
        return f"{cell.python} not run"
    failed = [check.name for check in result.checks if check.outcome == "failed"]
    return f"{cell.python} **fails: {', '.join(failed)}**" if failed else cell.python


def _tests(cell: Cell, result: CellResult | None) -> str:
    where = f"{cell.kind}, {cell.python}"
    if result is None:
        return f"{where}: not run"
    detail = next((check.detail for check in result.checks if check.name == TESTS), "")
    return f"{where}: {detail.splitlines()[0] if detail else SIGNS[result.outcome(TESTS)]}"


def details(results: Sequence[CellResult]) -> str:
    """A line for each cell, with a column for each check."""
    checks = [name for name in ALL if name != TESTS]
    rows = [
        [
            f"`{result.cell}`",
            result.python,
            f"`{result.wheel[:8]}`",
            result.ran_on,
            *(SIGNS[result.outcome(name)] for name in checks),
        ]
        for result in results
        if not result.cell.endswith("-tests")
    ]
    return _table(["cell", "Python", "wheel", "on", *checks], rows)


def versions(results: Sequence[CellResult]) -> str:
    """What was installed in each cell."""
    rows = [[f"`{result.cell}`", *(result.versions.get(name, "-") for name in TOLD_VERSIONS)] for result in results]
    return _table(["cell", *(name.removeprefix("apache-airflow-providers-") for name in TOLD_VERSIONS)], rows)


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines).replace("| --- ", "|---").replace("--- |", "---|")
