"""The emulator with a gate before it, where requests are counted and where the driver dies."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from random import Random

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from raydocs_provider.emulator import Emulator
from raydocs_provider.emulator.faults import Fault, Faults
from raydocs_provider.emulator.front import STORAGE, LoggedRequest
from raydocs_provider.emulator.options import EmulatorOptions
from tests.chaos.scenario import Scenario, Strike

_BATCH = "/sessions/batch"


def is_paid(method: str, path: str) -> bool:
    """Whether a request creates what is billed."""
    return method == "POST" and path.endswith(_BATCH)


class Weather(Faults):
    """Free answers that go wrong at random, and storms of 429 that spare nobody."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__()
        self.active = False
        self._scenario = scenario
        self._random = Random(scenario.seed)
        self._calls = 0
        self._storm_left = 0

    def strike(self, method: str, path: str) -> Fault | None:
        """The fault for this call."""
        if not self.active:
            return None
        scenario = self._scenario
        stored = path.startswith(STORAGE)
        self._calls += 1
        if scenario.storm_every and self._calls % scenario.storm_every == 0:
            self._storm_left = scenario.storm_length
        if self._storm_left and not stored:
            self._storm_left -= 1
            headers = {"Retry-After": "1"} if scenario.retry_after else {}
            return Fault("answer", status=429, body={"message": "Too Many Attempts."}, headers=headers)
        # A file is sent three times at most, so a storage as bad as the API would lose documents for good.
        if is_paid(method, path) or self._random.random() >= scenario.bad_weather * (0.2 if stored else 1):
            return None
        kind = self._random.choice(["answer", "answer", "drop", "truncate", "html"])
        if kind == "answer":
            return Fault("answer", status=self._random.choice([500, 502, 503, 504]), body={"message": "Server Error"})
        return Fault(kind, after=kind == "drop" and self._random.random() < 0.5)


class Strikes:
    """
    Decides, request by request, what happens next. Used by one event loop at a time.

    :param strikes: in order; each counts from the one before.
    """

    def __init__(self, strikes: tuple[Strike, ...]) -> None:
        self._left = list(strikes)
        self._seen = 0
        self.requests = 0
        self.kills_of_paid = 0
        self.victim: int | None = None

    def next(self, paid: bool) -> Strike | None:
        """Count a request, and say whether it is struck."""
        self.requests += 1
        if not self._left or self.victim is None:
            return None
        strike = self._left[0]
        if strike.batches_only and not paid:
            return None
        self._seen += 1
        if self._seen < strike.after:
            return None
        self._seen = 0
        self.kills_of_paid += paid and strike.kind == "kill"
        return self._left.pop(0)

    def cease(self) -> None:
        """Nothing happens any more."""
        self._left.clear()

    def kill(self) -> None:
        """End the driver, as a node that dies does."""
        if self.victim is not None:
            os.kill(self.victim, signal.SIGKILL)
            self.victim = None


class ChaosRaydocs(Emulator):
    """
    An emulator behind a gate.

    :param strikes: kept over a restart, unlike the emulator's own memory.
    :param weather: likewise.
    :param go_down: called when a strike wants a restart; must not block.
    """

    def __init__(
        self, options: EmulatorOptions, strikes: Strikes, weather: Weather, go_down: Callable[[], None]
    ) -> None:
        super().__init__(options)
        self._strikes = strikes
        self._weather = weather
        self._go_down = go_down

    def open(self) -> None:
        """Take the port, and put the gate before the application."""
        super().open()
        self._front.faults = self._weather
        self._server.config.app = self._gate(self._front)

    def sha256s(self, session_ids: tuple[str, ...]) -> tuple[str, ...]:
        """What the sessions hold."""
        store = self._backend.store
        return tuple(store.documents_of_session(session_id)[0].sha256 for session_id in session_ids)

    def _gate(self, app: ASGIApp) -> ASGIApp:
        hang_up = self._front._hang_up
        assert hang_up is not None

        async def gate(scope: Scope, receive: Receive, send: Send) -> None:
            strike = None
            if scope["type"] == "http":
                strike = self._strikes.next(is_paid(scope["method"], scope["path"]))
            if strike is None:
                await app(scope, receive, send)
                return
            if strike.kind == "restart":
                await app(scope, receive, send)
                self._go_down()
                return
            # All of the request is here before anything happens: it has left the driver.
            body = await _read(receive)
            if strike.kind == "kill":
                self._strikes.kill()
            if strike.effect:
                await app(scope, _replay(body), _swallow)
            # No answer either way: nobody is left to read it, or nobody gets it.
            hang_up(tuple(scope["client"]), True)
            # Gives the server a turn to notice, or it would answer 500.
            await asyncio.sleep(0)

        return gate


class Recorded:
    """The request log over restarts of the emulator."""

    def __init__(self) -> None:
        self._earlier: list[LoggedRequest] = []

    def keep(self, emulator: Emulator) -> None:
        """Take over the log of an emulator that is about to go."""
        self._earlier.extend(emulator.requests())

    def everything(self, emulator: Emulator) -> list[LoggedRequest]:
        """All requests so far."""
        return [*self._earlier, *emulator.requests()]


async def _read(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return body


def _replay(body: bytes) -> Receive:
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Message:
        return next(messages, {"type": "http.disconnect"})

    return receive


async def _swallow(message: Message) -> None:
    pass
