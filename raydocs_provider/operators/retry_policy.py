"""Which failures of a Raydocs task are worth a retry (Airflow 3.3 and newer)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from raydocs_provider.exceptions import (
    RaydocsAmbiguousSubmitError,
    RaydocsError,
    RaydocsExtractionError,
    RaydocsRateLimitError,
)

try:
    from airflow.sdk import RetryDecision, RetryPolicy
except ImportError as missing:
    raise ModuleNotFoundError(
        "RaydocsRetryPolicy needs Airflow 3.3 or newer: leave retry_policy out on this one."
    ) from missing

if TYPE_CHECKING:
    from airflow.sdk import Context


class RaydocsRetryPolicy(RetryPolicy):
    """
    Fail at once where a retry would end the same way, retry a 429 when Raydocs will listen, else as set.

    ``RaydocsExtractOperator(..., retries=3, retry_policy=RaydocsRetryPolicy())``, and likewise for every other operator
    of this package. The policy can end retries early, it never adds any. It goes by ``retryable`` of the error; which
    errors that are, and which documents a retry helps, says docs/failures.md.

    A task that has submitted documents keeps its retries whatever else goes wrong (a token that was revoked, an
    argument that was changed): after a retry it goes on with them, while a clear would pay for them again.
    """

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Decide on one failure; called by Airflow on the worker."""
        if isinstance(exception, RaydocsRateLimitError) and exception.retry_after is not None:
            delay = timedelta(seconds=exception.retry_after)
            return RetryDecision.retry(delay, "Raydocs said when to come back.")
        if not isinstance(exception, RaydocsError) or exception.retryable:
            return RetryDecision.default()
        if isinstance(exception, (RaydocsExtractionError, RaydocsAmbiguousSubmitError)):
            return RetryDecision.fail(f"{type(exception).__name__}: what failed stays failed.")
        if context is not None and _has_paid(context):
            return RetryDecision.default()
        return RetryDecision.fail(f"{type(exception).__name__}: a retry cannot mend this.")

    def serialize(self) -> dict[str, Any]:
        """Nothing to keep: the policy has no settings."""
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> RaydocsRetryPolicy:
        """The policy again."""
        return cls()


def _has_paid(context: Context) -> bool:
    from raydocs_provider.hooks.ledger_stores import has_paid

    return has_paid(context)
