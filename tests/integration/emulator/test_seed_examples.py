"""The examples of the three founding pages of the API, taken literally."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import pytest

from raydocs_provider.emulator import Emulator
from tests.integration.emulator.client import CORRUPT, INVOICE, SCHEMA, Client


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def client(emulator):
    return Client(emulator)


def is_time(text: str) -> bool:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ") is not None


def test_the_list_of_workspaces_is_in_an_envelope_and_empty_at_first(client):
    assert client.call("GET", "/workspaces").json() == {"data": []}
    number = client.workspace()
    assert isinstance(number, int)
    assert [(row["id"], row["name"], row["icon"]) for row in client.get("/workspaces")["data"]] == [
        (number, "Finance", "📊")
    ]


def test_templates_are_paged(client):
    workspace = client.workspace()
    ids = [client.template(workspace) for _ in range(17)]
    path = f"/workspaces/{workspace}/extractions/templates"
    first, second = client.get(path), client.get(path, params={"page": 2})
    assert first["meta"] == {"current_page": 1, "last_page": 2, "per_page": 15, "total": 17}
    assert [row["id"] for row in first["data"] + second["data"]] == ids
    assert first["data"][0]["schema_json"] == SCHEMA


def test_a_signed_url_comes_with_a_key_and_no_headers(client):
    signed = client.sign("application/pdf")
    assert sorted(signed) == ["headers", "key", "url"]
    assert signed["headers"] == {}
    assert signed["key"].startswith("tmp/")
    assert signed["key"].endswith(".pdf")


def test_batch_create_answers_201_and_a_bare_array_in_the_order_of_the_files(client):
    template = client.template()
    keys = [client.upload(b"Invoice number: %d" % n) for n in range(3)]
    answer = client.call(
        "POST",
        f"/extractions/templates/{template}/sessions/batch",
        {"files": keys, "settings": {"auto_extract": True}},
    )
    assert answer.status_code == 201
    rows = answer.json()
    assert [sorted(row) for row in rows] == [["created_at", "id", "name"]] * 3
    assert [row["name"] for row in rows] == ["Pending..."] * 3
    assert all(is_time(row["created_at"]) and UUID(row["id"]) for row in rows)
    found = [client.wait(row["id"])["results"][0]["data"]["invoice"]["invoice_number"] for row in rows]
    assert found == ["0", "1", "2"]


def test_a_session_goes_from_pending_to_named_and_its_run_from_nothing_to_completed():
    clock = Clock()
    with Emulator(clock=clock, rate_limit=0, parse_seconds=10, extract_seconds=10) as emulator:
        client = Client(emulator)
        (session,) = client.batch(client.template())

        def seen() -> tuple[str, str, list[str]]:
            view = client.look(session)
            named = "Pending..." if view["name"] == "Pending..." else "named"
            return named, view["documents"][0]["status"], [run["status"] for run in view["results"]]

        def results() -> object:
            return client.get(f"/extractions/sessions/{session}/results")

        assert seen() == ("Pending...", "queued", [])
        clock.now += 5
        assert seen() == ("named", "parsing", [])
        assert results() == {"data": []}
        clock.now += 5
        client.wait(session, lambda view: view["documents"][0]["status"] == "ready")
        assert seen() == ("named", "ready", ["created"])
        clock.now += 5
        assert seen() == ("named", "ready", ["processing"])
        clock.now += 5
        client.wait(session, lambda view: view["results"][0]["status"] == "completed")
        assert results()["data"] == client.look(session)["results"]


def test_a_session_has_the_fields_of_the_reference_page(client):
    view = client.finished()
    assert {"id", "name", "extraction_template_id", "settings", "status", "created_at", "updated_at"} <= set(view)
    (document,) = view["documents"]
    assert {"id", "workspace_id", "filename", "mime", "size", "sha256", "status", "source_type"} <= set(document)
    assert document["source_url"] is None
    assert len(document["sha256"]) == 64
    assert document["size"] == len(INVOICE)
    assert document["meta"] == {"page_count": 1, "file_size": len(INVOICE)}
    (parsing,) = document["parsings"]
    assert {"id", "config_hash", "status", "parser_version", "updated_at"} == set(parsing)
    (run,) = view["results"]
    assert {"id", "extraction_session_id", "status", "config_hash", "created_at", "updated_at"} <= set(run)
    (ref,) = run["document_refs"]
    assert (ref["kind"], ref["documentId"], ref["sha256"]) == ("documentRef", document["id"], document["sha256"])


def test_a_result_has_values_confidence_and_sources(client):
    view = client.finished()
    run = client.get(f"/extractions/results/{view['results'][0]['id']}")
    assert run["status"] == "completed"
    assert run["data"] == {"invoice": {"invoice_number": "INV-7", "total": 12.5, "purchase_order": None}}
    reason = run["reasoning"]["invoice"]["invoice_number"]
    assert set(reason) == {"reasoning", "confidence"}
    assert 0 < reason["confidence"] <= 1
    audit = run["audit_data"]["invoice"]["invoice_number"]
    assert set(audit) == {"reasoning", "sources"}
    (source,) = audit["sources"]
    assert source["page"] == 1
    assert "INV-7" in source["text"]
    chunks = client.get(f"/extractions/documents/{view['documents'][0]['id']}/chunks")["data"]
    assert source["chunk_id"] == chunks[0]["id"]


@pytest.mark.parametrize("content", [CORRUPT, b""], ids=["corrupt", "empty"])
def test_a_document_that_cannot_be_parsed_fails_and_no_result_ever_shows(client, content):
    view = client.finished([content])
    assert view["status"] == "failed"
    assert view["documents"][0]["status"] == "failed"
    assert view["documents"][0]["parsings"][0]["status"] == "failed"
    assert view["results"] == []


def test_more_than_50_files_are_refused_with_errors(client):
    template = client.template()
    key = client.upload()
    path = f"/extractions/templates/{template}/sessions/batch"
    assert client.call("POST", path, {"files": [key] * 50}).status_code == 201
    refused = client.call("POST", path, {"files": [key] * 51})
    assert refused.status_code == 422
    assert refused.json() == {
        "message": "The files field must not have more than 50 items.",
        "errors": {"files": ["The files field must not have more than 50 items."]},
    }


def test_keys_that_were_never_uploaded_are_refused_all_together(client, emulator):
    template = client.template()
    never_put = client.sign()["key"]
    answer = client.call(
        "POST",
        f"/extractions/templates/{template}/sessions/batch",
        {"files": [client.upload(), never_put, "tmp/invented.pdf"]},
    )
    assert answer.status_code == 422
    assert sorted(answer.json()["errors"]) == ["files.1", "files.2"]
    assert not emulator.requests()[-1].created


def test_without_auto_extract_nothing_is_extracted_until_it_is_asked_for(client):
    (session,) = client.batch(client.template(), auto_extract=False)
    view = client.wait(session)
    assert (view["status"], view["results"]) == ("pending", [])
    started = client.call("POST", f"/extractions/sessions/{session}/results")
    assert started.status_code == 201
    assert started.json()["extraction_session_id"] == session
    assert client.wait(session)["results"][0]["data"]["invoice"]["invoice_number"] == "INV-7"


def test_the_hundred_and_first_request_of_a_minute_is_refused(make_emulator):
    client = Client(make_emulator(rate_limit=100))
    answers = [client.call("GET", "/workspaces") for _ in range(101)]
    assert {answer.status_code for answer in answers[:100]} == {200}
    assert answers[0].headers["X-RateLimit-Remaining"] == "99"
    refused = answers[100]
    assert refused.status_code == 429
    assert refused.json() == {"message": "Too Many Attempts."}
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
