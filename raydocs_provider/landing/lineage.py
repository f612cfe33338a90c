"""Which fields of a template the columns of its tables are made of, for those who follow a value back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from raydocs_provider.api.schema import ExtractionSchema
from raydocs_provider.landing.names import Path
from raydocs_provider.landing.schema_fields import SchemaFields
from raydocs_provider.landing.tables import Column, Kind, LandingPlan, Records, Table


@dataclass(frozen=True, slots=True)
class Origin:
    """
    What a column is made of.

    :param fields: of the template, as `list_fields` writes them.
    :param reading: what becomes of their values, for people.
    :param unchanged: whether the column holds just what was extracted.
    """

    fields: tuple[str, ...]
    reading: str
    unchanged: bool


def list_fields(schema: ExtractionSchema) -> dict[str, str]:
    """The fields with values of their own, as the author of a Dag writes them, and their types."""
    return {written: field.type for written, field in SchemaFields(schema).values()}


def trace_columns(plan: LandingPlan) -> dict[Table, dict[str, Origin]]:
    """
    Trace columns back to the fields that their values come from.

    :return: by table, and by column. What we add ourselves has no origin, nor has the ledger.
    """
    placed = list(_place(plan.records, ()))
    origins = {
        records.table: {column.name: _origin(field, column) for column, field in columns if column.landed}
        for records, columns in placed
        if records.landed
    }
    fields = tuple(field for _, columns in placed for _, field in columns)
    origins[plan.fields] = {"value": Origin(fields, "the text of a value, before it is read", unchanged=True)}
    return origins


def _place(records: Records, above: Path) -> Iterator[tuple[Records, list[tuple[Column, str]]]]:
    path = above + records.path
    yield records, [(column, ".".join(path + (column.path or ()))) for column in records.values]
    for inner in records.lists:
        yield from _place(inner, path)


def _origin(field: str, column: Column) -> Origin:
    reading = f"read as {column.kind}"
    if column.formats:
        reading += f" ({', '.join(column.formats)})"
    if column.room:
        reading += f", as far as {column.room.type} takes it"
    unchanged = column.kind is Kind.TEXT and not column.formats and not column.room
    return Origin((field,), reading, unchanged)
