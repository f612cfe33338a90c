"""The benchmarks run and report; whether the figures hold is for `make bench` to say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
from airflow.providers.postgres.hooks import postgres

from benchmarks.__main__ import BENCHMARKS
from benchmarks.databases import BARE, CONN_ID, create_tables, empty, get_hook, open_postgres
from benchmarks.extraction import ideal_seconds, measure_extraction
from benchmarks.figures import Bar, Figure
from benchmarks.importing import measure_importing
from benchmarks.landing import measure_engine
from benchmarks.landing_documents import LOAD, ROWS_EACH, make_results, make_rows_by_hand, plan_landing
from benchmarks.surroundings import private_airflow
from benchmarks.uploading import MIB, measure_upload
from raydocs_provider.landing.lander import Lander
from raydocs_provider.landing.rows import Row, RowReader
from raydocs_provider.landing.tables import Table
from raydocs_provider.landing.warehouses import warehouse_for

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


@pytest.mark.airflow("3.3", because="the benchmark imports all modules for Dag files, RaydocsRetryPolicy's too")
def test_operators_import_nothing_of_other_peoples(folder: Path) -> None:
    lines = told(measure_importing(folder, runs=1))
    assert lines["import_third_party"]["packages"] == []
    assert lines["import_cpu"]["value"] > 0


def test_an_unknown_figure_is_refused_with_the_known_ones() -> None:
    command = [sys.executable, "-m", "benchmarks", "speed"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert all(name in done.stderr for name in BENCHMARKS)


def rows_of_a_load(number: int) -> dict[Table, list[Row]]:
    plan = plan_landing("invoices")
    reader = RowReader(plan, LOAD)
    rows: dict[Table, list[Row]] = {table: [] for table in plan.tables}
    for document in make_results(0, number):
        made = reader.read(document)
        for table, found in made.rows.items():
            rows[table] += [(*cells, *made.audit) for cells in found]
    return {table: rows[table] for table in plan.tables}


def test_the_rows_that_are_made_by_hand_are_those_of_a_load() -> None:
    by_hand = make_rows_by_hand(make_results(0, 30), plan_landing("invoices"))
    assert list(by_hand.values()) == list(rows_of_a_load(30).values())
    assert sum(map(len, by_hand.values())) == 30 * ROWS_EACH


@pytest.mark.parametrize("engine", ["postgres", "duckdb"])
def test_a_bare_insert_leaves_what_a_load_leaves(folder: Path, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = nullcontext({"conn_type": "duckdb", "host": str(folder / "landing.duckdb")})
    with open_postgres() if engine == "postgres" else file as connection:
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(connection))
        hook, plan = get_hook(engine), plan_landing("invoices")
        if engine == "postgres" and not getattr(postgres, "USE_PSYCOPG3", False):
            pytest.skip("the PostgreSQL provider that is installed uses psycopg 2; the benchmark writes with psycopg 3")

        def landed() -> list[list[tuple]]:
            with closing(hook.get_conn()) as session, closing(session.cursor()) as cursor:
                found = []
                for table in plan.tables:
                    cursor.execute(f"SELECT * FROM {table}")
                    found.append(sorted(cursor.fetchall(), key=repr))
                return found

        empty(engine, hook)
        Lander(warehouse_for(hook), plan).land(make_results(0, 30), LOAD)
        by_load = landed()
        empty(engine, hook)
        create_tables(hook, plan, indexed=True)
        BARE[engine](hook, make_rows_by_hand(make_results(0, 30), plan))
        assert landed() == by_load
        assert sum(map(len, by_load)) == 30 * ROWS_EACH


def test_a_small_landing_reports_times_memory_and_what_others_take(folder: Path) -> None:
    pytest.importorskip("dlt", reason="landing is measured against dlt: pip install 'dlt[duckdb,postgres]'")
    connection = {"conn_type": "duckdb", "host": str(folder / "landing.duckdb")}
    lines = told(measure_engine(folder, "duckdb", connection, documents=20, rounds=1))
    assert set(lines) == {
        f"landing_duckdb{what}" for what in ("", "_over_by_hand", "_insert_rows", "_dlt", "_again", "_batch", "_memory")
    }
    assert lines["landing_duckdb"]["rows"] == 20 * ROWS_EACH
    assert all(line["value"] > 0 for line in lines.values())
