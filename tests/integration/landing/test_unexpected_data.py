"""Groups that iterate, and answers that the template does not announce."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from raydocs_provider.api.schema import parse_schema
from raydocs_provider.landing.tables import LandingPlan, plan_tables
from tests.integration.landing.conftest import ENGINES, Database
from tests.integration.landing.invoices import LOAD, NUMBER, STRING, invoice

every_engine = pytest.mark.parametrize("database", ENGINES, indirect=True)

SCHEMA = {
    "groups": {
        "contract": {"fields": {"number": STRING, "parties": {"type": "array", "items": STRING}}},
        "signatures": {
            "config": {"iterates_on": "contract.parties"},
            "fields": {"name": STRING, "fee": NUMBER, "dates": {"type": "array", "items": STRING}},
        },
    }
}


@pytest.fixture
def plan(database: Database) -> LandingPlan:
    return plan_tables(parse_schema(SCHEMA), database.table)


def land(database: Database, plan: LandingPlan, data: Any, name: str = "a", result_id: str = "result-1") -> None:
    database.lander(plan).land([invoice(name, data, {}, result_id)], LOAD)


def signatures(database: Database, plan: LandingPlan) -> tuple[list[Any], list[Any]]:
    """The rows of the group that iterates, and of the list inside of it."""
    records = next(records for records in plan.records.walk() if records.path == ("signatures",))
    dates = database.rows(records.lists[0].table, "_parent_index", "_index", "value")
    return database.rows(records.table, "_index", "name", "fee"), dates


def fields(database: Database, plan: LandingPlan) -> list[tuple[Any, ...]]:
    return database.rows(plan.fields, "group_name", "field_name", "_parent_index", "_index", "value")


def problems(database: Database, plan: LandingPlan) -> dict[str, str]:
    ((meta,),) = database.rows(plan.records.table, "_meta")
    return {problem["field"]: problem["problem"] for problem in meta["problems"]} if meta else {}


@every_engine
def test_a_group_that_iterates_lands_in_a_table_of_its_own(database, plan):
    signed = [{"name": "Ada", "fee": 1, "dates": ["Mon", "Tue"]}, {"name": "Bob", "fee": "two", "dates": ["Wed"]}]
    land(database, plan, {"contract": {"number": "7"}, "signatures": signed})

    rows, dates = signatures(database, plan)
    assert rows == [(0, "Ada", Decimal(1)), (1, "Bob", None)]
    assert dates == [(0, 0, "Mon"), (0, 1, "Tue"), (1, 0, "Wed")]
    assert ("signatures", "dates", 0, 1, "Tue") in fields(database, plan)
    assert ("signatures", "fee", None, 1, "two") in fields(database, plan)
    assert problems(database, plan) == {"signatures[1].fee": "not a number"}


@every_engine
def test_a_group_that_iterates_and_is_answered_with_one_object_is_one_row(database, plan):
    land(database, plan, {"signatures": {"name": "Ada", "dates": ["Mon"]}})

    assert signatures(database, plan) == ([(0, "Ada", None)], [(0, 0, "Mon")])
    assert problems(database, plan) == {}


@every_engine
@pytest.mark.parametrize(("answer", "text"), [("Ada", "Ada"), (True, "true"), (Decimal("1.50"), "1.50")], ids=str)
def test_a_group_that_iterates_and_is_answered_with_something_else_is_kept_as_text(database, plan, answer, text):
    land(database, plan, {"signatures": answer})

    assert signatures(database, plan) == ([], [])
    assert fields(database, plan) == [("signatures", "", None, None, text)]
    assert problems(database, plan) == {"signatures": "not a list"}


@every_engine
def test_a_group_that_iterates_less_often_the_next_time_leaves_no_row_behind(database, plan):
    land(database, plan, {"signatures": [{"name": name, "dates": ["Mon"]} for name in "abc"]})

    land(database, plan, {"signatures": [{"name": "z"}]}, result_id="result-2")

    assert signatures(database, plan) == ([(0, "z", None)], [])


@every_engine
def test_what_the_template_does_not_know_is_kept_as_text_and_said(database, plan):
    data = {
        "contract": {"number": "7", "Währung 'x'": "€", "parties": [{"name": "Ada"}]},
        "signatures": [{"name": "Ada", "seen": True}],
        "stamps": {"paid": ["2026", None]},
    }

    land(database, plan, data)

    assert fields(database, plan) == sorted(
        [
            ("contract", "number", None, None, "7"),
            ("contract", "Währung 'x'", None, None, "€"),
            ("contract", "parties", None, 0, '{"name":"Ada"}'),
            ("signatures", "name", None, 0, "Ada"),
            ("signatures", "seen", None, 0, "true"),
            ("stamps", "", None, None, '{"paid":["2026",null]}'),
        ],
        key=repr,
    )
    assert problems(database, plan) == {
        "contract.Währung 'x'": "not in the template",
        "contract.parties[0]": "not a text",
        "signatures[0].seen": "not in the template",
        "stamps": "not in the template",
    }
