"""What a benchmark has to say: one figure a line, as JSON, with the bar it is held to."""

from __future__ import annotations

import json
import math
import operator
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

_COMPARE = {"<=": operator.le, ">=": operator.ge, "==": operator.eq}


@dataclass(frozen=True)
class Bar:
    """What a value has to be, such as ``<= 2.3``."""

    sign: Literal["<=", ">=", "=="]
    than: float

    def __str__(self) -> str:
        return f"{self.sign} {self.than:g}"

    def passed_by(self, value: float) -> bool:
        """Whether the value, unrounded, is good enough."""
        return bool(_COMPARE[self.sign](value, self.than))


@dataclass(frozen=True)
class Figure:
    """
    One measured value.

    :param value: infinite where there is none, because what it is about did not come about.
    :param bar: what it is held to; None for a value that is only told.
    :param context: what one has to know to judge the value: how many, how long, under which limit.
    """

    name: str
    value: float
    unit: str
    bar: Bar | None = None
    context: Mapping[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether the bar is met; a value without one always holds."""
        return self.bar is None or self.bar.passed_by(self.value)

    def to_json(self) -> str:
        """The figure as one line, with the load of the machine at this moment."""
        written: dict[str, Any] = {
            "figure": self.name,
            "value": round(self.value, 4) if math.isfinite(self.value) else None,
            "unit": self.unit,
            "bar": str(self.bar) if self.bar else None,
            "holds": self.holds,
        }
        rounded = {name: round(value, 2) if isinstance(value, float) else value for name, value in self.context.items()}
        return json.dumps(written | rounded | {"load_average": round(os.getloadavg()[0], 2)})
