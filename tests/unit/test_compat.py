"""What is run on which Airflow, and what is said of it: every declared bound and Python is run."""

from __future__ import annotations

import zipfile
from datetime import date
from pathlib import Path

import pytest

from scripts.compat.__main__ import missing
from scripts.compat.bounds import declared_bounds, is_exactly, pythons
from scripts.compat.checks import ALL, DEFERRABLE, IMPORTS, LOADS, TRIED_BY
from scripts.compat.environments import extras_of, requirements
from scripts.compat.installed import imports_in
from scripts.compat.releases import RELEASES, cell, cells, quick_cells, resolver_options
from scripts.compat.results import CellResult, Check, dump, parse, wheel_digest
from scripts.compat.table import PAGES, RESULTS, matrix, with_tables

ROOT = Path(__file__).parents[2]
PYPROJECT = ROOT / "pyproject.toml"
RUN = parse((ROOT / RESULTS).read_text())
WHEEL = Path("/dist/airflow_provider_raydocs-0.1.0-py3-none-any.whl")


@pytest.mark.parametrize(
    "bound", declared_bounds(PYPROJECT), ids=lambda bound: f"{bound.extra or 'always'} {bound.pin}"
)
def test_a_bound_is_declared_only_where_exactly_that_version_was_run(bound):
    covering = [
        result.cell
        for result in RUN
        if result.kind == "lowest"
        and is_exactly(result.versions.get(bound.package, "0"), bound.version)
        and result.outcome(IMPORTS) == result.outcome(DEFERRABLE) == result.outcome(TRIED_BY[bound.extra]) == "ok"
    ]
    assert covering, f"run `make compat CELL={RELEASES[0].version}-lowest-py3.11`, or declare what was run"


def test_a_python_is_named_only_where_it_was_run():
    ran = [result.cell.rpartition("-py")[2] for result in RUN if result.outcome(DEFERRABLE) == "ok"]
    assert pythons(PYPROJECT) <= set(ran)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_tables_say_what_was_run(page):
    text = (ROOT / page).read_text()
    assert with_tables(text, RUN) == text, "run `make compat`: the table is written by it"


def test_every_extra_is_tried_by_something():
    assert {bound.extra for bound in declared_bounds(PYPROJECT)} == TRIED_BY.keys()
    assert set(TRIED_BY.values()) <= set(ALL)


def test_the_lowest_are_pinned_one_by_one_as_declared():
    lowest = cell("3.0.6-lowest-py3.11")
    wanted = requirements(lowest, WHEEL, declared_bounds(PYPROJECT), extras_of(lowest))
    pins = {bound.pin for bound in declared_bounds(PYPROJECT) if bound.package != "apache-airflow"}
    assert pins <= set(wanted)
    assert "apache-airflow==3.0.6" in wanted


def test_the_lowest_of_extras_that_a_cell_leaves_out_are_not_pinned():
    wanted = requirements(cell("3.0.6-lowest-py3.11"), WHEEL, declared_bounds(PYPROJECT), ("emulator",))
    assert any(text.startswith("pypdfium2==") for text in wanted)
    assert not any(text.startswith("redis==") for text in wanted)


def test_pins_and_newest_hold_no_bound_of_ours():
    for name in ("3.1.8-pins-py3.12", "3.1.8-newest-py3.12"):
        wanted = requirements(cell(name), WHEEL, declared_bounds(PYPROJECT), ("emulator",))
        assert [text for text in wanted if "==" in text] == ["apache-airflow==3.1.8"]


def test_pins_are_packages_of_a_few_days_after_the_release():
    options = resolver_options(cell("3.1.8-pins-py3.12"))
    assert options[:2] == ["--exclude-newer", "2026-03-16"]
    assert resolver_options(cell("3.1.8-newest-py3.12")) == []


def test_a_constraint_file_takes_the_place_of_the_date():
    options = resolver_options(cell("3.1.8-pins-py3.12"), "constraints-{airflow}/{python}.txt")
    assert options == ["--constraints", "constraints-3.1.8/3.12.txt"]


def test_a_release_runs_on_the_pythons_it_supports_alone():
    assert "3.0.6-pins-py3.13" not in {known.name for known in cells()}
    assert {known.python for known in cells()} == pythons(PYPROJECT)


def test_what_runs_before_a_change_lands_takes_the_python_that_is_there():
    assert [known.name for known in quick_cells((3, 13))] == [
        "3.1.8-pins-py3.13",
        "3.3.2-pins-py3.13",
        "3.0.6-lowest-py3.11",
    ]
    assert quick_cells((3, 14))[0].python == "3.13"


def test_a_cell_is_run_again_when_it_failed_or_the_wheel_is_another():
    passed = CellResult("3.1.8-pins-py3.12", "3.1.8", "pins", "abc", checks=[Check("install", "ok")])
    failed = CellResult("3.1.8-pins-py3.11", "3.1.8", "pins", "abc", checks=[Check("install", "failed")])
    assert passed.cell not in {known.name for known in missing("abc", [passed, failed])}
    assert failed.cell in {known.name for known in missing("abc", [passed, failed])}
    assert passed.cell in {known.name for known in missing("def", [passed, failed])}


def test_the_readme_does_not_count_as_content_of_the_wheel(tmp_path):
    digests = {wheel_digest(wheel_of(tmp_path / f"{n}.whl", readme=f"table {n}")) for n in range(2)}
    assert len(digests) == 1
    assert digests != {wheel_digest(wheel_of(tmp_path / "3.whl", readme="table", module="x = 2"))}


def wheel_of(path: Path, *, readme: str, module: str = "x = 1") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("raydocs_provider/a.py", module)
        archive.writestr("a.dist-info/METADATA", f"Name: a\n\n{readme}")
        archive.writestr("a.dist-info/RECORD", f"{readme}")
    return path


def test_results_are_read_as_they_were_written():
    result = CellResult(
        "a", "3.1.8", "pins", "abc", "3.12.1", "2026-12-01", [Check("install", "ok", "", 1.5)], {"b": "1"}
    )
    assert parse(dump([result])) == [result]


def test_the_table_says_what_failed_and_what_was_not_run():
    checks = [Check(IMPORTS, "ok"), Check(LOADS["sqlite"], "failed", "no rows")]
    table = matrix([CellResult("3.1.8-pins-py3.12", "3.1.8", "pins", "abc", checks=checks)])
    (line,) = [line for line in table.splitlines() if line.startswith("| 3.1.8")]
    assert "3.12 **fails: loads, sqlite**" in line
    assert "3.11 not run" in line


def test_a_page_without_a_place_for_the_table_is_refused():
    with pytest.raises(ValueError, match="compat"):
        with_tables("# A page\n", [])


def test_imports_are_found_wherever_a_page_shows_them():
    text = """
    from raydocs_provider.operators.raydocs import (
        RaydocsExtractOperator,  # paid
        RaydocsTemplateOperator as Template,
    )
    from raydocs_provider.hooks.raydocs import RaydocsHook
    the class raydocs_provider.sensors.raydocs.RaydocsSessionsSensor
    """
    assert set(imports_in(text)) == {
        "from raydocs_provider.operators.raydocs import RaydocsExtractOperator",
        "from raydocs_provider.operators.raydocs import RaydocsTemplateOperator",
        "from raydocs_provider.hooks.raydocs import RaydocsHook",
        "from raydocs_provider.sensors.raydocs import RaydocsSessionsSensor",
    }


def test_releases_are_dated_in_order():
    days = [release.released for release in RELEASES]
    assert days == sorted(days)
    assert RELEASES[0].pinned_on == date(2025, 9, 3)
