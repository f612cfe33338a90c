"""
Which tables and columns a template's results land in. Decided by the schema alone, never by the data.

For a target ``t`` there are

- ``t``: one row per document, a column ``<group>__<field>`` per value; objects are flattened the same way,
- ``t__<group>__<list>``: one row per list item; a list inside an item has its own table, one name longer,
- ``t__fields``: one row per extracted value, with confidence, reasoning and sources,
- ``t__documents``: one row per document ever given, the failed ones included.

Columns that start with ``_`` are ours, all others come from the template.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from raydocs_provider.api.schema import ARRAY, OBJECT, ExtractionSchema, Field
from raydocs_provider.exceptions import RaydocsInputError

# PostgreSQL cuts longer names off in silence; the other engines allow as much or more.
MAX_NAME_BYTES = 63
SEPARATOR = "__"

Path = tuple[str, ...]


class Kind(StrEnum):
    """What a column holds. Each engine has its own type for each kind."""

    TEXT = "text"
    DECIMAL = "decimal"
    INTEGER = "integer"
    BOOLEAN = "boolean"
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

    :param path: where its value is, from the document's data or from the list item; empty for columns of ours and
        for the ``value`` of a list of scalars.
    """

    name: str
    kind: Kind
    path: Path = ()


KEY = Column("_document_key", Kind.TEXT)
STATE = Column("state", Kind.TEXT)
META = Column("_meta", Kind.JSON)

# On every table, the same for every row of a document.
AUDIT = (
    KEY,
    Column("_session_id", Kind.TEXT),
    Column("_result_id", Kind.TEXT),
    Column("_source_uri", Kind.TEXT),
    Column("_document_sha256", Kind.TEXT),
    Column("_template_id", Kind.TEXT),
    Column("_template_hash", Kind.TEXT),
    Column("_extracted_at", Kind.TIMESTAMP),
    Column("_loaded_at", Kind.TIMESTAMP),
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
        return _shorten(f"{self.name[-1]}{SEPARATOR}{KEY.name}")

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
    """

    table: Table
    path: Path
    depth: int
    values: tuple[Column, ...]
    lists: tuple[Records, ...]

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
    """

    documents: Table
    records: Records
    fields: Table
    depth: int

    @property
    def tables(self) -> tuple[Table, ...]:
        """Every table, in the order they are written: the ledger last."""
        return (*(records.table for records in self.records.walk()), self.fields, self.documents)


def plan_tables(schema: ExtractionSchema, table: str) -> LandingPlan:
    """
    Plan the tables for the results of a template.

    :param schema: what the template extracts.
    :param table: the target, ``table``, ``schema.table`` or ``database.schema.table``. Used exactly as written
        (names are quoted, so ``Invoices`` and ``invoices`` may be two tables); only the last part gets suffixes.
    :raises RaydocsInputError: ``table`` is not such a name.
    """
    *parents, base = parse_table_name(table)
    fields = tuple(field for group in schema.groups for field in _below_group(group.name, group.fields))
    lists = list(_list_paths(fields, ()))
    suffixes = _assign_names(lists, taken={"fields", "documents"})
    names = {path: (*parents, _shorten(f"{base}{SEPARATOR}{suffixes[path]}")) for path in lists}
    records = _plan_records(fields, (), (), (*parents, base), names)
    depth = max(inner.depth for inner in records.walk())

    own_fields = (
        Column("group_name", Kind.TEXT),
        Column("field_name", Kind.TEXT),
        *index_columns(depth),
        Column("value", Kind.TEXT),
        Column("confidence", Kind.DECIMAL),
        Column("reasoning", Kind.TEXT),
        Column("sources", Kind.JSON),
    )
    return LandingPlan(
        documents=plan_documents(table),
        records=records,
        fields=Table((*parents, _shorten(f"{base}{SEPARATOR}fields")), own_fields),
        depth=depth,
    )


def plan_documents(table: str) -> Table:
    """
    Plan the ledger of a target. It is the same for all templates.

    :param table: the target, as for `plan_tables`.
    :raises RaydocsInputError: ``table`` is not such a name.
    """
    *parents, base = parse_table_name(table)
    own = (STATE, *(Column(name, Kind.TEXT) for name in ("stage", "code", "reason", "filename")))
    return Table((*parents, _shorten(f"{base}{SEPARATOR}documents")), own)


def parse_table_name(table: str) -> tuple[str, ...]:
    """
    Split a target at its dots.

    :raises RaydocsInputError: more than three parts, a part that is empty or too long, surrounding blanks, control
        characters.
    """
    parts = tuple(table.split("."))
    if len(parts) > 3:
        raise RaydocsInputError(f"table={table!r} has {len(parts)} parts; at most database.schema.table is possible.")
    for part in parts:
        if not part or part != part.strip():
            raise RaydocsInputError(f"table={table!r} has a part that is empty or starts or ends with a blank.")
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in part):
            raise RaydocsInputError(f"table={table!r} has a control character in it.")
        if len(part.encode()) > MAX_NAME_BYTES:
            raise RaydocsInputError(f"table={table!r} has a part of more than {MAX_NAME_BYTES} bytes.")
    return parts


def index_columns(depth: int) -> tuple[Column, ...]:
    """
    The columns that say where in its lists a row comes from, 0-based, outermost list first.

    :param depth: how many lists deep. 1 gives ``_index``, 2 ``_parent_index, _index``, 3 starts with
        ``_parent_2_index``.
    """
    names = ["_index", "_parent_index", *(f"_parent_{level}_index" for level in range(2, depth))][:depth]
    return tuple(Column(name, Kind.INTEGER) for name in reversed(names))


def _below_group(group: str, fields: Iterable[Field]) -> Iterator[tuple[Path, Field]]:
    for field in fields:
        yield from _flatten((group, field.name), field)


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
    depth: int = 0,
) -> Records:
    lists = tuple(
        _plan_records(_items(field), above + path, inner, names[above + path + inner], names, depth + 1)
        for inner, field in fields
        if field.type == ARRAY and inner
    )
    scalars = {inner: field for inner, field in fields if field.type != ARRAY or not inner}
    columns = _assign_names(scalars)
    values = tuple(Column(columns[inner], _KINDS.get(field.type, Kind.TEXT), inner) for inner, field in scalars.items())
    own = (*index_columns(depth), *values) if depth else (*values, META)
    return Records(Table(name, own), path, depth, values, lists)


def _assign_names(paths: Iterable[Path], taken: Iterable[str] = ()) -> dict[Path, str]:
    """
    One identifier per path: no two alike, whatever the order of the paths.

    Paths that normalise alike: the one already written that way keeps the name, else the first in code point order;
    the others get a hash of what they are really called.
    """
    assigned: dict[Path, str] = {}
    used = set(taken)
    late: list[Path] = []
    for path in sorted(paths, key=lambda path: (SEPARATOR.join(path) != _normalise(path), path)):
        name = _shorten(_normalise(path))
        if name in used:
            late.append(path)
        else:
            assigned[path] = name
            used.add(name)
    for path in late:
        name = next(name for length in range(8, 65) if (name := _hashed(path, length)) not in used)
        assigned[path] = name
        used.add(name)
    return assigned


def _normalise(path: Path) -> str:
    """Lower case, runs of anything but letters and digits as ``_``, accents dropped, parts joined by ``__``."""
    return SEPARATOR.join(_normalise_part(part) for part in path) or "value"


def _normalise_part(part: str) -> str:
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", part).casefold())
    bare = "".join(character for character in decomposed if not unicodedata.combining(character))
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFC", bare))
    return "_".join(words) or "x"


def _hashed(path: Path, length: int) -> str:
    digest = _digest("\0".join(path))[:length]
    # Room for the longest form of the name: what is cut off is in the hash.
    return f"{_cut(_normalise(path), MAX_NAME_BYTES - length - 1)}_{digest}"


def _shorten(name: str) -> str:
    """The name if it is short enough, else as much of it as fits before a hash of all of it."""
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    return f"{_cut(name, MAX_NAME_BYTES - 9)}_{_digest(name)[:8]}"


def _cut(name: str, size: int) -> str:
    return name.encode()[:size].decode(errors="ignore")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
