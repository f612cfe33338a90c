"""Uploads: whole, in constant memory, to the signed place, with nothing secret in the logs."""

from __future__ import annotations

import hashlib
import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import pytest
from airflow.sdk.io import attach

from raydocs_provider.api.models import SignedUpload, Template
from raydocs_provider.emulator import Emulator
from raydocs_provider.exceptions import RaydocsUploadError
from raydocs_provider.extraction.documents import SourceDocument, find_documents
from raydocs_provider.extraction.manifest import FAILED, FOUND, UPLOADED, DocumentRecord
from raydocs_provider.hooks.raydocs import RaydocsHook
from raydocs_provider.hooks.storage import open_path
from raydocs_provider.hooks.submitting import hash_documents, upload_documents
from raydocs_provider.hooks.uploading import upload_file
from tests.integration.conftest import GOOD, all_logs, count, requests_to

MEGABYTE = 1024 * 1024


@pytest.fixture(autouse=True)
def _repeat_at_once(no_pauses: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.wait.random.uniform", lambda low, high: low)


def stored(emulator: Emulator) -> list[int | None]:
    """What the storage answered to each upload."""
    return [logged.status for logged in requests_to(emulator) if logged.path.startswith("/__storage__/")]


def test_what_is_hashed_is_what_arrived(hook: RaydocsHook) -> None:
    content = GOOD[0].read_bytes()
    uploaded = hook.upload(open_path(GOOD[0].as_uri()))
    assert (uploaded.sha256, uploaded.size) == (hashlib.sha256(content).hexdigest(), len(content))
    assert uploaded.content_type == "application/pdf"


def test_raydocs_sees_the_same_bytes(hook: RaydocsHook, template: Template) -> None:
    uploaded = hook.upload(open_path(GOOD[0].as_uri()))
    (session,) = hook.create_sessions(template.id, [uploaded.key])
    assert hook.get_session(session.id).documents[0].sha256 == uploaded.sha256


def test_memory_does_not_grow_with_the_file(hook: RaydocsHook, emulator: Emulator, tmp_path: Path) -> None:
    large = tmp_path / "large.tiff"
    with large.open("wb") as file:
        file.truncate(200 * MEGABYTE)
    hook.sign_upload("image/tiff")  # whatever is loaded on first use is loaded
    tracemalloc.start()
    try:
        uploaded = hook.upload(open_path(large.as_uri()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert uploaded.size == 200 * MEGABYTE
    assert stored(emulator) == [200]
    assert peak < 20 * MEGABYTE


@pytest.mark.parametrize("scheme", ["file", "memory"])
def test_files_come_from_any_object_storage(hook: RaydocsHook, tmp_path: Path, scheme: str) -> None:
    attach("memory", fs=fsspec.filesystem("memory"))
    folder = tmp_path.as_uri() if scheme == "file" else f"memory://{tmp_path.name}"
    path = open_path(f"{folder}/one.png")
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n and more")
    (found,) = find_documents(f"{folder}/*.png", open_path)
    (record,) = upload_documents(hook, hash_documents([found]), {found.uri: found})
    assert (record.state, record.size, record.uri) == (UPLOADED, 17, str(path))
    assert record.sha256 == hashlib.sha256(b"\x89PNG\r\n\x1a\n and more").hexdigest()


@pytest.mark.parametrize("documents", ["in/*.pdf", "./in/*.pdf", "in/a.pdf", "*/a.pdf"])
def test_a_path_that_begins_with_neither_scheme_nor_slash_is_below_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, documents: str
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.pdf").write_bytes(b"%PD")
    monkeypatch.chdir(tmp_path)
    (found,) = find_documents(documents, open_path)
    assert found.uri == str(tmp_path / "in" / "a.pdf")


@pytest.mark.parametrize(
    ("name", "content", "content_type"),
    [
        ("a.PDF", b"anything", "application/pdf"),
        ("b", b"%PDF-1.7", "application/pdf"),
        ("c.scan", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("d.unknown", b"anything", "application/octet-stream"),
    ],
)
def test_the_content_type_is_sent_exactly_as_signed(
    hook: RaydocsHook, emulator: Emulator, tmp_path: Path, name: str, content: bytes, content_type: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    assert hook.upload(open_path(file.as_uri())).content_type == content_type
    assert stored(emulator) == [200]


def test_the_headers_of_stock_laravel_vapor_are_understood(
    make_emulator: Callable[..., Emulator], connect: Callable[..., str]
) -> None:
    emulator = make_emulator(vapor_real=True)
    RaydocsHook(connect(host=emulator.url, password=emulator.token)).upload(open_path(GOOD[0].as_uri()))
    assert stored(emulator) == [200]


def test_an_expired_url_is_replaced_by_a_new_one(
    make_emulator: Callable[..., Emulator], connect: Callable[..., str]
) -> None:
    now = [1_800_000_000.0]
    pauses = [301.0, 0.0]
    emulator = make_emulator(clock=lambda: now[0])
    hook = RaydocsHook(connect(host=emulator.url, password=emulator.token))

    def sign_and_dawdle(content_type: str) -> SignedUpload:
        signed = hook.sign_upload(content_type)
        now[0] += pauses.pop(0)
        return signed

    upload_file(open_path(GOOD[0].as_uri()), sign_and_dawdle, hook.get_storage_conn(), timeout=5)
    assert stored(emulator) == [403, 200]


@pytest.mark.parametrize(
    "fault",
    [{"kind": "answer", "status": 503}, {"kind": "drop"}, {"kind": "drop", "after": True}, {"kind": "html"}],
    ids=["503", "cut off", "cut off after the effect", "a gateway's page"],
)
def test_a_failing_storage_gets_the_whole_file_again(
    hook: RaydocsHook, emulator: Emulator, fault: dict[str, Any]
) -> None:
    emulator.add_fault(**fault, path="^/__storage__/")
    uploaded = hook.upload(open_path(GOOD[0].as_uri()))
    assert uploaded.sha256 == hashlib.sha256(GOOD[0].read_bytes()).hexdigest()
    assert count(emulator, "POST", "/signed-storage-url") == 2


def test_a_storage_that_stays_away_fails_the_document_not_the_task(hook: RaydocsHook, emulator: Emulator) -> None:
    emulator.add_fault("answer", status=503, path="^/__storage__/", count=0)
    (found,) = find_documents(GOOD[0].as_uri(), open_path)
    (record,) = upload_documents(hook, hash_documents([found]), {found.uri: found})
    assert (record.state, record.stage, record.code) == (FAILED, "upload", "upload_failed")
    assert record.reason == f"{GOOD[0].name}: the storage refused the file (503)."
    assert len(stored(emulator)) == 3


def test_a_refused_file_is_not_sent_again(hook: RaydocsHook, emulator: Emulator) -> None:
    emulator.add_fault("answer", status=400, path="^/__storage__/", count=0)
    with pytest.raises(RaydocsUploadError, match="400"):
        hook.upload(open_path(GOOD[0].as_uri()))
    assert len(stored(emulator)) == 1


class Troubled:
    """A file whose storage says one size and then gives something else."""

    name = "troubled.pdf"

    def __init__(self, size: int, open_: Callable[[], io.BufferedIOBase]) -> None:
        self._size, self._open = size, open_

    def stat(self) -> Any:
        return SimpleNamespace(st_size=self._size)

    def open(self, mode: str) -> Any:
        return self._open()


class Failing(io.BytesIO):
    """Breaks off, as a network file system does."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() >= 100:
            raise OSError("/secret/mount: input/output error")
        return super().read(min(size or 0, 100))


def missing() -> io.BufferedIOBase:
    raise FileNotFoundError("gone")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (Troubled(2000, lambda: io.BytesIO(b"%PDF" * 100)), "troubled.pdf ended 1600 bytes early"),
        (Troubled(2000, lambda: Failing(b"%PDF" * 500)), "troubled.pdf could not be read (OSError)."),
        (Troubled(2000, missing), "troubled.pdf could not be read (FileNotFoundError)."),
    ],
    ids=["it shrank", "it broke off", "it vanished"],
)
def test_a_file_that_cannot_be_read_to_its_end_is_a_failed_document(
    hook: RaydocsHook, emulator: Emulator, source: Any, reason: str
) -> None:
    document = SourceDocument("file:///troubled.pdf", source, 2000)
    (record,) = upload_documents(hook, [DocumentRecord(document.uri, FOUND)], {document.uri: document})
    assert (record.state, record.stage) == (FAILED, "upload")
    assert record.reason is not None
    assert record.reason.startswith(reason)
    assert 200 not in stored(emulator)
    assert len(stored(emulator)) <= 1


def test_a_file_that_cannot_be_read_at_all_fails_before_it_is_uploaded(hook: RaydocsHook, emulator: Emulator) -> None:
    (record,) = hash_documents([SourceDocument("file:///troubled.pdf", Troubled(2000, missing), 2000)])
    assert (record.state, record.stage, record.code) == (FAILED, "input", "unreadable_file")
    assert requests_to(emulator) == []


def test_nothing_secret_is_logged_at_any_level(hook: RaydocsHook, emulator: Emulator, tmp_path: Path) -> None:
    with all_logs(tmp_path / "log") as log:
        emulator.add_fault("answer", status=503, path="^/__storage__/")
        hook.upload(open_path(GOOD[0].as_uri()))
        hook.list_workspaces()
    text = log.read_text()
    assert "PUT /__storage__/" in text  # the libraries do log their requests
    for secret in (emulator.token, "signature=", "expires=", "X-Amz"):
        assert secret not in text
