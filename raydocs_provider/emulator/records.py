"""What the emulator remembers, one dataclass per table. Times are seconds since the epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raydocs_provider.emulator.lifecycle import Outcome

JSON = Any


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace and the user it belongs to. It has a number and a UUID; a switch decides which one clients see."""

    number: int
    uuid: str
    owner: str
    name: str
    icon: str | None
    settings: Mapping[str, JSON]
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class Template:
    """An extraction template."""

    id: str
    workspace: int
    name: str
    description: str | None
    schema_json: Mapping[str, JSON]
    settings: Mapping[str, JSON]
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class Upload:
    """A key that was signed; ``sha256`` and ``size`` are set once the bytes have come."""

    key: str
    owner: str
    content_type: str
    signed_at: float
    sha256: str | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """
    A document of a workspace, with what is known from reading its file.

    ``parse_started_at`` is None until a session uses it. ``session_id`` is the session it was uploaded to, if any.
    """

    id: str
    workspace: int
    session_id: str | None
    filename: str
    mime: str
    size: int
    sha256: str
    source_type: str
    source_url: str | None
    created_at: float
    parse_started_at: float | None
    page_count: int | None = None
    read_error: str | None = None
    read_at: float | None = None

    @property
    def reading(self) -> Outcome | None:
        """The outcome of reading the file; None while it has not been read."""
        return None if self.read_at is None else Outcome(self.read_at, self.read_error)


@dataclass(frozen=True, slots=True)
class Session:
    """An extraction session. ``name`` is None until one is given or the document's name takes its place."""

    id: str
    template_id: str
    workspace: int
    name: str | None
    settings: Mapping[str, JSON]
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class Run:
    """One extraction over the documents that were attached, and the schema that was current, when it was asked for."""

    id: str
    session_id: str
    config_hash: str
    requested_at: float


@dataclass(frozen=True, slots=True)
class Reading:
    """The text of a file: per page its lines. ``error`` says why there is none."""

    sha256: str
    pages: Sequence[Sequence[str]]
    page_count: int
    error: str | None
    read_at: float


@dataclass(frozen=True, slots=True)
class Extracted:
    """What one schema found in one file. ``error`` says why nothing could be extracted."""

    sha256: str
    config_hash: str
    data: Mapping[str, JSON]
    reasoning: Mapping[str, JSON]
    audit_data: Mapping[str, JSON]
    title: str | None
    error: str | None
    done_at: float
