"""RaydocsToSqlOperator: from a manifest into real tables, through real Airflow connections."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from airflow.sdk import Asset

from raydocs_provider.api.models import Template
from raydocs_provider.emulator import Emulator
from raydocs_provider.exceptions import RaydocsExtractionError, RaydocsInputError, RaydocsManifestError
from raydocs_provider.extraction.progress import PROGRESS_KEY
from raydocs_provider.hooks.raydocs import RaydocsHook
from raydocs_provider.hooks.results import ExtractionResults
from raydocs_provider.landing.warehouses.duckdb import DuckDBWarehouse
from raydocs_provider.operators.raydocs import RaydocsExtractOperator
from raydocs_provider.transfers.raydocs_to_sql import RaydocsToSqlOperator
from raydocs_provider.version_compat import AirflowFailException
from tests.integration.conftest import CORRUPT, GOOD, OutletEvents, Task, count, requests_to, uris
from tests.integration.test_operators import printed_numbers
from tests.moved import XCOM_RETURN_KEY

pytestmark = pytest.mark.usefixtures("no_pauses")

NUMBERS = """
    SELECT d.filename, i.invoice_header__invoice_number
    FROM invoices i JOIN invoices__documents d ON d._document_key = i._document_key
"""
TABLES = ("invoices", "invoices__lines__line_items", "invoices__fields", "invoices__documents")

Query = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(params=["duckdb", "sqlite"])
def query(request: pytest.FixtureRequest, connect: Callable[..., str], tmp_path: Path) -> Query:
    """Asks the warehouse behind the connection ``warehouse``."""
    file = tmp_path / "warehouse.db"
    connect("warehouse", conn_type=request.param, host=str(file))

    def ask(sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(file)) if request.param == "duckdb" else sqlite3.connect(file) as connection:
            return connection.execute(sql).fetchall()

    return ask


@pytest.fixture
def extracted(template: Template, ti: Task, results_path: str) -> Callable[..., dict[str, Any]]:
    """Extracts documents; returns the manifest."""

    def run(documents: list[Path], **arguments: Any) -> dict[str, Any]:
        usual = {"results_path": results_path, "expected_seconds": 0.2, "timeout": 60, "deferrable": False}
        operator = RaydocsExtractOperator(
            task_id="extract", template_id=template.id, documents=uris(documents), **{**usual, **arguments}
        )
        return operator.execute(ti.context)

    return run


def load(extraction: Any, ti: Task, **arguments: Any) -> dict[str, Any]:
    usual = {"task_id": "load", "conn_id": "warehouse", "table": "invoices"}
    return RaydocsToSqlOperator(extraction=extraction, **{**usual, **arguments}).execute(ti.context)


def counts(query: Query) -> list[int]:
    return [query(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES]


@pytest.mark.parametrize("with_spool", [True, False], ids=["results_path", "no results_path"])
def test_documents_land_and_landing_again_changes_nothing(
    extracted: Callable[..., dict[str, Any]],
    emulator: Emulator,
    ti: Task,
    query: Query,
    results_path: str,
    with_spool: bool,
) -> None:
    manifest = extracted(GOOD[:3], results_path=results_path if with_spool else None)
    before = len(requests_to(emulator))
    landed = load(manifest, ti)
    assert landed["documents"] == {"extracted": 3}
    assert dict(query(NUMBERS)) == printed_numbers(GOOD[:3])
    first = counts(query)
    load(manifest, ti)
    assert counts(query) == first
    # From the spool, a load asks Raydocs nothing; without one, for the template and each result.
    assert len(requests_to(emulator)) - before == (0 if with_spool else 2 * (1 + 3))


@pytest.mark.parametrize(
    ("with_spool", "map_index", "during"),
    [(True, -1, True), (True, 0, False), (False, -1, False)],
    ids=["on this disk", "on this disk, and the task is mapped", "to be fetched"],
)
def test_results_are_read_during_the_transaction_only_where_nobody_waits_for_that(
    extracted: Callable[..., dict[str, Any]],
    ti: Task,
    connect: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    results_path: str,
    with_spool: bool,
    map_index: int,
    during: bool,
) -> None:
    connect("warehouse", conn_type="duckdb", host=str(tmp_path / "warehouse.db"))
    manifest = extracted(GOOD[:3], results_path=results_path if with_spool else None)
    events: list[str] = []

    def watch(owner: Any, name: str) -> None:
        call = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *given: events.append(name) or call(*given))

    watch(ExtractionResults, "_read_result")
    watch(DuckDBWarehouse, "begin")
    monkeypatch.setattr(DuckDBWarehouse, "part_bytes", 1)

    landed = load(manifest, replace(ti, map_index=map_index))

    assert landed["documents"] == {"extracted": 3}
    assert events.count("_read_result") == 3
    # The first part is read before there is a transaction.
    assert events.index("begin") == (1 if during else 3)


def test_what_was_good_lands_after_a_failed_extraction(
    extracted: Callable[..., dict[str, Any]], ti: Task, query: Query
) -> None:
    with pytest.raises(RaydocsExtractionError):
        extracted([*GOOD[:2], CORRUPT])
    # What a load with trigger_rule="all_done" is given.
    landed = load(ti.pushed[XCOM_RETURN_KEY], ti)
    assert landed["documents"] == {"extracted": 2, "failed": 1}
    assert dict(query(NUMBERS)) == printed_numbers(GOOD[:2])
    assert query("SELECT filename, stage, code FROM invoices__documents WHERE state = 'failed'") == [
        (CORRUPT.name, "parsing", "document_failed")
    ]


def test_a_load_after_a_failed_extraction_fails_for_what_is_missing_when_all_else_has_landed(
    extracted: Callable[..., dict[str, Any]], ti: Task, query: Query
) -> None:
    with pytest.raises(RaydocsExtractionError):
        extracted([*GOOD[:2], CORRUPT])
    manifest = ti.pushed[XCOM_RETURN_KEY]
    with pytest.raises(AirflowFailException, match=r"^1 of 3 documents is missing \(1 x parsing: document_failed\)"):
        load(manifest, ti, trigger_rule="all_done")
    assert dict(query(NUMBERS)) == printed_numbers(GOOD[:2])
    assert ti.pushed[XCOM_RETURN_KEY]["documents"] == {"extracted": 2, "failed": 1}
    assert ti.pushed[PROGRESS_KEY]["rows"]["invoices"] == 2
    assert load(manifest, ti, trigger_rule="all_done", missing="warn")["documents"] == {"extracted": 2, "failed": 1}


def test_a_load_of_a_tolerant_extraction_warns_of_what_is_missing(
    extracted: Callable[..., dict[str, Any]], ti: Task, query: Query, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = extracted([*GOOD[:2], CORRUPT], on_partial_failure="warn")
    load(manifest, ti)
    assert "1 of 3 documents is missing (1 x parsing: document_failed). Everything else has landed." in caplog.text
    with pytest.raises(AirflowFailException):
        load(manifest, ti, missing="fail")
    caplog.clear()
    load(extracted(GOOD[:2]), ti, missing="fail")
    assert "missing" not in caplog.text


def test_a_load_of_what_people_have_reviewed_says_nothing_of_other_documents(
    extracted: Callable[..., dict[str, Any]], ti: Task, query: Query
) -> None:
    manifest = extracted([*GOOD[:1], CORRUPT], on_partial_failure="warn")
    load(manifest, ti)
    (session_id,) = query("SELECT _session_id FROM invoices")[0]
    load(manifest, ti, missing="fail", verdicts=[{"session_id": session_id}])


def test_a_missing_that_is_no_choice_shows_when_the_dag_is_parsed() -> None:
    with pytest.raises(RaydocsInputError, match="missing has to be one of 'fail', 'warn'"):
        RaydocsToSqlOperator(task_id="load", extraction={}, conn_id="w", table="t", missing="ignore")


def test_a_template_that_changed_meanwhile_is_said_where_its_old_form_is_not_on_file(
    extracted: Callable[..., dict[str, Any]],
    hook: RaydocsHook,
    template: Template,
    ti: Task,
    query: Query,
    caplog: pytest.LogCaptureFixture,
) -> None:
    inline = extracted(GOOD[:1], results_path=None)
    spooled = extracted(GOOD[:1])
    schema = {**template.schema_json}
    groups = {**schema["groups"], "more": {"fields": {"remark": {"type": "string"}}}}
    hook.update_template(template.id, schema_json={**schema, "groups": groups})
    load(spooled, ti, table="spooled")
    assert "has changed since" not in caplog.text
    load(inline, ti)
    assert "has changed since" in caplog.text
    assert query("SELECT more__remark FROM invoices") == [(None,)]


def test_what_landed_goes_into_the_asset_event_with_the_manifest_but_for_its_documents(
    extracted: Callable[..., dict[str, Any]], ti: Task, query: Query
) -> None:
    asset = Asset("invoices")
    manifest = extracted(GOOD[:2])
    event = OutletEvents(asset)
    operator = RaydocsToSqlOperator(
        task_id="load", extraction=manifest, conn_id="warehouse", table="invoices", outlets=[asset]
    )
    landed = operator.execute({**ti.context, "outlet_events": event})  # type: ignore[arg-type]
    assert event.extra.pop("extraction") == {name: value for name, value in manifest.items() if name != "documents"}
    assert event.extra | {"to_review": []} == landed
    assert landed["rows"] == dict(zip(TABLES, counts(query), strict=True))


@pytest.mark.parametrize(
    ("extraction", "said"),
    [
        (None, "left no manifest"),
        ([], "Map this task over it"),
        ("{'schema_version': 1}", "got a str"),
        ({"rows": 1}, "got a dict"),
        ({"schema_version": 2, "counts": {}}, "version 2"),
        ({"schema_version": 1, "counts": {"total": 3}, "documents": []}, "does not add up"),
    ],
    ids=["nothing", "a list", "text", "something else", "another version", "wrong counts"],
)
def test_something_that_is_no_manifest_is_named(connection: str, ti: Task, extraction: Any, said: str) -> None:
    with pytest.raises(RaydocsManifestError, match=said):
        load(extraction, ti)


def test_files_that_are_gone_are_named(
    extracted: Callable[..., dict[str, Any]], ti: Task, query: Query, tmp_path: Path
) -> None:
    manifest = extracted(GOOD[:1])
    for file in (tmp_path / "results").glob("[!_]*.json"):
        file.unlink()
    with pytest.raises(RaydocsManifestError, match="were its files kept"):
        load(manifest, ti)
    assert count_tables(query) == 0


@pytest.mark.parametrize("arguments", [{"conn_id": ""}, {"table": "None"}, {"table": None}])
def test_a_load_needs_a_connection_and_a_table(
    extracted: Callable[..., dict[str, Any]], ti: Task, query: Query, arguments: dict[str, Any]
) -> None:
    with pytest.raises(RaydocsInputError, match=next(iter(arguments))):
        load(extracted(GOOD[:1]), ti, **arguments)


def test_a_connection_that_is_no_warehouse_is_refused_before_anything_is_read(
    extracted: Callable[..., dict[str, Any]], emulator: Emulator, ti: Task, connect: Callable[..., str]
) -> None:
    manifest = extracted(GOOD[:1], results_path=None)
    connect("web", conn_type="http", host="http://127.0.0.1:1")
    with pytest.raises(RaydocsInputError):
        load(manifest, ti, conn_id="web")
    assert count(emulator, "GET", f"/extractions/results/{manifest['documents'][0]['result_id']}") == 0


def count_tables(query: Query) -> int:
    try:
        return int(query("SELECT count(*) FROM information_schema.tables")[0][0])
    except sqlite3.OperationalError:
        return int(query("SELECT count(*) FROM sqlite_master")[0][0])
