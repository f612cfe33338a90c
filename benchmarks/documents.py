"""Small documents, each with its own content, and a template that fits them."""

from __future__ import annotations

from pathlib import Path

import requests
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from raydocs_provider.emulator import Emulator
from raydocs_provider.emulator.reading import IMAGE_TEXT_KEY

SCHEMA = {
    "groups": {
        "invoice": {
            "fields": {
                "invoice_number": {"type": "string", "extraction_prompt": 'The number beside "Invoice number".'},
                "total": {"type": "number", "extraction_prompt": 'The amount beside "Total".'},
            }
        }
    }
}


def make_documents(folder: Path, number: int, series: str = "R") -> str:
    """Write PNG pictures that carry their text, as the emulator reads them; no two series share any. Returns a glob."""
    folder.mkdir()
    for index in range(number):
        text = PngInfo()
        text.add_text(IMAGE_TEXT_KEY, f"Invoice number: {series}-{index}\n\nTotal: {index}.50\n")
        Image.new("L", (1, 1)).save(folder / f"{index:05}.png", pnginfo=text)
    return f"{folder.as_uri()}/*.png"


def make_template(raydocs: Emulator) -> str:
    """A template in a workspace of its own; returns its id."""
    headers = {"Authorization": f"Bearer {raydocs.token}", "Accept": "application/json"}
    with requests.Session() as session:
        session.headers.update(headers)
        workspace = session.post(f"{raydocs.url}/workspaces/create", json={"name": "Benchmarks"}, timeout=30).json()
        template = {"name": "Invoices", "workspace_id": workspace["id"], "schema_json": SCHEMA}
        made = session.post(f"{raydocs.url}/extractions/templates", json=template, timeout=30)
    made.raise_for_status()
    return str(made.json()["id"])
