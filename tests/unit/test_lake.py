"""Rows as files of a lake: exact in both formats, bounded in memory, and under names that stay."""

from __future__ import annotations

import json
import sys
import tracemalloc
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from raydocs_provider.api.models import Result
from raydocs_provider.api.schema import parse_schema
from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.landing import lake_formats
from raydocs_provider.landing.documents import LandingDocument, LoadContext
from raydocs_provider.landing.lake import (
    LakeLoad,
    LakeTarget,
    LakeWriter,
    columns_in_files,
    name_files,
    name_partition,
)
from raydocs_provider.landing.lake_formats import encode_cells, write_ndjson, write_parquet
from raydocs_provider.landing.tables import AUDIT, Column, Kind, Table, plan_tables

STRING = {"type": "string"}
NUMBER = {"type": "number"}
SCHEMA = parse_schema(
    {
        "groups": {
            "header": {"fields": {"number": STRING, "paid": {"type": "boolean"}, "vendor": {"type": "object"}}},
            "totals": {"fields": {"amount": NUMBER}},
            "lines": {
                "fields": {
                    "items": {
                        "type": "array",
                        "items": {"type": "object", "properties": {"text": STRING, "count": {"type": "integer"}}},
                    }
                }
            },
        }
    }
)
DATA = {
    "header": {"number": "RE 1", "paid": True, "vendor": {"city": "Köln"}},
    "totals": {"amount": Decimal("123456789012.34")},
    "lines": {"items": [{"text": "Müller \u2028 & \t\n", "count": 2**63 - 1}, {"text": None, "count": 0}]},
}
LOAD = LoadContext("t-1", "hash-1", datetime(2026, 1, 2, tzinfo=UTC), "dag", "run", "load", -1, 2)
BOTH = ("ndjson", "parquet")
TABLES = ("t", "t__lines__items", "t__fields", "t__documents")


def extracted(name: str = "a", data: Any = DATA, **fields: Any) -> LandingDocument:
    result = Result(f"result-{name}", data=data, audit={}, completed_at="2026-01-01T10:00:00.5Z")
    sha256 = name.encode().hex().zfill(64)
    document = LandingDocument("extracted", f"s3://in/{name}.pdf", f"{name}.pdf", sha256, f"session-{name}", result)
    return replace(document, **fields)


def failed(name: str = "a") -> LandingDocument:
    return LandingDocument("failed", f"s3://in/{name}.pdf", f"{name}.pdf", name.encode().hex().zfill(64))


def write(documents: Iterable[LandingDocument], folder: Path, formats: tuple[str, ...] = BOTH) -> LakeLoad:
    return LakeTarget("t", formats).writer(SCHEMA).write(documents, LOAD, folder)


def read(load: LakeLoad, format_: str, table: str) -> list[dict[str, Any]]:
    """The rows of a table in one of the files of a load; none where there is no file."""
    for file in load.files:
        if (file.table, file.format) == (table, format_):
            if format_ == "parquet":
                rows: list[dict[str, Any]] = parquet.read_table(file.path).to_pylist()
                return rows
            return [json.loads(line) for line in file.path.read_bytes().decode().removesuffix("\n").split("\n")]
    return []


# --- what is in the files


def test_a_row_is_an_object_with_all_columns_whose_decimals_are_texts(tmp_path):
    load = write([extracted()], tmp_path)

    (row,) = read(load, "ndjson", "t")
    audit = {
        "_document_key": row["_document_key"],
        "_session_id": "session-a",
        "_result_id": "result-a",
        "_source_uri": "s3://in/a.pdf",
        "_document_sha256": "61".zfill(64),
        "_template_id": "t-1",
        "_template_hash": "hash-1",
        "_extracted_at": "2026-01-01T10:00:00.500000Z",
        "_loaded_at": "2026-01-02T00:00:00.000000Z",
        "_dag_id": "dag",
        "_run_id": "run",
        "_task_id": "load",
        "_map_index": -1,
        "_try_number": 2,
    }
    assert len(row["_document_key"]) == 64
    assert row == audit | {
        "header__number": "RE 1",
        "header__paid": True,
        "header__vendor": '{"city":"Köln"}',
        "totals__amount": "123456789012.34",
        "_meta": None,
        "_review_status": None,
    }
    assert read(load, "ndjson", "t__lines__items") == [
        audit | {"_index": 0, "text": "Müller \u2028 & \t\n", "count": 2**63 - 1},
        audit | {"_index": 1, "text": None, "count": 0},
    ]
    assert "Köln".encode() in next(file.path for file in load.files if file.table == "t").read_bytes()


def test_parquet_has_the_types_of_the_kinds_and_the_columns_in_the_order_of_a_warehouse(tmp_path):
    (table,) = [table for table in plan_tables(SCHEMA, "t").tables if str(table) == "t"]
    load = write([extracted()], tmp_path)
    file = next(file.path for file in load.files if (file.table, file.format) == ("t", "parquet"))

    schema = parquet.read_schema(file)
    assert schema.names == [column.name for column in table.columns]
    assert {name: str(schema.field(name).type) for name in schema.names if not name.startswith("_")} == {
        "header__number": "string",
        "header__paid": "bool",
        "header__vendor": "string",
        "totals__amount": "decimal128(38, 9)",
    }
    assert str(schema.field("_extracted_at").type) == "timestamp[us, tz=UTC]"
    assert str(schema.field("_map_index").type) == "int64"
    (row,) = read(load, "parquet", "t")
    assert row["totals__amount"] == Decimal("123456789012.34")
    assert row["_extracted_at"] == datetime(2026, 1, 1, 10, 0, 0, 500_000, UTC)


KINDS: dict[Kind, st.SearchStrategy[Any]] = {
    # Without what no text of ours holds.
    Kind.TEXT: st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    Kind.DECIMAL: st.decimals(-(10**29) + 1, 10**29 - 1, places=9) | st.integers(0, 10**28).map(Decimal),
    Kind.INTEGER: st.integers(-(2**63) + 1, 2**63 - 1),
    Kind.BOOLEAN: st.booleans(),
    Kind.DATE: st.dates(),
    Kind.TIMESTAMP: st.datetimes(
        datetime(1, 1, 2),
        datetime(9999, 12, 30),
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5, minutes=30))]),
    ),
    Kind.JSON: st.sampled_from(['{"a": "\\t\\n"}', "[1.50]", '"ü"']),
}
COLUMNS = tuple(Column(f"{kind} 100%", kind, ("x",)) for kind in KINDS)
ROWS = st.lists(st.tuples(*(st.none() | cells for cells in KINDS.values())), min_size=1, max_size=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
@example(rows=[("\t", Decimal("99999999999999999999999999999.123456789"), 2**63 - 1, None, date(1, 1, 1), None, None)])
@example(rows=[("\u2028\r\n\x85", Decimal("-1E-9"), -1, False, date(9999, 12, 31), None, '"\u2028"')])
def test_every_cell_reads_back_from_both_formats_as_it_was(tmp_path, rows):
    audit = tuple(None if column.kind is not Kind.TEXT else column.name for column in AUDIT)
    source = tmp_path / "rows"
    source.write_text("".join(f"{encode_cells(row)}\t{encode_cells(audit)}\n" for row in rows), newline="")
    columns = Table(("t",), COLUMNS).columns
    write_parquet(source, columns, tmp_path / "t.parquet")
    write_ndjson(source, columns, tmp_path / "t.ndjson")

    from_parquet = parquet.read_table(tmp_path / "t.parquet").to_pylist()
    from_ndjson = [json.loads(line) for line in (tmp_path / "t.ndjson").read_bytes().split(b"\n")[:-1]]
    names = [column.name for column in COLUMNS]
    assert [tuple(row[name] for name in names) for row in from_parquet] == rows
    assert [tuple(parse(row[column.name], column.kind) for column in COLUMNS) for row in from_ndjson] == rows
    assert [row["_document_key"] for row in from_parquet] == ["_document_key"] * len(rows)
    assert [list(row) for row in from_ndjson] == [[column.name for column in columns]] * len(rows)


def parse(value: Any, kind: Kind) -> Any:
    """A value of NDJSON as the kind of its column has it."""
    if value is None:
        return None
    read: dict[Kind, Callable[[Any], Any]] = {
        Kind.DECIMAL: Decimal,
        Kind.DATE: date.fromisoformat,
        Kind.TIMESTAMP: datetime.fromisoformat,
    }
    return read.get(kind, lambda same: same)(value)


def test_a_column_called_like_the_partition_gets_another_name_in_the_files_alone(tmp_path):
    items = {"type": "array", "items": {"type": "object", "properties": {"Load Date": STRING, "load_date": STRING}}}
    plan = plan_tables(parse_schema({"groups": {"freight": {"fields": {"legs": items}}}}), "t")
    legs = next(table for table in plan.tables if str(table) == "t__freight__legs")
    (in_files,) = [column for column in columns_in_files(legs) if column.path == ("load_date",)]

    assert "load_date" in [column.name for column in legs.columns]
    assert "load_date" not in (names := [column.name for column in columns_in_files(legs)])
    assert len(set(names)) == len(names) == len(legs.columns)
    load = LakeWriter(plan).write(
        [extracted(data={"freight": {"legs": [{"load_date": "Monday", "Load Date": "Tuesday"}]}})], LOAD, tmp_path
    )
    assert read(load, "ndjson", "t__freight__legs")[0][in_files.name] == "Monday"


# --- which files there are


def test_the_ledger_comes_last_and_there_is_one_for_no_documents_too(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "none").mkdir()
    load = write([extracted(), failed("b")], tmp_path / "one")
    assert load.tables == TABLES
    assert [(file.table, file.format) for file in load.files] == [(table, each) for table in TABLES for each in BOTH]
    assert load.rows == {"t": 1, "t__lines__items": 2, "t__fields": 8, "t__documents": 2}
    assert load.documents == {"extracted": 1, "failed": 1}

    empty = write([], tmp_path / "none")
    assert [(file.table, file.format) for file in empty.files] == [("t__documents", each) for each in BOTH]
    assert [file.path.stat().st_size > 0 for file in empty.files] == [False, True]
    assert "state" in parquet.read_schema(empty.files[1].path).names
    assert empty.rows == dict.fromkeys(TABLES, 0)


@pytest.mark.parametrize("format_", BOTH)
def test_of_a_document_given_twice_the_rows_of_one_are_written(tmp_path, format_):
    newer = extracted(data={"totals": {"amount": 2}}, source_uri="s3://in/second.pdf")
    load = write([extracted(), extracted("b"), newer], tmp_path, (format_,))

    assert load.documents == {"extracted": 3}
    assert load.rows["t__documents"] == 2
    assert sorted(row["_source_uri"] for row in read(load, format_, "t")) == ["s3://in/b.pdf", "s3://in/second.pdf"]
    assert {row["_source_uri"] for row in read(load, format_, "t__lines__items")} == {"s3://in/b.pdf"}


def test_values_that_do_not_fit_are_counted_and_named(tmp_path):
    load = write([extracted(data={"totals": {"amount": "1.250,00 EUR"}})], tmp_path)

    assert load.problems == 1
    (row,) = read(load, "parquet", "t")
    assert row["totals__amount"] is None
    assert json.loads(row["_meta"]) == {"problems": [{"field": "totals.amount", "problem": "not a number"}]}
    (value,) = read(load, "ndjson", "t__fields")
    assert value["value"] == "1.250,00 EUR"


def test_types_and_rules_of_the_author_give_the_columns_of_a_warehouse(tmp_path):
    target = LakeTarget(
        "t", ("parquet",), column_types={"header.number": "date:%d.%m.%Y"}, review_checks=("required(totals.amount)",)
    )
    load = target.writer(SCHEMA).write(
        [extracted("a", {"header": {"number": "24.12.2026"}}), extracted("b", {"totals": {"amount": 0}})],
        LOAD,
        tmp_path,
    )

    rows = {row["_source_uri"]: row for row in read(load, "parquet", "t")}
    assert rows["s3://in/a.pdf"]["header__number"] == date(2026, 12, 24)
    assert rows["s3://in/a.pdf"]["_review_status"] == "review"
    ledger = {row["filename"]: row["review_codes"] for row in read(load, "parquet", "t__documents")}
    assert ledger == {"a.pdf": '["required:totals.amount"]', "b.pdf": None}
    assert load.reviews == {"review": 1, "passed": 1}


# --- memory


def test_parquet_is_written_in_row_groups_of_bounded_size(tmp_path, monkeypatch):
    monkeypatch.setattr(lake_formats, "_GROUP_BYTES", 20_000)
    load = write((extracted(str(number)) for number in range(300)), tmp_path)
    file = next(file.path for file in load.files if (file.table, file.format) == ("t__documents", "parquet"))

    metadata = parquet.ParquetFile(file).metadata
    sizes = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    assert sum(sizes) == 300
    assert len(sizes) > 5
    assert sorted(row["filename"] for row in read(load, "parquet", "t__documents")) == sorted(
        f"{number}.pdf" for number in range(300)
    )


def test_memory_holds_neither_the_documents_nor_the_rows_of_a_load(tmp_path, monkeypatch):
    monkeypatch.setattr(lake_formats, "_GROUP_BYTES", 200_000)
    page = {"header": {"number": "x" * 50_000}}
    write([extracted()], tmp_path)
    tracemalloc.start()
    try:
        load = write((extracted(f"{number:05}", page) for number in range(500)), tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    written = sum(file.path.stat().st_size for file in load.files if file.format == "ndjson")
    assert written > 500 * 2 * 50_000
    # Each table is written through a buffer of 1 MiB.
    assert peak < 10_000_000


# --- names


@pytest.mark.parametrize(
    ("logical_date", "folder"),
    [
        (datetime(2026, 11, 22, tzinfo=UTC), "load_date=2026-11-22"),
        (datetime(2026, 11, 22, 23, 30, tzinfo=timezone(timedelta(hours=-5))), "load_date=2026-11-23"),
        (None, "load_date=2026-12-24"),
    ],
)
def test_the_partition_is_the_day_of_the_run_in_utc(logical_date, folder):
    assert name_partition(logical_date, datetime(2026, 12, 24, 12, tzinfo=UTC)) == folder


def test_every_try_of_a_task_instance_gives_its_files_the_same_name():
    name = name_files(replace(LOAD, dag_id="invoices", run_id="scheduled__2026-11-22T00:00:00+00:00", map_index=7))
    assert name.startswith("invoices__scheduled__2026-11-22T00-00-00-00-00__load__7-")
    again = replace(LOAD, loaded_at=datetime.now(UTC), try_number=9, template_id="t-2", template_hash="hash-2")
    assert name_files(LOAD) == name_files(again)


IDS = st.text(max_size=12) | st.sampled_from(
    ["..", "../../etc", "_a", ".a", "a__b", "a", "b", "x" * 250, "a b", "a\0b", "é", "\ud800", "%2F", "a\nb", "?*[]"]
)
INSTANCES = st.tuples(IDS, IDS, IDS, st.integers(-1, 3))


@given(first=INSTANCES, second=INSTANCES)
@example(first=("a__b", "c", "d", -1), second=("a", "b__c", "d", -1))
@example(first=("a", "b", "c", 1), second=("a", "b", "c__1", -1))
@example(first=("a b", "", "", -1), second=("a?b", "", "", -1))
def test_no_two_task_instances_share_a_name_and_every_name_is_that_of_a_plain_file(first, second):
    def name(instance: tuple[str, str, str, int]) -> str:
        dag_id, run_id, task_id, map_index = instance
        return name_files(replace(LOAD, dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index))

    assert (name(first) == name(second)) == (first == second)
    # Readers skip what begins with a point or an underscore.
    assert name(first)[0].isascii()
    assert name(first)[0].isalnum()
    assert all(each.isascii() and (each.isalnum() or each in "._-") for each in name(first))
    assert len(name(first)) < 200


# --- arguments


@pytest.mark.parametrize("table", ["finance.invoices", "a/b", "..", ".a", "_a", "-a", "a b", "a=b", "*", "", "None"])
def test_a_table_that_is_no_name_of_a_folder_is_refused_before_anything_is_read(table):
    with pytest.raises(RaydocsInputError, match="table"):
        LakeTarget(table).check()


def test_parquet_without_pyarrow_names_the_extra(monkeypatch):
    LakeTarget("t", BOTH).check()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    LakeTarget("t").check()
    with pytest.raises(RaydocsInputError, match=r"airflow-provider-raydocs\[arrow\]"):
        LakeTarget("t", BOTH).check()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"formats": ["csv"]}, "formats"),
        ({"formats": "parquet"}, "formats"),
        ({"column_types": {"totals.amount": "money"}}, "column_types"),
        ({"review_below": 80}, "review_below"),
        ({"review_checks": ("sum(totals.amount)",)}, "review_checks"),
    ],
)
def test_an_argument_that_no_template_makes_right_is_refused_when_it_is_given(arguments, said):
    with pytest.raises(RaydocsInputError, match=said):
        LakeTarget("t", **arguments)


def test_an_argument_about_a_field_that_the_template_does_not_have_is_refused():
    with pytest.raises(RaydocsInputError, match=r"totals\.amoumt"):
        LakeTarget("t", column_types={"totals.amoumt": "decimal"}).writer(SCHEMA)
