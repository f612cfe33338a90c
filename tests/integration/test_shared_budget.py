"""The budget in Redis: exact over processes, and never a reason to stop."""

from __future__ import annotations

import asyncio
import socketserver
import threading
import uuid
from types import SimpleNamespace

import pytest

from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.hooks.shared_budget import SharedBudget

URL = "redis://127.0.0.1:6379/0"


@pytest.fixture
def address():
    import redis

    client = redis.Redis.from_url(URL, socket_connect_timeout=1)
    try:
        client.ping()
    except redis.RedisError:
        pytest.skip("no Redis at 127.0.0.1:6379: start one with 'redis-server --port 6379' to run this test")
    address = f"test-{uuid.uuid4().hex}"
    yield address
    client.delete(f"raydocs:budget:{address}")
    client.close()


def test_processes_that_share_a_redis_send_together_what_one_may_send(address):
    budgets = [SharedBudget(URL, address, 20) for _ in range(4)]
    waits: list[float] = []

    def send_ten(budget: SharedBudget) -> None:
        waits.extend([budget.take() for _ in range(10)])

    threads = [threading.Thread(target=send_ten, args=(budget,)) for budget in budgets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(wait == 0 for wait in waits) == 20
    assert all(0 < wait <= 60 for wait in waits if wait)


def test_an_event_loop_and_a_thread_count_together(address):
    budget = SharedBudget(URL, address, 3)

    async def take_two() -> list[float]:
        return [await budget.take_async(), await budget.take_async()]

    assert asyncio.run(take_two()) == [0, 0]
    assert budget.take() == 0
    assert budget.take() > 0
    assert all(wait > 0 for wait in asyncio.run(take_two()))


def test_work_goes_on_when_redis_cannot_be_reached_and_says_so_once(caplog):
    budget = SharedBudget("redis://:hunter2@127.0.0.1:1/0", "anywhere", 1)
    assert [budget.take(), budget.take(), asyncio.run(budget.take_async())] == [0, 0, 0]
    warnings = [record.getMessage() for record in caplog.records if "shared budget" in record.getMessage()]
    assert len(warnings) == 1
    assert "hunter2" not in caplog.text


@pytest.fixture
def hanging():
    """A Redis that takes every connection and answers nothing; yields its URL and what it was sent, by connection."""
    received: list[bytes] = []

    class Hang(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            received.append(self.request.recv(4096))
            while self.request.recv(4096):
                pass

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Hang) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"redis://:hunter2@127.0.0.1:{server.server_address[1]}/0", received
        server.shutdown()


def test_a_redis_that_hangs_is_left_alone_for_a_while_by_threads_and_event_loops(hanging, caplog, monkeypatch):
    from raydocs_provider.hooks import shared_budget

    url, received = hanging
    now = [1_000.0]
    monkeypatch.setattr(shared_budget, "_TIMEOUT_SECONDS", 0.1)
    monkeypatch.setattr(shared_budget, "time", SimpleNamespace(monotonic=lambda: now[0]))
    caplog.set_level("INFO")
    budget = SharedBudget(url, "anywhere", 1)

    async def take(times: int) -> list[float]:
        return [await budget.take_async() for _ in range(times)]

    assert [budget.take() for _ in range(20)] + asyncio.run(take(20)) == [0.0] * 40
    assert len(received) == 1
    now[0] += 61
    assert [budget.take() for _ in range(20)] + asyncio.run(take(20)) == [0.0] * 40
    assert len(received) == 2
    assert len([record for record in caplog.records if "shared budget" in record.getMessage()]) == 1
    assert "hunter2" not in caplog.text


def test_a_redis_that_is_back_is_used_again(address, caplog, monkeypatch):
    from raydocs_provider.hooks import shared_budget

    now = [1_000.0]
    monkeypatch.setattr(shared_budget, "time", SimpleNamespace(monotonic=lambda: now[0]))
    caplog.set_level("INFO")
    budget = SharedBudget(URL, address, 1)
    budget._outage.begin(now[0])
    assert [budget.take() for _ in range(3)] == [0.0] * 3
    now[0] += 61
    assert budget.take() == 0.0
    assert budget.take() > 0
    assert "answers again" in caplog.text


def test_a_budget_url_that_is_none_is_refused_without_quoting_it():
    with pytest.raises(RaydocsInputError, match="no Redis URL") as refused:
        SharedBudget("http://user:hunter2@host", "anywhere", 1)
    assert "hunter2" not in str(refused.value)


def test_a_hook_counts_its_requests_in_redis(address, emulator, connect):
    import redis

    from raydocs_provider.hooks.raydocs import RaydocsHook

    connect(
        host=emulator.url,
        password=emulator.token,
        extra={"budget_url": URL, "requests_per_minute": 1000},
    )
    key = f"raydocs:budget:{emulator.url.removeprefix('http://')}"
    client = redis.Redis.from_url(URL)
    try:
        with RaydocsHook() as hook:
            hook.list_workspaces()
            hook.list_workspaces()
        assert client.zcard(key) == 2
    finally:
        client.delete(key)
        client.close()
