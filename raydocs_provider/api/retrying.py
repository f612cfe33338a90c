"""
Whether a failed request is tried again, and after how long: one decision for both hooks.

The error itself says whether repeating is safe (``repeatable``); here is only how often and how patiently.
"""

from __future__ import annotations

from raydocs_provider.exceptions import RaydocsApiError, RaydocsRateLimitError

# A 429 was refused before it was looked at, and other processes behind the same address may cause it: be patient.
MAX_ATTEMPTS = 5
MAX_ATTEMPTS_RATE_LIMITED = 12
MAX_BACKOFF_SECONDS = 60.0
# The limit is counted per minute, so an honest Retry-After is not longer than that. Longer ones end the attempts:
# the task's own retry delay is the better place for such a wait.
MAX_RETRY_AFTER_SECONDS = 180.0


def should_retry(error: BaseException | None, attempt: int) -> bool:
    """
    Whether to send the request again.

    :param error: what the last attempt raised.
    :param attempt: how many attempts were made, 1 after the first.
    """
    if not isinstance(error, RaydocsApiError) or not error.repeatable:
        return False
    if error.retry_after is not None and error.retry_after > MAX_RETRY_AFTER_SECONDS:
        return False
    limited = isinstance(error, RaydocsRateLimitError)
    return attempt < (MAX_ATTEMPTS_RATE_LIMITED if limited else MAX_ATTEMPTS)


def seconds_until_retry(error: BaseException | None, attempt: int, random: float) -> float:
    """
    How long to wait before sending again.

    What the server asked for, plus a little jitter so that processes that were refused together do not return
    together; otherwise exponential backoff with full jitter.

    :param attempt: how many attempts were made, 1 after the first.
    :param random: a number in [0, 1).
    """
    asked = error.retry_after if isinstance(error, RaydocsApiError) else None
    # 0, or a date that has passed by this machine's clock, says nothing: obeyed, it would use up all attempts at once.
    if asked:
        return asked + random * max(1.0, 0.1 * asked)
    ceiling = min(MAX_BACKOFF_SECONDS, 2.0**attempt)
    if isinstance(error, RaydocsRateLimitError):
        # Without a Retry-After all that is known is that the window is a minute: never hammer within it.
        return ceiling / 2 + random * ceiling / 2
    return random * ceiling
