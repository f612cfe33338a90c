"""
Reads documents and applies schemas to them, beside the event loop.

What was read and extracted is kept by content, so that a thousand sessions over the same file cost one reading. Work
that was under way when the emulator stopped is simply asked for again at the next look.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor

from raydocs_provider.emulator.records import JSON, Extracted, Reading
from raydocs_provider.emulator.storage import Blobs
from raydocs_provider.emulator.store import Store

log = logging.getLogger(__name__)


def chunk_id(sha256: str, page_number: int) -> str:
    """The id of a page's chunk. It depends on the content alone, so that what was extracted once can be shared."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{sha256}:{page_number}"))


class Processing:
    """
    The reading thread. There is one: PDFium is not safe to use from several.

    :param clock: seconds since the epoch.
    """

    def __init__(self, store: Store, blobs: Blobs, clock: Callable[[], float]) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="raydocs-emulator")
        self._waiting: set[Hashable] = set()
        self._lock = threading.Lock()

    def close(self) -> None:
        """Finish the piece of work under way and drop the rest."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def ask_reading(self, sha256: str) -> None:
        """Have a file read, unless that is waiting already. Returns at once."""
        self._ask(("read", sha256), lambda: self._read(sha256), lambda reason: self._unread(sha256, reason))

    def ask_extraction(self, sha256: str, config_hash: str) -> None:
        """Have a schema applied to a file, unless that is waiting already. Returns at once."""
        self._ask(
            ("extract", sha256, config_hash),
            lambda: self._extract(sha256, config_hash),
            lambda reason: self._unextracted(sha256, config_hash, reason),
        )

    def _ask(self, work: Hashable, do: Callable[[], object], fail: Callable[[str], Reading | Extracted]) -> None:
        """
        Have a piece of work done, unless that is waiting already.

        :param fail: what is kept where the emulator has a defect: whoever waits for the document is told, instead of
            waiting for hours.
        """
        with self._lock:
            if work in self._waiting:
                return
            self._waiting.add(work)

        def run() -> None:
            try:
                do()
            except Exception as defect:
                log.exception("The emulator has a defect: it could not process a document")
                try:
                    self._store.add(fail(_name_defect(defect)))
                except Exception:
                    log.exception("Nor could it keep that; it tries again at the next look")
            finally:
                with self._lock:
                    self._waiting.discard(work)

        self._executor.submit(run)

    def _read(self, sha256: str) -> Reading:
        if known := self._store.reading(sha256):
            return known
        from raydocs_provider.emulator.reading import UnreadableDocument, read_document

        pages: Sequence[Sequence[str]] = ()
        error = None
        try:
            pages = [page.lines for page in read_document(self._blobs.path(sha256))]
        except UnreadableDocument as unreadable:
            error = str(unreadable)
        except Exception as defect:
            log.exception("The emulator has a defect: it could not read a document")
            error = _name_defect(defect)
        reading = Reading(sha256, pages, len(pages), error, self._clock())
        self._store.add(reading)
        return reading

    def _extract(self, sha256: str, config_hash: str) -> None:
        reading = self._read(sha256)
        schema: JSON = self._store.config(config_hash)
        if reading.error or schema is None or self._store.extraction(sha256, config_hash):
            return
        from raydocs_provider.emulator.extracting import extract
        from raydocs_provider.emulator.reading import Page

        pages = [Page(number, tuple(lines)) for number, lines in enumerate(reading.pages, 1)]
        try:
            found = extract(pages, schema, chunk_id=lambda number: chunk_id(sha256, number))
        except Exception as error:
            # A schema the emulator cannot apply fails the run, as it would at Raydocs.
            log.exception("The emulator could not apply a template's schema")
            reason = f"The schema could not be applied: {type(error).__name__}."
            done = self._unextracted(sha256, config_hash, reason)
        else:
            done = Extracted(
                sha256, config_hash, found.data, found.reasoning, found.audit_data, found.title, None, self._clock()
            )
        self._store.add(done)

    def _unread(self, sha256: str, reason: str) -> Reading:
        return Reading(sha256, (), 0, reason, self._clock())

    def _unextracted(self, sha256: str, config_hash: str, reason: str) -> Extracted:
        return Extracted(sha256, config_hash, {}, {}, {}, None, reason, self._clock())


def _name_defect(defect: Exception) -> str:
    return f"the emulator has a defect, see its log: {type(defect).__name__}"
