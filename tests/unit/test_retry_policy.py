"""Which failures of a task are retried, and when."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest

from raydocs_provider import exceptions
from raydocs_provider.extraction.ledger import Claim, Ledger
from raydocs_provider.triggers.events import check_event

pytestmark = pytest.mark.airflow("3.3", because="it has retry policies")


@pytest.fixture
def policy():
    from raydocs_provider.operators.retry_policy import RaydocsRetryPolicy

    return RaydocsRetryPolicy()


# By what the attempt ended with: whether the same attempt may end otherwise though nobody has changed anything.
HOPELESS = [
    exceptions.RaydocsInputError("max_failure_ratio has to be a number from 0 to 1."),
    exceptions.RaydocsAuthenticationError("401"),
    exceptions.RaydocsPermissionError("403", ability="sessions-write"),
    exceptions.RaydocsNotFoundError("404"),
    exceptions.RaydocsValidationError("422"),
    exceptions.RaydocsManifestError("It does not add up."),
    exceptions.RaydocsLandingError("There is no such schema.", retryable=False),
]
OF_DOCUMENTS = [
    exceptions.RaydocsExtractionError("2 of 3 failed, for good", retryable=False),
    exceptions.RaydocsAmbiguousSubmitError("lost, and it was the only batch"),
]
OF_DOCUMENTS[1].retryable = False
MENDED = [
    exceptions.RaydocsInputError("inbox/a.pdf does not exist.", retryable=True),
    exceptions.RaydocsRateLimitError("429"),
    exceptions.RaydocsServerError("503"),
    exceptions.RaydocsConnectionError("refused"),
    exceptions.RaydocsNoAnswerError("timeout"),
    exceptions.RaydocsUnexpectedResponseError("a web page"),
    exceptions.RaydocsUploadError("the storage gave no answer"),
    exceptions.RaydocsAmbiguousSubmitError("lost, with others to go on with"),
    exceptions.RaydocsExtractionError("2 of 3 failed, one to upload again"),
    exceptions.RaydocsDeadlineError("1 session open"),
    exceptions.RaydocsManifestError("s-1.json cannot be read (TimeoutError).", retryable=True),
    exceptions.RaydocsLandingError("The connection was lost."),
    exceptions.RaydocsWarehouseConnectionError("The warehouse could not be connected to."),
    exceptions.RaydocsError("something else"),
    ValueError("something else"),
]


class StateStore(dict):
    def set(self, key, value):
        self[key] = value


def task(retries=3, max_tries=3):
    """What Airflow hands over, with a state store in which nothing is yet."""
    ti = SimpleNamespace(max_tries=max_tries, try_number=1)
    return {"ti": ti, "task": SimpleNamespace(retries=retries), "task_state_store": StateStore()}


@pytest.mark.parametrize("error", [*HOPELESS, *OF_DOCUMENTS], ids=repr)
def test_what_a_retry_cannot_mend_fails_at_once(policy, error):
    for context in (None, task()):
        decision = policy.evaluate(error, try_number=1, max_tries=3, context=context)
        assert decision.action.value == "fail"
        assert type(error).__name__ in decision.reason


@pytest.mark.parametrize("error", MENDED, ids=repr)
def test_everything_else_is_left_to_the_task(policy, error):
    assert policy.evaluate(error, try_number=1, max_tries=3, context=task()).action.value == "default"


def test_every_error_of_the_package_has_its_place():
    named = {type(error) for error in (*HOPELESS, *OF_DOCUMENTS, *MENDED)}
    raised = {each for each in vars(exceptions).values() if isinstance(each, type) and issubclass(each, Exception)}
    assert raised - named == {exceptions.RaydocsApiError, exceptions.RaydocsSupersededError}


@pytest.mark.parametrize("error", HOPELESS, ids=repr)
def test_a_task_that_has_paid_keeps_its_retries_because_a_clear_would_pay_again(policy, error):
    context = task()
    ledger = Ledger(context["task_state_store"], Claim(0, "raydocs_default", "t1", "h1"))
    number = ledger.intend(["a"], 1.0)
    assert policy.evaluate(error, 1, 3, context).action.value == "default", "its answer may have been lost"
    ledger.record(number, ["a"], ["s1"], 1.0)
    assert policy.evaluate(error, 1, 3, context).action.value == "default"
    assert policy.evaluate(error, 5, 7, {**context, "ti": task(max_tries=7)["ti"]}).action.value == "fail", "cleared"
    ledger.withdraw(number)
    assert policy.evaluate(error, 1, 3, context).action.value == "fail"


@pytest.mark.parametrize("error", OF_DOCUMENTS, ids=repr)
def test_documents_that_stay_failed_end_the_retries_of_a_task_that_has_paid_too(policy, error):
    context = task()
    Ledger(context["task_state_store"], Claim(0, "raydocs_default", "t1", "h1")).intend(["a"], 1.0)
    assert policy.evaluate(error, 1, 3, context).action.value == "fail"


def test_a_rate_limit_is_retried_when_raydocs_will_listen(policy):
    limited = exceptions.RaydocsRateLimitError("429", retry_after=42.0)
    decision = policy.evaluate(limited, try_number=1, max_tries=3)
    assert decision.action.value == "retry"
    assert decision.retry_delay == timedelta(seconds=42)


@pytest.mark.parametrize("retryable", [True, False, None])
def test_what_a_trigger_says_of_its_error_arrives(retryable):
    """None: a trigger of an older version says nothing, and its class does."""
    event = {"status": "error", "error_type": "RaydocsInputError", "error": "results_path cannot be written here."}
    with pytest.raises(exceptions.RaydocsInputError) as raised:
        check_event(event if retryable is None else event | {"retryable": retryable})
    assert raised.value.retryable == bool(retryable)


def test_the_policy_survives_the_way_through_airflow(policy):
    assert type(type(policy).deserialize(policy.serialize())) is type(policy)
