"""How the tests run against an installed wheel."""

from __future__ import annotations

from pathlib import Path

from packaging.requirements import Requirement

from scripts.compat.testing import constraints, lay_out, needed_tools, optional_tools, read_report

ROOT = Path(__file__).parents[2]
PYPROJECT = ROOT / "pyproject.toml"


def test_the_tools_are_those_of_the_tests_without_linters_and_our_own_extras() -> None:
    names = {Requirement(text).name for text in needed_tools(PYPROJECT)}
    assert {"pytest", "hypothesis", "moto", "fakesnow"} <= names
    assert not names & {"ruff", "mypy", "playwright", "airflow-provider-raydocs"}
    assert [Requirement(text).name for text in optional_tools(PYPROJECT)] == ["dlt"]


def test_a_tool_may_be_as_old_as_the_pins_it_is_installed_beside_and_not_too_new() -> None:
    bounds = {bound.operator for text in needed_tools(PYPROJECT) for bound in Requirement(text).specifier}
    assert bounds == {"<"}


def test_what_is_installed_stays_and_what_has_no_version_is_no_constraint() -> None:
    frozen = "apache-airflow==3.1.8\n-e file:///x\nairflow-provider-raydocs @ file:///y/z.whl\n# why\npluggy==1.6.0"
    assert constraints(frozen) == ["apache-airflow==3.1.8", "pluggy==1.6.0"]


def test_tests_run_beside_everything_but_the_package(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in ("raydocs_provider/__init__.py", "tests/unit/test_a.py", "docs/a.md", ".venv/x", "dist/a.whl"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()
    laid_out = lay_out(source, tmp_path / "cell")
    assert {path.relative_to(laid_out).as_posix() for path in laid_out.rglob("*") if path.is_file()} == {
        "tests/unit/test_a.py",
        "docs/a.md",
    }


REPORT = """
<testsuites><testsuite>
  <testcase classname="tests.unit.test_a" name="test_good" />
  <testcase classname="tests.unit.test_a" name="test_bad"><failure message="assert 1 == 2">...</failure></testcase>
  <testcase classname="tests.unit.test_a" name="test_broken"><error message="no fixture">...</error></testcase>
  <testcase classname="tests.unit.test_a" name="test_new[1]"><skipped message="for Airflow 3.3 and newer" /></testcase>
  <testcase classname="tests.unit.test_a" name="test_new[2]"><skipped message="for Airflow 3.3 and newer" /></testcase>
</testsuite></testsuites>
"""


def test_a_report_tells_what_failed_and_why_tests_were_skipped() -> None:
    outcomes = read_report(REPORT)
    assert outcomes.failed == ("tests.unit.test_a.test_bad", "tests.unit.test_a.test_broken")
    assert outcomes.skipped == {"for Airflow 3.3 and newer": 2}
    assert outcomes.summary == "1 passed, 2 skipped, 2 failed"
