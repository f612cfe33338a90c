"""Texts and JSON that every database takes."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydocs_provider.landing import texts
from raydocs_provider.landing.tables import Kind
from raydocs_provider.landing.texts import json_of, storable


@pytest.fixture(params=["msgspec", "without msgspec"])
def _either_way(request, monkeypatch):
    if request.param != "msgspec":
        monkeypatch.setattr(texts, "_encode", None)


@pytest.mark.usefixtures("_either_way")
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"x": Decimal("0.10"), "ü": "é"}, '{"x":0.10,"ü":"é"}'),
        ([math.nan, math.inf, Decimal("NaN"), Decimal("-Infinity")], "[null,null,null,null]"),
        (["NaN", "Infinity", "TYPE-B"], '["NaN","Infinity","TYPE-B"]'),
        ({"a\0": "b\0", "c": r"\u0000", "d": "\\\n"}, '{"a\ufffd":"b\ufffd","c":"\\\\u0000","d":"\\\\\\n"}'),
        ("\ud800", '"\ufffd"'),
        ({"\0": 1, "\ud800": 2, "a": 3}, '{"\ufffd":2,"a":3}'),
        ([Decimal("1E+400"), Decimal("1E-400"), Decimal("1E+4")], '["1E+400","1E-400",1E+4]'),
        ([10**300, 10**299, 2**70], f'["1{"0" * 300}",1{"0" * 299},1180591620717411303424]'),
        ((Kind.TEXT, HTTPStatus.OK, object(), {1: None}), '["text",200,"...",{"1":null}]'),
        ([1.5, -0.25, None, True, "\ud83d\ude00"], '[1.5,-0.25,null,true,"😀"]'),
        ("x" * 1000, f'"{"x" * 1000}"'),
    ],
)
def test_json_is_such_that_every_engine_takes_it(value, text):
    assert json_of(value) == text


@pytest.mark.usefixtures("_either_way")
def test_json_nested_without_end_is_cut_off():
    value: Any = 1
    for _ in range(100_000):
        value = [value]

    assert json_of(value) == "[" * 100 + '"..."' + "]" * 100


@pytest.mark.usefixtures("_either_way")
def test_json_nested_deeper_than_any_document_is_whole():
    value: Any = Decimal("0.1")
    for _ in range(200):
        value = {"a": [value]}

    assert json_of(value) == '{"a":[' * 200 + "0.1" + "]}" * 200


characters = st.text(st.characters(exclude_categories=()))
# As JSON of results is parsed, but for NaN and infinities.
parsed = st.none() | st.booleans() | st.integers() | st.decimals() | characters


def nested(scalars):
    return st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(characters, inner, max_size=3)
    )


@given(nested(parsed | st.floats()))
def test_json_can_always_be_read_back(value):
    text = json_of(value)

    json.loads(text)
    assert "\\u0000" not in text
    text.encode()


@given(nested(parsed))
def test_json_written_at_once_is_that_written_with_care(value):
    at_once, with_care = texts._write_at_once(value), texts._write_with_care(value)

    assert at_once in (None, with_care)


def test_what_lands_most_is_written_at_once():
    sources = [{"chunk_id": "0197f3a4-2b1c", "text": "Müller: INVOICE 17\n", "page": 1, "box": [Decimal("0.125"), 2]}]

    assert texts._write_at_once(sources * 5)


@given(st.text())
def test_text_that_can_be_stored_is_left_alone(text):
    assert storable(text) == text.replace("\0", "\ufffd")
