"""
What Raydocs calls things, as frozen dataclasses, and what its statuses mean.

Two generations of the API are read into the same shape. Statuses are open sets: a word not listed here means "not
finished", never success and never failure. Unknown keys are ignored; every key but the id may be missing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

JSON = Any

RESULT_COMPLETED = "completed"
FAILED = "failed"
# A session may also say `completed`, but nothing defines how that follows from its runs: only a run's word counts.
RESULT_STATUSES = frozenset({"created", "parsing_pending", "pending", "processing", RESULT_COMPLETED, FAILED})
DOCUMENT_STATUSES = frozenset(
    {"uploaded", "queued", "parsing", "parsed", "processed", "ready", "processing", "pending", FAILED}
)
PARSING_STATUSES = frozenset({"queued", "pending", "parsing", "processing", "parsed", "processed", "ready", FAILED})
SESSION_STATUSES = frozenset({"pending", "processing", RESULT_COMPLETED, FAILED})


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace; ``id`` is kept as text because the API's pages show both numbers and UUIDs."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Template:
    """An extraction template: what to read from a document (``schema_json``) and how to parse it (``settings``)."""

    id: str
    name: str
    workspace_id: str | None = None
    description: str | None = None
    schema_json: Mapping[str, JSON] = field(default_factory=dict)
    settings: Mapping[str, JSON] = field(default_factory=dict)

    @property
    def content_hash(self) -> str:
        """SHA-256 over schema and settings. Raydocs has no template versions, so this is the version."""
        content = {"schema_json": self.schema_json, "settings": self.settings or {}}
        # Numbers of an answer are decimals, those of a schema file are floats: both are the same version.
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=float)
        return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Parsing:
    """One way a document was turned into chunks; a document can carry several."""

    status: str | None


@dataclass(frozen=True, slots=True)
class Document:
    """A document as Raydocs sees it. ``sha256`` is None on servers of the old generation."""

    id: str
    filename: str | None = None
    status: str | None = None
    sha256: str | None = None
    parsings: tuple[Parsing, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """
    One extraction run of a session.

    ``data`` is group -> field -> value, or None where the answer was a summary. ``audit`` is group -> field -> what
    the server said about the value, from ``audit_data`` (reasoning, sources) and the older ``reasoning``
    (reasoning, confidence), merged key by key and otherwise untouched.
    """

    id: str
    session_id: str | None = None
    status: str | None = None
    data: Mapping[str, JSON] | None = None
    audit: Mapping[str, JSON] = field(default_factory=dict)
    title: str | None = None
    error: str | None = None
    config_hash: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    completed_at: str | None = None

    @property
    def finished(self) -> bool:
        """Completed or failed; anything else, known or not, is still going on."""
        return self.status in (RESULT_COMPLETED, FAILED)


@dataclass(frozen=True, slots=True)
class Session:
    """A session with its documents and runs, as ``GET /extractions/sessions/{id}`` gives it."""

    id: str
    name: str | None = None
    template_id: str | None = None
    status: str | None = None
    created_at: str | None = None
    documents: Sequence[Document] = ()
    results: Sequence[Result] = ()


@dataclass(frozen=True, slots=True)
class SignedUpload:
    """Where to PUT one file, good for about five minutes. The URL is a secret: it never reaches a log or XCom."""

    key: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
