"""What a load is made of and where it goes, in the names of Airflow's assets and of OpenLineage."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase
from typing import Any

from raydocs_provider.api.schema import ExtractionSchema
from raydocs_provider.extraction.datasets import DatasetName, fold, name_document
from raydocs_provider.extraction.manifest import DocumentRecord, Manifest
from raydocs_provider.landing.lander import LandingSummary
from raydocs_provider.landing.tables import LandingPlan, Table
from raydocs_provider.version_compat import get_hook_lineage_collector

log = logging.getLogger(__name__)

#: The collector takes 100 inputs of a task, among them every file that the task reads.
MAX_ASSETS = 50
# Schemes whose assets are database, schema and table in the path.
_ASSET_SCHEMES = ("postgres", "mysql", "redshift", "snowflake", "bigquery", "trino", "mssql", "oracle")

# Assets lose what follows. All else stays as it is, for they are translated to OpenLineage as they are.
_ESCAPED = {ord("?"): "%3F", ord("#"): "%23"}

_UPPER = str.maketrans(ascii_lowercase, ascii_uppercase)


@dataclass(frozen=True, slots=True)
class Load:
    """
    What is known of a load: no rows, no values.

    :param manifest: of the extraction.
    :param documents: those of the manifest that the load is about.
    :param schema: of the template.
    :param hook: of the warehouse.
    :param plan: which tables there are to be.
    :param summary: what was done; None while the load has not succeeded.
    """

    manifest: Manifest
    documents: Sequence[DocumentRecord]
    schema: ExtractionSchema
    hook: Any
    plan: LandingPlan
    summary: LandingSummary | None = None

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables that the load writes, as far as is known."""
        return (self.summary.agreement.plan if self.summary else self.plan).tables


@dataclass(frozen=True, slots=True)
class Database:
    """
    Where the tables of a connection are.

    :param namespace: in OpenLineage.
    :param database: of tables that are named without one; None where the engine has none, or it is not known.
    :param schema: likewise.
    :param is_upper: whether lineage knows the names of this engine in upper case.
    """

    namespace: str
    database: str | None = None
    schema: str | None = None
    is_upper: bool = False

    def name(self, table: Table) -> str:
        """What lineage calls a table."""
        return self.spell(".".join(self._parts(table)))

    def spell(self, name: str) -> str:
        """A name in the letters that lineage knows it in."""
        return name.translate(_UPPER) if self.is_upper else name

    def uri(self, table: Table) -> str | None:
        """The URI of a table as an asset; None where Airflow has no rule for it."""
        scheme, separator, _ = self.namespace.partition("://")
        if scheme not in _ASSET_SCHEMES:
            return None
        path = "/".join(self.spell(part).translate(_ESCAPED | {ord("/"): "%2F"}) for part in self._parts(table))
        return f"{self.namespace}/{path}" if separator else f"{scheme}://{path}"

    def _parts(self, table: Table) -> list[str]:
        *parents, name = table.name
        schema = parents.pop() if parents else self.schema
        database = parents.pop() if parents else self.database
        return [part for part in (database, schema, name) if part]


def find_database(hook: Any, table: Table) -> Database | None:
    """
    Find where a table is, as OpenLineage has it: the names that other tools have for the same table.

    :param hook: of the warehouse.
    :param table: asks the database for the schema where it is named without one.
    :return: None for an engine of which the hook does not say.
    :raises ImportError: without the OpenLineage provider, for engines of which only the hook can say.
    """
    engines = {base.__name__ for base in type(hook).__mro__}
    if "DuckDBHook" in engines:
        return _find_duckdb(hook.get_database())
    if "SqliteHook" in engines:
        path = hook.get_uri().partition("///")[2].partition("?")[0]
        return Database(f"sqlite://{Path(path).absolute()}")
    connection = hook.get_connection(getattr(hook, hook.conn_name_attr))
    info = hook.get_openlineage_database_info(connection)
    if info is None:
        return None
    namespace = f"{info.scheme}://{info.authority}" if info.authority else info.scheme
    # What MySQL has instead of schemas are its databases.
    schema = connection.schema if info.scheme == "mysql" else None
    if not schema and len(table.name) == 1:
        schema = hook.get_openlineage_default_schema()
    return Database(namespace, info.database or None, schema or None, info.is_uppercase_names)


def _find_duckdb(database: str) -> Database:
    """By the naming of dbt, as OpenLineage has no rule. The path of MotherDuck has a token in it."""
    path = database.partition("?")[0]
    if path.startswith("md:"):
        return Database(f"duckdb://{path}", path.removeprefix("md:") or None, "main")
    file = Path(path).absolute()
    return Database(f"duckdb://{file}", file.name.split(".")[0], "main")


def report_assets(load: Load) -> None:
    """
    Tell Airflow's collector of lineage which documents a load has read and which tables it has written.

    Whatever goes wrong here is no matter of the load, which is done.
    """
    try:
        collector = get_hook_lineage_collector()
        if type(collector).__name__ == "NoOpCollector":  # nobody listens; its class has moved between versions
            return
        for name in fold((name_document(record.uri) for record in load.documents), MAX_ASSETS):
            collector.add_input_asset(context=load.hook, uri=_uri(name))
        if (database := find_database(load.hook, load.plan.records.table)) is None:
            return
        for table in load.tables:
            if uri := database.uri(table):
                collector.add_output_asset(context=load.hook, uri=uri)
    except Exception as error:
        log.debug("The lineage of this load is not complete: %s.", type(error).__name__)


def _uri(name: DatasetName) -> str:
    path = name.name.translate(_ESCAPED)
    separator = "" if path.startswith("/") else "/"
    namespace = name.namespace if "://" in name.namespace else f"{name.namespace}://"
    return f"{namespace}{separator}{path}"
