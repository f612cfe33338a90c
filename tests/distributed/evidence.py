"""What a run of the mapped Dag left behind, and what of it is not as it has to be. Judged without I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

AMBIGUOUS = "ambiguous_submit"


@dataclass(frozen=True)
class Evidence:
    """
    A finished run.

    :param documents: how many went in.
    :param state: of the Dag run.
    :param paid: content (sha256) by session, for every session that the emulator created.
    :param manifests: what each mapped extraction returned.
    :param landed: content of each row of the main table.
    :param ledger: content, state and code of each row of ``<table>__documents``.
    :param unanswered: how many documents stand in intents that no answer followed.
    """

    documents: int
    state: str
    paid: Mapping[str, str]
    manifests: Sequence[Mapping[str, Any]]
    landed: Sequence[str]
    ledger: Sequence[tuple[str, str, str | None]]
    unanswered: int = 0


def shortfalls(found: Evidence) -> Iterator[str]:
    """
    Sentences about what does not hold: each document paid for once, one row for each, counts that add up.

    Documents whose batch was cut off between the request and its answer are failures with the code that says so: paid
    for once at most, and without a row.
    """
    if found.state != "success":
        yield f"the Dag run ended as {found.state}"
    contents = Counter(found.paid.values())
    if twice := sum(times > 1 for times in contents.values()):
        yield f"{twice} document(s) were paid for more than once"
    if len(contents) != found.documents:
        yield f"{len(contents)} of {found.documents} documents were paid for"
    counts = Counter[str]()
    for manifest in found.manifests:
        given = dict(manifest["counts"])
        if sum(given.values()) != 2 * given["total"]:
            yield f"the counts of a manifest do not add up: {given}"
        counts.update(given)
    good = found.documents - found.unanswered
    if (counts["total"], counts["extracted"], counts["failed"]) != (found.documents, good, found.unanswered):
        yield f"the manifests count {dict(counts)}, expected {good} extracted and {found.unanswered} failed"
    rows = Counter(found.landed)
    if doubled := sum(times > 1 for times in rows.values()):
        yield f"{doubled} document(s) have more than one row"
    if len(rows) != good:
        yield f"{len(rows)} documents have a row, {good} should"
    if rows.keys() - contents.keys():
        yield "rows landed of documents that were not paid for"
    states = {sha256: (state, code) for sha256, state, code in found.ledger}
    if len(states) != len(found.ledger) or len(states) != found.documents:
        yield f"the documents table has {len(found.ledger)} rows for {found.documents} documents"
    failed = Counter(code for state, code in states.values() if state == "failed")
    if failed != Counter({AMBIGUOUS: found.unanswered} if found.unanswered else {}):
        yield f"{dict(failed)} failed, {found.unanswered} should, as {AMBIGUOUS}"
