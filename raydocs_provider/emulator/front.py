"""
What stands before the API: the request log, faults and the rate limit. Plain ASGI, because a fault has to reach below
HTTP.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from raydocs_provider.emulator.access import bearer
from raydocs_provider.emulator.backend import Backend
from raydocs_provider.emulator.faults import GATEWAY_PAGE, Fault, Faults
from raydocs_provider.emulator.limits import FixedWindow
from raydocs_provider.emulator.order import shuffled

ADMIN = "/__emulator__"
STORAGE = "/__storage__"
# Enough for any test; a bound, so that an emulator that runs for months does not grow.
LOGGED_REQUESTS = 100_000
# Of a connection that its client closed before it could be asked.
UNKNOWN_CLIENT = ("", 0)
_CREATED = "raydocs.created"
# Closes the connection of a client address: at once, or after what was sent has gone out.
HangUp = Callable[[tuple[str, int], bool], None]
_Cut = Literal["at once", "after sending"]


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """
    One request, without body, query or secrets.

    :param at: when it came, in seconds since the epoch.
    :param path: without the query, which may hold a signature.
    :param status: what was answered; None if the connection was cut instead.
    :param token: names the user (:attr:`Token.owner`); ``unknown`` for a token nobody has, None without one.
    :param created: ids and keys of what the request created.
    :param seconds: how long it took until the answer began.
    """

    at: float
    method: str
    path: str
    status: int | None
    token: str | None
    created: tuple[str, ...] = field(default=())
    seconds: float = 0


def note_created(scope: Scope, ids: Iterable[str]) -> None:
    """Tell the request log what this request created."""
    scope[_CREATED].extend(ids)


@dataclass(slots=True)
class _Answer:
    start: Message
    body: bytes


class Front:
    """
    An ASGI application around the API.

    :param hang_up: closes the connection of a client.
    """

    def __init__(self, app: ASGIApp, backend: Backend, hang_up: HangUp) -> None:
        self._app = app
        self._backend = backend
        self._hang_up = hang_up
        limit = backend.options.rate_limit
        self._window = FixedWindow(limit) if limit else None
        self.faults = Faults()
        self.log: deque[LoggedRequest] = deque(maxlen=LOGGED_REQUESTS)

    def clear(self) -> None:
        """Lift all faults, forget the log and the rate limit's counts."""
        self.faults.clear()
        self.log.clear()
        if self._window:
            self._window.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Log the request around everything else. The emulator's own endpoints are not part of Raydocs."""
        if scope["type"] != "http" or scope["path"].startswith(ADMIN):
            await self._app(scope, receive, send)
            return
        created: list[str] = []
        scope[_CREATED] = created
        at, began = self._backend.clock(), time.perf_counter()
        recorded = False

        def record(status: int | None) -> None:
            nonlocal recorded
            if not recorded:
                recorded = True
                self._record(
                    LoggedRequest(
                        at=at,
                        method=scope["method"],
                        path=scope["path"],
                        status=status,
                        token=self._token(Headers(scope=scope).get("authorization")),
                        created=tuple(created),
                        seconds=time.perf_counter() - began,
                    )
                )

        async def watch(message: Message) -> None:
            # Before the client sees anything, so that it finds its own request in the log.
            if message["type"] == "http.response.start":
                record(message["status"])
            await send(message)

        cut = None
        try:
            cut = await self._faulty(scope, receive, watch)
        finally:
            record(None)
        if cut:
            self._hang_up(_client(scope), cut == "at once")
            # Gives the server a turn to notice, or it would answer 500 for the handler that sent nothing.
            await asyncio.sleep(0)

    def _record(self, request: LoggedRequest) -> None:
        self.log.append(request)
        if self._backend.options.access_log:
            clock = time.strftime("%H:%M:%S", time.localtime(request.at))
            status, milliseconds = request.status or "cut", round(request.seconds * 1000)
            print(
                f"{clock} {request.method:6} {request.path} {status} {milliseconds} ms token={request.token or '-'}",
                file=sys.stderr,
                flush=True,
            )

    def _token(self, authorization: str | None) -> str | None:
        if authorization is None:
            return None
        token = bearer(self._backend.options.tokens, authorization)
        return token.owner if token else "unknown"

    # --- faults

    async def _faulty(self, scope: Scope, receive: Receive, send: Send) -> _Cut | None:
        """Answer, or spoil the answer; says how the connection is to be cut, if it is."""
        fault = self.faults.strike(scope["method"], scope["path"])
        if fault is None:
            await self._limited(scope, receive, send)
            return None
        if fault.kind == "delay" and fault.after:
            answer = await self._complete(scope, receive)
            await asyncio.sleep(fault.delay)
            await send(answer.start)
            await send({"type": "http.response.body", "body": answer.body})
            return None
        await asyncio.sleep(fault.delay)
        if fault.kind == "delay":
            await self._limited(scope, receive, send)
        elif fault.kind == "truncate":
            answer = await self._complete(scope, receive)
            await send(answer.start)
            await send({"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": True})
            return "after sending"
        elif fault.kind == "shuffle":
            answer = await self._complete(scope, receive)
            await send(answer.start)
            await send({"type": "http.response.body", "body": _in_another_order(answer.body)})
        else:
            if fault.after:
                await self._complete(scope, receive)
            if fault.kind == "drop":
                return "at once"
            await _response(fault)(scope, receive, send)
        return None

    async def _complete(self, scope: Scope, receive: Receive) -> _Answer:
        """Let the request take effect and keep the answer back."""
        answer = _Answer({}, b"")

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.start = message
            else:
                answer.body += message.get("body", b"")

        await self._limited(scope, receive, keep)
        return answer

    # --- the rate limit

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._window is None or scope["path"].startswith(STORAGE):
            await self._app(scope, receive, send)
            return
        now = self._backend.clock()
        verdict = self._window.hit(_client(scope)[0], now)
        headers = verdict.headers(now, retry_after=self._backend.options.retry_after)
        if not verdict.allowed:
            await JSONResponse({"message": "Too Many Attempts."}, 429, headers)(scope, receive, send)
            return
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

        async def add_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *raw]
            await send(message)

        await self._app(scope, receive, add_headers)


def _client(scope: Scope) -> tuple[str, int]:
    host, port = scope["client"] or UNKNOWN_CLIENT
    return host, port


def _in_another_order(body: bytes) -> bytes:
    try:
        rows = json.loads(body)
    except ValueError:
        return body
    # Printed as Starlette prints JSON, so that the length stays what the headers say.
    return bytes(JSONResponse(shuffled(rows)).body) if isinstance(rows, list) else body


def _response(fault: Fault) -> Response:
    if fault.kind == "html":
        return HTMLResponse(GATEWAY_PAGE, 502)
    headers = dict(fault.headers)
    if isinstance(fault.body, str):
        return Response(fault.body, fault.status, headers)
    return JSONResponse(fault.body, fault.status, headers)
