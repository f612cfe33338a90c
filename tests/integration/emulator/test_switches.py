"""The generations of the API and every switch in them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import pytest
import requests

from raydocs_provider.emulator import Emulator
from tests.integration.emulator.client import CORRUPT, INVOICE, Client


@pytest.fixture
def client_of(make_emulator):
    """A client of an emulator with these settings."""
    return lambda **settings: Client(make_emulator(**settings))


def held_in_parsing(**settings):
    """An emulator whose documents are parsed when the second value is called."""
    now = [1_000.0]
    emulator = Emulator(clock=lambda: now[0], rate_limit=0, parse_seconds=10, extract_seconds=0, **settings)

    def release() -> None:
        now[0] += 10

    return emulator, release


def test_the_old_generation_has_its_own_words_and_fields(client_of):
    client = client_of(generation="old")
    assert client.get("/workspaces") == []
    view = client.finished()
    assert "status" not in view
    (document,) = view["documents"]
    assert document["status"] == "parsed"
    assert document["mime_type"] == "text/plain"
    assert document["extraction_session_id"] == view["id"]
    assert not {"sha256", "parsings", "mime", "workspace_id"} & set(document)
    (run,) = view["results"]
    assert not {"audit_data", "config_hash", "document_refs"} & set(run)
    assert run["reasoning"]["invoice"]["total"]["confidence"] > 0
    assert isinstance(client.get(f"/extractions/sessions/{view['id']}/results"), list)
    (chunk,) = client.get(f"/extractions/documents/{document['id']}/chunks")
    assert (chunk["content"], chunk["page_numbers"]) == (INVOICE.decode().rstrip("\n"), [1])


def test_the_old_generation_starts_runs_as_pending(client_of):
    client = client_of(generation="old", extract_seconds=1_000)
    (session,) = client.batch(client.template())
    client.wait(session, lambda view: [run["status"] for run in view["results"]] == ["pending"])


def test_the_old_generation_answers_a_job_for_a_run(client_of):
    client = client_of(generation="old")
    (session,) = client.batch(client.template(), auto_extract=False)
    client.wait(session)
    answer = client.call("POST", f"/extractions/sessions/{session}/results")
    assert (answer.status_code, sorted(answer.json())) == (201, ["job_id", "message"])
    assert client.wait(session)["results"][0]["status"] == "completed"


def test_the_old_generation_attaches_by_key_and_filename_and_has_no_library(client_of):
    client = client_of(generation="old")
    workspace = client.workspace()
    template = client.template(workspace)
    session = client.post("/extractions/sessions", {"extraction_template_id": template, "name": "Mine"})
    assert (session["name"], session["documents"], session["results"]) == ("Mine", [], [])
    path = f"/extractions/sessions/{session['id']}/documents"
    added = client.call("POST", path, {"key": client.upload(), "filename": "march.pdf"})
    assert (added.status_code, added.json()["filename"]) == (201, "march.pdf")
    assert [row["filename"] for row in client.get(path)["data"]] == ["march.pdf"]
    assert client.call("POST", f"{path}/upload", {"keys": []}).status_code in (404, 405)
    assert client.call("GET", f"/workspaces/{workspace}/documents").status_code == 404


def test_the_new_generation_defers_a_run_until_its_documents_are_parsed():
    emulator, release = held_in_parsing(generation="new")
    with emulator:
        client = Client(emulator)
        (session,) = client.batch(client.template())
        (run,) = client.look(session)["results"]
        assert (run["status"], run["data"], run["completed_at"]) == ("parsing_pending", None, None)
        again = client.call("POST", f"/extractions/sessions/{session}/results")
        assert (again.status_code, again.json()["status"]) == (201, "parsing_pending")
        release()
        view = client.wait(session)
        assert [run["status"] for run in view["results"]] == ["completed", "completed"]
        assert view["documents"][0]["status"] == "processed"
        assert datetime.strptime(view["created_at"], "%Y-%m-%dT%H:%M:%S.%fZ")
        assert "reasoning" not in view["results"][0]
        assert view["results"][0]["audit_data"]["invoice"]["total"]["sources"]


def test_the_new_generation_fails_a_deferred_run_whose_document_cannot_be_parsed(client_of):
    view = client_of(generation="new").finished([CORRUPT])
    assert (view["status"], [run["status"] for run in view["results"]]) == ("failed", ["failed"])


def test_the_new_generation_uploads_into_sessions_by_keys_and_attaches_from_the_library(client_of):
    client = client_of(generation="new")
    workspace = client.workspace()
    template = client.template(workspace)
    session = client.post("/extractions/sessions", {"extraction_template_id": template})["id"]
    path = f"/extractions/sessions/{session}/documents"
    uploaded = client.call("POST", f"{path}/upload", {"keys": [client.upload(b"Invoice number: 1")]})
    assert uploaded.status_code == 201
    assert len(uploaded.json()["data"]) == 1
    library = client.post(f"/workspaces/{workspace}/documents", {"key": client.upload(), "filename": "b.txt"})
    in_library = library["document"]
    assert (in_library["status"], in_library["parsings"]) == ("uploaded", [])
    attached = client.post(f"{path}/attach", {"document_ids": [in_library["id"]]})
    assert attached["data"][0]["status"] != "uploaded"
    assert len(client.look(session)["documents"]) == 2
    assert client.call("DELETE", f"{path}/{in_library['id']}").status_code == 204
    assert client.call("DELETE", f"{path}/{in_library['id']}").status_code == 404
    assert len(client.look(session)["documents"]) == 1
    assert client.get(f"/workspaces/{workspace}/documents/{in_library['id']}")["filename"] == "b.txt"
    assert client.call("POST", path, {"key": "k", "filename": "f"}).status_code == 405


def test_attaching_a_document_of_another_workspace_is_refused(client_of):
    client = client_of(generation="new")
    here, there = client.workspace(), client.workspace()
    elsewhere = client.post(f"/workspaces/{there}/documents", {"key": client.upload()})["document"]["id"]
    session = client.post("/extractions/sessions", {"extraction_template_id": client.template(here)})["id"]
    answer = client.call("POST", f"/extractions/sessions/{session}/documents/attach", {"document_ids": [elsewhere]})
    assert answer.status_code == 422


def test_dedup_gives_the_same_document_for_the_same_bytes(client_of):
    client = client_of(dedup=True)
    workspace = client.workspace()
    path = f"/workspaces/{workspace}/documents"
    first = client.call("POST", path, {"key": client.upload()})
    second = client.call("POST", path, {"key": client.upload()})
    assert (first.status_code, first.json()["dedup"]) == (201, {"reused": False, "matched_by": None})
    assert (second.status_code, second.json()["dedup"]) == (200, {"reused": True, "matched_by": "sha256"})
    assert first.json()["document"]["id"] == second.json()["document"]["id"]
    assert second.json()["document_ref"]["documentId"] == first.json()["document"]["id"]
    sessions = client.batch(client.template(workspace), [INVOICE, INVOICE])
    views = [client.wait(session) for session in sessions]
    assert {view["documents"][0]["id"] for view in views} == {first.json()["document"]["id"]}
    assert len({view["results"][0]["id"] for view in views}) == 2


def test_without_dedup_equal_bytes_are_documents_of_their_own(client_of):
    client = client_of(dedup=False)
    sessions = client.batch(client.template(), [INVOICE, INVOICE])
    assert len({client.wait(session)["documents"][0]["id"] for session in sessions}) == 2


def test_runs_can_be_shown_while_documents_are_parsed():
    emulator, release = held_in_parsing(runs_while_parsing="shown")
    with emulator:
        client = Client(emulator)
        (session,) = client.batch(client.template())
        assert [run["status"] for run in client.look(session)["results"]] == ["created"]
        assert client.post(f"/extractions/sessions/{session}/results")["status"] == "created"
        release()
        client.wait(session)


def test_a_run_is_refused_while_documents_are_parsed_and_hidden_runs_cannot_be_fetched():
    emulator, release = held_in_parsing()
    with emulator:
        client = Client(emulator)
        template = client.template()
        (session,) = client.batch(template)
        assert client.call("POST", f"/extractions/sessions/{session}/results").status_code == 422
        execute = client.post(f"/extractions/templates/{template}/sessions/batch/execute", {"session_ids": [session]})
        assert execute == {"message": "Extractions queued", "queued_count": 1}
        hidden = emulator.requests()[-1].created[0]
        assert client.call("GET", f"/extractions/results/{hidden}").status_code == 404
        release()
        assert hidden in [run["id"] for run in client.wait(session)["results"]]


def test_summaries_leave_the_values_to_the_result_itself(client_of):
    view = client_of(summaries=True).finished()
    (run,) = view["results"]
    assert sorted(run) == ["created_at", "id", "status", "title"]


def test_summaries_are_also_what_the_list_of_results_has(client_of):
    client = client_of(summaries=True)
    view = client.finished()
    (run,) = client.get(f"/extractions/sessions/{view['id']}/results")["data"]
    assert "data" not in run
    assert client.get(f"/extractions/results/{run['id']}")["data"]["invoice"]["total"] == 12.5


@pytest.mark.parametrize(
    ("audit", "keys"),
    [("both", {"reasoning", "audit_data"}), ("reasoning", {"reasoning"}), ("audit_data", {"audit_data"})],
)
def test_a_run_says_why_under_the_keys_it_is_told_to(client_of, audit, keys):
    (run,) = client_of(audit=audit).finished()["results"]
    assert {"reasoning", "audit_data"} & set(run) == keys


@pytest.mark.parametrize("on", [True, False])
def test_switches_that_add_or_take_away_a_key(client_of, on):
    view = client_of(provenance=on, session_status=on, failure_rate=1, error_field=on).finished()
    (run,) = view["results"]
    assert run["status"] == "failed"
    assert ("status" in view) is on
    assert ("config_hash" in run) is ("document_refs" in run) is on
    assert ("error" in run) is on


def test_a_failure_rate_fails_the_same_documents_each_time(make_emulator):
    def outcomes() -> list[str]:
        client = Client(make_emulator(failure_rate=0.5, seed=3))
        sessions = client.batch(client.template(), [b"Total: %d" % n for n in range(12)])
        return [client.wait(session)["results"][0]["status"] for session in sessions]

    first = outcomes()
    assert {"completed", "failed"} == set(first)
    assert outcomes() == first


def test_a_document_that_cannot_be_parsed_can_have_a_failed_run(client_of):
    view = client_of(failed_run_without_parse=True).finished([CORRUPT])
    assert [run["status"] for run in view["results"]] == ["failed"]


def test_vapor_real_answers_as_stock_vapor_does(client_of):
    client = client_of(vapor_real=True)
    answer = client.call("POST", "/vapor/signed-storage-url", {"content_type": "text/plain"})
    assert answer.status_code == 201
    signed = answer.json()
    assert {"uuid", "bucket", "key", "url", "headers"} == set(signed)
    assert signed["headers"]["Host"] == [client.url.removeprefix("http://")]
    sendable = {name: value for name, value in signed["headers"].items() if name != "Host"}
    assert requests.put(signed["url"], data=INVOICE, headers=sendable, timeout=30).status_code == 200


def test_a_shuffled_batch_has_the_same_sessions_in_another_order(client_of, make_emulator):
    emulator = make_emulator(shuffle_batch=True)
    client = Client(emulator)
    answered = client.batch(client.template(), [b"a", b"b", b"c", b"d"])
    created = list(emulator.requests()[-1].created)
    assert answered != created
    assert sorted(answered) == sorted(created)


def test_workspaces_can_have_uuids(client_of):
    client = client_of(workspace_uuids=True)
    workspace = client.workspace()
    assert UUID(workspace)
    template = client.get(f"/extractions/templates/{client.template(workspace)}")
    assert template["workspace_id"] == workspace
    assert client.get(f"/workspaces/{workspace}/extractions/templates")["data"][0]["id"] == template["id"]


def test_retry_after_can_be_left_out(client_of):
    client = client_of(rate_limit=1, retry_after=False)
    client.call("GET", "/workspaces")
    refused = client.call("GET", "/workspaces")
    assert refused.status_code == 429
    assert not {"Retry-After", "X-RateLimit-Reset"} & set(refused.headers)


def test_a_seed_repeats_ids_and_durations(make_emulator):
    def ids() -> list[str]:
        client = Client(make_emulator(seed=5))
        return client.batch(client.template(), [b"a", b"b"])

    assert ids() == ids()


def test_each_generation_can_be_driven_to_the_same_values(client_of):
    for generation in ("seed", "new", "old"):
        (run,) = client_of(generation=generation).finished()["results"]
        assert run["data"] == {"invoice": {"invoice_number": "INV-7", "total": 12.5, "purchase_order": None}}
