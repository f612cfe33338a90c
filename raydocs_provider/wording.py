"""How counts and times are said in logs, errors and the Airflow UI."""

from __future__ import annotations

from datetime import UTC, datetime


def say_count(number: int, one: str, others: str | None = None) -> str:
    """
    A number with what it counts, as in "1 document", "3 documents" and "2 documents keep their results".

    :param one: what is counted, for one of it; with its verb, where the sentence has one.
    :param others: the same for all other numbers; default: `one` with an "s".
    """
    return f"{number} {one if number == 1 else others or f'{one}s'}"


def say_minute(moment: float) -> str:
    """A time in epoch seconds, as one looks for it in a dashboard: "2026-12-01 03:52 UTC"."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M} UTC"
