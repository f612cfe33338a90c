"""What people do every day: clear one mapped instance, run a week again, hold back with a pool, share a budget."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import redis
import requests

from benchmarks.documents import SCHEMA, make_documents
from scripts.airflow_stack.client import StackError
from tests.distributed import mapped
from tests.distributed.evidence import shortfalls
from tests.distributed.raydocs import paid_sessions
from tests.distributed.report import Report
from tests.distributed.services import RedisServer
from tests.distributed.stack import POOL, DistributedStack

DAYS = 5
DOCUMENTS_A_DAY = 10
DAILY = "daily"
# How many extractions the pool lets be under way, deferred ones included.
AT_ONCE = 2
Say = Callable[[str], None]


def clear(stack: DistributedStack, say: Say) -> Report:
    """A cleared instance is paid for again, it alone; with ``skip_landed_in`` nothing is."""
    report = Report()
    stack.set_pool(6)
    run = mapped.start(stack, "cleared", [20, 20, 20])
    run.finish()
    report.problems += shortfalls(run.evidence())
    rows = landed_once(stack, "cleared")
    for skipping, expected in ((False, 20), (True, 0)):
        before = Counter(stack.raydocs.paid(stack.raydocs.requests(run.since)).values())
        stack.set_variable("skip_landed_in", "warehouse/cleared" if skipping else "")
        clear_extract(stack, run.run_id, 1)
        state = run.finish()
        stack.set_variable("skip_landed_in", "")
        again = Counter(stack.raydocs.paid(stack.raydocs.requests(run.since)).values()) - before
        how = "with skip_landed_in" if skipping else "without"
        say(f"extract[1] cleared {how}: {again.total()} documents paid for again")
        report.expect(state == "success", f"the run ended as {state} after extract[1] was cleared {how}")
        report.expect(again.total() == expected, f"cleared {how}: {again.total()} paid for again, expected {expected}")
        report.expect(landed_once(stack, "cleared") == rows, f"cleared {how}: other rows than before")
        report.figures["paid_again_skipping" if skipping else "paid_again"] = again.total()
    return report


def clear_extract(stack: DistributedStack, run_id: str, index: int) -> None:
    """Clear one mapped instance with what comes after it, as the UI does."""
    body = {
        "dry_run": False,
        "dag_run_id": run_id,
        "task_ids": [["extract", index]],
        "only_failed": False,
        "include_downstream": True,
        "reset_dag_runs": True,
    }
    stack.client.call("POST", f"/api/v2/dags/{mapped.DAG_ID}/clearTaskInstances", body)


def landed_once(stack: DistributedStack, table: str) -> set[str]:
    """
    The contents that have a row.

    :raises StackError: if one has two.
    """
    rows = [sha256 for (sha256,) in stack.query(f"SELECT _document_sha256 FROM {table}", warehouse=True)]
    if len(rows) != len(set(rows)):
        raise StackError(f"{len(rows) - len(set(rows))} document(s) have more than one row in {table}")
    return set(rows)


def backfill(stack: DistributedStack, say: Say) -> Report:
    """Five days at once, two extractions at a time: each document is paid for once and has one row."""
    report = Report()
    make_template(stack, "Daily")
    stack.set_pool(AT_ONCE, include_deferred=True)
    made = run_backfill(stack, "Daily", "2026-01-01", "2026-01-05")
    say(f"Backfill of {DAYS} days with the template there: {made}")
    documents = DAYS * DOCUMENTS_A_DAY
    expected = {
        "runs": {"success": DAYS},
        "templates_made": 0,
        "paid": documents,
        "contents": documents,
        "rows": documents,
    }
    for name, value in expected.items():
        report.expect(made[name] == value, f"backfill: {name} is {made[name]}, expected {value}")
    most = made["most_at_once"]
    report.expect(most <= AT_ONCE, f"backfill: {most} extractions at once in a pool of {AT_ONCE}")
    stack.set_pool(6)
    # Not asserted: five runs that each find no template and make one are a known limit.
    empty = run_backfill(stack, "Daily from nothing", "2026-02-01", "2026-02-05")
    say(f"Known: the same on an account without the template: {empty}")
    report.figures = {"template_there": made, "on_an_empty_account": empty}
    return report


def make_template(stack: DistributedStack, workspace: str) -> None:
    """The template, as somebody made it before."""
    with requests.Session() as http:
        http.headers["Authorization"] = f"Bearer {stack.raydocs_token}"
        made = http.post(f"{stack.raydocs_url}/workspaces/create", json={"name": workspace}, timeout=30).json()
        body = {"name": "Invoices", "workspace_id": made["id"], "schema_json": SCHEMA}
        http.post(f"{stack.raydocs_url}/extractions/templates", json=body, timeout=30).raise_for_status()


def run_backfill(stack: DistributedStack, workspace: str, first: str, last: str) -> dict[str, Any]:
    """``airflow backfill create`` over days whose folders are filled first; returns what came of it."""
    table = workspace.lower().replace(" ", "_")
    for day in range(int(first[-2:]), int(last[-2:]) + 1):
        name = f"{first[:-2]}{day:02}"
        folder = stack.inbox / DAILY / name
        folder.parent.mkdir(exist_ok=True)
        make_documents(folder, DOCUMENTS_A_DAY, name)
    for key, value in {"inbox": stack.inbox.as_uri(), "workspace": workspace, "table": table}.items():
        stack.set_variable(key, value)
    since = time.time()
    known = {run for run, _ in backfill_runs(stack)}
    done = stack.airflow("backfill", "create", "--dag-id", DAILY, "--from-date", first, "--to-date", last)
    if done.returncode:
        raise StackError(f"airflow backfill create failed.\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    most = 0

    def ended() -> bool:
        nonlocal most
        most = max(most, stack.client.call("GET", f"/api/v2/pools/{POOL}")["occupied_slots"])
        runs = [state for run, state in backfill_runs(stack) if run not in known]
        return len(runs) == DAYS and all(state in ("success", "failed") for state in runs)

    stack.wait_until(f"{DAYS} days are done", ended, seconds=600)
    # Airflow notices later than that, and takes no second backfill of a Dag before.
    unfinished = "SELECT count(*) FROM backfill WHERE dag_id = %s AND completed_at IS NULL"
    stack.wait_until("the backfill is over", lambda: stack.query(unfinished, DAILY)[0][0] == 0, seconds=180)
    log = stack.raydocs.requests(since)
    exists = stack.query("SELECT to_regclass(%s) IS NOT NULL", table, warehouse=True)[0][0]
    return {
        "runs": dict(Counter(state for run, state in backfill_runs(stack) if run not in known)),
        "templates_made": sum(
            len(request["created"])
            for request in log
            if request["method"] == "POST" and request["path"] == "/extractions/templates"
        ),
        "paid": len(paid_sessions(log)),
        "contents": len(set(stack.raydocs.paid(log).values())),
        "rows": stack.query(f"SELECT count(*) FROM {table}", warehouse=True)[0][0] if exists else 0,
        "most_at_once": most,
    }


def backfill_runs(stack: DistributedStack) -> list[tuple[str, str]]:
    """Ids and states of the runs that backfills made."""
    return stack.query("SELECT run_id, state FROM dag_run WHERE dag_id = %s AND run_type = 'backfill'", DAILY)


def budget(stack: DistributedStack, say: Say) -> Report:
    """The Redis that counts the requests of all processes hangs, then dies: work goes on by fair shares."""
    report = Report()
    if not RedisServer.installed():
        say("NOT RUN: no redis-server is installed for a second Redis (Debian: apt install redis-server)")
        report.figures = {"not_run": "no redis-server"}
        return report
    stack.set_pool(6)
    with RedisServer() as server, redis.Redis.from_url(server.url) as counts:
        stack.connect_raydocs("raydocs_shared", budget_url=server.url, requests_per_minute=600)
        run = mapped.start(stack, "budget", [40, 40, 40], conn_id="raydocs_shared")
        stack.wait_until("the shared budget counts", lambda: list(counts.scan_iter("raydocs:budget:*")), seconds=120)
        server.signal(signal.SIGSTOP)
        say("The Redis with the budget hangs")
        stack.wait_until("tasks wait in the triggerer", lambda: "deferred" in run.states(), seconds=300)
        server.signal(signal.SIGKILL)
        say("The Redis with the budget is dead")
        run.finish()
    report.problems += shortfalls(run.evidence())
    folder = stack.logs / f"dag_id={mapped.DAG_ID}" / f"run_id={run.run_id}"
    logs = [path.read_text() for path in folder.rglob("*.log*")]
    told = sum("shared budget cannot be reached" in text for text in logs)
    report.expect(told > 0, "no task said that the shared budget cannot be reached")
    report.figures = {**run.figures(), "logs_that_say_so": told}
    return report
