"""What a whole Dag run leaves in logs, XComs and rendered fields: nothing secret, nothing a document says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from raydocs_provider.emulator import Emulator
from tests.integration.conftest import CORRUPT, GOOD, HERE, ROOT, SCHEMA, DagRun, all_logs

TOKEN = "rd_9f8e7d6c5b4a39281706f5e4d3c2b1a0"
DAG = HERE / "dags" / "extract_and_load.py"
EXPECTED = json.loads((ROOT / "tests" / "data" / "sample_invoices.json").read_text(encoding="utf-8"))


def field_values(name: str) -> set[str]:
    """What a document says, where it is long enough to be told from other text."""
    expected = EXPECTED[name]["expected"]
    rows = [expected["invoice_header"], expected["totals"], *expected["lines"]["line_items"]]
    texts = {str(value) for row in rows for value in row.values() if value is not None}
    return {text for text in texts if len(text) >= 6 and not text.replace("-", "").isdigit()}


@pytest.fixture
def airflow(
    make_emulator: Callable[..., Emulator],
    connect: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    no_pauses: None,
    no_brief_look: None,
    tmp_path: Path,
) -> Emulator:
    """Everything the Dag asks for, with two documents and a corrupt one in its inbox."""
    emulator = make_emulator(tokens=[TOKEN])
    connect(host=emulator.url, password=TOKEN)
    connect("warehouse", conn_type="duckdb", host=str(tmp_path / "warehouse.duckdb"))
    (tmp_path / "inbox").mkdir()
    for path in (*GOOD[:2], CORRUPT):
        (tmp_path / "inbox" / path.name).write_bytes(path.read_bytes())
    monkeypatch.setenv("AIRFLOW_VAR_INBOX", (tmp_path / "inbox").as_uri())
    monkeypatch.setenv("AIRFLOW_VAR_RAYDOCS_RESULTS", (tmp_path / "results").as_uri())
    monkeypatch.setenv("AIRFLOW_VAR_INVOICE_SCHEMA", str(SCHEMA))
    return emulator


def test_a_failed_extraction_still_lands_what_was_good_and_nothing_secret_shows_anywhere(
    airflow: Emulator, run_dag: Callable[..., DagRun], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from airflow.models.asset import AssetEvent
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with all_logs(tmp_path / "log") as log:
        run = run_dag(DAG)
    assert run.states() == {"template": "success", "extract": "failed", "load": "success"}
    with duckdb.connect(str(tmp_path / "warehouse.duckdb"), read_only=True) as connection:
        assert connection.execute(
            "SELECT state, count(*) FROM invoices__documents GROUP BY 1 ORDER BY 1"
        ).fetchall() == [
            ("extracted", 2),
            ("failed", 1),
        ]
    with create_session() as session:
        xcoms = [str(row.value) for row in session.query(XComModel).filter_by(run_id=run.run.run_id)]
        rendered = [str(row.rendered_fields) for row in session.query(RenderedTaskInstanceFields)]
        (event,) = [e for e in session.query(AssetEvent) if e.source_run_id == run.run.run_id]
        assert event.extra["documents"] == {"extracted": 2, "failed": 1}
        assert event.extra["rows"]["invoices"] == 2
        extra = str(event.extra)
    assert xcoms
    assert rendered
    printed = capfd.readouterr()
    shown: dict[str, Any] = {
        "logs": log.read_text(),
        "output": printed.out + printed.err,
        "XComs": "".join(xcoms),
        "rendered fields": "".join(rendered),
        "asset event": extra,
    }
    # It was looked for where libraries and tasks do log, and the task did defer.
    assert "PUT /__storage__/" in shown["logs"]
    assert "Handing 3 open sessions over to the triggerer" in shown["output"]
    secrets = {TOKEN, "signature=", "expires=", "X-Amz"} | {
        value for path in GOOD[:2] for value in field_values(path.name)
    }
    assert len(secrets) > 20
    for where, text in shown.items():
        assert not {secret for secret in secrets if secret in text}, where
