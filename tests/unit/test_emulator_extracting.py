"""How the emulator finds the values of a template in the text of a document."""

from __future__ import annotations

import json
import string
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raydocs_provider.emulator.extracting import (
    BELOW_LABEL,
    BESIDE_LABEL,
    FROM_AMOUNTS,
    NOT_FOUND,
    SIMILAR_LABEL,
    TABLE_WITH_GAPS,
    Extraction,
    extract,
)
from raydocs_provider.emulator.labels import label_key
from raydocs_provider.emulator.printed import (
    parse_boolean,
    parse_currency,
    parse_date,
    parse_number,
    uses_decimal_comma,
)
from raydocs_provider.emulator.reading import Page


def run(text: str, fields: dict[str, Any], **config: Any) -> Extraction:
    """Extract one group ``g`` from pages separated by form feeds."""
    pages = [Page(number, tuple(page.splitlines())) for number, page in enumerate(text.split("\f"), start=1)]
    schema = {"config": {"reasoning_enabled": True, **config}, "groups": {"g": {"fields": fields}}}
    return extract(pages, schema, chunk_id=lambda page: f"chunk-{page}")


def find(text: str, name: str, **spec: Any) -> Any:
    return run(text, {name: {"type": "string", **spec}}).data["g"][name]


class TestLabels:
    @pytest.mark.parametrize(
        "text",
        [
            "Invoice number: A-1",
            "Invoice number\tA-1",
            "INVOICE NO.:\tA-1",
            "Invoice # A-1",
            "invoice nr\t\tA-1",
            "Invoice number\nA-1",
            "Date\tInvoice number\n2026-01-01\tA-1",
            "Bill to\tInvoice number\nJane\n\tA-1",
            "Number of invoice: A-1",
            "Invoice number\uff1aA-1",
        ],
    )
    def test_a_value_stands_beside_or_below_its_label(self, text):
        assert find(text, "invoice_number") == "A-1"

    @pytest.mark.parametrize(
        "name", ["invoice_number", "invoiceNumber", "Invoice number", "invoice_no", "INVOICE_NUMBER"]
    )
    def test_a_field_may_be_named_in_any_style(self, name):
        assert find("Invoice No. A-1", name) == "A-1"

    def test_words_quoted_in_the_prompt_are_labels_and_come_first(self):
        text = "Vendor: by name\nLieferant: by prompt"
        assert find(text, "vendor", extraction_prompt='Usual labels: "Lieferant", “Supplier”.') == "by prompt"

    def test_a_label_with_nothing_beside_it_does_not_take_the_next_label_for_its_value(self):
        fields = {"due": {"type": "string"}, "terms": {"type": "string"}}
        assert run("Due:\tTerms:\tnet", fields).data["g"] == {"due": None, "terms": "net"}
        assert run("Due\nTerms\tnet", fields).data["g"] == {"due": None, "terms": "net"}

    def test_the_longest_label_that_fits_counts(self):
        fields = {"vendor": {"type": "string"}, "vendor_tax_id": {"type": "string"}}
        assert run("Vendor tax ID DE1\nVendor Acme", fields).data["g"] == {"vendor": "Acme", "vendor_tax_id": "DE1"}

    def test_a_value_beside_a_label_is_preferred_to_one_that_only_follows_it(self):
        assert find("Total hours 12\nTotal\t99.50", "total", type="number") == 99.5

    def test_a_value_of_the_wrong_type_is_passed_over(self):
        assert find("Total: see below\nTotal: 12.00", "total", type="number") == 12.0

    def test_a_rate_and_an_amount_on_one_line_go_to_their_fields(self):
        fields = {
            "tax_rate": {"type": "number", "extraction_prompt": '"VAT"'},
            "tax_amount": {"type": "number", "extraction_prompt": '"VAT"'},
        }
        assert run("VAT 19 %\t57,00 €", fields).data["g"] == {"tax_rate": 19.0, "tax_amount": 57.0}

    @given(st.text(string.ascii_letters + string.digits + " ", max_size=40))
    def test_case_and_punctuation_make_no_other_label(self, text):
        assert label_key(text) == label_key(text.upper() + ":") == label_key(f" ({text})")


class TestTypes:
    @pytest.mark.parametrize(
        ("spec", "printed", "value"),
        [
            ({"type": "string"}, "plain text", "plain text"),
            ({"type": "number"}, "$1,234.50", 1234.5),
            ({"type": "integer"}, "12 pcs", 12),
            ({"type": "integer"}, "12.5", None),
            ({"type": "boolean"}, "Yes", True),
            ({"type": "boolean"}, "perhaps", None),
            ({"type": "date"}, "5 March 2026", "2026-03-05"),
            ({"type": "string", "extraction_prompt": "As YYYY-MM-DD."}, "05.03.2026", "2026-03-05"),
            ({"type": "string", "extraction_prompt": "As YYYY-MM-DD."}, "on receipt", None),
            ({"type": "string", "extraction_prompt": "ISO 4217 code"}, "Euro (€)", "EUR"),
            ({"type": ["null", "number"]}, "7", 7.0),
            ({"type": "something new"}, "as text", "as text"),
            ({}, "as text", "as text"),
            ({"type": "array", "items": {"type": "string"}}, "red, green; blue", ["red", "green", "blue"]),
            ({"type": "array", "items": {"type": "integer"}}, "1, x, 3", [1, 3]),
            ({"$ref": "#/definitions/unknown", "type": "integer"}, "3", 3),
        ],
    )
    def test_a_value_has_the_type_that_the_template_asks_for(self, spec, printed, value):
        found = run(f"Thing: {printed}", {"thing": spec}).data["g"]["thing"]
        assert found == value
        assert type(found) is type(value)

    def test_the_parts_of_an_object_are_found_by_their_own_labels_or_with_the_parents(self):
        spec = {"type": "object", "properties": {"name": {"type": "string"}, "fax": {"type": "string"}}}
        assert find("Vendor name: Acme", "vendor", **spec) == {"name": "Acme", "fax": None}
        assert find("nothing", "vendor", **spec) is None

    def test_a_document_with_decimal_commas_is_read_with_them_throughout(self):
        fields = {"total": {"type": "number"}, "count": {"type": "number"}}
        assert run("Total: 1.234,56\nCount: 1.500", fields).data["g"] == {"total": 1234.56, "count": 1500.0}
        assert run("Total: 1,234.56\nCount: 1.500", fields).data["g"] == {"total": 1234.56, "count": 1.5}


ITEMS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "description": {"type": "string"},
            "quantity": {"type": "number"},
            "total": {"type": "number", "extraction_prompt": '"Amount"'},
        },
    },
}
HEADING = "Description\tQty\tAmount"


class TestTables:
    def rows(self, text: str) -> Any:
        items = run(text, {"items": ITEMS}).data["g"]["items"]
        return items and [tuple(item.values()) for item in items]

    def test_every_row_below_the_heading_is_an_item(self):
        assert self.rows(f"{HEADING}\nNut\t2\t1.00\nBolt\t3\t4.50\nTotal\t\t5.50") == [
            ("Nut", 2.0, 1.0),
            ("Bolt", 3.0, 4.5),
        ]

    def test_columns_come_in_any_order_with_others_in_between(self):
        assert self.rows("Amount\tCode\tDescription\tQty\n1.00\tX\tNut\t2") == [("Nut", 2.0, 1.0)]

    def test_a_wrapped_description_belongs_to_the_row_above(self):
        assert self.rows(f"{HEADING}\nNut\t2\t1.00\nmade of brass\nBolt\t3\t4.50") == [
            ("Nut made of brass", 2.0, 1.0),
            ("Bolt", 3.0, 4.5),
        ]

    def test_a_blank_cell_is_null(self):
        assert self.rows(f"{HEADING}\nNut\t\t1.00") == [("Nut", None, 1.0)]

    def test_the_totals_end_the_table(self):
        text = f"{HEADING}\nNut\t2\t1.00\nSubtotal\t\t1.00\nShipping\t1\t7.00"
        assert self.rows(text) == [("Nut", 2.0, 1.0)]

    @pytest.mark.parametrize("heading", [HEADING + "\n", ""])
    @pytest.mark.parametrize("carried", ["Carried forward\t\t1.00\n", ""])
    def test_a_table_goes_on_on_the_next_page(self, heading, carried):
        text = f"{HEADING}\nNut\t2\t1.00\n{carried}\nPage 1\fAcme Ltd\n\n{heading}Bolt\t3\t4.50\nTotal\t\t5.50"
        assert self.rows(text) == [("Nut", 2.0, 1.0), ("Bolt", 3.0, 4.5)]

    def test_prose_below_the_table_is_no_item(self):
        assert self.rows(f"{HEADING}\nNut\t2\t1.00\n\nThank you\tfor 3\tparts") == [("Nut", 2.0, 1.0)]

    def test_a_heading_without_rows_is_an_empty_list_and_no_heading_is_null(self):
        assert self.rows(f"{HEADING}\nTotal\t\t0.00") == []
        assert self.rows("nothing of the kind") is None

    def test_what_stands_in_a_table_is_not_taken_for_a_label(self):
        text = f"{HEADING}\nTotal care package\t1\t80.00\nTotal\t\t80.00"
        found = run(text, {"items": ITEMS, "total": {"type": "number"}})
        assert found.data["g"]["total"] == 80.0
        assert len(found.data["g"]["items"]) == 1


class TestEvidence:
    def test_every_value_says_where_it_was_found_and_how_sure_that_is(self):
        found = run("head\fInvoice no.\tA-1", {"invoice_number": {"type": "string"}})
        assert found.reasoning == {
            "g": {
                "invoice_number": {
                    "reasoning": "The value stands beside its label on page 2.",
                    "confidence": BESIDE_LABEL,
                }
            }
        }
        assert found.audit_data["g"]["invoice_number"]["sources"] == [
            {"chunk_id": "chunk-2", "text": "Invoice no. A-1", "page": 2}
        ]

    @pytest.mark.parametrize(
        ("text", "confidence"),
        [
            ("Invoice date: A", BESIDE_LABEL),
            ("Invoice date\nA", BELOW_LABEL),
            ("Date of the invoice: A", SIMILAR_LABEL),
            ("no such thing", NOT_FOUND),
        ],
    )
    def test_the_farther_from_its_label_the_lower_the_confidence(self, text, confidence):
        found = run(text, {"invoice_date": {"type": "string"}})
        assert found.reasoning["g"]["invoice_date"]["confidence"] == confidence

    def test_what_was_not_found_is_null_with_low_confidence_and_no_sources(self):
        found = run("empty", {"a": {"type": "string"}})
        assert found.data == {"g": {"a": None}}
        assert found.reasoning["g"]["a"]["confidence"] == NOT_FOUND
        assert found.audit_data["g"]["a"]["sources"] == []

    def test_a_currency_without_a_label_is_taken_from_the_amounts(self):
        spec = {"type": "string", "extraction_prompt": "ISO 4217 code"}
        found = run("Sum\t£12.00\nin US$ that is\t$15.00\nDue\t£12.00", {"currency": spec})
        assert found.data["g"]["currency"] == "GBP"
        assert found.reasoning["g"]["currency"]["confidence"] == FROM_AMOUNTS

    def test_a_table_has_one_source_per_page_quoting_its_rows(self):
        text = f"{HEADING}\nNut\t2\t1.00\nBolt\t\t2.00\fNail\t3\t4.00"
        found = run(text, {"items": ITEMS})
        assert found.audit_data["g"]["items"]["sources"] == [
            {"chunk_id": "chunk-1", "text": "Nut 2 1.00\nBolt 2.00", "page": 1},
            {"chunk_id": "chunk-2", "text": "Nail 3 4.00", "page": 2},
        ]
        assert found.reasoning["g"]["items"]["confidence"] == TABLE_WITH_GAPS

    def test_a_template_without_reasoning_gets_the_data_alone(self):
        found = run("A: 1", {"a": {"type": "string"}}, reasoning_enabled=False)
        assert (found.data, found.reasoning, found.audit_data) == ({"g": {"a": "1"}}, {}, {})


class TestTitle:
    def test_it_holds_the_values_of_the_fields_that_the_prompt_names_in_its_order(self):
        fields = {"vendor": {"type": "string"}, "invoice_number": {"type": "string"}}
        found = run(
            "Vendor: Acme\nInvoice no.: A-1", fields, extraction_title_prompt="The invoice number and the vendor"
        )
        assert found.title == "A-1 - Acme"

    def test_without_such_values_it_is_the_first_line(self):
        assert run("\nINVOICE\tAcme", {}, extraction_title_prompt="A good title").title == "INVOICE Acme"

    def test_without_a_prompt_there_is_none(self):
        assert run("INVOICE", {}).title is None


class TestPrintedValues:
    @pytest.mark.parametrize(
        ("printed", "value"),
        [
            ("1,234.56", "1234.56"),
            ("1.234,56 EUR", "1234.56"),
            ("$ 12.00", "12"),
            ("€1'234'567.80", "1234567.8"),
            ("1\u202f234,5", "1234.5"),
            ("(12.00)", "-12"),
            ("-$5", "-5"),
            ("EUR \u22125.00", "-5"),
            ("12-", "-12"),
            ("1,234", "1234"),
            ("1.234", "1.234"),
            ("19 %", "19"),
            ("12 months", "12"),
            ("INV-12", None),
            ("2026-03-05", None),
            ("05.03.2026", None),
            ("10 12", None),
            ("1,23,456", None),
            ("", None),
            ("1" * 500, None),
        ],
    )
    def test_numbers(self, printed, value):
        assert parse_number(printed) == (None if value is None else Decimal(value))

    def test_the_convention_of_the_document_decides_what_can_be_read_in_two_ways(self):
        assert uses_decimal_comma(["1.234,56", "am 05.03.2026", "3,50"])
        assert not uses_decimal_comma(["1,234.56", "0.50"])
        assert parse_number("1.234", decimal_comma=True) == 1234
        assert parse_number("1,234", decimal_comma=True) == Decimal("1.234")

    @given(st.decimals(-(10**12), 10**12, places=2), st.booleans())
    def test_an_amount_printed_in_either_convention_is_read_back(self, amount, decimal_comma):
        printed = f"{amount:,.2f}"
        if decimal_comma:
            printed = printed.translate(str.maketrans(",.", ".,"))
        assert parse_number(f"{printed} EUR", decimal_comma=decimal_comma) == amount

    @pytest.mark.parametrize(
        "printed",
        [
            *("2026-03-05", "05.03.2026", "5.3.2026", "05/03/2026", "5 March 2026", "5. März 2026", "March 5, 2026"),
            *("Mar 5th, 2026", "05-Mar-2026", "2026/3/5", "5 March 2026 (30 days)", "2026-03-05T10:00:00Z"),
        ],
    )
    def test_dates(self, printed):
        assert parse_date(printed) == date(2026, 3, 5)

    @pytest.mark.parametrize("printed", ["", "31.02.2026", "2026-13-01", "March 2026", "5 Foo 2026", "0/0/0000"])
    def test_what_is_no_date(self, printed):
        assert parse_date(printed) is None

    def test_currencies_and_yes_and_no(self):
        assert [parse_currency(text) for text in ("in EUR", "$5", "£ 3", "EUROPE", "")] == [
            "EUR",
            "USD",
            "GBP",
            None,
            None,
        ]
        assert [parse_boolean(text) for text in ("YES", " ja ", "☐", "no", "5")] == [True, True, False, False, None]


TEXTS = st.text(max_size=30) | st.sampled_from(
    ["a.*b+(c", "[", "\\", "items", "Total", "$ref", "\ud800", "\uff11\uff12", "\x00"]
)
TYPES = st.sampled_from(
    ["string", "number", "integer", "boolean", "array", "object", "date", "enum", "", None, 5, ["null"]]
)
SPECS = st.recursive(
    st.none()
    | TEXTS
    | st.fixed_dictionaries(
        {"type": TYPES},
        optional={"extraction_prompt": TEXTS | st.integers(), "$ref": st.sampled_from(["#/definitions/a", "b", 5])},
    ),
    lambda inner: st.fixed_dictionaries(
        {"type": TYPES}, optional={"items": inner, "properties": st.dictionaries(TEXTS, inner, max_size=4) | inner}
    ),
    max_leaves=8,
)
SCHEMAS = st.fixed_dictionaries(
    {},
    optional={
        "config": st.none() | st.dictionaries(st.sampled_from(["reasoning_enabled", "extraction_title_prompt"]), TEXTS),
        "groups": TEXTS
        | st.dictionaries(TEXTS, TEXTS | st.fixed_dictionaries({"fields": st.dictionaries(TEXTS, SPECS)})),
        "definitions": TEXTS | st.dictionaries(st.sampled_from(["a", "b"]), SPECS),
    },
)


class TestHostileInput:
    @settings(max_examples=150, deadline=None)
    @given(schema=SCHEMAS, lines=st.lists(st.lists(TEXTS, max_size=5).map("\t".join), max_size=12))
    def test_any_schema_on_any_text_gives_json(self, schema, lines):
        pages = [Page(1, tuple(lines))]
        found = extract(pages, schema, chunk_id=str)
        assert found == extract(pages, schema, chunk_id=str)
        json.dumps([found.data, found.reasoning, found.audit_data, found.title], allow_nan=False)

    def test_definitions_that_refer_to_each_other_end_somewhere(self):
        properties = {f"p{number}": {"$ref": f"#/definitions/d{number}"} for number in range(20)}
        definitions = {f"d{number}": {"type": "object", "properties": properties} for number in range(20)}
        schema = {"groups": {"g": {"fields": {"top": {"$ref": "#/definitions/d0"}}}}, "definitions": definitions}
        assert extract([Page(1, ("P3: x",))], schema, chunk_id=str).data.keys() == {"g"}

    @pytest.mark.parametrize(
        "line",
        [
            *("1 234 " * 20_000, "1,111" * 20_000, ": " * 20_000, "total " * 20_000, "12\t" * 20_000),
            *("(" * 100_000, '"' * 100_000, " " * 100_000, "٣" * 100_000),
        ],
    )
    def test_a_very_long_line_is_read_in_linear_time(self, line):
        fields = {
            "total": {"type": "number", "extraction_prompt": line},
            "when": {"type": "date"},
            "currency": {"type": "string", "extraction_prompt": "ISO 4217"},
            "items": ITEMS,
        }
        found = run("\n".join([line, f"Total {line}", f"Total: {line}", f"Description\tQty\t{line}", line]), fields)
        assert set(found.data["g"]) == set(fields)
