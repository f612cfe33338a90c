"""Everything that can be made to go wrong, seen from a client."""

from __future__ import annotations

import time

import pytest
import requests

from tests.integration.emulator.client import Client


@pytest.fixture
def client(emulator):
    return Client(emulator)


def names(client: Client) -> list[str]:
    return [row["name"] for row in client.get("/workspaces")["data"]]


def create(client: Client, name: str) -> requests.Response:
    return client.call("POST", "/workspaces/create", {"name": name})


def test_an_answer_in_place_of_the_real_one_with_status_body_and_headers(client, emulator):
    emulator.add_fault(
        "answer", method="POST", path="^/workspaces/create$", status=503, body={"message": "No."}, headers={"X-A": "b"}
    )
    answer = create(client, "lost")
    assert (answer.status_code, answer.json(), answer.headers["X-A"]) == (503, {"message": "No."}, "b")
    assert names(client) == []
    assert create(client, "kept").status_code == 201


def test_an_answer_can_be_plain_text(client, emulator):
    emulator.add_fault("answer", status=429, body="Too Many Attempts.", headers={"Retry-After": "7"})
    answer = client.call("GET", "/workspaces")
    assert (answer.status_code, answer.text, answer.headers["Retry-After"]) == (429, "Too Many Attempts.", "7")


def test_an_error_can_come_after_the_effect(client, emulator):
    emulator.add_fault("answer", status=500, after=True)
    assert create(client, "made").status_code == 500
    assert names(client) == ["made"]


def test_a_connection_can_be_cut_before_the_effect(client, emulator):
    emulator.add_fault("drop", method="POST")
    with pytest.raises(requests.ConnectionError):
        create(client, "lost")
    assert names(client) == []


def test_a_connection_can_be_cut_after_the_effect_and_the_log_says_what_was_created(client, emulator):
    emulator.add_fault("drop", method="POST", after=True)
    with pytest.raises(requests.ConnectionError):
        create(client, "made")
    (row,) = client.get("/workspaces")["data"]
    (logged,) = [request for request in emulator.requests() if request.method == "POST"]
    assert (logged.status, logged.created) == (None, (str(row["id"]),))


def test_a_batch_whose_answer_is_lost_leaves_sessions_behind(client, emulator):
    template = client.template()
    emulator.add_fault("drop", path="/sessions/batch$", after=True)
    with pytest.raises(requests.ConnectionError):
        client.batch(template)
    (session,) = emulator.requests()[-1].created
    assert client.wait(session)["results"][0]["status"] == "completed"


def test_an_answer_can_break_off_halfway(client, emulator):
    emulator.add_fault("truncate")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        client.call("GET", "/workspaces")


def test_an_answer_can_be_json_that_does_not_end(client, emulator):
    emulator.add_fault("answer", status=200, body='{"data": [{"id"', headers={"Content-Type": "application/json"})
    with pytest.raises(requests.JSONDecodeError):
        client.call("GET", "/workspaces").json()


@pytest.mark.parametrize("after", [False, True])
def test_a_gateway_can_answer_with_its_page_before_or_after_the_effect(client, emulator, after):
    emulator.add_fault("html", after=after)
    answer = create(client, "made")
    assert answer.status_code == 502
    assert answer.headers["Content-Type"].startswith("text/html")
    assert names(client) == (["made"] if after else [])


def test_an_answer_can_be_held_after_the_effect(client, emulator):
    emulator.add_fault("delay", method="POST", after=True, delay=30)
    with pytest.raises(requests.ReadTimeout):
        client.session.post(f"{client.url}/workspaces/create", json={"name": "made"}, timeout=0.2)
    assert names(client) == ["made"]
    emulator.add_fault("delay", method="POST", after=True, delay=0.01)
    assert create(client, "answered").status_code == 201


def test_an_answer_can_be_late(client, emulator):
    emulator.add_fault("delay", delay=0.2)
    began = time.monotonic()
    assert client.call("GET", "/workspaces").status_code == 200
    assert time.monotonic() - began >= 0.2
    emulator.add_fault("delay", delay=30)
    with pytest.raises(requests.ReadTimeout):
        client.session.get(client.url + "/workspaces", timeout=0.2)


def test_a_batch_can_come_in_another_order(client, emulator):
    template = client.template()
    emulator.add_fault("shuffle", path="/sessions/batch$")
    answered = client.batch(template, [b"a", b"b", b"c"])
    created = list(emulator.requests()[-1].created)
    assert answered != created
    assert sorted(answered) == sorted(created)


def test_a_shuffle_leaves_alone_what_is_no_array(client, emulator):
    emulator.add_fault("shuffle", count=0)
    workspace = client.workspace()
    assert client.call("DELETE", f"/workspaces/{workspace}").status_code == 204


def test_storage_can_fail_too(client, emulator):
    signed = client.sign()
    emulator.add_fault("answer", method="PUT", path="^/__storage__/", status=503, body="<Error/>")
    put = lambda: requests.put(signed["url"], data=b"x", headers={"Content-Type": "text/plain"}, timeout=30)  # noqa: E731
    assert [put().status_code, put().status_code] == [503, 200]


def test_only_the_nth_call_goes_wrong(client, emulator):
    emulator.add_fault("answer", path="^/workspaces$", status=500, nth=2, count=2)
    assert [client.call("GET", "/workspaces").status_code for _ in range(4)] == [200, 500, 500, 200]


def test_the_endpoints_of_the_emulator_itself_are_closed_unless_opened(make_emulator):
    closed, opened = make_emulator(), make_emulator(admin=True)
    for method, path in (("POST", "faults"), ("DELETE", "faults"), ("GET", "requests"), ("POST", "reset")):
        assert requests.request(method, f"{closed.url}/__emulator__/{path}", json={}, timeout=30).status_code == 404
    assert requests.get(f"{opened.url}/__emulator__/requests", timeout=30).json() == {"data": []}


def test_faults_are_added_and_lifted_over_http(make_emulator):
    emulator = make_emulator(admin=True)
    client = Client(emulator)
    rule = {"kind": "answer", "path": "^/workspaces$", "status": 418, "count": 0}
    assert client.call("POST", "/__emulator__/faults", rule).status_code == 204
    assert client.call("GET", "/workspaces").status_code == 418
    assert client.call("DELETE", "/__emulator__/faults").status_code == 204
    assert client.call("GET", "/workspaces").status_code == 200
    for wrong in ({"kind": "explode"}, {"kind": "drop", "nth": 0}, {"kind": "drop", "paht": "x"}, {}):
        refused = client.call("POST", "/__emulator__/faults", wrong)
        assert (refused.status_code, list(refused.json()["errors"])) == (422, ["rule"])


def test_the_log_has_every_request_without_bodies_queries_or_secrets(make_emulator):
    emulator = make_emulator(admin=True, rate_limit=3)
    client = Client(emulator)
    workspace = client.workspace()
    key = client.upload()
    Client(emulator, "rd_somebody").call("GET", "/workspaces")
    requests.get(f"{emulator.url}/workspaces", timeout=30)
    answer = client.call("GET", "/__emulator__/requests")
    rows = answer.json()["data"]
    me = emulator.options.tokens[0].owner
    assert [(row["method"], row["path"], row["status"], row["token"], row["created"]) for row in rows] == [
        ("POST", "/workspaces/create", 201, me, [str(workspace)]),
        ("POST", "/vapor/signed-storage-url", 200, me, [key]),
        ("PUT", f"/__storage__/{key}", 200, None, []),
        ("GET", "/workspaces", 401, "unknown", []),
        ("GET", "/workspaces", 429, None, []),
    ]
    assert emulator.token not in answer.text
    assert "signature" not in answer.text


def test_reset_forgets_workspaces_faults_the_log_and_the_rate_limit(make_emulator):
    emulator = make_emulator(admin=True, rate_limit=2)
    client = Client(emulator)
    before = client.workspace()
    emulator.add_fault("html", count=0)
    assert client.call("POST", "/__emulator__/reset").status_code == 204
    assert emulator.requests() == []
    assert names(client) == []
    assert client.workspace() != before


def test_the_access_log_is_one_line_per_request_without_secrets(make_emulator, capfd):
    client = Client(make_emulator(access_log=True))
    client.upload()
    lines = capfd.readouterr().err.splitlines()
    assert [line.split()[1] for line in lines] == ["POST", "PUT"]
    assert " 200 " in lines[0]
    assert not any("signature" in line or "rd_test_token" in line for line in lines)
    Client(make_emulator()).workspace()
    assert capfd.readouterr().err == ""
