from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydocs_provider.landing.tables import Column, Kind, Room
from raydocs_provider.landing.values import UNSTORABLE, fit, fitter_of, moment_of, text_of


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (Decimal("1234.50"), Decimal("1234.50")),
        (1234, Decimal(1234)),
        (0.1, Decimal("0.1")),
        ("1234.50", Decimal("1234.50")),
        (" -7e2 ", Decimal("-700")),
        ("12345678901234567890123456789.123456789", Decimal("12345678901234567890123456789.123456789")),
        (Decimal("1.5000000000000"), Decimal("1.5")),
        (Decimal("0E+999999"), Decimal(0)),
        (Decimal("-0.123456789"), Decimal("-0.123456789")),
        (Decimal("1E-9"), Decimal("1E-9")),
        (None, None),
    ],
)
def test_a_number_is_kept_exactly(value, cell):
    assert fit(value, Kind.DECIMAL) == (cell, None)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (True, "not a number"),
        ("1,234.50", "not a number"),
        ("12 EUR", "not a number"),
        ("", "not a number"),
        ("NaN", "not a number"),
        ("٣", "not a number"),
        (math.nan, "not a number"),
        (math.inf, "not a number"),
        (Decimal("sNaN"), "not a number"),
        ([1], "not a number"),
        ({"amount": 1}, "not a number"),
        (10**400, "too large a number"),
        (Decimal("1E+999999"), "too large a number"),
        ("1e999999", "too large a number"),
        (Decimal(10) ** 29, "too large a number"),
        ("99999999999999999999999999999.9999999999", "too large a number"),
    ],
)
def test_what_is_no_number_or_has_no_room_leaves_the_cell_empty_and_says_why(value, problem):
    assert fit(value, Kind.DECIMAL) == (None, problem)


def test_more_than_nine_decimals_are_rounded_and_that_is_said():
    assert fit(Decimal("0.12345678951"), Kind.DECIMAL) == (Decimal("0.123456790"), "rounded to 9 decimals")
    assert fit(Decimal("1.5E-9"), Kind.DECIMAL) == (Decimal("2E-9"), "rounded to 9 decimals")
    assert fit("1e-999999", Kind.DECIMAL) == (Decimal(0), "rounded to 9 decimals")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, (3, None)),
        ("12", (12, None)),
        (Decimal("4.000"), (4, None)),
        (2**63 - 1, (2**63 - 1, None)),
        (2**63, (None, "too large a number")),
        (10**400, (None, "too large a number")),
        (1.5, (None, "not an integer")),
        (True, (None, "not a number")),
        ("three", (None, "not a number")),
    ],
)
def test_an_integer_is_whole_and_has_64_bits(value, expected):
    assert fit(value, Kind.INTEGER) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, (True, None)),
        (" False ", (False, None)),
        (1, (None, "not a boolean")),
        ("yes", (None, "not a boolean")),
        ([], (None, "not a boolean")),
    ],
)
def test_a_boolean_is_one_or_says_so(value, expected):
    assert fit(value, Kind.BOOLEAN) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", ("", None)),
        ('tab\t, quote", backslash\\, \r\n', ('tab\t, quote", backslash\\, \r\n', None)),
        ("nul\0", ("nul\ufffd", UNSTORABLE)),
        ("half\ud83d", ("half\ufffd", UNSTORABLE)),
        ("\ufeffwhole 😀", ("\ufeffwhole 😀", None)),
        (12, ("12", None)),
        (Decimal("1.50"), ("1.50", None)),
        (True, ("true", None)),
        ({"a": [1, None]}, ('{"a":[1,null]}', "not a text")),
    ],
)
def test_a_text_is_what_came_but_for_what_no_database_can_store(value, expected):
    assert fit(value, Kind.TEXT) == expected


def test_an_integer_of_any_length_has_a_text():
    assert text_of(10**5000) == "1" + "0" * 5000


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05.123456+02:00", datetime(2026, 1, 2, 1, 4, 5, 123456, tzinfo=UTC)),
        ("2026-01-02 03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_a_time_is_read_into_utc_or_is_missing(text, moment):
    assert moment_of(text) == moment


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.text(st.characters(exclude_categories=()))
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)


@given(values, st.sampled_from(Kind))
def test_every_value_has_a_cell_for_every_kind_and_nothing_is_lost_without_a_word(value, kind):
    cell, problem = fit(value, kind)

    assert cell is not None or problem or value is None
    if isinstance(cell, Decimal):
        assert abs(cell) < 10**29
        assert cell == round(cell, 9)
    if isinstance(cell, str):
        cell.encode()
        assert "\0" not in cell


# --- columns that were there before


MOMENT = "2026-01-02T03:04:05.5Z"


@pytest.mark.parametrize(
    ("kind", "room", "value", "cell"),
    [
        (Kind.TEXT, Room("varchar(3)", Kind.TEXT, length=3), "äöü", "äöü"),
        (Kind.TEXT, Room("varchar(3)", Kind.TEXT, length=3), "😀😀😀", "😀😀😀"),
        (Kind.TEXT, Room("varchar(8)", Kind.TEXT, byte_length=8), "😀😀", "😀😀"),
        (Kind.INTEGER, Room("varchar(3)", Kind.INTEGER, length=3), -99, -99),
        (Kind.BOOLEAN, Room("varchar(4)", Kind.BOOLEAN, length=4), True, True),
        (Kind.DECIMAL, Room("varchar(4)", Kind.DECIMAL, length=4), Decimal("1E+3"), Decimal(1000)),
        (Kind.JSON, Room("varchar(7)", Kind.JSON, length=7), {"a": 1}, '{"a":1}'),
        (Kind.TIMESTAMP, Room("varchar(26)", Kind.TIMESTAMP, length=26), MOMENT, moment_of(MOMENT)),
        (Kind.DECIMAL, Room("bigint", Kind.INTEGER, limit=2**63 - 1), Decimal("-3.0"), -3),
        (Kind.INTEGER, Room("smallint", Kind.INTEGER, limit=32767), -32767, -32767),
        (Kind.INTEGER, Room("numeric(3,0)", Kind.INTEGER, 3, 0), 999, 999),
        (Kind.DECIMAL, Room("numeric(2,3)", Kind.DECIMAL, 2, 3), Decimal("0.099"), Decimal("0.099")),
    ],
)
def test_a_value_that_has_room_in_its_column_lands(kind, room, value, cell):
    assert fitter_of(Column("c", kind, (), room=room))(value) == (cell, None)


@pytest.mark.parametrize(
    ("kind", "room", "value", "problem"),
    [
        (Kind.TEXT, Room("varchar(3)", Kind.TEXT, length=3), "four", "no room in varchar(3)"),
        (Kind.TEXT, Room("varchar(7)", Kind.TEXT, byte_length=7), "😀😀", "no room in varchar(7)"),
        (Kind.INTEGER, Room("varchar(3)", Kind.INTEGER, length=3), -100, "no room in varchar(3)"),
        (Kind.BOOLEAN, Room("varchar(4)", Kind.BOOLEAN, length=4), False, "no room in varchar(4)"),
        (Kind.DECIMAL, Room("varchar(3)", Kind.DECIMAL, length=3), Decimal("1E+3"), "no room in varchar(3)"),
        (Kind.JSON, Room("varchar(6)", Kind.JSON, length=6), {"a": 1}, "no room in varchar(6)"),
        (Kind.TIMESTAMP, Room("varchar(25)", Kind.TIMESTAMP, length=25), MOMENT, "no room in varchar(25)"),
        (Kind.DECIMAL, Room("bigint", Kind.INTEGER, limit=2**63 - 1), Decimal("0.5"), "not an integer"),
        (Kind.DECIMAL, Room("bigint", Kind.INTEGER, limit=2**63 - 1), 2**63, "too large a number"),
        (Kind.INTEGER, Room("smallint", Kind.INTEGER, limit=32767), 32768, "no room in smallint"),
        (Kind.INTEGER, Room("numeric(3,0)", Kind.INTEGER, 3, 0), 1000, "no room in numeric(3,0)"),
        (Kind.DECIMAL, Room("numeric(2,3)", Kind.DECIMAL, 2, 3), Decimal("0.1"), "no room in numeric(2,3)"),
        (Kind.TEXT, Room("date", None), "a", "the column is date"),
        # What is wrong with the value itself goes first.
        (Kind.DECIMAL, Room("date", None), "a", "not a number"),
    ],
)
def test_a_value_without_room_in_its_column_leaves_it_empty_and_says_why(kind, room, value, problem):
    assert fitter_of(Column("c", kind, (), room=room))(value) == (None, problem)


@given(values, st.sampled_from(Kind), st.sampled_from([None, *Kind]), st.integers(0, 20), st.integers(0, 20))
def test_every_value_has_a_cell_whatever_column_there_is(value, kind, held, digits, length):
    room = Room("some type", held, digits, digits // 2, 10**digits, length)

    cell, problem = fitter_of(Column("c", kind, (), room=room))(value)

    assert cell is not None or problem or value is None


def test_a_missing_value_has_room_everywhere():
    assert {fitter_of(Column("c", kind, (), room=Room("date", None)))(None) for kind in Kind} == {(None, None)}
