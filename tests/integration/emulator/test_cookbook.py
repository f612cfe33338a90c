"""
The clients that the API's cookbook publishes, in three languages, against the emulator.

The published texts may not be copied. The clients in ``cookbook/`` make the same calls in the same order with the same
headers and read the same fields, as far as the pages are known.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from reportlab.pdfgen.canvas import Canvas

from tests.integration.emulator.client import SCHEMA

HERE = Path(__file__).parent / "cookbook"
ABILITIES = "workspaces-write,templates-write,sessions-write"


def needs(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: get it from your package manager to run this cookbook client")


def python(_: Path) -> list[str]:
    return [sys.executable, str(HERE / "client.py")]


def shell(_: Path) -> list[str]:
    needs("bash", "curl", "jq")
    return ["bash", str(HERE / "client.sh")]


def typescript(folder: Path) -> list[str]:
    needs("node")
    text = (HERE / "client.ts").read_text()
    text = re.sub(r"^interface .*?^}\n", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"\??: (Promise<[^>]+>|Session\[\]|(string|number|unknown)(\[\])?)(?=[ ,);])", "", text)
    script = folder / "client.mjs"
    script.write_text(text)
    return ["node", str(script)]


@pytest.fixture
def invoices(tmp_path) -> list[Path]:
    """Two PDF invoices, the second without an order number."""
    paths = []
    for number, total, order in (("INV-1", "10.00", "PO-9"), ("INV-2", "20.50", None)):
        path = tmp_path / f"{number}.pdf"
        canvas = Canvas(str(path), invariant=True)
        canvas.drawString(72, 760, f"Invoice number: {number}")
        canvas.drawString(72, 730, f"Total: {total}")
        if order:
            canvas.drawString(72, 700, f"Order: {order}")
        canvas.save()
        paths.append(path)
    return paths


def run(command: Sequence[str], url: str, token: str, files: Sequence[Path]) -> dict:
    arguments = [url, token, json.dumps(SCHEMA), "0.05", *map(str, files)]
    ended = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.mark.parametrize("generation", ["seed", "new"])
@pytest.mark.parametrize("language", [python, shell, typescript], ids=lambda language: language.__name__)
def test_a_cookbook_client_gets_its_values(make_emulator, invoices, tmp_path, language, generation):
    command = language(tmp_path)
    # With a token as the cookbook asks for one: it names the write abilities alone, and then reads.
    emulator = make_emulator(
        generation=generation,
        tokens=[f"rd_cookbook:{ABILITIES}"],
        write_implies_read=True,
        parse_seconds=0.1,
        extract_seconds=0.1,
    )
    report = run(command, emulator.url, emulator.token, invoices)
    assert {name: row["data"] for name, row in report.items()} == {
        "INV-1.pdf": {"invoice": {"invoice_number": "INV-1", "total": 10, "purchase_order": "PO-9"}},
        "INV-2.pdf": {"invoice": {"invoice_number": "INV-2", "total": 20.5, "purchase_order": None}},
    }
    assert [(row["status"], row["error"]) for row in report.values()] == [("completed", None)] * 2
    # The newer pages have no confidence any more.
    confidence = report["INV-1.pdf"]["confidence"]
    assert (confidence["invoice"]["total"] > 0.9) if generation == "seed" else (confidence == {})


@pytest.mark.parametrize("language", [python, shell, typescript], ids=lambda language: language.__name__)
def test_a_cookbook_client_reads_the_error_of_a_failed_run(make_emulator, invoices, tmp_path, language):
    command = language(tmp_path)
    emulator = make_emulator(failure_rate=1)
    report = run(command, emulator.url, emulator.token, invoices[:1])
    assert report["INV-1.pdf"]["status"] == "failed"
    assert report["INV-1.pdf"]["error"] == "The extraction failed."
