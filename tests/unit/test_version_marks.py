"""Tests that run on some versions of Airflow only say which and why."""

from __future__ import annotations

from typing import Any

import pytest
from packaging.version import Version

from tests.version_marks import why_not_here


def mark(*args: Any, **kwargs: Any) -> pytest.Mark:
    return pytest.mark.airflow(*args, **kwargs).mark


@pytest.mark.parametrize("installed", ["3.3.0", "3.3.0b1", "3.3.2", "3.10.0", "4.0.0"])
def test_a_test_runs_from_its_version_on_betas_included(installed: str) -> None:
    assert why_not_here(mark("3.3", because="it has one"), Version(installed)) is None


@pytest.mark.parametrize("installed", ["3.0.6", "3.2.2"])
def test_on_an_older_one_the_reason_is_said(installed: str) -> None:
    said = why_not_here(mark("3.3", because="it has a task state store"), Version(installed))
    assert said == f"for Airflow 3.3 and newer, because it has a task state store; this is {installed}"


def test_what_only_older_ones_do_runs_on_those_alone() -> None:
    without = mark(before="3.2", because="it has no page")
    assert why_not_here(without, Version("3.1.8")) is None
    said = "for Airflow before 3.2, because it has no page; this is 3.2.0b1"
    assert why_not_here(without, Version("3.2.0b1")) == said


@pytest.mark.parametrize(
    "vague",
    [
        mark("3.3"),
        mark("3.3", because=""),
        mark("3.3", because=None),
        mark(because="it has none"),
        mark("3.3", before="3.2", because="both"),
        mark("3.3", reason="it has none"),
        mark("3.3", "it has none"),
    ],
)
def test_a_mark_without_a_version_or_a_reason_is_refused(vague: pytest.Mark) -> None:
    with pytest.raises(pytest.UsageError, match="because"):
        why_not_here(vague)
