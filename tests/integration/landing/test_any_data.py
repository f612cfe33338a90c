"""Whatever the schema and whatever the data: every document lands."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raydocs_provider.api.schema import parse_schema
from raydocs_provider.landing.tables import plan_tables
from tests.integration.landing.conftest import MYSQL, POSTGRES, Database, open_database
from tests.integration.landing.invoices import GROUPS, LOAD, invoice, plan_of

NAMES = st.sampled_from(["a", "A", "a b", "é", "x" * 70, "value", "\0", '"']) | st.text(max_size=4)
TEXT = st.text(st.characters(exclude_categories=()), max_size=8)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**28, max_value=10**31)
    | st.floats()
    | st.decimals()
    | TEXT
    | st.sampled_from(["1234.50", "true", "\\N", "\\.", "1e400", "2026-01-01"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
TYPES = st.sampled_from(["string", "number", "integer", "boolean", "object", "array", "date"])
NODES = st.recursive(
    TYPES.map(lambda type_: {"type": type_}),
    lambda inner: (
        inner.map(lambda items: {"type": "array", "items": items})
        | st.dictionaries(NAMES, inner, max_size=3).map(lambda found: {"type": "object", "properties": found})
    ),
    max_leaves=5,
)
SCHEMAS = st.dictionaries(NAMES, st.dictionaries(NAMES, NODES, max_size=3), min_size=1, max_size=3)


def data_of(node: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Data that mostly follows a schema, and sometimes does not at all."""
    if "properties" in node:
        found = {name: data_of(inner) for name, inner in node["properties"].items()}
        return st.fixed_dictionaries({}, optional=found) | JSON
    if "items" in node:
        return st.lists(data_of(node["items"]), max_size=3) | JSON
    return JSON


@st.composite
def schemas_with_data(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]], list[Any]]:
    groups = draw(SCHEMAS)
    iterating = draw(st.sets(st.sampled_from(sorted(groups))))
    shape = {"properties": {name: {"properties": fields} for name, fields in groups.items()}}
    for name in iterating:
        shape["properties"][name] = {"items": shape["properties"][name]}
    as_objects = data_of(shape).filter(lambda data: isinstance(data, dict))
    documents = draw(st.lists(as_objects, min_size=1, max_size=3))
    audits = draw(st.lists(as_objects, min_size=len(documents), max_size=len(documents)))
    schema = {name: {"fields": fields} for name, fields in groups.items()}
    for name in iterating:
        schema[name]["config"] = {"iterates_on": "another.list"}
    return {"groups": schema}, documents, audits


@contextmanager
def fresh(engine: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    directory = request.getfixturevalue("tmp_path_factory").mktemp("any")
    with pytest.MonkeyPatch.context() as patch:
        yield open_database(engine, request.getfixturevalue, directory, patch)


@pytest.mark.parametrize("engine", ["duckdb", "sqlite", POSTGRES[0], *MYSQL])
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=schemas_with_data())
def test_any_data_lands_under_any_schema(request, engine, drawn):
    schema, all_data, audits = drawn
    documents = [
        invoice(str(number), data, audit) for number, (data, audit) in enumerate(zip(all_data, audits, strict=True))
    ]
    with fresh(engine, request) as database:
        plan = plan_tables(parse_schema(schema), database.table)
        database.lander(plan).land(documents, LOAD)

        assert database.count(plan.records.table) == database.count(plan.documents) == len(documents)


@pytest.mark.parametrize("engine", ["duckdb", "sqlite"])
def test_of_each_document_less_than_a_kilobyte_stays_in_memory(engine, request):
    plan = plan_of(GROUPS, "invoices")

    def peak(count: int) -> int:
        documents = (invoice(f"{number:05}") for number in range(count))
        tracemalloc.start()
        try:
            summary = lander.land(documents, LOAD)
            assert sum(summary.rows.values()) == 20 * count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    with fresh(engine, request) as database:
        lander = database.lander(plan)
        lander.land([], LOAD)

        # Of so many, caches and buffers are full.
        assert peak(5_000) - peak(2_000) < 3_000 * 1_000
