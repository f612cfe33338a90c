"""
One exact budget for all processes behind an address, kept in Redis (extra ``redis``, connection extra ``budget_url``).

Without it, every process keeps a fair share of its own and learns from refusals; with it, nobody is refused at all. If
Redis cannot be reached, work goes on by the fair shares: a budget is not worth an outage. It is asked again once a
minute then, by one request: waiting for one that hangs takes seconds.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid

from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.extraction.budget import WINDOW_SECONDS, Outage

log = logging.getLogger(__name__)

# Redis runs it as one step and by its own clock, so clients agree whatever their clocks say.
# The key holds the requests of the last minute; the answer is 0, or the milliseconds until the oldest of them is gone.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local window = tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
if redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[1]) then
  redis.call('ZADD', KEYS[1], now, ARGV[3])
  redis.call('PEXPIRE', KEYS[1], window)
  return 0
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return math.max(1, oldest[2] + window - now)
"""
_TIMEOUT_SECONDS = 2.0


class SharedBudget:
    """
    Requests of the last minute, counted in Redis.

    :param url: of the Redis, for example ``redis://host:6379/0``. It may hold a password and is never logged.
    :param address: what the requests are counted under: all processes that share a limit give the same.
    :param requests_per_minute: the limit.
    :raises RaydocsInputError: when the extra ``redis`` is not installed, or the URL is none.
    """

    def __init__(self, url: str, address: str, requests_per_minute: int) -> None:
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError as missing:
            raise RaydocsInputError(
                "The connection has a budget_url, which needs a package: pip install 'airflow-provider-raydocs[redis]'."
            ) from missing
        self._key = f"raydocs:budget:{address}"
        self._limit = requests_per_minute
        self._outage = Outage()
        self._lock = threading.Lock()
        # A connection that was idle for long may be closed: a new one is tried at once. One that hangs is not.
        retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
        try:
            self._client = redis.Redis.from_url(
                url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS, retry=retry
            )
        except ValueError:
            raise RaydocsInputError(
                "The connection's budget_url is no Redis URL, such as redis://host:6379/0."
            ) from None

    def take(self) -> float:
        """
        Count one request if it may leave.

        :returns: 0 if it may, otherwise the seconds after which to ask again.
        """
        return self._ask() if self._may_ask() else 0.0

    async def take_async(self) -> float:
        """As :meth:`take`, in a thread: one client serves every loop, and none of them waits for Redis."""
        return await asyncio.to_thread(self._ask) if self._may_ask() else 0.0

    def _may_ask(self) -> bool:
        with self._lock:
            return self._outage.may_ask(time.monotonic())

    def _ask(self) -> float:
        try:
            window = int(WINDOW_SECONDS * 1000)
            wait = int(self._client.eval(_TAKE, 1, self._key, self._limit, window, uuid.uuid4().hex)) / 1000
        except Exception as problem:
            with self._lock:
                news = self._outage.begin(time.monotonic())
            if news:
                log.warning(
                    "The shared budget cannot be reached (%s): going on with a fair share of this process's own, and "
                    "asking again once a minute.",
                    type(problem).__name__,
                )
            return 0.0
        with self._lock:
            news = self._outage.end()
        if news:
            log.info("The shared budget answers again.")
        return wait
