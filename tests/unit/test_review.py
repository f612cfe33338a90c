from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from raydocs_provider.api.schema import parse_schema
from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.landing.review import MAX_CODES, Reviewer, parse_review

STRING = {"type": "string"}
NUMBER = {"type": "number"}


def objects(**properties: Any) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "object", "properties": properties}}


GROUPS: dict[str, dict[str, Any]] = {
    "header": {
        "fields": {
            "number": STRING,
            "date": STRING,
            "vendor": {"type": "object", "properties": {"name": STRING, "city": STRING}},
        }
    },
    "totals": {
        "fields": {"subtotal": NUMBER, "tax": NUMBER, "discount": NUMBER, "total": NUMBER, "net-amount": NUMBER}
    },
    "lines": {
        "fields": {
            "items": objects(text=STRING, unit=STRING, price=NUMBER, total=NUMBER, taxes=objects(amount=NUMBER)),
            "fees": {"type": "array", "items": NUMBER},
            "grid": {"type": "array", "items": {"type": "array", "items": NUMBER}},
        }
    },
    "pages": {"config": {"iterates_on": "lines.items"}, "fields": {"carried": NUMBER}},
}
SCHEMA = parse_schema({"groups": GROUPS})

LINES_ADD_UP = "sum(lines.items.total) = totals.subtotal"


def reviewer(below: Any = None, *checks: str, groups: Any = GROUPS) -> Reviewer:
    rules = parse_review(below, checks)
    assert rules is not None
    return rules.resolve(parse_schema({"groups": groups}))


def review(under_test: Reviewer, data: Any, values: Iterable[Any] = ()) -> tuple[str, tuple[str, ...]]:
    """The status of a document and its codes; a value is ``(path, confidence, is_null, misfit)``."""
    opened = under_test.open(data)
    for value in values:
        opened.judge(*value)
    return opened.close()


def faults(check: str, data: Any) -> list[str]:
    """The codes of a document for one check."""
    return list(review(reviewer(None, check), data)[1])


def about(values: Any, below: Any = None, *checks: str) -> list[str]:
    """The codes of a document for its values, each ``(path, confidence)`` with flags where they are needed."""
    complete = [(*value, False, False)[:4] if len(value) == 2 else (*value, False)[:4] for value in values]
    return list(review(reviewer(below, *checks), {"header": {}}, complete)[1])


def lines(*totals: Any, **total: Any) -> dict[str, Any]:
    return {"lines": {"items": [{"total": value} for value in totals]}, "totals": total}


# Rules as they are written


def test_without_rules_there_is_no_review():
    assert parse_review(None) is None
    assert parse_review({}, []) is None


def test_a_document_without_faults_has_passed_and_any_code_sends_it_to_review():
    data = {"header": {"number": "A1"}}

    sure = [(("header", "number"), 0.8, False, False)]
    assert review(reviewer(0.8, "required(header.number)"), data, sure) == ("passed", ())
    assert review(reviewer(0.8, "required(header.date)"), data) == ("review", ("required:header.date",))


@pytest.mark.parametrize("below", [1.2, -0.1, True, "0.8", math.nan, [0.8], {"*": 2}, {"totals.total": "high"}])
def test_a_threshold_is_a_number_from_0_to_1(below):
    with pytest.raises(RaydocsInputError, match=r"review_below.* has to be a number from 0 to 1"):
        parse_review(below)


def test_the_error_about_a_threshold_names_its_field():
    with pytest.raises(RaydocsInputError, match=r"review_below\['totals.total'\]"):
        parse_review({"*": 0.8, "totals.total": 80})


def test_a_threshold_is_for_a_field_that_is_named_by_a_text():
    with pytest.raises(RaydocsInputError, match="review_below: 3 is not a text"):
        parse_review({3: 0.8})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    "check",
    [
        "",
        "required",
        "required()",
        "required( )",
        "totals.total",
        "sum(lines.items.total)",
        "sum(lines.items.total)=totals.total",
        "totals.subtotal == totals.total",
        "totals.subtotal = totals.tax = totals.total",
        "totals.subtotal = totals.total +/- 1 +/- 1",
        "confidence",
    ],
)
def test_what_is_no_check_is_refused_with_those_that_are(check):
    with pytest.raises(RaydocsInputError, match=r"is none of 'required\(group.field\)', .* Put blanks around"):
        parse_review(None, [check])


@pytest.mark.parametrize(
    "check",
    [
        "= totals.total",
        "totals.total =",
        "totals.subtotal + = totals.total",
        "- totals.tax = totals.total",
        "totals.subtotal + + totals.tax = totals.total",
        "sum() = totals.total",
        "sum( ) = totals.total",
    ],
)
def test_an_equation_without_a_field_where_one_belongs_is_refused(check):
    with pytest.raises(RaydocsInputError, match="lacks a field"):
        parse_review(None, [check])


@pytest.mark.parametrize("tolerance", ["", "-0.01", "1%", "NaN", "Infinity", "0,01", "sNaN"])
def test_a_tolerance_is_a_number_of_0_or_more(tolerance):
    with pytest.raises(RaydocsInputError, match="needs a number of 0 or more after"):
        parse_review(None, [f"{LINES_ADD_UP} +/- {tolerance}"])


@pytest.mark.parametrize("checks", ["missing_confidence", None, {"missing_confidence"}])
def test_checks_are_a_list(checks):
    with pytest.raises(RaydocsInputError, match="review_checks has to be a list of texts"):
        parse_review(None, checks)


def test_a_check_is_a_text():
    with pytest.raises(RaydocsInputError, match="review_checks: 7 is not a text"):
        parse_review(None, [7])  # type: ignore[list-item]


@pytest.mark.parametrize(
    "checks",
    [
        ["missing_confidence", " missing_confidence"],
        ["required(header.number)", "required( header.number )"],
        [LINES_ADD_UP, "totals.total - totals.tax = totals.subtotal +/- 1"],
    ],
)
def test_two_checks_that_could_not_be_told_apart_by_their_codes_are_refused(checks):
    with pytest.raises(RaydocsInputError, match="as another check does"):
        parse_review(None, checks)


# Rules against a template


@pytest.mark.parametrize(
    ("below", "checks"),
    [
        ({"totals.totl": 0.9}, []),
        (None, ["required(totals.totl)"]),
        (None, ["totals.totl = totals.subtotal"]),
        (None, ["totals.subtotal = totals.totl"]),
    ],
)
def test_a_field_that_the_template_does_not_have_is_refused_with_those_that_are_near(below, checks):
    rules = parse_review(below, checks)

    with pytest.raises(
        RaydocsInputError, match=r"^review_\w+: the template has no field 'totals.totl'.*'totals.total'"
    ):
        rules.resolve(SCHEMA)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("subtotal", "Did you mean 'totals.subtotal'?"),
        ("items.total", "Did you mean 'lines.items.total'?"),
        ("zzzzzz", "Write group.field, and group.list.field"),
    ],
)
def test_a_field_without_its_group_is_found_for_the_advice(name, advice):
    with pytest.raises(RaydocsInputError) as caught:
        reviewer(None, f"required({name})")

    assert advice in str(caught.value)


def test_names_may_hold_dots_blanks_and_signs():
    groups = {
        "Rechnung Nr. 1": {"fields": {"Betrag (netto)": NUMBER, "net-amount": NUMBER, "a=b": NUMBER}},
        "a.b": {"fields": {"c.d": STRING}},
    }
    data = {"Rechnung Nr. 1": {"Betrag (netto)": 3, "net-amount": 1, "a=b": 1}, "a.b": {"c.d": "x"}}
    equation = "Rechnung Nr. 1.net-amount + Rechnung Nr. 1.a=b = Rechnung Nr. 1.Betrag (netto)"
    under_test = reviewer({"a.b.c.d": 0.5}, equation, "required(Rechnung Nr. 1.Betrag (netto))", groups=groups)

    assert review(under_test, data, [(("a.b", "c.d"), 0.4, False, False)])[1] == (
        "sum:Rechnung Nr. 1.Betrag (netto)",
        "low_confidence:a.b.c.d",
    )


def test_a_name_that_stands_for_two_fields_is_refused():
    groups = {"a": {"fields": {"b.c": NUMBER}}, "a.b": {"fields": {"c": NUMBER}}}

    with pytest.raises(RaydocsInputError, match=r"2 fields that are written 'a\.b\.c'"):
        reviewer(None, "required(a.b.c)", groups=groups)


@pytest.mark.parametrize(
    "term", ["totals", "header.vendor", "lines.items", "sum(lines.items)", "sum(lines.items.taxes)", "sum(lines.grid)"]
)
def test_what_holds_fields_cannot_be_added_up(term):
    with pytest.raises(RaydocsInputError, match="cannot be added up"):
        reviewer(None, f"{term} = totals.total")


def test_a_field_in_a_list_needs_sum_and_any_other_must_not_have_it():
    for term in ("lines.items.total", "lines.fees", "lines.items.taxes.amount", "pages.carried"):
        with pytest.raises(RaydocsInputError, match=rf"is in a list. Write 'sum\({term}\)'"):
            reviewer(None, f"{term} = totals.total")
    with pytest.raises(RaydocsInputError, match=r"'totals.tax' is in no list. Write it without sum\(\)"):
        reviewer(None, "sum(totals.tax) = totals.total")


# required


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"header": None},
        {"header": []},
        {"header": "A1"},
        {"header": {}},
        {"header": {"number": None}},
        {"header": {"number": ""}},
        {"header": {"number": " \n\u00a0"}},
    ],
)
def test_what_is_missing_null_or_blank_is_not_there(data):
    assert "required:header.number" in faults("required(header.number)", data)


@pytest.mark.parametrize("value", ["A1", 0, False, Decimal("0.00"), ["A1"], {"no": "A1"}])
def test_any_value_is_there_be_it_zero_or_false(value):
    assert faults("required(header.number)", {"header": {"number": value}}) == []


@pytest.mark.parametrize("items", [[], [None], [{}], [{"text": " ", "taxes": [{"amount": None}]}], None, ""])
def test_a_list_in_which_nothing_stands_is_not_there(items):
    assert faults("required(lines.items)", {"lines": {"items": items}}) == ["required:lines.items"]


def test_a_list_object_or_group_in_which_anything_stands_is_there():
    assert faults("required(lines.items)", {"lines": {"items": [{}, {"total": 0}]}}) == []
    assert faults("required(header.vendor)", {"header": {"vendor": {"name": None, "city": "Bonn"}}}) == []
    assert faults("required(header)", {"header": {"vendor": {"city": "Bonn"}}}) == []


@pytest.mark.parametrize(
    ("items", "found"),
    [
        ([{"text": "a"}, {"text": "b"}], []),
        ([], []),
        ([{"text": "a"}, {"text": None}, {}], ["required:lines.items.text"]),
        ([{"text": "a"}, None], ["required:lines.items.text"]),
        ([{"text": "a"}, "b"], ["required:lines.items.text"]),
        (None, ["required:lines.items.text"]),
        ("a", ["required:lines.items.text"]),
    ],
)
def test_a_required_field_of_a_list_has_to_be_in_every_item(items, found):
    assert faults("required(lines.items.text)", {"lines": {"items": items}}) == found


def test_data_nested_without_end_is_checked_all_the_same():
    value: Any = " "
    for _ in range(100_000):
        value = [value]

    assert faults("required(header.number)", {"header": {"number": value}}) == ["required:header.number"]


# Equations


@pytest.mark.parametrize(
    ("check", "data", "passes"),
    [
        (LINES_ADD_UP, lines(Decimal("10.10"), 20, 0.1, subtotal=Decimal("30.2")), True),
        (LINES_ADD_UP, lines(Decimal("10.10"), 20, subtotal=Decimal("30.11")), False),
        (LINES_ADD_UP, lines(0.1, 0.1, 0.1, subtotal=0.3), True),
        (LINES_ADD_UP, lines(subtotal=0), True),
        (LINES_ADD_UP, lines(subtotal=1), False),
        (LINES_ADD_UP, lines(10**30, Decimal("1e-9"), subtotal=10**30), False),
        (f"{LINES_ADD_UP} +/- 0.01", lines(1, subtotal=Decimal("1.01")), True),
        (f"{LINES_ADD_UP} +/-0.01", lines(1, subtotal=Decimal("0.99")), True),
        (f"{LINES_ADD_UP} +/- 0.01", lines(1, subtotal=Decimal("1.0100000001")), False),
        (f"{LINES_ADD_UP} +/- 1e-2", lines(-1, subtotal=-1.02), False),
        ("totals.subtotal + totals.tax = totals.total", {"totals": {"subtotal": 10, "tax": 1.9, "total": 11.9}}, True),
        ("totals.subtotal + totals.tax = totals.total", {"totals": {"subtotal": 10, "tax": 1.9, "total": 12}}, False),
        (
            "totals.total = totals.subtotal - totals.discount",
            {"totals": {"total": 8, "subtotal": 10, "discount": 2}},
            True,
        ),
        (
            "totals.total = totals.subtotal - totals.discount",
            {"totals": {"total": 12, "subtotal": 10, "discount": 2}},
            False,
        ),
        ("sum(lines.fees) = totals.total", {"lines": {"fees": [1, 2]}, "totals": {"total": 3}}, True),
        (
            "totals.total - sum(lines.fees) = totals.tax",
            {"lines": {"fees": [1, 2]}, "totals": {"total": 3, "tax": 0}},
            True,
        ),
        (
            "sum(lines.items.taxes.amount) = totals.tax",
            {"lines": {"items": [{"taxes": [{"amount": 1}, {"amount": 2}]}, {"taxes": []}]}, "totals": {"tax": 3}},
            True,
        ),
        (
            "sum(pages.carried) = totals.total",
            {"pages": [{"carried": 1}, {"carried": 2}], "totals": {"total": 3}},
            True,
        ),
        ("sum(pages.carried) = totals.total", {"pages": {"carried": 3}, "totals": {"total": 3}}, True),
    ],
)
def test_both_sides_of_an_equation_are_equal_within_the_tolerance(check, data, passes):
    goal = check.partition(" +/-")[0].partition(" = ")[2]

    assert faults(check, data) == ([] if passes else [f"sum:{goal}"])


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"lines": {"items": [{"total": 1}]}},
        {"totals": {"subtotal": 0}},
        lines(1, subtotal=None),
        lines(1, None, subtotal=1),
        lines(1, "2", subtotal=3),
        lines(1, "2,00 EUR", subtotal=3),
        lines(1, True, subtotal=2),
        lines(1, [2], subtotal=3),
        lines(math.nan, subtotal=1),
        lines(math.inf, subtotal=math.inf),
        lines(Decimal("sNaN"), subtotal=1),
        lines(Decimal("1e999999"), 1, subtotal=1),
        lines(Decimal("9e9999999"), subtotal=Decimal("9e9999999")),
        {"lines": {"items": None}, "totals": {"subtotal": 0}},
        {"lines": {"items": {"total": 1}}, "totals": {"subtotal": 1}},
        {"lines": {"items": [{"total": 1}, "no item"]}, "totals": {"subtotal": 1}},
    ],
)
def test_an_equation_that_cannot_be_computed_has_not_passed(data):
    assert "unchecked:totals.subtotal" in faults(LINES_ADD_UP, data)


def test_only_a_group_that_iterates_may_come_as_one_object():
    data = {"lines": {"items": [{"taxes": {"amount": 1}}]}, "totals": {"tax": 1}}

    assert faults("sum(lines.items.taxes.amount) = totals.tax", data) == ["unchecked:totals.tax"]


def test_terms_are_read_as_the_caller_says_by_their_paths():
    asked = []

    def read(path: tuple[str, ...], value: object) -> Decimal | None:
        asked.append(path)
        return Decimal(str(value).replace(",", "."))

    rules = parse_review(None, ["sum(lines.items.total) - sum(lines.fees) = totals.subtotal"])
    data = {"lines": {"items": [{"total": "1,50"}], "fees": ["0,50"]}, "totals": {"subtotal": "1,00"}}

    assert review(rules.resolve(SCHEMA, read), data) == ("passed", ())
    assert asked == [("lines", "items", "total"), ("lines", "fees"), ("totals", "subtotal")]


amounts = (
    st.integers(-(10**6), 10**6)
    | st.decimals(-(10**6), 10**6, places=2)
    | st.decimals(-1, 1, places=12)
    | st.floats(-(10**6), 10**6).map(lambda value: round(value, 6))
)
others = st.sampled_from([None, True, "12", "", [], {}, math.nan, math.inf, Decimal("NaN")])


def fraction(value: Any) -> Fraction | None:
    """What a number is worth, computed in another way than the review does."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not math.isfinite(value):
        return None
    return Fraction(str(value))


@given(
    totals=st.lists(amounts, max_size=6),
    other=st.none() | st.tuples(st.integers(0, 6), others),
    off=st.sampled_from(["0", "0.01", "-0.01", "0.0101", "-0.0101", "3"]),
    tolerance=st.sampled_from([None, "0", "0.01", "3"]),
)
def test_an_equation_agrees_with_fractions(totals, other, off, tolerance):
    worth = [fraction(value) for value in totals]
    subtotal = sum((Decimal(str(value)) for value in totals), Decimal(0)) + Decimal(off)
    if other:
        place, value = other
        totals = [*totals[:place], value, *totals[place:]]
        worth.append(fraction(value))
    found = faults(f"{LINES_ADD_UP} +/- {tolerance}" if tolerance else LINES_ADD_UP, lines(*totals, subtotal=subtotal))

    if None in worth:
        assert found == ["unchecked:totals.subtotal"]
    else:
        off_by = abs(sum(worth, Fraction(0)) - Fraction(str(subtotal)))
        assert found == (["sum:totals.subtotal"] if off_by > Fraction(tolerance or 0) else [])


# Values


def test_a_confidence_below_the_threshold_is_low_and_one_at_it_is_not():
    values = [(("totals", "total"), Decimal("0.8")), (("totals", "tax"), 0.7999), (("totals", "subtotal"), 0.95)]

    assert about(values, 0.8) == ["low_confidence:totals.tax"]
    assert about([(("totals", "total"), 0)], 0.1) == ["low_confidence:totals.total"]


@pytest.mark.parametrize(
    ("below", "low"),
    [
        ({"*": 0.9}, ["totals.total", "header.number"]),
        ({"totals": 0.9}, ["totals.total"]),
        ({"totals.total": 0.9}, ["totals.total"]),
        ({"totals.total": 0, "*": 0.9}, ["header.number"]),
    ],
)
def test_fields_without_a_threshold_are_not_compared(below, low):
    values = [(("totals", "total"), 0.85), (("header", "number"), 0.89)]

    assert about(values, below) == [f"low_confidence:{name}" for name in low]


def test_a_threshold_of_a_field_goes_before_that_of_its_list_its_group_and_all():
    values = [(("lines", "items", "total"), 0.6), (("lines", "items", "text"), 0.6), (("lines", "fees"), 0.6)]
    below = {"lines.items.total": 0.5, "lines.items": 0.7, "lines": 0.6, "*": 0.9}

    assert about(values, below) == ["low_confidence:lines.items.text"]


def test_nothing_is_below_0():
    assert about([(("totals", "total"), 0)], 0) == []


def test_a_null_of_low_confidence_is_to_be_looked_at_too():
    assert about([(("header", "date"), 0.3, True)], 0.8) == ["low_confidence:header.date"]


def test_a_field_in_a_list_is_named_once():
    values = [(("lines", "items", "total"), 0.2, False, True)] * 3

    assert about(values, 0.8) == ["misfit:lines.items.total", "low_confidence:lines.items.total"]


@pytest.mark.parametrize("confidence", [None, "0.9", True, 95, -0.1, math.nan, Decimal("NaN"), {"confidence": 1}])
def test_what_is_no_number_from_0_to_1_is_a_missing_confidence(confidence):
    values = [(("totals", "total"), confidence), (("totals", "tax"), 0.9), (("header", "date"), None, True)]

    assert about(values, 0.8, "missing_confidence") == ["missing_confidence:totals.total"]
    assert about(values, 0.8) == []


def test_a_threshold_that_no_value_can_be_compared_with_has_not_been_passed():
    none_has_one = [(("totals", "total"), None), (("totals", "tax"), None)]

    assert about(none_has_one, 0.8) == ["unchecked:review_below"]
    assert about([*none_has_one, (("header", "number"), 0.9)], {"totals": 0.8}) == ["unchecked:review_below"]
    assert about([*none_has_one, (("header", "number"), 0.9)], 0.8) == []
    assert about(none_has_one, 0) == []
    assert about([(("totals", "total"), None, True)], 0.8) == []


FIVE = ["subtotal", "tax", "discount", "total", "net-amount"]


def test_confidences_that_are_all_the_same_were_not_judged():
    def confidences(*given: Any) -> list[Any]:
        return [(("totals", name), value) for name, value in zip(FIVE, given, strict=False)]

    same = ["constant_confidence"]
    assert about(confidences(0.9, 0.9, Decimal("0.90"), 0.9, 0.9), None, "constant_confidence") == same
    assert about([*confidences(*[1] * 5), (("header", "date"), None)], None, "constant_confidence") == same
    assert about(confidences(0.9, 0.9, 0.9, 0.9, 0.91), None, "constant_confidence") == []
    assert about(confidences(0.9, 0.9, 0.9, 0.9), None, "constant_confidence") == []
    assert about(confidences(0.9, 0.9, 0.9, 0.9, 0.9), 0.8) == []


def test_what_is_said_about_a_list_is_one_judgement():
    paths = [("text",), ("unit",), ("price",), ("total",), ("taxes", "amount")]
    values = [(("lines", "items", *path), 0.9) for path in paths] * 20

    assert about(values, None, "constant_confidence") == []


def test_a_value_that_did_not_fit_is_named_whatever_the_rules():
    assert about([(("totals", "total"), 0.9, False, True)], None, "constant_confidence") == ["misfit:totals.total"]


def test_names_that_the_template_does_not_have_are_not_repeated():
    values = [
        (("header", "Patient: Jane Roe"), 0.1, False, True),
        (("lines", "items", "SECRET", "deeper"), None, False, True),
        (("SECRET",), None, False, True),
    ]

    assert about(values, 0.8, "missing_confidence") == [
        "misfit:header",
        "misfit:lines.items",
        "misfit:*",
        "missing_confidence:lines.items",
        "missing_confidence:*",
    ]


def test_each_value_is_judged_by_the_same_rules_and_not_fitting_goes_first():
    under_test = reviewer({"totals": 0.8}, "missing_confidence").open({"totals": {}})

    assert under_test.judge(("totals", "tax"), 0.7, False) == "low_confidence"
    assert under_test.judge(("totals", "tax"), 0.7, False, misfit=True) == "misfit"
    assert under_test.judge(("totals", "tax"), 0.8, False) is None
    assert under_test.judge(("lines", "items", "total"), 0.1, False) is None
    assert under_test.judge(("lines", "items", "total"), None, False) == "missing_confidence"
    assert under_test.judge(("lines", "items", "total"), None, True) is None


def test_a_value_in_no_list_is_part_of_what_is_wrong_with_the_whole():
    under_test = reviewer(0.5, f"{LINES_ADD_UP}", "required(header.date)", "totals.tax = totals.total")
    opened = under_test.open(lines(1, subtotal=2, tax=3))

    assert opened.judge(("totals", "subtotal"), 0.9, False) == "sum"
    assert opened.judge(("totals", "subtotal"), 0.4, False) == "low_confidence"
    assert opened.judge(("header", "date"), 0.9, True) == "required"
    assert opened.judge(("totals", "tax"), 0.9, False) == opened.judge(("totals", "total"), 0.9, True) == "unchecked"
    assert opened.judge(("lines", "items", "total"), 0.9, False) is None
    assert opened.judge(("header", "number"), 0.9, False) is None
    assert opened.fields == ("totals.subtotal", "header.date", "totals.tax", "totals.total")


@pytest.mark.parametrize("name", ["header", "header.vendor", "lines.items", "lines.fees", "lines.items.text", "pages"])
def test_a_group_an_object_and_a_list_are_no_single_values(name):
    opened = reviewer(None, f"required({name})").open({"lines": {"items": [{"text": None}]}})

    assert opened.close()[1] == (f"required:{name}",)
    assert opened.fields == ()


def test_a_check_that_passes_says_nothing_about_its_values():
    opened = reviewer(None, LINES_ADD_UP).open(lines(1, 2, subtotal=3))

    assert opened.judge(("totals", "subtotal"), 0.9, False) is None
    assert opened.fields == ()


# Codes


@pytest.mark.parametrize("data", [None, {}, []])
def test_a_run_without_data_is_to_be_looked_at(data):
    assert review(reviewer(0.8), data) == ("review", ("no_data",))


def test_codes_come_in_one_order_checks_first_as_the_author_gave_them():
    values = [
        (("totals", "tax"), 0.5, False, False),
        (("totals", "discount"), None, False, False),
        (("header", "number"), 0.5, False, True),
    ]
    under_test = reviewer(0.8, "missing_confidence", LINES_ADD_UP, "required(header.date)", "required(header.number)")

    assert review(under_test, lines(1, subtotal=2), values)[1] == (
        "sum:totals.subtotal",
        "required:header.date",
        "required:header.number",
        "misfit:header.number",
        "low_confidence:totals.tax",
        "low_confidence:header.number",
        "missing_confidence:totals.discount",
    )


def test_there_are_at_most_fifty_codes_and_the_number_of_the_others():
    names = [f"f{number}" for number in range(60)]
    under_test = reviewer(0.5, groups={"g": {"fields": dict.fromkeys(names, NUMBER)}})

    def codes(count: int) -> tuple[str, ...]:
        return review(under_test, {"g": {}}, [(("g", name), 0.1, False, False) for name in names[:count]])[1]

    assert codes(MAX_CODES) == tuple(f"low_confidence:g.{name}" for name in names[:MAX_CODES])
    assert codes(60) == (*codes(MAX_CODES), "more:10")


# Whatever comes

EVERY_RULE = reviewer(
    {"*": 0.8, "totals.total": 1, "lines.items": 0.5},
    "required(header.number)",
    "required(header.vendor)",
    "required(lines.items)",
    "required(lines.items.taxes.amount)",
    f"{LINES_ADD_UP} +/- 0.01",
    "totals.subtotal + totals.tax - totals.discount = totals.total",
    "sum(lines.fees) + sum(pages.carried) = sum(lines.items.taxes.amount)",
    "missing_confidence",
    "constant_confidence",
)
NAMES = st.sampled_from(["header", "totals", "lines", "pages", "number", "vendor", "total", "items", "fees", "SECRET"])
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.just(Decimal("1e999999"))
    | st.sampled_from(["", "SECRET", "12", "\0", "\ud800"])
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)


def shaped(node: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Data that mostly has the shape of the template."""
    if "properties" in node:
        return st.fixed_dictionaries({}, optional={n: shaped(p) for n, p in node["properties"].items()}) | anything
    if "items" in node:
        return st.lists(shaped(node["items"]), max_size=3) | anything
    return anything


documents = shaped({"properties": {name: {"properties": group["fields"]} for name, group in GROUPS.items()}})
paths = st.lists(NAMES, max_size=5).map(tuple)
values = st.lists(st.tuples(paths, scalars, st.booleans(), st.booleans()), max_size=8)


def template_names(groups: dict[str, Any]) -> Iterator[str]:
    for name, node in groups.items():
        yield name
        yield from template_names(node.get("fields") or node.get("properties") or {})
        yield from template_names(node.get("items", {}).get("properties", {}))


@given(documents, values)
@example({"header": {"number": "\ud800"}}, [((), Decimal("sNaN"), False, True)])
def test_any_data_is_reviewed_and_codes_say_nothing_of_it(data, values):
    status, codes = review(EVERY_RULE, data, values)

    assert (status, codes) == review(EVERY_RULE, data, values)
    assert status == ("review" if codes else "passed")
    assert len(set(codes)) == len(codes)
    known = set(template_names(GROUPS)) | {"review_below", "sum", "*", ""}
    for code in codes:
        word, _, about_what = code.partition(":")
        assert word in {
            "no_data",
            "required",
            "sum",
            "unchecked",
            "misfit",
            "constant_confidence",
            "low_confidence",
            "missing_confidence",
        }
        assert set(about_what.replace("sum(", "").replace(")", "").split(".")) <= known


@given(documents, values)
def test_values_with_a_code_and_codes_of_values_go_together(data, values):
    opened = EVERY_RULE.open(data)
    words = {opened.judge(*value) for value in values} - {None}

    assert words <= {code.partition(":")[0] for code in opened.close()[1]}
