"""Small pictures that carry their text, each with its own bytes; some damaged, some twice."""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from random import Random

from raydocs_provider.emulator.reading import IMAGE_TEXT_KEY
from tests.chaos.scenario import Scenario

SCHEMA = {
    "groups": {
        "invoice": {
            "fields": {
                "invoice_number": {"type": "string", "extraction_prompt": 'The number beside "Invoice number".'},
                "total": {"type": "number", "extraction_prompt": 'The amount beside "Total".'},
            }
        },
        "lines": {
            "fields": {
                "items": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"description": {"type": "string"}, "quantity": {"type": "integer"}},
                    },
                }
            }
        },
    }
}


@dataclass(frozen=True)
class Made:
    """
    What one content is, and what has to land for it.

    :param number: the invoice number; None for content that cannot be read.
    :param lines: how many line items are printed.
    """

    sha256: str
    number: str | None
    lines: int


def make_documents(folder: Path, scenario: Scenario) -> list[Made]:
    """Write the documents of a scenario; returns what each distinct content is."""
    folder.mkdir()
    random = Random(scenario.seed)
    contents: list[tuple[bytes, str | None, int]] = []
    for index in range(scenario.readable):
        number, lines = f"R-{scenario.seed}-{index}", random.randint(0, 4)
        contents.append((_picture(_print(number, lines, random)), number, lines))
    for index in range(scenario.corrupt):
        whole = _picture(_print(f"C-{scenario.seed}-{index}", 3, random))
        contents.append((whole[: len(whole) // 2], None, 0))
    names = [f"{random.randrange(10**8):08}-{index}" for index in range(len(contents) + scenario.twins)]
    twins = random.choices(contents, k=scenario.twins)
    for name, (content, _, _) in zip(names, [*contents, *twins], strict=True):
        (folder / f"{name}.png").write_bytes(content)
    return [Made(hashlib.sha256(content).hexdigest(), number, lines) for content, number, lines in contents]


def _print(number: str, lines: int, random: Random) -> str:
    rows = [f"Item {line}\t{random.randint(1, 9)}" for line in range(lines)]
    table = ["Description\tQuantity", *rows, ""] if rows else []
    return "\n".join([f"Invoice number: {number}", "", *table, f"Total: {random.randint(1, 99_999) / 100:.2f}", ""])


def _picture(text: str) -> bytes:
    """A PNG of one grey dot with a text chunk."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)),
        (b"tEXt", IMAGE_TEXT_KEY.encode() + b"\0" + text.encode()),
        (b"IDAT", zlib.compress(b"\0\x80")),
        (b"IEND", b""),
    ]
    framed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)
