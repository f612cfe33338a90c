"""
Extractions and loads as OpenLineage describes them. Needs the extra ``openlineage``.

Documents are extracted into what Raydocs has of a template, which is a dataset of its own: its fields are what columns
are traced to, however many documents there are.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from airflow.providers.openlineage.extractors import OperatorLineage
from attrs import define
from openlineage.client.event_v2 import Dataset, InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    DatasetFacet,
    OutputDatasetFacet,
    RunFacet,
    column_lineage_dataset,
    dataset_version_dataset,
    input_statistics_input_dataset,
    output_statistics_output_dataset,
    schema_dataset,
)

from raydocs_provider.extraction.datasets import DatasetName, fold, name_document
from raydocs_provider.extraction.manifest import EXTRACTED, SKIPPED, DocumentRecord, Manifest
from raydocs_provider.hooks.lineage import Database, Load, find_database
from raydocs_provider.landing.lineage import Origin, list_fields, trace_columns

log = logging.getLogger(__name__)

#: Documents that one event names; of more than that, it names the folders.
MAX_INPUTS = 100


@define
class RaydocsRunFacet(RunFacet):
    """
    What a run had to do with Raydocs.

    :param templateId: of the template.
    :param templateHash: of its content: the version that the results belong to.
    :param sessions: how many hold the documents.
    :param documents: how many there are in each state.
    """

    templateId: str | None  # noqa: N815, events are written like this
    templateHash: str | None  # noqa: N815
    sessions: int
    documents: dict[str, int]


def describe_extraction(manifest: Manifest | None) -> OperatorLineage[Dataset, RunFacet]:
    """
    Say which documents a task has had extracted.

    :param manifest: None where the task failed before it knew.
    """
    if manifest is None:
        return OperatorLineage()
    documents = [record for record in manifest.documents if record.state != SKIPPED]
    template = _name_template(manifest)
    output = OutputDataset(
        template.namespace,
        template.name,
        facets=_describe_template(manifest),
        outputFacets=_count_rows(manifest.states[EXTRACTED]),
    )
    return OperatorLineage(
        inputs=_describe_documents(documents),
        outputs=[output],
        run_facets=_describe_run(manifest, documents),
    )


def describe_load(load: Load | None) -> OperatorLineage[Dataset, RunFacet]:
    """
    Say what a load has read and written. The tables of one that failed are named, and nothing is said about them.

    :param load: None where the task failed before it knew.
    """
    if load is None:
        return OperatorLineage()
    template = _name_template(load.manifest)
    fields = {"schema": _describe_columns(list_fields(load.schema))}
    read = InputDataset(template.namespace, template.name, facets=_describe_template(load.manifest) | fields)
    database = _find_database(load)
    return OperatorLineage(
        inputs=[read, *_describe_documents(load.documents)],
        outputs=_describe_tables(load, database, template) if database else [],
        run_facets=_describe_run(load.manifest, load.documents),
    )


def _find_database(load: Load) -> Database | None:
    try:
        return find_database(load.hook, load.plan.records.table)
    except Exception as error:
        # Not its text, in which there may be a whole connection.
        log.warning("OpenLineage is not told which tables were written: %s.", type(error).__name__)
        return None


def _describe_documents(documents: Iterable[DocumentRecord]) -> list[Dataset]:
    names = fold((name_document(record.uri) for record in documents), MAX_INPUTS)
    return [
        InputDataset(
            name.namespace,
            name.name,
            inputFacets={
                "inputStatistics": input_statistics_input_dataset.InputStatisticsInputDatasetFacet(fileCount=count)
            },
        )
        for name, count in names.items()
    ]


def _name_template(manifest: Manifest) -> DatasetName:
    # Without a host: the ids of templates are UUIDs.
    return DatasetName("raydocs", f"templates/{manifest.template_id}")


def _describe_template(manifest: Manifest) -> dict[str, DatasetFacet]:
    if manifest.template_hash is None:
        return {}
    return {"version": dataset_version_dataset.DatasetVersionDatasetFacet(manifest.template_hash)}


def _describe_tables(load: Load, database: Database, template: DatasetName) -> list[Dataset]:
    summary = load.summary
    if summary is None:
        return [OutputDataset(database.namespace, database.name(table)) for table in load.tables]
    origins = trace_columns(summary.agreement.plan)
    return [
        OutputDataset(
            database.namespace,
            database.name(table),
            facets=_describe_table(summary.columns.get(table.name, {}), origins.get(table, {}), database, template),
            outputFacets=_count_rows(summary.rows[str(table)]),
        )
        for table in load.tables
    ]


def _describe_table(
    columns: Mapping[str, str], origins: Mapping[str, Origin], database: Database, template: DatasetName
) -> dict[str, DatasetFacet]:
    spelled = {database.spell(name): type_ for name, type_ in columns.items()}
    facets: dict[str, DatasetFacet] = {"schema": _describe_columns(spelled)}
    if origins:
        facets["columnLineage"] = column_lineage_dataset.ColumnLineageDatasetFacet(
            fields={
                database.spell(name): column_lineage_dataset.Fields(_describe_origin(origin, template))
                for name, origin in origins.items()
            }
        )
    return facets


def _describe_origin(origin: Origin, template: DatasetName) -> list[column_lineage_dataset.InputField]:
    change = column_lineage_dataset.Transformation(
        type="DIRECT",
        subtype="IDENTITY" if origin.unchanged else "TRANSFORMATION",
        description=origin.reading,
    )
    return [
        column_lineage_dataset.InputField(template.namespace, template.name, field, transformations=[change])
        for field in origin.fields
    ]


def _describe_columns(types: Mapping[str, str]) -> schema_dataset.SchemaDatasetFacet:
    return schema_dataset.SchemaDatasetFacet(
        fields=[schema_dataset.SchemaDatasetFacetFields(name, type_) for name, type_ in types.items()]
    )


def _count_rows(count: int) -> dict[str, OutputDatasetFacet]:
    return {"outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=count)}


def _describe_run(manifest: Manifest, documents: Sequence[DocumentRecord]) -> dict[str, RunFacet]:
    return {
        "raydocs": RaydocsRunFacet(
            templateId=manifest.template_id,
            templateHash=manifest.template_hash,
            sessions=len({record.session_id for record in documents if record.session_id}),
            documents=dict(Counter(record.state for record in documents)),
        )
    }
