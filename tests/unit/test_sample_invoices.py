"""The sample invoices: what the generator wrote into them is what is read from them, value by value."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pypdfium2
import pytest

from raydocs_provider.emulator.extracting import Extraction, extract
from raydocs_provider.emulator.reading import Page, UnreadableDocument, read_document

ROOT = Path(__file__).parents[2]
DOCUMENTS = ROOT / "example_dags" / "documents"
EXPECTED_FILE = ROOT / "tests" / "data" / "sample_invoices.json"
EXPECTED: dict[str, dict[str, Any]] = json.loads(EXPECTED_FILE.read_text(encoding="utf-8"))
SCHEMA = json.loads((ROOT / "example_dags" / "schemas" / "invoice.json").read_text(encoding="utf-8"))
READABLE = [name for name, expected in EXPECTED.items() if "expected" in expected]
FAILING = [name for name, expected in EXPECTED.items() if expected.get("fails")]


@cache
def read(name: str) -> Extraction:
    return extract(read_document(DOCUMENTS / name), SCHEMA, chunk_id=lambda page: f"chunk-{page}")


def flat(data: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Every single value by its path, so that a difference shows as the one value it is."""
    values: dict[str, Any] = {}
    for group, fields in data.items():
        for field, value in fields.items():
            if isinstance(value, list):
                values[f"{group}.{field}"] = len(value)
                for number, item in enumerate(value):
                    values |= {f"{group}.{field}[{number}].{key}": part for key, part in item.items()}
            else:
                values[f"{group}.{field}"] = value
    return values


@pytest.mark.parametrize("name", READABLE)
def test_what_is_read_is_what_was_written(name):
    assert flat(read(name).data) == flat(EXPECTED[name]["expected"])


@pytest.mark.parametrize("name", FAILING)
def test_the_corrupt_one_cannot_be_read(name):
    with pytest.raises(UnreadableDocument, match="the PDF cannot be opened"):
        read_document(DOCUMENTS / name)


@pytest.mark.parametrize("name", READABLE)
def test_the_amounts_of_an_invoice_add_up(name):
    data = json.loads(json.dumps(EXPECTED[name]["expected"]), parse_float=Decimal)
    totals, items = data["totals"], data["lines"]["line_items"]
    assert [item["position"] for item in items] == list(range(1, len(items) + 1))
    assert all(item["quantity"] * item["unit_price"] == item["total"] for item in items)
    assert sum(item["total"] for item in items) == totals["subtotal"]
    assert abs(totals["subtotal"] * totals["tax_rate"] / 100 - totals["tax_amount"]) <= Decimal("0.005")
    assert totals["subtotal"] + totals["tax_amount"] == totals["total_amount"]


@pytest.mark.parametrize("name", READABLE)
def test_every_value_that_is_read_quotes_lines_of_the_page_it_is_on(name):
    pages = {page.number: quotable(page) for page in read_document(DOCUMENTS / name)}
    found = read(name)
    for group, fields in found.data.items():
        for field, value in fields.items():
            sources = found.audit_data[group][field]["sources"]
            assert bool(sources) == (value is not None)
            for source in sources:
                assert source["chunk_id"] == f"chunk-{source['page']}"
                assert set(source["text"].splitlines()) <= pages[source["page"]]


def quotable(page: Page) -> set[str]:
    return {" ".join(cell for cell in line.split("\t") if cell) for line in page.lines}


def test_the_samples_cover_what_a_demonstration_needs():
    kinds = {Path(name).suffix for name in EXPECTED}
    headers = [EXPECTED[name]["expected"]["invoice_header"] for name in READABLE]
    items = [len(EXPECTED[name]["expected"]["lines"]["line_items"]) for name in READABLE]
    pages = {len(read_document(DOCUMENTS / name)) for name in READABLE}
    assert kinds == {".pdf", ".png", ".jpg"}
    assert len(FAILING) == 1
    assert {header["currency"] for header in headers} == {"EUR", "GBP", "USD"}
    assert any(header["due_date"] is None for header in headers)
    assert (min(items), max(items)) == (1, 60)
    assert pages == {1, 2, 3, 4}
    assert any(not header["vendor_name"].isascii() for header in headers)


def test_some_values_are_found_with_a_confidence_under_80_percent():
    doubtful = {
        (name, field)
        for name in READABLE
        for group, fields in read(name).reasoning.items()
        for field, entry in fields.items()
        if entry["confidence"] < 0.8 and read(name).data[group][field] is not None
    }
    assert doubtful == {
        ("invoice_010_classic_eur_other_label.pdf", "invoice_date"),
        ("invoice_011_compact_usd_no_currency.pdf", "currency"),
    }


def test_the_folder_holds_the_samples_and_nothing_else_and_stays_small():
    files = [path for path in DOCUMENTS.iterdir() if path.is_file()]
    assert sorted(path.name for path in files) == sorted(EXPECTED)
    assert all(path.stat().st_size > 0 for path in files)
    assert sum(path.stat().st_size for path in files) < 1_500_000


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, Path]:
    """Two runs of the generator, each with ``documents/`` and ``expected.json``."""
    return run_generator(tmp_path_factory.mktemp("one")), run_generator(tmp_path_factory.mktemp("two"))


def run_generator(folder: Path) -> Path:
    command = [sys.executable, str(ROOT / "scripts" / "make_samples.py")]
    arguments = ["--documents", str(folder / "documents"), "--expected", str(folder / "expected.json")]
    subprocess.run([*command, *arguments], check=True, timeout=120, cwd=folder)
    return folder


class TestGenerator:
    def test_two_runs_write_the_same_bytes(self, made):
        one, two = made
        assert {path.name: path.read_bytes() for path in (one / "documents").iterdir()} == {
            path.name: path.read_bytes() for path in (two / "documents").iterdir()
        }

    def test_the_committed_expectation_is_what_the_generator_writes(self, made):
        assert json.loads((made[0] / "expected.json").read_text(encoding="utf-8")) == EXPECTED

    @pytest.mark.parametrize("name", READABLE)
    def test_the_committed_documents_read_like_newly_made_ones(self, made, name):
        # Not byte by byte: pictures depend on the rasteriser and on the compression library of the machine.
        assert read_document(made[0] / "documents" / name) == read_document(DOCUMENTS / name)

    @pytest.mark.parametrize("name", [name for name in READABLE if name.endswith(".pdf")])
    def test_no_text_runs_off_the_page_or_over_other_text(self, made, name):
        with pypdfium2.PdfDocument(made[0] / "documents" / name) as document:
            for page in document:
                width, height = page.get_size()
                text = page.get_textpage()
                boxes = [text.get_rect(index) for index in range(text.count_rects())]
                for left, bottom, right, top in boxes:
                    assert 0 < left < right < width
                    assert 0 < bottom < top < height
                for number, one in enumerate(boxes):
                    assert not any(overlap(one, other) for other in boxes[:number])


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether two boxes (left, bottom, right, top) share more than a hair."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return width > 1 and height > 1
