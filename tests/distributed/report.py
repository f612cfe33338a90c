"""How a scenario went."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Report:
    """
    How a scenario went.

    :param figures: what was measured.
    :param problems: what fell short, as sentences.
    """

    figures: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def expect(self, holds: bool, sentence: str) -> None:
        """Note a sentence about what fell short, unless it holds."""
        if not holds:
            self.problems.append(sentence)
