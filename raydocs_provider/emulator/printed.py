"""Values as people print them: numbers, dates, currencies, yes and no. Every function is None for anything else."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from datetime import date
from decimal import Decimal

CURRENCY_CODES = frozenset({
    "AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "INR",
    "JPY", "MXN", "NOK", "NZD", "PLN", "RON", "SEK", "SGD", "TRY", "USD", "ZAR",
})  # fmt: skip
_CURRENCY_SIGNS = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY", "₹": "INR"}
_SIGNS = "".join(_CURRENCY_SIGNS)
_LETTER = r"[^\W\d_]"
_CURRENCY = re.compile(rf"(?<!{_LETTER})(?:{'|'.join(sorted(CURRENCY_CODES))})(?!{_LETTER})|[{_SIGNS}]")

_DASHES = str.maketrans("\u2212\u2013", "--")

# At most this much of a text is looked at for a value: longer texts are prose.
_LONGEST_VALUE = 100

# A sign, a currency, the digits, a unit. "INV-12" is no number: a sign does not follow letters directly.
_NUMBER = re.compile(
    rf"""
    @?[ ]?(?P<sign>[-+(]?)[ ]?
    (?:{_LETTER}{{1,3}}\.?(?![-+.]))?[ ]?[{_SIGNS}]?[ ]?(?P<late_sign>[-+(]?)[ ]?
    (?P<digits>\d+(?:[.,'\u2019 ]\d+)*)
    [ ]?(?P<trailing_sign>-?)[ ]?%?[ ]?[{_SIGNS}]?[ ]?(?:{_LETTER}{{1,8}}\.?)?[ ]?\)?
    """,
    re.VERBOSE,
)
_TWO_DECIMALS = re.compile(r"\d([.,])\d{2}(?![.,]?\d)")

_DATE_ISO = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)")
_DATE_DAY_FIRST = re.compile(r"(\d{1,2})[-/.] ?(\d{1,2})[-/.] ?(\d{4})(?!\d)")
_DATE_DAY_NAME = re.compile(r"(\d{1,2})(?:st|nd|rd|th|\.)?[ -]+([^\W\d_]{3,9})\.?,?[ -]+(\d{4})(?!\d)")
_DATE_NAME_DAY = re.compile(r"([^\W\d_]{3,9})\.? +(\d{1,2})(?:st|nd|rd|th)?,? +(\d{4})(?!\d)")
_MONTHS = {
    name: number
    for number, names in enumerate(
        ("jan", "feb", "mar mär mrz", "apr", "may mai", "jun", "jul", "aug", "sep", "oct okt", "nov", "dec dez"),
        start=1,
    )
    for name in names.split()
}

_BOOLEANS = {"yes": True, "true": True, "ja": True, "oui": True, "x": True, "✓": True, "☑": True, "☒": True} | {
    "no": False, "false": False, "nein": False, "non": False, "☐": False,
}  # fmt: skip


def uses_decimal_comma(texts: Iterable[str]) -> bool:
    """Whether a document writes amounts as 1.234,56 rather than 1,234.56: by the majority of its amounts."""
    marks = Counter(mark for text in texts for mark in _TWO_DECIMALS.findall(text))
    return marks[","] > marks["."]


def parse_number(text: str, *, decimal_comma: bool = False) -> Decimal | None:
    """
    A number with or without a sign, thousands separators, a currency, a percent sign or a short unit.

    :param decimal_comma: how to read what can be read in two ways: with it ``1,234`` is 1.234 and ``1.234`` is 1234.
    """
    match = _NUMBER.fullmatch(_plain(text).translate(_DASHES)) if len(text) <= _LONGEST_VALUE else None
    digits = _plain_digits(match["digits"], decimal_comma) if match else None
    if match is None or digits is None:
        return None
    signs = match["sign"] + match["late_sign"] + match["trailing_sign"]
    return -Decimal(digits) if signs.strip("+") else Decimal(digits)


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text[:_LONGEST_VALUE]).split())


def _plain_digits(printed: str, decimal_comma: bool) -> str | None:
    dots, commas = printed.count("."), printed.count(",")
    mark = ""
    if dots and commas:
        mark = max(".,", key=printed.rfind)
    elif dots + commas == 1:
        mark = "." if dots else ","
        if re.fullmatch(r"[1-9]\d{0,2}.\d{3}", printed) and (mark == ",") != decimal_comma:
            mark = ""
    whole, _, fraction = printed.partition(mark) if mark else (printed, "", "")
    first, *groups = re.split(r"[.,'\u2019 ]", whole)
    if any(len(group) != 3 for group in groups) or not (fraction or "0").isdecimal():
        return None
    return f"{first}{''.join(groups)}.{fraction or 0}"


def parse_date(text: str) -> date | None:
    """
    A date at the beginning of the text: 2026-03-05, 05.03.2026, 05/03/2026, 5 March 2026, March 5, 2026 (also German).

    Three numbers with the year last are read day first, unless only month first makes a date.
    """
    text = _plain(text)
    if match := _DATE_ISO.match(text):
        return _date(match[1], match[2], match[3])
    if match := _DATE_DAY_FIRST.match(text):
        return _date(match[3], match[2], match[1]) or _date(match[3], match[1], match[2])
    if match := _DATE_DAY_NAME.match(text):
        return _date(match[3], _MONTHS.get(match[2][:3].casefold(), 0), match[1])
    if match := _DATE_NAME_DAY.match(text):
        return _date(match[3], _MONTHS.get(match[1][:3].casefold(), 0), match[2])
    return None


def _date(year: str, month: str | int, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def parse_currency(text: str) -> str | None:
    """The ISO 4217 code of the first currency named in the text, by code or by sign."""
    match = _CURRENCY.search(text[:_LONGEST_VALUE])
    return _CURRENCY_SIGNS.get(match[0], match[0]) if match else None


def parse_boolean(text: str) -> bool | None:
    """Yes or no, in words or as a ticked or empty box."""
    return _BOOLEANS.get(text.strip().casefold())
