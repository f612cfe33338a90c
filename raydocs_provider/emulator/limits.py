"""Requests per minute and client address, counted as Laravel counts them. No clock: ``now`` is an argument."""

from __future__ import annotations

import math
from dataclasses import dataclass

WINDOW_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may pass, and what to tell its client."""

    limit: int
    remaining: int
    allowed: bool
    resets_at: float

    def headers(self, now: float, *, retry_after: bool) -> dict[str, str]:
        """
        The headers of stock Laravel.

        :param retry_after: say when to come back if the request is refused.
        """
        found = {"X-RateLimit-Limit": str(self.limit), "X-RateLimit-Remaining": str(self.remaining)}
        if not self.allowed and retry_after:
            found["Retry-After"] = str(max(1, math.ceil(self.resets_at - now)))
            found["X-RateLimit-Reset"] = str(math.ceil(self.resets_at))
        return found


class FixedWindow:
    """
    A window of a minute per address that opens with its first request. Refused requests are not counted.

    :param limit: requests per window, at least 1.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._windows: dict[str, tuple[float, int]] = {}

    def hit(self, address: str, now: float) -> Verdict:
        """Count a request, unless it is over the limit."""
        ends_at, count = self._windows.get(address, (0.0, 0))
        if now >= ends_at:
            ends_at, count = now + WINDOW_SECONDS, 0
        allowed = count < self._limit
        count += allowed
        self._windows[address] = (ends_at, count)
        return Verdict(self._limit, self._limit - count, allowed, ends_at)

    def clear(self) -> None:
        """Forget every address."""
        self._windows.clear()
