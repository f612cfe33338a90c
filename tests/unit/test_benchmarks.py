"""The benchmarks run and report; whether the figures hold is for `make bench` to say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS
from benchmarks.extraction import ideal_seconds, measure_extraction
from benchmarks.figures import Bar, Figure
from benchmarks.importing import measure_importing
from benchmarks.surroundings import private_airflow
from benchmarks.uploading import MIB, measure_upload

ROOT = Path(__file__).parents[2]
KEYS = {"figure", "value", "unit", "bar", "holds", "load_average"}


@pytest.fixture
def folder() -> Iterator[Path]:
    with private_airflow() as home:
        yield home


def told(figures: Iterator[Figure]) -> dict[str, dict]:
    lines = [json.loads(figure.to_json()) for figure in figures]
    assert all(line.keys() >= KEYS for line in lines)
    return {line["figure"]: line for line in lines}


def test_the_page_on_benchmarks_tells_of_every_one() -> None:
    page, _ = (ROOT / "docs" / "benchmarks.md").read_text().split("## Figures")
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == set(BENCHMARKS)


def test_a_figure_holds_when_its_bar_is_met() -> None:
    assert Figure("a", 2.3, "requests", Bar("<=", 2.3)).holds
    assert not Figure("a", 2.30001, "requests", Bar("<=", 2.3)).holds
    assert Figure("a", 0.9, "of the limit", Bar(">=", 0.9)).holds
    assert Figure("a", 1e9, "requests").holds


@pytest.mark.parametrize(("requests", "seconds"), [(1, 0), (600, 0), (601, 60), (2020, 180)])
def test_at_best_a_minutes_requests_leave_as_the_minute_begins(requests: int, seconds: int) -> None:
    assert ideal_seconds(requests, 600) == seconds


def test_a_small_extraction_reports_requests_and_wall_time(folder: Path) -> None:
    lines = told(measure_extraction(folder, documents=20, limit=6_000))
    whole, summaries = lines["requests_per_document"], lines["requests_per_document_summaries"]
    assert whole["extracted"] == summaries["extracted"] == 20
    assert whole["requests"] >= 41
    assert summaries["requests"] >= whole["floor"] * 20 + 20
    assert lines["wall_time_over_floor"]["value"] > 0


def test_an_upload_takes_no_memory_for_the_size_of_the_file(folder: Path) -> None:
    lines = told(measure_upload(folder, size=64 * MIB))
    assert lines["upload_memory"]["holds"]


def test_operators_import_nothing_of_other_peoples(folder: Path) -> None:
    lines = told(measure_importing(folder, runs=1))
    assert lines["import_third_party"]["packages"] == []
    assert lines["import_cpu"]["value"] > 0


def test_an_unknown_figure_is_refused_with_the_known_ones() -> None:
    command = [sys.executable, "-m", "benchmarks", "speed"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert all(name in done.stderr for name in BENCHMARKS)
