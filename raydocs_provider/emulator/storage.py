"""
Where uploaded bytes lie, and the signatures that let a client at them without a token.

Stands for the object storage behind Raydocs: it knows keys and bytes, not documents.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlencode

UPLOADS = "/__storage__/"
DOWNLOADS = "/__storage__/documents/"


class Stored(NamedTuple):
    """The digest and size of what was written."""

    sha256: str
    size: int


class Blobs:
    """
    Files by their SHA-256, so that equal uploads take space once.

    :param folder: where they lie; None makes a temporary folder that :meth:`close` removes.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="raydocs-emulator-")
        self._folder = folder or Path(self._temporary.name)  # type: ignore[union-attr]
        self._folder.mkdir(parents=True, exist_ok=True)

    def close(self) -> None:
        """Remove the temporary folder, if it is one."""
        if self._temporary:
            self._temporary.cleanup()

    def path(self, sha256: str) -> Path:
        """Where the bytes with this digest lie."""
        return self._folder / sha256

    async def write(self, chunks: AsyncIterator[bytes]) -> Stored:
        """Write a stream to disk chunk by chunk. A stream that breaks off leaves nothing behind."""
        digest = hashlib.sha256()
        size = 0
        partial = tempfile.NamedTemporaryFile(dir=self._folder, delete=False)  # noqa: SIM115 - closed below
        try:
            with partial:
                async for chunk in chunks:
                    digest.update(chunk)
                    size += partial.write(chunk)
            os.replace(partial.name, self.path(digest.hexdigest()))  # noqa: PTH105 - the loop's linter bans pathlib
        except BaseException:
            os.unlink(partial.name)  # noqa: PTH108 - likewise
            raise
        return Stored(digest.hexdigest(), size)


class Signer:
    """
    Signs URLs and checks them.

    :param secret: whoever has it can sign.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def url(self, base: str, method: str, path: str, *, content_type: str = "", expires: int) -> str:
        """
        A URL under ``base`` that permits one method on one path.

        :param content_type: what the request has to carry as its Content-Type.
        :param expires: until when, in seconds since the epoch.
        """
        signature = self._sign(method, path, content_type, expires)
        return f"{base.rstrip('/')}{quote(path)}?{urlencode({'expires': expires, 'signature': signature})}"

    def refuses(
        self, signature: str, expires: str, now: float, *, method: str, path: str, content_type: str = ""
    ) -> str | None:
        """Why a request may not pass, in the words of S3's error codes; None if it may."""
        if not expires.isdecimal() or not signature:
            return "AccessDenied"
        if not hmac.compare_digest(signature, self._sign(method, path, content_type, int(expires))):
            return "SignatureDoesNotMatch"
        return "AccessDenied" if now > int(expires) else None

    def _sign(self, method: str, path: str, content_type: str, expires: int) -> str:
        text = "\n".join((method, path, content_type, str(expires)))
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()
