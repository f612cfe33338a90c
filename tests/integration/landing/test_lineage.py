"""What lineage tools are told about extractions and loads, in the names that these tools have for the same things."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from airflow.sdk import Asset
from packaging.version import Version

from raydocs_provider.api.models import Template
from raydocs_provider.emulator import Emulator
from raydocs_provider.exceptions import RaydocsLandingError, RaydocsManifestError
from raydocs_provider.hooks import lineage
from raydocs_provider.hooks.results import open_results
from raydocs_provider.landing.tables import Table
from raydocs_provider.operators.raydocs import RaydocsExtractOperator
from raydocs_provider.transfers.raydocs_to_sql import RaydocsToSqlOperator
from tests.integration.conftest import CORRUPT, GOOD, HERE, SCHEMA, DagRun, Task, all_logs, copies
from tests.integration.landing.conftest import CONN_ID, MYSQL, POSTGRES, Database
from tests.integration.test_secrets import field_values
from tests.moved import BaseHook
from tests.version_marks import AIRFLOW

DAG = HERE / "dags" / "extract_and_load.py"
ENGINES = pytest.mark.parametrize("database", ["duckdb", "sqlite", POSTGRES[0], MYSQL[0]], indirect=True)
ON_POSTGRES = pytest.mark.parametrize("database", [POSTGRES[0]], indirect=True)
FIELDS = {
    f"{group}.{field}"
    for group, names in json.loads(SCHEMA.read_text(encoding="utf-8"))["groups"].items()
    for field in names["fields"]
    if field != "line_items"
} | {f"lines.line_items.{name}" for name in ("position", "description", "quantity", "unit_price", "total")}

Events = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Events]:
    """What the listener of OpenLineage sends while the test runs."""
    from airflow.providers.openlineage import conf
    from airflow.providers.openlineage.plugins import openlineage
    from airflow.providers.openlineage.plugins.listener import OpenLineageListener

    from tests.moved import get_listener_manager

    # It was loaded when there was no transport: its own listener, which would send the same, is not there.
    assert openlineage.OpenLineageProviderPlugin.listeners == []
    file = tmp_path / "events.ndjson"
    transport = {"type": "file", "log_file_path": str(file), "append": True}
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", json.dumps(transport))
    # A fork would not have the threads of the emulator.
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__EXECUTE_IN_THREAD", "True")
    settings = [function for function in vars(conf).values() if hasattr(function, "cache_clear")]
    for setting in settings:
        setting.cache_clear()
    listener = OpenLineageListener()
    manager = get_listener_manager()
    manager.add_listener(listener)
    yield lambda: [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    manager.pm.unregister(listener)
    for setting in settings:
        setting.cache_clear()


@pytest.fixture
def extracted(template: Template, results_path: str, ti: Task, no_pauses: None) -> Callable[..., dict[str, Any]]:
    """Has documents extracted; returns the manifest."""

    def run(documents: list[Path]) -> dict[str, Any]:
        operator = RaydocsExtractOperator(
            task_id="extract",
            template_id=template.id,
            documents=[str(path) for path in documents],
            results_path=results_path,
            expected_seconds=0.2,
            on_partial_failure="warn",
        )
        return operator.execute(ti.context)

    return run


def load_into(database: Database, extraction: dict[str, Any], **arguments: Any) -> RaydocsToSqlOperator:
    return RaydocsToSqlOperator(
        task_id="load", extraction=extraction, conn_id=CONN_ID, table=database.table, **arguments
    )


def namespace_and_parents(database: Database) -> tuple[str, list[str]]:
    """What OpenLineage has for this database, and in front of a table's name in it."""
    hook, connection = database.hook, database.hook.get_connection(CONN_ID)
    match hook.conn_type:
        case "duckdb":
            return f"duckdb://{connection.host}", ["warehouse", "main"]
        case "sqlite":
            return f"sqlite://{connection.host}", []
        case "mysql":
            return "mysql://127.0.0.1:3306", [connection.schema]
        case _:
            host = quote(connection.host, safe="")
            return f"postgres://{host}:5432", ["postgres", "landing test"]


def described(operator: Any) -> dict[str, Any]:
    """What an operator tells OpenLineage, as it is sent."""
    from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
    from openlineage.client.serde import Serde

    facts = operator.get_openlineage_facets_on_complete(None)
    event = RunEvent(
        eventType=RunState.COMPLETE,
        eventTime="2026-01-01T00:00:00Z",
        run=Run("01a2054d-0000-7000-8000-000000000000", facts.run_facets),
        job=Job("tests", "load", facts.job_facets),
        inputs=facts.inputs,
        outputs=facts.outputs,
    )
    return dict(json.loads(Serde.to_json(event)))


def names(datasets: list[Any]) -> list[tuple[str, str]]:
    return [(dataset["namespace"], dataset["name"]) for dataset in datasets]


def facet(dataset: dict[str, Any], name: str) -> Any:
    facets = dataset.get("facets", {}) | dataset.get("inputFacets", {}) | dataset.get("outputFacets", {})
    return {key: value for key, value in facets[name].items() if not key.startswith("_")}


def origins(dataset: dict[str, Any]) -> dict[str, set[str]]:
    """The fields that each column is made of."""
    fields = facet(dataset, "columnLineage")["fields"]
    return {column: {field["field"] for field in made["inputFields"]} for column, made in fields.items()}


@ENGINES
def test_a_load_tells_which_documents_and_fields_its_tables_are_made_of(
    run_dag: Callable[..., DagRun],
    events: Events,
    emulator: Emulator,
    connection: str,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    no_pauses: None,
    tmp_path: Path,
) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    given = [*GOOD[:2], CORRUPT]
    for path in given:
        (inbox / path.name).write_bytes(path.read_bytes())
    monkeypatch.setenv("AIRFLOW_VAR_INBOX", str(inbox))
    monkeypatch.setenv("AIRFLOW_VAR_RAYDOCS_RESULTS", (tmp_path / "results").as_uri())
    monkeypatch.setenv("AIRFLOW_VAR_INVOICE_SCHEMA", str(SCHEMA))
    run = run_dag(DAG, run_conf={"table": database.table})
    assert run.states() == {"template": "success", "extract": "failed", "load": "success"}

    sent = {(event["job"]["name"].rpartition(".")[2], event["eventType"]): event for event in events()}
    extraction, load = sent["extract", "FAIL"], sent["load", "COMPLETE"]
    documents = [("file", str(inbox / path.name)) for path in given]
    (template,) = names(extraction["outputs"])
    assert template[0] == "raydocs"
    assert sorted(names(extraction["inputs"])) == sorted(documents)
    assert facet(extraction["outputs"][0], "outputStatistics")["rowCount"] == 2
    assert sorted(names(load["inputs"])) == sorted([template, *documents])

    template_read = next(dataset for dataset in load["inputs"] if names([dataset]) == [template])
    assert {field["name"] for field in facet(template_read, "schema")["fields"]} == FIELDS
    version = facet(template_read, "version")["datasetVersion"]
    assert version == facet(extraction["outputs"][0], "version")["datasetVersion"]
    told = load["run"]["facets"]["raydocs"]
    assert told["templateId"] == template[1].removeprefix("templates/")
    assert told["templateHash"] == version
    assert told["sessions"] == 3
    assert told["documents"] == {"extracted": 2, "failed": 1}

    namespace, parents = namespace_and_parents(database)
    tables = [f"invoices{suffix}" for suffix in ("", "__lines__line_items", "__fields", "__documents")]
    assert names(load["outputs"]) == [(namespace, ".".join([*parents, table])) for table in tables]
    for table, dataset in zip(tables, load["outputs"], strict=True):
        plan = Table((*database.table.split(".")[:-1], table), ())
        columns = {field["name"] for field in facet(dataset, "schema")["fields"]}
        assert columns - {"_row_id"} == database.columns(plan)  # which MySQL does not show
        assert facet(dataset, "outputStatistics")["rowCount"] == database.count(plan)
    invoices, lines, fields, ledger = load["outputs"]
    assert origins(invoices) == {name.replace(".", "__"): {name} for name in FIELDS if not name.startswith("lines.")}
    assert origins(lines) == {
        name.removeprefix("lines.line_items."): {name} for name in FIELDS if name.startswith("lines.")
    }
    assert origins(fields) == {"value": FIELDS}
    assert "columnLineage" not in ledger["facets"]
    for dataset in (invoices, lines, fields):
        made = facet(dataset, "columnLineage")["fields"].values()
        assert {(field["namespace"], field["name"]) for each in made for field in each["inputFields"]} == {template}
    (number,) = facet(invoices, "columnLineage")["fields"]["totals__total_amount"]["inputFields"]
    assert number["transformations"][0]["description"] == "read as decimal"

    everything = json.dumps(list(sent.values()))
    assert not [value for name in given[:2] for value in field_values(name.name) if value in everything]
    assert emulator.token not in everything
    assert "signature=" not in everything


@ENGINES
def test_a_table_is_described_alike_whether_it_is_new_or_not(
    database: Database, extracted: Callable[..., dict[str, Any]], ti: Task
) -> None:
    extraction = extracted(GOOD[:1])

    def outputs() -> list[Any]:
        load = load_into(database, extraction)
        load.execute(ti.context)
        return described(load)["outputs"]

    first = outputs()
    assert outputs() == first
    types = {field["name"]: field["type"] for field in facet(first[0], "schema")["fields"]}
    expected = {"duckdb": "DECIMAL(38,9)", "sqlite": "DECIMAL(38,9)", "mysql": "decimal(38,9)"}
    assert types["totals__total_amount"] == expected.get(database.hook.conn_type, "numeric(38,9)")


@ON_POSTGRES
def test_columns_are_described_as_they_are_and_not_as_they_should_be(
    database: Database, extracted: Callable[..., dict[str, Any]], ti: Task
) -> None:
    database.execute('CREATE TABLE "landing test".invoices (id SERIAL, totals__total_amount TEXT)')
    load = load_into(
        database,
        extracted(GOOD[:1]),
        on_schema_change="discard",
        column_types={"totals.total_amount": "decimal:."},
    )
    load.execute(ti.context)
    invoices, fields, _ = described(load)["outputs"]  # the table for the lines is left out
    types = {field["name"]: field["type"] for field in facet(invoices, "schema")["fields"]}
    assert types["id"] == "integer"
    assert types["totals__total_amount"] == "text"
    assert origins(invoices) == {"totals__total_amount": {"totals.total_amount"}}
    assert origins(fields) == {"value": FIELDS}


@ENGINES
def test_of_a_load_that_failed_the_tables_are_named_and_nothing_is_said_about_them(
    database: Database, extracted: Callable[..., dict[str, Any]], ti: Task
) -> None:
    load = load_into(database, extracted(GOOD[:1]), on_schema_change="freeze")
    with pytest.raises(RaydocsLandingError, match="invoices"):
        load.execute(ti.context)
    event = described(load)
    namespace, parents = namespace_and_parents(database)
    assert names(event["outputs"])[0] == (namespace, ".".join([*parents, "invoices"]))
    assert len(event["outputs"]) == 4
    assert all(not dataset["facets"] and not dataset["outputFacets"] for dataset in event["outputs"])
    assert len(event["inputs"]) == 2


def test_of_a_task_that_failed_before_it_knew_anything_nothing_is_told(ti: Task) -> None:
    load = RaydocsToSqlOperator(task_id="load", extraction=None, conn_id=CONN_ID, table="invoices")
    with pytest.raises(RaydocsManifestError):
        load.execute(ti.context)
    extract = RaydocsExtractOperator(task_id="extract", template_id="1", documents=[])
    for operator in (load, extract):
        event = described(operator)
        assert (event["inputs"], event["outputs"], event["run"]["facets"]) == ([], [], {})


@pytest.mark.parametrize("database", ["duckdb"], indirect=True)
def test_many_documents_are_named_by_their_folder(
    database: Database, extracted: Callable[..., dict[str, Any]], ti: Task, tmp_path: Path
) -> None:
    (tmp_path / "inbox").mkdir()
    load = load_into(database, extracted(copies(tmp_path / "inbox", 101)))
    load.execute(ti.context)
    _, folder = described(load)["inputs"]
    assert names([folder]) == [("file", str(tmp_path / "inbox"))]
    assert facet(folder, "inputStatistics") == {"fileCount": 101}


@pytest.mark.parametrize("database", ["duckdb"], indirect=True)
def test_a_load_of_verdicts_names_their_documents_alone(
    database: Database, extracted: Callable[..., dict[str, Any]], ti: Task
) -> None:
    extraction = extracted(GOOD[:3])
    with open_results(extraction) as results:
        record = list(results.records())[1]
    load = load_into(database, extraction, verdicts=[{"session_id": record.session_id}])
    load.execute(ti.context)
    _, document = described(load)["inputs"]
    assert document["name"] == record.uri.removeprefix("file://")


@pytest.mark.parametrize("database", ["duckdb"], indirect=True)
def test_without_the_provider_of_openlineage_nothing_changes(
    database: Database,
    extracted: Callable[..., dict[str, Any]],
    ti: Task,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name in [name for name in sys.modules if name.startswith(("airflow.providers.openlineage", "openlineage"))]:
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("airflow.providers.openlineage", "openlineage"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "raydocs_provider.hooks.openlineage", raising=False)
    with all_logs(tmp_path / "log") as log:
        load = load_into(database, extracted(GOOD[:1]))
        assert load.execute(ti.context)["documents"] == {"extracted": 1}
        assert load.get_openlineage_facets_on_complete(None) is None
    assert "lineage" not in log.read_text().casefold()


@pytest.mark.parametrize(
    ("connection", "table", "namespace", "name", "uri"),
    [
        (
            {"conn_type": "postgres", "host": "db.example.com", "port": 6432, "schema": "dwh"},
            "finance.invoices",
            "postgres://db.example.com:6432",
            "dwh.finance.invoices",
            "postgres://db.example.com:6432/dwh/finance/invoices",
        ),
        (
            {"conn_type": "postgres", "host": "db.example.com", "schema": "dwh"},
            "dwh.finance/2026.invoices",
            "postgres://db.example.com:5432",
            "dwh.finance/2026.invoices",
            "postgres://db.example.com:5432/dwh/finance%2F2026/invoices",
        ),
        (
            {"conn_type": "mysql", "host": "db.example.com", "schema": "dwh"},
            "finance.invoices",
            "mysql://db.example.com:3306",
            "finance.invoices",
            "mysql://db.example.com:3306/finance/invoices",
        ),
        (
            {"conn_type": "snowflake", "schema": "public", "extra": {"account": "org-name", "database": "dwh"}},
            "größe",
            "snowflake://org-name",
            "DWH.PUBLIC.GRößE",
            "snowflake://org-name/DWH/PUBLIC/GRößE",
        ),
        (
            {"conn_type": "redshift", "host": "dwh.abc.eu-west-1.redshift.amazonaws.com", "schema": "dev"},
            "finance.invoices",
            "redshift://dwh.eu-west-1:5439",
            "dev.finance.invoices",
            "redshift://dwh.eu-west-1:5439/dev/finance/invoices",
        ),
        (
            {"conn_type": "duckdb", "schema": "dwh", "password": "the token"},
            "finance.invoices",
            "duckdb://md:dwh",
            "dwh.finance.invoices",
            None,
        ),
    ],
    ids=["postgres", "postgres with a slash", "mysql", "snowflake", "redshift", "motherduck"],
)
def test_a_table_has_the_name_that_other_tools_have_for_it(
    connect: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    connection: dict[str, Any],
    table: str,
    namespace: str,
    name: str,
    uri: str | None,
) -> None:
    hook = BaseHook.get_hook(connect("elsewhere", **connection | {"login": "loader"}))
    if connection["conn_type"] == "snowflake":
        # As snowflake-sqlalchemy makes it, which is not among the packages for tests.
        monkeypatch.setattr(hook, "get_uri", lambda: "snowflake://loader:secret@org-name/dwh/public")
    planned = Table(tuple(table.split(".")), ())
    database = lineage.find_database(hook, planned)
    assert database is not None
    assert (database.namespace, database.name(planned), database.uri(planned)) == (namespace, name, uri)
    assert uri is None or Asset(uri=uri).uri == uri


@pytest.mark.parametrize(
    ("adapter", "profile", "connection"),
    [
        ("duckdb", {"path": "/data/dwh.duckdb"}, {"host": "/data/dwh.duckdb"}),
        ("postgres", {"host": "db.example.com", "port": 5432}, {"host": "db.example.com", "schema": "dwh"}),
    ],
)
def test_a_database_has_the_name_that_dbt_has_for_it(
    connect: Callable[..., str], adapter: str, profile: dict[str, Any], connection: dict[str, Any]
) -> None:
    from openlineage.common.provider.dbt.processor import Adapter, DbtArtifactProcessor

    hook = BaseHook.get_hook(connect("elsewhere", conn_type=adapter, **connection))
    database = lineage.find_database(hook, Table(("finance", "invoices"), ()))
    processor: Any = SimpleNamespace(adapter_type=Adapter(adapter))
    assert database is not None
    assert database.namespace == DbtArtifactProcessor.extract_namespace(processor, profile)
    assert database.name(Table(("finance", "invoices"), ())) == "dwh.finance.invoices"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A collector of lineage as a task has where somebody reads it."""
    from tests.moved import HookLineageCollector

    made = HookLineageCollector()
    monkeypatch.setattr(lineage, "get_hook_lineage_collector", lambda: made)
    return made


@ENGINES
def test_assets_have_the_names_that_openlineage_is_told(
    database: Database, extracted: Callable[..., dict[str, Any]], ti: Task, collector: Any
) -> None:
    load = load_into(database, extracted(GOOD[:2]))
    load.execute(ti.context)
    told = described(load)
    collected = collector.collected_assets
    assert translated(collected.inputs) == names(told["inputs"])[1:]
    # Airflow has no assets for tables of DuckDB and SQLite.
    has_assets = database.hook.conn_type in ("postgres", "mysql")
    assert len(collected.outputs) == (len(told["outputs"]) if has_assets else 0)
    # With Airflow 3.0 and 3.1 come providers that cannot name theirs for OpenLineage.
    named = translated(collected.outputs)
    assert named == (names(told["outputs"]) if has_assets else []) or (named == [] and Version("3.2") > AIRFLOW)


def translated(infos: list[Any]) -> list[tuple[str, str]]:
    """What the providers of Airflow make of assets for OpenLineage."""
    from airflow.providers.common.compat.openlineage.utils.utils import translate_airflow_asset

    found = [translate_airflow_asset(info.asset, info.context) for info in infos]
    return [(dataset.namespace, dataset.name) for dataset in found if dataset]


@pytest.mark.parametrize("database", ["duckdb"], indirect=True)
def test_the_asset_of_a_document_has_its_whole_name(
    database: Database, extracted: Callable[..., dict[str, Any]], ti: Task, collector: Any, tmp_path: Path
) -> None:
    odd = tmp_path / "Invoice #12 (50%).pdf"
    odd.write_bytes(GOOD[0].read_bytes())
    load_into(database, extracted([odd])).execute(ti.context)
    (document,) = collector.collected_assets.inputs
    assert document.asset.uri.endswith("/Invoice %2312 (50%).pdf")


@ON_POSTGRES
def test_where_the_database_does_not_tell_its_names_the_documents_are_told_all_the_same(
    database: Database, extracted: Callable[..., dict[str, Any]], ti: Task, caplog: pytest.LogCaptureFixture
) -> None:
    load = load_into(database, extracted(GOOD[:2]))
    load.execute(ti.context)
    load._load.hook.get_openlineage_database_info = lambda _: 1 / 0
    told = described(load)
    assert (len(told["inputs"]), told["outputs"]) == (3, [])
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("database", ["duckdb"], indirect=True)
def test_lineage_that_fails_is_no_matter_of_the_load(
    database: Database,
    extracted: Callable[..., dict[str, Any]],
    ti: Task,
    collector: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(**_: Any) -> None:
        raise ValueError("no such asset")

    monkeypatch.setattr(collector, "add_input_asset", refuse)
    assert load_into(database, extracted(GOOD[:1])).execute(ti.context)["documents"] == {"extracted": 1}
