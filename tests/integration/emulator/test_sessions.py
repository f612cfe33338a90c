"""Workspaces, templates, sessions, documents and results: what can be done with them and what goes with what."""

from __future__ import annotations

import csv
import io
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import openpyxl
import pytest
import requests

from tests.integration.emulator.client import CORRUPT, INVOICE, SCHEMA, Client


@pytest.fixture
def client(emulator):
    return Client(emulator)


def gone(client: Client, *paths: str) -> bool:
    return all(client.call("GET", path).status_code == 404 for path in paths)


def test_a_workspace_can_be_renamed_and_takes_everything_with_it(client):
    workspace = client.workspace()
    template = client.template(workspace)
    view = client.wait(client.batch(template)[0])
    renamed = client.call("PUT", f"/workspaces/{workspace}", {"name": "Sales"}).json()
    assert (renamed["name"], renamed["icon"]) == ("Sales", "📊")
    assert client.call("DELETE", f"/workspaces/{workspace}").status_code == 204
    assert gone(
        client,
        f"/workspaces/{workspace}/documents",
        f"/extractions/templates/{template}",
        f"/extractions/sessions/{view['id']}",
        f"/extractions/documents/{view['documents'][0]['id']}",
        f"/extractions/results/{view['results'][0]['id']}",
    )


def test_a_template_can_be_changed_duplicated_and_deleted_with_its_sessions(client):
    workspace = client.workspace()
    template = client.template(workspace)
    path = f"/extractions/templates/{template}"
    changed = client.call("PUT", path, {"description": "D", "settings": {"parsing": {"contextual_embedding": True}}})
    assert (changed.json()["name"], changed.json()["description"]) == ("Invoices", "D")
    assert client.get(path) == changed.json()
    copy = client.call("POST", f"{path}/duplicate")
    assert (copy.status_code, copy.json()["name"]) == (201, "Invoices (Copy)")
    assert copy.json()["schema_json"] == SCHEMA
    assert client.post(f"{path}/duplicate", {"name": "Mine"})["name"] == "Mine"
    view = client.wait(client.batch(template)[0])
    assert client.call("DELETE", path).status_code == 204
    assert gone(client, path, f"/extractions/sessions/{view['id']}", f"/extractions/results/{view['results'][0]['id']}")
    assert client.get(f"/extractions/templates/{copy.json()['id']}")


def test_a_run_keeps_the_schema_of_its_time(client):
    template = client.template()
    (session,) = client.batch(template)
    before = client.wait(session)["results"][0]
    fields = {"total": {"type": "number", "extraction_prompt": 'The amount beside "Total".'}}
    client.call("PUT", f"/extractions/templates/{template}", {"schema_json": {"groups": {"money": {"fields": fields}}}})
    assert client.wait(session)["results"] == [before]
    client.post(f"/extractions/sessions/{session}/results")
    old, new = client.wait(session)["results"]
    assert old == before
    assert new["data"] == {"money": {"total": 12.5}}
    assert new["config_hash"] != old["config_hash"]


def test_a_session_can_be_renamed(client):
    (session,) = client.batch(client.template())
    answer = client.call("PUT", f"/extractions/sessions/{session}", {"name": "March"})
    assert (answer.status_code, answer.json()["name"]) == (200, "March")
    assert not {"documents", "results"} & set(answer.json())
    assert client.wait(session)["name"] == "March"


def test_deleting_a_session_takes_its_documents_and_results(client):
    view = client.finished()
    session, document, run = view["id"], view["documents"][0]["id"], view["results"][0]["id"]
    assert client.call("DELETE", f"/extractions/sessions/{session}").status_code == 204
    assert gone(
        client,
        f"/extractions/sessions/{session}",
        f"/extractions/documents/{document}",
        f"/extractions/results/{run}",
    )


def test_deleting_a_session_leaves_documents_that_another_one_uses(make_emulator):
    client = Client(make_emulator(dedup=True))
    one, two = client.batch(client.template(), [INVOICE, INVOICE])
    document = client.wait(one)["documents"][0]["id"]
    client.call("DELETE", f"/extractions/sessions/{one}")
    assert client.wait(two)["documents"][0]["id"] == document


def test_deleting_a_document_takes_what_was_extracted_from_it(client):
    view = client.finished()
    assert client.call("DELETE", f"/extractions/documents/{view['documents'][0]['id']}").status_code == 204
    after = client.look(view["id"])
    assert (after["documents"], after["results"]) == ([], [])


def test_deleting_a_result_leaves_the_session(client):
    view = client.finished()
    assert client.call("DELETE", f"/extractions/results/{view['results'][0]['id']}").status_code == 204
    assert client.look(view["id"])["results"] == []


@pytest.mark.parametrize(("method", "tail"), [("POST", "/delete"), ("DELETE", "")])
def test_many_sessions_are_deleted_in_both_published_forms(client, method, tail):
    template = client.template()
    sessions = client.batch(template, [b"a", b"b", b"c"])
    path = f"/extractions/templates/{template}/sessions/batch{tail}"
    assert client.call(method, path, {"session_ids": sessions[:2]}).status_code == 204
    assert [client.call("GET", f"/extractions/sessions/{each}").status_code for each in sessions] == [404, 404, 200]


def test_batch_execute_starts_a_run_for_each_session_with_documents(client):
    template = client.template()
    sessions = client.batch(template, [b"Total: 1", b"Total: 2"], auto_extract=False)
    empty = client.post("/extractions/sessions", {"extraction_template_id": template})["id"]
    path = f"/extractions/templates/{template}/sessions/batch/execute"
    answer = client.call("POST", path, {"session_ids": [*sessions, empty]})
    assert (answer.status_code, answer.json()["queued_count"]) == (200, 2)
    totals = [client.wait(s, lambda view: view["status"] == "completed")["results"] for s in sessions]
    assert [runs[0]["data"]["invoice"]["total"] for runs in totals] == [1, 2]


def test_a_run_without_documents_is_refused(client):
    session = client.post("/extractions/sessions", {"extraction_template_id": client.template()})["id"]
    answer = client.call("POST", f"/extractions/sessions/{session}/results")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["documents"])


def test_a_run_over_several_documents_takes_each_value_from_the_first_that_has_it(client):
    session = client.post("/extractions/sessions", {"extraction_template_id": client.template()})["id"]
    contents = [b"Total: 5", CORRUPT, b"Invoice number: A-1\nTotal: 6", b"Order: P-1\nInvoice number: A-2"]
    client.post(f"/extractions/sessions/{session}/documents/upload", {"keys": [client.upload(c) for c in contents]})
    client.wait(session)
    client.post(f"/extractions/sessions/{session}/results")
    (run,) = client.wait(session)["results"]
    assert run["data"]["invoice"] == {"invoice_number": "A-1", "total": 5, "purchase_order": "P-1"}
    assert run["audit_data"]["invoice"]["purchase_order"]["sources"][0]["text"] == "Order: P-1"


def test_batch_export_as_json_and_csv_has_the_completed_sessions(client):
    template = client.template()
    good, bad = client.batch(template, [INVOICE, CORRUPT])
    name = client.wait(good)["name"]
    client.wait(bad)
    path, body = f"/extractions/templates/{template}/sessions/batch/export", {"session_ids": [good, bad]}
    data = {"invoice": {"invoice_number": "INV-7", "total": 12.5, "purchase_order": None}}
    expected = [{"session_id": good, "session_name": name, "data": data}]
    assert client.post(path, body) == client.post(f"{path}/json", body) == expected
    answer = client.call("POST", path, {**body, "format": "csv"})
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert list(csv.DictReader(io.StringIO(answer.text))) == [
        {
            "session_id": good,
            "session_name": name,
            "invoice.invoice_number": "INV-7",
            "invoice.total": "12.5",
            "invoice.purchase_order": "",
        }
    ]
    assert client.call("POST", path, {**body, "format": "xml"}).status_code == 422


def workbook(answer: requests.Response) -> openpyxl.Workbook:
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    return openpyxl.load_workbook(io.BytesIO(answer.content))


def rows(sheet) -> list[tuple]:
    return [tuple(cell.value for cell in row) for row in sheet.iter_rows()]


def test_a_result_is_exported_as_a_workbook(client):
    view = client.finished()
    run = view["results"][0]["id"]
    answer = client.call("GET", f"/extractions/results/{run}/export/excel")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="extraction_result.xlsx"'
    book = workbook(answer)
    assert book.sheetnames == ["Data", "Audit", "Metadata"]
    assert ("invoice", "total", 12.5) in rows(book["Data"])
    audit = {row[1]: row for row in rows(book["Audit"])}
    assert audit["total"][3] == view["results"][0]["reasoning"]["invoice"]["total"]["confidence"]
    assert ("result_id", run) in rows(book["Metadata"])


def test_many_sessions_are_exported_as_a_workbook_in_both_published_forms(client):
    template = client.template()
    (session,) = client.batch(template)
    client.wait(session)
    path = f"/extractions/templates/{template}/sessions/batch/export"
    for tail, body in (("", {"format": "excel"}), ("/excel", {})):
        book = workbook(client.call("POST", path + tail, {"session_ids": [session], **body}))
        assert rows(book["Data"])[1][0] == session
        assert "INV-7" in rows(book["Data"])[1]
        assert len(rows(book["Audit"])) == 4


def test_the_library_can_be_searched_filtered_sorted_and_paged(client):
    workspace = client.workspace()
    path = f"/workspaces/{workspace}/documents"
    for name, content in (("b.txt", b"1"), ("a.txt", b"22"), ("c.pdf", b"333")):
        client.post(path, {"key": client.upload(content), "filename": name, "mime": f"text/{name[-3:]}"})
    client.wait(client.batch(client.template(workspace), [CORRUPT])[0])

    def found(**params: object) -> list[str]:
        return [row["filename"] for row in client.get(path, params=params)["data"]]

    assert found(query=".txt", status="uploaded", sort="filename", order="asc") == ["a.txt", "b.txt"]
    assert found(mime="text/pdf") == ["c.pdf"]
    assert found(query=client.get(path, params={"query": "c.pdf"})["data"][0]["sha256"]) == ["c.pdf"]
    assert len(found(status="failed")) == 1
    assert found(status="uploaded", sort="size", order="desc") == ["c.pdf", "a.txt", "b.txt"]
    assert found(source_type="url") == []
    page = client.get(path, params={"per_page": 3, "page": 2})
    assert (len(page["data"]), page["meta"]["last_page"], page["meta"]["total"]) == (1, 2, 4)
    assert client.call("GET", path, params={"per_page": 101}).status_code == 422
    assert client.call("GET", path, params={"status": "lost"}).status_code == 422


def test_a_document_is_only_found_in_its_own_workspace(client):
    here, there = client.workspace(), client.workspace()
    document = client.post(f"/workspaces/{here}/documents", {"key": client.upload()})["document"]["id"]
    assert client.get(f"/workspaces/{here}/documents/{document}")["id"] == document
    link = client.get(f"/workspaces/{here}/documents/{document}/url")["url"]
    assert requests.get(link, timeout=30).content == INVOICE
    assert gone(client, f"/workspaces/{there}/documents/{document}", f"/workspaces/{there}/documents/{document}/url")


@pytest.fixture
def web_page():
    """A URL with an invoice behind it."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path.startswith("/in") else 404)
            self.send_header("Content-Type", "text/plain")
            self.end_headers()
            self.wfile.write(INVOICE)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/in/my%20invoice.txt"
        server.shutdown()
        thread.join()


def test_a_document_can_be_imported_from_a_url(client, web_page):
    path = f"/workspaces/{client.workspace()}/documents:importUrl"
    answer = client.call("POST", path, {"url": web_page})
    assert answer.status_code == 201
    document = answer.json()["document"]
    assert (document["filename"], document["source_type"], document["source_url"]) == (
        "my invoice.txt",
        "url",
        web_page,
    )
    assert document["size"] == len(INVOICE)
    for url in (web_page.replace("/in/", "/out/"), "file:///etc/hostname", "http://", "no url"):
        refused = client.call("POST", path, {"url": url})
        assert (refused.status_code, list(refused.json()["errors"])) == (422, ["url"])


def test_chunks_are_there_once_the_document_is_parsed(make_emulator):
    client = Client(make_emulator(parse_seconds=1_000))
    document = client.look(client.batch(client.template())[0])["documents"][0]["id"]
    assert client.get(f"/extractions/documents/{document}/chunks") == {"data": []}
    quick = Client(make_emulator())
    document = quick.finished([b"Item\tPrice\nPen\t1.20\n"])["documents"][0]["id"]
    (chunk,) = quick.get(f"/extractions/documents/{document}/chunks")["data"]
    assert (chunk["document_id"], chunk["chunk_index"], chunk["page_range"]) == (document, 0, [1, 1])
    row = chunk["blocks"][1]
    assert (row["type"], row["page_ref"]) == ("table_row", "Page 1")
    assert [cell["text"] for cell in row["meta"]["table_row"]["cells"]] == ["Pen", "1.20"]
