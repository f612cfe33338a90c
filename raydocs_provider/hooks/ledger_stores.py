"""Where the ledger of a task instance is kept: Airflow's state store, or files under ``results_path``."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any, cast

from raydocs_provider.extraction.ledger import Claim, Ledger, LedgerStore
from raydocs_provider.extraction.spool import Spool

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


class SpoolLedgerStore:
    """
    Entries as files under ``results_path``, for Airflow before 3.3.

    :param owner: names the task instance; mapped tasks may share a folder.
    """

    def __init__(self, spool: Spool, owner: str) -> None:
        self._spool = spool
        self._prefix = f"_ledger-{hashlib.sha256(owner.encode()).hexdigest()[:16]}"

    def get(self, key: str) -> Any:
        """The value, or None."""
        return self._spool.read_value(f"{self._prefix}-{key}.json")

    def set(self, key: str, value: Any) -> None:
        """Write a value, whole or not at all."""
        self._spool.write_value(f"{self._prefix}-{key}.json", value)


def open_ledger(
    context: Context,
    spool: Spool | None,
    *,
    retries: int,
    conn_id: str,
    template_id: str,
    template_hash: str,
) -> Ledger:
    """
    Open the ledger of the running task instance.

    :param retries: of the operator. ``max_tries`` grows by what was used when a task is cleared and stays when it is
        retried, so their difference tells the two apart.
    """
    ti = context["ti"]
    claim = Claim((getattr(ti, "max_tries", None) or 0) - retries, conn_id, template_id, template_hash)
    return Ledger(_choose_store(context, spool), claim)


def _choose_store(context: Context, spool: Spool | None) -> LedgerStore | None:
    store = cast("dict[str, Any]", context).get("task_state_store")
    if store is not None:
        return cast("LedgerStore", store)
    if spool is not None:
        ti = context["ti"]
        return SpoolLedgerStore(spool, "\0".join((ti.dag_id, ti.run_id, ti.task_id, str(ti.map_index))))
    log.warning(
        "Submissions are not recorded: this Airflow has no task state store (3.3 and newer have) and no results_path "
        "is set. A retry of this task would submit, and pay for, every document again."
    )
    return None
