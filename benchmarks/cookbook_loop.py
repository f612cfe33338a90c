"""
The waiting loop of the API's published cookbook, for comparison.

    python -m benchmarks.cookbook_loop BASE_URL TOKEN TEMPLATE_ID FILE...

Uploads the files, creates one batch, then goes round: every 5 seconds the session and the results of each document that
is not finished. After a 429 it sleeps 60 seconds, whatever the server says. Prints how many documents were extracted.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import requests

SECONDS_BETWEEN_ROUNDS = 5
SECONDS_AFTER_429 = 60


class Client:
    def __init__(self, base_url: str, token: str) -> None:
        self._base_url = base_url
        self._api = requests.Session()
        self._api.headers.update({"Authorization": f"Bearer {token}", "Accept": "application/json"})

    def call(self, method: str, path: str, body: Any = None) -> Any:
        while True:
            answer = self._api.request(method, self._base_url + path, json=body, timeout=60)
            if answer.status_code != 429:
                answer.raise_for_status()
                return answer.json()
            time.sleep(SECONDS_AFTER_429)

    def upload(self, file: Path) -> str:
        wanted = {"content_type": "image/png", "visibility": "private"}
        signed = self.call("POST", "/vapor/signed-storage-url", wanted)
        headers = {"Content-Type": "image/png", **signed["headers"]}
        requests.put(signed["url"], data=file.read_bytes(), headers=headers, timeout=60).raise_for_status()
        return str(signed["key"])

    def create_sessions(self, template_id: str, keys: list[str]) -> list[str]:
        body = {"files": keys, "settings": {"auto_extract": True}}
        return [
            session["id"] for session in self.call("POST", f"/extractions/templates/{template_id}/sessions/batch", body)
        ]

    def ended_as(self, session_id: str) -> str | None:
        self.call("GET", f"/extractions/sessions/{session_id}")
        results = self.call("GET", f"/extractions/sessions/{session_id}/results")["data"]
        ends = [result["status"] for result in results if result["status"] in ("completed", "failed")]
        return ends[-1] if ends else None


def main(base_url: str, token: str, template_id: str, *files: str) -> None:
    client = Client(base_url, token)
    still_open = client.create_sessions(template_id, [client.upload(Path(file)) for file in files])
    ends: dict[str, str] = {}
    while still_open:
        time.sleep(SECONDS_BETWEEN_ROUNDS)
        for session_id in still_open:
            if end := client.ended_as(session_id):
                ends[session_id] = end
        still_open = [session_id for session_id in still_open if session_id not in ends]
    print(list(ends.values()).count("completed"))


if __name__ == "__main__":
    main(*sys.argv[1:])
