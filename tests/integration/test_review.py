"""Review as a Dag has it: what RaydocsToSqlOperator gives to those who ask people, and what it takes from them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from raydocs_provider.api.models import Template
from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.operators.raydocs import RaydocsExtractOperator
from raydocs_provider.transfers.raydocs_to_sql import RaydocsToSqlOperator
from tests.integration.conftest import CORRUPT, GOOD, Task, uris

pytestmark = pytest.mark.usefixtures("no_pauses")

NO_DUE_DATE = next(path for path in GOOD if "no_due_date" in path.name)
FINE = GOOD[0]
RULES = {"review_below": 0.8, "review_checks": ["required(invoice_header.due_date)"]}

Query = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def query(connect: Callable[..., str], tmp_path: Path) -> Query:
    """Asks the warehouse behind the connection ``warehouse``."""
    file = tmp_path / "warehouse.sqlite"
    connect("warehouse", conn_type="sqlite", host=str(file))

    def ask(sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(file)) as connection:
            return connection.execute(sql).fetchall()

    return ask


@pytest.fixture
def extract(template: Template, ti: Task, results_path: str) -> Callable[..., dict[str, Any]]:
    """Extracts documents; returns the manifest."""

    def run(*documents: Path, **arguments: Any) -> dict[str, Any]:
        operator = RaydocsExtractOperator(
            task_id="extract",
            template_id=template.id,
            documents=uris(list(documents)),
            results_path=results_path,
            expected_seconds=0.2,
            timeout=60,
            deferrable=False,
            on_partial_failure="warn",
            **arguments,
        )
        return operator.execute(ti.context)

    return run


def load(extraction: Any, ti: Task, **arguments: Any) -> dict[str, Any]:
    usual = {"task_id": "load", "conn_id": "warehouse", "table": "invoices", **RULES}
    landed = RaydocsToSqlOperator(extraction=extraction, **{**usual, **arguments}).execute(ti.context)
    return dict(json.loads(json.dumps(landed)))


def session_of(query: Query, document: Path) -> str:
    ((session_id,),) = query(f"SELECT _session_id FROM invoices__documents WHERE filename = '{document.name}'")
    return str(session_id)


STATUS = "SELECT review_status, reviewed_by, reviewed_at FROM invoices__documents ORDER BY filename"


def test_a_load_lists_the_documents_to_review_and_says_where_to_look(
    extract: Callable[..., dict[str, Any]], ti: Task, query: Query, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = extract(FINE, NO_DUE_DATE)

    landed = load(manifest, ti)

    due_date = "invoice_header.due_date"
    assert landed["to_review"] == [
        {
            "session_id": session_of(query, NO_DUE_DATE),
            "filename": NO_DUE_DATE.name,
            "codes": [f"required:{due_date}", f"low_confidence:{due_date}"],
            "fields": [due_date],
        }
    ]
    assert landed["reviews"] == {"passed": 1, "review": 1}
    assert "Review: 1 passed, 1 review." in capsys.readouterr().out


def test_a_verdict_lands_its_document_alone(extract: Callable[..., dict[str, Any]], ti: Task, query: Query) -> None:
    manifest = extract(FINE, NO_DUE_DATE)
    load(manifest, ti)
    verdict = {
        "session_id": session_of(query, NO_DUE_DATE),
        "corrections": {"invoice_header.due_date": "2031-04-30"},
        "reviewed_by": "Rita",
        "reviewed_at": "2026-03-01T08:30:00+00:00",
    }

    landed = load(manifest, ti, verdicts=iter([verdict]))

    assert (landed["documents"], landed["reviews"], landed["to_review"]) == ({"extracted": 1}, {"corrected": 1}, [])
    assert query(STATUS) == [("passed", None, None), ("corrected", "Rita", "2026-03-01 08:30:00")]
    assert query("SELECT invoice_header__due_date FROM invoices WHERE _review_status = 'corrected'") == [
        ("2031-04-30",)
    ]


def test_a_load_after_a_verdict_asks_no_more(extract: Callable[..., dict[str, Any]], ti: Task, query: Query) -> None:
    manifest = extract(FINE, NO_DUE_DATE)
    load(manifest, ti)
    load(manifest, ti, verdicts=[{"session_id": session_of(query, NO_DUE_DATE)}])

    landed = load(manifest, ti)

    assert (landed["to_review"], landed["kept"]) == ([], 1)
    assert [status for status, *_ in query(STATUS)] == ["passed", "approved"]


def test_no_verdicts_change_nothing(extract: Callable[..., dict[str, Any]], ti: Task, query: Query) -> None:
    manifest = extract(FINE, NO_DUE_DATE)
    load(manifest, ti)
    before = query("SELECT * FROM invoices__documents ORDER BY filename")

    landed = load(manifest, ti, verdicts=[])

    assert landed["documents"] == {}
    assert query("SELECT * FROM invoices__documents ORDER BY filename") == before


def test_a_verdict_that_comes_too_late_is_not_followed_and_that_is_said(
    extract: Callable[..., dict[str, Any]], ti: Task, query: Query, capsys: pytest.CaptureFixture[str]
) -> None:
    first = extract(NO_DUE_DATE)
    load(first, ti)
    verdict = {
        "session_id": session_of(query, NO_DUE_DATE),
        "corrections": {"invoice_header.due_date": "2031-04-30"},
    }
    ti.run_id = "a later run"
    load(extract(NO_DUE_DATE), ti)

    landed = load(first, ti, verdicts=[verdict])

    assert (landed["kept"], landed["reviews"]) == (1, {})
    assert "1 verdict was not followed" in capsys.readouterr().out
    assert query(STATUS) == [("review", None, None)]


def test_a_verdict_about_a_document_that_failed_is_refused(
    extract: Callable[..., dict[str, Any]], ti: Task, query: Query
) -> None:
    manifest = extract(FINE, CORRUPT)
    load(manifest, ti)

    with pytest.raises(RaydocsInputError, match="nothing was extracted"):
        load(manifest, ti, verdicts=[{"session_id": session_of(query, CORRUPT)}])


def test_a_verdict_about_a_document_that_was_skipped_is_refused(
    extract: Callable[..., dict[str, Any]], ti: Task, query: Query
) -> None:
    first = extract(NO_DUE_DATE)
    load(first, ti)
    ti.run_id = "a later run"
    second = extract(NO_DUE_DATE, FINE, skip_landed_in="warehouse/invoices")
    assert second["counts"]["skipped"] == 1

    with pytest.raises(RaydocsInputError, match="not of this extraction"):
        load(second, ti, verdicts=[{"session_id": session_of(query, NO_DUE_DATE)}])


@pytest.mark.parametrize("verdicts", ["[]", {"session_id": "s"}, [None], [{"session_id": "s"}]])
def test_verdicts_that_cannot_be_used_are_refused_before_anything_is_written(
    extract: Callable[..., dict[str, Any]], ti: Task, query: Query, verdicts: Any
) -> None:
    manifest = extract(FINE)

    with pytest.raises(RaydocsInputError, match="verdicts"):
        load(manifest, ti, verdicts=verdicts)

    assert query("SELECT name FROM sqlite_master") == []
