"""Formats of dates and times: those of ``strptime``, with the same meaning on every machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.landing.printed import fold

#: The format of dates and times as ISO 8601 has them.
ISO = "iso"


class _Directive(NamedTuple):
    """
    What stands for a part of a date.

    :param least: how few digits there may be, and ``most`` how many; None for words.
    :param words: the pattern of words.
    """

    part: str
    least: int | None = None
    most: int | None = None
    words: str = ""


_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTH_NAMES = "|".join(rf"{name}|{name[:3]}\.?" for name in _MONTHS) + r"|sept\.?"
_DIRECTIVES = {
    "%d": _Directive("day", 1, 2),
    "%m": _Directive("month", 1, 2),
    "%b": _Directive("month", words=_MONTH_NAMES),
    "%B": _Directive("month", words=_MONTH_NAMES),
    "%y": _Directive("year", 2, 2),
    "%Y": _Directive("year", 4, 4),
    "%H": _Directive("hour", 1, 2),
    "%I": _Directive("hour", 1, 2),
    "%p": _Directive("half", words=r"[ap]\.?m\.?"),
    "%M": _Directive("minute", 1, 2),
    "%S": _Directive("second", 1, 2),
    "%f": _Directive("microsecond", 1, 6),
    "%z": _Directive("offset", words=r"Z|[+-][0-9]{2}:?[0-5][0-9]"),
}
_ISO_TEXT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:.+)?")


@dataclass(frozen=True, slots=True)
class DateFormat:
    """
    A format of dates or times, ready to be matched.

    :param pattern: of a whole text; None for ISO 8601.
    :param parts: what the text gives: ``day``, ``hour`` and so on. Empty for ISO 8601.
    :param zone: in which a time without an offset is meant; None where the format does not say, which means UTC.
    """

    pattern: re.Pattern[str] | None
    parts: frozenset[str]
    zone: tzinfo | None

    def match(self, text: str) -> date | datetime | None:
        """Find the time in a text, or the date where the format has no time; None where there is neither."""
        try:
            if self.pattern is None:
                return _match_iso(text)
            found = self.pattern.fullmatch(text)
            return _moment_of(found.groupdict()) if found else None
        except ValueError:
            # The 31st of February, 25 o'clock.
            return None


@lru_cache(maxsize=256)
def compile_format(format_: str) -> DateFormat:
    """
    Make a format ready.

    :param format_: ``iso``, or what `datetime.strptime` takes, of the directives ``%d %m %b %B %y %Y %H %I %p %M %S %f
        %z %%``. Months are English whatever the locale, in full or abbreviated. Digits may lack a leading 0 where
        something else stands between them and the next. After `` @ `` may come the time zone of times without an
        offset, as in ``iso @ Europe/Berlin``; default: UTC.
    :raises RaydocsInputError: the format cannot be used; the message is the rest of a sentence that begins with it.
    """
    written, at, zone = format_.rpartition(" @ ")
    written = fold(written if at else format_)
    zone_info = _find_zone(zone.strip()) if at else None
    if written == ISO:
        return DateFormat(None, frozenset(), zone_info)
    pieces = re.findall(r"%.|\s+|.", written, re.DOTALL)
    parts: dict[str, str] = {}
    pattern = ""
    for piece, before, after in zip(pieces, ["", *pieces], [*pieces[1:], ""], strict=False):
        if directive := _DIRECTIVES.get(piece):
            if directive.part in parts:
                raise RaydocsInputError(f"gives the {directive.part} twice")
            parts[directive.part] = piece
            least = directive.most if _is_number(before) or _is_number(after) else directive.least
            pattern += f"(?P<{directive.part}>{directive.words or f'[0-9]{{{least},{directive.most}}}'})"
        elif piece[0] == "%" and piece != "%%":
            raise RaydocsInputError(f"has {piece!r}, which is none of {' '.join(_DIRECTIVES)} %%")
        else:
            pattern += r"\s+" if piece.isspace() else re.escape(piece[-1])
    _check_parts(parts)
    return DateFormat(re.compile(pattern, re.ASCII | re.IGNORECASE), frozenset(parts), zone_info)


def _is_number(piece: str) -> bool:
    directive = _DIRECTIVES.get(piece)
    return bool(directive and directive.most) or piece.isdecimal()


def _check_parts(parts: dict[str, str]) -> None:
    missing = [part for part in ("day", "month", "year") if part not in parts]
    if missing:
        raise RaydocsInputError(f"does not give the {' and the '.join(missing)}")
    for part, needed in (("minute", "hour"), ("second", "minute"), ("microsecond", "second"), ("offset", "hour")):
        if part in parts and needed not in parts:
            raise RaydocsInputError(f"gives the {part} without the {needed}")
    if (parts.get("hour") == "%I") != ("half" in parts):
        raise RaydocsInputError("has one of %I and %p without the other; %H is the hour of 24")


def _find_zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise RaydocsInputError(f"names the time zone {name!r}, which is not known here") from None


def _match_iso(text: str) -> date | datetime | None:
    found = _ISO_TEXT.fullmatch(text)
    if not found:
        return None
    return datetime.fromisoformat(text) if found[1] else date.fromisoformat(text)


def _moment_of(parts: dict[str, str]) -> date | datetime | None:
    """:raises ValueError: there is no such day or time."""
    year, month = int(parts["year"]), parts["month"]
    if len(parts["year"]) == 2:
        # As POSIX and strptime have it.
        year += 2000 if year < 69 else 1900
    number = int(month) if month.isdecimal() else _month_number(month)
    day = date(year, number, int(parts["day"]))
    if "hour" not in parts:
        return day
    hour = int(parts["hour"])
    if "half" in parts:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if parts["half"][0] in "pP" else 0)
    microsecond = int(parts.get("microsecond", "0").ljust(6, "0"))
    at = time(hour, int(parts.get("minute", 0)), int(parts.get("second", 0)), microsecond)
    return datetime.combine(day, at, _offset_of(parts["offset"]) if "offset" in parts else None)


def _month_number(name: str) -> int:
    return 1 + next(place for place, month in enumerate(_MONTHS) if month[:3] == name[:3].lower())


def _offset_of(text: str) -> tzinfo:
    if text in "Zz":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)
