"""The API behind the Raydocs page and tab, on Airflow's own database and with its own auth manager."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from packaging.version import Version

from raydocs_provider.emulator import Emulator
from raydocs_provider.extraction.manifest import EXTRACTED, SUBMITTED, DocumentRecord, Manifest
from raydocs_provider.extraction.progress import LOAD, PROGRESS_KEY, Usage, describe_landing
from tests.integration.conftest import GOOD, ROOT, Task, looks, make_template, uris
from tests.ui_runs import (
    CONN_ID,
    RETRY,
    TEMPLATE_ID,
    UiRun,
    at,
    document,
    extraction,
    last_night,
    ledger,
    session_id,
    write_runs,
)
from tests.version_marks import AIRFLOW

# Other tests of this session leave real runs in the same database: these are of years to come.
NIGHT = at(2030, 3, 1, 2)
PERIOD = {"since": "2030-03-01T00:00:00Z", "until": "2030-03-02T00:00:00Z"}
INVOICES, RECEIPTS = "ui_invoices", "ui_receipts"
ROLES = ("viewer", "user", "op", "admin")

EXPECTED = json.loads((ROOT / "tests" / "data" / "sample_invoices.json").read_text(encoding="utf-8"))

LEDGER_IN_STATE_STORE = pytest.mark.airflow("3.3", because="its task state store has the ledger that the page reads")

Write = Callable[..., None]
LogIn = Callable[..., TestClient]


@pytest.fixture
def write(airflow_db: None) -> Iterator[Write]:
    """Writes runs of the two Dags, which are gone after the test."""
    from airflow import settings
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.trigger import Trigger
    from airflow.models.xcom import XComModel
    from sqlalchemy import delete

    from tests.moved import TaskStateStoreModel

    dags = (INVOICES, RECEIPTS)
    with settings.Session() as session:
        session.add(DagBundleModel(name="ui_tests"))
        session.flush()
        session.add_all(DagModel(dag_id=dag_id, bundle_name="ui_tests") for dag_id in dags)
        session.commit()

    def write(*runs: UiRun) -> None:
        with settings.engine.begin() as connection:
            write_runs(connection, runs)

    yield write
    with settings.engine.begin() as connection:
        tables = [*([TaskStateStoreModel] if TaskStateStoreModel else []), XComModel, TaskInstance, DagRun, DagModel]
        for model in tables:
            connection.execute(delete(model.__table__).where(model.__table__.c.dag_id.in_(dags)))
        connection.execute(delete(Trigger.__table__).where(Trigger.__table__.c.classpath == "ui_tests"))
        connection.execute(delete(DagBundleModel.__table__).where(DagBundleModel.__table__.c.name == "ui_tests"))


@pytest.fixture
def log_in(airflow_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[LogIn]:
    """
    Clients of an API server with the plugin in it: of nobody, of a role, or of a clerk who may read one Dag.

    Airflow's auth manager knows no rights by Dag; that of the clerk is the same with one rule more.
    """
    from airflow.api_fastapi import app as airflow_app
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    from raydocs_provider.plugins.plugin import RaydocsPlugin
    from tests.moved import conf

    assert not conf.getboolean("core", "simple_auth_manager_all_admins")

    class WithClerk(SimpleAuthManager):
        def is_authorized_dag(self, *, method: Any, user: Any, access_entity: Any = None, details: Any = None) -> bool:
            if user.username == "clerk" and details and details.id not in (None, RECEIPTS):
                return False
            return super().is_authorized_dag(method=method, user=user, access_entity=access_entity, details=details)

    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "0123456789abcdef" * 4)
    manager = WithClerk()
    if hasattr(airflow_app, "_AuthManagerState"):
        monkeypatch.setattr(airflow_app._AuthManagerState, "instance", manager)
    else:  # before Airflow 3.2
        monkeypatch.setattr(airflow_app, "auth_manager", manager)
    server = FastAPI()
    server.state.auth_manager = manager
    for mounted in RaydocsPlugin.fastapi_apps:
        server.mount(mounted["url_prefix"], mounted["app"])
    clients = []

    def client(role: str | None = "viewer", name: str | None = None) -> TestClient:
        headers = {}
        if role is not None:
            user = SimpleAuthManagerUser(username=name or role, role=role)
            headers["Authorization"] = f"Bearer {manager.generate_jwt(user)}"
        clients.append(TestClient(server, headers=headers))
        return clients[-1]

    yield client
    for each in clients:
        each.close()


def night_run(documents: list[DocumentRecord] | None = None, **changes: Any) -> UiRun:
    documents = last_night() if documents is None else documents
    fields: dict[str, Any] = {
        "dag_id": INVOICES,
        "run_id": "night",
        "task_id": "extract",
        "run_after": NIGHT,
        "state": "failed",
        "xcoms": changes.pop("xcoms", None) or extraction(documents),
        "ledger": ledger(documents),
    }
    return UiRun(**{**fields, **changes})


def load_run(**changes: Any) -> UiRun:
    to_review = [
        {"session_id": session_id(0), "filename": "invoice_000.pdf", "codes": ["low_confidence"], "fields": []}
    ]
    landed = {"rows": {"invoices": 37}, "problems": 0, "kept": 0, "reviews": {"review": 1, "passed": 36}}
    record = describe_landing(LOAD, landed, {"conn_id": CONN_ID, "template_id": TEMPLATE_ID}, Usage(), 1_900_000_200.0)
    xcoms = {PROGRESS_KEY: record, "return_value": landed | {"to_review": to_review}}
    fields: dict[str, Any] = {"dag_id": INVOICES, "run_id": "night", "task_id": "load", "run_after": NIGHT}
    return UiRun(**{**fields, "operator": "RaydocsToSqlOperator", "xcoms": xcoms, **changes})


def task_of(run: UiRun) -> str:
    return f"/raydocs/api/tasks/{run.dag_id}/{run.run_id}/{run.task_id}/{run.map_index}"


def get(client: TestClient, path: str, **parameters: Any) -> Any:
    answer = client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def runs(client: TestClient, **parameters: Any) -> Any:
    return get(client, "/raydocs/api/runs", **{**PERIOD, **parameters})


# Who may see what


def all_routes() -> list[tuple[str, str]]:
    from raydocs_provider.plugins.api.app import app

    return sorted((method, route.path) for route in app.routes for method in route.methods - {"HEAD", "OPTIONS"})


@pytest.mark.parametrize(("method", "path"), all_routes())
def test_nobody_who_is_not_logged_in_gets_anything(log_in: LogIn, method: str, path: str) -> None:
    for name, value in {"dag_id": INVOICES, "run_id": "r", "task_id": "t", "map_index": "-1", "version": "1"}.items():
        path = path.replace(f"{{{name}}}", value)
    assert "{" not in path
    answer = log_in(None).request(method, f"/raydocs{path}", json={"session_ids": [session_id(1)]})
    assert (answer.status_code, answer.json()) == (401, {"detail": "Not authenticated"})


def test_a_forged_token_is_refused(log_in: LogIn) -> None:
    client = log_in()
    client.headers["Authorization"] += "x"
    assert client.get("/raydocs/api/runs").status_code == 403


def test_a_user_without_a_role_sees_nothing(log_in: LogIn, write: Write) -> None:
    write(night_run())
    client = log_in(role="", name="nobody")
    for path in ("/raydocs/api/runs", task_of(night_run()), f"{task_of(night_run())}/documents.csv"):
        assert client.get(path).status_code == 403


@pytest.mark.parametrize("role", ROLES)
def test_every_role_may_look(log_in: LogIn, write: Write, role: str) -> None:
    write(night_run())
    client = log_in(role)
    assert runs(client)["total"] == 1
    assert get(client, task_of(night_run()))["total"] == 40


def test_who_may_read_one_dag_sees_nothing_of_the_others(log_in: LogIn, write: Write) -> None:
    mine = night_run(dag_id=RECEIPTS, xcoms=extraction(last_night(5, 1), template_name="Receipts"))
    write(night_run(), mine)
    clerk = log_in("user", "clerk")
    seen = runs(clerk)
    assert [run["dag_id"] for run in seen["runs"]] == [RECEIPTS]
    assert (seen["summary"]["documents"], seen["summary"]["failed"]) == (5, 1)
    assert [failure["count"] for failure in seen["failures"]] == [1]
    assert sum(bucket["failed"] for bucket in seen["timeline"]) == 1
    assert seen["filters"]["dags"] == [RECEIPTS]
    assert INVOICES not in json.dumps(seen)
    assert runs(log_in("admin"))["total"] == 2


def test_who_may_not_read_a_dag_gets_none_of_its_tasks(log_in: LogIn, write: Write) -> None:
    write(night_run())
    clerk = log_in("user", "clerk")
    asked = clerk.get("/raydocs/api/runs", params={"dag_id": INVOICES, **PERIOD})
    # Airflow 3.0 looks for a Dag in the path only; the list holds what the user may read, anyway.
    assert asked.status_code == 403 or (Version("3.1") > AIRFLOW and asked.json()["runs"] == [])
    assert clerk.get(task_of(night_run())).status_code == 403
    assert clerk.get(f"{task_of(night_run())}/documents.csv").status_code == 403
    body = {"session_ids": [session_id(1)]}
    assert clerk.post(f"{task_of(night_run())}/check", json=body).status_code == 403


def test_a_second_dag_id_in_the_query_opens_no_door(log_in: LogIn, write: Write) -> None:
    write(night_run())
    answer = log_in("user", "clerk").get(task_of(night_run()), params={"dag_id": RECEIPTS})
    assert answer.status_code == 403


# The page


def test_the_page_says_how_last_night_went(log_in: LogIn, write: Write) -> None:
    write(night_run(), load_run())
    seen = runs(log_in())
    summary = seen["summary"]
    expected = {"tasks": 2, "documents": 40, "extracted": 37, "failed": 3, "open": 0, "rows": 37, "to_review": 1}
    assert {name: summary[name] for name in expected} == expected
    assert seen["failures"] == [
        {
            "stage": "parsing",
            "code": "document_failed",
            "count": 3,
            "tasks": 1,
            "example": {"dag_id": INVOICES, "run_id": "night", "task_id": "extract", "map_index": -1},
        }
    ]
    row = next(run for run in seen["runs"] if run["task_id"] == "extract")
    assert (row["counts"]["extracted"], row["counts"]["failed"], row["template_name"]) == (37, 3, "Invoices")
    assert row["run_after"] == "2030-03-01T02:00:00+00:00"


def test_tasks_of_others_are_not_on_the_page(log_in: LogIn, write: Write) -> None:
    write(night_run(), night_run(task_id="report", operator="BashOperator", xcoms={"return_value": "text"}, ledger={}))
    assert [run["task_id"] for run in runs(log_in())["runs"]] == ["extract"]


@pytest.mark.parametrize("broken", ["text", None, [], {}, {"kind": None}, 5])
def test_a_record_that_cannot_be_read_is_left_out(log_in: LogIn, write: Write, broken: Any) -> None:
    write(night_run(), night_run(task_id="odd", xcoms={PROGRESS_KEY: broken}, ledger={}))
    assert [run["task_id"] for run in runs(log_in())["runs"]] == ["extract"]


def test_the_period_is_that_of_the_dag_runs(log_in: LogIn, write: Write) -> None:
    write(night_run(), night_run(run_id="before", run_after=NIGHT - timedelta(days=1)))
    client = log_in()
    assert [run["run_id"] for run in runs(client)["runs"]] == ["night"]
    assert runs(client, since="2030-02-28T00:00:00Z")["total"] == 2
    assert runs(client, since="2030-03-01T02:00:00Z")["total"] == 1
    assert runs(client, until="2030-03-01T02:00:00Z", since="2030-02-28T12:00:00Z")["total"] == 0


@pytest.mark.parametrize(
    "period",
    [
        {"since": "2030-03-02T00:00:00Z", "until": "2030-03-01T00:00:00Z"},
        {"since": "2020-01-01T00:00:00Z", "until": "2030-03-01T00:00:00Z"},
        {"since": "yesterday"},
    ],
)
def test_a_period_that_makes_no_sense_is_refused(log_in: LogIn, period: dict[str, str]) -> None:
    assert log_in().get("/raydocs/api/runs", params=period).status_code == 422


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"dag_id": RECEIPTS}, {"receipts"}),
        ({"task_id": "load"}, {"load"}),
        ({"state": "deferred"}, {"receipts"}),
        ({"state": "none"}, set()),
        ({"kind": "load"}, {"load"}),
        ({"template_id": TEMPLATE_ID}, {"extract", "load"}),
        ({"template_id": "t2", "state": "deferred"}, {"receipts"}),
        ({"template_id": "t2", "state": "failed"}, set()),
        ({"dag_id": "no_such_dag"}, set()),
    ],
)
def test_filters_choose_and_the_numbers_follow(
    log_in: LogIn, write: Write, parameters: dict[str, str], expected: set[str]
) -> None:
    waiting = extraction([document(1, SUBMITTED)], template_id="t2", template_name="Receipts")
    write(
        night_run(),
        load_run(),
        night_run(dag_id=RECEIPTS, task_id="receipts", state="deferred", xcoms=waiting, ledger={}),
    )
    seen = runs(log_in(), **parameters)
    assert {run["task_id"] for run in seen["runs"]} == expected
    assert seen["summary"]["tasks"] == seen["total"] == len(expected)
    assert seen["filters"]["dags"] == [INVOICES, RECEIPTS]  # whatever is chosen, there is a way back


def test_pages_are_cut_after_what_is_active_came_first(log_in: LogIn, write: Write) -> None:
    write(
        *(night_run(run_id=f"r{each}", run_after=NIGHT + timedelta(minutes=each), ledger={}) for each in range(5)),
        night_run(run_id="now", state="running", ledger={}),
    )
    client = log_in()
    pages = [runs(client, limit=2, offset=offset) for offset in (0, 2, 4, 6)]
    assert [[run["run_id"] for run in page["runs"]] for page in pages] == [
        ["now", "r4"],
        ["r3", "r2"],
        ["r1", "r0"],
        [],
    ]
    assert {page["total"] for page in pages} == {6}
    assert client.get("/raydocs/api/runs", params={"limit": 501}).status_code == 422


def test_ten_thousand_tasks_take_one_query(log_in: LogIn, write: Write) -> None:
    xcoms = extraction(last_night(10, 1))
    write(
        *(
            night_run(
                run_id=f"r{each // 20}", map_index=each % 20, xcoms={PROGRESS_KEY: xcoms[PROGRESS_KEY]}, ledger={}
            )
            for each in range(10_000)
        )
    )
    client = log_in("admin")
    runs(client)  # Airflow looks up what it keeps, such as the rights of a user
    with counted_queries() as queries:
        seen = runs(client)
    assert seen["summary"]["documents"] == 100_000
    assert (seen["total"], len(seen["runs"])) == (10_000, 50)
    assert len([query for query in queries if "xcom" in query]) == 1
    assert len(queries) <= 5, queries


class counted_queries:
    """Statements that are sent to Airflow's database inside the block."""

    def __enter__(self) -> list[str]:
        from airflow import settings
        from sqlalchemy import event

        self.queries: list[str] = []
        self.note = lambda *arguments: self.queries.append(arguments[2])
        self.engine = settings.engine
        event.listen(self.engine, "before_cursor_execute", self.note)
        return self.queries

    def __exit__(self, *_: object) -> None:
        from sqlalchemy import event

        event.remove(self.engine, "before_cursor_execute", self.note)


# The tab


@LEDGER_IN_STATE_STORE
def test_the_tab_says_why_three_are_missing_and_what_a_retry_does(log_in: LogIn, write: Write) -> None:
    write(night_run(max_tries=2), load_run())
    seen = get(log_in(), task_of(night_run()))
    assert seen["raydocs"]
    assert seen["states"] == {"extracted": 37, "failed": 3}
    missing = [row for row in seen["documents"] if row["state"] == "failed"]
    assert seen["documents"][:3] == missing  # first of all
    assert {(row["stage"], row["code"], row["retry"]) for row in missing} == {
        ("parsing", "document_failed", "stays failed")
    }
    assert "encrypted" in missing[0]["reason"]
    assert "retry_failed=True" in missing[0]["retry_why"]
    assert seen["retry"] == {
        "summary": "A retry pays for nothing: 37 documents keep their results, 3 documents stay failed.",
        "counts": {"kept": 37, "stays failed": 3},
        "retries_left": 2,
    }
    assert seen["clear"]["summary"].startswith("Clearing this task submits, and pays for, its 40 documents again")
    first = next(row for row in seen["documents"] if row["name"] == "invoice_000.pdf")
    assert (first["review_codes"], first["min_confidence"], first["seconds"]) == (["low_confidence"], 0.97, 20.0)
    assert datetime.fromisoformat(first["submitted_at"]).timestamp() == 1_900_000_000.0


@LEDGER_IN_STATE_STORE
def test_what_a_retry_does_follows_the_ledger_and_the_terms(log_in: LogIn, write: Write) -> None:
    documents = [
        document(1),
        document(2, SUBMITTED),
        document(3, SUBMITTED).fail("extraction", "failed", "No."),
        document(4, "found").fail("submit", "ambiguous_submit", "Nobody knows."),
        document(5, "found").fail("upload", "upload_failed", "No."),
    ]
    terms = RETRY | {"retry_failed": True, "on_ambiguous_submit": "resubmit", "skip_landed_in": "warehouse/invoices"}
    write(
        night_run(
            documents, xcoms=extraction(documents, retry=terms), ledger=ledger(documents, ambiguous=[documents[3]])
        )
    )
    seen = get(log_in(), task_of(night_run()))
    assert {row["name"][8:11]: row["retry"] for row in seen["documents"]} == {
        "001": "kept",
        "002": "goes on",
        "003": "paid again",
        "004": "paid again",
        "005": "tried again",
    }
    assert "what warehouse/invoices lacks" in seen["clear"]["summary"]


def test_without_a_ledger_nothing_is_promised(log_in: LogIn, write: Write) -> None:
    write(night_run(ledger={}))
    seen = get(log_in(), task_of(night_run()))
    assert set(seen["retry"]["counts"]) == {"goes on"}
    assert "Nobody could look at the ledger" in seen["documents"][0]["retry_why"]


def test_other_entries_of_the_state_store_are_no_ledger(log_in: LogIn, write: Write) -> None:
    write(night_run(ledger={"something_else": {"a": 1}}))
    assert set(get(log_in(), task_of(night_run()))["retry"]["counts"]) == {"goes on"}


def test_search_and_state_choose_documents(log_in: LogIn, write: Write) -> None:
    write(night_run())
    client, path = log_in(), task_of(night_run())
    assert get(client, path, state="failed")["total"] == 3
    assert get(client, path, search="ENCRYPTED")["total"] == 3
    assert get(client, path, search=session_id(7))["total"] == 1
    assert get(client, path, search="invoice_01")["total"] == 10
    assert get(client, path, search="no such thing")["documents"] == []
    page = get(client, path, limit=10, offset=35)
    assert (page["total"], len(page["documents"])) == (40, 5)
    assert page["states"] == {"extracted": 37, "failed": 3}


def test_a_task_of_somebody_else_is_told_apart(log_in: LogIn, write: Write) -> None:
    other = night_run(task_id="report", operator="BashOperator", xcoms={"return_value": "text"}, ledger={})
    write(other)
    client = log_in("admin")
    assert get(client, task_of(other)) == {
        "raydocs": False,
        "message": "Not a Raydocs task, or one that has not begun.",
    }
    assert client.get(f"{task_of(other)}/documents.csv").status_code == 404
    assert client.post(f"{task_of(other)}/check", json={"session_ids": ["s"]}).status_code == 404
    assert get(client, f"/raydocs/api/tasks/{INVOICES}/no_such_run/extract/-1")["raydocs"] is False


def test_each_mapped_task_shows_its_own_documents(log_in: LogIn, write: Write) -> None:
    parts = [[document(1)], [document(2), document(3, SUBMITTED)]]
    mapped = [
        night_run(part, map_index=index, xcoms=extraction(part), ledger=ledger(part))
        for index, part in enumerate(parts)
    ]
    write(*mapped)
    client = log_in()
    assert [get(client, task_of(run))["total"] for run in mapped] == [1, 2]


def test_a_deferred_task_shows_what_its_trigger_was_given(log_in: LogIn, write: Write) -> None:
    from airflow import settings
    from airflow.models.trigger import Trigger

    xcoms = extraction([document(1, SUBMITTED), document(2, SUBMITTED)])
    trigger = Trigger(classpath="ui_tests", kwargs={"manifest": xcoms["return_value"]})
    with settings.Session() as session:
        session.add(trigger)
        session.commit()
        trigger_id = trigger.id
    deferred = night_run(state="deferred", xcoms={PROGRESS_KEY: xcoms[PROGRESS_KEY]}, ledger={}, trigger_id=trigger_id)
    write(deferred)
    seen = get(log_in(), task_of(deferred))
    assert seen["states"] == {"submitted": 2}
    assert seen["run"]["active"]


def test_a_task_that_has_left_no_list_yet_says_so(log_in: LogIn, write: Write) -> None:
    xcoms = extraction([document(1, SUBMITTED)])
    write(night_run(state="running", xcoms={PROGRESS_KEY: xcoms[PROGRESS_KEY]}, ledger={}))
    seen = get(log_in(), task_of(night_run()))
    assert (seen["documents"], seen["total"]) == ([], 0)
    assert "no list of documents" in seen["problem"]
    assert seen["run"]["counts"]["submitted"] == 1


def spooled(results_path: str, documents: list[DocumentRecord]) -> dict[str, Any]:
    from raydocs_provider.extraction.spool import dump_manifest
    from raydocs_provider.hooks.storage import open_spool

    manifest = Manifest(
        tuple(documents), CONN_ID, template_id=TEMPLATE_ID, template_hash="h1", results_path=results_path
    )
    return extraction(documents, manifest=dump_manifest(manifest, open_spool(results_path)), results_path=results_path)


def test_a_long_list_is_read_from_results_path(log_in: LogIn, write: Write, results_path: str) -> None:
    documents = last_night(400, 30)
    write(night_run(documents, xcoms=spooled(results_path, documents)))
    seen = get(log_in(), task_of(night_run()))
    assert seen["states"] == {"extracted": 370, "failed": 30}
    assert (seen["total"], len(seen["documents"]), seen["problem"]) == (400, 100, None)


def test_a_list_that_cannot_be_read_from_here_says_so_and_keeps_the_counts(
    log_in: LogIn, write: Write, results_path: str, tmp_path: Path
) -> None:
    documents = last_night(400, 30)
    write(night_run(documents, xcoms=spooled(results_path, documents)))
    for file in (tmp_path / "results").glob("_documents*"):
        file.unlink()
    seen = get(log_in(), task_of(night_run()))
    assert seen["documents"] == []
    assert seen["problem"]
    assert seen["run"]["counts"]["failed"] == 30


@pytest.mark.parametrize("path", ["no-such-scheme://bucket/results/", "s3://no_such_conn@bucket/results/"])
def test_a_results_path_of_another_world_is_no_error_of_the_page(
    log_in: LogIn, write: Write, results_path: str, path: str
) -> None:
    documents = last_night(400, 30)
    progress = spooled(results_path, documents)[PROGRESS_KEY]
    manifest = {
        **extraction(documents[:1])["return_value"],
        "counts": {"total": 400, "uploaded": 0, "submitted": 0, "extracted": 370, "skipped": 0, "failed": 30},
        "results_path": path,
        "documents_file": "_documents-0.ndjson",
    }
    del manifest["documents"]
    write(night_run(documents, xcoms={"return_value": manifest, PROGRESS_KEY: progress}))
    seen = get(log_in(), task_of(night_run()))
    assert seen["documents"] == []
    assert "cannot be opened here" in seen["problem"] or "could not read results_path" in seen["problem"]
    assert seen["run"]["counts"]["total"] == 400


def test_a_manifest_that_airflow_keeps_as_text_is_read_too(log_in: LogIn, write: Write) -> None:
    xcoms = {key: json.dumps(value) for key, value in extraction(last_night()).items()}
    write(night_run(xcoms=xcoms))
    assert get(log_in(), task_of(night_run()))["total"] == 40


def test_a_manifest_is_found_where_an_xcom_backend_has_put_it(
    log_in: LogIn, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow's backend for object storage keeps what is small in the database, and of the rest the address."""
    from airflow.providers.common.io.xcom import backend
    from airflow.sdk.execution_time import xcom as sdk_xcom

    monkeypatch.setenv("AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_PATH", tmp_path.as_uri())
    backend._get_base_path.cache_clear()
    monkeypatch.setattr(sdk_xcom, "XCom", backend.XComObjectStorageBackend)
    xcoms = extraction(last_night())
    (tmp_path / "manifest").write_text(json.dumps(xcoms["return_value"]))
    write(night_run(xcoms=xcoms | {"return_value": (tmp_path / "manifest").as_uri()}))
    assert get(log_in(), task_of(night_run()))["total"] == 40
    (tmp_path / "manifest").unlink()
    assert "no list of documents" in get(log_in(), task_of(night_run()))["problem"]
    backend._get_base_path.cache_clear()


# The file for spreadsheets


def test_the_file_holds_all_that_was_chosen(log_in: LogIn, write: Write) -> None:
    write(night_run(), load_run())
    client = log_in()
    answer = client.get(f"{task_of(night_run())}/documents.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 40
    assert rows[0]["state"] == "failed"
    assert {row["review_codes"] for row in rows} == {"", "low_confidence"}
    assert answer.headers["content-disposition"] == 'attachment; filename="ui_invoices_extract.csv"'
    assert (
        len(list(csv.DictReader(io.StringIO(client.get(f"{task_of(night_run())}/documents.csv?state=failed").text))))
        == 3
    )


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_the_file_is_a_formula(log_in: LogIn, write: Write, start: str) -> None:
    evil = DocumentRecord(f"{start}cmd|' /C calc'!A0", SUBMITTED, session_id="s1", sha256="a").fail(
        f"{start}stage", f"{start}code", f"{start}HYPERLINK(1)"
    )
    write(night_run([evil], xcoms=extraction([evil]), ledger={}))
    (row,) = csv.DictReader(io.StringIO(log_in().get(f"{task_of(night_run())}/documents.csv").text))
    assert [name for name, cell in row.items() if cell.lstrip(" ").startswith(tuple("=+-@\t\r"))] == []
    assert row["reason"] == f"'{start}HYPERLINK(1)"


# Check now


@pytest.fixture
def open_task(emulator: Emulator, connection: str, ti: Task, write: Write) -> UiRun:
    """A deferred task with sessions at the emulator."""
    from raydocs_provider.hooks.raydocs import RaydocsHook
    from raydocs_provider.operators.raydocs import RaydocsCreateSessionsOperator, RaydocsUploadOperator

    with RaydocsHook(connection) as hook:
        template = make_template(hook)
    uploads = RaydocsUploadOperator(task_id="upload", documents=uris(GOOD[:3])).execute(ti.context)
    manifest = RaydocsCreateSessionsOperator(task_id="create", template_id=template.id, uploads=uploads).execute(
        ti.context
    )
    run = night_run(
        state="deferred", xcoms={PROGRESS_KEY: ti.pushed[PROGRESS_KEY], "return_value": manifest}, ledger={}
    )
    write(run)
    return run


def sessions_of(run: UiRun) -> list[str]:
    return [record["session_id"] for record in run.xcoms["return_value"]["documents"]]


def test_who_may_edit_can_look_at_open_sessions_now(log_in: LogIn, emulator: Emulator, open_task: UiRun) -> None:
    wanted = sessions_of(open_task)[:2]
    client, body = log_in("user"), {"session_ids": [*wanted, wanted[0]]}
    while True:
        answer = client.post(f"{task_of(open_task)}/check", json=body)
        assert answer.status_code == 200, answer.text
        seen = answer.json()["sessions"]
        assert [each["session_id"] for each in seen] == wanted
        if all(each["finished"] for each in seen):
            break
    assert {each["status"] for each in seen} == {EXTRACTED}
    assert looks(emulator)[:2] == wanted
    assert set(looks(emulator)) == set(wanted)
    for name in GOOD[:3]:
        vendor = EXPECTED[name.name]["expected"]["invoice_header"]["vendor_name"]
        assert vendor not in answer.text


def test_a_viewer_can_not(log_in: LogIn, emulator: Emulator, open_task: UiRun) -> None:
    answer = log_in("viewer").post(f"{task_of(open_task)}/check", json={"session_ids": sessions_of(open_task)})
    assert answer.status_code == 403
    assert looks(emulator) == []


@pytest.mark.parametrize("body", [{"session_ids": []}, {"session_ids": [session_id(i) for i in range(11)]}, {}, []])
def test_some_sessions_have_to_be_named_and_not_too_many(log_in: LogIn, open_task: UiRun, body: Any) -> None:
    assert log_in("user").post(f"{task_of(open_task)}/check", json=body).status_code == 422


def test_sessions_of_other_tasks_are_not_looked_at(log_in: LogIn, emulator: Emulator, open_task: UiRun) -> None:
    """Else whoever may edit one Dag could read with the token of another's connection."""
    for strange in (session_id(99), "../templates", ""):
        ids = [sessions_of(open_task)[0], strange]
        assert log_in("user").post(f"{task_of(open_task)}/check", json={"session_ids": ids}).status_code == 422
    assert looks(emulator) == []


def test_a_session_that_has_ended_is_not_looked_at_again(log_in: LogIn, write: Write) -> None:
    write(night_run())
    answer = log_in("admin").post(f"{task_of(night_run())}/check", json={"session_ids": [session_id(0)]})
    assert answer.status_code == 422


def test_what_raydocs_refuses_is_said_without_the_token(log_in: LogIn, emulator: Emulator, open_task: UiRun) -> None:
    emulator.add_fault("answer", status=401, count=0)
    answer = log_in("user").post(f"{task_of(open_task)}/check", json={"session_ids": sessions_of(open_task)[:1]})
    assert answer.status_code == 502
    assert "401" in answer.json()["detail"]
    assert emulator.token not in answer.text


def test_a_limit_that_is_used_up_is_said_at_once_with_when_to_come_back(
    log_in: LogIn, emulator: Emulator, open_task: UiRun
) -> None:
    emulator.add_fault("answer", status=429, headers={"Retry-After": "37"}, count=0)
    answer = log_in("user").post(f"{task_of(open_task)}/check", json={"session_ids": sessions_of(open_task)})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "37")
    assert answer.json() == {"detail": "The request limit of Raydocs is used up. Try again in 37 s."}
    assert len(looks(emulator)) == 1


def test_what_was_seen_before_the_limit_is_told(log_in: LogIn, emulator: Emulator, open_task: UiRun) -> None:
    emulator.add_fault("answer", status=429, path="/extractions/sessions/", nth=2, count=0)
    answer = log_in("user").post(f"{task_of(open_task)}/check", json={"session_ids": sessions_of(open_task)})
    assert answer.status_code == 200
    assert [seen["session_id"] for seen in answer.json()["sessions"]] == sessions_of(open_task)[:1]


def test_looking_keeps_to_the_budget_of_the_connection(
    log_in: LogIn, emulator: Emulator, open_task: UiRun, connect: Callable[..., str]
) -> None:
    connect(host=emulator.url, password=emulator.token, extra={"requests_per_minute": 1})
    asked = {"session_ids": sessions_of(open_task)}
    first = log_in("user").post(f"{task_of(open_task)}/check", json=asked)
    second = log_in("user").post(f"{task_of(open_task)}/check", json=asked)
    assert (first.status_code, len(first.json()["sessions"])) == (200, 1)
    assert (second.status_code, len(looks(emulator))) == (429, 1)
    assert int(second.headers["retry-after"]) > 0


# The bundle


def test_the_bundle_is_served_to_those_who_are_logged_in(log_in: LogIn) -> None:
    from raydocs_provider.plugins.api.app import _BUNDLE
    from raydocs_provider.plugins.plugin import BUNDLE

    answer = log_in().get(BUNDLE)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/javascript")
    assert "immutable" in answer.headers["cache-control"]
    assert answer.content == _BUNDLE.read_bytes()
