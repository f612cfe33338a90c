"""
The page and the tab in a browser, on a real Airflow with the runs of a night in its database.

`RAYDOCS_SCREENSHOTS=1` writes what they look like to docs/images.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from raydocs_provider.extraction.manifest import DocumentRecord
from raydocs_provider.extraction.progress import LOAD, PROGRESS_KEY, Usage, describe_landing
from raydocs_provider.links.raydocs import TAB
from scripts.airflow_stack.client import AirflowClient
from scripts.airflow_stack.stack import AirflowStack
from tests.e2e.conftest import DAG_ID, ROOT, VIEWER, FinishedRun
from tests.ui_runs import CLAIM, CONN_ID, UiRun, extraction, last_night, ledger, write_runs

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SCREENSHOTS = bool(os.environ.get("RAYDOCS_SCREENSHOTS"))
IMAGES = ROOT / "docs" / "images"
NIGHT, WAITING = "night_shift", "waiting"
REASONS = [
    ("upload", "upload_failed", "The file could not be uploaded."),
    ("extraction", "extraction_failed", "Raydocs could not extract the document."),
    ("waiting", "session_timeout", "The session took longer than 1800 seconds."),
]
PATIENCE = 60_000  # the first page of a fresh Airflow, on two busy cores

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    options = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield started
        started.close()


@pytest.fixture(scope="module")
def seeded(airflow_stack: AirflowStack, finished_run: FinishedRun) -> AirflowStack:
    """The Airflow of these tests, with some hundred runs more than it had."""
    from sqlalchemy import create_engine

    manifest = airflow_stack.client.xcom(DAG_ID, finished_run.run_id, "extract")
    waiting = open_sessions(airflow_stack, manifest["template_id"])
    engine = create_engine(
        f"sqlite:///{airflow_stack.folder / 'airflow.db'}", connect_args={"timeout": 60}, future=True
    )
    with engine.begin() as connection:
        write_runs(connection, night_shift(waiting))
    engine.dispose()
    return airflow_stack


def open_sessions(stack: AirflowStack, template_id: str) -> list[DocumentRecord]:
    """Two sessions at the emulator that no task waits for."""
    from raydocs_provider.extraction.documents import find_documents
    from raydocs_provider.extraction.ledger import Ledger
    from raydocs_provider.hooks.raydocs import RaydocsHook
    from raydocs_provider.hooks.storage import open_path
    from raydocs_provider.hooks.submitting import create_sessions, hash_documents, upload_documents

    paths = sorted((ROOT / "example_dags" / "documents").glob("*.pdf"))[:2]
    found = find_documents([path.as_uri() for path in paths], open_path)
    with pytest.MonkeyPatch.context() as patch:
        raydocs = {"conn_type": "raydocs", "host": stack.raydocs_url, "password": stack.raydocs_token}
        patch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(raydocs))
        with RaydocsHook(CONN_ID) as hook:
            uploaded = upload_documents(hook, hash_documents(found), {document.uri: document for document in found})
            return create_sessions(hook, template_id, uploaded, Ledger(None, CLAIM))


def night_shift(waiting: list[DocumentRecord]) -> list[UiRun]:
    """What three hundred runs have left since yesterday: most are fine, the last one lacks three documents."""
    dice = random.Random(3)
    now = datetime.now(UTC)
    runs = []
    for number in range(300):
        run_after = now - timedelta(minutes=4 * number + 120)
        failed = dice.choice([0, 0, 0, 0, 0, 1, 2])
        documents = last_night(dice.randrange(8, 30), failed, dice.choice(REASONS), run_after.timestamp())
        runs += steps(f"hourly_{number:03}", run_after, documents)
    # The newest that has failed, also in an Airflow whose own runs have just failed in part.
    just_now = now - timedelta(seconds=1)
    runs += steps(NIGHT, just_now, last_night(40, 3, submitted_at=just_now.timestamp()))
    runs.append(
        UiRun(
            DAG_ID,
            WAITING,
            "extract",
            now - timedelta(minutes=10),
            "deferred",
            xcoms=extraction(waiting, now=now.timestamp()),
            ledger=ledger(waiting),
        )
    )
    return runs


def steps(run_id: str, run_after: datetime, documents: list[DocumentRecord]) -> list[UiRun]:
    """An extraction and its load."""
    good = sum(record.state == "extracted" for record in documents)
    failed = len(documents) - good
    now = run_after.timestamp() + 60
    rows = {"invoices": good, "invoices__lines__line_items": 4 * good}
    landed = {"rows": rows, "problems": 0, "kept": 0, "reviews": {"review": good // 20, "passed": good - good // 20}}
    manifest = extraction(documents, requests={"2xx": 2 * len(documents) + 1, "429": failed}, now=now)
    record = describe_landing(LOAD, landed, {"conn_id": CONN_ID}, Usage(), now)
    return [
        UiRun(
            DAG_ID,
            run_id,
            "extract",
            run_after,
            "failed" if failed else "success",
            max_tries=1,
            try_number=2 if failed else 1,
            xcoms=manifest,
            ledger=ledger(documents),
        ),
        UiRun(
            DAG_ID,
            run_id,
            "load",
            run_after,
            operator="RaydocsToSqlOperator",
            xcoms={PROGRESS_KEY: record, "return_value": {**landed, "to_review": []}},
        ),
    ]


Open = Callable[..., "Page"]


@pytest.fixture
def open_page(browser: Browser, seeded: AirflowStack) -> Iterator[Open]:
    """Opens an address of Airflow as somebody who is logged in."""
    contexts = []

    def open_page(path: str = "/", user: str = seeded.username, **options: Any) -> Page:
        client = AirflowClient(seeded.url)
        client.log_in(user, seeded.passwords[user])
        context = browser.new_context(viewport={"width": 1400, "height": 1000}, locale="en-US", **options)
        context.add_cookies([{"name": "_token", "value": client._token, "url": seeded.url}])
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(f"{seeded.url}{path}")
        return page

    yield open_page
    for context in contexts:
        context.close()


def picture(page: Page, name: str) -> None:
    if SCREENSHOTS:
        page.wait_for_timeout(1000)
        page.screenshot(path=IMAGES / f"{name}.png")


def tab_of(run_id: str, task_id: str = "extract") -> str:
    return f"/dags/{DAG_ID}/runs/{run_id}/tasks/{task_id}/{TAB}"


def text_of(page: Page, test_id: str) -> str:
    return page.get_by_test_id(test_id).first.inner_text()


def test_from_the_home_page_to_why_three_documents_are_missing_and_what_a_retry_does(open_page: Open) -> None:
    page = open_page()
    page.get_by_role("button", name="Browse").click()
    page.get_by_role("menuitem", name="Raydocs").click()
    failure = page.get_by_test_id("raydocs-failure").filter(has_text="document_failed")
    failure.wait_for()
    picture(page, "ui-page")
    failure.get_by_role("link").click()

    page.get_by_test_id("raydocs-document").first.wait_for()
    assert f"/runs/{NIGHT}/tasks/extract/" in page.url
    assert re.search(r"37 of 40 documents extracted", text_of(page, "raydocs-headline"))
    assert page.get_by_test_id("raydocs-document").count() == 3
    for line in page.get_by_test_id("raydocs-document").all():
        assert "it is encrypted" in line.inner_text()
        assert "stays failed" in line.inner_text()
    retry = text_of(page, "raydocs-retry")
    assert "A retry pays for nothing: 37 documents keep their results, 3 documents stay failed." in retry
    assert "submits, and pays for, its 40 documents again" in text_of(page, "raydocs-clear")
    picture(page, "ui-tab")


def test_filters_choose_tasks_and_stand_in_the_address(open_page: Open, seeded: AirflowStack) -> None:
    page = open_page("/plugin/raydocs")
    page.get_by_test_id("raydocs-task").first.wait_for()
    page.get_by_label("State").select_option("deferred")
    page.wait_for_function("document.querySelectorAll('[data-testid=raydocs-task]').length === 1")
    assert "state=deferred" in page.url
    shared = open_page(page.url.removeprefix(seeded.url))
    shared.get_by_test_id("raydocs-task").first.wait_for()
    assert shared.get_by_test_id("raydocs-task").count() == 1
    page.get_by_role("button", name="Clear filters").click()
    page.wait_for_function("document.querySelectorAll('[data-testid=raydocs-task]').length > 10")


def test_what_really_ran_is_on_the_page_too(open_page: Open, finished_run: FinishedRun) -> None:
    page = open_page(tab_of(finished_run.run_id))
    page.get_by_test_id("raydocs-document").first.wait_for()
    assert "17 of 18 documents extracted" in text_of(page, "raydocs-headline")
    assert "invoice_015_corrupt.pdf" in text_of(page, "raydocs-document")  # the failed ones first
    page.goto(page.url.replace("/tasks/extract/", "/tasks/load/"))
    page.get_by_test_id("raydocs-rows").wait_for()
    assert "invoices__lines__line_items" in text_of(page, "raydocs-rows")


def test_the_links_of_a_task_lead_to_the_tab(open_page: Open, finished_run: FinishedRun) -> None:
    client, run_id = finished_run.stack.client, finished_run.run_id
    links = client.call("GET", f"/api/v2/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/extract/links")
    address = links["extra_links"]["Raydocs documents"]
    assert address.endswith(f"/tasks/extract/{TAB}")
    page = open_page(address[address.index("/dags/") :])
    page.get_by_test_id("raydocs-headline").wait_for()


def test_the_log_of_a_task_is_folded_by_phase(open_page: Open, finished_run: FinishedRun) -> None:
    page = open_page(f"/dags/{DAG_ID}/runs/{finished_run.run_id}/tasks/extract")
    page.get_by_text("Find, upload and submit").wait_for()
    page.get_by_text("Submission: 18 submitted.").wait_for()
    assert page.get_by_text("Found 18 documents").count() == 0
    page.get_by_text("Find, upload and submit").click()
    page.get_by_text("Found 18 documents").wait_for()


def test_the_tab_of_another_task_says_that_it_is_none_of_raydocs(open_page: Open, finished_run: FinishedRun) -> None:
    page = open_page(tab_of(finished_run.run_id, "template"))
    page.get_by_test_id("raydocs-other-task").wait_for()
    assert page.get_by_test_id("raydocs-documents").count() == 0


def test_the_file_for_spreadsheets_is_that_of_the_list(open_page: Open) -> None:
    page = open_page(tab_of(NIGHT))
    page.get_by_test_id("raydocs-document").first.wait_for()
    with page.expect_download() as started:
        page.get_by_test_id("raydocs-csv").click()
    lines = Path(started.value.path()).read_text().splitlines()
    assert len(lines) == 41


def test_in_the_dark_it_is_dark(open_page: Open) -> None:
    page = open_page("/plugin/raydocs", color_scheme="dark")
    page.evaluate("localStorage.setItem('theme', 'dark')")
    page.reload()
    page.get_by_test_id("raydocs-task").first.wait_for()
    red, green, blue = (
        int(each) for each in re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))[:3]
    )
    assert max(red, green, blue) < 64
    picture(page, "ui-page-dark")


def test_open_sessions_can_be_looked_at_on_the_spot(open_page: Open) -> None:
    page = open_page(tab_of(WAITING))
    page.get_by_test_id("raydocs-check").first.click()
    page.get_by_text(re.compile(r"^(Not finished|Finished): ")).wait_for()
    picture(page, "ui-tab-waiting")


def test_a_viewer_looks_and_is_told_why_a_check_is_refused(open_page: Open) -> None:
    page = open_page(tab_of(WAITING), user=VIEWER)
    page.get_by_test_id("raydocs-check").first.click()
    refused = page.get_by_text(re.compile("permission|not allowed|Forbidden", re.IGNORECASE))
    refused.first.wait_for()


def test_nobody_is_shown_anything_without_a_login(browser: Browser, seeded: AirflowStack) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{seeded.url}/plugin/raydocs")
    page.wait_for_url("**/auth/login*", timeout=PATIENCE)
    answer = context.request.get(f"{seeded.url}/raydocs/api/runs")
    assert (answer.status, answer.json()) == (401, {"detail": "Not authenticated"})
    context.close()
