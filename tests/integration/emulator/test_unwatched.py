"""Work goes on at the emulator whether anybody looks or not."""

from __future__ import annotations

import time
from pathlib import Path

import requests

DOCUMENT = next((Path(__file__).parents[3] / "example_dags" / "documents").glob("*.pdf"))


def test_an_extraction_nobody_looked_at_is_found_done_at_the_first_look(make_emulator):
    emulator = make_emulator(parse_seconds=0.1, extract_seconds=0.1)
    api = requests.Session()
    api.headers["Authorization"] = f"Bearer {emulator.token}"

    def post(path, **body):
        return api.post(f"{emulator.url}{path}", json=body).json()

    workspace = post("/workspaces/create", name="W")
    schema = {"groups": {"head": {"fields": {"invoice_number": {"type": "string", "extraction_prompt": "Number"}}}}}
    template = post("/extractions/templates", name="T", workspace_id=workspace["id"], schema_json=schema)
    signed = post("/vapor/signed-storage-url", content_type="application/pdf")
    requests.put(signed["url"], data=DOCUMENT.read_bytes(), headers={"Content-Type": "application/pdf"})
    batch = f"/extractions/templates/{template['id']}/sessions/batch"
    (session,) = post(batch, files=[signed["key"]], settings={"auto_extract": True})
    time.sleep(3)
    seen = api.get(f"{emulator.url}/extractions/sessions/{session['id']}").json()
    assert [run["status"] for run in seen["results"]] == ["completed"]
