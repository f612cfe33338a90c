"""
Loads into the same target of Databricks take turns, as no transaction keeps them apart.

Whose turn it is, and until when, is the one row of a table. A load prolongs its turn as long as it is alive, so that of
one that was killed ends by itself.
"""

from __future__ import annotations

import logging
import time
from typing import Any
from uuid import uuid4

from tenacity import RetryCallState, Retrying, retry_if_not_result, wait_random

from raydocs_provider.exceptions import RaydocsLandingError
from raydocs_provider.landing.tables import Table
from raydocs_provider.landing.warehouses.databricks_errors import is_conflict
from raydocs_provider.landing.warehouses.waiting import Announcement

log = logging.getLogger(__name__)

#: For how long a turn lasts unless it is prolonged.
TURN_MINUTES = 30

# After what time `Turn.keep` prolongs it.
_PROLONGED_AFTER = 5 * 60
_LONG_AGO = "TIMESTAMP '1970-01-01 00:00:00'"


class Turn:
    """
    The time in which no other load writes to the same target.

    :param cursor: of the load.
    :param table: where the turn is written down, quoted.
    :param target: what the load writes to.
    """

    def __init__(self, cursor: Any, table: str, target: Table) -> None:
        self._cursor = cursor
        self._table = table
        self._target = target
        self._holder = uuid4().hex
        # When it was taken or prolonged, by the clock of this process.
        self._taken = 0.0

    def create_table(self) -> None:
        """Create the table with its row, in one statement, so that there is never more than one."""
        self._cursor.execute(
            f"CREATE TABLE IF NOT EXISTS {self._table} AS SELECT '' AS `holder`, {_LONG_AGO} AS `until`"
        )

    def take(self) -> None:
        """
        Wait until it is the turn of this load, as long as it takes.

        :raises RaydocsLandingError: the table is not as it was made.
        """

        def tell(waited: int, _: RetryCallState) -> None:
            log.info(
                "Waiting for another load into %s: %d s so far. Should it have been killed, its turn ends %d minutes "
                "after its last sign of life.",
                self._target,
                waited,
                TURN_MINUTES,
            )

        Retrying(retry=retry_if_not_result(bool), wait=wait_random(1, 5), before_sleep=Announcement(tell))(
            self._hold_if, "`until` < CURRENT_TIMESTAMP()"
        )

    def keep(self) -> bool:
        """
        Prolong it, if it is time.

        :return: False if it is another load's by now.
        :raises RaydocsLandingError: the table is not as it was made.
        """
        if time.monotonic() - self._taken < _PROLONGED_AFTER:
            return True
        return self._hold_if(f"`holder` = '{self._holder}'")

    def give_back(self) -> None:
        """Let the next load begin. Where that cannot be said, the log says how long the next load waits."""
        try:
            self._cursor.execute(
                f"UPDATE {self._table} SET `holder` = '', `until` = {_LONG_AGO} "  # noqa: S608
                f"WHERE `holder` = '{self._holder}'"
            )
        except Exception as error:
            log.warning(
                "The turn of this load could not be ended (%s); the next load waits for up to %d minutes.",
                type(error).__name__,
                TURN_MINUTES,
            )

    def _hold_if(self, condition: str) -> bool:
        """Have the turn from now on, if the row is as the condition says; False if it is another load's."""
        try:
            self._cursor.execute(
                f"UPDATE {self._table} SET `holder` = '{self._holder}', "  # noqa: S608
                f"`until` = CURRENT_TIMESTAMP() + INTERVAL '{TURN_MINUTES}' MINUTE WHERE {condition}"
            )
        except Exception as error:
            # Somebody else was faster: the row says who.
            if not is_conflict(error):
                raise
        self._cursor.execute(f"SELECT `holder` FROM {self._table}")  # noqa: S608
        holders = self._cursor.fetchall()
        if len(holders) != 1:
            raise RaydocsLandingError(
                f"{self._table} has to have one row; drop it to have it made anew.", retryable=False
            )
        if holders[0][0] != self._holder:
            return False
        self._taken = time.monotonic()
        return True
