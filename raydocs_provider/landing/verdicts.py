"""What people made of the documents they were asked to look at, as it comes from XCom."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.landing.documents import Verdict

_KEYS = {"session_id", "corrections", "reviewed_by", "reviewed_at"}


def parse_verdicts(verdicts: object, sessions: Collection[str]) -> dict[str, Verdict]:
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
        session_id = verdict.get("session_id") if isinstance(verdict, Mapping) else None
        if not isinstance(verdict, Mapping) or not isinstance(session_id, str) or not verdict.keys() <= _KEYS:
            raise RaydocsInputError(
                f"verdicts[{number}] has to be a mapping with session_id and, if wanted, "
                f"{', '.join(sorted(_KEYS - {'session_id'}))}."
            )
        if session_id not in sessions:
            raise RaydocsInputError(
                f"verdicts[{number}] is for session {session_id!r}, which is not of this extraction."
            )
        if session_id in parsed:
            raise RaydocsInputError(f"There are two verdicts for session {session_id!r}. Decide for one.")
        corrections = {} if verdict.get("corrections") is None else verdict["corrections"]
        if not isinstance(corrections, Mapping) or not all(isinstance(name, str) for name in corrections):
            raise RaydocsInputError(f"verdicts[{number}]: corrections has to be a mapping of fields to values.")
        reviewer = verdict.get("reviewed_by")
        if not isinstance(reviewer, str | None):
            raise RaydocsInputError(f"verdicts[{number}]: reviewed_by has to be a text.")
        parsed[session_id] = Verdict(dict(corrections), reviewer, _read_time(verdict.get("reviewed_at"), number))
    return parsed


def _read_time(value: object, number: int) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        if isinstance(moment, datetime):
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise RaydocsInputError(f"verdicts[{number}]: reviewed_at has to be a time as ISO 8601 writes it.")
