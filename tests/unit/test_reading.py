"""Printed text -> cells: what can be read in one way is read so, exactly; all else is left alone with a word why."""

# ruff: noqa: RUF001 - signs that look alike are what this is about

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydocs_provider.landing.reading import read_boolean, read_date, read_decimal, read_timestamp

NOT_A_NUMBER = (None, "not a number")
AMBIGUOUS = (None, "ambiguous number")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1.250,00 EUR", "1250.00"),
        ("1,250.00", "1250.00"),
        ("EUR 1250", "1250"),
        ("eur12.5", "12.5"),
        ("$1,250.00 USD", "1250.00"),
        ("US$ 1,250.00", "1250.00"),
        ("R$ 1.250,00", "1250.00"),
        ("1\u202f250,5 kr", "1250.5"),
        ("1\u00a0250,5 zł", "1250.5"),
        ("1 250 000 €", "1250000"),
        ("1'250'000.50", "1250000.50"),
        ("CHF 1’250.50", "1250.50"),
        ("Rs.50", "50"),
        ("Rs. 1,25,00,000.50", "12500000.50"),
        ("￥１，２５０．５０", "1250.50"),
        ("1,250.50円", "1250.50"),
        ("\n 007\t", "7"),
        (".50", "0.50"),
        ("$.50", "0.50"),
    ],
)
def test_an_amount_is_read_as_it_is_printed(text: str, number: str) -> None:
    assert read_decimal(text) == (Decimal(number), None)


@pytest.mark.parametrize(
    "text",
    [
        *("-1,250.5", "−1,250.5", "–1,250.5", "－1,250.5", "- 1,250.5", "1,250.5-", "1,250.5 -", "(1,250.5)"),
        *("-€1,250.5", "€-1,250.5", "€ - 1,250.5", "-1,250.5 €", "1,250.5- €", "1,250.5 €-", "€1,250.5-"),
        *("(€1,250.5)", "(1,250.5 €)", "€(1,250.5)", "(1,250.5) €", "（1,250.5）"),
    ],
)
def test_a_minus_may_stand_anywhere_around_and_parentheses_are_one(text: str) -> None:
    assert read_decimal(text) == (Decimal("-1250.5"), None)


@pytest.mark.parametrize("text", ["--5", "-(5)", "(-5)", "-5-", "+-5", "(5", "5)", "()", "((5))", ")5("])
def test_two_signs_or_half_a_parenthesis_are_no_number(text: str) -> None:
    assert read_decimal(text) == NOT_A_NUMBER


@pytest.mark.parametrize("text", ["1.250,-", "1.250,--", "1.250,–", "1'250.-", "CHF 1'250.—", "1 250,- kr"])
def test_a_dash_instead_of_cents_is_no_minus(text: str) -> None:
    assert read_decimal(text) == (Decimal(1250), None)


@pytest.mark.parametrize(
    ("text", "unstated", "point", "comma"),
    [
        ("1.250", AMBIGUOUS, "1.250", "1250"),
        ("1,250", AMBIGUOUS, "1250", "1.250"),
        ("-125,125 €", AMBIGUOUS, "-125125", "-125.125"),
        ("1.25", "1.25", "1.25", NOT_A_NUMBER),
        ("1,25", "1.25", NOT_A_NUMBER, "1.25"),
        ("1250.125", "1250.125", "1250.125", NOT_A_NUMBER),
        ("0,125", "0.125", NOT_A_NUMBER, "0.125"),
        (".125", "0.125", "0.125", NOT_A_NUMBER),
        ("1 250.125", "1250.125", "1250.125", NOT_A_NUMBER),
        ("1'250,125", "1250.125", NOT_A_NUMBER, "1250.125"),
        ("1.250.125", "1250125", NOT_A_NUMBER, "1250125"),
        ("1,250,125", "1250125", "1250125", NOT_A_NUMBER),
        ("1,250.125", "1250.125", "1250.125", NOT_A_NUMBER),
        ("1 250", "1250", "1250", "1250"),
        ("1250", "1250", "1250", "1250"),
    ],
)
def test_a_stated_mark_decides_and_without_one_what_may_be_either_is_not_read(
    text: str, unstated: Any, point: Any, comma: Any
) -> None:
    read = read_decimal(text), read_decimal(text, (".",)), read_decimal(text, (",",))

    assert read == tuple(
        (Decimal(expected), None) if isinstance(expected, str) else expected for expected in (unstated, point, comma)
    )


@pytest.mark.parametrize(
    "text",
    [
        *("", "   ", "-", "€", ".", ",-", "EUR", "n/a", "NaN", "Infinity", "1e5", "0x10", "1_000"),
        *("12%", "12 %", "12 kg", "12 TEUR", "12 M€", "1,2 Mio. EUR", "12 M$", "12k", "3万円", "€ 5 EUR €"),
        *("1.2.3", "1,2,3", "12 34", "1 2", "1250.500.000", "12.34.567", "1,250,5", "1.250,00.00", "1.250.-"),
        *("0.125.000", "1  250", "1\n250", "1\t250", "1. 250", "12.", "12,", "1 250'000", "1.250 000"),
        *("1-2", "5 of 12", "12/2024", "12 12", "12:30", "٣", "１٣", "12²", "½", "①", "1\u200b2", "half\ud83d"),
    ],
)
def test_what_is_not_one_regular_number_and_its_currency_is_not_guessed(text: str) -> None:
    assert read_decimal(text) == NOT_A_NUMBER


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, (None, None)),
        (7, (Decimal(7), None)),
        (0.1, (Decimal("0.1"), None)),
        (Decimal("1.250"), (Decimal("1.250"), None)),
        pytest.param(10**5000, (Decimal(f"1{'0' * 5000}"), None), id="10**5000"),
        (True, NOT_A_NUMBER),
        (math.nan, NOT_A_NUMBER),
        (-math.inf, NOT_A_NUMBER),
        (Decimal("sNaN"), NOT_A_NUMBER),
        (["1"], NOT_A_NUMBER),
        ({"amount": 1}, NOT_A_NUMBER),
    ],
)
@pytest.mark.parametrize("formats", [(), (",",), (".",)])
def test_a_number_of_the_json_is_taken_as_it_is_whatever_the_mark(
    value: Any, expected: Any, formats: tuple[str, ...]
) -> None:
    assert read_decimal(value, formats) == expected


def test_a_long_number_keeps_all_digits_whatever_the_precision_around_it() -> None:
    with localcontext(prec=3):
        number, _ = read_decimal("-12345678901234567890123456789.123456789")

    assert str(number) == "-12345678901234567890123456789.123456789"


# Sign of the groups, decimal mark.
STYLES = {
    "en": (",", "."),
    "de": (".", ","),
    "ch": ("’", "."),
    "ch in ascii": ("'", "."),
    "fr": ("\u202f", ","),
    "sv": ("\u00a0", ","),
    "si": (" ", "."),
    "without groups": ("", "."),
    "de without groups": ("", ","),
}
amounts = st.builds(
    lambda digits, places: Decimal(digits).scaleb(-places),
    st.integers(-(10**27), 10**27),
    st.integers(0, 12),
)


def printed(number: Decimal, style: str) -> str:
    group, mark = STYLES[style]
    return f"{number:,f}".translate({ord(","): group, ord("."): mark})


@given(amounts, st.sampled_from(sorted(STYLES)), st.sampled_from(["{}", " {} ", "{} EUR", "€{}", "CHF {}"]))
def test_any_number_printed_in_any_style_reads_back_exactly_with_its_mark(
    number: Decimal, style: str, around: str
) -> None:
    text = around.format(printed(number, style))

    assert read_decimal(text, (STYLES[style][1],)) == (number, None)


@given(amounts, st.sampled_from(sorted(STYLES)))
def test_without_the_mark_it_reads_back_exactly_or_is_ambiguous(number: Decimal, style: str) -> None:
    assert read_decimal(printed(number, style)) in ((number, None), AMBIGUOUS)


@given(amounts, st.sampled_from(sorted(STYLES)))
def test_with_the_wrong_mark_it_is_refused_or_has_the_same_digits(number: Decimal, style: str) -> None:
    wrong = {".": ",", ",": "."}[STYLES[style][1]]
    read, problem = read_decimal(printed(number, style), (wrong,))

    assert problem == "not a number" or digits_of(str(read)) == digits_of(f"{number:f}")


@given(
    st.text("0123456789.,' -", max_size=12).flatmap(
        lambda text: st.sampled_from([text, f"€{text}", f"{text} kr.", f"({text})", f"{text}CHF"])
    ),
    st.sampled_from([(), (".",), (",",)]),
)
def test_no_digit_is_lost_or_made_up(text: str, formats: tuple[str, ...]) -> None:
    number, problem = read_decimal(text, formats)

    if number is None:
        assert problem
    else:
        assert digits_of(f"{number:f}") == digits_of(re.sub(r"[.,]--?( kr\.|CHF|\))?$", ".0", text))


def digits_of(text: str) -> str:
    return re.sub("[^0-9]", "", text).lstrip("0")


@pytest.mark.parametrize(
    ("value", "formats", "expected"),
    [
        (None, (), (None, None)),
        (True, (), (True, None)),
        (False, ("oui", "non"), (False, None)),
        *((word, (), (True, None)) for word in ("true", "Yes", " Y ", "1", 1, "１")),
        *((word, (), (False, None)) for word in ("FALSE", "no", "n", "0", 0)),
        ("OUI", ("oui", "non"), (True, None)),
        (" Non", ("Oui", "NON"), (False, None)),
        ("yes", ("oui", "non"), (None, "not a boolean")),
        (1, ("oui", "non"), (None, "not a boolean")),
        *((value, (), (None, "not a boolean")) for value in ("", "x", "ja", "yes!", 2, 1.0, Decimal("sNaN"), [], {})),
    ],
)
def test_a_boolean_is_one_of_two_words(value: Any, formats: tuple[str, ...], expected: Any) -> None:
    assert read_boolean(value, formats) == expected


@pytest.mark.parametrize(
    ("value", "formats", "day"),
    [
        ("2024-03-12", (), date(2024, 3, 12)),
        (" 2024‑03‑12\n", (), date(2024, 3, 12)),
        ("2024-03-12T10:15:00Z", (), date(2024, 3, 12)),
        ("2024-03-12 23:30:00-05:00", (), date(2024, 3, 12)),
        ("12/03/2024", ("%d/%m/%Y",), date(2024, 3, 12)),
        ("12/03/2024", ("%m/%d/%Y",), date(2024, 12, 3)),
        ("1/3/2024", ("%d/%m/%Y",), date(2024, 3, 1)),
        ("12.3.24", ("%d.%m.%Y", "%d.%m.%y"), date(2024, 3, 12)),
        ("12.3.68", ("%d.%m.%y",), date(2068, 3, 12)),
        ("12.3.69", ("%d.%m.%y",), date(1969, 3, 12)),
        ("20240312", ("%Y%m%d",), date(2024, 3, 12)),
        ("12 March 2024", ("%d %b %Y",), date(2024, 3, 12)),
        ("SEPT. 3, 2024", ("%B %d, %Y",), date(2024, 9, 3)),
        ("12-mar-24", ("%d-%b-%y",), date(2024, 3, 12)),
        ("12\u00a0 Mar\t2024", ("%d %b %Y",), date(2024, 3, 12)),
        ("12 – 3 – 2024", ("%d − %m\u00a0− %Y",), date(2024, 3, 12)),
        ("2024年3月12日", ("%Y年%m月%d日",), date(2024, 3, 12)),
        ("２０２４／０３／１２", ("%Y/%m/%d",), date(2024, 3, 12)),
        ("100% 12/03/2024", ("100%% %d/%m/%Y",), date(2024, 3, 12)),
        ("12/03/2024 10:15", ("%d/%m/%Y %H:%M",), date(2024, 3, 12)),
        ("2024-03-12", ("%d/%m/%Y", "iso"), date(2024, 3, 12)),
    ],
)
def test_a_date_is_read_by_its_formats_or_else_as_iso_has_it(value: str, formats: tuple[str, ...], day: date) -> None:
    read = read_date(value, formats)

    assert read == (day, None)
    assert type(read[0]) is date


@pytest.mark.parametrize(
    ("value", "formats"),
    [
        *((text, ()) for text in ("", "12/03/2024", "2024-3-12", "20240312", "2024-W11-2", "2024-02-30", "0000-01-01")),
        *((text, ()) for text in ("2024-03-12T", "2024-03-12T25:00", "2024-03-12x10:15", "٢٠٢٤-03-12")),
        *((value, ()) for value in (20240312, Decimal(2024), True, ["2024-03-12"], {}, "half\ud83d")),
        ("31/02/2024", ("%d/%m/%Y",)),
        ("12/13/2024", ("%d/%m/%Y",)),
        ("12/03/24", ("%d/%m/%Y",)),
        ("12/03/2024", ("%d/%m/%y",)),
        ("12/03/2024 paid", ("%d/%m/%Y",)),
        ("2024-03-12", ("%d/%m/%Y",)),
        ("2024312", ("%Y%m%d",)),
        ("2024031", ("%Y%m%d",)),
        ("1112024", ("%d%m%Y",)),
        ("٠١/03/2024", ("%d/%m/%Y",)),
        ("12 März 2024", ("%d %B %Y",)),
        ("12 Marc 2024", ("%d %B %Y",)),
        ("12 ſep 2024", ("%d %b %Y",)),
        ("12032024", ("%d.%m.%Y",)),
    ],
)
def test_what_is_no_date_in_any_of_the_formats_is_not_guessed(value: Any, formats: tuple[str, ...]) -> None:
    assert read_date(value, formats) == (None, "not a date")


def test_formats_that_read_different_dates_read_none_and_the_others_do() -> None:
    formats = ("%d/%m/%Y", "%m/%d/%Y")

    assert read_date("12/03/2024", formats) == (None, "ambiguous date")
    assert read_date("03/03/2024", formats) == (date(2024, 3, 3), None)
    assert read_date("25/03/2024", formats) == (date(2024, 3, 25), None)


@pytest.mark.parametrize(
    ("value", "formats", "moment"),
    [
        ("2024-03-12T10:15:30Z", (), datetime(2024, 3, 12, 10, 15, 30, tzinfo=UTC)),
        ("2024-03-12 10:15:30.5+02:00", (), datetime(2024, 3, 12, 8, 15, 30, 500_000, tzinfo=UTC)),
        ("2024-03-12 10:15", (), datetime(2024, 3, 12, 10, 15, tzinfo=UTC)),
        ("2024-03-12 10:15", ("iso @ Europe/Berlin",), datetime(2024, 3, 12, 9, 15, tzinfo=UTC)),
        ("2024-07-12 10:15", ("iso @ Europe/Berlin",), datetime(2024, 7, 12, 8, 15, tzinfo=UTC)),
        ("2024-07-12 10:15Z", ("iso @ Europe/Berlin",), datetime(2024, 7, 12, 10, 15, tzinfo=UTC)),
        ("12.03.2024 10:15", ("%d.%m.%Y %H:%M",), datetime(2024, 3, 12, 10, 15, tzinfo=UTC)),
        ("12.03.2024 9.05", ("%d.%m.%Y %H.%M @ Asia/Tokyo",), datetime(2024, 3, 12, 0, 5, tzinfo=UTC)),
        ("12/03/2024 4:05 PM", ("%d/%m/%Y %I:%M %p",), datetime(2024, 3, 12, 16, 5, tzinfo=UTC)),
        ("12/03/2024 12:05 a.m.", ("%d/%m/%Y %I:%M %p",), datetime(2024, 3, 12, 0, 5, tzinfo=UTC)),
        ("12/03/2024 12:05 p.m.", ("%d/%m/%Y %I:%M %p",), datetime(2024, 3, 12, 12, 5, tzinfo=UTC)),
        ("20240312101530 -0530", ("%Y%m%d%H%M%S %z",), datetime(2024, 3, 12, 15, 45, 30, tzinfo=UTC)),
        ("2024-03-12 10:15:30.25+01:00", ("%Y-%m-%d %H:%M:%S.%f%z",), datetime(2024, 3, 12, 9, 15, 30, 250_000, UTC)),
        ("12.03.2024 @ 10:15", ("%d.%m.%Y @ %H:%M @ UTC",), datetime(2024, 3, 12, 10, 15, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_into_utc_from_its_offset_or_its_zone(
    value: str, formats: tuple[str, ...], moment: datetime
) -> None:
    read, problem = read_timestamp(value, formats)

    assert (read, problem) == (moment, None)
    assert read is not None
    assert read.tzinfo is UTC


@pytest.mark.parametrize(
    ("value", "formats"),
    [
        *((text, ()) for text in ("", "2024-03-12", "yesterday", "2024-03-12T10:15:30+25:00", "10:15")),
        *((text, ()) for text in ("0001-01-01T00:00+14:00", "9999-12-31T23:59-01:00")),
        *((value, ()) for value in (1710238530, True, [], {}, Decimal("NaN"))),
        ("12.03.2024 24:00", ("%d.%m.%Y %H:%M",)),
        ("12.03.2024 10:61", ("%d.%m.%Y %H:%M",)),
        ("12.03.2024 13:00 PM", ("%d.%m.%Y %I:%M %p",)),
        ("12.03.2024 00:30 AM", ("%d.%m.%Y %I:%M %p",)),
        ("12.03.2024 10:15 +24:00", ("%d.%m.%Y %H:%M %z",)),
        ("12.03.2024 10:15 +01:75", ("%d.%m.%Y %H:%M %z",)),
        ("31.03.2024 02:30", ("%d.%m.%Y %H:%M @ Europe/Berlin",)),
    ],
)
def test_what_is_no_time_of_a_day_or_was_skipped_by_the_clocks_is_not_guessed(
    value: Any, formats: tuple[str, ...]
) -> None:
    assert read_timestamp(value, formats) == (None, "not a timestamp")


def test_a_local_time_that_came_twice_is_ambiguous_and_its_offset_decides() -> None:
    assert read_timestamp("2024-10-27 02:30", ("iso @ Europe/Berlin",)) == (None, "ambiguous timestamp")
    assert read_timestamp("2024-10-27 02:30+01:00", ("iso @ Europe/Berlin",)) == (
        datetime(2024, 10, 27, 1, 30, tzinfo=UTC),
        None,
    )


def test_formats_that_read_different_times_read_none() -> None:
    formats = ("%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M")

    assert read_timestamp("12/03/2024 10:15", formats) == (None, "ambiguous timestamp")


# Years of four digits: strftime does not pad shorter ones on Linux.
moments = st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 30))


@given(
    moments,
    st.sampled_from(["%d/%m/%Y", "%m-%d-%Y", "%Y%m%d", "%d %b %Y", "%B %d, %Y", "%d%b%Y"]),
    st.sampled_from(["", " %H:%M", "T%H%M%S", " %I:%M:%S %p", " %H:%M:%S.%f"]),
)
def test_a_format_means_what_it_means_to_strptime(moment: datetime, day: str, at: str) -> None:
    format_ = day + at
    text = moment.strftime(format_)
    expected = datetime.strptime(text, format_)

    assert read_date(text, (format_,)) == (expected.date(), None)
    if at:
        assert read_timestamp(text, (format_,)) == (expected.replace(tzinfo=UTC), None)


@given(st.dates(date(1969, 1, 1), date(2068, 12, 31)))
def test_a_year_of_two_digits_is_in_the_hundred_years_of_strptime(day: date) -> None:
    assert read_date(day.strftime("%d.%m.%y"), ("%d.%m.%y",)) == (day, None)


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1)),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Casablanca"]),
)
def test_a_moment_printed_by_the_clock_of_a_zone_reads_back_or_came_twice(moment: datetime, zone: str) -> None:
    moment = moment.replace(tzinfo=UTC)
    local = moment.astimezone(ZoneInfo(zone))
    read, problem = read_timestamp(local.strftime("%Y-%m-%d %H:%M:%S.%f"), (f"iso @ {zone}",))

    if problem:
        other = local.replace(fold=1 - local.fold).astimezone(UTC)
        assert problem == "ambiguous timestamp"
        assert timedelta(0) < abs(other - moment) <= timedelta(hours=1)
    else:
        assert read == moment


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals(allow_nan=True)
    | st.text(st.characters(exclude_categories=()))
    | st.text("0123456789.,'-+()/: TZ%€EUR", max_size=25)
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
READERS = [
    (read_decimal, ((), (".",), (",",)), Decimal),
    (read_boolean, ((), ("oui", "non")), bool),
    (read_date, ((), ("%d/%m/%Y", "%Y%m%d")), date),
    (read_timestamp, ((), ("%d/%m/%Y %H:%M", "iso @ Europe/Berlin")), datetime),
]
PROBLEMS = re.compile("(not a|ambiguous) (number|boolean|date|timestamp)")


@pytest.mark.parametrize(("read", "formats", "type_"), READERS)
@given(values)
def test_every_value_has_a_cell_or_a_problem_that_does_not_quote_it(
    read: Any, formats: tuple[tuple[str, ...], ...], type_: type, value: Any
) -> None:
    for chosen in formats:
        cell, problem = read(value, chosen)

        if value is None:
            assert (cell, problem) == (None, None)
        elif problem is None:
            assert type(cell) is type_
        else:
            assert cell is None
            assert PROBLEMS.fullmatch(problem)
