"""Values as people print them: numbers, dates, currencies, yes and no. Every function is None for anything else."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from datetime import date
from decimal import Decimal

CURRENCY_CODES = frozenset(
    [
        "AUD",
        "BRL",
        "CAD",
        "CHF",
        "CNY",
        "CZK",
        "DKK",
        "EUR",
        "GBP",
        "HKD",
        "HUF",
        "INR",
        "JPY",
        "MXN",
        "NOK",
        "NZD",
        "PLN",
        "RON",
        "SEK",
        "SGD",
        "TRY",
        "USD",
        "ZAR",
    ]
)
_CURRENCY_SIGNS = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY", "₹": "INR"}
_LETTER = r"[^\W\d_]"
_CURRENCY = re.compile(
    rf"(?<!{_LETTER})(?:{'|'.join(sorted(CURRENCY_CODES))})(?!{_LETTER})|[{''.join(_CURRENCY_SIGNS)}]"
)

# At most this much of a text is looked at for a value: longer texts are prose.
_LONGEST_VALUE = 100

_NUMBER = re.compile(r"\d[\d.,'\u2019 ]*")
# What may stand beside a number without making the text something else than that number: a unit or a currency.
_UNIT = re.compile(r"[^\W\d_]{0,5}\.?")
_TWO_DECIMALS = re.compile(r"(?<![\d.,])\d{1,3}(?:[.,' ]?\d{3})*([.,])\d{2}(?![\d.,])")

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
    text = unicodedata.normalize("NFKC", text[:_LONGEST_VALUE]).replace("\u2212", "-").strip()
    match = _NUMBER.search(text)
    if match is None:
        return None
    before, after = text[: match.start()].strip(), text[match.end() :].strip()
    negative = "-" in before or (before.endswith("(") and after.startswith(")")) or after.startswith("-")
    if not all(_UNIT.fullmatch(_without_signs(beside)) for beside in (before, after)):
        return None
    digits = _plain_digits(match[0], decimal_comma)
    if digits is None:
        return None
    return -Decimal(digits) if negative else Decimal(digits)


def _without_signs(text: str) -> str:
    return text.strip("+-()%/*@ " + "".join(_CURRENCY_SIGNS))


def _plain_digits(printed: str, decimal_comma: bool) -> str | None:
    printed = re.sub(r"['\u2019 ]", "", printed).rstrip(".,")
    dots, commas = printed.count("."), printed.count(",")
    if dots and commas:
        mark = max(".,", key=printed.rfind)
    elif dots + commas == 1:
        mark = "." if dots else ","
        if re.fullmatch(r"[1-9]\d{0,2}.\d{3}", printed) and (mark == ",") != decimal_comma:
            mark = ""
    else:
        mark = ""
    whole, _, fraction = printed.partition(mark) if mark else (printed, "", "")
    groups = re.split(r"[.,]", whole)
    if any(len(group) != 3 for group in groups[1:]) or not (fraction.isdecimal() or not fraction):
        return None
    return f"{''.join(groups)}.{fraction or 0}"


def parse_date(text: str) -> date | None:
    """
    A date at the beginning of the text: 2026-03-05, 05.03.2026, 05/03/2026, 5 March 2026, March 5, 2026 (also German).

    Three numbers with the year last are read day first, unless only month first makes a date.
    """
    text = unicodedata.normalize("NFKC", text[:_LONGEST_VALUE]).strip()
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
