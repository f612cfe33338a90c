"""
``column_types``: what the author of a Dag says about columns that the template's schema cannot say.

``{"invoice_header.invoice_date": "date", "lines.line_items.total": "decimal:,"}``: which field, as ``t__fields`` writes
its group and name; what its column holds; and after a colon how a text is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from raydocs_provider.api.schema import ARRAY, ExtractionSchema
from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.landing.date_formats import compile_format
from raydocs_provider.landing.names import Path
from raydocs_provider.landing.printed import fold
from raydocs_provider.landing.reading import DECIMAL_MARKS
from raydocs_provider.landing.schema_fields import SchemaFields
from raydocs_provider.landing.tables import Kind


@dataclass(frozen=True, slots=True)
class Reading:
    """
    What a column holds, and how a text is read into it.

    :param formats: what the functions of `reading` take; empty: what each of them says is its default.
    """

    kind: Kind
    formats: tuple[str, ...] = ()


def parse_column_types(column_types: Mapping[str, str] | None, schema: ExtractionSchema) -> dict[Path, Reading]:
    """
    Find the fields of a template that the author of a Dag gives types to.

    :param column_types: which field, ``group.field``, objects and lists with dots: ``lines.line_items.total``. A list
        of plain values stands for its items. Which type: ``text``, ``decimal``, ``integer``, ``boolean``, ``date``,
        ``timestamp`` or ``json``, where wanted with how a text is read:

        - ``decimal:,``, ``integer:.``: the decimal mark; default: as far as the text allows no doubt,
        - ``boolean:oui/non``: the words for true and false; default: true, yes, y, 1 and false, no, n, 0,
        - ``date:%d/%m/%Y``, ``timestamp:%d.%m.%Y %H:%M @ Europe/Berlin``: as `compile_format` takes it, several
          with `` | `` between them; default: ISO 8601, times in UTC if without an offset.

        Default: none; every column has the type that the template gives it.
    :param schema: what the template extracts.
    :return: by the path of the field: its group, its name, and the names below where there are any.
    :raises RaydocsInputError: a type or format that cannot be used; a name that is no field with values of its own, or
        that is two.
    """
    readings = {key: _parse_reading(key, written) for key, written in _entries(column_types)}
    if not readings:
        return {}
    fields = SchemaFields(schema)
    return {_find_value(key, fields): reading for key, reading in readings.items()}


def check_column_types(column_types: Mapping[str, str] | None) -> None:
    """
    Check the types alone, where the template is not known yet.

    :param column_types: as for `parse_column_types`.
    :raises RaydocsInputError: a type or format that cannot be used.
    """
    for key, written in _entries(column_types):
        _parse_reading(key, written)


def _entries(column_types: object) -> Iterator[tuple[str, object]]:
    if column_types is None:
        return
    if not isinstance(column_types, Mapping):
        raise RaydocsInputError(
            "column_types has to be a dict of fields and types, such as {'header.invoice_date': 'date'}, "
            f"not {type(column_types).__name__}."
        )
    for key, written in column_types.items():
        if not isinstance(key, str):
            raise RaydocsInputError(f"column_types has the key {key!r}; a field is written as 'group.field'.")
        yield key, written


def _parse_reading(key: str, written: object) -> Reading:
    where = f"column_types[{key!r}]={written!r}"
    word, colon, format_ = written.partition(":") if isinstance(written, str) else ("", "", "")
    if word not in list(Kind):
        raise RaydocsInputError(f"{where} has to begin with one of {', '.join(Kind)}.")
    kind = Kind(word)
    formats: tuple[str, ...]
    if not colon:
        return Reading(kind)
    match kind:
        case Kind.DECIMAL | Kind.INTEGER:
            formats = (format_.strip(),)
            if formats[0] not in DECIMAL_MARKS:
                raise RaydocsInputError(f"{where}: the decimal mark after the colon has to be '.' or ','.")
        case Kind.BOOLEAN:
            formats = tuple(fold(word) for word in format_.split("/"))
            if len({word.casefold() for word in formats} - {""}) != 2 or len(formats) != 2:
                raise RaydocsInputError(f"{where}: after the colon have to be two words, such as 'boolean:oui/non'.")
        case Kind.DATE | Kind.TIMESTAMP:
            formats = tuple(part.strip() for part in format_.split(" | "))
            for part in formats:
                _check_date_format(part, kind, where)
        case _:
            raise RaydocsInputError(f"{where}: {kind} takes nothing after it; write {str(kind)!r}.")
    return Reading(kind, formats)


def _check_date_format(format_: str, kind: Kind, where: str) -> None:
    try:
        compiled = compile_format(format_)
        if kind is Kind.DATE and compiled.zone is not None:
            raise RaydocsInputError("names a time zone, which a date has none of")
        if kind is Kind.TIMESTAMP and compiled.pattern is not None and "hour" not in compiled.parts:
            raise RaydocsInputError("gives no hour; for days without a time there is 'date'")
    except RaydocsInputError as error:
        raise RaydocsInputError(f"{where}: the format {format_!r} {error}.") from None


def _find_value(key: str, fields: SchemaFields) -> Path:
    place = fields.find(key, "column_types")
    field, path = place.field, place.path
    inner = field.properties or (field.items.properties if field.items else ())
    if inner or len(path) == 1:
        what = "a group" if len(path) == 1 else "a list of objects" if field.type == ARRAY else "an object"
        example = f", such as {f'{key}.{inner[0].name}'!r}" if inner else ""
        raise RaydocsInputError(f"column_types: {key!r} is {what}; only the fields in it have types{example}.")
    return path
