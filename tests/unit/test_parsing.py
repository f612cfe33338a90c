"""Both generations of the API, and everything its pages disagree about, read into the same objects."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydocs_provider.api import parsing
from raydocs_provider.api.models import Document, Parsing, Result, Session, SignedUpload, Template, Workspace
from raydocs_provider.api.parsing import UnexpectedShapeError

PARSERS: dict[str, Callable[[Any], Any]] = {
    name: getattr(parsing, name)
    for name in (
        "rows",
        "is_last_page",
        "workspace",
        "workspaces",
        "template",
        "signed_upload",
        "document",
        "result",
        "session",
        "accepted_run",
        "queued_count",
        "exported_data",
        "validation_errors",
    )
}

# Keys the parsers look for, so that arbitrary JSON gets past the first check.
# fmt: off
KEYS = st.sampled_from([
    "id", "data", "url", "key", "headers", "status", "documents", "results", "parsings", "sha256",
    "audit_data", "reasoning", "error", "message", "code", "errors", "session_id", "queued_count", "job_id",
    "meta", "current_page", "last_page", "workspace_id", "schema_json", "settings",
])
# fmt: on
SCALARS = st.none() | st.booleans() | st.integers() | st.text() | st.decimals(allow_nan=False) | st.just("completed")
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=6),
    max_leaves=25,
)


@given(body=JSON)
def test_no_json_makes_a_parser_raise_anything_else(body: Any) -> None:
    for parse in PARSERS.values():
        with suppress(UnexpectedShapeError):
            parse(body)


@pytest.mark.parametrize("parse", PARSERS.values(), ids=list(PARSERS))
@pytest.mark.parametrize(
    "body", [["s3cret"], "s3cret", {"id": ["s3cret"], "url": ["s3cret"], "queued_count": "s3cret"}]
)
def test_a_complaint_never_quotes_a_value(parse: Callable[[Any], Any], body: Any) -> None:
    complaint = ""
    try:
        parse(body)
    except UnexpectedShapeError as problem:
        complaint = str(problem)
    assert "s3cret" not in complaint


@pytest.mark.parametrize("body", [[1, 2], {"data": [1, 2]}, {"data": [1, 2], "meta": {}, "links": {}}])
def test_a_list_comes_bare_or_in_an_envelope(body: Any) -> None:
    assert parsing.rows(body) == [1, 2]


@pytest.mark.parametrize("body", [None, {}, "text", 3, {"data": None}, {"data": {"id": 1}}, {"message": "no"}])
def test_what_is_no_list_is_refused_rather_than_taken_for_an_empty_one(body: Any) -> None:
    with pytest.raises(UnexpectedShapeError, match="list"):
        parsing.rows(body)


@pytest.mark.parametrize(
    ("body", "last"),
    [
        ([], True),
        ({"data": []}, True),
        ({"data": [], "meta": None}, True),
        ({"data": [], "meta": []}, True),
        ({"data": [], "meta": {"current_page": 1, "last_page": 3}}, False),
        ({"data": [], "meta": {"current_page": 3, "last_page": 3}}, True),
        ({"data": [], "meta": {"current_page": 1}}, True),
        ({"data": [], "meta": {"current_page": "one", "last_page": "three"}}, True),
    ],
)
def test_paging_ends_where_the_meta_says_or_says_nothing(body: Any, last: bool) -> None:
    assert parsing.is_last_page(body) is last


@pytest.mark.parametrize(("given_id", "id_"), [(12, "12"), ("12", "12"), ("660e8400-e29b", "660e8400-e29b"), (0, "0")])
def test_an_id_may_be_a_number_or_text(given_id: Any, id_: str) -> None:
    assert parsing.workspace({"id": given_id, "name": "Finance"}) == Workspace(id_, "Finance")


@pytest.mark.parametrize("bad", [{}, {"id": None}, {"id": ""}, {"id": True}, {"id": [1]}, {"id": Decimal("1.5")}])
@pytest.mark.parametrize("name", ["workspace", "template", "document", "result", "session"])
def test_an_object_without_an_id_is_refused(name: str, bad: dict[str, Any]) -> None:
    with pytest.raises(UnexpectedShapeError, match=f"{name} without an id"):
        PARSERS[name]({**bad, "name": "x"})


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("workspace", Workspace("x", "")),
        ("template", Template("x", "")),
        ("document", Document("x")),
        ("result", Result("x")),
        ("session", Session("x")),
        ("accepted_run", Result("x")),
    ],
)
def test_every_key_but_the_id_may_be_missing_and_unknown_ones_are_ignored(name: str, bare: Any) -> None:
    assert PARSERS[name]({"id": "x"}) == bare
    assert PARSERS[name]({"id": "x", "brand_new": {"a": [1]}}) == bare
    assert PARSERS[name]({"data": {"id": "x"}}) == bare


@pytest.mark.parametrize("empty", [{}, [], None])
def test_an_empty_list_stands_for_an_empty_object_as_php_prints_it(empty: Any) -> None:
    template = parsing.template({"id": "t", "schema_json": empty, "settings": empty})
    assert (template.schema_json, template.settings) == ({}, {})
    assert parsing.signed_upload({"url": "u", "key": "k", "headers": empty}).headers == {}
    assert parsing.result({"id": "r", "audit_data": empty, "reasoning": empty}).audit == {}
    assert parsing.session({"id": "s", "settings": empty, "documents": empty, "results": empty}) == Session("s")


def test_data_that_is_empty_is_told_from_data_that_is_missing() -> None:
    assert parsing.result({"id": "r", "data": []}).data == {}
    assert parsing.result({"id": "r", "data": {}}).data == {}
    assert parsing.result({"id": "r"}).data is None
    assert parsing.result({"id": "r", "data": None}).data is None


def test_a_template_is_read_with_everything_in_it() -> None:
    body = {
        "id": "550e8400",
        "name": "Invoices",
        "description": None,
        "workspace_id": 12,
        "schema_json": {"groups": {"header": {}}},
        "settings": {"parsing": {"contextual_embedding": False}},
    }
    assert parsing.template(body) == Template(
        "550e8400", "Invoices", "12", None, {"groups": {"header": {}}}, {"parsing": {"contextual_embedding": False}}
    )


def test_a_template_version_depends_on_schema_and_settings_and_not_on_their_order() -> None:
    one = Template("t", "a", schema_json={"a": 1, "b": {"c": 2, "d": 3}})
    other = Template("u", "b", schema_json={"b": {"d": 3, "c": 2}, "a": 1})
    assert one.content_hash == other.content_hash
    assert one.content_hash != Template("t", "a", schema_json=one.schema_json, settings={"x": 1}).content_hash
    assert one.content_hash != Template("t", "a", schema_json={"a": 2}).content_hash


def test_a_schema_read_from_an_answer_has_a_version_whatever_its_numbers_are() -> None:
    schema = {"groups": {"g": {"fields": {"f": {"type": "number", "multipleOf": Decimal("0.01")}}}}}
    parsed = parsing.template({"id": "t", "schema_json": schema})
    assert parsed.content_hash == Template("t", "", schema_json={"groups": {"g": {"fields": {"f": {
        "type": "number", "multipleOf": 0.01}}}}}).content_hash  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "sent"),
    [
        ({}, {}),
        ({"Content-Type": "application/pdf"}, {"Content-Type": "application/pdf"}),
        ({"Host": ["bucket.s3"], "Content-Type": ["application/pdf"]}, {"Content-Type": "application/pdf"}),
        ({"HOST": "bucket.s3", "x-amz-meta": ["a", "b"]}, {"x-amz-meta": "a, b"}),
        ({"x-amz-acl": None, "x-empty": "", "x-none": []}, {}),
        ({"x-number": 5}, {"x-number": "5"}),
    ],
)
def test_headers_of_a_signed_url_become_text_without_the_host(headers: Any, sent: dict[str, str]) -> None:
    body = {"url": "https://storage/x?sig=1", "key": "tmp/1", "headers": headers, "uuid": "u", "bucket": "b"}
    assert parsing.signed_upload(body).headers == sent


@pytest.mark.parametrize("body", [{}, {"url": "u"}, {"key": "k"}, {"url": "", "key": "k"}, {"url": 1, "key": "k"}])
def test_a_signed_url_needs_url_and_key(body: Any) -> None:
    with pytest.raises(UnexpectedShapeError, match="'url' and 'key'"):
        parsing.signed_upload(body)


def test_a_signed_url_is_not_shown() -> None:
    shown = repr(SignedUpload("tmp/1", "https://storage/x?X-Amz-Signature=abc", {"x-amz-token": "def"}))
    assert "abc" not in shown
    assert "def" not in shown


def test_a_document_of_the_new_generation() -> None:
    body = {
        "id": "d",
        "filename": "a.pdf",
        "mime": "application/pdf",
        "status": " Parsed ",
        "sha256": "ABCDEF",
        "parsings": [{"id": "p", "status": "READY"}, {"id": "q"}, "odd"],
    }
    assert parsing.document(body) == Document("d", "a.pdf", "parsed", "abcdef", (Parsing("ready"), Parsing(None)))


def test_a_document_of_the_old_generation() -> None:
    body = {"id": "d", "filename": "a.pdf", "mime_type": "application/pdf", "extraction_session_id": "s"}
    assert parsing.document(body) == Document("d", "a.pdf")


def test_a_session_brings_its_documents_and_runs() -> None:
    body = {
        "id": "s",
        "name": "invoice.pdf",
        "extraction_template_id": "t",
        "status": "Completed",
        "documents": [{"id": "d", "status": "ready"}],
        "results": [{"id": "r", "status": "completed", "data": {"g": {"f": 1}}}],
    }
    session = parsing.session(body)
    assert session.status == "completed"
    assert session.documents == (Document("d", status="ready"),)
    assert [(run.id, run.status, run.data) for run in session.results] == [("r", "completed", {"g": {"f": 1}})]


def test_the_audit_of_both_generations_is_merged_key_by_key_and_the_newer_wins() -> None:
    body = {
        "id": "r",
        "reasoning": {"g": {"f": {"reasoning": "old", "confidence": Decimal("0.95")}, "only_old": {"confidence": 1}}},
        "audit_data": {
            "g": {"f": {"reasoning": "new", "sources": [{"page": 1}]}, "only_new": {"sources": []}},
            "h": {"list": [{"a": {"reasoning": "item"}}]},
            "odd": "text",
        },
    }
    assert parsing.result(body).audit == {
        "g": {
            "f": {"reasoning": "new", "confidence": Decimal("0.95"), "sources": [{"page": 1}]},
            "only_old": {"confidence": 1},
            "only_new": {"sources": []},
        },
        "h": {"list": [{"a": {"reasoning": "item"}}]},
    }


def test_merging_the_audit_changes_neither_part() -> None:
    reasoning: dict[str, Any] = {"g": {"f": {"confidence": 1}}}
    parsing.result({"id": "r", "reasoning": reasoning, "audit_data": {"g": {"f": {"reasoning": "x"}, "h": {}}}})
    assert reasoning == {"g": {"f": {"confidence": 1}}}


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (None, None),
        ("", None),
        ("  \n ", None),
        (False, None),
        ([], None),
        ({}, None),
        (["a"], None),
        ("No text\n  found", "No text found"),
        ({"message": "No text found"}, "No text found"),
        ({"message": None, "error": "No text"}, "No text"),
        ({"code": "E12"}, "E12"),
        ({"code": 12}, "12"),
        ({"message": {"nested": 1}}, None),
        ("x" * 1000, "x" * 300),
    ],
)
def test_the_error_of_a_run_becomes_one_short_line(error: Any, text: str | None) -> None:
    assert parsing.result({"id": "r", "status": "failed", "error": error}).error == text


@pytest.mark.parametrize(
    ("status", "finished"),
    [("completed", True), ("Failed", True), ("created", False), ("paused", False), (None, False), (3, False)],
)
def test_only_completed_and_failed_end_a_run(status: Any, finished: bool) -> None:
    assert parsing.result({"id": "r", "status": status}).finished is finished


def test_a_run_is_accepted_with_a_run_or_with_a_job() -> None:
    assert parsing.accepted_run({"message": "queued", "job_id": "j"}) is None
    assert parsing.accepted_run({"id": "r", "status": "created"}) == Result("r", status="created")
    assert parsing.accepted_run({"data": {"message": "queued", "job_id": "j"}}) is None
    with pytest.raises(UnexpectedShapeError):
        parsing.accepted_run({"message": "queued"})


@pytest.mark.parametrize("count", [None, "3", True, Decimal("3.5")])
def test_a_batch_execution_needs_its_count(count: Any) -> None:
    assert parsing.queued_count({"message": "Extractions queued", "queued_count": 3}) == 3
    with pytest.raises(UnexpectedShapeError, match="queued_count"):
        parsing.queued_count({"queued_count": count})


@pytest.mark.parametrize("envelope", [lambda rows: rows, lambda rows: {"data": rows}])
def test_an_export_is_read_by_session(envelope: Callable[[Any], Any]) -> None:
    rows = [
        {"session_id": "s1", "session_name": "a", "data": {"g": {"f": Decimal("1.10")}}},
        {"session_id": "s2", "data": []},
        {"session_id": "s3", "data": None},
        {"session_id": "s4"},
    ]
    assert parsing.exported_data(envelope(rows)) == {
        "s1": {"g": {"f": Decimal("1.10")}},
        "s2": {},
        "s3": None,
        "s4": None,
    }


@pytest.mark.parametrize("row", [None, "s1", {}, {"session_id": None}, {"session_id": 7}])
def test_an_export_row_needs_its_session(row: Any) -> None:
    with pytest.raises(UnexpectedShapeError, match="session_id"):
        parsing.exported_data([row])


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"errors": {"files": ["Too many.", "Bad key."]}}, {"files": ["Too many.", "Bad key."]}),
        ({"errors": {"files": "Too many."}}, {"files": ["Too many."]}),
        ({"errors": ["Too many."]}, {"": ["Too many."]}),
        ({"errors": {}}, {}),
        ({"errors": None}, {}),
        ({"message": "no"}, {}),
        (["no"], {}),
        (None, {}),
    ],
)
def test_validation_errors_come_in_several_forms(body: Any, errors: Any) -> None:
    assert parsing.validation_errors(body) == errors
