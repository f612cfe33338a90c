"""
What one task tells the next: which documents there are and how far each one got.

A manifest is small, versioned and adds up. It travels through XCom, trigger rows and event payloads, so it holds ids,
URIs and counts, never documents, results or signed URLs. The list of documents is part of it while it is short; with a
``results_path`` it lies there as a file, and the manifest only names it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from raydocs_provider.exceptions import RaydocsManifestError

SCHEMA_VERSION = 1

FOUND = "found"  # only within a task: by the time a manifest is written, a document is further or has failed
UPLOADED = "uploaded"
SUBMITTED = "submitted"
EXTRACTED = "extracted"
SKIPPED = "skipped"
FAILED = "failed"
STATES = (UPLOADED, SUBMITTED, EXTRACTED, SKIPPED, FAILED)

# Without a results_path the documents travel inside the manifest, about 300 bytes each.
MAX_INLINE_DOCUMENTS = 100
MAX_LISTED_FAILURES = 20
MAX_LISTED_BYTES = 8_000  # as XCom stores them: a letter beyond ASCII takes six bytes
_MAX_TEXT = 200


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """
    One document on its way.

    :param uri: where the file lies.
    :param state: ``uploaded``, ``submitted``, ``extracted``, ``skipped`` (landed before) or ``failed``.
    :param sha256: of the bytes that were uploaded; None if they never were.
    :param key: upload key, needed until the session exists.
    :param session_id: the paid session.
    :param submitted_at: when the session was paid for, in epoch seconds.
    :param result_id: the run that was read, once extracted.
    :param seconds: how long its session took, by the server's clock where that says.
    :param min_confidence: the lowest confidence of its values; None where Raydocs gives none.
    :param stage: for a failed document, the step that failed: ``input``, ``upload``, ``submit``, ``parsing``,
        ``extraction`` or ``waiting``.
    :param code: for a failed document, a fixed word for what happened.
    :param reason: for a failed document, a sentence a person reads.
    """

    uri: str
    state: str
    sha256: str | None = None
    size: int | None = None
    key: str | None = None
    session_id: str | None = None
    submitted_at: float | None = None
    result_id: str | None = None
    seconds: float | None = None
    min_confidence: float | None = None
    stage: str | None = None
    code: str | None = None
    reason: str | None = None

    @property
    def name(self) -> str:
        """The file's name."""
        return self.uri.rstrip("/").rsplit("/", 1)[-1]

    def fail(self, stage: str, code: str, reason: str) -> DocumentRecord:
        """The same document, failed at this step."""
        return replace(self, state=FAILED, stage=stage, code=code, reason=reason[:_MAX_TEXT])


_RECORD_FIELDS = frozenset(spec.name for spec in fields(DocumentRecord))


@dataclass(frozen=True, slots=True)
class Manifest:
    """
    The documents of one task and what they have in common.

    :param template_hash: content hash of the template at the time of submission, the version the results belong to.
    :param conn_id: the Raydocs connection that owns the sessions.
    :param results_path: where results are spooled; None if each is fetched when it is landed.
    :param submitted_at: when the first batch was submitted, in epoch seconds.
    """

    documents: Sequence[DocumentRecord]
    conn_id: str
    template_id: str | None = None
    template_hash: str | None = None
    results_path: str | None = None
    submitted_at: float | None = None
    states: Counter[str] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "states", Counter(record.state for record in self.documents))
        unknown = set(self.states) - set(STATES)
        if unknown:
            raise RaydocsManifestError(f"Unknown states of documents, {sorted(unknown)}: made by a newer version?")

    def in_state(self, state: str) -> list[DocumentRecord]:
        """The documents in this state, in order."""
        return [record for record in self.documents if record.state == state]

    @property
    def failure_ratio(self) -> float:
        """Failed documents over all that were not skipped; 0 if there are none."""
        tried = len(self.documents) - self.states[SKIPPED]
        return self.states[FAILED] / tried if tried else 0.0

    def summarize(self) -> str:
        """Counts for a log line, in the order of the way, such as ``14 extracted, 1 failed``."""
        counts = [f"{self.states[state]} {state}" for state in reversed(STATES) if self.states[state]]
        return ", ".join(sorted(counts, key=lambda text: text.endswith(FAILED))) or "no documents"


def documents_file(documents: Sequence[DocumentRecord]) -> tuple[str, bytes]:
    """
    Name and content of the file that lists the documents, one JSON object a line.

    The name is derived from the content: mapped tasks may share a folder, and writing the same list twice is harmless.
    """
    lines = [
        json.dumps({name: value for name, value in asdict(record).items() if value is not None}, ensure_ascii=False)
        for record in documents
    ]
    content = ("\n".join(lines) + "\n").encode("utf-8", "surrogatepass")
    return f"_documents-{hashlib.sha256(content).hexdigest()[:16]}.ndjson", content


def parse_documents_file(content: bytes) -> list[DocumentRecord]:
    """Read what :func:`documents_file` wrote."""
    return [read_record(json.loads(line)) for line in content.splitlines() if line.strip()]


def read_record(row: Mapping[str, Any]) -> DocumentRecord:
    """Read one record, ignoring keys of newer versions."""
    if not (isinstance(row, Mapping) and isinstance(row.get("uri"), str) and isinstance(row.get("state"), str)):
        raise RaydocsManifestError(
            "A document of the manifest has no uri or no state: it was not written by this package."
        )
    return DocumentRecord(**{name: value for name, value in row.items() if name in _RECORD_FIELDS})


def write_manifest(manifest: Manifest, documents_name: str | None = None) -> dict[str, Any]:
    """
    The manifest as a small JSON object.

    :param documents_name: file under ``results_path`` that lists the documents; None puts them inside.
    :raises RaydocsManifestError: for more documents than fit inside.
    """
    if documents_name is None and len(manifest.documents) > MAX_INLINE_DOCUMENTS:
        raise RaydocsManifestError(
            f"{len(manifest.documents)} documents are too many to travel without a results_path "
            f"(at most {MAX_INLINE_DOCUMENTS}). Set results_path, or map the task over smaller lists."
        )
    failed = manifest.in_state(FAILED)
    listed = _list_failures(failed)
    written: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "conn_id": manifest.conn_id,
        "template_id": manifest.template_id,
        "template_hash": manifest.template_hash,
        "results_path": manifest.results_path,
        "submitted_at": manifest.submitted_at,
        "counts": {"total": len(manifest.documents)} | {state: manifest.states[state] for state in STATES},
        "failures": listed,
        "failures_not_listed": len(failed) - len(listed),
    }
    if documents_name is None:
        written["documents"] = [
            {name: value for name, value in asdict(record).items() if value is not None}
            for record in manifest.documents
        ]
    else:
        written["documents_file"] = documents_name
    return written


def _list_failures(failed: Sequence[DocumentRecord]) -> list[dict[str, str | None]]:
    listed: list[dict[str, str | None]] = []
    for record in failed[:MAX_LISTED_FAILURES]:
        listed.append(
            {
                "document": record.uri[-_MAX_TEXT:],
                "stage": record.stage,
                "code": record.code,
                "reason": record.reason,
            }
        )
        if len(json.dumps(listed)) > MAX_LISTED_BYTES:
            return listed[:-1]
    return listed


def check_manifest(value: object) -> Mapping[str, Any]:
    """
    Check that a value is a manifest this version understands.

    :raises RaydocsManifestError: saying what it is instead.
    """
    if not isinstance(value, Mapping) or "schema_version" not in value or "counts" not in value:
        if value is None:
            raise RaydocsManifestError(
                "The upstream Raydocs task left no manifest: it was skipped, failed before it had one, or was killed. "
                "There is nothing to go on with before it has run: see its log, and retry or clear it first."
            )
        several = isinstance(value, Sequence) and not isinstance(value, str)
        advice = " Map this task over it with .expand()." if several else ""
        raise RaydocsManifestError(
            f"Expected the manifest of an upstream Raydocs task (its .output), got a {type(value).__name__}.{advice}"
        )
    if value["schema_version"] != SCHEMA_VERSION:
        raise RaydocsManifestError(
            f"The manifest has version {value['schema_version']}, this package reads version {SCHEMA_VERSION}. "
            "Run both tasks with the same version of airflow-provider-raydocs."
        )
    return value


def read_manifest(value: object, documents: Iterable[DocumentRecord] | None = None) -> Manifest:
    """
    Read what :func:`write_manifest` wrote.

    :param documents: the records of the documents file, where the manifest names one.
    :raises RaydocsManifestError: if it is no manifest, of another version, or its counts do not add up.
    """
    written = check_manifest(value)
    if documents is not None:
        records = list(documents)
    elif isinstance(written.get("documents"), Sequence):
        records = [read_record(row) for row in written["documents"]]
    else:
        raise RaydocsManifestError("The manifest holds no list of documents, and no results_path to read it from.")
    manifest = Manifest(
        documents=tuple(records),
        conn_id=written.get("conn_id") or "raydocs_default",
        template_id=written.get("template_id"),
        template_hash=written.get("template_hash"),
        results_path=written.get("results_path"),
        submitted_at=written.get("submitted_at"),
    )
    counted = {"total": len(records)} | {state: manifest.states[state] for state in STATES}
    if counted != written["counts"]:
        raise RaydocsManifestError(f"The manifest does not add up: it says {written['counts']}, it holds {counted}.")
    return manifest


def match_sessions(
    documents: Sequence[DocumentRecord], sha256_by_session: Mapping[str, str | None]
) -> list[DocumentRecord]:
    """
    Give each session to the document it really holds.

    Batch create answers in an order that is not promised, and names no file. Where a session's document has told its
    sha256, that decides; where it has not (old servers), the order of the answer stands. Only submitted documents take
    part: the others have their session for good. Identical documents may share one.

    :param sha256_by_session: what the sessions looked at so far have told; may miss some.
    """
    wanted = {
        record.session_id: record.sha256 for record in documents if record.state == SUBMITTED and record.session_id
    }
    told: dict[str, deque[str]] = {}
    for session_id in wanted:
        if sha256 := sha256_by_session.get(session_id):
            told.setdefault(sha256, deque()).append(session_id)
    held = {session_id: told[sha256].popleft() for session_id, sha256 in wanted.items() if sha256 and told.get(sha256)}
    claimed = set(held.values())
    left = (session_id for session_id in wanted if session_id not in claimed)
    held |= {session_id: next(left) for session_id in wanted if session_id not in held}
    return [
        replace(record, session_id=held[record.session_id])
        if record.state == SUBMITTED and record.session_id
        else record
        for record in documents
    ]


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    How a session ended.

    :param state: ``extracted`` or ``failed``.
    :param result_id: the run that was read.
    :param document_sha256: what the session says it holds; None on old servers.
    :param seconds: how long the session took.
    :param min_confidence: the lowest confidence of the values; None where there is none.
    """

    state: str
    result_id: str | None = None
    document_sha256: str | None = None
    stage: str | None = None
    code: str | None = None
    reason: str | None = None
    seconds: float | None = None
    min_confidence: float | None = None


def apply_outcomes(manifest: Manifest, outcomes: Mapping[str, Outcome]) -> Manifest:
    """
    Advance the submitted documents whose sessions have ended; the others stay submitted.

    :param outcomes: by session id.
    """
    matched = match_sessions(
        manifest.documents, {session_id: outcome.document_sha256 for session_id, outcome in outcomes.items()}
    )
    advanced = []
    for record in matched:
        outcome = outcomes.get(record.session_id or "")
        if outcome is None or record.state != SUBMITTED:
            advanced.append(record)
            continue
        record = replace(record, seconds=_rounded(outcome.seconds, 1))
        if outcome.state == EXTRACTED:
            confidence = _rounded(outcome.min_confidence, 4)
            advanced.append(replace(record, state=EXTRACTED, result_id=outcome.result_id, min_confidence=confidence))
        else:
            advanced.append(record.fail(outcome.stage or "", outcome.code or "", outcome.reason or ""))
    return replace(manifest, documents=tuple(advanced))


def _rounded(number: float | None, digits: int) -> float | None:
    """As a float of few digits: numbers of a file are decimals, which JSON has no form for."""
    return None if number is None else round(float(number), digits)
