"""How counts are said in logs, errors and the Airflow UI."""

from __future__ import annotations


def say_count(number: int, one: str, others: str | None = None) -> str:
    """
    A number with what it counts, as in "1 document", "3 documents" and "2 documents keep their results".

    :param one: what is counted, for one of it; with its verb, where the sentence has one.
    :param others: the same for all other numbers; default: `one` with an "s".
    """
    return f"{number} {one if number == 1 else others or f'{one}s'}"
