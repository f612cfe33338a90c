"""A load that cannot work is found out before the first upload, and looking leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from raydocs_provider.exceptions import RaydocsInputError, RaydocsLandingError
from raydocs_provider.operators.raydocs import RaydocsExtractOperator
from raydocs_provider.transfers.raydocs_to_sql import RaydocsToSqlOperator
from tests.integration.conftest import GOOD, Task, billed, count, uris

TARGET = {"conn_id": "warehouse", "table": "invoices"}
UPLOAD = ("POST", "/vapor/signed-storage-url")


@pytest.fixture
def duckdb_file(connect: Callable[..., str], tmp_path: Path) -> Path:
    file = tmp_path / "warehouse.duckdb"
    connect("warehouse", conn_type="duckdb", host=str(file))
    return file


@pytest.fixture
def extract(connection: str, template: Any, tmp_path: Path, duckdb_file: Path, no_pauses: None) -> Callable[..., Any]:
    def run(check_target: Any) -> dict[str, Any]:
        operator = RaydocsExtractOperator(
            task_id="extract",
            template_id=template.id,
            documents=uris(GOOD[:1]),
            results_path=(tmp_path / "results").as_uri(),
            expected_seconds=0.1,
            check_target=check_target,
        )
        return operator.execute(Task().context)

    return run


def ask(file: Path, sql: str) -> list[tuple[Any, ...]]:
    import duckdb

    with closing(duckdb.connect(str(file))) as connection:
        return connection.execute(sql).fetchall()


@pytest.mark.parametrize("target", ["warehouse/invoices", TARGET | {"column_types": {"totals.total_amount": "text"}}])
def test_a_target_that_will_do_is_left_as_it_was(extract, emulator, duckdb_file, target):
    assert extract(target)["counts"]["extracted"] == 1
    assert ask(duckdb_file, "SELECT table_name FROM duckdb_tables()") == []


def test_the_same_mapping_says_where_to_land(extract, duckdb_file):
    target = TARGET | {"on_schema_change": "freeze", "column_types": {"invoice_header.invoice_date": "date"}}
    first = RaydocsToSqlOperator(task_id="first", extraction=extract(TARGET), **target | {"on_schema_change": "evolve"})
    first.execute(Task().context)
    manifest = extract(target)
    RaydocsToSqlOperator(task_id="load", extraction=manifest, **target).execute(Task().context)
    assert ask(duckdb_file, "SELECT typeof(invoice_header__invoice_date) FROM invoices") == [("DATE",)]


@pytest.mark.parametrize(
    ("target", "error", "said"),
    [
        (TARGET | {"on_schema_change": "freeze"}, RaydocsLandingError, "there is no table invoices, with "),
        (TARGET | {"table": "finance.invoices"}, RaydocsLandingError, "refused to create finance.invoices"),
        (TARGET | {"table": "a.b.c.d"}, RaydocsInputError, "has 4 parts"),
        (TARGET | {"column_types": {"totals.total": "date"}}, RaydocsInputError, "totals.total_amount"),
        (TARGET | {"review_checks": ["required(totals.sum)"]}, RaydocsInputError, "totals.sum"),
    ],
)
def test_what_would_fail_the_load_fails_the_extraction_before_anything_is_uploaded(
    extract, emulator, target, error, said
):
    with pytest.raises(error, match=said):
        extract(target)
    assert (count(emulator, *UPLOAD), billed(emulator)) == (0, 0)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ({"conn_id": "warehouse"}, "mapping of conn_id, table and"),
        (TARGET | {"tables": "x"}, "mapping of conn_id, table and"),
        (TARGET | {"on_schema_change": "ignore"}, "'evolve', 'freeze', 'discard'"),
        (TARGET | {"column_types": {"a.b": "money"}}, "money"),
    ],
)
def test_a_mistake_in_the_mapping_shows_when_the_dag_is_parsed(target, said):
    with pytest.raises(RaydocsInputError, match=said):
        RaydocsExtractOperator(task_id="extract", template_id="t", documents="x", check_target=target)
