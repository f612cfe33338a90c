"""The blocks of code in the README, for the tests that run them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """
    What stands between two fences.

    :param language: after the first fence.
    :param text: without the ``$`` of a prompt and the remarks after commands.
    :param section: the heading above it.
    :param before: the last paragraph above it.
    """

    language: str
    text: str
    section: str
    before: str

    @property
    def kind(self) -> str:
        """Who runs it: every block of a kind is run by the same test."""
        if self.language != "console":
            return self.language
        command = self.text.split(maxsplit=1)[0]
        if command in ("make", "pip"):
            return command
        return "emulator" if "raydocs_provider.emulator" in self.text else "shell"


def blocks(kind: str = "", section: str = "") -> list[Block]:
    """The blocks in order, of one kind or section or of all."""
    return [
        block
        for block in map(_read, _BLOCK.finditer(README))
        if kind in ("", block.kind) and section in ("", block.section)
    ]


def _read(found: re.Match[str]) -> Block:
    above = _BLOCK.sub("", README[: found.start()])
    text = found["text"]
    if found["language"] == "console":
        text = re.sub(r" {2,}# .*$", "", re.sub(r"^\$ ", "", text, flags=re.MULTILINE), flags=re.MULTILINE)
    return Block(
        language=found["language"],
        text=text,
        section=re.findall(r"^## (.+)$", above, re.MULTILINE)[-1],
        before=above.strip().rpartition("\n\n")[2],
    )
