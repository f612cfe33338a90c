"""The same documents through dlt, merged by document key."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.landing_documents import LOAD, make_results
from raydocs_provider.landing.documents import LandingDocument, document_key

# For each engine the one with which dlt is faster here: for PostgreSQL it is the default.
_FILE_FORMATS = {"postgres": None, "duckdb": "parquet"}


def merge_with_dlt(engine: str, connection: Mapping[str, Any], number: int, folder: Path) -> dict[str, float]:
    """
    Run a pipeline with nested documents, one row for each, its items and its fields, twice.

    :return: seconds of the ``first`` run, into no tables, and of the one ``again``, which replaces all rows.
    """
    os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}
    import dlt

    if engine == "postgres":
        # No password is asked for on the socket; dlt wants one.
        destination = dlt.destinations.postgres(f"postgresql://postgres:-@localhost/postgres?host={connection['host']}")
    else:
        destination = dlt.destinations.duckdb(str(folder / "dlt.duckdb"))
    pipeline = dlt.pipeline(
        f"bench_{engine}", pipelines_dir=str(folder / "dlt"), destination=destination, dataset_name="dlt_bench"
    )
    seconds = {}
    for run in ("first", "again"):
        began = time.perf_counter()
        loaded = pipeline.run(
            map(_nest, make_results(0, number)),
            table_name="invoices",
            primary_key="document_key",
            write_disposition="merge",
            loader_file_format=_FILE_FORMATS[engine],
        )
        loaded.raise_on_failed_jobs()
        seconds[run] = time.perf_counter() - began
    return seconds


def _nest(document: LandingDocument) -> dict[str, Any]:
    """The document with its rows of ``t__fields`` as one more list; those of lists become tables of their own."""
    result = document.result
    assert result is not None
    assert result.data is not None
    return {
        "document_key": document_key(document, LOAD.template_id),
        "session_id": document.session_id,
        "result_id": result.id,
        "source_uri": document.source_uri,
        "document_sha256": document.sha256,
        "template_id": LOAD.template_id,
        "template_hash": LOAD.template_hash,
        "extracted_at": result.completed_at,
        "loaded_at": LOAD.loaded_at,
        "run_id": LOAD.run_id,
        **result.data,
        "fields": list(_fields(result.data, result.audit)),
    }


def _fields(data: Mapping[str, Any], audit: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for group, values in data.items():
        for name, value in values.items():
            said = dict(audit[group][name])
            said["sources"] = json.dumps(said["sources"], ensure_ascii=False)
            if not isinstance(value, list):
                yield {"group_name": group, "field_name": name, "value": str(value), **said}
                continue
            for index, item in enumerate(value):
                for inner, each in item.items():
                    place = {"group_name": group, "field_name": f"{name}.{inner}", "index": index}
                    yield {**place, "value": str(each), **said}
