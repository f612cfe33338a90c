"""Another order, for the answers whose order Raydocs does not promise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def shuffled(rows: Sequence[T]) -> list[T]:
    """
    The rows in another order, the same one each time: every second row first, then the others, backwards.

    Two rows or more never stay as they were, which a random shuffle could not promise to a test.
    """
    return [*rows[1::2], *reversed(rows[::2])]
