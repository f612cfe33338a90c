"""
Printed text -> number, boolean, date or time, as tolerant as ``column_types`` asks for, and never a guess: what can be
read in two ways is not read.

The functions take a value of a result's JSON and the formats of its column. They return the cell and what is wrong
with the value, or None; whatever the value is, they raise nothing and do not quote it.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import TypeVar

from raydocs_provider.landing.date_formats import ISO, compile_format
from raydocs_provider.landing.printed import fold

T = TypeVar("T")
Formats = tuple[str, ...]

DECIMAL_MARKS = (".", ",")

_NOT_A_NUMBER = "not a number"

# ISO 4217, and what else is printed. Listed, because other words next to a number stand for thousands or millions.
_CURRENCY_WORDS = """
aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd btn bwp byn bzd cad cdf chf clp
cny cop crc cup cve czk djf dkk dop dzd egp ern etb eur fjd fkp gbp gel ghs gip gmd gnf gtq gyd hkd hnl hrk htg huf
idr ils inr iqd irr isk jmd jod jpy kes kgs khr kmf kpw krw kwd kyd kzt lak lbp lkr lrd lsl lyd mad mdl mga mkd mmk
mnt mop mru mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar
sbd scr sdg sek sgd shp sle sos srd ssp stn svc syp szl thb tjs tmt tnd top try ttd twd tzs uah ugx usd uyu uzs ved
ves vnd vuv wst xaf xcd xcg xof xpf yer zar zmw zwg
us$ ca$ c$ au$ a$ nz$ hk$ s$ nt$ mx$ r$ kr kr. kč zł ft fr fr. sfr. rs rs. 円 元 원
"""
_CURRENCIES = frozenset(_CURRENCY_WORDS.split())

# A mark and a dash at the end of a number, as in 50,- and 50.--, stand for no cents.
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>[.,]?[0-9](?:[0-9.,']|[ ](?=[0-9]))*(?:(?<=[.,])[-\u2014]{1,2})?)
        |(?P<word>[^\W\d_]+[.$]?)
        |(?P<sign>\S)
    )""",
    re.VERBOSE,
)
# One number (n), currencies (c) around it, one sign: before, after, or the parentheses of bookkeepers.
_SHAPE = re.compile(r"[-+]?c?nc?|c[-+]nc?|c?n-c?|c?nc-|\(c?nc?\)|c?\(n\)c?")
# By threes, or as in India: by twos before the last three.
_GROUPED = re.compile(r"[1-9][0-9]{0,2}([.,' ])[0-9]{3}(?:\1[0-9]{3})*|[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}")
_GROUPED_OR_NOT = re.compile(r"[1-9][0-9]{0,2}[.,][0-9]{3}")

_BOOLEANS = {"true": True, "yes": True, "y": True, "1": True, "false": False, "no": False, "n": False, "0": False}


def read_decimal(value: object, formats: Formats = ()) -> tuple[Decimal | None, str | None]:
    """
    Read a number, exactly and of any size.

    Digits may be grouped by a point, a comma, an apostrophe or blanks. A sign and a currency may stand before or after
    them; an amount in parentheses is negative. Percents, units and exponents are not read.

    :param value: JSON as parsed. A number is taken as it is.
    :param formats: the decimal mark, ``.`` or ``,``; default: the only way to read it that there is. So ``1.250,5``
        and ``1.25`` are read, and ``1.250``, which may be either, is not.
    """
    if value is None:
        return None, None
    if not isinstance(value, str):
        number = exact_number(value)
        return number, _NOT_A_NUMBER if number is None else None
    shape, digits = _take_apart(fold(value))
    if not _SHAPE.fullmatch(shape):
        return None, _NOT_A_NUMBER
    if not formats and _GROUPED_OR_NOT.fullmatch(digits):
        return None, "ambiguous number"
    plain = _without_groups(digits, formats[0] if formats else _find_mark(digits))
    if plain is None:
        return None, _NOT_A_NUMBER
    # A minus would round to the precision of the thread's context.
    number = Decimal(plain)
    return number.copy_negate() if "-" in shape or "(" in shape else number, None


def read_boolean(value: object, formats: Formats = ()) -> tuple[bool | None, str | None]:
    """
    Read a boolean.

    :param value: JSON as parsed; the numbers 1 and 0 are read as these texts are.
    :param formats: the word for true and the word for false, in any case; default: true, yes, y, 1 and false, no, n,
        0.
    """
    if value is None or isinstance(value, bool):
        return value, None
    if isinstance(value, int):
        value = {1: "1", 0: "0"}.get(value)
    word = fold(value).casefold() if isinstance(value, str) else ""
    words = {fold(format_).casefold(): not place for place, format_ in enumerate(formats)} or _BOOLEANS
    return (words[word], None) if word in words else (None, "not a boolean")


def read_date(value: object, formats: Formats = ()) -> tuple[date | None, str | None]:
    """
    Read a date. Of a time it is the day that is written, not the one in UTC.

    :param value: JSON as parsed.
    :param formats: as for `compile_format`. All are tried, and where two give different dates none is taken; default:
        ISO 8601, ``2024-03-12`` or a time of that day.
    """
    if value is None:
        return None, None
    moments = (moment for moment, _ in _match(value, formats))
    return _only({moment.date() if isinstance(moment, datetime) else moment for moment in moments}, "date")


def read_timestamp(value: object, formats: Formats = ()) -> tuple[datetime | None, str | None]:
    """
    Read a time, into UTC. A date alone is none. A local time that clocks skip is none, and one that they repeat is not
    taken.

    :param value: JSON as parsed.
    :param formats: as for `compile_format`. All are tried, and where two give different times none is taken; default:
        ISO 8601, date and time, in UTC if without an offset.
    """
    if value is None:
        return None, None
    times = {
        moment
        for local, zone in _match(value, formats)
        if isinstance(local, datetime)
        for moment in _in_utc(local, zone)
    }
    return _only(times, "timestamp")


def exact_number(value: object) -> Decimal | None:
    """The number as it stands in JSON; None for what is no finite number. A bool is not a number."""
    match value:
        case Decimal():
            return value if value.is_finite() else None
        case bool():
            return None
        case int():
            return Decimal(value)
        case float():
            return Decimal(repr(value)) if math.isfinite(value) else None
        case _:
            return None


def _take_apart(text: str) -> tuple[str, str]:
    """What a text is made of, in the letters of `_SHAPE`, and its digits with what stands between them."""
    shape, digits = "", ""
    for token in _TOKEN.finditer(text):
        number, word, sign = token.group("number", "word", "sign")
        if number:
            shape, digits = f"{shape}n", number
        elif (word and word.casefold() in _CURRENCIES) or (sign and unicodedata.category(sign) == "Sc"):
            shape += "c"
        elif sign and sign in "+-()":
            shape += sign
        else:
            return "", ""
    return shape, digits


def _find_mark(digits: str) -> str:
    """The later of point and comma, unless it is there twice: then it can only group, and the other is the mark."""
    earlier, later = sorted(DECIMAL_MARKS, key=digits.rfind)
    return earlier if digits.count(later) > 1 else later


def _without_groups(digits: str, mark: str) -> str | None:
    """The digits as `Decimal` takes them; None where they are not regular."""
    whole, point, fraction = digits.partition(mark)
    if _GROUPED.fullmatch(whole):
        whole = re.sub("[^0-9]", "", whole)
    elif not whole:
        whole = "0"
    if fraction and not fraction.strip("-\u2014"):
        fraction = "0"
    if not whole.isdecimal() or (point and not fraction.isdecimal()):
        return None
    return f"{whole}.{fraction}" if point else whole


def _match(value: object, formats: Formats) -> Iterator[tuple[date | datetime, tzinfo]]:
    """All that a value may mean, each with the zone that it is in if it does not say so."""
    if isinstance(value, str):
        text = fold(value)
        for format_ in map(compile_format, formats or (ISO,)):
            if moment := format_.match(text):
                yield moment, format_.zone or UTC


def _in_utc(local: datetime, zone: tzinfo) -> Iterator[datetime]:
    """A time in UTC: twice where clocks repeat it, not at all where they skip it."""
    for turn in (0, 1):
        moment = local.replace(tzinfo=local.tzinfo or zone, fold=turn)
        try:
            in_utc = moment.astimezone(UTC)
            if in_utc.astimezone(moment.tzinfo).replace(tzinfo=None) == local.replace(tzinfo=None):
                yield in_utc
        except OverflowError:
            # Outside of the years 1 to 9999.
            return


def _only(found: set[T], what: str) -> tuple[T | None, str | None]:
    """The one that was found; none, and why, where it is not one."""
    if len(found) > 1:
        return None, f"ambiguous {what}"
    return (found.pop(), None) if found else (None, f"not a {what}")
