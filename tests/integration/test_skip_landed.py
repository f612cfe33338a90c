"""What is landed already is not paid for again, and limits are checked before anything is paid for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from raydocs_provider.exceptions import RaydocsInputError
from tests.integration.conftest import GOOD, Task, billed, requests_to, uris

DOCUMENTS = GOOD[:3]


@pytest.fixture
def extract(connection: str, template: Any, tmp_path: Path, connect: Callable[..., str], no_pauses: None):
    """Extracts documents and lands what came out; every call is a Dag run of its own."""
    connect("warehouse", conn_type="duckdb", host=str(tmp_path / "warehouse.duckdb"))
    runs = iter(range(100))

    def run(documents: list[Path], **arguments: Any) -> dict[str, Any]:
        from raydocs_provider.operators.raydocs import RaydocsExtractOperator
        from raydocs_provider.transfers.raydocs_to_sql import RaydocsToSqlOperator

        ti = Task(run_id=f"run-{next(runs)}")
        settings = {
            "template_id": template.id,
            "results_path": (tmp_path / ti.run_id).as_uri(),
            "expected_seconds": 0.1,
            "skip_landed_in": "warehouse/invoices",
        }
        operator = RaydocsExtractOperator(task_id="extract", documents=uris(documents), **settings | arguments)
        manifest = operator.execute(ti.context)
        RaydocsToSqlOperator(task_id="load", extraction=manifest, conn_id="warehouse", table="invoices").execute(
            ti.context
        )
        return manifest

    return run


def rows(tmp_path: Path, query: str) -> list[tuple[Any, ...]]:
    import duckdb

    with duckdb.connect(str(tmp_path / "warehouse.duckdb"), read_only=True) as connection:
        return connection.sql(query).fetchall()


def test_documents_that_are_landed_are_neither_uploaded_nor_paid_for_again(extract, emulator, tmp_path):
    extract(DOCUMENTS[:2])
    paid, before = billed(emulator), len(requests_to(emulator))
    manifest = extract(DOCUMENTS)
    assert manifest["counts"] == {
        "total": 3,
        "uploaded": 0,
        "submitted": 0,
        "extracted": 1,
        "skipped": 2,
        "failed": 0,
    }
    assert billed(emulator) == paid + 1
    uploads = [each for each in requests_to(emulator)[before:] if each.path == "/vapor/signed-storage-url"]
    assert len(uploads) == 1
    assert rows(tmp_path, "SELECT count(*), count(DISTINCT _document_key) FROM invoices") == [(3, 3)]


def test_a_load_of_skipped_documents_leaves_their_rows_and_their_ledger_as_they_are(extract, tmp_path):
    extract(DOCUMENTS[:2])
    before = (
        rows(tmp_path, "SELECT * FROM invoices ORDER BY 1"),
        rows(tmp_path, "SELECT * FROM invoices__documents ORDER BY 1"),
    )
    extract(DOCUMENTS[:2])
    assert before == (
        rows(tmp_path, "SELECT * FROM invoices ORDER BY 1"),
        rows(tmp_path, "SELECT * FROM invoices__documents ORDER BY 1"),
    )


def test_force_and_a_changed_template_extract_landed_documents_again(extract, emulator, hook, template):
    extract(DOCUMENTS[:1])
    extract(DOCUMENTS[:1], force=True)
    assert billed(emulator) == 2
    schema = json.loads(json.dumps(dict(template.schema_json), default=float))
    schema["groups"]["totals"]["fields"]["discount"] = {"type": "number", "extraction_prompt": "Discount"}
    hook.update_template(template.id, schema_json=schema)
    extract(DOCUMENTS[:1])
    assert billed(emulator) == 3


def test_more_documents_than_allowed_fail_before_a_request_is_made(extract, emulator):
    before = len(requests_to(emulator))
    with pytest.raises(RaydocsInputError, match="3 documents are more than max_documents=2"):
        extract(DOCUMENTS, max_documents=2)
    assert len(requests_to(emulator)) == before


def test_more_documents_than_one_task_waits_for_are_refused_with_the_way_to_map_them(
    connection: str, emulator: Any, tmp_path: Path
) -> None:
    from raydocs_provider.operators.raydocs import RaydocsExtractOperator

    for number in range(2001):
        (tmp_path / f"{number}.pdf").write_bytes(b"%PDF")
    operator = RaydocsExtractOperator(
        task_id="extract",
        template_id="t",
        documents=f"{tmp_path.as_uri()}/*.pdf",
        results_path=(tmp_path / "results").as_uri(),
    )
    with pytest.raises(RaydocsInputError, match=r"^2001 documents are more than one task takes \(2000\)") as refused:
        operator.execute(Task().context)
    assert not requests_to(emulator)
    # Its lines are copied into a Dag as they are, with what only the author knows filled in.
    lines = str(refused.value).partition("\n\n")[2]
    for name, value in (("task_id", "extract"), ("template_id", "t"), ("results_path", "file:///results")):
        lines = lines.replace(f"{name}=...", f"{name}={value!r}")
    names: dict[str, Any] = {"RaydocsExtractOperator": RaydocsExtractOperator}
    with DAG("copied"):
        exec(lines, names)
    parts = names["list_parts"].function()
    assert [len(part) for part in parts] == [500, 500, 500, 500, 1]
    assert {path for part in parts for path in part} == {(tmp_path / f"{n}.pdf").as_uri() for n in range(2001)}


def test_a_folder_may_grow_beyond_the_limit_as_long_as_most_of_it_is_landed_and_is_warned_of_it_before(
    extract: Callable[..., dict[str, Any]], emulator: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    from raydocs_provider.operators import extract as module

    monkeypatch.setattr(module, "MAX_DOCUMENTS_PER_TASK", 2)
    extract(DOCUMENTS[:1])
    assert "2 at most" not in capsys.readouterr().out
    extract(GOOD[1:3], skip_landed_in=None)
    assert "2 documents: one task takes 2 at most, and fails for more." in capsys.readouterr().out
    assert extract(DOCUMENTS + GOOD[3:4])["counts"]["extracted"] == 1
    paid = billed(emulator)
    for arguments in ({"force": True}, {"skip_landed_in": None}):
        with pytest.raises(RaydocsInputError, match="more than one task takes"):
            extract(DOCUMENTS, **arguments)
    assert billed(emulator) == paid


@pytest.mark.parametrize("target", ["warehouse", "warehouse/", "/invoices", ""])
def test_a_target_that_is_no_connection_and_table_is_explained(extract, target):
    if target:
        with pytest.raises(RaydocsInputError, match="conn_id/table"):
            extract(DOCUMENTS[:1], skip_landed_in=target)
    else:
        assert extract(DOCUMENTS[:1], skip_landed_in=target)["counts"]["extracted"] == 1
