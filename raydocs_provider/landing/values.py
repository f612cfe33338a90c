"""One extracted value -> one cell. Where it does not fit: an empty cell and why, never what it was."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Context, Decimal

from raydocs_provider.landing.tables import Kind

Cell = str | int | Decimal | bool | datetime | None

# DECIMAL(38,9), the widest that PostgreSQL, DuckDB, Snowflake, Databricks and MySQL can all hold.
DECIMAL_SCALE = 9
_MAX_ADJUSTED = 38 - DECIMAL_SCALE - 1
_QUANTUM = Decimal(1).scaleb(-DECIMAL_SCALE)
_EXACT = Context(prec=60)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,6})?", re.ASCII)
_MAX_INTEGER = 2**63 - 1
_MAX_JSON_DEPTH = 100
# Beyond what a double holds, engines refuse the number and with it the load.
_MAX_JSON_EXPONENT = 300

UNSTORABLE = "held characters that cannot be stored"


def fit(value: object, kind: Kind) -> tuple[Cell, str | None]:
    """
    Make a cell of a value.

    :param value: JSON as parsed; numbers as int, float or Decimal.
    :param kind: of the column.
    :return: the cell, and what is wrong with the value or None. The cell is empty where the value does not fit; it is
        not where the value fits after a change that loses something (rounding, replaced characters).
    """
    if value is None:
        return None, None
    match kind:
        case Kind.DECIMAL:
            return _fit_decimal(value)
        case Kind.INTEGER:
            return _fit_integer(value)
        case Kind.BOOLEAN:
            return _fit_boolean(value)
        case Kind.JSON:
            return json_of(value), None
        case Kind.TEXT if isinstance(value, Mapping | list):
            return text_of(value), "not a text"
        case _:
            text = text_of(value)
            return text, UNSTORABLE if isinstance(value, str) and text != value else None


def text_of(value: object) -> str | None:
    """The value as text: what a JSON document would show, a string without its quotes."""
    if value is None:
        return None
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        # str() of an int refuses more than 4,300 digits.
        return str(value) if abs(value) <= _MAX_INTEGER else format(Decimal(value), "f")
    if isinstance(value, float | Decimal):
        return str(value)
    return json_of(value)


def storable(text: str) -> str:
    """The text with NUL characters and lone surrogates, which no UTF-8 database takes, as U+FFFD."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def json_of(value: object) -> str:
    """The value as JSON that every engine takes: numbers exact, NaN as null, no character that cannot be stored."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return _encode(value, _MAX_JSON_DEPTH)
    return text if storable(text) == text and "\\u0000" not in text else _encode(value, _MAX_JSON_DEPTH)


def _encode(value: object, depth: int) -> str:
    """As ``json.dumps``, which can neither write a Decimal nor leave a character out. Below ``depth`` it is cut off."""
    if isinstance(value, str):
        return json.dumps(storable(value), ensure_ascii=False)
    if isinstance(value, Mapping) and depth:
        pairs = (f"{_encode(str(key), 0)}: {_encode(item, depth - 1)}" for key, item in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list | tuple) and depth:
        return f"[{', '.join(_encode(item, depth - 1) for item in value)}]"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int | float | Decimal):
        number = _decimal(value)
        if number is None:
            return "null"
        return str(number) if abs(number.adjusted()) < _MAX_JSON_EXPONENT else f'"{number}"'
    return '"..."'


def moment_of(text: str | None) -> datetime | None:
    """An ISO 8601 time in UTC; None where there is none or it cannot be read. Without an offset it is taken as UTC."""
    try:
        moment = datetime.fromisoformat(text or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _decimal(value: object) -> Decimal | None:
    """The number as it is written; None for what is no finite number. A bool is not a number, a numeric string is."""
    match value:
        case bool():
            return None
        case Decimal():
            return value if value.is_finite() else None
        case int():
            return Decimal(value)
        case float():
            return Decimal(repr(value)) if math.isfinite(value) else None
        case str() if _NUMBER.fullmatch(stripped := value.strip()):
            return Decimal(stripped)
        case _:
            return None


def _fit_decimal(value: object) -> tuple[Decimal | None, str | None]:
    number = _decimal(value)
    if number is None:
        return None, "not a number"
    if not number:
        return Decimal(0), None
    if number.adjusted() > _MAX_ADJUSTED:
        return None, "too large a number"
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent >= -DECIMAL_SCALE:
        return number, None
    rounded = number.quantize(_QUANTUM, context=_EXACT)
    if rounded.adjusted() > _MAX_ADJUSTED:
        return None, "too large a number"
    return rounded, None if rounded == number else f"rounded to {DECIMAL_SCALE} decimals"


def _fit_integer(value: object) -> tuple[int | None, str | None]:
    number = _decimal(value)
    if number is None:
        return None, "not a number"
    if number and number.adjusted() > 18:
        return None, "too large a number"
    whole = int(number)
    if whole != number:
        return None, "not an integer"
    if abs(whole) > _MAX_INTEGER:
        return None, "too large a number"
    return whole, None


def _fit_boolean(value: object) -> tuple[bool | None, str | None]:
    if isinstance(value, bool):
        return value, None
    word = value.strip().lower() if isinstance(value, str) else ""
    return {"true": (True, None), "false": (False, None)}.get(word, (None, "not a boolean"))
