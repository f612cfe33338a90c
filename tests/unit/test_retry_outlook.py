"""What the page says a retry would do is what a retry does."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import raydocs_provider
from raydocs_provider.extraction.ledger import Submissions, Unanswered
from raydocs_provider.extraction.manifest import (
    EXTRACTED,
    FAILED,
    FOUND,
    SKIPPED,
    SUBMITTED,
    UPLOADED,
    DocumentRecord,
)
from raydocs_provider.extraction.progress import CREATE_SESSIONS, EXTRACT, LOAD, STORE, UPLOAD, WAIT
from raydocs_provider.extraction.retry_outlook import (
    GOES_ON,
    KEPT,
    PAID_AGAIN,
    STAYS_FAILED,
    TRIED_AGAIN,
    Outlook,
    foresee,
    retry_helps,
    retry_helps_others,
    summarize_clear,
    summarize_retry,
)
from raydocs_provider.extraction.submission import settle_known

PACKAGE = Path(raydocs_provider.__file__).parent
FOUND_FILE = DocumentRecord("file:///in/a.pdf", FOUND, sha256="a")
OPEN = replace(FOUND_FILE, state=SUBMITTED, session_id="s1", submitted_at=100.0)
DONE = replace(OPEN, state=EXTRACTED, result_id="r1")
OTHER_DONE = replace(DONE, sha256="z", session_id="s9")
SKIPPED_FILE = replace(FOUND_FILE, state=SKIPPED)
REFUSED = FOUND_FILE.fail("submit", "batch_refused", "No.")
NOT_UPLOADED = FOUND_FILE.fail("upload", "upload_failed", "No.")
UNREADABLE = replace(FOUND_FILE, sha256=None).fail("input", "unreadable_file", "No.")
EMPTY = replace(FOUND_FILE, sha256=None).fail("input", "empty_file", "0 bytes.")
AMBIGUOUS = FOUND_FILE.fail("submit", "ambiguous_submit", "Nobody knows.")
NOT_EXTRACTED = OPEN.fail("extraction", "failed", "No.")
NOT_PARSED = OPEN.fail("parsing", "failed", "No.")
GONE = OPEN.fail("waiting", "session_gone", "Deleted.")
TOO_LATE = OPEN.fail("waiting", "session_timeout", "Took too long.")

KNOWN = Submissions(sessions={"a": "s1"}, submitted_at=100.0)
KNOWN_FAILED = replace(KNOWN, failed={"s1"})
SENT = Unanswered("019a0000-0000-7000-8000-000000000001", documents=50, sent_at=1_900_000_000.0)
UNANSWERED = Submissions(ambiguous={"a": SENT})
NOTHING = Submissions()


@pytest.mark.parametrize(
    ("record", "submissions", "terms", "word"),
    [
        (DONE, KNOWN, {}, KEPT),
        (SKIPPED_FILE, NOTHING, {"skip_landed_in": "warehouse/invoices"}, KEPT),
        (OPEN, KNOWN, {}, GOES_ON),
        (TOO_LATE, KNOWN, {}, GOES_ON),
        (GONE, KNOWN, {"retry_failed": True}, STAYS_FAILED),
        (NOT_UPLOADED, NOTHING, {}, TRIED_AGAIN),
        (UNREADABLE, NOTHING, {}, TRIED_AGAIN),
        (REFUSED, NOTHING, {}, TRIED_AGAIN),
        (EMPTY, NOTHING, {}, STAYS_FAILED),
        (NOT_EXTRACTED, KNOWN_FAILED, {}, STAYS_FAILED),
        (NOT_PARSED, KNOWN_FAILED, {}, STAYS_FAILED),
        # Failed at the end of a wait that was cut off: the ledger does not know yet, the next look does.
        (NOT_EXTRACTED, KNOWN, {"retry_failed": True}, STAYS_FAILED),
        (NOT_EXTRACTED, KNOWN_FAILED, {"retry_failed": True}, PAID_AGAIN),
        (AMBIGUOUS, UNANSWERED, {"on_ambiguous_submit": "fail"}, STAYS_FAILED),
        (AMBIGUOUS, UNANSWERED, {"on_ambiguous_submit": "resubmit"}, PAID_AGAIN),
        (DONE, NOTHING, {}, PAID_AGAIN),
        (OPEN, NOTHING, {}, PAID_AGAIN),
        (DONE, None, {}, GOES_ON),
    ],
)
def test_what_an_extraction_does_with_a_document_on_a_retry(record, submissions, terms, word):
    assert foresee(record, EXTRACT, submissions, terms).word == word


def test_whoever_looks_for_an_ambiguous_document_is_told_what_was_sent_and_when():
    sought = "(50 documents, template 019a0000-0000-7000-8000-000000000001, 2030-03-17 17:46 UTC)"
    (settled,) = settle_known([FOUND_FILE], UNANSWERED)
    assert sought in settled.reason
    assert settled.reason.endswith("on_ambiguous_submit='resubmit'.")
    for choice in ("fail", "resubmit"):
        assert sought in foresee(AMBIGUOUS, EXTRACT, UNANSWERED, {"on_ambiguous_submit": choice}).why


def test_a_task_that_creates_sessions_uploads_nothing_again():
    """Its documents are those of the upload task: what failed there is still failed."""
    assert foresee(NOT_UPLOADED, CREATE_SESSIONS, NOTHING, {}).word == STAYS_FAILED
    assert foresee(UNREADABLE, CREATE_SESSIONS, NOTHING, {}).word == STAYS_FAILED
    assert foresee(REFUSED, CREATE_SESSIONS, NOTHING, {}).word == TRIED_AGAIN


@pytest.mark.parametrize("kind", [UPLOAD, WAIT, LOAD, STORE])
@pytest.mark.parametrize("record", [DONE, OPEN, NOT_EXTRACTED, AMBIGUOUS])
def test_a_retry_of_a_task_that_pays_for_nothing_pays_for_nothing(kind, record):
    assert foresee(record, kind, None, {"retry_failed": True}).word in (GOES_ON, STAYS_FAILED)


@pytest.mark.parametrize(
    ("kind", "record", "word"),
    [
        (UPLOAD, NOT_UPLOADED, GOES_ON),
        (UPLOAD, UNREADABLE, GOES_ON),
        (UPLOAD, EMPTY, STAYS_FAILED),
        (WAIT, TOO_LATE, GOES_ON),
        (WAIT, OPEN, GOES_ON),
        # A sensor finds again what its manifest says, and what Raydocs says of a session that has ended.
        (WAIT, NOT_UPLOADED, STAYS_FAILED),
        (WAIT, AMBIGUOUS, STAYS_FAILED),
        (WAIT, NOT_EXTRACTED, STAYS_FAILED),
        (WAIT, GONE, STAYS_FAILED),
    ],
)
def test_what_a_task_that_pays_for_nothing_does_with_a_failed_document(kind, record, word):
    assert foresee(record, kind, None, {"retry_failed": True}).word == word
    assert retry_helps([record, OTHER_DONE], kind, {"retry_failed": True}) == (word == GOES_ON)


PAGE = (Path(__file__).parents[2] / "docs" / "failures.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\w+) \| (`.+`) \| ([\w ]+) \|(.*)\|$", PAGE, re.MULTILINE)
CODES = [(stage, code, word, more) for stage, codes, word, more in ROWS for code in re.findall(r"`(\w+)`", codes)]


@pytest.mark.parametrize(("stage", "code", "word", "more"), CODES)
def test_what_the_page_says_of_a_code_is_foreseen_and_decides_whether_a_retry_helps(stage, code, word, more):
    record = (OPEN if stage in ("parsing", "extraction", "waiting") else FOUND_FILE).fail(stage, code, "No.")
    submissions = replace(
        KNOWN if record.session_id else NOTHING,
        failed={"s1"} if stage in ("parsing", "extraction") else set(),
        ambiguous={"a": SENT} if code == "ambiguous_submit" else {},
    )
    assert foresee(record, EXTRACT, submissions, {}).word == word
    assert retry_helps([OTHER_DONE, record], EXTRACT, {}) == (word != STAYS_FAILED)
    argument = dict(re.findall(r"`(\w+)=\"?(\w+)\"?`", more)) if more.startswith(" paid again with") else {}
    if argument:
        assert foresee(record, EXTRACT, submissions, argument).word == PAID_AGAIN
        assert retry_helps([OTHER_DONE, record], EXTRACT, argument)


def test_the_page_names_every_code_that_a_document_can_fail_with():
    named = {(stage, code) for stage, code, *_ in CODES}
    given = set()
    for path in PACKAGE.rglob("*.py"):
        given |= set(re.findall(r"""\.fail\("(\w+)", "(\w+)",""", path.read_text(encoding="utf-8")))
        given |= set(re.findall(r"""Outcome\([^()]*?"(\w+)",\s+"(\w+)",""", path.read_text(encoding="utf-8")))
    assert {stage for stage, _ in given} == {"input", "upload", "submit", "parsing", "extraction", "waiting"}
    assert given == named


def test_a_retry_helps_if_it_helps_one_of_them():
    assert retry_helps([NOT_EXTRACTED, replace(NOT_UPLOADED, sha256="b")], EXTRACT, {})
    assert not retry_helps([NOT_EXTRACTED, OTHER_DONE, SKIPPED_FILE], EXTRACT, {})
    assert not retry_helps([], EXTRACT, {})


@pytest.mark.parametrize("kind", [EXTRACT, CREATE_SESSIONS])
def test_after_a_lost_answer_a_retry_helps_the_other_documents(kind):
    state = FOUND if kind == EXTRACT else UPLOADED
    lost = replace(FOUND_FILE, state=state, sha256="b")
    assert retry_helps_others([OPEN, lost], [lost], kind, {})
    assert retry_helps_others([replace(FOUND_FILE, state=state), lost], [lost], kind, {})
    assert not retry_helps_others([lost], [lost], kind, {})
    assert not retry_helps_others([SKIPPED_FILE, EMPTY, lost], [lost], kind, {})
    assert retry_helps_others([lost], [lost], kind, {"on_ambiguous_submit": "resubmit"})


SHA256 = st.sampled_from("abc")
SESSION = st.sampled_from(["s1", "s2"])
RECORDS = st.builds(
    DocumentRecord,
    uri=st.just("file:///in/a.pdf"),
    state=st.sampled_from([SUBMITTED, EXTRACTED, SKIPPED, FAILED]),
    sha256=SHA256,
    stage=st.sampled_from(["upload", "submit", "parsing", "extraction", "waiting"]),
)
LEDGERS = st.builds(
    Submissions,
    sessions=st.dictionaries(SHA256, SESSION),
    failed=st.sets(SESSION),
    ambiguous=st.dictionaries(SHA256, st.just(SENT)),
    submitted_at=st.just(100.0),
)


@given(
    record=RECORDS,
    submissions=LEDGERS,
    on_ambiguous_submit=st.sampled_from(["fail", "resubmit"]),
    retry_failed=st.booleans(),
)
def test_what_is_foreseen_is_what_the_next_attempt_settles(record, submissions, on_ambiguous_submit, retry_failed):
    """Whatever ended the task: paid for exactly where the operator finds no session, and failed where it fails it."""
    for sha256 in submissions.sessions:  # as Ledger.recall leaves them
        submissions.ambiguous.pop(sha256, None)
    if record.state == SKIPPED:
        # A document that has a session is waited for, not skipped; one without an answer fails before it is skipped.
        assume(record.sha256 not in submissions.sessions.keys() | submissions.ambiguous)
    (settled,) = settle_known(
        [replace(record, state=FOUND, stage=None)],
        submissions,
        landed={record.sha256} if record.state == SKIPPED else frozenset(),
        on_ambiguous_submit=on_ambiguous_submit,
        retry_failed=retry_failed,
    )
    terms = {"on_ambiguous_submit": on_ambiguous_submit, "retry_failed": retry_failed}
    word = foresee(record, EXTRACT, submissions, terms).word
    if settled.state == FOUND:  # uploaded and submitted
        assert word in (TRIED_AGAIN, PAID_AGAIN)
        known = record.sha256 in submissions.sessions or record.sha256 in submissions.ambiguous
        assert (word == PAID_AGAIN) == (known or record.state in (SUBMITTED, EXTRACTED))
    elif settled.state == FAILED:
        assert word == STAYS_FAILED
    elif settled.state == SKIPPED:
        assert word == KEPT
    else:
        assert settled.state == SUBMITTED
        if record.state == EXTRACTED:
            assert word == KEPT
        elif settled.session_id in submissions.failed or (
            record.state == FAILED and record.stage in ("parsing", "extraction")
        ):
            assert word == STAYS_FAILED
        else:
            assert word == GOES_ON


@given(record=RECORDS, submissions=LEDGERS, on_ambiguous_submit=st.sampled_from(["fail", "resubmit"]))
def test_the_same_holds_for_a_task_that_creates_sessions(record, submissions, on_ambiguous_submit):
    for sha256 in submissions.sessions:
        submissions.ambiguous.pop(sha256, None)
    assume(record.state != SKIPPED and not (record.state == FAILED and record.stage == "upload"))
    (settled,) = settle_known(
        [replace(record, state=UPLOADED, stage=None, key="k")], submissions, on_ambiguous_submit=on_ambiguous_submit
    )
    word = foresee(record, CREATE_SESSIONS, submissions, {"on_ambiguous_submit": on_ambiguous_submit}).word
    assert (word in (TRIED_AGAIN, PAID_AGAIN)) == (settled.state == UPLOADED)


def test_a_sentence_says_what_a_retry_costs_and_what_becomes_of_all():
    outlooks = [Outlook(word, "") for word in [KEPT] * 37 + [STAYS_FAILED] * 2 + [TRIED_AGAIN]]
    assert summarize_retry(outlooks) == (
        "A retry pays for 1 document: 37 documents keep their results, 1 document is tried for the first time, "
        "2 documents stay failed."
    )
    assert summarize_retry([Outlook(KEPT, "")]) == "A retry pays for nothing: 1 document keeps its result."
    assert summarize_retry([]) == "A retry pays for nothing."


def test_clearing_pays_for_all_but_what_is_landed():
    assert summarize_clear(1, EXTRACT, {}) == "Clearing this task submits, and pays for, its 1 document again."
    assert summarize_clear(40, EXTRACT, {"skip_landed_in": "warehouse/invoices"}) == (
        "Clearing this task submits, and pays for, what warehouse/invoices lacks of its 40 documents."
    )
    assert summarize_clear(40, WAIT, {}) == "Clearing this task pays for nothing."
