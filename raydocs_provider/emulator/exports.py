"""Results as CSV and as Excel workbooks."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from raydocs_provider.emulator.backend import RunView
from raydocs_provider.emulator.records import Extracted

if TYPE_CHECKING:
    from openpyxl import Workbook

AUDIT_COLUMNS = ("group", "field", "reasoning", "confidence", "pages", "quotes")


@dataclass(frozen=True, slots=True)
class ExportRow:
    """A session with the run whose values are exported."""

    session_id: str
    session_name: str
    view: RunView

    def as_json(self) -> dict[str, Any]:
        """The row of a JSON export."""
        return {"session_id": self.session_id, "session_name": self.session_name, "data": _found(self.view).data}


def csv_table(rows: Sequence[ExportRow]) -> str:
    """One line per session, one column per field that any of them has. Lists and objects are JSON."""
    columns = _columns(rows)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["session_id", "session_name", *columns])
    for row in rows:
        writer.writerow([row.session_id, row.session_name, *_cells(row.view, columns)])
    return text.getvalue()


def session_workbook(rows: Sequence[ExportRow]) -> bytes:
    """The same table as a sheet, and a sheet that says why."""
    columns = _columns(rows)
    workbook, data, audit = _workbook()
    data.append(["session_id", "session_name", *columns])
    audit.append(["session_id", *AUDIT_COLUMNS])
    for row in rows:
        data.append([row.session_id, row.session_name, *_cells(row.view, columns)])
        for line in _audit_lines(_found(row.view)):
            audit.append([row.session_id, *line])
    return _bytes_of(workbook)


def run_workbook(view: RunView) -> bytes:
    """One run: its values, why, and what it was a run of. A run that is not completed has no values."""
    workbook, data, audit = _workbook()
    data.append(["group", "field", "value"])
    audit.append(AUDIT_COLUMNS)
    if view.found:
        for group, values in view.found.data.items():
            for name, value in values.items():
                data.append([group, name, _cell(value)])
        for line in _audit_lines(view.found):
            audit.append(line)
    metadata = workbook.create_sheet("Metadata")
    for name, value in (
        ("result_id", view.run.id),
        ("session_id", view.run.session_id),
        ("config_hash", view.run.config_hash),
        ("documents", ", ".join(document.filename for document in view.documents)),
    ):
        metadata.append([name, value])
    return _bytes_of(workbook)


def _workbook() -> tuple[Workbook, Any, Any]:
    from openpyxl import Workbook

    workbook = Workbook()
    data: Any = workbook.active
    data.title = "Data"
    return workbook, data, workbook.create_sheet("Audit")


def _bytes_of(workbook: Workbook) -> bytes:
    content = io.BytesIO()
    workbook.save(content)
    return content.getvalue()


def _found(view: RunView) -> Extracted:
    assert view.found is not None
    return view.found


def _columns(rows: Sequence[ExportRow]) -> list[str]:
    names = [f"{group}.{name}" for row in rows for group, values in _found(row.view).data.items() for name in values]
    return list(dict.fromkeys(names))


def _cells(view: RunView, columns: Sequence[str]) -> list[Any]:
    values = {f"{group}.{name}": value for group, fields in _found(view).data.items() for name, value in fields.items()}
    return [_cell(values.get(column)) for column in columns]


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value


def _audit_lines(found: Extracted) -> Iterator[list[Any]]:
    for group, fields in found.data.items():
        for name in fields:
            audit = found.audit_data.get(group, {}).get(name) or {}
            sources = audit.get("sources", [])
            yield [
                group,
                name,
                audit.get("reasoning"),
                (found.reasoning.get(group, {}).get(name) or {}).get("confidence"),
                ", ".join(str(source["page"]) for source in sources),
                "\n".join(source["text"] for source in sources),
            ]
