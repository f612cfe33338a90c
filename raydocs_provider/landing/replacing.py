"""
Which documents of a load replace what a target holds, and which have been overtaken. Pure.

Loads come in any order: a Dag run of last week is cleared, two mapped tasks have the same file, a retry lands what
another run has extracted again since. What is newer stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from raydocs_provider.landing.review import APPROVED, CORRECTED

EXTRACTED = "extracted"


@dataclass(frozen=True, slots=True)
class Given:
    """
    A document of the load.

    :param at: when it was extracted; when it was submitted, if that failed. None if nobody knows.
    :param review_status: what the rules, or a person, say; None without either.
    :param reviewed: whether a person says so.
    """

    key: str
    state: str
    session_id: str | None = None
    result_id: str | None = None
    at: datetime | None = None
    review_status: str | None = None
    reviewed: bool = False

    @property
    def extracted_at(self) -> datetime | None:
        """When it was extracted; None if it was not."""
        return self.at if self.state == EXTRACTED else None


@dataclass(frozen=True, slots=True)
class Held:
    """
    What the target holds of a document: its row in the ledger and, if there is one, in the table of documents.

    :param state: in the ledger; None if it is not there.
    :param result_id: of the rows that stand, which a failed attempt since may have left in place.
    :param extracted_at: of these rows, and ``review_status`` too.
    """

    state: str | None = None
    session_id: str | None = None
    attempts: int | None = None
    result_id: str | None = None
    extracted_at: datetime | None = None
    review_status: str | None = None


def last_of_each(
    given: Sequence[Given], numbers: Iterable[int], before: Mapping[str, int] = MappingProxyType({})
) -> dict[str, int]:
    """
    Which documents count of those that have the same key: the newest result; without any, what was submitted last.

    Where a time is unknown, the later one given counts.

    :param numbers: of the documents among which to choose, in order.
    :param before: by key the numbers of earlier ones, as this function has chosen them.
    :return: numbers by key, without the keys whose earlier document is still the one that counts.
    """
    chosen: dict[str, int] = {}
    for number in numbers:
        document = given[number]
        earlier = chosen.get(document.key, before.get(document.key))
        if earlier is None or _counts_more(document, given[earlier]):
            chosen[document.key] = number
    return chosen


def decide(given: Mapping[int, Given], held: Mapping[str, Held]) -> tuple[frozenset[int], dict[str, int]]:
    """
    Decide about documents that the target may know.

    :param given: by number, one for each key.
    :param held: by key.
    :return: the numbers of those that are not written, and the attempts of the others that the target knows.
    """
    kept = set()
    attempts = {}
    for number, document in given.items():
        known = held.get(document.key)
        if known is None:
            continue
        settled = (
            known.review_status in (APPROVED, CORRECTED)
            and not document.reviewed
            and document.state == EXTRACTED
            and document.result_id == known.result_id
        )
        if settled or _overtaken(document, known.state, known.extracted_at) or _is_about_another(document, known):
            kept.add(number)
        else:
            again = None not in (known.state, document.session_id) and document.session_id != known.session_id
            attempts[document.key] = (known.attempts or 1) + again
    return frozenset(kept), attempts


def _counts_more(later: Given, earlier: Given) -> bool:
    if EXTRACTED in (later.state, earlier.state) and later.state != earlier.state:
        return later.state == EXTRACTED
    return later.at is None or earlier.at is None or later.at >= earlier.at


def _is_about_another(document: Given, known: Held) -> bool:
    """
    Whether a person judged another result than the one that stands, which is not known to be older.

    That one may have been extracted in the same second.
    """
    if not document.reviewed or known.result_id in (None, document.result_id):
        return False
    return document.at is None or known.extracted_at is None or document.at <= known.extracted_at


def _overtaken(document: Given, state: str | None, extracted_at: datetime | None) -> bool:
    """
    Whether a document is older than the extraction that stands.

    A result is compared with the rows that stand. A failure is, as long as the ledger has them as the last word: it
    was submitted before they were there. Where a time is unknown, the later load counts.
    """
    if document.at is None or extracted_at is None:
        return False
    return document.at < extracted_at and (document.state == EXTRACTED or state == EXTRACTED)
