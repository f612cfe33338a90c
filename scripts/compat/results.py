"""What a run of a cell has shown, kept as JSON: a file per cell in .compat, all in docs/compatibility.json."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Outcome = Literal["ok", "failed", "not run"]


@dataclass(frozen=True)
class Check:
    """
    One thing that was tried in a cell.

    :param detail: what it found, why it failed, or what would be needed to run it.
    """

    name: str
    outcome: Outcome
    detail: str = ""
    seconds: float = 0.0


@dataclass
class CellResult:
    """
    What became of a cell.

    :param wheel: digest of what was installed; see :func:`wheel_digest`.
    :param python: full version of the interpreter; empty when there is none.
    :param ran_on: day of the run.
    :param versions: what was installed, by package.
    """

    cell: str
    airflow: str
    kind: str
    wheel: str
    python: str = ""
    ran_on: str = ""
    checks: list[Check] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether something was run and nothing failed."""
        outcomes = {check.outcome for check in self.checks}
        return "ok" in outcomes and "failed" not in outcomes

    def outcome(self, name: str) -> Outcome:
        """How a check ended."""
        return next((check.outcome for check in self.checks if check.name == name), "not run")


def wheel_digest(wheel: Path) -> str:
    """
    Digest of what a wheel installs.

    The README is part of the metadata and has the table in it that the results are written to: it does not count.
    """
    digest = hashlib.sha256()
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            content = archive.read(name)
            if name.endswith(".dist-info/METADATA"):
                content = content.partition(b"\n\n")[0]
            if not name.endswith(".dist-info/RECORD"):
                digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def dump(results: Iterable[CellResult]) -> str:
    """The results as the text of a file."""
    return json.dumps([asdict(result) for result in results], indent=1) + "\n"


def parse(text: str) -> list[CellResult]:
    """The results in the text of a file."""
    return [_result(item) for item in json.loads(text)]


def _result(item: dict[str, Any]) -> CellResult:
    return CellResult(**{**item, "checks": [Check(**check) for check in item["checks"]]})
