"""Progress records and metrics while tasks upload, wait, defer, go on, fail and load."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from raydocs_provider.api.models import Template
from raydocs_provider.emulator import Emulator
from raydocs_provider.exceptions import (
    RaydocsAmbiguousSubmitError,
    RaydocsAuthenticationError,
    RaydocsExtractionError,
    RaydocsLandingError,
)
from raydocs_provider.extraction.progress import PROGRESS_KEY
from raydocs_provider.hooks import reporting, watching
from raydocs_provider.hooks.raydocs import RaydocsHook
from raydocs_provider.operators.raydocs import RaydocsCreateSessionsOperator, RaydocsUploadOperator
from raydocs_provider.sensors.raydocs import RaydocsSessionsSensor
from raydocs_provider.transfers.raydocs_to_sql import RaydocsToSqlOperator
from tests.integration.conftest import (
    CORRUPT,
    GOOD,
    ROOT,
    Task,
    copies,
    fire,
    make_template,
    requests_to,
    stored_and_back,
    uris,
)
from tests.integration.test_deferral import defer
from tests.integration.test_operators import extract
from tests.moved import send_metrics_to

pytestmark = pytest.mark.usefixtures("no_pauses")

MakeEmulator = Callable[..., Emulator]
Connect = Callable[..., str]
PRINTED = json.loads((ROOT / "tests" / "data" / "sample_invoices.json").read_text(encoding="utf-8"))


class Journal(Task):
    """A task instance that keeps each record that was pushed."""

    @property
    def records(self) -> list[dict[str, Any]]:
        return self.__dict__.setdefault("_records", [])

    def xcom_push(self, key: str, value: Any) -> None:
        super().xcom_push(key, value)
        if key == PROGRESS_KEY:
            self.records.append(self.pushed[key])


@pytest.fixture
def ti() -> Journal:
    return Journal()


class Metrics:
    """What a statistics server would receive."""

    def __init__(self) -> None:
        self.counters: dict[str, int] = {}
        self.timers: dict[str, list[float]] = {}

    def incr(self, stat: str, count: int = 1, rate: float = 1, *, tags: Any = None) -> None:
        self.counters[stat] = self.counters.get(stat, 0) + count

    def timing(self, stat: str, dt: Any, *, tags: Any = None) -> None:
        self.timers.setdefault(stat, []).append(float(dt))

    @property
    def names(self) -> set[str]:
        return {name for name in (*self.counters, *self.timers) if name.startswith("raydocs.")}


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> Metrics:
    received = Metrics()
    send_metrics_to(received, monkeypatch)
    return received


@pytest.fixture
def slow(make_emulator: MakeEmulator, connect: Connect) -> Iterator[tuple[Emulator, Template]]:
    """A Raydocs that takes longer than the operator looks before it defers."""
    emulator = make_emulator(extract_seconds=1.5)
    with RaydocsHook(connect(host=emulator.url, password=emulator.token)) as hook:
        yield emulator, make_template(hook)


def test_a_task_says_from_the_first_upload_to_the_last_result_how_far_it_is(
    emulator: Emulator, template: Template, ti: Journal, tmp_path: Path, results_path: str
) -> None:
    made = copies(tmp_path, 60)
    before = len(requests_to(emulator))
    extract(template, uris(made), results_path=results_path).execute(ti.context)
    counts = [record["counts"] for record in ti.records]
    assert {each["total"] for each in counts} == {60}
    assert [each["submitted"] + each["extracted"] for each in counts] == [0, 50, 60, 60]
    last = ti.records[-1]
    assert last["counts"]["extracted"] == 60
    assert last["oldest_open"] is None
    assert last["seconds"]["max"] >= last["seconds"]["p50"] >= 0
    assert (last["kind"], last["conn_id"], last["template_id"]) == ("extract", "raydocs_default", template.id)
    assert last["template_name"] == template.name
    api = [each for each in requests_to(emulator)[before:] if "__storage__" not in each.path]
    assert sum(last["requests"].values()) == last["requests"]["2xx"] == len(api)


def test_records_hold_nothing_of_the_documents(template: Template, ti: Journal, results_path: str) -> None:
    operator = extract(template, uris([*GOOD, CORRUPT]), results_path=results_path, on_partial_failure="warn")
    operator.execute(ti.context)
    text = json.dumps(ti.records)
    assert all(len(json.dumps(record)) < 4096 for record in ti.records)
    for path in [*GOOD, CORRUPT]:
        assert path.name not in text
    for printed in PRINTED.values():
        assert "expected" not in printed or printed["expected"]["invoice_header"]["vendor_name"] not in text
    assert "reason" not in text


def test_failed_documents_are_told_by_stage_and_code(template: Template, ti: Journal, results_path: str) -> None:
    with pytest.raises(RaydocsExtractionError):
        extract(template, uris([*GOOD[:2], CORRUPT]), results_path=results_path).execute(ti.context)
    last = ti.records[-1]
    assert last["counts"]["failed"] == 1
    (group,) = last["failures"]
    assert (group[0], group[2]) == ("parsing", 1)
    assert last["retry"] == {"on_ambiguous_submit": "fail", "retry_failed": False, "skip_landed_in": None}


def test_a_task_that_failed_while_submitting_is_on_the_page_too(
    emulator: Emulator, template: Template, ti: Journal, results_path: str
) -> None:
    emulator.add_fault("drop", after=True, method="POST", path="/sessions/batch", count=0)
    with pytest.raises(RaydocsAmbiguousSubmitError):
        extract(template, uris(GOOD[:2]), results_path=results_path).execute(ti.context)
    assert ti.records[-1]["counts"]["total"] == 2
    assert ti.records[-1]["template_name"] == template.name


def test_usage_and_terms_travel_through_the_trigger_and_back(
    slow: tuple[Emulator, Template], ti: Journal, results_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator, template = slow
    before = len(requests_to(emulator))
    documents, arguments = uris([*GOOD[:2], CORRUPT]), {"results_path": results_path, "deferrable": True}
    deferred = defer(extract(template, documents, retry_failed=True, **arguments), ti.context, monkeypatch)
    waiting = ti.records[-1]
    assert waiting["counts"]["submitted"] >= 2
    assert waiting["oldest_open"] is not None
    event = json.loads(json.dumps(fire(stored_and_back(deferred.trigger))))
    fresh = extract(template, documents, on_partial_failure="warn", **arguments)
    fresh.execute_complete(ti.context, event)
    last = ti.records[-1]
    assert (last["counts"]["extracted"], last["counts"]["failed"], last["oldest_open"]) == (2, 1, None)
    assert last["retry"]["retry_failed"] is True
    assert last["template_name"] == template.name
    # Requests of worker and triggerer, added up: all that the server saw.
    api = [each for each in requests_to(emulator)[before:] if "__storage__" not in each.path]
    assert sum(last["requests"].values()) == len(api)


def test_a_deferred_task_keeps_telling(
    slow: tuple[Emulator, Template], ti: Journal, results_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The triggerer writes into the XComs of the task instance that is deferred."""
    _, template = slow
    operator = extract(template, uris(GOOD[:3]), results_path=results_path, deferrable=True)
    deferred = defer(operator, ti.context, monkeypatch)
    written: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        reporting, "XCom", SimpleNamespace(set=lambda key, value, **where: written.append((key, value, where)))
    )
    monkeypatch.setattr(watching, "_SECONDS_BETWEEN_REPORTS", 0.0)
    trigger = stored_and_back(deferred.trigger)
    trigger.task_instance = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=None)  # type: ignore[assignment]
    fire(trigger)
    assert {key for key, *_ in written} == {PROGRESS_KEY}
    assert written[0][2] == {"dag_id": "d", "task_id": "t", "run_id": "r", "map_index": -1}
    assert written[-1][1]["counts"]["extracted"] == 3
    assert written[-1][1]["kind"] == "extract"


@pytest.mark.parametrize("where", ["task", "trigger"])
def test_an_airflow_that_takes_no_record_does_no_harm(
    where: str, ti: Journal, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "postgresql://airflow:password@db"

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError(secret)

    if where == "task":
        monkeypatch.setattr(Task, "xcom_push", refuse)
        reporting.push_progress(ti.context, {"version": 1})
    else:
        monkeypatch.setattr(reporting, "XCom", SimpleNamespace(set=refuse))
        trigger: Any = SimpleNamespace(task_instance=SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1))
        asyncio.run(reporting.push_from_trigger(trigger, {"version": 1}))
    assert "does not show how far this task is: RuntimeError" in caplog.text
    assert secret not in caplog.text


def test_each_step_of_an_extraction_tells_its_part(
    emulator: Emulator, template: Template, ti: Journal, results_path: str
) -> None:
    upload = RaydocsUploadOperator(task_id="upload", documents=uris(GOOD[:2]), results_path=results_path)
    uploads = upload.execute(ti.context)
    create = RaydocsCreateSessionsOperator(task_id="create", template_id=template.id, uploads=uploads)
    sessions = create.execute(ti.context)
    RaydocsSessionsSensor(task_id="wait", sessions=sessions, poke_interval=0.1, expected_seconds=0.1).execute(
        ti.context
    )
    kinds = {record["kind"]: record["counts"] for record in ti.records}
    assert list(kinds) == ["upload", "create_sessions", "wait"]
    assert (kinds["upload"]["uploaded"], kinds["create_sessions"]["submitted"], kinds["wait"]["extracted"]) == (2, 2, 2)


def test_a_load_tells_rows_and_requests(
    template: Template, ti: Journal, connect: Connect, tmp_path: Path, metrics: Metrics
) -> None:
    manifest = extract(template, uris(GOOD[:2])).execute(ti.context)
    conn_id = connect("warehouse", conn_type="sqlite", host=str(tmp_path / "warehouse.db"))
    load = RaydocsToSqlOperator(
        task_id="load", extraction=manifest, conn_id=conn_id, table="invoices", review_below=1.0
    )
    landed = load.execute(ti.context)
    last = ti.records[-1]
    assert (last["kind"], last["template_id"], last["rows"]) == ("load", template.id, landed["rows"])
    assert last["reviews"] == landed["reviews"]
    assert last["requests"]["2xx"] == 3  # without results_path: the template, and each result
    assert metrics.counters["raydocs.rows"] == sum(landed["rows"].values())
    assert "s3://" not in json.dumps(last)


def test_all_that_is_measured(
    emulator: Emulator, template: Template, ti: Journal, results_path: str, metrics: Metrics
) -> None:
    emulator.add_fault("answer", status=429, method="GET", path="/extractions/sessions/", count=1)
    emulator.add_fault("answer", status=503, method="GET", path="/templates/", count=1)
    operator = extract(template, uris([*GOOD[:3], CORRUPT]), results_path=results_path, on_partial_failure="warn")
    operator.execute(ti.context)
    last = ti.records[-1]
    assert metrics.counters["raydocs.documents.extracted"] == 3
    assert metrics.counters["raydocs.documents.failed"] == 1
    assert {name.rpartition(".")[2]: count for name, count in metrics.counters.items() if ".requests." in name} == last[
        "requests"
    ]
    assert (last["requests"]["429"], last["requests"]["5xx"]) == (1, 1)
    assert len(metrics.timers["raydocs.extraction"]) == 4
    assert len(metrics.timers["raydocs.budget_wait"]) == sum(last["requests"].values())
    assert all(lag >= 0 for lag in metrics.timers["raydocs.poll_lag"])


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """What operators have logged since it was asked last; older Airflows do not print it."""

    def lines() -> list[str]:
        printed = r"^\S+ \[\w+ *\] (.*?) *\[airflow\.task\.operators"
        written = re.findall(printed, capsys.readouterr().out, re.MULTILINE)
        records = [each.getMessage() for each in caplog.records if each.name.startswith("airflow.task.operators")]
        caplog.clear()
        return written or records

    return lines


def phases(lines: list[str]) -> tuple[list[str], list[str]]:
    """The groups of a log, which do not hold each other, and the lines outside of them."""
    groups, outside, inside = [], [], False
    for line in lines:
        if line.startswith("::group::"):
            assert not inside
            inside = True
            groups.append(line.removeprefix("::group::"))
        elif line == "::endgroup::":
            assert inside
            inside = False
        elif not inside:
            outside.append(line)
    assert not inside
    return groups, outside


def test_the_log_folds_what_is_no_outcome(
    template: Template, ti: Journal, connect: Connect, tmp_path: Path, logged: Callable[[], list[str]]
) -> None:
    manifest = extract(template, uris([*GOOD[:2], CORRUPT]), on_partial_failure="warn").execute(ti.context)
    groups, outside = phases(logged())
    assert groups == ["Find, upload and submit", "Wait"]
    assert "Submission: 3 submitted." in outside
    assert "Extraction: 2 extracted, 1 failed." in outside
    conn_id = connect("warehouse", conn_type="sqlite", host=str(tmp_path / "warehouse.db"))
    RaydocsToSqlOperator(task_id="load", extraction=manifest, conn_id=conn_id, table="invoices").execute(ti.context)
    groups, outside = phases(logged())
    assert groups == ["Read the results and write the rows"]
    assert "invoices: 2 rows." in outside


def test_a_phase_that_fails_is_closed(
    emulator: Emulator, template: Template, ti: Journal, logged: Callable[[], list[str]]
) -> None:
    emulator.add_fault("answer", status=401, count=0)
    with pytest.raises(RaydocsAuthenticationError):
        extract(template, uris(GOOD[:2])).execute(ti.context)
    assert phases(logged())[0] == ["Find, upload and submit"]


def test_phases_are_spans_with_numbers_and_nothing_else(
    connection: str, template: Template, ti: Journal, tmp_path: Path, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(reporting.trace, "get_tracer", provider.get_tracer)
    connect("warehouse", conn_type="duckdb", host=str(tmp_path / "w.duckdb"))

    manifest = extract(template, GOOD[:2], results_path=(tmp_path / "results").as_uri()).execute(ti.context)
    loaded = RaydocsToSqlOperator(task_id="load", extraction=manifest, conn_id="warehouse", table="t").execute(
        ti.context
    )

    assert [(span.name, dict(span.attributes or {})) for span in exporter.get_finished_spans()] == [
        ("raydocs: find, upload and submit", {"raydocs.documents": 2, "raydocs.sessions": 2}),
        ("raydocs: wait", {}),
        ("raydocs: read the results and write the rows", {"raydocs.rows": sum(loaded["rows"].values())}),
    ]


def test_a_load_that_fails_leaves_a_record_too(
    connection: str, template: Template, ti: Journal, tmp_path: Path, connect: Connect
) -> None:
    connect("warehouse", conn_type="duckdb", host=str(tmp_path / "w.duckdb"))
    manifest = extract(template, GOOD[:1], results_path=(tmp_path / "results").as_uri()).execute(ti.context)
    failing = RaydocsToSqlOperator(task_id="load", extraction=manifest, conn_id="warehouse", table="missing.t")

    with pytest.raises(RaydocsLandingError):
        failing.execute(ti.context)

    assert (ti.records[-1]["kind"], ti.records[-1]["rows"]) == ("load", None)
