"""Write extracted documents as NDJSON and Parquet files into a lake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, BaseOperatorLink

from raydocs_provider.arguments import FAIL, FILE_FORMATS, NDJSON, WARN, choose_missing, require_choice, require_choices
from raydocs_provider.links.raydocs import RaydocsDocumentsLink
from raydocs_provider.wording import say_count

if TYPE_CHECKING:
    from airflow.sdk import Context

    from raydocs_provider.extraction.progress import Usage
    from raydocs_provider.landing.lake import LakeLoad, LakeTarget


class RaydocsToObjectStorageOperator(BaseOperator):
    """
    Write the documents of an extraction into a lake: files for the same tables that `RaydocsToSqlOperator` fills.

    Each task instance writes at most one file per table and format, below
    ``<path>/<format>/<table>/load_date=<date of the Dag run>/``, and gives them the same names in every try: a retry or
    a clear replaces them. Each appears whole or not at all, and the ledger ``<table>__documents`` is written last, so
    that its presence says that the others are complete. A document that another task instance has extracted again is
    there twice; ``docs/object_storage.md`` has the queries for the latest, and describes the files.

    Results come from ``results_path`` of the extraction; without one, each is fetched from Raydocs (one request a
    document, ability ``sessions-read``, and one with ``templates-read``).

    :param extraction: the output of ``RaydocsExtractOperator`` or ``RaydocsSessionsSensor``. (templated)
    :param path: the folder of the lake, ``s3://conn_id@bucket/key`` or any other URI that Airflow's object storage
        takes. (templated)
    :param table: name of the table with one row per document, such as ``invoices``; the others are named after it.
        (templated)
    :param formats: ``["ndjson"]`` (default), ``["parquet"]`` or both. Parquet needs the extra ``arrow``; without it the
        task fails before it reads anything.
    :param column_types: types for what the template's schema cannot say, and how texts are read into them:
        ``{"invoice_header.invoice_date": "date:%d/%m/%Y", "totals.total_amount": "decimal:,"}``. Default: the types of
        the template. (templated)
    :param review_below: confidence, 0 to 1, below which a person should look at a value; for single fields a mapping
        such as ``{"totals.total_amount": 0.95, "*": 0.8}``. It sets ``review_status`` and the codes in the ledger.
        Default: nobody looks.
    :param review_checks: what else makes a document one to review, as for ``RaydocsToSqlOperator``. Default: none.
    :param missing: what to do about documents that the extraction has not got (failed, ambiguous, not finished), when
        everything else has landed: ``"fail"`` fails the task, without a retry, so that the Dag run says it; ``"warn"``
        logs how many, and why. Default: ``"fail"`` if the ``trigger_rule`` lets this task run after a failed
        extraction (``"all_done"``), else ``"warn"``.
    :param raydocs_conn_id: the Raydocs connection, used only where results are not on file; default: the one of the
        extraction. (templated)
    """

    operator_extra_links: tuple[BaseOperatorLink, ...] = (RaydocsDocumentsLink(),)
    template_fields: Sequence[str] = ("extraction", "path", "table", "column_types", "raydocs_conn_id")
    ui_color = "#e8e4f6"

    def __init__(
        self,
        *,
        extraction: Any,
        path: str,
        table: str,
        formats: Sequence[str] = (NDJSON,),
        column_types: Mapping[str, str] | None = None,
        review_below: float | Mapping[str, float] | None = None,
        review_checks: Sequence[str] = (),
        missing: str | None = None,
        raydocs_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.extraction = extraction
        self.path = path
        self.table = table
        self.formats = require_choices(formats, "formats", FILE_FORMATS)
        self.column_types = column_types
        self.review_below = review_below
        self.review_checks = review_checks
        self.missing = None if missing is None else require_choice(missing, "missing", (FAIL, WARN))
        self.raydocs_conn_id = raydocs_conn_id
        if column_types or review_below is not None or review_checks:
            self._target()  # a mistake in them shows when the Dag is parsed

    def execute(self, context: Context) -> dict[str, Any]:
        """
        Write the files and return their URIs, and how many rows there are of what.

        :raises RaydocsInputError: an argument that does not go with the template, or Parquet without pyarrow.
        :raises RaydocsLandingError: when the storage refused; the next try replaces what was written.
        :raises AirflowFailException: when documents are missing and ``missing`` says to fail, after all others are
            written.
        """
        from raydocs_provider.api.schema import parse_schema
        from raydocs_provider.extraction.progress import STORE
        from raydocs_provider.hooks.lake_storage import LakeStorage
        from raydocs_provider.hooks.reporting import announce_landing, log_phase, report_missing
        from raydocs_provider.hooks.results import open_results
        from raydocs_provider.landing.lake import name_files, name_partition

        target = self._target()
        target.check()
        storage = LakeStorage(self.path)
        run = context["dag_run"]
        with (
            open_results(self.extraction, self.raydocs_conn_id) as results,
            TemporaryDirectory(prefix="raydocs-lake-") as folder,
        ):
            load = results.describe_load(context)
            writer = target.writer(parse_schema(results.template.schema_json))
            partition = name_partition(run.logical_date, run.run_after)
            announce_landing(context, STORE, self.extraction)
            with log_phase(self.log, "Read the results and write the files"):
                written = writer.write(results.documents(), load, Path(folder))
                files = storage.replace(written, partition, name_files(load))
        landed = self._conclude(context, written, files, results.usage)
        report_missing(context, results.manifest, landed, choose_missing(self.missing, self.trigger_rule))
        return landed

    def _target(self) -> LakeTarget:
        from raydocs_provider.landing.lake import LakeTarget

        return LakeTarget(self.table, self.formats, self.column_types, self.review_below, self.review_checks)

    def _conclude(self, context: Context, load: LakeLoad, files: Sequence[str], usage: Usage) -> dict[str, Any]:
        from raydocs_provider.extraction.progress import STORE
        from raydocs_provider.hooks.reporting import report_landing

        for table, count in load.rows.items():
            self.log.info("%s: %s.", table, say_count(count, "row"))
        if load.problems:
            self.log.warning(
                "%s; the _meta column of the document says which and why, and the fields table has each as text.",
                say_count(load.problems, "value is not there as it is", "values are not there as they are"),
            )
        if load.reviews:
            counts = ", ".join(f"{count} {status}" for status, count in sorted(load.reviews.items()))
            self.log.info("Review: %s. Why is in %s.", counts, load.tables[-1])
        self.log.info("%s written; the last is %s.", say_count(len(files), "file"), files[-1])
        landed: dict[str, Any] = {
            "files": list(files),
            "rows": dict(load.rows),
            "documents": dict(load.documents),
            "problems": load.problems,
            "reviews": dict(load.reviews),
        }
        report_landing(context, STORE, landed, self.extraction, usage, self.outlets)
        return landed
