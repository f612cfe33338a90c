"""One extracted value -> one cell. Where it does not fit: an empty cell and why, never what it was."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from functools import lru_cache, partial

from raydocs_provider.landing.reading import exact_number, read_boolean, read_date, read_decimal, read_timestamp
from raydocs_provider.landing.tables import Column, Kind, Room
from raydocs_provider.landing.texts import MAX_INTEGER, json_of, storable

Cell = str | int | Decimal | bool | date | datetime | None
Row = tuple[Cell, ...]
#: The cell of a value, and what is wrong with the value or None.
Fitted = tuple[Cell, str | None]

# DECIMAL(38,9), the widest that PostgreSQL, DuckDB, Snowflake, Databricks and MySQL can all hold.
DECIMAL_PRECISION = 38
DECIMAL_SCALE = 9
_MAX_ADJUSTED = DECIMAL_PRECISION - DECIMAL_SCALE - 1
_QUANTUM = Decimal(1).scaleb(-DECIMAL_SCALE)
_EXACT = Context(prec=60)
# From here on, `str` writes the decimals of a number one by one. Then in so few characters, which take less time to
# count than the exponent takes to look up, there are no more decimals than have room.
_MIN_PLAIN = -6
_MAX_SHORT = len("0.") + DECIMAL_SCALE
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,6})?", re.ASCII)

UNSTORABLE = "held characters that cannot be stored"


def fitter_of(column: Column) -> Callable[[object], Fitted]:
    """
    What makes cells of the values of a column.

    :param column: of the template. Its values are fitted into its kind, read by its formats if it has any, and then
        into the room it has.
    """
    kind, formats, room = column.kind, column.formats, column.room
    if formats is not None:
        fit_value: Callable[[object], Fitted] = partial(_read, kind=kind, formats=formats)
    else:
        fit_value = _FITTERS[kind]
    return fit_value if room is None else partial(_fit_into, fit_value=fit_value, room=room)


def fit(value: object, kind: Kind) -> Fitted:
    """
    Make a cell of a value.

    :param value: JSON as parsed; numbers as int, float or Decimal.
    :param kind: of the column.
    :return: the cell, and what is wrong with the value or None. The cell is empty where the value does not fit; it is
        not where the value fits after a change that loses something (rounding, replaced characters).
    """
    return _FITTERS[kind](value)


def fit_decimal(value: object) -> tuple[Decimal | None, str | None]:
    """As `fit`, for a column of decimals."""
    if value is None:
        return None, None
    number = value if type(value) is Decimal and value.is_finite() else _decimal(value)
    if number is None:
        return None, "not a number"
    if not number:
        return Decimal(0), None
    adjusted = number.adjusted()
    if adjusted > _MAX_ADJUSTED:
        return None, "too large a number"
    if adjusted >= _MIN_PLAIN and len(str(number)) <= _MAX_SHORT:
        return number, None
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent >= -DECIMAL_SCALE:
        return number, None
    rounded = number.quantize(_QUANTUM, context=_EXACT)
    if rounded.adjusted() > _MAX_ADJUSTED:
        return None, "too large a number"
    return rounded, None if rounded == number else f"rounded to {DECIMAL_SCALE} decimals"


def _fit_into(value: object, fit_value: Callable[[object], Fitted], room: Room) -> Fitted:
    """Fit a value into a column that has less room, or another type, than it should."""
    cell, problem = fit_value(value)
    if cell is None:
        return None, problem
    if room.kind is None:
        return None, f"the column is {room.type}"
    if room.kind is Kind.INTEGER and isinstance(cell, Decimal):
        cell, misfit = _fit_integer(cell)
        problem = misfit or problem
    too_much = (
        (room.length is not None and len(text_of_cell(cell) or "") > room.length)
        or (room.byte_length is not None and len((text_of_cell(cell) or "").encode()) > room.byte_length)
        or (room.limit is not None and isinstance(cell, int) and abs(cell) > room.limit)
        or (room.precision is not None and isinstance(cell, int | Decimal) and not _has_room(Decimal(cell), room))
    )
    return (None, f"no room in {room.type}") if too_much else (cell, problem)


def _has_room(number: Decimal, room: Room) -> bool:
    scale = room.scale or 0
    exponent = number.normalize(_EXACT).as_tuple().exponent
    return not number or (
        number.adjusted() < (room.precision or 0) - scale and isinstance(exponent, int) and exponent >= -scale
    )


def text_of(value: object) -> str | None:
    """The value as text: what a JSON document would show, a string without its quotes."""
    if value is None:
        return None
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        # str() of an int refuses more than 4,300 digits.
        return str(value) if abs(value) <= MAX_INTEGER else format(Decimal(value), "f")
    if isinstance(value, float):
        return str(value)
    return json_of(value)


def moment_of(text: str | None) -> datetime | None:
    """An ISO 8601 time in UTC; None where there is none or it cannot be read. Without an offset it is taken as UTC."""
    try:
        moment = datetime.fromisoformat(text or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def text_of_cell(cell: Cell) -> str | None:
    """The cell as every engine reads it back from text. Times are in UTC and do not say so."""
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, Decimal):
        text = str(cell)
        return format(cell, "f") if "E" in text else text
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, datetime):
        return _text_of_moment(cell)
    return str(cell)


# All rows of a load have the same time of it.
@lru_cache(maxsize=16)
def _text_of_moment(moment: datetime) -> str:
    moment = moment.astimezone(UTC)
    return f"{moment.date().isoformat()} {moment.time().isoformat()}"


def _decimal(value: object) -> Decimal | None:
    """The number as it is written; None for what is no finite number. A bool is not a number, a numeric string is."""
    if isinstance(value, str):
        stripped = value.strip()
        return Decimal(stripped) if _NUMBER.fullmatch(stripped) else None
    return exact_number(value)


def _fit_text(value: object) -> Fitted:
    if value is None:
        return None, None
    if isinstance(value, str):
        text = storable(value)
        return text, None if text == value else UNSTORABLE
    return text_of(value), "not a text" if isinstance(value, Mapping | list) else None


def _fit_json(value: object) -> Fitted:
    return None if value is None else json_of(value), None


def _fit_integer(value: object) -> tuple[int | None, str | None]:
    if value is None:
        return None, None
    number = _decimal(value)
    if number is None:
        return None, "not a number"
    if number and number.adjusted() > 18:
        return None, "too large a number"
    whole = int(number)
    if whole != number:
        return None, "not an integer"
    if abs(whole) > MAX_INTEGER:
        return None, "too large a number"
    return whole, None


def _fit_boolean(value: object) -> tuple[bool | None, str | None]:
    if value is None or isinstance(value, bool):
        return value, None
    word = value.strip().lower() if isinstance(value, str) else ""
    return {"true": (True, None), "false": (False, None)}.get(word, (None, "not a boolean"))


def _fit_date(value: object) -> Fitted:
    return read_date(value, ())


def _fit_timestamp(value: object) -> Fitted:
    return read_timestamp(value, ())


def _read(value: object, kind: Kind, formats: tuple[str, ...]) -> Fitted:
    """Read a value as ``column_types`` says, then as the kind takes it."""
    match kind:
        case Kind.DECIMAL | Kind.INTEGER:
            number, problem = read_decimal(value, formats)
            return (None, problem) if number is None else _FITTERS[kind](number)
        case Kind.BOOLEAN:
            return read_boolean(value, formats)
        case Kind.DATE:
            return read_date(value, formats)
        case Kind.TIMESTAMP:
            return read_timestamp(value, formats)
        case _:
            return _FITTERS[kind](value)


_FITTERS: Mapping[Kind, Callable[[object], Fitted]] = {
    Kind.TEXT: _fit_text,
    Kind.DECIMAL: fit_decimal,
    Kind.INTEGER: _fit_integer,
    Kind.BOOLEAN: _fit_boolean,
    Kind.DATE: _fit_date,
    Kind.TIMESTAMP: _fit_timestamp,
    Kind.JSON: _fit_json,
}
