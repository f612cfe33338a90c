"""What an answer means: a value, or the one error that says what happened, what to do and whether to repeat."""

from __future__ import annotations

import json
import pickle
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydocs_provider.api import requests as endpoints
from raydocs_provider.api.requests import ApiRequest
from raydocs_provider.api.responses import no_answer, parse_retry_after, read_answer
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

NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
FREE: ApiRequest[Any] = endpoints.get_session("s-1")
PAID: ApiRequest[Any] = endpoints.create_sessions("t-1", ["tmp/1", "tmp/2"])
BOTH = pytest.mark.parametrize("request_", [FREE, PAID], ids=["free", "paid"])

HTML = b"<!DOCTYPE html><html><body>Gateway PAGETEXT token rd_live_abc123</body></html>"
MESSAGE = b'{"message": "Words of\\n the server."}'
TEXT = b"Too Many Attempts. PAGETEXT"
BODIES = {
    "html": HTML,
    "message": MESSAGE,
    "text": TEXT,
    "empty": b"",
    "list": b"[1]",
    "cut off": b'{"message": "PAGET',
}


def answer(
    request: ApiRequest[Any], status: int, body: bytes | object = b"", headers: dict[str, str] | None = None
) -> Any:
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_answer(request, status, headers or {}, encoded, now=NOW)


def refusal(
    request: ApiRequest[Any], status: int, body: bytes | object = b"", headers: dict[str, str] | None = None
) -> RaydocsApiError:
    with pytest.raises(RaydocsApiError) as raised:
        answer(request, status, body, headers)
    return raised.value


# status -> error for a free request, error for a paid one, whether each may be repeated, what the message advises
REFUSALS = [
    (301, RaydocsUnexpectedResponseError, RaydocsUnexpectedResponseError, False, False, "base URL"),
    (302, RaydocsUnexpectedResponseError, RaydocsUnexpectedResponseError, False, False, "base URL"),
    (308, RaydocsUnexpectedResponseError, RaydocsUnexpectedResponseError, False, False, "base URL"),
    (400, RaydocsValidationError, RaydocsValidationError, False, False, "refused the request"),
    (401, RaydocsAuthenticationError, RaydocsAuthenticationError, False, False, "make a new one under Settings"),
    (402, RaydocsApiError, RaydocsApiError, False, False, "refused"),
    (403, RaydocsPermissionError, RaydocsPermissionError, False, False, "ability 'sessions-"),
    (404, RaydocsNotFoundError, RaydocsNotFoundError, False, False, "no access"),
    (405, RaydocsNotFoundError, RaydocsNotFoundError, False, False, "no access"),
    (408, RaydocsServerError, RaydocsAmbiguousSubmitError, True, False, "the server failed"),
    (409, RaydocsApiError, RaydocsApiError, False, False, "refused"),
    (413, RaydocsApiError, RaydocsApiError, False, False, "refused"),
    (422, RaydocsValidationError, RaydocsValidationError, False, False, "refused the request"),
    (429, RaydocsRateLimitError, RaydocsRateLimitError, True, True, "Nothing was processed"),
    (500, RaydocsServerError, RaydocsAmbiguousSubmitError, True, False, "the server failed"),
    (502, RaydocsServerError, RaydocsAmbiguousSubmitError, True, False, "the server failed"),
    (503, RaydocsServerError, RaydocsAmbiguousSubmitError, True, False, "the server failed"),
    (504, RaydocsServerError, RaydocsAmbiguousSubmitError, True, False, "the server failed"),
]
EVERY_REFUSAL = pytest.mark.parametrize(
    ("status", "free", "paid", "free_repeatable", "paid_repeatable", "advice"),
    REFUSALS,
    ids=[str(row[0]) for row in REFUSALS],
)


@EVERY_REFUSAL
@pytest.mark.parametrize("body", BODIES.values(), ids=list(BODIES))
def test_a_refusal_is_the_error_of_its_status_whatever_its_body(
    body: bytes,
    status: int,
    free: type[RaydocsApiError],
    paid: type[RaydocsApiError],
    free_repeatable: bool,
    paid_repeatable: bool,
    advice: str,
) -> None:
    for request, kind, repeatable in ((FREE, free, free_repeatable), (PAID, paid, paid_repeatable)):
        error = refusal(request, status, body)
        assert type(error) is kind
        assert error.repeatable is repeatable
        assert (error.status, error.operation) == (status, request.operation)
        assert str(error).startswith(request.operation)
        assert str(status) in str(error)
        assert advice in str(error)


@BOTH
@pytest.mark.parametrize("status", [200, 201, *(row[0] for row in REFUSALS)])
@pytest.mark.parametrize("body", [HTML, TEXT, BODIES["cut off"]], ids=["html", "text", "cut off"])
def test_no_message_quotes_a_page_or_a_body_that_is_no_json(request_: Any, status: int, body: bytes) -> None:
    message = str(refusal(request_, status, body))
    assert "PAGE" not in message
    assert "rd_live" not in message


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 422])
def test_the_servers_own_words_are_passed_on_as_one_line(status: int) -> None:
    assert str(refusal(FREE, status, MESSAGE)).count("Raydocs says: Words of the server.") == 1
    assert len(str(refusal(FREE, status, {"message": "x" * 10_000}))) < 700


@BOTH
def test_what_a_failing_server_says_is_not_passed_on(request_: ApiRequest[Any]) -> None:
    # In debug mode Laravel answers with the SQL it failed on, values and all.
    body = {"message": "SQLSTATE[23505]: Unique violation (SQL: insert into vendors values (ACME Ltd))"}
    assert "ACME" not in str(refusal(request_, 500, body))


@BOTH
def test_an_ambiguous_request_is_an_error_that_says_where_to_look(request_: ApiRequest[Any]) -> None:
    error = refusal(request_, 502, HTML)
    paid = request_ is PAID
    assert isinstance(error, RaydocsAmbiguousSubmitError) is paid
    assert ("Look in the Raydocs dashboard" in str(error)) is paid


def test_a_missing_ability_is_named() -> None:
    error = refusal(PAID, 403, {"message": "Invalid ability provided."})
    assert isinstance(error, RaydocsPermissionError)
    assert error.ability == "sessions-write"
    assert "'sessions-write'" in str(error)
    assert "a needed ability" in str(refusal(endpoints.sign_upload("application/pdf"), 403))


@pytest.mark.parametrize("status", [400, 422])
def test_validation_errors_are_listed_and_kept(status: int) -> None:
    errors = {"files": ["The files field is required."], "settings.auto_extract": ["Must be true.", "Or false."]}
    error = refusal(PAID, status, {"message": "The given data was invalid.", "errors": errors})
    assert isinstance(error, RaydocsValidationError)
    assert error.errors == errors
    assert "files: The files field is required. | settings.auto_extract: Must be true.; Or false." in str(error)


def test_a_long_list_of_validation_errors_is_cut_and_counted() -> None:
    errors = {f"files.{number}": ["Unknown key. " * 100] for number in range(50)}
    error = refusal(PAID, 422, {"errors": errors})
    assert isinstance(error, RaydocsValidationError)
    assert len(error.errors) == 50
    assert "files.4" in str(error)
    assert "files.5:" not in str(error)
    assert str(error).endswith("and 45 more")
    assert len(str(error)) < 2000


def test_a_good_answer_is_the_value() -> None:
    assert answer(FREE, 200, {"id": "s-1", "status": "processing"}).status == "processing"
    assert [session.id for session in answer(PAID, 201, [{"id": "a"}, {"id": "b"}])] == ["a", "b"]
    assert [session.id for session in answer(PAID, 200, b'\xef\xbb\xbf[{"id": "a"}, {"id": "b"}]')] == ["a", "b"]


@pytest.mark.parametrize(
    "text", ["1234.56", "0.1", "1.10", "100000000000000.01", "0.000000000000000000000000000001", "1e400", "-0.0"]
)
def test_amounts_stay_exact(text: str) -> None:
    body = f'{{"id": "r", "data": {{"g": {{"total": {text}}}}}}}'.encode()
    amount = answer(endpoints.get_result("r"), 200, body).data["g"]["total"]
    assert isinstance(amount, Decimal)
    assert amount == Decimal(text)


# What is no readable answer although its status is good.
UNREADABLE = {
    "cut off": b'[{"id": "a"}, {"id"',
    "cut off in a number": b'[{"id": 1',
    "empty": b"",
    "blank": b" \n",
    "text": b"OK",
    "another shape": b'{"ok": true}',
    "no UTF-8": b'{"id": "\xff\xfe\xfd"}',
    "nested too deep": b"[" * 100_000,
    "a number out of range": b'{"data": [1e99999999999999999999]}',
    "a web page": HTML,
}


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize("body", UNREADABLE.values(), ids=list(UNREADABLE))
def test_an_unreadable_answer_to_a_paid_request_is_ambiguous_and_never_repeated(status: int, body: bytes) -> None:
    error = refusal(PAID, status, body)
    assert type(error) is RaydocsAmbiguousSubmitError
    assert not error.repeatable
    assert error.status == status
    assert "before you retry" in str(error)


@pytest.mark.parametrize(
    ("body", "kind", "repeatable"),
    [
        (UNREADABLE["cut off"], RaydocsNoAnswerError, True),
        (UNREADABLE["empty"], RaydocsNoAnswerError, True),
        (UNREADABLE["text"], RaydocsNoAnswerError, True),
        (UNREADABLE["no UTF-8"], RaydocsNoAnswerError, True),
        (UNREADABLE["nested too deep"], RaydocsNoAnswerError, True),
        (UNREADABLE["a number out of range"], RaydocsNoAnswerError, True),
        (UNREADABLE["another shape"], RaydocsUnexpectedResponseError, False),
        (HTML, RaydocsUnexpectedResponseError, False),
        (b"\n " + HTML, RaydocsUnexpectedResponseError, False),
    ],
)
def test_an_unreadable_answer_to_a_free_request_is_repeated_unless_somebody_else_answers(
    body: bytes, kind: type[RaydocsApiError], repeatable: bool
) -> None:
    error = refusal(FREE, 200, body)
    assert type(error) is kind
    assert error.repeatable is repeatable


@BOTH
def test_a_request_that_never_left_may_be_repeated_even_if_it_is_paid(request_: ApiRequest[Any]) -> None:
    error = no_answer(request_, "ConnectTimeout", "https://api.raydocs.com", left=False, sent_at=NOW)
    assert type(error) is RaydocsConnectionError
    assert error.repeatable
    assert "ConnectTimeout" in str(error)
    assert "Nothing was processed" in str(error)
    assert "https://api.raydocs.com" in str(error)


@pytest.mark.parametrize("body", [HTML, b'{"data": [', b"[]"])
@pytest.mark.parametrize("status", [200, 502])
def test_whoever_looks_for_a_lost_submission_is_told_what_was_sent_and_when(status: int, body: bytes) -> None:
    """When it left, not when the answer was given up: a minute or more may lie between."""
    later = NOW + timedelta(minutes=3)
    with pytest.raises(RaydocsAmbiguousSubmitError, match=r"\(2 documents, template t-1, 2026-01-15 10:30 UTC\)"):
        read_answer(PAID, status, {}, body, now=later, sent_at=NOW)


def test_a_lost_answer_to_a_paid_request_is_ambiguous_and_never_repeated() -> None:
    error = no_answer(PAID, "ReadTimeout", "https://api.raydocs.com", left=True, sent_at=NOW)
    assert type(error) is RaydocsAmbiguousSubmitError
    assert not error.repeatable
    assert error.status is None
    assert "(2 documents, template t-1, 2026-01-15 10:30 UTC)" in str(error)


def test_a_lost_answer_to_a_free_request_is_repeated() -> None:
    error = no_answer(FREE, "ReadTimeout", "https://api.raydocs.com", left=True, sent_at=NOW)
    assert type(error) is RaydocsNoAnswerError
    assert error.repeatable


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        ("Thu, 15 Jan 2026 10:31:30 -0000", 90.0),
        ("Thu, 15 Jan 2026 12:31:30 +0200", 90.0),
        ("Thu, 15 Jan 2026 10:00:00 GMT", 0.0),
        ("", None),
        ("  ", None),
        (None, None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("soon", None),
        ("Wed, 21 Oct 99999 07:28:00 GMT", None),
        ("Wed, 21 Oct 2015 07:28:00 +99999999999999", None),
        ("Wed, 21 Oct 2015 07:28:00 +9999", None),
        ("9" * 400, float("inf")),
    ],
)
def test_retry_after_is_read_in_both_its_forms(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, NOW) == seconds


@given(st.text() | st.integers().map(str) | st.datetimes().map(lambda at: format_datetime(at.replace(tzinfo=UTC))))
def test_no_retry_after_raises_or_is_negative(header: str) -> None:
    seconds = parse_retry_after(header, NOW)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("name", ["Retry-After", "retry-after", "RETRY-AFTER"])
def test_the_wait_a_server_asks_for_is_kept_whatever_the_case_of_its_header(status: int, name: str) -> None:
    assert refusal(FREE, status, headers={name: "17"}).retry_after == 17
    assert refusal(FREE, status).retry_after is None


@BOTH
@given(status=st.integers(200, 599), body=st.binary() | st.sampled_from(list(BODIES.values())))
def test_every_answer_is_a_value_or_an_error_of_the_tree(request_: ApiRequest[Any], status: int, body: bytes) -> None:
    with suppress(RaydocsApiError):
        read_answer(request_, status, {}, body, now=NOW)


@pytest.mark.parametrize(
    "error",
    [
        refusal(FREE, 429, headers={"Retry-After": "17"}),
        refusal(PAID, 403),
        refusal(PAID, 422, {"errors": {"files": ["Unknown key."]}}),
        no_answer(PAID, "ReadTimeout", "https://api.raydocs.com", left=True, sent_at=NOW),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_says_the_same_after_it_went_to_another_process(error: RaydocsApiError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert (str(copy), vars(copy)) == (str(error), vars(error))
