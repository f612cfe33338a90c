"""What has to hold when a run has ended, however it went. Each check says what it found instead."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.documents import Made
from tests.chaos.driver import Home
from tests.chaos.scenario import Scenario

MOST_PER_BATCH = 50


@dataclass(frozen=True)
class Evidence:
    """
    What is known of a run that has ended.

    :param batches: content of the sessions of each paid request that took effect, in order.
    :param windows: how often a paid request was cut off: by a kill, or because its answer got lost.
    """

    scenario: Scenario
    home: Home
    made: Sequence[Made]
    batches: Sequence[tuple[str, ...]]
    windows: int
    ledger: LedgerFiles


@dataclass(frozen=True)
class LedgerFiles:
    """
    A ledger as it lies on disk.

    :param recorded: contents and session ids of batches that were answered.
    :param unanswered: contents of batches that were not.
    """

    recorded: Sequence[tuple[tuple[str, ...], tuple[str, ...]]]
    unanswered: Sequence[tuple[str, ...]]


def read_ledger(home: Home) -> LedgerFiles:
    """Read the ledger without the code that wrote it."""
    files = {path.stem.rpartition("raydocs_ledger")[2]: path for path in _ledger_paths(home)}
    header = _json(files[""]) if "" in files else {"batches": 0}
    # An entry is counted before it is written.
    entries = [_json(files[f"_{number}"]) for number in range(header["batches"]) if f"_{number}" in files]
    return LedgerFiles(
        tuple((tuple(entry["sha256"]), tuple(entry["sessions"])) for entry in entries if entry["sessions"]),
        tuple(tuple(entry["sha256"]) for entry in entries if entry["sessions"] is None),
    )


def _ledger_paths(home: Home) -> Iterator[Path]:
    for folder in (home.store, home.results):
        if folder.exists():
            yield from (path for path in folder.iterdir() if "raydocs_ledger" in path.name)


def _json(path: Path) -> Any:
    return json.loads(path.read_text())


def find_violations(evidence: Evidence) -> list[str]:
    """Everything that does not hold."""
    return [
        *_check_payments(evidence),
        *_check_manifest(evidence),
        *_check_warehouse(evidence),
        *_check_files(evidence),
    ]


def _check_payments(evidence: Evidence) -> Iterator[str]:
    scenario, ledger = evidence.scenario, evidence.ledger
    paid = Counter(sha256 for batch in evidence.batches for sha256 in batch)
    recorded = Counter(sha256 for batch, _ in ledger.recorded for sha256 in batch)
    unanswered = Counter(sha256 for batch in ledger.unanswered for sha256 in batch)
    # A document that Raydocs failed to read may be tried again, where that is wanted.
    excused = {made.sha256 for made in evidence.made if made.number is None} if scenario.retry_failed else set()
    if again := {sha256 for sha256, times in recorded.items() if times > 1} - excused:
        yield f"{len(again)} document(s) were submitted again though their sessions were recorded"
    if untraced := {sha256 for sha256, times in paid.items() if times > recorded[sha256] + unanswered[sha256]}:
        yield f"{len(untraced)} document(s) were paid for without a trace in the ledger"
    twice = {sha256 for sha256, times in paid.items() if times > 1} - excused
    if twice and scenario.on_ambiguous_submit == "fail":
        yield f"{len(twice)} document(s) were paid for twice"
    if len(ledger.unanswered) > evidence.windows:
        yield f"{len(ledger.unanswered)} ambiguous batches for {evidence.windows} cut off paid requests"
    session_ids = [session_id for _, session_ids in ledger.recorded for session_id in session_ids]
    if len(session_ids) != len(set(session_ids)):
        yield "a session is recorded twice"


def _check_manifest(evidence: Evidence) -> Iterator[str]:
    scenario = evidence.scenario
    written = evidence.home.read("extraction")
    counts = dict(written["counts"])
    total = counts.pop("total")
    given = scenario.readable + scenario.corrupt + scenario.twins
    if total != given or sum(counts.values()) != total:
        yield f"the manifest counts {counts} of {total} for {given} documents"
    if counts["submitted"] or counts["uploaded"]:
        yield f"the manifest leaves documents unfinished: {counts}"
    documents = _documents(evidence, written)
    if len(documents) != given or len({document["uri"] for document in documents}) != given:
        yield "the manifest's list of documents is not the list of files"
    ambiguous = {document["sha256"] for document in documents if document.get("code") == "ambiguous_submit"}
    submitted = {sha256 for batch, _ in evidence.ledger.recorded for sha256 in batch}
    unknown = {sha256 for batch in evidence.ledger.unanswered for sha256 in batch} - submitted
    expected = unknown if scenario.on_ambiguous_submit == "fail" else set()
    if ambiguous != expected:
        yield f"{len(ambiguous)} document(s) are reported as ambiguous, {len(expected)} are"
    if len(ambiguous) > MOST_PER_BATCH * evidence.windows:
        yield f"{len(ambiguous)} ambiguous document(s) for {evidence.windows} cut off paid requests"


def _documents(evidence: Evidence, written: dict[str, Any]) -> list[dict[str, Any]]:
    if "documents" in written:
        return list(written["documents"])
    lines = (evidence.home.results / written["documents_file"]).read_text().splitlines()
    return [json.loads(line) for line in lines]


def _check_warehouse(evidence: Evidence) -> Iterator[str]:
    made = {each.sha256: each for each in evidence.made}
    documents = _documents(evidence, evidence.home.read("extraction"))
    never_arrived = {each["sha256"] for each in documents if each.get("code") in ("ambiguous_submit", "upload_failed")}
    expected = {
        each.sha256: (each.number, each.lines)
        for each in evidence.made
        if each.number is not None and each.sha256 not in never_arrived
    }
    rows = query(
        evidence,
        "SELECT d._document_sha256, d.invoice__invoice_number,"
        " (SELECT count(*) FROM invoices__lines__items i WHERE i._document_key = d._document_key) FROM invoices d",
    )
    landed = {sha256: (number, lines) for sha256, number, lines in rows}
    if len(landed) != len(rows):
        yield f"{len(rows) - len(landed)} document(s) landed more than once"
    if missing := expected.keys() - landed.keys():
        yield f"{len(missing)} document(s) are lost"
    if unexpected := landed.keys() - expected.keys():
        yield f"{len(unexpected)} document(s) landed that should not have"
    if mixed := [sha256 for sha256 in expected.keys() & landed.keys() if expected[sha256] != landed[sha256]]:
        yield f"{len(mixed)} document(s) landed with the values of another one"
    states = query(evidence, "SELECT _document_sha256, state, code FROM invoices__documents")
    if sorted(sha256 for sha256, _, _ in states) != sorted(made):
        yield f"the ledger table holds {len(states)} documents instead of {len(made)}"
    failed = {sha256 for sha256, state, _ in states if state == "failed"}
    if failed != made.keys() - expected.keys():
        yield f"the ledger table holds {len(failed)} failed documents instead of {len(made) - len(expected)}"


def query(evidence: Evidence, sql: str) -> list[tuple[Any, ...]]:
    """Ask the warehouse."""
    if evidence.scenario.warehouse == "sqlite":
        database: Any = sqlite3.connect(evidence.home.warehouse)
    else:
        import duckdb

        database = duckdb.connect(str(evidence.home.warehouse), read_only=True)
    try:
        return [tuple(row) for row in database.execute(sql).fetchall()]
    finally:
        database.close()


def dump(evidence: Evidence) -> dict[str, list[tuple[Any, ...]]]:
    """What the tables hold, but for the time and the try of the load."""
    columns = {
        "invoices": "_document_key, _session_id, _result_id, invoice__invoice_number, invoice__total",
        "invoices__lines__items": "_document_key, description, quantity",
        "invoices__documents": "_document_key, state, code, _session_id",
    }
    return {
        table: sorted(query(evidence, f"SELECT {names} FROM {table}"), key=repr) for table, names in columns.items()
    }


def _check_files(evidence: Evidence) -> Iterator[str]:
    partial = [path for path in evidence.home.folder.rglob("*.partial") if path.is_file()]
    if partial:
        yield f"{len(partial)} partial file(s) are left"
