"""The emulator as a witness: what it was asked, and what was paid for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import requests

STORAGE = "/__storage__"
BATCH = "/sessions/batch"


@dataclass(frozen=True)
class RaydocsLog:
    """
    One emulator, by its ``--admin`` endpoints.

    :param token: to look into sessions with.
    """

    url: str
    token: str

    def requests(self, since: float = 0) -> list[dict[str, Any]]:
        """Requests to the API since a moment (epoch seconds), without those to its storage."""
        answer = requests.get(f"{self.url}/__emulator__/requests", timeout=60)
        answer.raise_for_status()
        return [each for each in answer.json()["data"] if each["at"] >= since and not each["path"].startswith(STORAGE)]

    def spoil(self, **fault: object) -> None:
        """Put a fault in force; see :class:`raydocs_provider.emulator.faults.Fault`."""
        requests.post(f"{self.url}/__emulator__/faults", json=fault, timeout=30).raise_for_status()

    def mend(self) -> None:
        """Lift all faults."""
        requests.delete(f"{self.url}/__emulator__/faults", timeout=30).raise_for_status()

    def paid(self, log: Iterable[dict[str, Any]]) -> dict[str, str]:
        """The content (sha256) of each session that requests of a log created, by session id."""
        sessions = paid_sessions(log)
        with requests.Session() as http, ThreadPoolExecutor(4) as threads:
            http.headers["Authorization"] = f"Bearer {self.token}"

            def look(session: str) -> str:
                answer = http.get(f"{self.url}/extractions/sessions/{session}", timeout=60)
                answer.raise_for_status()
                (document,) = answer.json()["documents"]
                return str(document["sha256"])

            return dict(zip(sessions, threads.map(look, sessions), strict=True))


def is_batch(request: dict[str, Any]) -> bool:
    """Whether a request is one that is paid for."""
    return request["method"] == "POST" and request["path"].endswith(BATCH)


def paid_sessions(log: Iterable[dict[str, Any]]) -> list[str]:
    """Ids of the sessions that were created, whatever became of the answers."""
    return [session for request in log if is_batch(request) for session in request["created"]]


def paid_more_than_once(paid: dict[str, str]) -> int:
    """How many contents have more than one session."""
    return sum(times > 1 for times in Counter(paid.values()).values())
