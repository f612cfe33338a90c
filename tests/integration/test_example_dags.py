"""Every example Dag, run whole: what it lands is what is printed in the documents, value by value."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from raydocs_provider.emulator import Emulator
from tests.integration.conftest import ROOT, DagRun, billed

EXAMPLES = sorted(path for path in (ROOT / "example_dags").glob("*.py"))
EXPECTED = json.loads((ROOT / "tests" / "data" / "sample_invoices.json").read_text(encoding="utf-8"))


@pytest.fixture
def warehouse(
    emulator: Emulator,
    connect: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    no_pauses: None,
    no_brief_look: None,
    tmp_path: Path,
) -> Path:
    """The connections and the variable the examples ask for; returns the DuckDB file they load into."""
    connect(host=emulator.url, password=emulator.token)
    file = tmp_path / "warehouse.duckdb"
    connect("warehouse", conn_type="duckdb", host=str(file))
    monkeypatch.setenv("AIRFLOW_VAR_RAYDOCS_RESULTS", (tmp_path / "results").as_uri())
    return file


def landed(warehouse: Path, table: str) -> dict[str, dict[str, Any]]:
    """The landed rows by file name, in the shape the template has."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:

        def rows(sql: str) -> list[dict[str, Any]]:
            cursor = connection.execute(sql)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

        names = {
            row["_document_key"]: row["filename"]
            for row in rows(f"SELECT _document_key, filename FROM {table}__documents WHERE state = 'extracted'")
        }
        found: dict[str, dict[str, Any]] = {}
        for row in rows(f"SELECT * FROM {table}"):
            groups: dict[str, Any] = {"lines": {"line_items": []}}
            for column, value in row.items():
                group, separator, field = column.partition("__")
                if separator and group in ("invoice_header", "totals"):
                    groups.setdefault(group, {})[field] = value
            found[names[row["_document_key"]]] = groups
        for row in rows(f"SELECT * FROM {table}__lines__line_items ORDER BY _index"):
            item = {name: value for name, value in row.items() if not name.startswith("_")}
            found[names[row["_document_key"]]]["lines"]["line_items"].append(item)
    return found


def comparable(value: Any) -> Any:
    """Numbers and dates in one form, whatever their column's type."""
    if isinstance(value, dict):
        return {name: comparable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int | float | Decimal):
        return Decimal(str(value)).normalize()
    return value


def failed(warehouse: Path, table: str) -> list[str]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        sql = f"SELECT filename FROM {table}__documents WHERE state = 'failed'"
        return [name for (name,) in connection.execute(sql).fetchall()]


def ledger(warehouse: Path) -> str:
    """The table an example loads into, found by its ledger."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        sql = "SELECT table_name FROM information_schema.tables WHERE table_name LIKE '%\\_\\_documents' ESCAPE '\\'"
        ((name,),) = connection.execute(sql).fetchall()
    return str(name).removesuffix("__documents")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_lands_what_is_printed_in_the_documents(
    run_dag: Callable[..., DagRun],
    warehouse: Path,
    emulator: Emulator,
    example: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = run_dag(example)
    assert run.state == "success", run.states()
    assert set(run.states().values()) == {"success"}
    assert "running trigger in line" in caplog.text
    table = ledger(warehouse)
    found = landed(warehouse, table)
    readable = {name for name, invoice in EXPECTED.items() if invoice.get("expected")}
    given = {name for name in readable if name.endswith(".pdf")} if "step_by_step" in example.name else readable
    assert set(found) == given
    for name in given:
        assert comparable(found[name]) == comparable(EXPECTED[name]["expected"]), name
    assert failed(warehouse, table) == ["invoice_015_corrupt.pdf"]
    assert billed(emulator) == len(given) + 1
