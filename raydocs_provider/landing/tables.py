"""
Which tables and columns a template's results land in. Decided by the schema alone, never by the data.

For a target ``t`` there are

- ``t``: one row per document, a column ``<group>__<field>`` per value; objects are flattened the same way,
- ``t__<group>__<list>``: one row per list item; a list inside an item has its own table, one name longer; a group that
  iterates on a list is one itself,
- ``t__fields``: one row per extracted value, with confidence, reasoning and sources,
- ``t__documents``: one row per document ever given, the failed ones included.

Columns that start with ``_`` are ours, all others come from the template.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from raydocs_provider.api.schema import ARRAY, OBJECT, ExtractionSchema, Field, Group
from raydocs_provider.landing.names import SEPARATOR, Path, assign_names, parse_table_name, shorten

if TYPE_CHECKING:
    from raydocs_provider.landing.column_types import Reading


class Kind(StrEnum):
    """What a column holds. Each engine has its own type for each kind."""

    TEXT = "text"
    DECIMAL = "decimal"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    JSON = "json"


_KINDS = {
    "number": Kind.DECIMAL,
    "integer": Kind.INTEGER,
    "boolean": Kind.BOOLEAN,
    OBJECT: Kind.JSON,
    ARRAY: Kind.JSON,
}


@dataclass(frozen=True, slots=True)
class Column:
    """
    A column.

    :param path: where its value is, from the document's data or from the list item; empty for the ``value`` of a list
        of scalars, None for columns of ours.
    :param formats: how a text is read, where ``column_types`` has set the kind; None where the template has.
    :param room: what the column takes, where that is not all of its kind.
    :param landed: False where the schema contract leaves the column out: its values are in ``t__fields`` alone.
    """

    name: str
    kind: Kind
    path: Path | None = None
    formats: tuple[str, ...] | None = None
    room: Room | None = None
    landed: bool = True


@dataclass(frozen=True, slots=True)
class Room:
    """
    What a column takes, where that is not all of its kind. The rest lands as NULL, and `_meta` says why.

    :param type: of the column, as the engine spells it.
    :param kind: as which its values are read; None: none fits.
    :param precision: digits of a number in all, and ``scale`` those of them after the point.
    :param limit: the largest integer.
    :param length: characters of a text.
    :param byte_length: bytes of a text.
    """

    type: str
    kind: Kind | None
    precision: int | None = None
    scale: int | None = None
    limit: int | None = None
    length: int | None = None
    byte_length: int | None = None


KEY = Column("_document_key", Kind.TEXT)
STATE = Column("state", Kind.TEXT)
ATTEMPTS = Column("attempts", Kind.INTEGER)
META = Column("_meta", Kind.JSON)
REVIEW_STATUS = Column("_review_status", Kind.TEXT)
EXTRACTED_AT = Column("_extracted_at", Kind.TIMESTAMP)
LOADED_AT = Column("_loaded_at", Kind.TIMESTAMP)

# On every table, the same for every row of a document.
AUDIT = (
    KEY,
    Column("_session_id", Kind.TEXT),
    Column("_result_id", Kind.TEXT),
    Column("_source_uri", Kind.TEXT),
    Column("_document_sha256", Kind.TEXT),
    Column("_template_id", Kind.TEXT),
    Column("_template_hash", Kind.TEXT),
    EXTRACTED_AT,
    LOADED_AT,
    Column("_dag_id", Kind.TEXT),
    Column("_run_id", Kind.TEXT),
    Column("_task_id", Kind.TEXT),
    Column("_map_index", Kind.INTEGER),
    Column("_try_number", Kind.INTEGER),
)


# Compared by identity: a plan holds each table once, and it is looked up for every single row.
@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """
    A table.

    :param name: one to three parts, as given by the user; each is quoted as it is.
    :param own: the columns it does not share with the other tables.
    """

    name: tuple[str, ...]
    own: tuple[Column, ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns in the order they are created: the key, its own, the other audit columns."""
        return (KEY, *self.own, *AUDIT[1:])

    @property
    def key_index(self) -> str:
        """What an index on the key is called: like no table of a plan, none of whose suffixes starts with ``_``."""
        return shorten(f"{self.name[-1]}{SEPARATOR}{KEY.name}")

    def __str__(self) -> str:
        return ".".join(self.name)


@dataclass(frozen=True, slots=True)
class Records:
    """
    Where the values of one kind of record go: the documents themselves, or the items of a list.

    :param path: where the list is, from the record that holds it; empty for documents.
    :param depth: how many lists the record is inside of.
    :param values: the columns that are filled from the record, in the order of the table.
    :param lists: the lists inside the record.
    :param landed: False where the schema contract leaves the table out.
    """

    table: Table
    path: Path
    depth: int
    values: tuple[Column, ...]
    lists: tuple[Records, ...]
    landed: bool = True

    def walk(self) -> Iterator[Records]:
        """The records of this kind and all kinds inside."""
        yield self
        for inner in self.lists:
            yield from inner.walk()


@dataclass(frozen=True, slots=True)
class LandingPlan:
    """
    All tables of a target.

    :param documents: the ledger, ``t__documents``.
    :param records: the table ``t`` and the lists below it.
    :param fields: ``t__fields``.
    :param depth: how many lists deep the innermost list is.
    :param review: the name of a view, ``t__review``.
    """

    documents: Table
    records: Records
    fields: Table
    depth: int
    review: Table

    @property
    def tables(self) -> tuple[Table, ...]:
        """Every table there is to be, in the order they are written: the ledger last."""
        landed = (records.table for records in self.records.walk() if records.landed)
        return (*landed, self.fields, self.documents)


def plan_tables(
    schema: ExtractionSchema, table: str, column_types: Mapping[Path, Reading] | None = None
) -> LandingPlan:
    """
    Plan the tables for the results of a template.

    :param schema: what the template extracts.
    :param column_types: what `parse_column_types` made of the types that the author of the Dag gives; default: those
        of the template alone.
    :param table: the target, ``table``, ``schema.table`` or ``database.schema.table``. Used exactly as written
        (names are quoted, so ``Invoices`` and ``invoices`` may be two tables); only the last part gets suffixes.
    :raises RaydocsInputError: ``table`` is not such a name.
    """
    *parents, base = parse_table_name(table)
    fields = tuple(field for group in schema.groups for field in _below_group(group))
    lists = list(_list_paths(fields, ()))
    suffixes = assign_names(lists, taken={"fields", "documents", "review"})
    names = {path: (*parents, shorten(f"{base}{SEPARATOR}{suffixes[path]}")) for path in lists}
    records = _plan_records(fields, (), (), (*parents, base), names, column_types or {})
    depth = max(inner.depth for inner in records.walk())

    own_fields = (
        Column("group_name", Kind.TEXT),
        Column("field_name", Kind.TEXT),
        *index_columns(depth),
        Column("value", Kind.TEXT),
        Column("corrected_value", Kind.TEXT),
        Column("confidence", Kind.DECIMAL),
        Column("reasoning", Kind.TEXT),
        Column("sources", Kind.JSON),
        Column("review_code", Kind.TEXT),
    )
    return LandingPlan(
        documents=plan_documents(table),
        records=records,
        fields=Table((*parents, shorten(f"{base}{SEPARATOR}fields")), own_fields),
        depth=depth,
        review=Table((*parents, shorten(f"{base}{SEPARATOR}review")), ()),
    )


def plan_documents(table: str) -> Table:
    """
    Plan the ledger of a target. It is the same for all templates.

    :param table: the target, as for `plan_tables`.
    :raises RaydocsInputError: ``table`` is not such a name.
    """
    *parents, base = parse_table_name(table)
    own = (
        STATE,
        *(Column(name, Kind.TEXT) for name in ("stage", "code", "reason", "filename")),
        ATTEMPTS,
        Column("submitted_at", Kind.TIMESTAMP),
        Column("review_status", Kind.TEXT),
        Column("review_codes", Kind.JSON),
        Column("reviewed_by", Kind.TEXT),
        Column("reviewed_at", Kind.TIMESTAMP),
    )
    return Table((*parents, shorten(f"{base}{SEPARATOR}documents")), own)


def index_columns(depth: int) -> tuple[Column, ...]:
    """
    The columns that say where in its lists a row comes from, 0-based, outermost list first.

    :param depth: how many lists deep. 1 gives ``_index``, 2 ``_parent_index, _index``, 3 starts with
        ``_parent_2_index``.
    """
    names = ["_index", "_parent_index", *(f"_parent_{level}_index" for level in range(2, depth))][:depth]
    return tuple(Column(name, Kind.INTEGER) for name in reversed(names))


def _below_group(group: Group) -> Iterator[tuple[Path, Field]]:
    if group.iterates:
        yield (group.name,), Field(group.name, ARRAY, items=Field("", OBJECT, group.fields))
        return
    for field in group.fields:
        yield from _flatten((group.name, field.name), field)


def _flatten(path: Path, field: Field) -> Iterator[tuple[Path, Field]]:
    """The field itself, or the properties of an object instead of it."""
    if not field.properties:
        yield path, field
    for inner in field.properties:
        yield from _flatten((*path, inner.name), inner)


def _items(field: Field) -> tuple[tuple[Path, Field], ...]:
    """The values of one item of a list: the properties of an object, or the item itself under an empty path."""
    return tuple(_flatten((), field.items)) if field.items else ()


def _list_paths(fields: Iterable[tuple[Path, Field]], above: Path) -> Iterator[Path]:
    for path, field in fields:
        # A list directly in a list has no name of its own; it lands as JSON in `value`.
        if field.type == ARRAY and path:
            yield above + path
            yield from _list_paths(_items(field), above + path)


def _plan_records(
    fields: tuple[tuple[Path, Field], ...],
    above: Path,
    path: Path,
    name: tuple[str, ...],
    names: dict[Path, tuple[str, ...]],
    column_types: Mapping[Path, Reading],
    depth: int = 0,
) -> Records:
    whole = above + path
    lists = tuple(
        _plan_records(_items(field), whole, inner, names[whole + inner], names, column_types, depth + 1)
        for inner, field in fields
        if field.type == ARRAY and inner
    )
    scalars = {inner: field for inner, field in fields if field.type != ARRAY or not inner}
    columns = assign_names(scalars)
    values = tuple(
        _plan_value(columns[inner], inner, field, column_types.get(whole + inner)) for inner, field in scalars.items()
    )
    own = (*index_columns(depth), *values) if depth else (*values, META, REVIEW_STATUS)
    return Records(Table(name, own), path, depth, values, lists)


def _plan_value(name: str, path: Path, field: Field, reading: Reading | None) -> Column:
    if reading is None:
        return Column(name, _KINDS.get(field.type, Kind.TEXT), path)
    return Column(name, reading.kind, path, reading.formats)
