"""When failed or unfinished documents make a task fail, and what its error says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from raydocs_provider.exceptions import RaydocsDeadlineError, RaydocsExtractionError
from raydocs_provider.extraction.manifest import (
    EXTRACTED,
    FAILED,
    SKIPPED,
    SUBMITTED,
    UPLOADED,
    DocumentRecord,
    Manifest,
)
from raydocs_provider.extraction.progress import EXTRACT
from raydocs_provider.extraction.retry_outlook import retry_helps
from raydocs_provider.wording import say_count

_MAX_NAMED = 5
_UNFINISHED = {SUBMITTED: "not finished", UPLOADED: "not submitted"}


def check_failures(
    manifest: Manifest,
    on_partial_failure: str,
    max_failure_ratio: float = 1.0,
    *,
    kind: str = EXTRACT,
    terms: Mapping[str, Any] | None = None,
) -> None:
    """
    Decide whether failed documents fail the task.

    :param on_partial_failure: ``fail`` or ``warn``.
    :param max_failure_ratio: with ``warn``, the part of the documents that may fail; skipped ones do not count. All of
        them never may.
    :param kind: of the task, a word of :mod:`raydocs_provider.extraction.progress`.
    :param terms: what a retry of it depends on, as its progress record has them.
    :raises RaydocsExtractionError: naming how many failed, why, and the first few.
    """
    failed = manifest.in_state(FAILED)
    if not failed:
        return
    everything = manifest.failure_ratio == 1
    tolerant = on_partial_failure == "warn"
    if tolerant and not everything and manifest.failure_ratio <= max_failure_ratio:
        return
    counted = _count_causes(failed)
    named = "; ".join(f"{record.name} ({record.reason})" for record in failed[:_MAX_NAMED])
    more = f"; and {len(failed) - _MAX_NAMED} more" if len(failed) > _MAX_NAMED else ""
    if everything and tolerant:
        skipped = len(manifest.in_state(SKIPPED))
        others = f"; those that were skipped ({skipped}) do not count" if skipped else ""
        advice = f" With on_partial_failure='warn', too, a task fails that has extracted no document{others}."
    elif everything:
        advice = ""
    elif tolerant:
        advice = f" That is more than max_failure_ratio={max_failure_ratio:g} allows."
    else:
        advice = " To go on with the others, set on_partial_failure='warn', or give the load trigger_rule='all_done'."
    raise RaydocsExtractionError(
        f"{len(failed)} of {say_count(len(manifest.documents), 'document')} failed ({counted}): {named}{more}.{advice}",
        retryable=retry_helps(manifest.documents, kind, terms or {}),
    )


def check_deadline(manifest: Manifest, timeout: float) -> None:
    """
    Fail for sessions that were still open at the deadline.

    :param timeout: the time that was allowed, in seconds.
    :raises RaydocsDeadlineError: with their number and the first few ids.
    """
    still_open = manifest.in_state(SUBMITTED)
    if still_open:
        ids = ", ".join(str(record.session_id) for record in still_open[:_MAX_NAMED])
        total = say_count(len(manifest.documents), "session")
        unfinished = say_count(len(still_open), f"of {total} was not finished", f"of {total} were not finished")
        raise RaydocsDeadlineError(
            f"{unfinished} after {timeout:.0f} s ({ids}{', ...' if len(still_open) > _MAX_NAMED else ''}). What is not "
            "finished goes on, and is billed, at Raydocs. Raise the timeout, or look at it in the Raydocs dashboard."
        )


def describe_missing(manifest: Manifest) -> str | None:
    """
    How many documents a load of this extraction lacks, and why; None if it has them all.

    What was skipped has been landed before, and is not missing.
    """
    missing = [record for record in manifest.documents if record.state not in (EXTRACTED, SKIPPED)]
    if not missing:
        return None
    total = say_count(len(manifest.documents), "document")
    return f"{say_count(len(missing), f'of {total} is missing', f'of {total} are missing')} ({_count_causes(missing)})"


def _count_causes(records: Sequence[DocumentRecord]) -> str:
    causes = Counter(
        f"{record.stage}: {record.code}" if record.state == FAILED else _UNFINISHED.get(record.state, record.state)
        for record in records
    )
    return ", ".join(f"{count} x {cause}" for cause, count in causes.most_common())
