"""Which documents a warehouse already holds, so that nobody pays for extracting them again."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from raydocs_provider.exceptions import RaydocsLandingError
from raydocs_provider.landing.replacing import EXTRACTED
from raydocs_provider.landing.tables import plan_documents
from raydocs_provider.landing.warehouses.base import Warehouse

log = logging.getLogger(__name__)

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
# Bounds the statement, about 33 KB, and what one answer holds.
_PORTION = 500


def find_landed(
    warehouse: Warehouse, table: str, template_id: str, template_hash: str, sha256s: Collection[str]
) -> frozenset[str]:
    """
    Find the documents that the ledger ``<table>__documents`` holds as landed with this version of the template.

    A document whose last extraction failed is not among them, nor is one that was landed with another version.

    :param table: the target of the load, as for `plan_tables`. As long as its ledger does not exist, nothing is
        landed.
    :param template_hash: the content hash of the template.
    :param sha256s: of the documents in question. What is no hex SHA-256 is not landed.
    :return: those of ``sha256s`` that are landed, as they were given.
    :raises RaydocsInputError: ``table`` is no name of a table.
    :raises RaydocsLandingError: the warehouse refused to be read. What is landed is unknown then.
    """
    ledger = plan_documents(table)
    asked = sorted({sha256 for sha256 in sha256s if _SHA256.fullmatch(sha256)})
    if not asked:
        return frozenset()
    with warehouse.reading() as cursor:
        try:
            if not warehouse.column_types(cursor, ledger):
                log.info("%s does not exist yet: no document is landed.", ledger)
                return frozenset()
            rows = _read(warehouse, cursor, warehouse.quote_table(ledger), asked)
            landed = {sha256 for sha256, *version in rows if version == [template_id, template_hash]}
            return frozenset(sha256 for sha256 in asked if sha256.lower() in landed)
        except Exception as error:
            explanation = warehouse.explain(error)
            if explanation is None:
                raise
            retryable = not warehouse.is_final(error)
    # Not in the handler: the engine's error would be shown as this one's context.
    raise RaydocsLandingError(f"The warehouse refused to read {ledger}: {explanation}.", retryable=retryable)


def _read(warehouse: Warehouse, cursor: Any, ledger: str, sha256s: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """
    SHA-256, template and template version of the landed ones.

    The template is compared by the caller: so nothing but hex gets into a statement.
    """
    for start in range(0, len(sha256s), _PORTION):
        portion = ", ".join(f"'{sha256.lower()}'" for sha256 in sha256s[start : start + _PORTION])
        # Without quotes, because SQLite takes a quoted name that is no column for a text.
        yield from warehouse.fetch(
            cursor,
            f"SELECT _document_sha256, _template_id, _template_hash FROM {ledger} "  # noqa: S608
            f"WHERE state = '{EXTRACTED}' AND _document_sha256 IN ({portion})",
        )
