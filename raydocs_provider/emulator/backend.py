"""
Everything a request handler works with, and the look at things as they stand at a moment.

A look joins what the store remembers with :mod:`lifecycle`, and asks for the work that turns out to be missing.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raydocs_provider.emulator.lifecycle import (
    DocumentProgress,
    DocumentStage,
    Outcome,
    RunProgress,
    RunStage,
    SessionStage,
    document_progress,
    run_progress,
    session_stage,
)
from raydocs_provider.emulator.options import Behaviour, EmulatorOptions, fraction
from raydocs_provider.emulator.processing import Processing
from raydocs_provider.emulator.records import Document, Extracted, Run, Session, Template, Upload
from raydocs_provider.emulator.storage import Blobs, Signer
from raydocs_provider.emulator.store import Store


@dataclass(frozen=True, slots=True)
class DocumentView:
    """A document and how far it is."""

    document: Document
    progress: DocumentProgress


@dataclass(frozen=True, slots=True)
class RunView:
    """A run, how far it is, what it is over and, once it is completed, what was found."""

    run: Run
    progress: RunProgress
    documents: Sequence[Document]
    found: Extracted | None = None
    error: str | None = None

    def visible(self, behaviour: Behaviour) -> bool:
        """
        Whether a client gets to see the run at all.

        A run that was shown while its documents were parsed does not vanish when that fails.
        """
        match self.progress.stage:
            case RunStage.DEFERRED:
                return behaviour.runs_while_parsing != "hidden"
            case RunStage.UNPARSED:
                return behaviour.runs_while_parsing != "hidden" or behaviour.failed_run_without_parse
            case _:
                return True

    @property
    def completed(self) -> bool:
        """Whether there are values."""
        return self.progress.stage is RunStage.COMPLETED


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session with its documents and the runs a client may see, and its own status."""

    session: Session
    documents: Sequence[DocumentView]
    runs: Sequence[RunView]
    stage: SessionStage


class Backend:
    """
    One emulator's state and rules, without HTTP.

    :param options: what it was told.
    :param clock: seconds since the epoch; tests pass their own.
    """

    def __init__(self, options: EmulatorOptions, clock: Callable[[], float] = time.time) -> None:
        self.options = options
        self.behaviour = options.behaviour
        self.clock = clock
        self.store = Store(options.state)
        self.blobs = Blobs(options.state.with_name(options.state.name + ".uploads") if options.state else None)
        self.signer = Signer(self.store.secret())
        self.processing = Processing(self.store, self.blobs, clock)
        chosen = secrets.token_hex(8) if options.seed is None else str(options.seed)
        self._draws = self.store.remembered("draws", chosen)

    def close(self) -> None:
        """Stop the reading thread and let go of the files."""
        self.processing.close()
        self.store.close()
        self.blobs.close()

    def new_id(self) -> str:
        """A UUID nobody has."""
        return self.store.new_id(self.options.seed)

    # --- looking

    def look_at_document(self, document: Document) -> DocumentView:
        """How far a document is now."""
        if document.parse_started_at is not None and document.reading is None:
            self.processing.ask_reading(document.sha256)
        seconds = self.options.parse_seconds.draw(self._draws, document.id)
        return DocumentView(
            document, document_progress(document.parse_started_at, seconds, document.reading, self.clock())
        )

    def look_at_run(self, run: Run) -> RunView:
        """How far a run is now."""
        documents = self.store.documents_of_run(run.id)
        views = [self.look_at_document(document) for document in documents]
        readable = [view.document for view in views if view.progress.stage is DocumentStage.PARSED]
        found = [self._extraction(document, run) for document in readable]
        done = [extracted for extracted in found if extracted is not None]
        outcome = self._outcome(documents, done) if len(done) == len(found) else None
        seconds = self.options.extract_seconds.draw(self._draws, run.id)
        progress = run_progress(run.requested_at, [view.progress for view in views], seconds, outcome, self.clock())
        match progress.stage:
            case RunStage.COMPLETED:
                return RunView(run, progress, documents, found=merged([one for one in done if not one.error]))
            case RunStage.FAILED:
                return RunView(run, progress, documents, error=outcome.error if outcome else None)
            case RunStage.UNPARSED:
                reasons = ", ".join(sorted({document.read_error or "unknown" for document in documents}))
                return RunView(run, progress, documents, error=f"No document could be parsed: {reasons}.")
            case _:
                return RunView(run, progress, documents)

    def look_at_session(self, session: Session) -> SessionView:
        """How far a session, its documents and its runs are now."""
        documents = [self.look_at_document(each) for each in self.store.documents_of_session(session.id)]
        runs = [self.look_at_run(run) for run in self.store.runs_of_session(session.id)]
        stage = session_stage([view.progress for view in documents], [view.progress for view in runs])
        return SessionView(session, documents, [view for view in runs if view.visible(self.behaviour)], stage)

    def _extraction(self, document: Document, run: Run) -> Extracted | None:
        found = self.store.extraction(document.sha256, run.config_hash)
        if found is None:
            self.processing.ask_extraction(document.sha256, run.config_hash)
        return found

    def _outcome(self, documents: Sequence[Document], done: Sequence[Extracted]) -> Outcome | None:
        if not done:
            return None
        error = done[0].error if all(extracted.error for extracted in done) else None
        if fraction(self._draws, "fails", *(document.sha256 for document in documents)) < self.options.failure_rate:
            error = "The extraction failed."
        return Outcome(max(extracted.done_at for extracted in done), error)

    # --- creating

    def add_document(
        self,
        workspace: int,
        upload: Upload,
        *,
        filename: str | None = None,
        mime: str | None = None,
        session_id: str | None = None,
        source_url: str | None = None,
    ) -> tuple[Document, bool]:
        """
        A document over uploaded bytes, and whether it is one the workspace had already (with the switch ``dedup``).

        :param filename: default the last part of the key; a batch of keys names no files.
        """
        assert upload.sha256 is not None
        assert upload.size is not None
        if self.behaviour.dedup and (twin := self.store.twin(workspace, upload.sha256)):
            return twin, True
        document = Document(
            id=self.new_id(),
            workspace=workspace,
            session_id=session_id,
            filename=filename or upload.key.rpartition("/")[2],
            mime=mime or upload.content_type,
            size=upload.size,
            sha256=upload.sha256,
            source_type="url" if source_url else "upload",
            source_url=source_url,
            created_at=self.clock(),
            parse_started_at=None,
        )
        self.store.add(document)
        return document, False

    def add_session(self, template: Template, name: str | None, settings: Mapping[str, Any]) -> Session:
        """An empty session."""
        now = self.clock()
        session = Session(self.new_id(), template.id, template.workspace, name, settings, now, now)
        self.store.add(session)
        return session

    def attach(self, session: Session, documents: Sequence[Document]) -> None:
        """Put documents into a session and have them read."""
        self.store.attach(session.id, documents, self.clock())
        for document in documents:
            self.processing.ask_reading(document.sha256)

    def start_run(self, session: Session, template: Template) -> Run:
        """Start a run over what is attached now, with the template as it is now."""
        run = Run(self.new_id(), session.id, config_hash(template), self.clock())
        documents = self.store.documents_of_session(session.id)
        self.store.start_run(run, [document.id for document in documents], template.schema_json)
        # Begun now and not at the first look: a client that looks late must find it done, as it would at Raydocs.
        for document in documents:
            self.processing.ask_extraction(document.sha256, run.config_hash)
        return run


def config_hash(template: Template) -> str:
    """Names the configuration that a run uses: the same schema and settings, the same name."""
    content = json.dumps([template.schema_json, template.settings], sort_keys=True)
    return "cfg_" + hashlib.sha256(content.encode()).hexdigest()[:16]


def merged(found: Sequence[Extracted]) -> Extracted:
    """
    What several documents of one run say together: for each field the first document that has a value for it.

    :param found: at least one; in the order in which the documents were attached.
    """
    first, *others = found
    data = {group: dict(values) for group, values in first.data.items()}
    reasoning = {group: dict(values) for group, values in first.reasoning.items()}
    audit_data = {group: dict(values) for group, values in first.audit_data.items()}
    for other in others:
        for group, values in other.data.items():
            for name, value in values.items():
                if data[group].get(name) in (None, [], {}) and value not in (None, [], {}):
                    data[group][name] = value
                    for target, source in ((reasoning, other.reasoning), (audit_data, other.audit_data)):
                        if name in source.get(group, {}):
                            target.setdefault(group, {})[name] = source[group][name]
    title = next((extracted.title for extracted in found if extracted.title), None)
    return Extracted(
        first.sha256, first.config_hash, data, reasoning, audit_data, title, None, max(e.done_at for e in found)
    )
