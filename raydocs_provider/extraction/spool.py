"""
Finished sessions as files under ``results_path``: one JSON per session, written once by whoever sees it first.

The lander reads these files and needs no API call; a restarted wait finds in them what is already known. A file holds
the outcome of the session and, when it was extracted, its result. Files are written whole or not at all, and writing
the same session twice is harmless.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, cast
from urllib.parse import quote

from raydocs_provider.api.models import Result, Template
from raydocs_provider.exceptions import RaydocsInputError, RaydocsManifestError
from raydocs_provider.extraction.manifest import (
    DocumentRecord,
    Manifest,
    Outcome,
    documents_file,
    parse_documents_file,
    read_manifest,
    write_manifest,
)

_VERSION = 1
#: They show an object when it is complete, and have no folders to make; the libraries would create a bucket instead,
#: under a name somebody mistyped.
OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "wasb", "oss", "oci"})


class FolderPath(Protocol):
    """What is used of a folder; ``pathlib.Path`` and ``ObjectStoragePath`` both have it."""

    @property
    def name(self) -> str:
        """The last part of the path."""

    def __truediv__(self, name: str) -> FolderPath:
        """A path below."""

    def exists(self) -> bool:
        """Whether there is anything."""

    def iterdir(self) -> Iterable[FolderPath]:
        """What lies directly below."""

    def mkdir(self, *, parents: bool, exist_ok: bool) -> None:
        """Make the folder, where the storage has folders."""

    def read_bytes(self) -> bytes:
        """The whole content."""

    def write_bytes(self, data: bytes) -> int:
        """Write the whole content."""


class Spool:
    """
    The files of one ``results_path``.

    :param folder: where they lie. Calls block: an event loop has to make them in a thread.
    """

    def __init__(self, folder: FolderPath) -> None:
        # A path below an `ObjectStoragePath` takes longer to make than a small local file to read.
        local = find_local(folder)
        self._folder: FolderPath = folder if local is None else local
        self._local = local is not None

    @property
    def at_hand(self) -> bool:
        """Whether the files are in this machine's file system, and so are read without waiting for a network."""
        return self._local

    def known_sessions(self, session_ids: Iterable[str]) -> dict[str, Outcome]:
        """
        Outcomes that are already on file, by session id. One listing, then one small read for each.

        An unreadable file counts as none: looking at the session again costs one request and writes it anew.
        """
        self._forget_listings()
        if not self._folder.exists():
            return {}
        names = {path.name for path in self._folder.iterdir()}
        known = {}
        for session_id in session_ids:
            if _session_file(session_id) in names:
                with suppress(RaydocsManifestError):
                    known[session_id] = self.read_session(session_id)[0]
        return known

    def write_session(self, session_id: str, outcome: Outcome, result: Result | None) -> None:
        """Put a finished session on file."""
        written = {
            "version": _VERSION,
            "session_id": session_id,
            "outcome": asdict(outcome),
            "result": None if result is None else asdict(result),
        }
        self._write(_session_file(session_id), _encode(written))

    def read_session(self, session_id: str) -> tuple[Outcome, Result | None]:
        """
        Read a finished session.

        :raises RaydocsManifestError: if its file is missing, unreadable, or of another version.
        """
        name = _session_file(session_id)
        written = self._read(name)
        if written.get("version") != _VERSION:
            raise RaydocsManifestError(
                f"{name} under results_path has version {written.get('version')}, this package reads {_VERSION}. "
                "Run all tasks with the same version of airflow-provider-raydocs."
            )
        try:
            result = written["result"]
            return Outcome(**written["outcome"]), None if result is None else Result(**result)
        except (KeyError, TypeError) as problem:
            raise _unreadable(name, problem) from problem

    def write_template(self, template: Template) -> None:
        """Put the template on file, as it was when the documents were submitted."""
        self._write(f"_template-{template.content_hash[:16]}.json", _encode(asdict(template)))

    def read_template(self, content_hash: str) -> Template:
        """
        Read the template the documents were submitted with.

        :raises RaydocsManifestError: if its file is missing or unreadable.
        """
        name = f"_template-{content_hash[:16]}.json"
        try:
            return Template(**self._read(name))
        except TypeError as problem:
            raise _unreadable(name, problem) from problem

    def write_value(self, name: str, value: object) -> None:
        """Put a JSON value on file."""
        self._write(name, _encode(value))

    def read_value(self, name: str) -> Any:
        """
        Read a JSON value; None where there is no such file.

        :raises RaydocsManifestError: if the file is unreadable.
        """
        try:
            return json.loads(self._read_bytes(name))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as problem:
            raise _unreadable(name, problem) from problem

    def write_documents(self, documents: Iterable[DocumentRecord]) -> str:
        """Put the list of documents on file and return the file's name."""
        name, content = documents_file(list(documents))
        self._write(name, content)
        return name

    def read_documents(self, name: str) -> list[DocumentRecord]:
        """
        Read a list of documents.

        :raises RaydocsManifestError: if the file is missing or unreadable.
        """
        try:
            return parse_documents_file(self._read_bytes(name))
        except (OSError, ValueError) as problem:
            raise _unreadable(name, problem) from problem

    def _read(self, name: str) -> dict[str, Any]:
        try:
            read = json.loads(self._read_bytes(name), parse_float=Decimal)
        except (OSError, ValueError) as problem:
            raise _unreadable(name, problem) from problem
        if not isinstance(read, dict):
            raise _unreadable(name, TypeError())
        return read

    def _read_bytes(self, name: str) -> bytes:
        """Read a file; on a failure once more, without what the storage library remembers of the folder."""
        try:
            return (self._folder / name).read_bytes()
        except OSError:
            if not self._forget_listings():
                raise
            return (self._folder / name).read_bytes()

    def _forget_listings(self) -> bool:
        """
        Have the storage asked again for what lies in the folder. False where nothing is remembered.

        s3fs keeps a listing for the life of the process. In a triggerer or an API server, which live for days, files
        that another process wrote since are missing from it, and those it replaced cannot be read.
        """
        folder: Any = self._folder
        if self.at_hand or not hasattr(folder, "fs"):
            return False
        folder.fs.invalidate_cache(folder.path)
        return True

    def _write(self, name: str, content: bytes) -> None:
        try:
            self._write_whole(name, content)
        except OSError as problem:
            # Workers may reach a path that the triggerer does not, or the other way round.
            cause = problem.strerror or type(problem).__name__
            raise RaydocsInputError(
                f"results_path cannot be written here ({cause}). Workers and triggerer both have to "
                "be able to write it; a bucket or a share has to exist.",
                retryable=True,
            ) from problem

    def _write_whole(self, name: str, content: bytes) -> None:
        if getattr(self._folder, "protocol", "") not in OBJECT_STORES:
            self._folder.mkdir(parents=True, exist_ok=True)
        if not self._local:
            (self._folder / name).write_bytes(content)  # object stores show an object when it is complete
            return
        # A reader, or a worker killed half-way, must never see half a file.
        target = cast("Path", self._folder / name)
        partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}.partial")
        try:
            partial.write_bytes(content)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


def _session_file(session_id: str) -> str:
    # The id is the server's word: quoted, it names a file of this folder and no other.
    return f"{quote(session_id, safe='')}.json"


def _unreadable(name: str, problem: Exception) -> RaydocsManifestError:
    return RaydocsManifestError(
        f"{name} cannot be read under results_path ({type(problem).__name__}). Is the path reachable from this worker, "
        "and were its files kept as they were written?",
        retryable=isinstance(problem, OSError),
    )


def find_local(path: Any) -> Path | None:
    """
    Where a path is in this machine's file system; None for other storage.

    The protocol tells, not the class: with the universal-pathlib of Airflow 3.0 and 3.1 a path on S3 is a
    ``pathlib.Path`` as well.
    """
    local = getattr(path, "protocol", "") in ("", "file", "local")
    return Path(getattr(path, "path", path)) if local else None


def _encode(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, default=_exact_number).encode("utf-8", "surrogatepass")


def _exact_number(value: object) -> float | str:
    """A decimal as a JSON number where that keeps every digit, else as text, which the lander reads as well."""
    if not isinstance(value, Decimal):
        raise TypeError(f"{type(value).__name__} is no JSON")
    number = float(value)
    return number if Decimal(repr(number)) == value else str(value)


def dump_manifest(manifest: Manifest, spool: Spool | None) -> dict[str, Any]:
    """The manifest for XCom; the list of documents goes to the spool where there is one."""
    name = spool.write_documents(manifest.documents) if spool is not None else None
    return write_manifest(manifest, name)


def load_manifest(value: Any, spool: Spool | None) -> Manifest:
    """
    Read a manifest of an upstream task.

    :param spool: the one at its ``results_path``; None if it has none.
    :raises RaydocsManifestError: if it is no manifest, does not add up, or its files are gone.
    """
    name = value.get("documents_file") if isinstance(value, dict) else None
    if name is not None and spool is not None:
        return read_manifest(value, spool.read_documents(name))
    return read_manifest(value)
