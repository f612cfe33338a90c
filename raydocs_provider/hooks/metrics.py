"""
What is measured, through Airflow's ``Stats``. docs/monitoring.md lists the names.

Names hold what is counted apart (``raydocs.requests.2xx``), because plain StatsD knows no tags.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from raydocs_provider.extraction.manifest import EXTRACTED, FAILED, SKIPPED, DocumentRecord
from raydocs_provider.extraction.progress import Usage
from raydocs_provider.version_compat import Stats


def count_answer(usage: Usage, status: int | None) -> None:
    """An answer of the API, or None for a request without one: ``raydocs.requests.<class>``."""
    Stats.incr(f"raydocs.requests.{usage.count(status)}")


def time_budget_wait(seconds: float) -> None:
    """How long a request waited for the budget: ``raydocs.budget_wait``."""
    Stats.timing("raydocs.budget_wait", seconds * 1000)


def time_extraction(seconds: float, lag: float | None) -> None:
    """
    How long a session took, ``raydocs.extraction``, and how long its end went unseen, ``raydocs.poll_lag``.

    :param lag: None where the server does not say when it ended.
    """
    Stats.timing("raydocs.extraction", seconds * 1000)
    if lag is not None:
        Stats.timing("raydocs.poll_lag", lag * 1000)


def count_documents(records: Iterable[DocumentRecord]) -> None:
    """The documents of a task that has ended: ``raydocs.documents.extracted``, ``.failed`` and ``.skipped``."""
    for record in records:
        if record.state in (EXTRACTED, FAILED, SKIPPED):
            Stats.incr(f"raydocs.documents.{record.state}")


def count_rows(rows: Mapping[str, int]) -> None:
    """Rows that a load has written, of all tables: ``raydocs.rows``."""
    Stats.incr("raydocs.rows", sum(rows.values()))
