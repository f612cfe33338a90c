"""`column_types`: each key finds one field with values of its own, or the error says which there are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydocs_provider.api.schema import parse_schema
from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.landing.column_types import Reading, check_column_types, parse_column_types
from raydocs_provider.landing.reading import read_boolean, read_date, read_decimal, read_timestamp
from raydocs_provider.landing.tables import Kind, plan_tables

STRING = {"type": "string"}
TAXES = {"type": "array", "items": {"type": "object", "properties": {"rate": STRING}}}
ITEM = {
    "type": "object",
    "properties": {"total": STRING, "size": {"type": "object", "properties": {"width": STRING}}, "taxes": TAXES},
}
SCHEMA = parse_schema(
    {
        "groups": {
            "invoice_header": {
                "fields": {
                    "invoice_date": STRING,
                    "paid": STRING,
                    "due. date": STRING,
                    "vendor": {"type": "object", "properties": {"name": STRING, "since": STRING}},
                    "anything": {"type": "object"},
                }
            },
            "lines": {
                "fields": {
                    "line_items": {"type": "array", "items": ITEM},
                    "days": {"type": "array", "items": STRING},
                    "matrix": {"type": "array", "items": {"type": "array", "items": STRING}},
                }
            },
            "empty": {"fields": {}},
            "pages": {"config": {"iterates_on": "lines.line_items"}, "fields": {"scanned_on": STRING}},
        }
    }
)


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("invoice_header.invoice_date", ("invoice_header", "invoice_date")),
        ("invoice_header.due. date", ("invoice_header", "due. date")),
        ("invoice_header.vendor.since", ("invoice_header", "vendor", "since")),
        ("invoice_header.anything", ("invoice_header", "anything")),
        ("lines.line_items.total", ("lines", "line_items", "total")),
        ("lines.line_items.size.width", ("lines", "line_items", "size", "width")),
        ("lines.line_items.taxes.rate", ("lines", "line_items", "taxes", "rate")),
        ("lines.days", ("lines", "days")),
        ("lines.matrix", ("lines", "matrix")),
        ("pages.scanned_on", ("pages", "scanned_on")),
    ],
)
def test_a_key_finds_its_field_and_the_column_of_that_field_gets_the_type(key: str, path: tuple[str, ...]) -> None:
    found = parse_column_types({key: "date"}, SCHEMA)
    plan = plan_tables(SCHEMA, "t", found)

    assert found == {path: Reading(Kind.DATE)}
    assert [column.kind for records in plan.records.walk() for column in records.values].count(Kind.DATE) == 1


@pytest.mark.parametrize("column_types", [None, {}])
def test_without_types_there_is_nothing_to_find(column_types: Any) -> None:
    assert parse_column_types(column_types, SCHEMA) == {}
    check_column_types(column_types)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("invoice_header.invoice_dat", "has no field .*Did you mean 'invoice_header.invoice_date'"),
        ("invoice_date", "has no field .*Did you mean 'invoice_header.invoice_date'"),
        ("invoice_header__invoice_date", "has no field .*Did you mean 'invoice_header.invoice_date'"),
        ("lines.line_items[0].total", "has no field .*'lines.line_items.total'"),
        ("lines.line_items.", "has no field"),
        ("", "has no field"),
        ("invoice_header", "is a group; .* such as 'invoice_header.invoice_date'"),
        ("pages", "is a group; .* such as 'pages.scanned_on'"),
        ("empty", "is a group; only the fields in it have types[.]"),
        ("invoice_header.vendor", "is an object; .* such as 'invoice_header.vendor.name'"),
        ("lines.line_items.size", "is an object; .* such as 'lines.line_items.size.width'"),
        ("lines.line_items", "is a list of objects; .* such as 'lines.line_items.total'"),
    ],
)
def test_a_key_that_is_no_field_with_values_names_one_that_is(key: str, message: str) -> None:
    with pytest.raises(RaydocsInputError, match=f"column_types: .*{message}"):
        parse_column_types({key: "date"}, SCHEMA)


def test_names_with_dots_are_never_split_and_two_that_are_written_alike_are_refused() -> None:
    schema = parse_schema(
        {
            "groups": {
                "a.b": {"fields": {"c": STRING, "d": STRING}},
                "a": {"fields": {"b.c": STRING, "b": {"type": "object", "properties": {"e.f": STRING}}}},
            }
        }
    )

    assert parse_column_types({"a.b.d": "date", "a.b.e.f": "json"}, schema) == {
        ("a.b", "d"): Reading(Kind.DATE),
        ("a", "b", "e.f"): Reading(Kind.JSON),
    }
    with pytest.raises(RaydocsInputError, match=r"2 fields that are written 'a\.b\.c'"):
        parse_column_types({"a.b.c": "date"}, schema)


@pytest.mark.parametrize(
    ("written", "reading"),
    [
        *((str(kind), Reading(kind)) for kind in Kind),
        ("decimal:,", Reading(Kind.DECIMAL, (",",))),
        ("integer: . ", Reading(Kind.INTEGER, (".",))),
        ("boolean:Oui / Non", Reading(Kind.BOOLEAN, ("Oui", "Non"))),
        ("date:%d/%m/%Y", Reading(Kind.DATE, ("%d/%m/%Y",))),
        ("date:iso | %d.%m.%y|%H", Reading(Kind.DATE, ("iso", "%d.%m.%y|%H"))),
        ("timestamp:iso @ Europe/Berlin", Reading(Kind.TIMESTAMP, ("iso @ Europe/Berlin",))),
        (
            "timestamp: %d.%m.%Y %H:%M @ Asia/Tokyo | %d.%m.%Y %H:%M %z",
            Reading(Kind.TIMESTAMP, ("%d.%m.%Y %H:%M @ Asia/Tokyo", "%d.%m.%Y %H:%M %z")),
        ),
    ],
)
def test_a_type_is_a_word_and_after_a_colon_how_a_text_is_read(written: str, reading: Reading) -> None:
    check_column_types({"invoice_header.paid": written})

    assert parse_column_types({"invoice_header.paid": written}, SCHEMA) == {("invoice_header", "paid"): reading}


@pytest.mark.parametrize(
    ("written", "message"),
    [
        *(
            (word, "has to begin with one of text, decimal, integer, boolean, date, timestamp, json.")
            for word in ("", "Date", "number", " date", "varchar(20)", ":%d", None, 7, ["date"], Kind)
        ),
        ("text:utf-8", "text takes nothing after it; write 'text'"),
        ("json:", "json takes nothing after it; write 'json'"),
        *((f"decimal:{mark}", "the decimal mark after the colon has to be '.' or ','") for mark in ("", ";", ",.")),
        ("integer:comma", "the decimal mark after the colon has to be '.' or ','"),
        *(
            (f"boolean:{words}", "after the colon have to be two words, such as 'boolean:oui/non'")
            for words in ("", "oui", "oui/", "/non", "ja/JA", "1/１", "a/b/c", "oui|non")  # noqa: RUF001
        ),
        ("date:", "the format '' does not give the day and the month and the year"),
        ("date:%d/%m", "the format '%d/%m' does not give the year"),
        ("date:%d/%m/%Y | ", "the format '' does not give the day"),
        ("date:%d/%m/%Q", "the format '%d/%m/%Q' has '%Q', which is none of %d %m"),
        ("date:%-d/%m/%Y", "has '%-', which is none of"),
        ("date:%d/%m/%Y%", "has '%', which is none of"),
        ("date:%x", "has '%x', which is none of"),
        ("date:%d %m %b %Y", "gives the month twice"),
        ("date:%d/%m/%Y %y", "gives the year twice"),
        ("date:%d/%m/%Y %M", "gives the minute without the hour"),
        ("timestamp:%d/%m/%Y %H %S", "gives the second without the minute"),
        ("timestamp:%d/%m/%Y %H:%M.%f", "gives the microsecond without the second"),
        ("timestamp:%d/%m/%Y %I:%M", "has one of %I and %p without the other"),
        ("timestamp:%d/%m/%Y %H:%M %p", "has one of %I and %p without the other"),
        ("timestamp:%d/%m/%Y", "gives no hour; for days without a time there is 'date'"),
        ("date:iso @ Europe/Berlin", "names a time zone, which a date has none of"),
        *(
            (f"timestamp:iso @ {zone}", "names the time zone '.*', which is not known here")
            for zone in ("Berlin", "Europe", "../etc/passwd", "/etc/localtime", "zone.tab", "x" * 300, "%H:%M", "a\0")
        ),
    ],
)
def test_a_type_that_cannot_be_used_is_refused_before_and_after_the_template_is_known(
    written: Any, message: str
) -> None:
    for parse in (check_column_types, lambda types: parse_column_types(types, SCHEMA)):
        with pytest.raises(RaydocsInputError, match=message) as caught:
            parse({"invoice_header.paid": written})
        assert str(caught.value).startswith("column_types['invoice_header.paid']=")


@pytest.mark.parametrize("column_types", ["date", ["invoice_header.paid"], 7, {7: "date"}, {("a", "b"): "date"}])
def test_what_is_no_dict_of_names_is_refused(column_types: Any) -> None:
    for parse in (check_column_types, lambda types: parse_column_types(types, SCHEMA)):
        with pytest.raises(RaydocsInputError, match=r"column_types has .* field"):
            parse(column_types)


def test_two_errors_are_told_one_at_a_time_the_type_before_the_name() -> None:
    with pytest.raises(RaydocsInputError, match="begin with one of"):
        parse_column_types({"gone": "date", "invoice_header.paid": "day"}, SCHEMA)


formats = st.lists(
    st.sampled_from([*"dmbByYHIpMSfz%xQ-"]).map("%{}".format) | st.sampled_from([*" /.:,|@("]) | st.just(" | "),
    max_size=12,
).map("".join)
READERS = {
    Kind.DECIMAL: read_decimal,
    Kind.INTEGER: read_decimal,
    Kind.BOOLEAN: read_boolean,
    Kind.DATE: read_date,
    Kind.TIMESTAMP: read_timestamp,
}


@given(
    st.sampled_from(Kind),
    formats | st.text(st.characters(exclude_categories=()), max_size=12) | st.just("%d/%m/%Y %H:%M"),
    st.text("0123456789/:. ", max_size=20),
)
def test_what_passes_the_check_can_be_read_with(kind: Kind, format_: str, text: str) -> None:
    try:
        (reading,) = parse_column_types({"invoice_header.paid": f"{kind}:{format_}"}, SCHEMA).values()
    except RaydocsInputError:
        return
    cell, problem = READERS[kind](text, reading.formats)
    assert (cell is None) == (problem is not None)


names = st.text("ab _", min_size=1, max_size=3)
fields = st.recursive(
    st.just(STRING),
    lambda inner: (
        st.dictionaries(names, inner, max_size=3).map(lambda inside: {"type": "object", "properties": inside})
        | inner.map(lambda item: {"type": "array", "items": item})
    ),
    max_leaves=6,
)


@given(st.dictionaries(names, st.dictionaries(names, fields, max_size=3), max_size=3))
def test_every_column_of_any_template_can_be_given_a_type_by_the_names_that_lead_to_it(groups: Any) -> None:
    schema = parse_schema({"groups": {name: {"fields": inside} for name, inside in groups.items()}})
    whole: list[tuple[str, ...]] = []

    def collect(records: Any, above: tuple[str, ...]) -> None:
        whole.extend(above + records.path + column.path for column in records.values)
        for inner in records.lists:
            collect(inner, above + records.path)

    collect(plan_tables(schema, "t").records, ())
    for path in whole:
        assert list(parse_column_types({".".join(path): "text"}, schema)) == [path]
