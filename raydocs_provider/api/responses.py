"""
What an answer of the API means: a value, or one error of the tree that says what to do and whether to try again.

Pure: bytes and headers in, a value out or an exception raised. Both hooks use these functions and nothing else to
judge an answer, so they cannot disagree.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import TypeVar

from raydocs_provider.api import parsing
from raydocs_provider.api.models import JSON
from raydocs_provider.api.requests import ApiRequest
from raydocs_provider.exceptions import (
    RaydocsAmbiguousSubmitError,
    RaydocsApiError,
    RaydocsAuthenticationError,
    RaydocsConnectionError,
    RaydocsNoAnswerError,
    RaydocsNotFoundError,
    RaydocsPermissionError,
    RaydocsRateLimitError,
    RaydocsServerError,
    RaydocsUnexpectedResponseError,
    RaydocsValidationError,
)
from raydocs_provider.wording import say_minute

T = TypeVar("T")

_MAX_MESSAGE_LENGTH = 300
_MAX_LISTED_ERRORS = 5


def read_answer(
    request: ApiRequest[T],
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: datetime,
    sent_at: datetime | None = None,
) -> T:
    """
    Turn an answer into the value the request asked for.

    :param headers: response headers; names are compared without regard to case.
    :param now: current time, for a ``Retry-After`` given as a date.
    :param sent_at: when the request left, for whoever has to find out what became of it; default: now.
    :raises RaydocsApiError: the child that fits, with ``repeatable`` saying whether the request may be sent again.
    """
    if 200 <= status < 300:
        return _read_value(request, status, body, sent_at or now)
    lowered = {name.lower(): value for name, value in headers.items()}
    raise _refusal(request, status, lowered, body, now, sent_at or now)


def no_answer(request: ApiRequest[T], cause: str, base_url: str, *, left: bool, sent_at: datetime) -> RaydocsApiError:
    """
    Build the error for a request that got no answer.

    :param cause: name of what happened, for example ``ConnectTimeout``; library messages hold URLs and are not used.
    :param base_url: where it was sent to; whoever forgot to set it sees so.
    :param left: whether any byte of the request may have reached the server. If not, even a paid request is safe to
        send again.
    :param sent_at: when the request left, for whoever has to find out what became of it.
    """
    if not left:
        return RaydocsConnectionError(
            f"{request.operation}: the Raydocs API at {base_url} could not be reached ({cause}). Check the "
            "connection's base URL, DNS, proxy and firewall of this machine. Nothing was processed.",
            operation=request.operation,
            repeatable=True,
        )
    return _lost(request, f"no answer came back ({cause})", sent_at)


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """
    Seconds to wait from a ``Retry-After`` header, in either of its forms (RFC 9110, 10.2.3).

    :returns: None if the header is missing or unreadable; never negative.
    """
    if value is None or not value.strip():
        return None
    text = value.strip()
    if text.isdecimal() and text.isascii():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - now).total_seconds())


def _read_value(request: ApiRequest[T], status: int, body: bytes, sent_at: datetime) -> T:
    try:
        # Amounts are decimals: 1234.56 must not become a binary fraction on its way to a finance table.
        decoded = json.loads(body, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError):
        # A proxy's page says nothing about what became of a paid request behind it.
        if request.repeatable and _looks_like_html(body):
            raise _not_raydocs(request, status, "answered with a web page") from None
        raise _lost(request, f"the answer ({status}) was cut off or is no JSON", sent_at, status=status) from None
    try:
        return request.parse(decoded)
    except parsing.UnexpectedShapeError as problem:
        if not request.repeatable:
            raise _lost(request, f"the answer ({status}) is unreadable: {problem}", sent_at, status=status) from None
        raise _not_raydocs(request, status, f"answered JSON of another shape ({problem})") from None


def _lost(request: ApiRequest[T], what: str, sent_at: datetime, *, status: int | None = None) -> RaydocsNoAnswerError:
    if request.repeatable:
        return RaydocsNoAnswerError(
            f"{request.operation}: {what}.", operation=request.operation, status=status, repeatable=True
        )
    sought = f"{request.subject}, {say_minute(sent_at.timestamp())}".removeprefix(", ")
    return RaydocsAmbiguousSubmitError(
        f"{request.operation}: {what}. Raydocs may or may not have accepted it, and sending it again could be paid "
        f"for twice, so it was not repeated. Look in the Raydocs dashboard whether it took effect ({sought}) before "
        "you retry.",
        operation=request.operation,
        status=status,
    )


def _not_raydocs(request: ApiRequest[T], status: int, what: str) -> RaydocsUnexpectedResponseError:
    return RaydocsUnexpectedResponseError(
        f"{request.operation}: the server {what} ({status}). Is the connection's base URL a Raydocs API?",
        operation=request.operation,
        status=status,
    )


def _refusal(
    request: ApiRequest[T], status: int, headers: Mapping[str, str], body: bytes, now: datetime, sent_at: datetime
) -> RaydocsApiError:
    decoded = _decode_leniently(body)
    said = _server_message(decoded)
    operation = request.operation
    retry_after = parse_retry_after(headers.get("retry-after"), now)

    if 300 <= status < 400:
        return _not_raydocs(request, status, "redirects elsewhere, and a token is not sent to another host")
    if status == 401:
        return RaydocsAuthenticationError(
            f"{operation}: Raydocs refused the token (401). It is missing, mistyped, expired or revoked: make a new "
            "one under Settings > API Keys and put it into the connection's API token field.",
            operation=operation,
            status=status,
        )
    if status == 403:
        needed = f"ability '{request.ability}'" if request.ability else "a needed ability"
        return RaydocsPermissionError(
            f"{operation}: the token is valid but may not do this (403). It lacks the {needed}, or its owner has no "
            f"such right in the workspace.{said}",
            ability=request.ability,
            operation=operation,
            status=status,
        )
    if status in (404, 405):
        return RaydocsNotFoundError(
            f"{operation}: not found ({status}). It does not exist, or the token's owner has no access to it: check "
            f"the id, and whose token the connection has.{said}",
            operation=operation,
            status=status,
        )
    if status in (400, 422):
        errors = parsing.validation_errors(decoded)
        return RaydocsValidationError(
            f"{operation}: Raydocs refused the request ({status}).{said}{_list_errors(errors)}",
            errors=errors,
            operation=operation,
            status=status,
        )
    if status == 429:
        wait = f" It asks to wait {retry_after:.0f} s." if retry_after is not None else ""
        return RaydocsRateLimitError(
            f"{operation}: over the requests per minute that Raydocs accepts from this address (429).{wait} "
            "Nothing was processed.",
            operation=operation,
            status=status,
            repeatable=True,
            retry_after=retry_after,
        )
    if status == 408 or status >= 500:
        # Behind a 5xx a paid request may have taken effect: gateways give up on servers that then go on.
        if not request.repeatable:
            return _lost(request, f"the server failed ({status})", sent_at, status=status)
        return RaydocsServerError(
            f"{operation}: the server failed ({status}).",  # its words may quote SQL and values
            operation=operation,
            status=status,
            repeatable=True,
            retry_after=retry_after,
        )
    return RaydocsApiError(f"{operation}: refused ({status}).{said}", operation=operation, status=status)


def _decode_leniently(body: bytes) -> JSON:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _server_message(decoded: JSON) -> str:
    """What the server said, as one short sentence. Bodies that are no JSON (gateway pages) are not quoted."""
    message = decoded.get("message") if isinstance(decoded, Mapping) else None
    if not isinstance(message, str) or not message.strip():
        return ""
    return f" Raydocs says: {' '.join(message.split())[:_MAX_MESSAGE_LENGTH]}"


def _list_errors(errors: Mapping[str, object]) -> str:
    if not errors:
        return ""
    listed = [
        f"{name}: {'; '.join(texts)}" if name else "; ".join(texts)
        for name, texts in list(errors.items())[:_MAX_LISTED_ERRORS]
        if isinstance(texts, list)
    ]
    more = len(errors) - len(listed)
    return " " + " | ".join(text[:_MAX_MESSAGE_LENGTH] for text in listed) + (f" | and {more} more" if more else "")


def _looks_like_html(body: bytes) -> bool:
    return body.lstrip()[:1] == b"<"
