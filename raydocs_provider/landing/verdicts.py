"""What people made of the documents they were asked to look at, as it comes from XCom."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.landing.rows import Verdict

_KEYS = {"session_id", "corrections", "reviewed_by", "reviewed_at"}


def parse_verdicts(verdicts: object, sessions: Collection[str | None]) -> dict[str, Verdict]:
    """
    Read verdicts, by session.

    Messages name sessions and keys, never what was corrected to what.

    :param verdicts: as `RaydocsToSqlOperator` takes them: a list, or the outputs of a mapped task.
    :param sessions: of the extraction.
    :raises RaydocsInputError: one that cannot be used, is for no document of the extraction, or comes twice.
    """
    if isinstance(verdicts, str | Mapping) or not hasattr(verdicts, "__iter__"):
        raise RaydocsInputError(f"verdicts has to be a list of mappings, not {type(verdicts).__name__}.")
    parsed: dict[str, Verdict] = {}
    for number, verdict in enumerate(verdicts):
        if not isinstance(verdict, Mapping) or "session_id" not in verdict or not verdict.keys() <= _KEYS:
            raise RaydocsInputError(
                f"verdicts[{number}] has to be a mapping with session_id and, if wanted, "
                f"{', '.join(sorted(_KEYS - {'session_id'}))}."
            )
        session_id = verdict["session_id"]
        if session_id not in sessions:
            raise RaydocsInputError(
                f"verdicts[{number}] is for session {session_id!r}, which is not of this extraction."
            )
        if session_id in parsed:
            raise RaydocsInputError(f"There are two verdicts for session {session_id!r}. Decide for one.")
        corrections = verdict.get("corrections") or {}
        if not isinstance(corrections, Mapping) or not all(isinstance(name, str) for name in corrections):
            raise RaydocsInputError(f"verdicts[{number}]: corrections has to be a mapping of fields to values.")
        parsed[session_id] = Verdict(dict(corrections), verdict.get("reviewed_by"), _read_time(verdict, number))
    return parsed


def _read_time(verdict: Mapping[str, object], number: int) -> datetime | None:
    value = verdict.get("reviewed_at")
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        moment = value
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        raise RaydocsInputError(f"verdicts[{number}]: reviewed_at has to be a time as ISO 8601 writes it.")
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
