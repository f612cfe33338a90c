"""Tells the people on call how far a task is: keeps its progress record where the Airflow UI finds it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow.sdk.execution_time.xcom import XCom
from asgiref.sync import sync_to_async
from opentelemetry import trace

from raydocs_provider.arguments import WARN
from raydocs_provider.extraction.failures import describe_missing
from raydocs_provider.extraction.manifest import Manifest
from raydocs_provider.extraction.progress import EXTRACT, PROGRESS_KEY, Usage, describe_extraction, describe_landing
from raydocs_provider.hooks.metrics import count_rows
from raydocs_provider.version_compat import XCOM_RETURN_KEY, AirflowFailException

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.triggers.base import BaseTrigger
    from opentelemetry.trace import Span

log = logging.getLogger(__name__)


@dataclass
class Reporter:
    """
    Makes the records of one task.

    :param kind: of the task, a word of :mod:`raydocs_provider.extraction.progress`.
    :param usage: what its hooks count into.
    :param template_name: for people.
    :param retry: what a retry depends on.
    """

    kind: str
    usage: Usage = field(default_factory=Usage)
    template_name: str | None = None
    retry: Mapping[str, Any] | None = None

    @classmethod
    def resume(cls, record: Mapping[str, Any] | None, kind: str = EXTRACT) -> Reporter:
        """Go on where another process has stopped; from nothing where it left no record, as older versions did."""
        kept = record if isinstance(record, Mapping) else {}
        return cls(str(kept.get("kind") or kind), Usage.from_json(kept), kept.get("template_name"), kept.get("retry"))

    def describe(self, manifest: Manifest, total: int | None = None) -> dict[str, Any]:
        """
        The record as of now.

        :param total: how many documents there are; default: those of the manifest.
        """
        return describe_extraction(
            self.kind,
            manifest,
            self.usage,
            time.time(),
            total=total,
            template_name=self.template_name,
            retry=self.retry,
        )


@contextmanager
def log_phase(log: Any, name: str) -> Iterator[Span]:
    """
    Put what is logged meanwhile into a group, which Airflow's UI folds; what fails the task is logged outside.

    The phase is a span as well, inside of the task's, where ``[traces] otel_on`` is set. It takes numbers alone.
    """
    log.info("::group::%s", name)
    try:
        with trace.get_tracer("raydocs_provider").start_as_current_span(
            f"raydocs: {name.lower()}", record_exception=False
        ) as span:
            yield span
    finally:
        log.info("::endgroup::")


def push_progress(context: Context, record: Mapping[str, Any]) -> None:
    """
    Keep a record as an XCom of the task instance.

    Best effort: it is there to be looked at, and the documents are worth more.
    """
    try:
        context["ti"].xcom_push(key=PROGRESS_KEY, value=dict(record))
    except Exception as problem:
        _complain(problem)


def announce_landing(context: Context, kind: str, extraction: Mapping[str, Any]) -> None:
    """Keep a first record of a load, so that one that fails is on the Raydocs page too."""
    push_progress(context, describe_landing(kind, {}, extraction, Usage(), time.time()))


def report_landing(
    context: Context,
    kind: str,
    landed: Mapping[str, Any],
    extraction: Mapping[str, Any],
    usage: Usage,
    outlets: Iterable[Any],
) -> None:
    """
    Tell everybody what a load has done: the Raydocs page, the metrics, and whoever waits for its assets.

    :param kind: ``load`` or ``store``.
    :param landed: what the operator is going to return.
    :param extraction: the manifest, as XCom has it.
    """
    count_rows(landed["rows"])
    push_progress(context, describe_landing(kind, landed, extraction, usage, time.time()))
    manifest = {name: value for name, value in extraction.items() if name != "documents"}
    for outlet in outlets:
        context["outlet_events"][outlet].extra.update({**landed, "extraction": manifest})


def report_missing(context: Context, manifest: Manifest, landed: Mapping[str, Any], choice: str) -> None:
    """
    Say which documents a load did not get from its extraction, when everything else has landed.

    :param landed: what the operator is going to return; also left by a load that fails here.
    :param choice: ``fail`` or ``warn``.
    :raises AirflowFailException: with ``fail``. A retry of the load would land the same again, so there is none.
    """
    missing = describe_missing(manifest)
    if missing is None:
        return
    if choice == WARN:
        log.warning("%s. Everything else has landed.", missing)
        return
    context["ti"].xcom_push(key=XCOM_RETURN_KEY, value=dict(landed))
    raise AirflowFailException(
        f"{missing}. Everything else has landed, and this task would only land the same again. To have what is "
        "missing, clear the extraction: with skip_landed_in, it does not pay again for what a warehouse holds. If the "
        "run is good without, set missing='warn'."
    )


async def push_from_trigger(trigger: BaseTrigger, record: Mapping[str, Any]) -> None:
    """As `push_progress`, from a trigger: its task instance is deferred and keeps its XComs."""
    ti = trigger.task_instance
    if ti is None:
        return
    try:
        await sync_to_async(XCom.set, thread_sensitive=False)(
            PROGRESS_KEY,
            dict(record),
            dag_id=ti.dag_id,
            task_id=ti.task_id,
            run_id=ti.run_id,
            map_index=-1 if ti.map_index is None else ti.map_index,
        )
    except Exception as problem:
        _complain(problem)


def _complain(problem: Exception) -> None:
    log.warning("The Raydocs page does not show how far this task is: %s.", type(problem).__name__)
