"""Talk to Raydocs from an event loop: the triggerer's, or one a task runs for the time of its wait."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

import aiohttp
import tenacity
from airflow.providers.http.hooks.http import HttpAsyncHook
from airflow.sdk import Connection
from asgiref.sync import sync_to_async
from requests.utils import get_environ_proxies, select_proxy

from raydocs_provider.api.requests import ApiRequest
from raydocs_provider.api.responses import no_answer, read_answer
from raydocs_provider.extraction.progress import Usage
from raydocs_provider.hooks.connection import (
    CONNECT_TIMEOUT_SECONDS,
    ConnectionSettings,
    missing_connection_explained,
    read_settings,
)
from raydocs_provider.hooks.metrics import count_answer
from raydocs_provider.hooks.pacing import Waiter, pacer_for, urgency_of
from raydocs_provider.hooks.retrying import retry_options

T = TypeVar("T")

# More would be open for a moment only, when many triggers look at once: the budget keeps their average far below.
_MOST_CONNECTIONS = 16


class _SharedSession:
    """One ``aiohttp.ClientSession``, the proxy it goes through, and how many hooks use it."""

    def __init__(self, settings: ConnectionSettings) -> None:
        self.session = _new_async_session(settings)
        # Found out once: it means going through the whole environment.
        self.proxy = _proxy(settings)
        self.users = 0


# A triggerer runs hundreds of triggers on one loop; they share one session per connection instead of one each.
_shared_sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[ConnectionSettings, _SharedSession]] = (
    WeakKeyDictionary()
)


class RaydocsAsyncHook(HttpAsyncHook):
    """
    Talk to the Raydocs API from an event loop: ``async with RaydocsAsyncHook(conn_id) as hook``.

    Hooks on the same loop with the same connection share one HTTP session, which the last of them closes.

    :param raydocs_conn_id: the connection, looked up on entering, never in the constructor.
    :param settings: settings already read, so that no connection is looked up at all.
    :param usage: what to count requests into; default: one of its own.
    """

    conn_name_attr = "raydocs_conn_id"
    default_conn_name = "raydocs_default"
    conn_type = "raydocs"
    hook_name = "Raydocs"

    def __init__(
        self,
        raydocs_conn_id: str = default_conn_name,
        settings: ConnectionSettings | None = None,
        usage: Usage | None = None,
    ) -> None:
        super().__init__(http_conn_id=raydocs_conn_id)
        self.raydocs_conn_id = raydocs_conn_id
        self.usage = usage or Usage()
        self._waiter = Waiter()
        self._settings = settings
        self._shared: _SharedSession | None = None

    async def get_settings(self) -> ConnectionSettings:
        """
        Read and check the connection, without blocking the loop.

        :raises RaydocsInputError: for a connection that is missing or cannot work.
        """
        if self._settings is None:
            with missing_connection_explained(self.raydocs_conn_id):
                found = await self._look_up()
            self._settings = read_settings(*found)
        return self._settings

    async def _look_up(self) -> tuple[Connection, dict[str, Any]]:
        """
        The connection and its decoded extra.

        The secrets of both are masked in logs, and the process above is told. Before 3.3.2 Airflow tells it by a
        blocking call, in its asynchronous methods too; on the thread of the loop that is refused while another trigger
        waits for an answer (``DeadlockImminentError``). In a thread it may block: asgiref leads it back to this loop.
        """
        if hasattr(Connection, "aextra_dejson"):
            connection = await self.aget_connection(self.raydocs_conn_id)
            return connection, await connection.aextra_dejson()

        def ask() -> tuple[Connection, dict[str, Any]]:
            connection = self.get_connection(self.raydocs_conn_id)
            return connection, connection.extra_dejson

        return await sync_to_async(ask)()

    async def __aenter__(self) -> RaydocsAsyncHook:
        settings = await self.get_settings()
        sessions = _shared_sessions.setdefault(asyncio.get_running_loop(), {})
        if settings not in sessions:
            sessions[settings] = _SharedSession(settings)
        self._shared = sessions[settings]
        self._shared.users += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        shared, self._shared = self._shared, None
        if shared is None or self._settings is None:
            return
        shared.users -= 1
        if shared.users == 0:
            del _shared_sessions[asyncio.get_running_loop()][self._settings]
            await shared.session.close()

    async def call(self, request: ApiRequest[T]) -> T:
        """
        Send a request of :mod:`raydocs_provider.api.requests`, as :meth:`RaydocsHook.call` does.

        :raises RaydocsApiError: the child that fits the refusal.
        """
        attempts = tenacity.AsyncRetrying(**retry_options(self.log))
        return cast("T", await attempts(self._send, request))

    async def _send(self, request: ApiRequest[T]) -> T:
        if self._shared is None or self._settings is None:
            raise RuntimeError("Use 'async with RaydocsAsyncHook(...) as hook'.")
        settings = self._settings
        pacer = pacer_for(settings)
        self.usage.wait(await pacer.wait_async(urgency_of(request), self._waiter))
        sent_at = datetime.now(UTC)
        try:
            async with self._shared.session.request(
                request.method,
                f"{settings.base_url}{request.path}",
                params=request.params,
                json=request.json,
                proxy=self._shared.proxy,
                allow_redirects=False,
            ) as response:
                status, headers, body = response.status, response.headers, await response.read()
        except (aiohttp.ClientError, TimeoutError) as lost:
            left = not isinstance(lost, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError))
            count_answer(self.usage, None)
            error = no_answer(request, type(lost).__name__, settings.base_url, left=left, sent_at=sent_at)
        else:
            now = datetime.now(UTC)
            count_answer(self.usage, status)
            pacer.note(status, headers, now)
            return read_answer(request, status, headers, body, now=now, sent_at=sent_at)
        raise error


def _new_async_session(settings: ConnectionSettings) -> aiohttp.ClientSession:
    timeout = aiohttp.ClientTimeout(
        total=None, sock_connect=CONNECT_TIMEOUT_SECONDS, connect=settings.timeout, sock_read=settings.timeout
    )
    connector = aiohttp.TCPConnector(limit=_MOST_CONNECTIONS, ssl=_ssl(settings))
    # Without trust_env: with it, aiohttp refuses to send the token to a host that ~/.netrc has an entry for.
    return aiohttp.ClientSession(headers=settings.headers, timeout=timeout, connector=connector)


def _proxy(settings: ConnectionSettings) -> str | None:
    """The proxy that the synchronous hook would use: the connection's, else the environment's."""
    return select_proxy(settings.base_url, get_environ_proxies(settings.base_url) | dict(settings.proxies))


def _ssl(settings: ConnectionSettings) -> Any:
    """Trust and client certificate as aiohttp takes them: True, False, or a context."""
    if settings.verify is False:
        return False
    if settings.verify is True and settings.cert is None:
        return True
    context = ssl.create_default_context(cafile=settings.verify if isinstance(settings.verify, str) else None)
    if settings.cert is not None:
        paths = (settings.cert,) if isinstance(settings.cert, str) else settings.cert
        context.load_cert_chain(*paths)
    return context
