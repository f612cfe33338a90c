"""RaydocsAsyncHook on a real event loop, and the watch that is built on it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.execution_time import task_runner

from raydocs_provider.api import requests as endpoints
from raydocs_provider.api.models import Template
from raydocs_provider.emulator import Emulator
from raydocs_provider.exceptions import (
    RaydocsAmbiguousSubmitError,
    RaydocsAuthenticationError,
    RaydocsConnectionError,
    RaydocsInputError,
    RaydocsUnexpectedResponseError,
)
from raydocs_provider.extraction.manifest import SUBMITTED, DocumentRecord, Manifest
from raydocs_provider.extraction.spool import Spool
from raydocs_provider.extraction.waiting import Pace
from raydocs_provider.hooks import raydocs_async
from raydocs_provider.hooks.raydocs import RaydocsHook
from raydocs_provider.hooks.raydocs_async import RaydocsAsyncHook
from raydocs_provider.hooks.storage import open_path
from raydocs_provider.hooks.watching import Watcher, start_waiting
from tests.integration.conftest import GOOD, requests_to
from tests.integration.test_hook import FAULTS, LIMITS, listening_at_nothing, recording

pytestmark = pytest.mark.usefixtures("no_pauses")

Connect = Callable[..., str]


async def paths(emulator: Emulator) -> list[str]:
    return [logged.path for logged in await asyncio.to_thread(requests_to, emulator)]


async def test_hooks_of_one_connection_share_a_session_that_the_last_one_closes(connection: str) -> None:
    async with RaydocsAsyncHook(connection) as first:
        async with RaydocsAsyncHook(connection) as second:
            shared = first._shared
            assert shared is not None
            assert shared is second._shared
            await second.call(endpoints.list_workspaces())
        assert not shared.session.closed
        await first.call(endpoints.list_workspaces())
    assert shared.session.closed
    async with RaydocsAsyncHook(connection) as third:
        assert third._shared is not shared


class BlockingOnTheLoop(BaseException):
    """As Airflow's DeadlockImminentError, which nobody suppresses."""


class AskedSupervisor:
    """The process above, while another trigger of the loop waits for its answer."""

    def __init__(self) -> None:
        self.loop_thread = threading.get_ident()
        self.messages: list[str] = []

    def send(self, message: object) -> None:
        if threading.get_ident() == self.loop_thread:
            raise BlockingOnTheLoop
        self.messages.append(type(message).__name__)

    async def asend(self, message: object) -> None:
        self.messages.append(type(message).__name__)


@pytest.mark.parametrize("airflow", ["as installed", "before 3.3.2"])
async def test_looking_the_connection_up_never_blocks_the_loop(
    monkeypatch: pytest.MonkeyPatch, connect: Connect, airflow: str
) -> None:
    if airflow == "before 3.3.2":
        monkeypatch.setattr(raydocs_async, "Connection", object)
    conn_id = connect(password="rd_secret", extra={"workspace_id": "ws_1", "api_key": "hidden"})
    supervisor = AskedSupervisor()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", supervisor, raising=False)
    settings = await RaydocsAsyncHook(conn_id).get_settings()
    assert (settings.token, settings.workspace_id) == ("rd_secret", "ws_1")
    assert "MaskSecret" in supervisor.messages


async def test_another_token_is_another_session(emulator: Emulator, connect: Connect) -> None:
    one = connect("one", host=emulator.url, password=emulator.token)
    other = connect("other", host=emulator.url, password="rd_other")
    async with RaydocsAsyncHook(one) as first, RaydocsAsyncHook(other) as second:
        await first.call(endpoints.list_workspaces())
        with pytest.raises(RaydocsAuthenticationError):
            await second.call(endpoints.list_workspaces())


async def test_many_calls_at_once_share_a_few_connections(connect: Connect) -> None:
    opened = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        with contextlib.suppress(asyncio.IncompleteReadError), contextlib.closing(writer):
            while await reader.readuntil(b"\r\n\r\n"):
                await asyncio.sleep(0.01)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with RaydocsAsyncHook(connect(host=f"http://127.0.0.1:{port}", password="rd_token")) as hook:
            await asyncio.gather(*(hook.call(endpoints.list_workspaces()) for _ in range(100)))
    assert 1 < opened <= 16


def test_no_session_is_left_open(connection: str) -> None:
    async def work(*, fail: bool) -> None:
        async with RaydocsAsyncHook(connection) as hook:
            await hook.call(endpoints.list_workspaces())
            if fail:
                raise ValueError

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(work(fail=False))
        with contextlib.suppress(ValueError):
            asyncio.run(work(fail=True))
        gc.collect()


async def test_a_cancelled_request_closes_the_session(emulator: Emulator, connection: str) -> None:
    emulator.add_fault("delay", delay=5)
    entered = []

    async def work() -> None:
        async with RaydocsAsyncHook(connection) as hook:
            entered.append(hook._shared)
            await hook.call(endpoints.list_workspaces())

    task = asyncio.create_task(work())
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert entered[0].session.closed


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_a_free_request_is_repeated_after(emulator: Emulator, connect: Connect, fault: dict[str, Any]) -> None:
    emulator.add_fault(**fault)
    async with RaydocsAsyncHook(connect(host=emulator.url, password=emulator.token, extra={"timeout": 1})) as hook:
        assert await hook.call(endpoints.list_workspaces()) == []
    await asyncio.to_thread(emulator.stop)  # then late requests are on record too
    assert len(emulator.requests()) == 2


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_a_paid_request_is_sent_once_and_ambiguous_after(
    emulator: Emulator, connect: Connect, fault: dict[str, Any]
) -> None:
    emulator.add_fault(**fault, count=0)
    async with RaydocsAsyncHook(connect(host=emulator.url, password=emulator.token, extra={"timeout": 1})) as hook:
        with pytest.raises(RaydocsAmbiguousSubmitError):
            await hook.call(endpoints.create_workspace("Once"))
    await asyncio.to_thread(emulator.stop)
    assert len(emulator.requests()) == 1


@pytest.mark.parametrize("headers", LIMITS.values(), ids=LIMITS.keys())
async def test_both_are_repeated_over_the_limit_with_retry_after_as(
    emulator: Emulator, connection: str, headers: dict[str, str]
) -> None:
    emulator.add_fault("answer", status=429, headers=headers, method="POST")
    async with RaydocsAsyncHook(connection) as hook:
        await hook.call(endpoints.create_workspace("Once"))
        assert len(await hook.call(endpoints.list_workspaces())) == 1


async def test_a_host_that_stays_away_is_a_connection_error(connect: Connect) -> None:
    with listening_at_nothing() as url:
        async with RaydocsAsyncHook(connect(host=url, password="rd_token")) as hook:
            with pytest.raises(RaydocsConnectionError, match="Nothing was processed"):
                await hook.call(endpoints.create_workspace("Never"))


async def test_a_refused_token_is_not_sent_again(emulator: Emulator, connect: Connect) -> None:
    async with RaydocsAsyncHook(connect(host=emulator.url, password="rd_wrong")) as hook:
        with pytest.raises(RaydocsAuthenticationError) as caught:
            await hook.call(endpoints.list_workspaces())
    assert "rd_wrong" not in str(caught.value)
    assert await paths(emulator) == ["/workspaces"]


async def test_a_connection_without_a_token_is_refused_on_entering(emulator: Emulator, connect: Connect) -> None:
    with pytest.raises(RaydocsInputError, match="has no API token"):
        async with RaydocsAsyncHook(connect(host=emulator.url)):
            pass


async def test_a_redirect_is_not_followed(emulator: Emulator, connection: str) -> None:
    with recording() as (url, received):
        emulator.add_fault("answer", status=307, headers={"Location": f"{url}/workspaces"}, body="")
        async with RaydocsAsyncHook(connection) as hook:
            with pytest.raises(RaydocsUnexpectedResponseError, match="redirects elsewhere"):
                await hook.call(endpoints.list_workspaces())
    assert received == []


async def test_settings_of_the_connection_are_not_sent_as_headers(connect: Connect) -> None:
    extra = {"workspace_id": "ws_1", "requests_per_minute": 50, "timeout": 5, "my_own": "kept"}
    with recording() as (url, received):
        async with RaydocsAsyncHook(connect(host=url, password="rd_token", extra=extra)) as hook:
            await hook.call(endpoints.list_workspaces())
    ((_, headers),) = received
    assert headers["authorization"] == "Bearer rd_token"
    assert set(headers) <= {"authorization", "accept", "user-agent", "host", "connection", "accept-encoding"}


async def test_a_netrc_entry_does_not_replace_the_token(
    emulator: Emulator, connection: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with RaydocsAsyncHook(connection) as hook:
        assert await hook.call(endpoints.list_workspaces()) == []


@pytest.mark.parametrize("where", ["connection", "environment"])
async def test_a_proxy_is_used(connect: Connect, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    with recording() as (proxy, received):
        if where == "environment":
            monkeypatch.setenv("http_proxy", proxy)
        extra = {"proxies": {"http": proxy}} if where == "connection" else {}
        async with RaydocsAsyncHook(connect(host="http://raydocs.invalid", password="rd_token", extra=extra)) as hook:
            await hook.call(endpoints.list_workspaces())
    assert [line for line, _ in received] == ["GET http://raydocs.invalid/workspaces"]


async def test_no_proxy_is_used_where_the_environment_says_so(
    emulator: Emulator, connection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recording() as (proxy, received):
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        async with RaydocsAsyncHook(connection) as hook:
            await hook.call(endpoints.list_workspaces())
    assert received == []


# --- the watch


class SlowFolder:
    """
    A ``results_path`` on storage that takes its time.

    :param ticks: grows by one with each turn of the loop.
    :param passed: how many turns the loop made during each call.
    """

    protocol = "slow"

    def __init__(self, path: Path, ticks: list[None], passed: list[int]) -> None:
        self._path, self._ticks, self._passed = path, ticks, passed
        self.name = path.name

    def __truediv__(self, name: str) -> SlowFolder:
        return SlowFolder(self._path / name, self._ticks, self._passed)

    def _take_time(self) -> None:
        before = len(self._ticks)
        time.sleep(0.2)
        self._passed.append(len(self._ticks) - before)

    def exists(self) -> bool:
        self._take_time()
        return self._path.exists()

    def iterdir(self) -> Any:
        self._take_time()
        return self._path.iterdir()

    def mkdir(self, *, parents: bool, exist_ok: bool) -> None:
        self._take_time()
        self._path.mkdir(parents=parents, exist_ok=exist_ok)

    def write_bytes(self, data: bytes) -> int:
        self._take_time()
        return self._path.write_bytes(data)


async def test_slow_storage_does_not_block_the_loop(
    hook: RaydocsHook, connection: str, template: Template, tmp_path: Path
) -> None:
    keys = [(await asyncio.to_thread(hook.upload, open_path(path.as_uri()))).key for path in GOOD[:2]]
    sessions = await asyncio.to_thread(hook.create_sessions, template.id, keys)
    records = [
        DocumentRecord(path.as_uri(), SUBMITTED, session_id=session.id)
        for path, session in zip(GOOD, sessions, strict=False)
    ]
    manifest = Manifest(records, connection, submitted_at=time.time())
    pace = Pace(expected_seconds=0.1, poll_min=0.1)
    ticks: list[None] = []
    passed: list[int] = []
    results = tmp_path / "results"
    results.mkdir()
    spool = Spool(SlowFolder(results, ticks, passed))
    watcher = Watcher(manifest, start_waiting(manifest, pace, time.time()), spool, hook.log)

    async def tick() -> None:
        while True:
            ticks.append(None)
            await asyncio.sleep(0.01)

    ticking = asyncio.create_task(tick())
    await watcher.recall()
    async with RaydocsAsyncHook(connection) as entered:
        assert await watcher.watch(entered, stop_at=time.time() + 30)
    ticking.cancel()
    assert len(list(results.iterdir())) == 2
    assert len(passed) >= 4
    assert min(passed) > 0
