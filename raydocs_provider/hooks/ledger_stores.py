"""Where the ledger of a task instance is kept: Airflow's state store, or files under ``results_path``."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from raydocs_provider.exceptions import RaydocsSupersededError
from raydocs_provider.extraction.ledger import Attempt, Claim, Ledger, LedgerStore, has_submissions
from raydocs_provider.extraction.spool import Spool

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


# What Airflow's API answers an attempt whose task instance has been given to another one, or has ended.
_GIVEN_AWAY = {401, 403, 404, 409, 410}


class StateLedgerStore:
    """
    Entries in Airflow's task state store (3.3 and newer).

    Airflow itself refuses the writes of an attempt that it has given up: each attempt has an id of its own.

    :param store: ``context["task_state_store"]``.
    :param older: where attempts have left entries that ran before Airflow was upgraded to 3.3; they are taken over.
    """

    def __init__(self, store: Any, older: LedgerStore | None = None) -> None:
        self._store = store
        self._older = older

    def get(self, key: str) -> Any:
        """
        The value, or None: also for an attempt whose task instance has been given to another one.

        :raises RaydocsSupersededError: when Airflow says that it has given this attempt up.
        """
        value = self._ask(lambda: self._store.get(key))
        if value is None and self._older is not None and (value := self._older.get(key)) is not None:
            self.set(key, value)
        return value

    def set(self, key: str, value: Any) -> None:
        """
        Write a value.

        :raises RaydocsSupersededError: when Airflow has given this attempt up.
        """
        self._ask(lambda: self._store.set(key, value))

    def _ask(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except Exception as refused:
            status = _status_of(refused)
            if status not in _GIVEN_AWAY:
                raise
        # Raised here, not in the except block: Airflow's own error says the same in a page of text.
        raise RaydocsSupersededError(
            f"Airflow has given this attempt of the task up ({status}), so it stops before it submits, and pays for, "
            "anything more. Nothing is to be done: a newer attempt goes on with what was submitted."
        )


def _status_of(refused: Exception) -> int | None:
    """The status in the SDK's ``AirflowRuntimeError``, which is at another place in each version."""
    detail = getattr(getattr(refused, "error", None), "detail", None)
    return detail.get("status_code") if isinstance(detail, dict) else None


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
    claim = Claim(_epoch(ti, retries), conn_id, template_id, template_hash)
    attempt = Attempt(str(getattr(ti, "id", None) or f"try {ti.try_number}"), ti.try_number)
    return Ledger(_choose_store(context, spool), claim, attempt)


def has_paid(context: Context) -> bool:
    """Whether the running task instance has submitted what a retry would go on with, by Airflow's state store."""
    store = cast("dict[str, Any]", context).get("task_state_store")
    return store is not None and has_submissions(
        StateLedgerStore(store), _epoch(context["ti"], context["task"].retries or 0)
    )


def _epoch(ti: Any, retries: int) -> int:
    return (getattr(ti, "max_tries", None) or 0) - retries


def _choose_store(context: Context, spool: Spool | None) -> LedgerStore | None:
    store = cast("dict[str, Any]", context).get("task_state_store")
    ti = context["ti"]
    files = None
    if spool is not None:
        files = SpoolLedgerStore(spool, "\0".join((ti.dag_id, ti.run_id, ti.task_id, str(ti.map_index))))
    if store is not None:
        return StateLedgerStore(store, files)
    if files is not None:
        return files
    log.warning(
        "Submissions are not recorded: this Airflow has no task state store (3.3 and newer have) and no results_path "
        "is set. A retry of this task would submit, and pay for, every document again."
    )
    return None
