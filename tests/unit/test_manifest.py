"""What one task tells the next: it adds up, stays small, and survives being written and read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydocs_provider.exceptions import RaydocsManifestError
from raydocs_provider.extraction.manifest import (
    EXTRACTED,
    FAILED,
    MAX_INLINE_DOCUMENTS,
    MAX_LISTED_FAILURES,
    SCHEMA_VERSION,
    STATES,
    SUBMITTED,
    UPLOADED,
    DocumentRecord,
    Manifest,
    Outcome,
    apply_outcomes,
    check_manifest,
    documents_file,
    match_sessions,
    parse_documents_file,
    read_manifest,
    read_record,
    write_manifest,
)

# Storage names need not be Unicode: what is not arrives as lone surrogates.
TEXT = st.text(st.characters(codec=None), max_size=40)
RECORDS = st.builds(
    DocumentRecord,
    uri=TEXT,
    state=st.sampled_from(STATES),
    sha256=st.none() | st.text("0123456789abcdef", min_size=64, max_size=64),
    size=st.none() | st.integers(0, 2**40),
    key=st.none() | TEXT,
    session_id=st.none() | st.uuids().map(str),
    result_id=st.none() | st.uuids().map(str),
    stage=st.none() | st.sampled_from(["upload", "parsing"]),
    code=st.none() | TEXT,
    reason=st.none() | TEXT,
)
MANIFESTS = st.builds(
    Manifest,
    documents=st.lists(RECORDS, max_size=8).map(tuple),
    conn_id=st.just("raydocs_default"),
    template_id=st.none() | TEXT,
    template_hash=st.none() | TEXT,
    results_path=st.none() | TEXT,
    submitted_at=st.none() | st.floats(0, 4e9),
)


def submitted(count: int) -> Manifest:
    documents = [
        DocumentRecord(f"s3://inbox/{n}.pdf", SUBMITTED, sha256=f"{n:064x}", session_id=f"s{n}") for n in range(count)
    ]
    return Manifest(tuple(documents), "raydocs_default", "t-1", "hash", None, 1_700_000_000.0)


def over_the_wire(written: dict[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(json.dumps(written))
    return read


@given(MANIFESTS)
def test_a_manifest_survives_xcom(manifest: Manifest) -> None:
    assert read_manifest(over_the_wire(write_manifest(manifest))) == manifest


@given(MANIFESTS)
def test_a_manifest_survives_with_its_documents_in_a_file(manifest: Manifest) -> None:
    name, content = documents_file(manifest.documents)
    written = over_the_wire(write_manifest(manifest, name))
    assert written["documents_file"] == name
    assert "documents" not in written
    assert read_manifest(written, parse_documents_file(content)) == manifest


@given(st.lists(RECORDS, max_size=4), st.lists(RECORDS, max_size=4))
def test_a_file_of_documents_is_named_after_its_content(one: list[DocumentRecord], other: list[DocumentRecord]) -> None:
    assert (documents_file(one) == documents_file(other)) == (one == other)
    assert documents_file(one)[0].startswith("_documents-")


@given(MANIFESTS)
def test_the_counts_add_up(manifest: Manifest) -> None:
    counts = write_manifest(manifest)["counts"]
    assert counts.pop("total") == sum(counts.values()) == len(manifest.documents)


@given(MANIFESTS, st.sampled_from(["total", *STATES]), st.sampled_from([-1, 1]))
def test_a_manifest_that_does_not_add_up_is_refused(manifest: Manifest, count: str, by: int) -> None:
    written = write_manifest(manifest)
    written["counts"][count] += by
    with pytest.raises(RaydocsManifestError, match="does not add up"):
        read_manifest(written)


def test_a_manifest_that_lost_documents_is_refused() -> None:
    manifest = submitted(3)
    name, content = documents_file(manifest.documents)
    with pytest.raises(RaydocsManifestError, match="does not add up"):
        read_manifest(write_manifest(manifest, name), parse_documents_file(content)[:-1])
    with pytest.raises(RaydocsManifestError, match="no list of documents"):
        read_manifest(write_manifest(manifest, name))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["schema_version", "counts", "documents", "total", "uri", "state", *STATES]),
            inner,
            max_size=6,
        )
    ),
    max_leaves=15,
)


@given(JSON, JSON, JSON)
def test_what_is_no_manifest_is_refused_in_our_words(value: Any, counts: Any, documents: Any) -> None:
    for candidate in (value, {"schema_version": SCHEMA_VERSION, "counts": counts, "documents": documents}):
        try:
            manifest = read_manifest(candidate)
        except RaydocsManifestError:
            continue
        assert write_manifest(manifest)["counts"] == candidate["counts"]


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (None, "left no manifest: it was skipped, failed before it had one, or was killed"),
        ("{}", r"got a str\.$"),
        ({}, r"got a dict\.$"),
        ({"counts": {}}, r"got a dict\.$"),
        ([{"schema_version": 1, "counts": {}}], r"got a list\. Map this task over it with \.expand\(\)"),
        (5, r"got a int\.$"),
        ({"schema_version": 2, "counts": {}}, "has version 2, this package reads version 1"),
        ({"schema_version": None, "counts": {}}, "has version None"),
    ],
)
def test_the_complaint_says_what_it_is_instead(value: Any, complaint: str) -> None:
    with pytest.raises(RaydocsManifestError, match=complaint):
        check_manifest(value)


def test_a_document_in_a_state_of_another_version_is_refused() -> None:
    with pytest.raises(RaydocsManifestError, match="reviewed"):
        Manifest((DocumentRecord("a.pdf", "reviewed"),), "raydocs_default")


def test_keys_of_newer_versions_are_ignored_in_documents() -> None:
    assert read_record({"uri": "a.pdf", "state": UPLOADED, "pages": 3}) == DocumentRecord("a.pdf", UPLOADED)


@pytest.mark.parametrize("row", [None, [], "a.pdf", {}, {"uri": "a.pdf"}, {"state": UPLOADED}, {"uri": 1, "state": []}])
def test_an_unreadable_document_is_refused(row: Any) -> None:
    with pytest.raises(RaydocsManifestError, match="no uri or no state"):
        read_record(row)
    with pytest.raises(RaydocsManifestError, match="no uri or no state"):
        parse_documents_file(json.dumps(row).encode())


def test_many_documents_need_a_file() -> None:
    write_manifest(submitted(MAX_INLINE_DOCUMENTS))
    too_many = submitted(MAX_INLINE_DOCUMENTS + 1)
    with pytest.raises(RaydocsManifestError, match="Set results_path, or map the task"):
        write_manifest(too_many)
    write_manifest(too_many, "_documents-1.ndjson")


@pytest.mark.parametrize("letter", ["x", "ü", "請", "📄", "\ud800", "\x00", '"'])
def test_two_thousand_documents_with_three_hundred_failures_stay_below_16_kb(letter: str) -> None:
    documents: list[DocumentRecord] = list(submitted(1700).documents)
    documents += [
        DocumentRecord(f"s3://inbox/{letter * 500}/{n}.pdf", SUBMITTED, session_id=f"f{n}").fail(
            "extraction", "extraction_failed", letter * 1000
        )
        for n in range(300)
    ]
    manifest = replace(submitted(0), documents=tuple(documents), results_path="s3://lake/raydocs/run/")
    name, _ = documents_file(documents)
    written = write_manifest(manifest, name)
    assert len(json.dumps(written)) <= 16 * 1024
    assert 1 <= len(written["failures"]) <= MAX_LISTED_FAILURES
    assert len(written["failures"]) + written["failures_not_listed"] == 300


def test_failures_say_which_document_where_and_why() -> None:
    failed = DocumentRecord("s3://inbox/a.pdf", UPLOADED).fail("upload", "upload_failed", "refused (403)")
    written = write_manifest(Manifest((failed, *submitted(1).documents), "raydocs_default"))
    assert written["failures"] == [
        {"document": "s3://inbox/a.pdf", "stage": "upload", "code": "upload_failed", "reason": "refused (403)"}
    ]
    assert written["failures_not_listed"] == 0


@pytest.mark.parametrize(
    ("states", "text"),
    [
        ([], "no documents"),
        ([UPLOADED], "1 uploaded"),
        ([EXTRACTED, FAILED, EXTRACTED], "2 extracted, 1 failed"),
        ([UPLOADED, FAILED, SUBMITTED, EXTRACTED], "1 extracted, 1 submitted, 1 uploaded, 1 failed"),
    ],
)
def test_a_summary_counts_in_the_order_of_the_way(states: list[str], text: str) -> None:
    assert Manifest([DocumentRecord("a", state) for state in states], "c").summarize() == text


@pytest.mark.parametrize(
    ("uri", "name"), [("s3://b/in/a b.pdf", "a b.pdf"), ("a.pdf", "a.pdf"), ("/in/folder/", "folder")]
)
def test_a_record_knows_its_file_name(uri: str, name: str) -> None:
    assert DocumentRecord(uri, UPLOADED).name == name


# --- which session holds which document -----------------------------------------------------------------------------

SHA256S = st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), min_size=1, max_size=8)


@st.composite
def shuffled_batches(draw: st.DrawFn) -> tuple[list[DocumentRecord], dict[str, str]]:
    """Documents in the order of the upload, sessions in any order, and what each session really holds."""
    sha256s = draw(SHA256S)
    holds = {f"s{index}": sha256 for index, sha256 in enumerate(draw(st.permutations(sha256s)))}
    documents = [
        DocumentRecord(f"{index}.pdf", SUBMITTED, sha256, session_id=f"s{index}")
        for index, sha256 in enumerate(sha256s)
    ]
    return documents, holds


@given(shuffled_batches())
def test_whatever_the_order_of_the_answer_each_document_gets_the_session_that_holds_it(
    batch: tuple[list[DocumentRecord], dict[str, str]],
) -> None:
    documents, holds = batch
    assert all(record.sha256 == holds[str(record.session_id)] for record in match_sessions(documents, holds))


@given(shuffled_batches(), st.data())
def test_no_session_is_lost_or_given_to_two_documents_however_little_is_known(
    batch: tuple[list[DocumentRecord], dict[str, str]], data: st.DataObject
) -> None:
    documents, holds = batch
    documents = [replace(record, sha256=data.draw(st.sampled_from([record.sha256, None]))) for record in documents]
    told = {
        session_id: data.draw(st.sampled_from([sha256, None, "foreign"]))
        for session_id, sha256 in holds.items()
        if data.draw(st.booleans())
    }
    matched = match_sessions(documents, {**told, "of another task": "a"})
    assert sorted(str(record.session_id) for record in matched) == sorted(holds)
    assert [replace(record, session_id=None) for record in matched] == [
        replace(record, session_id=None) for record in documents
    ]
    # A session that has told goes to a document of that content, as long as there is one.
    content = Counter(record.sha256 for record in documents)
    for sha256 in set(told.values()) - {None, "foreign"}:
        tellers = [session_id for session_id in told if told[session_id] == sha256]
        placed = [record for record in matched if record.session_id in tellers and record.sha256 == sha256]
        assert len(placed) == min(len(tellers), content[sha256])


def test_without_a_word_of_the_server_the_order_of_the_answer_stands() -> None:
    documents = submitted(4).documents
    assert match_sessions(documents, {}) == list(documents)
    assert match_sessions(documents, dict.fromkeys(["s0", "s1", "s2"])) == list(documents)


@given(shuffled_batches(), st.data())
def test_a_document_that_is_settled_keeps_its_session_when_a_later_wait_goes_on(
    batch: tuple[list[DocumentRecord], dict[str, str]], data: st.DataObject
) -> None:
    documents, holds = batch
    manifest = Manifest(tuple(documents), "raydocs_default")
    # Each wait learns of one more session only, and hands its manifest on.
    for count, session_id in enumerate(data.draw(st.permutations(sorted(holds))), start=1):
        manifest = apply_outcomes(manifest, {session_id: Outcome(EXTRACTED, f"r-{session_id}", holds[session_id])})
        settled = manifest.in_state(EXTRACTED)
        assert len(settled) == count
        for record in settled:
            assert record.sha256 == holds[str(record.session_id)]
            assert record.result_id == f"r-{record.session_id}"


def test_identical_documents_may_share_a_session() -> None:
    def record(uri: str, sha256: str, session_id: str) -> DocumentRecord:
        return DocumentRecord(uri, SUBMITTED, sha256, session_id=session_id)

    documents = [record("1", "a", "s1"), record("2", "a", "s1"), record("3", "b", "s2")]
    assert match_sessions(documents, {"s1": "b", "s2": "a"}) == [
        record("1", "a", "s2"),
        record("2", "a", "s2"),
        record("3", "b", "s1"),
    ]


def test_documents_without_a_session_are_left_alone() -> None:
    failed = DocumentRecord("x", UPLOADED, "a").fail("upload", "upload_failed", "no")
    assert match_sessions([failed, *submitted(1).documents], {"s0": "a"}) == [failed, *submitted(1).documents]


# --- outcomes ---------------------------------------------------------------------------------------------------------


def states(documents: Sequence[DocumentRecord]) -> list[str]:
    return [record.state for record in documents]


def test_outcomes_advance_submitted_documents_and_leave_the_others() -> None:
    manifest = submitted(3)
    advanced = apply_outcomes(
        manifest,
        {
            "s0": Outcome(EXTRACTED, "r0"),
            "s2": Outcome(FAILED, "r2", None, "extraction", "extraction_failed", "No text. " * 100),
            "unknown": Outcome(EXTRACTED, "r9"),
        },
    )
    assert states(advanced.documents) == [EXTRACTED, SUBMITTED, FAILED]
    assert advanced.documents[0].result_id == "r0"
    last = advanced.documents[2]
    assert (last.stage, last.code, len(last.reason or "")) == ("extraction", "extraction_failed", 200)
    assert states(manifest.documents) == [SUBMITTED] * 3
    assert advanced.states == Counter({EXTRACTED: 1, SUBMITTED: 1, FAILED: 1})


def test_an_outcome_never_changes_a_document_that_has_ended() -> None:
    failed = replace(submitted(1).documents[0].fail("submit", "batch_refused", "no"), session_id="s0")
    manifest = Manifest((failed,), "raydocs_default")
    assert apply_outcomes(manifest, {"s0": Outcome(EXTRACTED, "r0")}) == manifest


def test_applying_outcomes_twice_is_the_same_as_once() -> None:
    outcomes = {"s0": Outcome(EXTRACTED, "r0", f"{1:064x}"), "s1": Outcome(FAILED, None, None, "waiting", "x", "y")}
    once = apply_outcomes(submitted(3), outcomes)
    assert apply_outcomes(once, outcomes) == once
