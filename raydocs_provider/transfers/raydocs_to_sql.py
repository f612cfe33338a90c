"""Land extracted documents as typed tables in a SQL warehouse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseHook, BaseOperator

from raydocs_provider.arguments import require_text

if TYPE_CHECKING:
    from airflow.sdk import Context

    from raydocs_provider.api.models import Result, Template
    from raydocs_provider.extraction.manifest import DocumentRecord, Manifest
    from raydocs_provider.extraction.spool import Spool
    from raydocs_provider.hooks.raydocs import RaydocsHook
    from raydocs_provider.landing.lander import LandingSummary
    from raydocs_provider.landing.rows import LandingDocument


class RaydocsToSqlOperator(BaseOperator):
    """
    Land the documents of an extraction: one row per document, one per list item, one per field, and the ledger.

    Types come from the template, never from the data. Everything happens in one transaction through the warehouse's
    own Airflow connection, and a document that is landed again replaces its earlier rows: a retry, a clear or a
    backfill never doubles a row. Results come from ``results_path`` of the extraction; without one, each is fetched
    from Raydocs (one request a document, ability ``sessions-read``, and one with ``templates-read``).

    Lands into PostgreSQL, DuckDB and SQLite. ``docs/landing.md`` describes the tables.

    :param extraction: the output of ``RaydocsExtractOperator`` or ``RaydocsSessionsSensor``. (templated)
    :param conn_id: the connection of the warehouse. (templated)
    :param table: name of the table with one row per document, ``name`` or ``schema.name``; the others are named after
        it. Created if missing; the schema has to exist. (templated)
    :param raydocs_conn_id: the Raydocs connection, used only where results are not on file; default: the one of the
        extraction. (templated)
    """

    template_fields: Sequence[str] = ("extraction", "conn_id", "table", "raydocs_conn_id")
    ui_color = "#e8e4f6"

    def __init__(
        self,
        *,
        extraction: Any,
        conn_id: str,
        table: str,
        raydocs_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.extraction = extraction
        self.conn_id = conn_id
        self.table = table
        self.raydocs_conn_id = raydocs_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """
        Land the documents and return how many rows went where.

        :raises RaydocsLandingError: when the warehouse refused; nothing of this load is in it then.
        """
        from raydocs_provider.api.schema import parse_schema
        from raydocs_provider.extraction.manifest import check_manifest
        from raydocs_provider.extraction.spool import load_manifest
        from raydocs_provider.hooks.raydocs import RaydocsHook
        from raydocs_provider.hooks.storage import open_spool
        from raydocs_provider.landing.lander import Lander
        from raydocs_provider.landing.rows import LoadContext
        from raydocs_provider.landing.tables import plan_tables
        from raydocs_provider.landing.warehouses import warehouse_for

        written = check_manifest(self.extraction)
        spool = open_spool(written.get("results_path"))
        manifest = load_manifest(written, spool)
        warehouse = warehouse_for(BaseHook.get_hook(require_text(self.conn_id, "conn_id")))
        ti = context["ti"]
        load = LoadContext(
            template_id=manifest.template_id,
            template_hash=manifest.template_hash,
            loaded_at=datetime.now(UTC),
            dag_id=ti.dag_id,
            run_id=ti.run_id,
            task_id=ti.task_id,
            map_index=ti.map_index if ti.map_index is not None else -1,
            try_number=ti.try_number,
        )
        with RaydocsHook(self.raydocs_conn_id or manifest.conn_id) as hook:
            template = self._read_template(manifest, spool, hook)
            plan = plan_tables(parse_schema(template.schema_json), require_text(self.table, "table"))
            documents = (_landing_document(*pair) for pair in _read_results(manifest, spool, hook))
            summary = Lander(warehouse, plan).land(documents, load)
        return self._conclude(context, summary)

    def _read_template(self, manifest: Manifest, spool: Spool | None, hook: RaydocsHook) -> Template:
        if spool is not None and manifest.template_hash:
            return spool.read_template(manifest.template_hash)
        template = hook.get_template(require_text(manifest.template_id, "the template id of the extraction"))
        if template.content_hash != manifest.template_hash:
            self.log.warning(
                "Template %s has changed since these documents were extracted: fields added since stay empty.",
                template.id,
            )
        return template

    def _conclude(self, context: Context, summary: LandingSummary) -> dict[str, Any]:
        landed: dict[str, Any] = {
            "rows": dict(summary.rows),
            "documents": dict(summary.documents),
            "problems": summary.problems,
        }
        for table, count in summary.rows.items():
            self.log.info("%s: %d row(s).", table, count)
        if summary.problems:
            self.log.warning(
                "%d value(s) did not fit their column and landed as NULL; the _meta column of their document says why, "
                "and the value stands as text in the fields table.",
                summary.problems,
            )
        for outlet in self.outlets:
            context["outlet_events"][outlet].extra.update(landed)
        return landed


def _read_results(
    manifest: Manifest, spool: Spool | None, hook: RaydocsHook
) -> Iterator[tuple[DocumentRecord, Result | None]]:
    """Every document to land with its result, one at a time: memory does not grow with their number."""
    for record in manifest.documents:
        if record.state == "skipped":
            continue  # landed before: its row in the ledger says so, and stays
        if record.result_id is None or record.session_id is None:
            yield record, None
        elif spool is not None:
            yield record, spool.read_session(record.session_id)[1]
        else:
            yield record, hook.get_result(record.result_id)


def _landing_document(record: DocumentRecord, result: Result | None) -> LandingDocument:
    from raydocs_provider.landing.rows import LandingDocument

    return LandingDocument(
        state=record.state,
        source_uri=record.uri,
        filename=record.name,
        sha256=record.sha256,
        session_id=record.session_id,
        result=result,
        stage=record.stage,
        code=record.code,
        reason=record.reason,
    )
