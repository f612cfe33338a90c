"""Arguments of a Dag author: good ones pass, bad ones are named with what they may be."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from raydocs_provider.arguments import (
    require_choice,
    require_choices,
    require_count,
    require_ratio,
    require_text,
    split_target,
    total_seconds,
)
from raydocs_provider.exceptions import RaydocsInputError


def test_a_choice_is_one_of_the_choices() -> None:
    assert require_choice("warn", "on_partial_failure", ("fail", "warn")) == "warn"


@pytest.mark.parametrize("value", ["Warn", "", None, True, ["fail"], {"fail"}])
def test_what_is_no_choice_is_refused_with_the_choices(value: Any) -> None:
    with pytest.raises(RaydocsInputError, match="on_partial_failure has to be one of 'fail', 'warn', not "):
        require_choice(value, "on_partial_failure", ("fail", "warn"))


def test_of_several_choices_each_counts_once_and_their_order_does_not() -> None:
    assert require_choices(["b", "a", "b"], "formats", ("a", "b", "c")) == ("a", "b")


@pytest.mark.parametrize("value", ["a", "", [], (), None, 7, ["a", "d"], [None], [["a"]], {"a": 1}])
def test_a_text_no_choice_or_another_one_is_refused_with_the_choices(value: Any) -> None:
    with pytest.raises(RaydocsInputError, match="formats has to be a list with one or more of a, b, c, not "):
        require_choices(value, "formats", ("a", "b", "c"))


@pytest.mark.parametrize("value", [0, 0.0, 0.25, 1, 1.0])
def test_a_ratio_lies_between_nothing_and_all(value: float) -> None:
    assert require_ratio(value, "max_failure_ratio") == value


@pytest.mark.parametrize("value", [-0.01, 1.01, 5, math.nan, math.inf, True, "0.5", None])
def test_what_is_no_ratio_is_refused(value: Any) -> None:
    with pytest.raises(RaydocsInputError, match="max_failure_ratio has to be a number from 0 to 1"):
        require_ratio(value, "max_failure_ratio")


@pytest.mark.parametrize(
    ("value", "seconds"), [(timedelta(hours=6), 21_600), (30, 30), (0.5, 0.5), (timedelta(milliseconds=1), 0.001)]
)
def test_a_duration_is_a_timedelta_or_seconds(value: Any, seconds: float) -> None:
    assert total_seconds(value, "timeout") == seconds
    assert isinstance(total_seconds(value, "timeout"), float)


@pytest.mark.parametrize("value", [0, -1, timedelta(0), timedelta(seconds=-1), math.inf, math.nan, True, "60", None])
def test_what_is_no_duration_is_refused(value: Any) -> None:
    with pytest.raises(RaydocsInputError, match="timeout has to be a timedelta or a number of seconds above 0"):
        total_seconds(value, "timeout")


@pytest.mark.parametrize(("value", "text"), [("t-1", "t-1"), (" t-1\n", "t-1"), (12, "12"), ("0", "0"), (0, "0")])
def test_a_rendered_value_is_text_and_an_id_may_be_a_number(value: Any, text: str) -> None:
    assert require_text(value, "template_id") == text


@pytest.mark.parametrize("value", ["", " \n", None, "None", [], {}, True, 1.5])
def test_what_rendered_to_nothing_is_refused_with_where_to_look(value: Any) -> None:
    with pytest.raises(RaydocsInputError, match=r"template_id .*Check the template or the upstream task"):
        require_text(value, "template_id")


def test_a_count_is_a_whole_number_above_nothing() -> None:
    assert require_count(1, "max_parallel_uploads") == 1


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "4", None])
def test_what_is_no_count_is_refused(value: Any) -> None:
    with pytest.raises(RaydocsInputError, match="max_parallel_uploads has to be a whole number above 0"):
        require_count(value, "max_parallel_uploads")


@pytest.mark.parametrize(
    ("value", "target"),
    [
        ("warehouse/invoices", ("warehouse", "invoices")),
        (" warehouse/finance.invoices ", ("warehouse", "finance.invoices")),
        ("warehouse/odd/name", ("warehouse", "odd/name")),
    ],
)
def test_a_target_is_a_connection_and_a_table(value: str, target: tuple[str, str]) -> None:
    assert split_target(value, "skip_landed_in") == target


@pytest.mark.parametrize("value", ["", "invoices", "warehouse/", "/invoices", "/"])
def test_what_is_no_target_is_refused(value: str) -> None:
    with pytest.raises(RaydocsInputError, match="skip_landed_in has to be written as 'conn_id/table'"):
        split_target(value, "skip_landed_in")
