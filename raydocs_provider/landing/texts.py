"""Texts and JSON that every database takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from json.encoder import encode_basestring
from types import NoneType
from typing import Any

from raydocs_provider.landing.reading import exact_number

try:
    # A package that Airflow's task SDK needs. Much of what lands is JSON of sources, which takes a quarter of the time.
    from msgspec.json import Encoder
except ImportError:  # pragma: no cover, a later Airflow may do without it
    _encode = None
else:
    _encode = Encoder(decimal_format="number").encode

#: The largest that every engine has an integer for.
MAX_INTEGER = 2**63 - 1

_MAX_DEPTH = 100
# Deeper than any document, and no deeper than every Python reads.
_MAX_PLAIN_DEPTH = 400
# Beyond what a double holds, engines refuse the number and with it the load.
_MAX_EXPONENT = 300
_ALL_ZEROS = bytes.maketrans(b"123456789", b"000000000")


def storable(text: str) -> str:
    """The text with NUL characters and lone surrogates, which no UTF-8 database takes, as U+FFFD."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def may_have_exponent(text: str) -> bool:
    """Whether there may be a number in a text as Python writes it with an exponent. A word with a hyphen will do."""
    return "E" in text and ("E-" in text or "E+" in text)


def json_of(value: object) -> str:
    """The value as JSON that every engine takes: numbers exact, NaN as null, no character that cannot be stored."""
    return _write_at_once(value) or _write_with_care(value)


def _write_at_once(value: object) -> str | None:
    """What nearly every value is written by. None if there may be something in it that not every engine takes."""
    if _encode is None:
        return None
    try:
        written = _encode(value)
    # What is no JSON, lone surrogates, and nesting without end.
    except (TypeError, ValueError, RecursionError):
        return None
    text: str = written.decode()
    # Nearly no text gets beyond the first letters that are looked for, which takes far less time than to look for more.
    if "\\" in text and "\\u0000" in text:
        return None
    if ("N" in text and "NaN" in text) or ("I" in text and "Infinity" in text):
        return None
    if may_have_exponent(text):
        return None
    if len(text) < _MAX_EXPONENT:
        return text
    is_deep = text.count("[") + text.count("{") > _MAX_PLAIN_DEPTH
    return None if is_deep or b"0" * _MAX_EXPONENT in written.translate(_ALL_ZEROS) else text


def _write_with_care(value: object) -> str:
    try:
        text = _write(value)
        if storable(text) == text and "\\u0000" not in text:
            return text
    except (KeyError, TypeError, RecursionError):
        pass
    return _write(_tame(value, _MAX_DEPTH))


def _write(value: object) -> str:
    """
    As ``json.dumps``, which cannot write a Decimal, and takes longer for the few words that there mostly are.

    :raises KeyError: something is of another type than JSON is parsed into.
    :raises TypeError: a key is no text.
    :raises RecursionError: it is nested too deep.
    """
    return _WRITERS[type(value)](value)


def _write_list(items: list[object]) -> str:
    return f"[{','.join([_WRITERS[type(item)](item) for item in items])}]"


def _write_object(pairs: dict[str, object]) -> str:
    written = [f"{encode_basestring(key)}:{_WRITERS[type(item)](item)}" for key, item in pairs.items()]
    return f"{{{','.join(written)}}}"


def _write_integer(number: int) -> str:
    return str(number) if abs(number) <= MAX_INTEGER else _write_number(number)


def _write_number(number: int | float | Decimal) -> str:
    exact = exact_number(number)
    if exact is None:
        return "null"
    return str(number) if abs(exact.adjusted()) < _MAX_EXPONENT else f'"{exact}"'


_WRITERS: Mapping[type, Callable[[Any], str]] = {
    str: encode_basestring,
    int: _write_integer,
    Decimal: _write_number,
    float: _write_number,
    bool: lambda value: "true" if value else "false",
    NoneType: lambda _: "null",
    list: _write_list,
    dict: _write_object,
}


def _tame(value: object, depth: int) -> object:
    """The value as one that can be written and stored. Below ``depth`` it is cut off."""
    if isinstance(value, str):
        return storable(str(value))
    if isinstance(value, Mapping) and depth:
        return {storable(str(key)): _tame(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple) and depth:
        return [_tame(item, depth - 1) for item in value]
    if value is None or isinstance(value, bool):
        return value
    for plain in (int, float, Decimal):
        if isinstance(value, plain):
            return plain(value)
    return "..."
