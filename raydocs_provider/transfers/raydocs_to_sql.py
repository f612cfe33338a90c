"""Land extracted documents as typed tables in a SQL warehouse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, BaseOperatorLink

from raydocs_provider.arguments import EVOLVE, FAIL, SCHEMA_MODES, WARN, choose_missing, require_choice, require_text
from raydocs_provider.links.raydocs import RaydocsDocumentsLink
from raydocs_provider.wording import say_count

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context

    from raydocs_provider.extraction.progress import Usage
    from raydocs_provider.hooks.lineage import Load
    from raydocs_provider.landing.lander import LandingSummary
    from raydocs_provider.landing.target import Target

# Of the documents to review; the view has them all. A task can be mapped over 1,024 by default.
MAX_LISTED_REVIEWS = 500


class RaydocsToSqlOperator(BaseOperator):
    """
    Land the documents of an extraction: one row per document, one per list item, one per field, and the ledger.

    Types come from the template, never from the data. Everything happens in one transaction, where the warehouse has
    them, through its own Airflow connection, and a document that is landed again replaces its earlier rows: a retry, a
    clear or a backfill never doubles a row, and a result that is older than the one that stands does not replace it.
    Results come from ``results_path`` of the extraction; without one, each is fetched from Raydocs (one request a
    document, ability ``sessions-read``, and one with ``templates-read``).

    ``docs/landing.md`` describes the tables, and which warehouses there are.

    :param extraction: the output of ``RaydocsExtractOperator`` or ``RaydocsSessionsSensor``. (templated)
    :param conn_id: the connection of the warehouse. (templated)
    :param table: name of the table with one row per document, ``name`` or ``schema.name``; the others are named after
        it. Created if missing; the schema has to exist. (templated)
    :param column_types: types for what the template's schema cannot say, and how texts are read into them:
        ``{"invoice_header.invoice_date": "date:%d/%m/%Y", "totals.total_amount": "decimal:,"}``. Default: the types of
        the template. (templated)
    :param on_schema_change: ``"evolve"`` (default) adds tables and columns that are missing; ``"freeze"`` fails, before
        anything is written, if the target differs from the template; ``"discard"`` adds none for new fields, whose
        values are then in ``<table>__fields`` alone. A column that exists never changes its type.
    :param review_below: confidence, 0 to 1, below which a person should look at a value; for single fields a mapping
        such as ``{"totals.total_amount": 0.95, "*": 0.8}``. Default: nobody looks.
    :param review_checks: what else makes a document one to review: ``"required(invoice_header.invoice_number)"``,
        ``"sum(lines.line_items.total) = totals.subtotal +/- 0.01"``. Nothing of this keeps a document from landing: it
        sets ``review_status`` and the codes in the ledger, which the view ``<table>__review`` shows. Default: none.
    :param verdicts: what people made of documents to review: a list of ``{"session_id": ..., "corrections":
        {"group.field": value}, "reviewed_by": ..., "reviewed_at": ...}``, of which only the first is needed. Then only
        these documents land, under the same key, with the corrected values in their columns and the extracted ones in
        ``<table>__fields``. A correction is read as an extracted value is; None is that the document has no such value.
        No other load of the same result undoes it. Default: all documents land as extracted. (templated)
    :param missing: what to do about documents that the extraction has not got (failed, ambiguous, not finished), when
        everything else has landed: ``"fail"`` fails the task, without a retry, so that the Dag run says it; ``"warn"``
        logs how many, and why. Default: ``"fail"`` if the ``trigger_rule`` lets this task run after a failed
        extraction (``"all_done"``), else ``"warn"``. A load of ``verdicts`` does neither.
    :param raydocs_conn_id: the Raydocs connection, used only where results are not on file; default: the one of the
        extraction. (templated)
    """

    operator_extra_links: tuple[BaseOperatorLink, ...] = (RaydocsDocumentsLink(),)
    template_fields: Sequence[str] = ("extraction", "conn_id", "table", "column_types", "verdicts", "raydocs_conn_id")
    ui_color = "#e8e4f6"

    def __init__(
        self,
        *,
        extraction: Any,
        conn_id: str,
        table: str,
        column_types: Mapping[str, str] | None = None,
        on_schema_change: str = EVOLVE,
        review_below: float | Mapping[str, float] | None = None,
        review_checks: Sequence[str] = (),
        verdicts: Any = None,
        missing: str | None = None,
        raydocs_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.extraction = extraction
        self.conn_id = conn_id
        self.table = table
        self.column_types = column_types
        self.on_schema_change = require_choice(on_schema_change, "on_schema_change", SCHEMA_MODES)
        self.review_below = review_below
        self.review_checks = review_checks
        self.verdicts = verdicts
        self.missing = None if missing is None else require_choice(missing, "missing", (FAIL, WARN))
        self.raydocs_conn_id = raydocs_conn_id
        self._load: Load | None = None
        if column_types or review_below is not None or review_checks:
            self._target()  # a mistake in them shows when the Dag is parsed

    def execute(self, context: Context) -> dict[str, Any]:
        """
        Land the documents and return how many rows went where, and which documents a person should look at.

        :raises RaydocsInputError: an argument that does not go with the template, or a verdict for what is no document
            to review, or with a correction that does not fit; nothing of this load is in the warehouse then.
        :raises RaydocsLandingError: when the warehouse refused, or its tables are not what ``on_schema_change`` asks
            for; the error says what is left of this load then: no row, unless the warehouse has no transactions or the
            answer to its commit was lost.
        :raises AirflowFailException: when documents are missing and ``missing`` says to fail, after all others landed.
        """
        from raydocs_provider.api.schema import parse_schema
        from raydocs_provider.extraction.progress import LOAD
        from raydocs_provider.hooks.lineage import Load, report_assets
        from raydocs_provider.hooks.reporting import announce_landing, log_phase, report_missing
        from raydocs_provider.hooks.results import open_results
        from raydocs_provider.hooks.warehouse import open_warehouse
        from raydocs_provider.landing.verdicts import parse_verdicts

        target = self._target()
        with open_results(self.extraction, self.raydocs_conn_id) as results:
            warehouse = open_warehouse(require_text(self.conn_id, "conn_id"))
            manifest = results.manifest
            announce_landing(context, LOAD, self.extraction)
            verdicts = None if self.verdicts is None else parse_verdicts(self.verdicts, results.sessions())
            load = results.describe_load(context)
            schema = parse_schema(results.template.schema_json)
            lander = target.lander(warehouse, schema)
            self._load = Load(manifest, list(results.records(verdicts)), schema, warehouse.hook, lander.plan)
            with log_phase(self.log, "Read the results and write the rows") as span:
                # Mapped task instances load into the same tables: each makes its rows before it keeps the others out.
                at_hand = results.at_hand and load.map_index < 0
                summary = lander.land(results.documents(verdicts), load, at_hand)
                span.set_attribute("raydocs.rows", sum(summary.rows.values()))
        self._load = replace(self._load, summary=summary)
        report_assets(self._load)
        landed = self._conclude(context, summary, results.usage)
        if self.verdicts is None:
            report_missing(context, manifest, landed, choose_missing(self.missing, self.trigger_rule))
        return landed

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """Tell OpenLineage what was read and written, also of a load that failed; None without its provider."""
        try:
            from raydocs_provider.hooks.openlineage import describe_load
        except ImportError:
            return None
        return describe_load(self._load)

    def _target(self) -> Target:
        from raydocs_provider.landing.target import Target

        return Target(
            self.conn_id, self.table, self.column_types, self.on_schema_change, self.review_below, self.review_checks
        )

    def _conclude(self, context: Context, summary: LandingSummary, usage: Usage) -> dict[str, Any]:
        from raydocs_provider.extraction.progress import LOAD
        from raydocs_provider.hooks.reporting import report_landing

        for note in summary.notes:
            self.log.warning("Not everything fits: %s. What does not is in the fields table as text.", note)
        for table, count in summary.rows.items():
            self.log.info("%s: %s.", table, say_count(count, "row"))
        if summary.kept and self.verdicts is not None:
            self.log.warning(
                "%s not followed: the tables hold a newer result of the document since.",
                say_count(summary.kept, "verdict was", "verdicts were"),
            )
        elif summary.kept:
            self.log.info(
                "%s: the tables hold a newer result, or a person's word.",
                say_count(summary.kept, "document was left as it is", "documents were left as they are"),
            )
        if summary.problems:
            self.log.warning(
                "%s; the _meta column of the document says which and why, and the fields table has each as text.",
                say_count(summary.problems, "value did not land as it is", "values did not land as they are"),
            )
        if summary.reviews:
            counts = ", ".join(f"{count} {status}" for status, count in sorted(summary.reviews.items()))
            self.log.info("Review: %s. Why is in review_codes of %s__documents.", counts, self.table)
        landed: dict[str, Any] = {
            "rows": dict(summary.rows),
            "documents": dict(summary.documents),
            "problems": summary.problems,
            "kept": summary.kept,
            "reviews": dict(summary.reviews),
        }
        report_landing(context, LOAD, landed, self.extraction, usage, self.outlets)
        listed = [
            {"session_id": session_id, "filename": filename, "codes": list(codes), "fields": list(fields)}
            for session_id, filename, codes, fields in summary.to_review[:MAX_LISTED_REVIEWS]
        ]
        return landed | {"to_review": listed}
