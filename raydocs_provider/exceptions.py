"""
Everything that can go wrong, as one tree. Each error says what happened and what to do about it.

Messages hold methods, paths, statuses and the server's own words about the request. They never hold a token, a
signed URL, document text or a row value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class RaydocsError(Exception):
    """
    Base of all errors of this package.

    :param message: what happened and what to do.
    :param retryable: whether another attempt of the task may end otherwise though nobody has changed anything. It is
        what ``RaydocsRetryPolicy`` goes by. Default None: as the class says.
    """

    retryable = True

    def __init__(self, message: str = "", *, retryable: bool | None = None) -> None:
        super().__init__(message)
        if retryable is not None:
            self.retryable = retryable


class RaydocsInputError(RaydocsError, ValueError):
    """
    What the Dag author gave cannot be used. Raised before anything is uploaded or paid for.

    A retry gets the same again, unless it is a file that may come.
    """

    retryable = False


class RaydocsApiError(RaydocsError):
    """
    A request to the Raydocs API failed.

    :param message: what happened and what to do.
    :param operation: method and path with ids, for example ``GET /extractions/sessions/<id>``.
    :param status: HTTP status; None when no answer came.
    :param repeatable: whether sending the same request again can help and cannot cost anything twice. The retry
        loops of the hooks go by this alone, never by the message.
    :param retry_after: seconds the server asked us to wait; None when it said nothing.
    """

    def __init__(
        self,
        message: str,
        *,
        operation: str = "",
        status: int | None = None,
        repeatable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.status = status
        self.repeatable = repeatable
        self.retry_after = retry_after


class RaydocsConnectionError(RaydocsApiError):
    """The API host was not reached: name not resolved, connection refused, TLS failed. Nothing was processed."""


class RaydocsNoAnswerError(RaydocsApiError):
    """The request may have left but no usable answer came back: timeout, reset, or an unreadable 2xx body."""


class RaydocsAmbiguousSubmitError(RaydocsNoAnswerError):
    """
    A paid request was sent and its answer was lost: Raydocs may or may not have accepted it.

    Never retried by itself. The API has no idempotency keys and lists no sessions, so only a person (or the Raydocs
    dashboard) can tell.
    """


class RaydocsAuthenticationError(RaydocsApiError):
    """401: the token is missing, mistyped, expired or revoked."""

    retryable = False


class RaydocsPermissionError(RaydocsApiError):
    """
    403: the token is good but lacks an ability, or its owner may not act in this workspace.

    :param ability: the ability the operation needs, as the API's documentation names it.
    """

    retryable = False

    def __init__(self, message: str, *, ability: str | None = None, **details: object) -> None:
        super().__init__(message, **details)  # type: ignore[arg-type]
        self.ability = ability


class RaydocsNotFoundError(RaydocsApiError):
    """404: the thing does not exist, or this token's owner has no access to it. The API does not tell which."""

    retryable = False


class RaydocsValidationError(RaydocsApiError):
    """
    400 or 422: the request was understood and refused.

    :param errors: the server's ``errors`` object, field to messages; empty when it sent none.
    """

    retryable = False

    def __init__(self, message: str, *, errors: Mapping[str, Sequence[str]] | None = None, **details: object) -> None:
        super().__init__(message, **details)  # type: ignore[arg-type]
        self.errors = dict(errors or {})


class RaydocsRateLimitError(RaydocsApiError):
    """429: over the requests per minute of this IP address. Nothing was processed."""


class RaydocsServerError(RaydocsApiError):
    """5xx, from Raydocs or a gateway before it."""


class RaydocsUnexpectedResponseError(RaydocsApiError):
    """An answer that no Raydocs API gives: a web page, a redirect elsewhere, JSON of another shape."""


class RaydocsUploadError(RaydocsError):
    """
    The storage behind a signed URL refused a file, or the file could not be read to its end.

    :param status: HTTP status of the storage; None when there was no answer.
    :param repeatable: whether a new signed URL and another attempt can help.
    """

    def __init__(self, message: str, *, status: int | None = None, repeatable: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.repeatable = repeatable


class RaydocsManifestError(RaydocsError):
    """A manifest that does not add up, or was written by a version of this package that is not understood."""

    retryable = False


class RaydocsExtractionError(RaydocsError):
    """Documents failed and the task was told to fail on that. The good ones are spooled and can be landed."""


class RaydocsSupersededError(RaydocsError):
    """
    A newer attempt of the same task instance has begun: this one, frozen meanwhile, stops before it pays for more.

    Airflow has given the attempt up already and takes no result from it.
    """


class RaydocsDeadlineError(RaydocsError):
    """Sessions were still unfinished at the deadline. They go on, and are billed, on the side of Raydocs."""


class RaydocsLandingError(RaydocsError):
    """The warehouse refused the rows or the tables. Nothing of this load was committed."""


class RaydocsWarehouseConnectionError(RaydocsLandingError):
    """The warehouse could not be connected to: it is away, or the connection's address, login or rights are wrong."""
