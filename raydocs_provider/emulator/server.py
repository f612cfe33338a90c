"""Runs the emulator: in a thread of the process for tests, or as the process itself."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from raydocs_provider.emulator.app import build_app
from raydocs_provider.emulator.backend import Backend
from raydocs_provider.emulator.faults import Fault, Kind
from raydocs_provider.emulator.front import UNKNOWN_CLIENT, LoggedRequest
from raydocs_provider.emulator.options import EmulatorOptions

STOP_SECONDS = 5


class Connections:
    """The open connections by client address, so that a fault can cut one."""

    def __init__(self) -> None:
        self._transports: dict[tuple[str, int], asyncio.Transport] = {}

    def hang_up(self, client: tuple[str, int], at_once: bool) -> None:
        """
        Close the connection of a client.

        :param at_once: drop what has not been sent yet.
        """
        if transport := self._transports.get(client):
            if at_once:
                transport.abort()
            else:
                transport.close()

    def protocol(self) -> type[asyncio.Protocol]:
        """A protocol for uvicorn that keeps this list."""
        transports = self._transports

        class Tracked(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
            def connection_made(self, transport: asyncio.Transport) -> None:
                super().connection_made(transport)
                self._peer = tuple((transport.get_extra_info("peername") or UNKNOWN_CLIENT)[:2])
                transports[self._peer] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                transports.pop(self._peer, None)
                super().connection_lost(exc)

        return Tracked


class Emulator:
    """
    A local Raydocs in a thread of this process, on a free port::

        with Emulator(generation="new", rate_limit=0) as emulator:
            requests.get(f"{emulator.url}/workspaces", headers={"Authorization": f"Bearer {emulator.token}"})

    :param options: how it runs; default from ``settings``.
    :param clock: seconds since the epoch; a test that moves it need not wait for anything.
    :param settings: what :meth:`EmulatorOptions.build` takes.

    ``url``, without a slash at the end, is known once it is started.
    """

    url: str

    def __init__(
        self, options: EmulatorOptions | None = None, *, clock: Callable[[], float] = time.time, **settings: Any
    ) -> None:
        if options and settings:
            raise TypeError("give either options or settings")
        self.options = options or EmulatorOptions.build(**settings)
        self._clock = clock
        self._thread: threading.Thread | None = None

    @property
    def token(self) -> str:
        """The first token."""
        return self.options.tokens[0].value

    @property
    def running(self) -> bool:
        """Whether it serves requests in its thread."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> Self:
        """
        Listen, and return once requests are served.

        :raises OSError: the address cannot be listened on.
        :raises sqlite3.Error: the state file cannot be used.
        :raises RuntimeError: what is installed cannot read documents.
        """
        self.open()
        self._thread = threading.Thread(target=self.serve, name="raydocs-emulator-server", daemon=True)
        self._thread.start()
        while self.running and not self._server.started:
            time.sleep(0.005)
        if not self._server.started:
            self.close()
            raise RuntimeError("The emulator did not start; the log says why.")
        return self

    def stop(self) -> None:
        """Stop serving and let go of everything. State in a file stays."""
        self._server.should_exit = True
        if self._thread:
            self._thread.join(STOP_SECONDS)
        self.close()

    def open(self) -> None:
        """
        Take the port, so that :attr:`url` is known and connections wait to be served.

        :raises OSError: the address cannot be listened on.
        :raises sqlite3.Error: the state file cannot be used.
        :raises RuntimeError: what is installed cannot read documents.
        """
        try:
            from raydocs_provider.emulator.reading import check_reading
        except ImportError as missing:
            raise RuntimeError(
                f"The emulator lacks {missing.name}: pip install 'airflow-provider-raydocs[emulator]'."
            ) from missing
        check_reading()
        family = socket.AF_INET6 if ":" in self.options.host else socket.AF_INET
        # With the protocol spelt out: asyncio turns Nagle's algorithm off for such sockets alone, and with it each
        # answer on a kept connection would take 40 ms.
        self._socket = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((self.options.host, self.options.port))
            self._socket.listen(2048)
            host, port = self._socket.getsockname()[:2]
            self.url = f"http://[{host}]:{port}" if family is socket.AF_INET6 else f"http://{host}:{port}"
            self._backend = Backend(self.options, self._clock)
        except BaseException:
            self._socket.close()
            raise
        connections = Connections()
        self._front = build_app(self._backend, connections.hang_up)
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._front,
                http=connections.protocol(),
                loop="asyncio",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=60,
                timeout_graceful_shutdown=1,
            )
        )

    def serve(self) -> None:
        """Serve until told to stop. Blocks."""
        self._server.run(sockets=[self._socket])

    def close(self) -> None:
        """Give the port and the files back."""
        with suppress(OSError):
            self._socket.close()
        self._backend.close()

    def requests(self) -> list[LoggedRequest]:
        """The requests so far, oldest first."""
        return list(self._front.log)

    def add_fault(self, kind: Kind, **rule: Any) -> None:
        """Make matching calls go wrong; see :class:`~raydocs_provider.emulator.faults.Fault`."""
        self._front.faults.add(Fault(kind, **rule))

    def reset(self) -> None:
        """Forget all workspaces with what is in them, all faults and the log."""
        self._backend.store.clear()
        self._front.clear()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
