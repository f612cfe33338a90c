"""When tasks defer, what a trigger tells the task that goes on after it, and what a failing task leaves behind."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from raydocs_provider import exceptions
from raydocs_provider.version_compat import XCOM_RETURN_KEY

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

# How long a deferrable task keeps its worker after submitting, in case the sessions end at once. Deferring and coming
# back costs more than that, and a trigger must not fire within seconds (see MIN_SECONDS_DEFERRED).
BRIEF_LOOK_SECONDS = 10.0
# Airflow's own timeout of a deferral leaves the trigger no say: it comes after the trigger's deadline, as a backstop.
BACKSTOP = timedelta(minutes=10)


def check_event(event: dict[str, Any] | None) -> tuple[dict[str, Any], bool]:
    """
    Take an event of :class:`~raydocs_provider.triggers.raydocs.RaydocsSessionsTrigger` apart.

    :returns: the manifest as JSON, and whether every session has ended (False: the deadline passed).
    :raises RaydocsError: of the class the trigger met, chosen by its name, never by its text.
    """
    status = event.get("status") if isinstance(event, dict) else None
    if event is not None and status == "error":
        kind = getattr(exceptions, str(event.get("error_type")), None)
        known = isinstance(kind, type) and issubclass(kind, exceptions.RaydocsError)
        error = kind if known and kind is not None else exceptions.RaydocsError
        problem = error(str(event.get("error")))
        if isinstance(event.get("retryable"), bool):  # triggers of older versions did not say
            problem.retryable = event["retryable"]
        raise problem
    manifest = event.get("manifest") if isinstance(event, dict) else None
    if status not in ("finished", "deadline") or not isinstance(manifest, dict):
        raise exceptions.RaydocsError(f"The trigger sent an event this version does not know (status {status!r}).")
    return manifest, status == "finished"


def push_manifest(context: Context, written: dict[str, Any]) -> None:
    """
    Leave the manifest of a task that fails: Airflow pushes none then, and the documents are paid for.

    An attempt that Airflow has given up may push nothing any more. What failed the task is told all the same.
    """
    try:
        context["ti"].xcom_push(key=XCOM_RETURN_KEY, value=written)
    except Exception as problem:
        log.warning("The manifest could not be left for a load: %s.", type(problem).__name__)
