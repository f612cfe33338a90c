"""Which failures of a task are retried, and when."""

from __future__ import annotations

from datetime import timedelta

import pytest

from raydocs_provider import exceptions

pytestmark = pytest.mark.airflow("3.3", because="it has retry policies")


@pytest.fixture
def policy():
    from raydocs_provider.operators.retry_policy import RaydocsRetryPolicy

    return RaydocsRetryPolicy()


@pytest.mark.parametrize(
    "hopeless",
    [
        exceptions.RaydocsAuthenticationError("401"),
        exceptions.RaydocsPermissionError("403", ability="sessions-write"),
        exceptions.RaydocsNotFoundError("404"),
        exceptions.RaydocsValidationError("422"),
    ],
)
def test_what_a_retry_cannot_mend_fails_at_once(policy, hopeless):
    decision = policy.evaluate(hopeless, try_number=1, max_tries=3)
    assert decision.action.value == "fail"
    assert type(hopeless).__name__ in decision.reason


def test_a_rate_limit_is_retried_when_raydocs_will_listen(policy):
    limited = exceptions.RaydocsRateLimitError("429", retry_after=42.0)
    decision = policy.evaluate(limited, try_number=1, max_tries=3)
    assert decision.action.value == "retry"
    assert decision.retry_delay == timedelta(seconds=42)


@pytest.mark.parametrize(
    "other",
    [
        exceptions.RaydocsRateLimitError("429"),
        exceptions.RaydocsServerError("503"),
        exceptions.RaydocsAmbiguousSubmitError("lost"),
        exceptions.RaydocsExtractionError("2 of 3 failed"),
        ValueError("something else"),
    ],
)
def test_everything_else_is_left_to_the_task(policy, other):
    assert policy.evaluate(other, try_number=1, max_tries=3).action.value == "default"


def test_the_policy_survives_the_way_through_airflow(policy):
    assert type(type(policy).deserialize(policy.serialize())) is type(policy)
