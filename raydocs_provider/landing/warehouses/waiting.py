"""Waiting for another load to be done, and saying so."""

from __future__ import annotations

from collections.abc import Callable

from tenacity import RetryCallState

_FIRST_SECONDS = 1
_EVERY_SECONDS = 30


class Announcement:
    """
    For tenacity's ``before_sleep``: tells after a second of waiting, and then every half minute.

    :param tell: is given the seconds waited so far, and what became of the last attempt.
    """

    def __init__(self, tell: Callable[[int, RetryCallState], None]) -> None:
        self._tell = tell
        self._due = float(_FIRST_SECONDS)

    def __call__(self, state: RetryCallState) -> None:
        """Tell, if it is time."""
        waited = state.seconds_since_start or 0.0
        if waited >= self._due:
            self._tell(round(waited), state)
            self._due = waited + _EVERY_SECONDS
