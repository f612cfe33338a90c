"""Which failures of a Raydocs task are worth a retry (Airflow 3.3 and newer)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from raydocs_provider.exceptions import (
    RaydocsAuthenticationError,
    RaydocsNotFoundError,
    RaydocsPermissionError,
    RaydocsRateLimitError,
    RaydocsValidationError,
)

try:
    from airflow.sdk import RetryDecision, RetryPolicy
except ImportError as missing:
    raise ImportError("RaydocsRetryPolicy needs Airflow 3.3 or newer: leave retry_policy out on this one.") from missing

if TYPE_CHECKING:
    from airflow.sdk import Context

# No retry mends these; somebody has to change the connection, the template id or the schema first.
_HOPELESS = (
    RaydocsAuthenticationError,
    RaydocsPermissionError,
    RaydocsNotFoundError,
    RaydocsValidationError,
)


class RaydocsRetryPolicy(RetryPolicy):
    """
    Fail at once what a retry cannot mend (401, 403, 404, 422), retry a 429 when Raydocs will listen, else as set.

    ``RaydocsExtractOperator(..., retries=3, retry_policy=RaydocsRetryPolicy())``. The policy can end retries early, it
    never adds any. It goes by the class of the error.
    """

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Decide on one failure; called by Airflow on the worker."""
        if isinstance(exception, _HOPELESS):
            return RetryDecision.fail(f"{type(exception).__name__}: a retry cannot mend this.")
        if isinstance(exception, RaydocsRateLimitError) and exception.retry_after is not None:
            delay = timedelta(seconds=exception.retry_after)
            return RetryDecision.retry(delay, "Raydocs said when to come back.")
        return RetryDecision.default()

    def serialize(self) -> dict[str, Any]:
        """Nothing to keep: the policy has no settings."""
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> RaydocsRetryPolicy:
        """The policy again."""
        return cls()
