"""Answers that are not a success, in the form Laravel gives them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

log = logging.getLogger(__name__)


class Refusal(Exception):  # noqa: N818 - an answer, not a defect
    """
    An answer other than a success.

    :param errors: field to messages, for 422.
    """

    def __init__(self, status: int, message: str, errors: Mapping[str, Sequence[str]] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors


def not_found() -> Refusal:
    """404: it does not exist, or not for this user. Raydocs does not tell which."""
    return Refusal(404, "Resource not found.")


def invalid(errors: Mapping[str, Sequence[str]]) -> Refusal:
    """422 with what is wrong per field; the first message is also the message of the whole."""
    messages = [message for listed in errors.values() for message in listed]
    more = len(messages) - 1
    tail = f" (and {more} more error{'s' if more > 1 else ''})" if more else ""
    return Refusal(422, messages[0] + tail, errors)


# How Laravel words what pydantic found; `{field}` is the field's name in words.
_WORDS = {
    "missing": "The {field} field is required.",
    "string_type": "The {field} field must be a string.",
    "list_type": "The {field} field must be an array.",
    "dict_type": "The {field} field must be an array.",
    "model_attributes_type": "The {field} field must be an array.",
    "model_type": "The {field} field must be an array.",
    "int_type": "The {field} field must be an integer.",
    "int_parsing": "The {field} field must be an integer.",
    "bool_type": "The {field} field must be true or false.",
    "bool_parsing": "The {field} field must be true or false.",
    "too_long": "The {field} field must not have more than {max_length} items.",
    "too_short": "The {field} field is required.",
    "literal_error": "The selected {field} is invalid.",
    "enum": "The selected {field} is invalid.",
    "json_invalid": "The request body is not valid JSON.",
}


def _of_request(error: RequestValidationError) -> Refusal:
    errors: dict[str, list[str]] = {}
    for problem in error.errors():
        path = [str(part) for part in problem["loc"][1:]] if problem["type"] != "json_invalid" else []
        name = ".".join(path) or "body"
        words = _WORDS.get(problem["type"], "The {field} field is invalid.")
        details: dict[str, Any] = problem.get("ctx", {})
        errors.setdefault(name, []).append(words.format(field=name.replace("_", " "), **details))
    return invalid(errors)


def _answer(refusal: Refusal) -> JSONResponse:
    body: dict[str, Any] = {"message": refusal.message}
    if refusal.errors is not None:
        body["errors"] = refusal.errors
    return JSONResponse(body, refusal.status)


def install(app: FastAPI) -> None:
    """Make an application answer every failure in Laravel's form."""

    @app.exception_handler(Refusal)
    async def refuse(_: Request, refusal: Refusal) -> JSONResponse:
        return _answer(refusal)

    @app.exception_handler(RequestValidationError)
    async def refuse_request(_: Request, error: RequestValidationError) -> JSONResponse:
        return _answer(_of_request(error))

    @app.exception_handler(HTTPException)
    async def refuse_route(request: Request, error: HTTPException) -> JSONResponse:
        message = HTTPStatus(error.status_code).phrase + "."
        if error.status_code == 404:
            message = f"The route {request.url.path.lstrip('/')} could not be found."
        elif error.status_code == 405:
            message = f"The {request.method} method is not supported for route {request.url.path.lstrip('/')}."
        return JSONResponse({"message": message}, error.status_code, headers=error.headers)

    @app.exception_handler(Exception)
    async def fail(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"message": "Server Error"}, 500)
