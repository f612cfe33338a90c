"""
Write the sample invoices of `example_dags/documents` and what is to be read from them.

    python scripts/make_samples.py [--documents DIR] [--expected FILE]

Running it twice gives the same bytes. Another version of Pillow or PDFium may give other bytes for the pictures, and
one of Faker other names and numbers: the versions of the lock file are those that made the committed files.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pypdfium2
from PIL import Image, ImageChops, ImageFilter
from PIL.PngImagePlugin import PngInfo
from samples.catalogue import Sample, samples

from raydocs_provider.emulator.reading import IMAGE_TEXT_KEY, read_document

ROOT = Path(__file__).parent.parent
PAPER = (247, 245, 240)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=Path, default=ROOT / "example_dags" / "documents")
    parser.add_argument("--expected", type=Path, default=ROOT / "tests" / "data" / "sample_invoices.json")
    arguments = parser.parse_args()
    make_samples(arguments.documents, arguments.expected)


def make_samples(documents: Path, expected: Path) -> None:
    """
    :param documents: the folder for the invoices.
    :param expected: the JSON file for what is in them: file name -> ``{"expected": data}`` or ``{"fails": true}``.
    """
    documents.mkdir(parents=True, exist_ok=True)
    truth = {}
    for sample in samples():
        write_sample(sample, documents)
        truth[sample.name] = {"fails": True} if sample.kind == "corrupt" else {"expected": sample.invoice.expected()}
    expected.write_text(json.dumps(truth, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_sample(sample: Sample, folder: Path) -> None:
    path = folder / sample.name
    if sample.kind == "pdf":
        sample.layout.draw(sample.invoice, path)
        return
    with TemporaryDirectory() as scratch:
        pdf = Path(scratch) / "invoice.pdf"
        sample.layout.draw(sample.invoice, pdf)
        {"corrupt": _write_cut_off, "picture": _write_picture, "scan": _write_scan}[sample.kind](pdf, path)


def _write_cut_off(pdf: Path, path: Path) -> None:
    """A transfer that broke off: the beginning is a PDF, its objects are gone."""
    content = pdf.read_bytes()
    path.write_bytes(content[:300] + bytes(byte ^ 0xA5 for byte in content[300:2300]))


def _write_picture(pdf: Path, path: Path) -> None:
    """A screenshot: sharp, in few colours."""
    metadata = PngInfo()
    metadata.add_itxt(IMAGE_TEXT_KEY, _text_of(pdf))
    _render(pdf, dpi=110).quantize(64).save(path, pnginfo=metadata, optimize=True)


def _write_scan(pdf: Path, path: Path) -> None:
    """A sheet that lay a little askew on the scanner."""
    page = _render(pdf, dpi=120).rotate(0.7, Image.Resampling.BICUBIC, fillcolor="white")
    tinted = ImageChops.multiply(page, Image.new("RGB", page.size, PAPER))
    comment = f"{IMAGE_TEXT_KEY}\n{_text_of(pdf)}".encode()
    tinted.filter(ImageFilter.GaussianBlur(0.4)).save(path, quality=72, optimize=True, comment=comment)


def _render(pdf: Path, *, dpi: int) -> Image.Image:
    with pypdfium2.PdfDocument(pdf) as document:
        return document[0].render(scale=dpi / 72).to_pil().convert("RGB")


def _text_of(pdf: Path) -> str:
    return "\f".join("\n".join(page.lines) for page in read_document(pdf))


if __name__ == "__main__":
    main()
