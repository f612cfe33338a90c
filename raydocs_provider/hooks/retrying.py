"""tenacity, told by :mod:`raydocs_provider.api.retrying` what to repeat and when: the same for both hooks."""

from __future__ import annotations

import random
from typing import Any

import tenacity

from raydocs_provider.api.retrying import seconds_until_retry, should_retry


def retry_options(log: Any) -> dict[str, Any]:
    """Build the arguments of tenacity's loops, the same for both hooks."""

    def error_of(state: tenacity.RetryCallState) -> BaseException | None:
        return state.outcome.exception() if state.outcome else None

    def announce(state: tenacity.RetryCallState) -> None:
        log.warning(
            "%s Trying again in %.1f s (attempt %d).", error_of(state), state.upcoming_sleep, state.attempt_number
        )

    return {
        "retry": lambda state: should_retry(error_of(state), state.attempt_number),
        "wait": lambda state: seconds_until_retry(error_of(state), state.attempt_number, random.random()),
        "before_sleep": announce,
        "reraise": True,
    }
