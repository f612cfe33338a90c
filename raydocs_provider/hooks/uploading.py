"""Stream one file to a signed URL, hash it on the way, and keep the URL out of every log and exception."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import requests
import tenacity

from raydocs_provider.exceptions import RaydocsUploadError
from raydocs_provider.extraction.documents import guess_content_type
from raydocs_provider.hooks.connection import CONNECT_TIMEOUT_SECONDS

if TYPE_CHECKING:
    from raydocs_provider.api.models import SignedUpload
    from raydocs_provider.extraction.documents import StoragePath

MAX_ATTEMPTS = 3
_MAGIC_LENGTH = 16


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """
    A file that lies in the storage of Raydocs.

    :param key: names it in the next request; opaque, and good for a limited time.
    :param sha256: of the bytes that were sent.
    """

    key: str
    sha256: str
    size: int
    content_type: str


class _HashingReader:
    """
    Read exactly ``size`` bytes of a stream, and hash them.

    ``__len__`` makes the HTTP client send a Content-Length; signed storage URLs take no chunked bodies.
    """

    def __init__(self, stream: IO[bytes], size: int, name: str) -> None:
        self._stream, self._size, self._name = stream, size, name
        self._sent = 0
        self.sha256 = hashlib.sha256()

    def __len__(self) -> int:
        return self._size

    def read(self, size: int = -1) -> bytes:
        left = self._size - self._sent
        if left == 0:
            return b""
        try:
            block = self._stream.read(left if size < 0 else min(size, left))
        except OSError as problem:
            # Let through, it would pass for a failure of the storage: the HTTP client takes it for one of its own.
            raise _unreadable(self._name, problem) from problem
        if not block:
            raise RaydocsUploadError(f"{self._name} ended {left} bytes early: it was changed while it was uploaded.")
        self._sent += len(block)
        self.sha256.update(block)
        return block


def _unreadable(name: str, problem: OSError) -> RaydocsUploadError:
    return RaydocsUploadError(f"{name} could not be read ({type(problem).__name__}).")


class _QueryRedaction(logging.Filter):
    """Cut query strings from urllib3's DEBUG lines while this thread talks to a signed URL."""

    def __init__(self) -> None:
        super().__init__()
        self.active = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(self.active, "on", False) and isinstance(record.args, tuple):
            record.args = tuple(arg.partition("?")[0] if isinstance(arg, str) else arg for arg in record.args)
        return True

    def __enter__(self) -> None:
        self.active.on = True
        for name in ("urllib3.connectionpool", "urllib3.util.retry"):
            logging.getLogger(name).addFilter(self)  # adding it twice is the same as once

    def __exit__(self, *_: object) -> None:
        self.active.on = False


_redaction = _QueryRedaction()


def upload_file(
    source: StoragePath,
    sign: Callable[[str], SignedUpload],
    session: requests.Session,
    timeout: float,
) -> UploadedFile:
    """
    Upload one file; each attempt asks for a new signed URL, because the old one may have expired.

    :param sign: gives a signed URL for a content type.
    :param session: for the storage host: it must carry no token.
    :param timeout: seconds the storage may be silent.
    :raises RaydocsUploadError: when the storage refuses it or the file cannot be read.
    """
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: isinstance(error, RaydocsUploadError) and error.repeatable),
        stop=tenacity.stop_after_attempt(MAX_ATTEMPTS),
        wait=tenacity.wait_random_exponential(multiplier=1, max=10),
        reraise=True,
    )
    return attempts(_upload_once, source, sign, session, timeout)


def _upload_once(
    source: StoragePath, sign: Callable[[str], SignedUpload], session: requests.Session, timeout: float
) -> UploadedFile:
    name = source.name
    try:
        size = source.stat().st_size
        with source.open("rb") as stream:
            content_type = guess_content_type(name, stream.read(_MAGIC_LENGTH))
            stream.seek(0)
            # The URL lives for minutes only, so it is asked for when the file is open and ready to go.
            signed = sign(content_type)
            reader = _HashingReader(stream, size, name)
            status, cause = _put(session, signed, content_type, reader, timeout)
    except OSError as problem:
        raise _unreadable(name, problem) from problem
    if status is None:
        raise RaydocsUploadError(f"{name}: the storage gave no answer ({cause}).", repeatable=True)
    if not 200 <= status < 300:
        raise RaydocsUploadError(
            f"{name}: the storage refused the file ({status}).",
            status=status,
            # 403 is how a storage says that a signed URL has expired; a new one may be taken.
            repeatable=status in (403, 408, 429) or status >= 500,
        )
    return UploadedFile(signed.key, reader.sha256.hexdigest(), size, content_type)


def _put(
    session: requests.Session, signed: SignedUpload, content_type: str, reader: _HashingReader, timeout: float
) -> tuple[int | None, str]:
    """PUT the file; returns the status, or None and the name of what went wrong. Never the library's exception."""
    headers = requests.structures.CaseInsensitiveDict({"Content-Type": content_type})
    headers.update(signed.headers)
    try:
        with (
            _redaction,
            session.put(
                signed.url,
                data=reader,
                headers=headers,
                timeout=(CONNECT_TIMEOUT_SECONDS, timeout),
                allow_redirects=False,
            ) as response,
        ):
            return response.status_code, ""
    except requests.RequestException as lost:
        return None, type(lost).__name__
