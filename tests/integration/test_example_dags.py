"""Every example Dag, run whole: what it lands is what is printed in the documents, value by value."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from raydocs_provider.emulator import Emulator
from tests.integration.conftest import ROOT, DagRun, billed
from tests.moved import DagBag
from tests.version_marks import needs_package, why_not_here

EXAMPLES = sorted(path for path in (ROOT / "example_dags").glob("*.py"))
WITH_REVIEW = ROOT / "example_dags" / "invoices_with_review.py"
# What runs on some versions only; each such file says so itself.
NEEDS = {
    "invoices_with_alerts": [pytest.mark.airflow("3.2", because="a deadline has a callback there")],
    "invoices_with_review": [
        pytest.mark.airflow("3.1", because="tasks can ask people there"),
        needs_package("apache-airflow-providers-standard", "1.13.1", because="its HITLOperator has a response_timeout"),
    ],
}
# `dag.test` of older ones has no answer for the trigger that waits for a person.
RUNS = {
    **NEEDS,
    "invoices_with_review": [
        *NEEDS["invoices_with_review"],
        pytest.mark.airflow("3.3", because="its dag.test runs tasks that ask people"),
    ],
}
CHECKED, NOT_NOW = "Checked", "Leave in review"
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


@dataclass
class Person:
    """
    Answers what Dag runs ask, as the form does.

    :param answers: by file name: the button, and what is typed. Otherwise all is right.
    :param asked: the cards there were, by file name.
    """

    name: str = "Rita"
    answers: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    asked: dict[str, Any] = field(default_factory=dict)

    def answer(self) -> None:
        from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
        from airflow.api_fastapi.core_api.datamodels.hitl import UpdateHITLDetailPayload
        from airflow.api_fastapi.core_api.routes.public.hitl import update_hitl_detail
        from airflow.models.hitl import HITLDetail
        from airflow.utils.session import create_session
        from sqlalchemy import select

        with create_session() as session:
            for card in session.scalars(select(HITLDetail).where(HITLDetail.responded_at.is_(None))).all():
                self.asked[card.subject] = card
                button, typed = self.answers.get(card.subject, (CHECKED, {}))
                assert typed.keys() <= card.params.keys()
                update_hitl_detail(
                    dag_id=card.task_instance.dag_id,
                    dag_run_id=card.task_instance.run_id,
                    task_id=card.task_instance.task_id,
                    map_index=card.task_instance.map_index,
                    update_hitl_detail_payload=UpdateHITLDetailPayload(
                        chosen_options=[button], params_input=dict.fromkeys(card.params) | typed
                    ),
                    user=SimpleAuthManagerUser(username=self.name, role="admin"),
                    session=session,
                )


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Person:
    """Somebody who answers as soon as a run, which `dag.test` runs in this thread, does nothing but wait for it."""
    person, sleep = Person(), time.sleep

    def answer(seconds: float) -> None:
        if seconds == 1:
            person.answer()
        else:
            sleep(seconds)

    monkeypatch.setattr(time, "sleep", answer)
    return person


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


def with_review(test: Callable[..., None]) -> Callable[..., None]:
    for mark in RUNS["invoices_with_review"]:
        test = mark(test)
    return test


def lacking(example: Path) -> bool:
    """Whether what an example needs is not installed."""
    marks = [decorator.mark for decorator in NEEDS.get(example.stem, ())]
    return any(why_not_here(mark) if mark.name == "airflow" else mark.args[0] for mark in marks)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_can_be_read_or_says_what_it_needs(example: Path, airflow_db: None) -> None:
    errors = DagBag(str(example)).import_errors
    assert bool(errors) == lacking(example), errors
    assert all("newer: leave its file out here." in error for error in errors.values())


@pytest.mark.parametrize(
    "example", [pytest.param(path, marks=RUNS.get(path.stem, ()), id=path.stem) for path in EXAMPLES]
)
def test_an_example_lands_what_is_printed_in_the_documents(
    run_dag: Callable[..., DagRun],
    warehouse: Path,
    emulator: Emulator,
    person: Person,
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


# The one with a person in it

TO_REVIEW = {
    "invoice_009_modern_gbp_no_due_date.pdf": ["invoice_header.due_date"],
    "invoice_010_classic_eur_other_label.pdf": ["invoice_header.invoice_date"],
    "invoice_011_compact_usd_no_currency.pdf": ["invoice_header.currency"],
    "invoice_017_classic_usd_no_order.pdf": ["invoice_header.purchase_order"],
}
NO_DUE_DATE, OTHER_LABEL, NO_CURRENCY, NO_ORDER = TO_REVIEW


def example_with(folder: Path, *documents: str) -> Path:
    """A copy of the Dag that finds these of the sample invoices only."""
    folder.mkdir()
    shutil.copytree(WITH_REVIEW.parent / "schemas", folder / "schemas")
    (folder / "documents").mkdir()
    for name in documents:
        shutil.copy(WITH_REVIEW.parent / "documents" / name, folder / "documents")
    return Path(shutil.copy(WITH_REVIEW, folder))


def reviews(warehouse: Path) -> dict[str, tuple[Any, ...]]:
    """Status, reviewer, and whether the time is known, by file name."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        sql = (
            "SELECT filename, review_status, reviewed_by, reviewed_at IS NOT NULL FROM invoices_with_review__documents "
            "WHERE review_status <> 'passed'"
        )
        return {name: tuple(rest) for name, *rest in connection.execute(sql).fetchall()}


@with_review
def test_a_person_is_asked_about_what_is_in_question_and_shown_no_value(
    run_dag: Callable[..., DagRun], warehouse: Path, person: Person
) -> None:
    run_dag(WITH_REVIEW)

    assert {name: [*card.params][:-1] for name, card in person.asked.items()} == TO_REVIEW
    for name, card in person.asked.items():
        assert f"`low_confidence:{TO_REVIEW[name][0]}`" in card.body
        assert {param["value"] for param in card.params.values()} == {None}
        values = set(map(str, comparable(EXPECTED[name]["expected"])["invoice_header"].values())) - {"None"}
        assert [value for value in values if value in card.body] == []
    assert reviews(warehouse) == dict.fromkeys(TO_REVIEW, ("approved", "Rita", True))


@with_review
def test_what_a_person_types_lands_and_what_is_left_stays_in_review(
    run_dag: Callable[..., DagRun], warehouse: Path, person: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    person.answers = {
        NO_DUE_DATE: (CHECKED, {"invoice_header.due_date": " 2031-04-30 "}),
        NO_CURRENCY: (
            CHECKED,
            {"Other corrections": "lines.line_items[0].total = 1250.75\n\ninvoice_header.purchase_order = -"},
        ),
        NO_ORDER: (NOT_NOW, {"invoice_header.purchase_order": "PO-1"}),
    }
    run = run_dag(WITH_REVIEW)

    assert run.state == "success", run.states()
    assert reviews(warehouse) == {
        NO_DUE_DATE: ("corrected", "Rita", True),
        OTHER_LABEL: ("approved", "Rita", True),
        NO_CURRENCY: ("corrected", "Rita", True),
        NO_ORDER: ("review", None, False),
    }
    expected = {name: json.loads(json.dumps(EXPECTED[name]["expected"])) for name in TO_REVIEW}
    expected[NO_DUE_DATE]["invoice_header"]["due_date"] = "2031-04-30"
    expected[NO_CURRENCY]["lines"]["line_items"][0]["total"] = 1250.75
    expected[NO_CURRENCY]["invoice_header"]["purchase_order"] = None
    found = landed(warehouse, "invoices_with_review")
    assert {name: comparable(found[name]) for name in TO_REVIEW} == comparable(expected)
    assert len(found) == 17
    log = capsys.readouterr().out
    assert "Review: 1 approved, 2 corrected." in log
    assert [typed for typed in ("2031-04-30", "1250.75") if typed in log] == []


@with_review
@pytest.mark.parametrize(
    ("typed", "failed", "said"),
    [
        ({"invoice_header.due_date": "31.31.2031"}, "land_verdicts", "correction of invoice_header.due_date"),
        ({"Other corrections": "invoice_header.duedate = 2031-04-30"}, "land_verdicts", "no invoice_header.duedate"),
        ({"Other corrections": "\nsecond 2031"}, "collect_verdicts", f"{NO_DUE_DATE}: Other corrections, line 2"),
    ],
    ids=["a date that is none", "an unknown field", "no assignment"],
)
def test_what_was_typed_wrong_is_said_and_changes_nothing(
    run_dag: Callable[..., DagRun],
    warehouse: Path,
    person: Person,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    typed: dict[str, str],
    failed: str,
    said: str,
) -> None:
    person.answers = {NO_DUE_DATE: (CHECKED, typed)}

    run = run_dag(example_with(tmp_path / "dags", NO_DUE_DATE, OTHER_LABEL))

    assert (run.state, run.states()[failed]) == ("failed", "failed")
    log = capsys.readouterr().out
    assert said in log
    # Digits alone would be found in some time of day sooner or later.
    assert [wrong for wrong in ("31.31.2031", "2031-04-30", "second 2031") if wrong in log] == []
    assert reviews(warehouse) == dict.fromkeys([NO_DUE_DATE, OTHER_LABEL], ("review", None, False))


@with_review
def test_where_nothing_is_in_question_nobody_is_asked(
    run_dag: Callable[..., DagRun], warehouse: Path, person: Person, tmp_path: Path
) -> None:
    run = run_dag(example_with(tmp_path / "dags", "invoice_001_classic_usd.pdf"))

    assert run.state == "success"
    states = run.states()
    assert {task: state for task, state in states.items() if state != "success"} == dict.fromkeys(
        ["review", "collect_verdicts", "land_verdicts"], "skipped"
    )
    assert person.asked == {}
    assert len(landed(warehouse, "invoices_with_review")) == 1


@with_review
def test_the_name_of_a_file_is_shown_as_it_is(
    run_dag: Callable[..., DagRun], warehouse: Path, person: Person, tmp_path: Path
) -> None:
    dag = example_with(tmp_path / "dags", NO_ORDER)
    name = "{{ 6 * 7 }}.pdf"
    (tmp_path / "dags" / "documents" / NO_ORDER).rename(tmp_path / "dags" / "documents" / name)

    run = run_dag(dag)

    assert run.state == "success", run.states()
    assert list(person.asked) == [name]
