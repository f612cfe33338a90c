"""Checks of what a Dag author passes. Each says which argument is wrong and what it may be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta

from raydocs_provider.exceptions import RaydocsInputError

FAIL = "fail"
WARN = "warn"
SKIP = "skip"
RESUBMIT = "resubmit"

# What a load does where its target differs from the template.
EVOLVE = "evolve"
FREEZE = "freeze"
DISCARD = "discard"
SCHEMA_MODES = (EVOLVE, FREEZE, DISCARD)

# How rows stand in the files of a lake; each is the ending of their names.
NDJSON = "ndjson"
PARQUET = "parquet"
FILE_FORMATS = (NDJSON, PARQUET)


def require_choice(value: str, name: str, choices: Sequence[str]) -> str:
    """The value, if it is one of the choices."""
    if value not in choices:
        raise RaydocsInputError(f"{name} has to be one of {', '.join(map(repr, choices))}, not {value!r}.")
    return value


# A load that waits for one of these does not run when its extraction has failed.
_RULES_OF_SUCCESS = frozenset({"all_success", "none_failed", "none_failed_min_one_success", "all_skipped"})


def choose_missing(missing: str | None, trigger_rule: str) -> str:
    """
    What a load does about documents that its extraction has not got.

    :param missing: as the Dag author said. None: ``fail`` where the load runs after a failed extraction as well, for
        nothing else would make the Dag run say it; else ``warn``: the extraction was told that this is good enough.
    :param trigger_rule: of the load: a text, or Airflow's enumeration of such.
    """
    if missing is not None:
        return missing
    return WARN if trigger_rule in _RULES_OF_SUCCESS else FAIL


def require_choices(values: Sequence[str], name: str, choices: Sequence[str]) -> tuple[str, ...]:
    """The values in the order of the choices, if there is one at least and each is one of them."""
    given = () if isinstance(values, str) or not isinstance(values, Sequence) else values
    if not given or any(value not in choices for value in given):
        raise RaydocsInputError(f"{name} has to be a list with one or more of {', '.join(choices)}, not {values!r}.")
    return tuple(choice for choice in choices if choice in given)


def require_ratio(value: float, name: str) -> float:
    """The value, if it lies between 0 and 1."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise RaydocsInputError(f"{name} has to be a number from 0 to 1, not {value!r}.")
    return float(value)


def total_seconds(value: timedelta | float, name: str) -> float:
    """A duration in seconds, if it is a finite one above 0."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < math.inf:
        raise RaydocsInputError(f"{name} has to be a timedelta or a number of seconds above 0, not {value!r}.")
    return float(seconds)


def require_text(value: object, name: str) -> str:
    """
    The rendered value of a templated argument, if there is any.

    Templates render a missing XCom or variable to nothing, or to the word "None".
    """
    # With native rendering an id of digits only arrives as a number.
    number = isinstance(value, int) and not isinstance(value, bool)
    text = str(value).strip() if number or isinstance(value, str) else ""
    if not text or text == "None":
        raise RaydocsInputError(f"{name} is empty ({value!r}). Check the template or the upstream task it comes from.")
    return text


def require_count(value: int, name: str) -> int:
    """The value, if it is a whole number above 0."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise RaydocsInputError(f"{name} has to be a whole number above 0, not {value!r}.")
    return value


def split_target(value: str, name: str) -> tuple[str, str]:
    """Connection id and table of ``conn_id/table``."""
    conn_id, slash, table = value.strip().partition("/")
    if not slash or not conn_id or not table:
        raise RaydocsInputError(f"{name} has to be written as 'conn_id/table', not {value!r}.")
    return conn_id, table
