"""A load deletes by document key: without an index it would read all rows of all tables."""

from __future__ import annotations

import pytest

from tests.integration.landing.conftest import ENGINES, Database, quoted
from tests.integration.landing.invoices import GROUPS, LOAD, STRING, invoice, plan_of

indexed_engines = pytest.mark.parametrize("database", [name for name in ENGINES if name != "duckdb"], indirect=True)


def indexes(database: Database) -> dict[str, list[str]]:
    """Names of the indexes of every table."""
    if "sqlite" in type(database.hook).__name__.lower():
        found = database.query("SELECT tbl_name, name FROM sqlite_master WHERE type = 'index'")
    elif "mysql" in type(database.hook).__name__.lower():
        found = database.query(
            "SELECT table_name, index_name FROM information_schema.statistics "
            "WHERE table_schema = DATABASE() AND column_name = '_document_key'"
        )
    else:
        found = database.query("SELECT tablename, indexname FROM pg_indexes WHERE schemaname = 'landing test'")
    tables: dict[str, list[str]] = {}
    for table, name in found:
        tables.setdefault(table, []).append(name)
    return tables


@indexed_engines
def test_every_table_has_one_index_on_the_document_key_however_often_it_is_loaded(database):
    plan = plan_of(GROUPS, database.table)
    for _ in range(2):
        database.lander(plan).land([invoice()], LOAD)

    assert indexes(database) == {table.name[-1]: [f"{table.name[-1]}___document_key"] for table in plan.tables}


@indexed_engines
def test_a_table_with_the_longest_possible_name_and_one_of_a_later_template_have_theirs(database):
    database.table = database.table.replace("invoices", "i" * 63)
    database.lander(plan_of(GROUPS, database.table)).land([invoice()], LOAD)
    wider = plan_of(GROUPS | {"stamps": {"seen": {"type": "array", "items": STRING}}}, database.table)

    database.lander(wider).land([invoice()], LOAD)

    found = indexes(database)
    assert {table: len(names) for table, names in found.items()} == {table.name[-1]: 1 for table in wider.tables}
    assert all(len(name) <= 63 for names in found.values() for name in names)


@indexed_engines
def test_a_list_called_like_an_index_lands(database):
    names = ("document_key", "_document_key", "__document_key", "document_key_idx")
    groups = {group: {name: {"type": "array", "items": STRING} for name in names} for group in ("", "_", *names)}
    plan = plan_of(groups, database.table)

    database.lander(plan).land([invoice(data={group: {name: ["x"] for name in names} for group in groups})], LOAD)

    assert all(database.count(table) == 1 for table in plan.tables if table is not plan.fields)
    assert len(indexes(database)) == len(plan.tables)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_sqlite_lands_into_a_table_of_its_main_database(database):
    plan = plan_of(GROUPS, "main.invoices")

    database.lander(plan).land([invoice()], LOAD)

    assert set(indexes(database)) == {table.name[-1] for table in plan.tables}


@indexed_engines
def test_a_table_that_was_there_before_the_first_load_is_taken_as_it_is(database):
    plan = plan_of(GROUPS, database.table)
    database.execute(f"CREATE TABLE {quoted(plan.records.table)} (of_mine INTEGER)")

    database.lander(plan).land([invoice()], LOAD)

    assert database.query(f"SELECT of_mine, _source_uri FROM {quoted(plan.records.table)}") == [
        (None, "s3://inbox/a.pdf")
    ]
