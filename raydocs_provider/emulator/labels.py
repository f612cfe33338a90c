"""
Where on a page a value is named: labels, told apart from values by what a template's fields may be called.

A label is compared by its key: its words in lower case without punctuation, with the usual abbreviations written
out. ``Invoice No.``, ``INVOICE #`` and ``invoice number:`` have one key.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from raydocs_provider.emulator.printed import CURRENCY_CODES

_WORD = re.compile(r"[^\W_]+|[#№]")
_SAME_WORD = {
    "no": "number", "nr": "number", "num": "number", "#": "number",
    "qty": "quantity", "amt": "amount", "desc": "description", "pos": "position",
}  # fmt: skip
_FILLERS = frozenset({"a", "an", "the", "of", "for", "our", "your", "der", "die", "das", "des", "ihre", "unsere"})
_CURRENCY_WORDS = frozenset(code.casefold() for code in CURRENCY_CODES)

# A label is at the beginning of a cell and short. Bounds what is looked at in hostile input.
_LONGEST_LABEL = 80


class Line(NamedTuple):
    """One printed line: the page it is on, counted from 1, and its cells."""

    page: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mention:
    """
    A place where a label stands.

    :param line: index of the line.
    :param cell: index of the cell in the line.
    :param rest: what stands in the cell after the label; empty when the label fills the cell.
    """

    line: int
    cell: int
    rest: str


@dataclass(frozen=True, slots=True)
class LabelIndex:
    """
    Every mention of a label in a document, by the label's key and in reading order.

    :param exact: the label fills its cell, or the part of it before a colon.
    :param leading: the cell begins with the label and goes on without a colon.
    :param similar: the same words in another order or with fillers, by `similar_key`.
    :param labelled: line and cell of every exact mention.
    """

    exact: dict[str, list[Mention]]
    leading: dict[str, list[Mention]]
    similar: dict[str, list[Mention]]
    labelled: frozenset[tuple[int, int]]

    def is_label(self, line: int, cell: int) -> bool:
        """Whether the cell holds a label, so that it cannot be the value of another."""
        return (line, cell) in self.labelled


def label_key(text: str) -> str:
    """The form in which labels are compared; empty when the text has no words."""
    return " ".join(word for word, _ in _words(text))


def similar_key(key: str) -> str:
    """The form in which labels are compared when no exact one was found."""
    return " ".join(sorted(set(key.split()) - _FILLERS))


def index_labels(lines: Sequence[Line], keys: Set[str], *, skip: Set[int]) -> LabelIndex:
    """
    Find the labels in a document, each cell counting for the longest label that fits.

    :param keys: the keys of all labels of interest.
    :param skip: indices of the lines to leave out, because they belong to a table.
    """
    similar_keys = {similar_key(key) for key in keys} - {""}
    exact, leading, similar = defaultdict(list), defaultdict(list), defaultdict(list)
    for line, (_, cells) in enumerate(lines):
        if line in skip:
            continue
        for cell, text in enumerate(cells):
            head, _, rest = text.replace("\uff1a", ":").partition(":")
            key = label_key(head)
            mention = Mention(line, cell, rest.strip())
            if key in keys:
                exact[key].append(mention)
            elif similar_key(key) in similar_keys:
                similar[similar_key(key)].append(mention)
            elif found := _leading_label(head, keys):
                leading[found[0]].append(Mention(line, cell, text[found[1] :].lstrip(" .-\u2013")))
    labelled = frozenset((mention.line, mention.cell) for mentions in exact.values() for mention in mentions)
    return LabelIndex(dict(exact), dict(leading), dict(similar), labelled)


def _leading_label(text: str, keys: Set[str]) -> tuple[str, int] | None:
    longest, key = None, ""
    for word, end in _words(text):
        key = f"{key} {word}" if key else word
        if key in keys:
            longest = (key, end)
    return longest


def _words(text: str) -> Iterator[tuple[str, int]]:
    """The first words of a text, each with the place where it ends. The currency of an amount is no part of a label."""
    for match in _WORD.finditer(text[:_LONGEST_LABEL]):
        word = unicodedata.normalize("NFKC", match[0]).casefold()
        word = _SAME_WORD.get(word, word)
        if word not in _CURRENCY_WORDS:
            yield word, match.end()
