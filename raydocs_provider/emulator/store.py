"""
The emulator's memory: SQLite, in a file or in memory.

One connection behind a lock serves the event loop and the reading thread. Every statement is a look-up by index and
takes microseconds, so the loop is not held up.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from raydocs_provider.emulator.records import (
    Document,
    Extracted,
    Reading,
    Run,
    Session,
    Template,
    Upload,
    Workspace,
)

Record = TypeVar("Record", Workspace, Template, Upload, Document, Session, Run, Reading, Extracted)

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS workspaces (
    number INTEGER PRIMARY KEY AUTOINCREMENT, uuid TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, name TEXT NOT NULL,
    icon TEXT, settings RAYDOCS_JSON NOT NULL, created_at REAL NOT NULL, updated_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS templates (
    id TEXT PRIMARY KEY, workspace INTEGER NOT NULL REFERENCES workspaces ON DELETE CASCADE, name TEXT NOT NULL,
    description TEXT, schema_json RAYDOCS_JSON NOT NULL, settings RAYDOCS_JSON NOT NULL, created_at REAL NOT NULL,
    updated_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS templates_of_workspace ON templates (workspace);
CREATE TABLE IF NOT EXISTS uploads (
    key TEXT PRIMARY KEY, owner TEXT NOT NULL, content_type TEXT NOT NULL, signed_at REAL NOT NULL, sha256 TEXT,
    size INTEGER);
CREATE TABLE IF NOT EXISTS documents (
    id TEXT PRIMARY KEY, workspace INTEGER NOT NULL REFERENCES workspaces ON DELETE CASCADE, session_id TEXT,
    filename TEXT NOT NULL, mime TEXT NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL,
    source_type TEXT NOT NULL, source_url TEXT, created_at REAL NOT NULL, parse_started_at REAL);
CREATE INDEX IF NOT EXISTS documents_of_workspace ON documents (workspace, sha256);
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY, template_id TEXT NOT NULL REFERENCES templates ON DELETE CASCADE,
    workspace INTEGER NOT NULL, name TEXT, settings RAYDOCS_JSON NOT NULL, created_at REAL NOT NULL,
    updated_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS sessions_of_template ON sessions (template_id);
CREATE TABLE IF NOT EXISTS attachments (
    position INTEGER PRIMARY KEY, session_id TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE,
    document_id TEXT NOT NULL REFERENCES documents ON DELETE CASCADE, UNIQUE (session_id, document_id));
CREATE INDEX IF NOT EXISTS attachments_of_document ON attachments (document_id);
CREATE TABLE IF NOT EXISTS configs (hash TEXT PRIMARY KEY, schema_json RAYDOCS_JSON NOT NULL);
CREATE TABLE IF NOT EXISTS runs (
    position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
    session_id TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE, config_hash TEXT NOT NULL,
    requested_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS runs_of_session ON runs (session_id);
CREATE TABLE IF NOT EXISTS run_documents (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE, document_id TEXT NOT NULL,
    PRIMARY KEY (run_id, document_id));
CREATE INDEX IF NOT EXISTS runs_of_document ON run_documents (document_id);
CREATE TABLE IF NOT EXISTS readings (
    sha256 TEXT PRIMARY KEY, pages RAYDOCS_JSON NOT NULL, page_count INTEGER NOT NULL, error TEXT,
    read_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS extractions (
    sha256 TEXT NOT NULL, config_hash TEXT NOT NULL, data RAYDOCS_JSON NOT NULL, reasoning RAYDOCS_JSON NOT NULL,
    audit_data RAYDOCS_JSON NOT NULL, title TEXT, error TEXT, done_at REAL NOT NULL,
    PRIMARY KEY (sha256, config_hash));
"""

_NAMES: dict[type, str] = {
    Workspace: "workspaces",
    Template: "templates",
    Upload: "uploads",
    Document: "documents",
    Session: "sessions",
    Run: "runs",
    Reading: "readings",
    Extracted: "extractions",
}
# The fields of a Document that come from the reading of its file rather than from its own row.
_READ_FIELDS = frozenset({"page_count", "read_error", "read_at"})
_DOCUMENTS = """
SELECT d.*, r.page_count, r.error, r.read_at FROM documents d LEFT JOIN readings r ON r.sha256 = d.sha256
"""

sqlite3.register_converter("RAYDOCS_JSON", json.loads)


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, (dict, list, tuple)) else value


class Store:
    """
    Keeps the records.

    :param path: SQLite file; None keeps everything in memory.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(
            path or ":memory:",
            isolation_level=None,
            check_same_thread=False,
            detect_types=sqlite3.PARSE_DECLTYPES,
        )
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_TABLES)

    def close(self) -> None:
        """Close the database; what was written stays."""
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is written, or nothing. Nests: the outermost one counts."""
        with self._lock:
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def clear(self) -> None:
        """Forget everything but the secrets and the id counter."""
        tables = ("workspaces", "uploads", "documents", "configs", "readings", "extractions")
        with self.transaction():
            for table in tables:
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - a name from the line above

    def _rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(sql, parameters).fetchall()

    def _select(self, kind: type[Record], sql: str, *parameters: Any) -> list[Record]:
        return [kind(*row) for row in self._rows(sql, parameters)]

    def _first(self, kind: type[Record], sql: str, *parameters: Any) -> Record | None:
        found = self._select(kind, sql, *parameters)
        return found[0] if found else None

    # --- secrets and ids

    def remembered(self, name: str, value: str) -> str:
        """The value kept under ``name``; ``value`` is kept, and returned, the first time."""
        with self.transaction():
            self._db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, value))
            kept = self._rows("SELECT value FROM meta WHERE name = ?", (name,))
        return str(kept[0][0])

    def new_id(self, seed: int | None) -> str:
        """A UUID nobody has; with a seed the n-th one asked for is always the same."""
        if seed is None:
            return str(uuid.uuid4())
        with self.transaction():
            count = int(self.remembered("ids", "0")) + 1
            self._db.execute("UPDATE meta SET value = ? WHERE name = 'ids'", (str(count),))
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{seed}:{count}"))

    def secret(self) -> bytes:
        """The key that signs URLs; the same after a restart, so that an upload under way can go on."""
        return bytes.fromhex(self.remembered("secret", secrets.token_hex(32)))

    # --- writing

    def add(self, *records: Workspace | Template | Upload | Document | Session | Run | Reading | Extracted) -> None:
        """Insert records; one that is there already (by key) is replaced."""
        with self.transaction():
            for record in records:
                names = [f.name for f in fields(record) if f.name not in _READ_FIELDS or type(record) is not Document]
                self._upsert(_NAMES[type(record)], names, [getattr(record, name) for name in names])

    def _upsert(self, table: str, names: Sequence[str], values: Sequence[Any]) -> None:
        # An upsert and not INSERT OR REPLACE: that deletes the old row first, and with it all that refers to it.
        key = ", ".join(names[:2]) if table == "extractions" else names[0]
        marks = ", ".join("?" * len(names))
        changes = ", ".join(f"{name} = excluded.{name}" for name in names)
        self._db.execute(
            f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks}) ON CONFLICT ({key}) DO UPDATE SET {changes}",  # noqa: S608
            [_plain(value) for value in values],
        )

    def create_workspace(self, uuid: str, owner: str, name: str, icon: str | None, now: float) -> Workspace:
        """A new workspace with the next number; numbers are never given twice."""
        with self.transaction():
            number = self._db.execute(
                "INSERT INTO workspaces (uuid, owner, name, icon, settings, created_at, updated_at)"
                " VALUES (?, ?, ?, ?, '{}', ?, ?)",
                (uuid, owner, name, icon, now, now),
            ).lastrowid
        assert number is not None
        return Workspace(number, uuid, owner, name, icon, {}, now, now)

    def attach(self, session_id: str, documents: Iterable[Document], now: float) -> None:
        """Put documents into a session; parsing begins with the first session that uses them."""
        with self.transaction():
            for document in documents:
                self._db.execute(
                    "INSERT OR IGNORE INTO attachments (session_id, document_id) VALUES (?, ?)",
                    (session_id, document.id),
                )
                self._db.execute(
                    "UPDATE documents SET parse_started_at = ? WHERE id = ? AND parse_started_at IS NULL",
                    (now, document.id),
                )

    def detach(self, session_id: str, document_id: str) -> bool:
        """Take a document out of a session; False if it was not in it."""
        with self.transaction():
            gone = self._db.execute(
                "DELETE FROM attachments WHERE session_id = ? AND document_id = ?", (session_id, document_id)
            )
        return gone.rowcount > 0

    def start_run(self, run: Run, document_ids: Iterable[str], schema_json: Any) -> None:
        """Remember a run with the documents and the schema of this moment."""
        with self.transaction():
            self._db.execute("INSERT OR IGNORE INTO configs VALUES (?, ?)", (run.config_hash, json.dumps(schema_json)))
            self.add(run)
            self._db.executemany(
                "INSERT INTO run_documents VALUES (?, ?)", [(run.id, document_id) for document_id in document_ids]
            )

    # --- deleting

    def delete_workspace(self, number: int) -> None:
        """Delete a workspace and everything in it."""
        self._delete("workspaces", "number", number)

    def delete_template(self, template_id: str) -> None:
        """Delete a template with its sessions, their documents and runs."""
        with self.transaction():
            self.delete_sessions([session.id for session in self.sessions_of_template(template_id)])
            self._delete("templates", "id", template_id)

    def delete_sessions(self, session_ids: Iterable[str]) -> None:
        """
        Delete sessions, their runs, and the documents that no other session uses.

        The API's pages say both that a session's documents go with it and that the library is shared.
        """
        with self.transaction():
            for session_id in session_ids:
                self._db.execute(
                    "DELETE FROM documents WHERE id IN (SELECT document_id FROM attachments WHERE session_id = ?)"
                    " AND id NOT IN (SELECT document_id FROM attachments WHERE session_id <> ?)",
                    (session_id, session_id),
                )
                self._delete("sessions", "id", session_id)

    def delete_document(self, document_id: str) -> None:
        """Delete a document and the runs that read it."""
        with self.transaction():
            self._db.execute(
                "DELETE FROM runs WHERE id IN (SELECT run_id FROM run_documents WHERE document_id = ?)", (document_id,)
            )
            self._delete("documents", "id", document_id)

    def delete_run(self, run_id: str) -> None:
        """Delete one run."""
        self._delete("runs", "id", run_id)

    def _delete(self, table: str, column: str, value: Any) -> None:
        with self.transaction():
            self._db.execute(f"DELETE FROM {table} WHERE {column} = ?", (value,))  # noqa: S608 - names from this file

    # --- looking up; an owner argument restricts to what that user may see

    def workspaces(self, owner: str) -> list[Workspace]:
        """A user's workspaces, oldest first."""
        return self._select(Workspace, "SELECT * FROM workspaces WHERE owner = ? ORDER BY number", owner)

    def workspace(self, owner: str, public_id: str) -> Workspace | None:
        """A workspace by the id a client uses, its number or its UUID."""
        return self._first(
            Workspace,
            "SELECT * FROM workspaces WHERE owner = ? AND (uuid = ? OR CAST(number AS TEXT) = ?)",
            owner,
            public_id,
            public_id,
        )

    def workspace_by_number(self, number: int) -> Workspace:
        """A workspace that is known to exist."""
        return self._select(Workspace, "SELECT * FROM workspaces WHERE number = ?", number)[0]

    def workspace_of_run(self, run_id: str) -> Workspace:
        """The workspace of a run that is known to exist."""
        sql = (
            "SELECT w.* FROM workspaces w JOIN sessions s ON s.workspace = w.number JOIN runs r ON r.session_id = s.id"
        )
        return self._select(Workspace, sql + " WHERE r.id = ?", run_id)[0]

    def templates(self, workspace: int) -> list[Template]:
        """A workspace's templates, oldest first."""
        return self._select(
            Template, "SELECT * FROM templates WHERE workspace = ? ORDER BY created_at, rowid", workspace
        )

    def template(self, owner: str, template_id: str) -> Template | None:
        """A template the user may see."""
        return self._first(Template, self._owned("templates"), template_id, owner)

    def session(self, owner: str, session_id: str) -> Session | None:
        """A session the user may see."""
        return self._first(Session, self._owned("sessions"), session_id, owner)

    def document(self, owner: str, document_id: str) -> Document | None:
        """A document the user may see."""
        sql = _DOCUMENTS + "JOIN workspaces w ON w.number = d.workspace WHERE d.id = ? AND w.owner = ?"
        return self._first(Document, sql, document_id, owner)

    def document_by_id(self, document_id: str) -> Document | None:
        """A document, whoever it belongs to: a signed URL is the permission."""
        return self._first(Document, _DOCUMENTS + "WHERE d.id = ?", document_id)

    def run(self, owner: str, run_id: str) -> Run | None:
        """A run of a session the user may see."""
        sql = """
            SELECT r.id, r.session_id, r.config_hash, r.requested_at FROM runs r
            JOIN sessions s ON s.id = r.session_id JOIN workspaces w ON w.number = s.workspace
            WHERE r.id = ? AND w.owner = ?"""
        return self._first(Run, sql, run_id, owner)

    @staticmethod
    def _owned(table: str) -> str:
        return (
            f"SELECT t.* FROM {table} t JOIN workspaces w ON w.number = t.workspace"  # noqa: S608 - a name from this file
            " WHERE t.id = ? AND w.owner = ?"
        )

    def upload(self, key: str) -> Upload | None:
        """What was signed for a key."""
        return self._first(Upload, "SELECT * FROM uploads WHERE key = ?", key)

    def count_uploads(self) -> int:
        """How many keys were signed so far."""
        return int(self._rows("SELECT coalesce(max(rowid), 0) FROM uploads")[0][0])

    def sessions_of_template(self, template_id: str) -> list[Session]:
        """A template's sessions, oldest first."""
        return self._select(
            Session, "SELECT * FROM sessions WHERE template_id = ? ORDER BY created_at, rowid", template_id
        )

    def documents_of_session(self, session_id: str) -> list[Document]:
        """The documents attached to a session, in the order they were."""
        sql = _DOCUMENTS + "JOIN attachments a ON a.document_id = d.id WHERE a.session_id = ? ORDER BY a.position"
        return self._select(Document, sql, session_id)

    def documents_of_run(self, run_id: str) -> list[Document]:
        """The documents a run is over."""
        sql = _DOCUMENTS + "JOIN run_documents n ON n.document_id = d.id WHERE n.run_id = ? ORDER BY n.rowid"
        return self._select(Document, sql, run_id)

    def documents_of_workspace(self, workspace: int) -> list[Document]:
        """A workspace's library, oldest first."""
        return self._select(Document, _DOCUMENTS + "WHERE d.workspace = ? ORDER BY d.created_at, d.rowid", workspace)

    def twin(self, workspace: int, sha256: str) -> Document | None:
        """The document of a workspace that has these bytes."""
        sql = _DOCUMENTS + "WHERE d.workspace = ? AND d.sha256 = ? ORDER BY d.rowid LIMIT 1"
        return self._first(Document, sql, workspace, sha256)

    def runs_of_session(self, session_id: str) -> list[Run]:
        """A session's runs, oldest first."""
        sql = "SELECT id, session_id, config_hash, requested_at FROM runs WHERE session_id = ? ORDER BY position"
        return self._select(Run, sql, session_id)

    def config(self, config_hash: str) -> Any:
        """The schema that a run was started with; None if everything has been forgotten since."""
        found = self._rows("SELECT schema_json FROM configs WHERE hash = ?", (config_hash,))
        return found[0][0] if found else None

    def reading(self, sha256: str) -> Reading | None:
        """The text of a file; None if it has not been read."""
        return self._first(Reading, "SELECT * FROM readings WHERE sha256 = ?", sha256)

    def extraction(self, sha256: str, config_hash: str) -> Extracted | None:
        """What a schema found in a file; None if it has not been applied."""
        sql = "SELECT * FROM extractions WHERE sha256 = ? AND config_hash = ?"
        return self._first(Extracted, sql, sha256, config_hash)
