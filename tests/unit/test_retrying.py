"""How often and how patiently a request is repeated."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydocs_provider.api.retrying import (
    MAX_ATTEMPTS,
    MAX_ATTEMPTS_RATE_LIMITED,
    MAX_BACKOFF_SECONDS,
    MAX_RETRY_AFTER_SECONDS,
    seconds_until_retry,
    should_retry,
)
from raydocs_provider.exceptions import (
    RaydocsAmbiguousSubmitError,
    RaydocsApiError,
    RaydocsConnectionError,
    RaydocsRateLimitError,
    RaydocsServerError,
    RaydocsUploadError,
)

RANDOM = st.floats(0, 1, exclude_max=True)
ATTEMPT = st.integers(1, MAX_ATTEMPTS_RATE_LIMITED)


def limited(**details: Any) -> RaydocsRateLimitError:
    return RaydocsRateLimitError("429", repeatable=True, **details)


def failed(**details: Any) -> RaydocsServerError:
    return RaydocsServerError("502", repeatable=True, **details)


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (failed(), MAX_ATTEMPTS),
        (RaydocsConnectionError("refused", repeatable=True), MAX_ATTEMPTS),
        (limited(), MAX_ATTEMPTS_RATE_LIMITED),
        (limited(retry_after=30.0), MAX_ATTEMPTS_RATE_LIMITED),
        (limited(retry_after=MAX_RETRY_AFTER_SECONDS), MAX_ATTEMPTS_RATE_LIMITED),
        (limited(retry_after=MAX_RETRY_AFTER_SECONDS + 1), 1),
        (failed(retry_after=float("inf")), 1),
        (RaydocsAmbiguousSubmitError("lost"), 1),
        (RaydocsApiError("409"), 1),
        (RaydocsUploadError("storage", repeatable=True), 1),
        (ValueError("a bug"), 1),
        (None, 1),
    ],
)
def test_a_request_is_sent_as_often_as_its_error_allows(error: BaseException | None, attempts: int) -> None:
    assert [should_retry(error, attempt) for attempt in range(1, 20)] == [True] * (attempts - 1) + [False] * (
        20 - attempts
    )


@given(asked=st.floats(0.1, MAX_RETRY_AFTER_SECONDS), attempt=ATTEMPT, random=RANDOM, is_limit=st.booleans())
def test_never_sooner_than_the_server_asked_and_little_later(
    asked: float, attempt: int, random: float, is_limit: bool
) -> None:
    error = limited(retry_after=asked) if is_limit else failed(retry_after=asked)
    assert asked <= seconds_until_retry(error, attempt, random) <= asked + max(1.0, 0.1 * asked)


@given(attempt=ATTEMPT, random=RANDOM)
def test_backing_off_is_bounded_and_a_limit_is_never_hammered(attempt: int, random: float) -> None:
    ceiling = min(MAX_BACKOFF_SECONDS, 2.0**attempt)
    assert 0 <= seconds_until_retry(failed(), attempt, random) <= ceiling
    assert ceiling / 2 <= seconds_until_retry(limited(), attempt, random) <= ceiling


@given(attempt=ATTEMPT, random=RANDOM)
def test_a_wait_that_is_already_over_is_no_leave_to_hammer(attempt: int, random: float) -> None:
    # A clock that goes ahead of the server's turns every date of a Retry-After into the past.
    assert seconds_until_retry(limited(retry_after=0.0), attempt, random) == seconds_until_retry(
        limited(), attempt, random
    )


def test_attempts_against_a_limit_last_longer_than_its_window() -> None:
    waits = [seconds_until_retry(limited(), attempt, 0.0) for attempt in range(1, MAX_ATTEMPTS_RATE_LIMITED)]
    assert sum(waits) > 2 * 60
