"""A bare HTTP client for the tests of the emulator. The provider's own hooks are not used: they are what it tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import requests

from raydocs_provider.emulator import Emulator

SCHEMA = {
    "config": {"reasoning_enabled": True, "extraction_title_prompt": None},
    "groups": {
        "invoice": {
            "search_query": "invoice number, total",
            "fields": {
                "invoice_number": {"type": "string", "extraction_prompt": 'The number beside "Invoice number".'},
                "total": {"type": "number", "extraction_prompt": 'The amount beside "Total".'},
                "purchase_order": {"type": "string", "extraction_prompt": 'The number beside "Order".'},
            },
        }
    },
}
INVOICE = b"Invoice number: INV-7\n\nTotal: 12.50\n"
CORRUPT = b"%PDF-1.7 and then nothing that a PDF has"


class Client:
    """
    One user of an emulator.

    :param token: default the emulator's first.
    """

    def __init__(self, emulator: Emulator, token: str | None = None) -> None:
        self.url = emulator.url
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token or emulator.token}"
        self.session.headers["Accept"] = "application/json"

    def call(self, method: str, path: str, json: Any = None, **more: Any) -> requests.Response:
        return self.session.request(method, self.url + path, json=json, timeout=30, **more)

    def get(self, path: str, **more: Any) -> Any:
        return self._good("GET", path, **more)

    def post(self, path: str, json: Any = None) -> Any:
        return self._good("POST", path, json=json)

    def _good(self, method: str, path: str, **more: Any) -> Any:
        answer = self.call(method, path, **more)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def workspace(self) -> Any:
        return self.post("/workspaces/create", {"name": "Finance", "icon": "📊"})["id"]

    def template(self, workspace: Any = None, schema: Any = None) -> str:
        body = {"name": "Invoices", "workspace_id": workspace or self.workspace(), "schema_json": schema or SCHEMA}
        return self.post("/extractions/templates", body)["id"]

    def sign(self, content_type: str = "text/plain") -> Any:
        return self.post("/vapor/signed-storage-url", {"content_type": content_type, "visibility": "private"})

    def upload(self, content: bytes = INVOICE, content_type: str = "text/plain") -> str:
        signed = self.sign(content_type)
        put = requests.put(signed["url"], data=content, headers={"Content-Type": content_type}, timeout=30)
        assert put.status_code == 200, put.text
        return signed["key"]

    def batch(self, template: str, contents: Sequence[bytes] = (INVOICE,), auto_extract: bool = True) -> list[str]:
        files = [self.upload(content) for content in contents]
        body = {"files": files, "settings": {"auto_extract": auto_extract}}
        return [session["id"] for session in self.post(f"/extractions/templates/{template}/sessions/batch", body)]

    def look(self, session: str) -> Any:
        return self.get(f"/extractions/sessions/{session}")

    def wait(self, session: str, until: Callable[[Any], Any] | None = None) -> Any:
        """Look until ``until`` holds, by default until nothing is going on any more."""
        until = until or (lambda view: settled(view))
        for _ in range(1_000):
            view = self.look(session)
            if until(view):
                return view
            time.sleep(0.01)
        raise AssertionError(f"still {view}")

    def finished(self, contents: Sequence[bytes] = (INVOICE,)) -> Any:
        """A session over the documents with a completed run."""
        return self.wait(self.batch(self.template(), contents)[0])


def settled(view: Any) -> bool:
    """Whether every document and run of a session has come to an end."""
    documents = [document["status"] for document in view["documents"]]
    runs = [run["status"] for run in view["results"]]
    if not documents or any(status not in ("ready", "processed", "parsed", "failed") for status in documents):
        return False
    if any(status not in ("completed", "failed") for status in runs):
        return False
    return bool(runs) or "failed" in documents or not view["settings"].get("auto_extract")
