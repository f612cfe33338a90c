"""RaydocsToObjectStorageOperator: from a manifest into a lake, on this disk and on S3, as readers find it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from airflow.sdk import Asset
from fsspec.implementations.local import LocalFileSystem

from raydocs_provider.api.models import Template
from raydocs_provider.exceptions import RaydocsExtractionError, RaydocsInputError, RaydocsLandingError
from raydocs_provider.hooks import lake_storage
from raydocs_provider.hooks.raydocs import RaydocsHook
from raydocs_provider.landing.documents import LoadContext
from raydocs_provider.landing.lake import name_files, name_partition
from raydocs_provider.operators.raydocs import RaydocsExtractOperator
from raydocs_provider.transfers.raydocs_to_object_storage import RaydocsToObjectStorageOperator
from raydocs_provider.version_compat import AirflowFailException
from tests.integration.conftest import (
    CORRUPT,
    GOOD,
    HERE,
    ROOT,
    DagRun,
    OutletEvents,
    Task,
    all_logs,
    requests_to,
    uris,
)
from tests.integration.test_operators import printed_numbers
from tests.integration.test_s3 import keys_in, s3  # noqa: F401, a fixture
from tests.integration.test_secrets import field_values
from tests.moved import XCOM_RETURN_KEY, HookLineageCollector

pytestmark = pytest.mark.usefixtures("no_pauses")

EXPECTED = json.loads((ROOT / "tests" / "data" / "sample_invoices.json").read_text(encoding="utf-8"))
TABLES = ("invoices", "invoices__lines__line_items", "invoices__fields", "invoices__documents")
LOGICAL_DATE = datetime(2026, 11, 22, 6, tzinfo=UTC)
BOTH = ("ndjson", "parquet")


@pytest.fixture
def extracted(template: Template, results_path: str) -> Callable[..., dict[str, Any]]:
    """Extracts documents anew; returns the manifest, also of a task that fails because all have."""
    runs = count()

    def run(documents: list[Path], **arguments: Any) -> dict[str, Any]:
        usual = {"results_path": results_path, "expected_seconds": 0.2, "timeout": 60, "on_partial_failure": "warn"}
        operator = RaydocsExtractOperator(
            task_id="extract", template_id=template.id, documents=uris(documents), **{**usual, **arguments}
        )
        ti = Task(run_id=f"run {next(runs)}")
        with suppress(RaydocsExtractionError):
            return operator.execute(ti.context)
        return ti.pushed[XCOM_RETURN_KEY]  # type: ignore[no-any-return]

    return run


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder ``raydocs`` of the documentation, below the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "raydocs"


def write(extraction: Any, path: Any, ti: Task | None = None, **arguments: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {"task_id": "lake", "table": "invoices", "formats": BOTH}
    operator = RaydocsToObjectStorageOperator(extraction=extraction, path=str(path), **{**usual, **arguments})
    return operator.execute(in_run(ti or Task(task_id="lake")))  # type: ignore[arg-type]


def in_run(ti: Task, logical_date: datetime | None = LOGICAL_DATE) -> dict[str, Any]:
    run = SimpleNamespace(logical_date=logical_date, run_after=datetime(2026, 12, 24, tzinfo=UTC))
    return {**ti.context, "dag_run": run}


def files_in(lake: Path) -> list[str]:
    return sorted(str(path.relative_to(lake)) for path in lake.rglob("*") if path.is_file())


def rows_in(lake: Path, table: str, format_: str = "parquet") -> list[dict[str, Any]]:
    with duckdb.connect() as connection:
        relation = connection.sql(
            f"SELECT * FROM read_{format_}('{lake}/{format_}/{table}/*/*.{format_}', hive_partitioning = true)"
        )
        return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def numbers_in(lake: Path, format_: str = "parquet") -> dict[str, str]:
    """The invoice numbers of a lake by the names of the files."""
    names = {row["_document_key"]: row["filename"] for row in rows_in(lake, "invoices__documents", format_)}
    found = rows_in(lake, "invoices", format_)
    assert len({row["_document_key"] for row in found}) == len(found)
    return {names[row["_document_key"]]: row["invoice_header__invoice_number"] for row in found}


# --- what is written


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_each_table_has_a_file_per_format_below_the_date_of_the_run(extracted, emulator, lake, scheme):
    manifest = extracted([*GOOD[:3], CORRUPT])
    before = len(requests_to(emulator))
    written = write(manifest, f"{scheme}{lake}/")

    (name,) = {Path(file).stem for file in files_in(lake)}
    assert re.fullmatch("dag__run__lake-[0-9a-f]{12}", name)
    places = [(format_, table) for table in TABLES for format_ in BOTH]
    relative = [f"{format_}/{table}/load_date=2026-11-22/{name}.{format_}" for format_, table in places]
    assert files_in(lake) == sorted(relative)
    assert written.pop("files") == [f"{scheme}{lake}/{each}" for each in relative]
    assert written.pop("rows") == {table: len(rows_in(lake, table)) for table in TABLES}
    assert written == {"documents": {"extracted": 3, "failed": 1}, "problems": 0, "reviews": {}}
    for format_ in BOTH:
        assert numbers_in(lake, format_) == printed_numbers(GOOD[:3])
        assert {row["load_date"].isoformat() for row in rows_in(lake, "invoices", format_)} == {"2026-11-22"}
    # From the spool, nothing is asked of Raydocs.
    assert len(requests_to(emulator)) == before


def test_amounts_are_what_is_printed_in_both_formats(extracted, lake):
    write(extracted(GOOD[:3]), lake)
    names = {row["_document_key"]: row["filename"] for row in rows_in(lake, "invoices__documents")}
    for format_ in BOTH:
        found = {
            names[row["_document_key"]]: Decimal(row["totals__total_amount"])
            for row in rows_in(lake, "invoices", format_)
        }
        assert found == {
            path.name: Decimal(str(EXPECTED[path.name]["expected"]["totals"]["total_amount"])) for path in GOOD[:3]
        }


def test_ndjson_alone_needs_no_pyarrow_and_is_the_default(extracted, lake, monkeypatch):
    manifest = extracted(GOOD[:2])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    operator = RaydocsToObjectStorageOperator(task_id="lake", extraction=manifest, path=str(lake), table="invoices")
    operator.execute(in_run(Task(task_id="lake")))  # type: ignore[arg-type]
    assert {Path(file).suffix for file in files_in(lake)} == {".ndjson"}
    assert numbers_in(lake, "ndjson") == printed_numbers(GOOD[:2])


def test_parquet_without_pyarrow_fails_before_anything_is_asked_for(extracted, emulator, lake, monkeypatch):
    manifest = extracted(GOOD[:1], results_path=None)
    before = len(requests_to(emulator))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(RaydocsInputError, match=r"airflow-provider-raydocs\[arrow\]"):
        write(manifest, lake)
    assert len(requests_to(emulator)) == before
    assert not lake.exists()


@pytest.mark.parametrize("arguments", [{"path": ""}, {"path": "None"}, {"path": "nowhere://x/y"}, {"table": "a.b"}])
def test_an_argument_that_cannot_be_used_is_named_before_anything_is_asked_for(extracted, emulator, lake, arguments):
    manifest = extracted(GOOD[:1], results_path=None)
    before = len(requests_to(emulator))
    with pytest.raises(RaydocsInputError, match=r"path|nowhere|table"):
        write(manifest, **{"path": lake, **arguments})
    assert len(requests_to(emulator)) == before


@pytest.mark.parametrize(
    "arguments", [{"formats": ("csv",)}, {"column_types": {"a.b": "money"}}, {"review_checks": ["sum(a.b)"]}]
)
def test_a_mistake_that_no_template_makes_right_shows_when_the_dag_is_parsed(arguments):
    with pytest.raises(RaydocsInputError, match=next(iter(arguments))):
        RaydocsToObjectStorageOperator(task_id="lake", extraction={}, path="lake", table="t", **arguments)


def test_what_was_written_goes_into_the_asset_event_with_the_manifest_but_for_its_documents(extracted, lake):
    asset = Asset("lake-invoices")
    manifest = extracted(GOOD[:2])
    event = OutletEvents(asset)
    operator = RaydocsToObjectStorageOperator(
        task_id="lake", extraction=manifest, path=str(lake), table="invoices", outlets=[asset]
    )
    written = operator.execute({**in_run(Task(task_id="lake")), "outlet_events": event})  # type: ignore[arg-type]
    assert event.extra.pop("extraction") == {name: value for name, value in manifest.items() if name != "documents"}
    assert event.extra == written


def test_types_and_rules_of_the_author_reach_the_files(extracted, lake):
    written = write(
        extracted(GOOD[:2]),
        lake,
        column_types={"invoice_header.invoice_date": "date"},
        review_checks=["required(invoice_header.invoice_number)"],
    )
    dates = [row["invoice_header__invoice_date"] for row in rows_in(lake, "invoices")]
    assert sorted(each.isoformat() for each in dates) == sorted(
        EXPECTED[path.name]["expected"]["invoice_header"]["invoice_date"] for path in GOOD[:2]
    )
    assert written["reviews"] == {"passed": 2}


def test_hostile_ids_and_names_stay_inside_the_lake(extracted, lake, hook, template, tmp_path):
    hook.update_template(
        template.id, schema_json={"groups": {"../../up": {"fields": {"a/b\0c?*[": {"type": "array"}}}}}
    )
    ti = Task("../../dag", "run/../../../%2e%2e/\n_", "täsk*?[a]", map_index=3)
    write(extracted(GOOD[:1]), lake, ti)
    assert {path.name for path in tmp_path.iterdir()} <= {"raydocs", "results"}
    assert files_in(lake)
    for file in files_in(lake):
        assert re.fullmatch(r"[a-z]+/invoices[a-z_]*/load_date=2026-11-22/[A-Za-z0-9][A-Za-z0-9._-]*", file)


# --- again


def test_a_retry_replaces_its_own_files_and_nobody_else_s(extracted, lake):
    manifest = extracted(GOOD[:2])
    write(manifest, lake)
    write(manifest, lake, Task(task_id="another"))
    before = files_in(lake)
    again = write(manifest, lake, Task(task_id="lake", try_number=2))

    assert files_in(lake) == before
    rows = rows_in(lake, "invoices")
    assert sorted((row["_task_id"], row["_try_number"]) for row in rows) == [("another", 1)] * 2 + [("lake", 2)] * 2
    assert again["rows"]["invoices"] == 2


def test_a_clear_that_extracts_anew_leaves_no_file_of_a_table_that_is_empty_or_gone(
    extracted, lake, hook: RaydocsHook, template: Template
):
    first = write(extracted(GOOD[:1]), lake)
    assert [table for table, rows in first["rows"].items() if rows] == list(TABLES)
    (stranger,) = lake.glob("ndjson/invoices/*/*")
    stranger = stranger.with_name("stranger.ndjson")
    stranger.write_text("{}\n")
    elsewhere = lake / "ndjson" / "invoices_of_mine" / "load_date=2026-11-22" / f"{Path(first['files'][0]).stem}.ndjson"
    elsewhere.parent.mkdir(parents=True)
    elsewhere.write_text("{}\n")

    groups = dict(template.schema_json["groups"])
    del groups["lines"]
    hook.update_template(template.id, schema_json={**template.schema_json, "groups": groups})
    second = write(extracted([CORRUPT]), lake, formats=("ndjson",))

    ledger = next(file for file in first["files"] if "ndjson/invoices__documents/" in file)
    assert second["files"] == [ledger]
    assert files_in(lake) == sorted(str(path.relative_to(lake)) for path in (Path(ledger), stranger, elsewhere))


def fail_at(monkeypatch: pytest.MonkeyPatch, number: int, error: Exception) -> list[str]:
    """Makes the storage refuse a file in the middle of it; returns what it is asked to write."""
    asked: list[str] = []
    put_file = LocalFileSystem.put_file

    def put(self: Any, local: str, target: str, *args: Any, **kwargs: Any) -> None:
        asked.append(target)
        if len(asked) == number:
            Path(target).write_bytes(Path(local).read_bytes()[:10])
            raise error
        put_file(self, local, target, *args, **kwargs)

    monkeypatch.setattr(LocalFileSystem, "put_file", put)
    return asked


@pytest.mark.parametrize(("number", "left"), [(1, []), (4, TABLES[:2]), (7, TABLES[:3]), (8, TABLES)])
def test_after_a_failure_in_the_middle_nothing_is_half_and_no_ledger_tells_of_what_is_not_there(
    extracted, lake, monkeypatch, number, left
):
    manifest = extracted(GOOD[:2])
    whole = write(manifest, lake)["rows"]
    with monkeypatch.context() as patch:
        asked = fail_at(patch, number, OSError(28, "No space left on device"))
        with pytest.raises(RaydocsLandingError, match=r"cannot be replaced \(No space left on device\)"):
            write(manifest, lake, Task(task_id="lake", try_number=2))
    assert len(asked) == number
    files = files_in(lake)
    assert len(files) == number - 1
    assert {each.split("/")[1] for each in files} == set(left)
    # The ledger in the other format, if there is one.
    assert not [each for each in files if each.startswith("parquet/invoices__documents/")]
    for table in left:
        assert {row["_try_number"] for row in rows_in(lake, table, "ndjson")} == {2}

    assert write(manifest, lake, Task(task_id="lake", try_number=3))["rows"] == whole
    assert len(files_in(lake)) == 8


def test_of_an_earlier_try_the_ledger_goes_first(extracted, lake, monkeypatch):
    manifest = extracted(GOOD[:2])
    write(manifest, lake)
    rm_file = LocalFileSystem.rm_file
    removed: list[str] = []

    def remove(self: Any, path: str) -> None:
        if len(removed) == 2:
            raise PermissionError(13, "Permission denied")
        removed.append(path)
        rm_file(self, path)

    with monkeypatch.context() as patch:
        patch.setattr(LocalFileSystem, "rm_file", remove)
        with pytest.raises(RaydocsLandingError, match=r"cannot be replaced \(Permission denied\)"):
            write(manifest, lake)
    assert len(files_in(lake)) == 6
    assert not [file for file in files_in(lake) if "__documents" in file]


@pytest.mark.usefixtures("memory")
def test_a_storage_that_is_neither_a_disk_nor_an_object_store_works_too(extracted):
    from fsspec.implementations.memory import MemoryFileSystem

    write(extracted([CORRUPT]), "memory://lake/x")
    again = write(extracted(GOOD[:1]), "memory://lake/x")
    assert sorted(MemoryFileSystem.store) == sorted(
        f"/{file.partition('://')[2].lstrip('/')}" for file in again["files"]
    )
    assert len(again["files"]) == 8


@pytest.fixture
def memory() -> Iterator[None]:
    from airflow.sdk.io import attach
    from fsspec.implementations.memory import MemoryFileSystem

    attach("memory", fs=MemoryFileSystem())
    MemoryFileSystem.store.clear()
    yield
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


# --- S3


def test_on_s3_the_files_are_objects_under_the_same_names(extracted, s3, tmp_path):  # noqa: F811
    manifest = extracted([*GOOD[:2], CORRUPT])
    path = "s3://aws_default@lake/objects/"
    written = write(manifest, path)

    keys = keys_below(s3, "objects/")
    assert sorted(written["files"]) == [f"s3://aws_default@lake/{key}" for key in keys]
    assert len(keys) == 8
    for key in keys:
        (tmp_path / key).parent.mkdir(parents=True)
        s3.download_file("lake", key, str(tmp_path / key))
    for format_ in BOTH:
        assert numbers_in(tmp_path / "objects", format_) == printed_numbers(GOOD[:2])

    stranger = "objects/ndjson/invoices__documents/load_date=2026-11-22/stranger.ndjson"
    s3.put_object(Bucket="lake", Key=stranger, Body=b"")
    again = write(extracted([CORRUPT]), path, Task(task_id="lake", try_number=2))
    assert sorted(again["files"]) == [
        f"s3://aws_default@lake/{key}" for key in keys_below(s3, "objects/") if key != stranger
    ]
    assert len(again["files"]) == 2


def keys_below(client: Any, prefix: str) -> list[str]:
    """The bucket is shared with other tests."""
    return sorted(key for key in keys_in(client, "lake") if key.startswith(prefix))


def test_an_object_that_s3_refuses_leaves_no_ledger(extracted, s3, monkeypatch):  # noqa: F811
    from s3fs import S3FileSystem

    manifest = extracted(GOOD[:1])
    path = "s3://aws_default@lake/refused/"
    write(manifest, path)
    call = S3FileSystem._call_s3

    async def refuse(self: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        if method == "put_object" and "fields" in kwargs["Key"]:
            raise PermissionError("Access Denied")
        return await call(self, method, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(S3FileSystem, "_call_s3", refuse)
        with pytest.raises(RaydocsLandingError, match=r"invoices__fields/.* cannot be replaced \(PermissionError\)"):
            write(manifest, path)
    assert {key.split("/")[2] for key in keys_below(s3, "refused/")} == set(TABLES[:2])
    assert len(write(manifest, path)["files"]) == len(keys_below(s3, "refused/")) == 8


def test_hook_lineage_names_every_file_without_the_connection(extracted, s3, monkeypatch):  # noqa: F811
    collector = HookLineageCollector()
    monkeypatch.setattr(lake_storage, "get_hook_lineage_collector", lambda: collector)
    written = write(extracted(GOOD[:1]), "s3://aws_default@lake/lineage/")
    assert sorted(each.asset.uri for each in collector.collected_assets.outputs) == [
        f"s3://lake/{key}" for key in keys_below(s3, "lineage/")
    ]
    assert len(written["files"]) == 8


def test_no_bucket_is_made_of_a_mistyped_name(extracted, s3):  # noqa: F811
    with pytest.raises(RaydocsLandingError, match=r"nowhere/.* cannot be replaced \(.*\).*a bucket has to exist"):
        write(extracted(GOOD[:1]), "s3://aws_default@nowhere/raydocs/")
    assert {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]} == {"inbox", "lake"}


# --- the page

PAGE = (ROOT / "docs" / "object_storage.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def two_runs(extracted, lake, hook: RaydocsHook, template: Template) -> Iterator[tuple[Any, list[str]]]:
    """
    The lake of the page after three loads: the third has the second document again, by a template with one field more,
    and the third document is broken off in the middle, without a ledger.
    """
    write(extracted(GOOD[:2]), lake, Task(run_id="first", task_id="lake"))
    groups = {**template.schema_json["groups"], "more": {"fields": {"remark": {"type": "string"}}}}
    hook.update_template(template.id, schema_json={**template.schema_json, "groups": groups})
    write(extracted([GOOD[1], CORRUPT]), lake, Task(run_id="second", task_id="lake"))
    write(extracted(GOOD[:3]), lake, Task(run_id="third", task_id="lake"))
    for ledger in lake.glob("*/invoices__documents/*/*third*"):
        ledger.unlink()
    with duckdb.connect() as connection:
        yield connection, [path.name for path in GOOD[:2]]


def test_the_queries_of_the_page_give_the_latest_of_each_document(two_runs, lake):
    connection, names = two_runs
    *views, documents, ndjson_view, totals = QUERIES
    for view in (*views, ndjson_view):
        connection.execute(view)

    assert len(rows_in_any_order(connection, "SELECT * FROM latest")) == 2
    assert rows_in_any_order(connection, "SELECT * FROM latest") == rows_in_any_order(
        connection, "SELECT _document_key, _loaded_at FROM latest_in_ndjson"
    )
    found = connection.execute(
        "SELECT parse_filename(_source_uri), _run_id, invoice_header__invoice_number FROM invoices ORDER BY 1"
    ).fetchall()
    numbers = printed_numbers(GOOD[:2])
    assert found == [(names[0], "first", numbers[names[0]]), (names[1], "second", numbers[names[1]])]
    assert [row[:2] for row in connection.execute(documents).fetchall()] == [
        (names[0], "extracted"),
        (names[1], "extracted"),
        (CORRUPT.name, "failed"),
    ]
    expected = [EXPECTED[name]["expected"] for name in names]
    assert dict(connection.execute(totals).fetchall()) == {
        each["invoice_header"]["vendor_name"]: Decimal(str(each["totals"]["total_amount"])) for each in expected
    }


def rows_in_any_order(connection: Any, sql: str) -> list[Any]:
    return sorted(connection.execute(sql).fetchall())


def test_the_latest_is_by_when_it_was_extracted_whichever_was_written_last(extracted, lake, tmp_path):
    older = extracted(GOOD[:1])
    (spooled,) = (tmp_path / "results").glob("[!_]*.json")
    session = json.loads(spooled.read_text())
    session["result"]["completed_at"] = "2026-01-01T00:00:00Z"
    spooled.write_text(json.dumps(session))
    newer = extracted(GOOD[:1])
    write(newer, lake, Task(run_id="newer", task_id="lake"))
    write(older, lake, Task(run_id="cleared", task_id="lake"))
    with duckdb.connect() as connection:
        for view in QUERIES[:2]:
            connection.execute(view)
        assert connection.execute("SELECT _run_id FROM invoices").fetchall() == [("newer",)]


def test_the_page_names_a_file_as_it_is_named():
    (example,) = re.findall(r"raydocs/(ndjson/invoices/\S*-[0-9a-f]{12}\.ndjson)", PAGE)
    load = LoadContext("t", "h", LOGICAL_DATE, "invoices", "scheduled__2026-11-22T00:00:00+00:00", "lake", try_number=7)
    assert example == f"ndjson/invoices/{name_partition(LOGICAL_DATE, LOGICAL_DATE)}/{name_files(load)}.ndjson"


# --- in a Dag


def test_mapped_tasks_of_a_dag_write_files_of_their_own_below_the_date_of_their_run(
    connection, template: Template, run_dag: Callable[..., DagRun], lake, tmp_path, monkeypatch, capfd
):
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    monkeypatch.setenv("AIRFLOW_VAR_INVOICE_TEMPLATE", template.id)
    monkeypatch.setenv("AIRFLOW_VAR_INBOX", (ROOT / "example_dags" / "documents").as_uri())
    monkeypatch.setenv("AIRFLOW_VAR_RAYDOCS_RESULTS", (tmp_path / "results").as_uri())
    monkeypatch.setenv("AIRFLOW_VAR_LAKE", str(lake))
    file = HERE / "dags" / "extract_to_lake.py"
    with all_logs(tmp_path / "log") as log:
        run = run_dag(file, logical_date=LOGICAL_DATE)
    assert set(run.states().values()) == {"success"}, run.states()

    names = {Path(each).stem for each in files_in(lake)}
    assert sorted(name.rpartition("-")[0][-9:] for name in names) == ["__lake__0", "__lake__1"]
    assert {each.split("/")[2] for each in files_in(lake)} == {"load_date=2026-11-22"}
    assert numbers_in(lake) == printed_numbers(GOOD[:2])

    with create_session() as session:
        xcoms = [str(row.value) for row in session.query(XComModel).filter_by(run_id=run.run.run_id)]
    printed = capfd.readouterr()
    shown = log.read_text() + printed.out + printed.err + "".join(xcoms)
    assert "invoices__fields: " in shown
    assert not {value for path in GOOD[:2] for value in field_values(path.name) if value in shown}


def test_missing_documents_fail_a_load_that_runs_after_a_failed_extraction_when_all_files_are_written(extracted, lake):
    manifest = extracted([*GOOD[:2], CORRUPT], on_partial_failure="warn")
    ti = Task()
    with pytest.raises(AirflowFailException, match=r"^1 of 3 documents is missing \(1 x parsing: document_failed\)"):
        write(manifest, lake, ti, trigger_rule="all_done")
    assert len(numbers_in(lake, "ndjson")) == 2
    assert ti.pushed[XCOM_RETURN_KEY]["documents"] == {"extracted": 2, "failed": 1}
    assert write(manifest, lake)["documents"] == {"extracted": 2, "failed": 1}
