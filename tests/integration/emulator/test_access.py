"""Who may do what."""

from __future__ import annotations

import uuid

import pytest
import requests

from raydocs_provider.emulator.options import ABILITIES
from tests.integration.emulator.client import Client
from tests.integration.emulator.openapi import operations


@pytest.fixture(scope="module")
def everything():
    """An emulator with a token for each ability and one for everything but it."""
    from raydocs_provider.emulator import Emulator

    tokens = ["rd_test_token", "none:"]
    for ability in sorted(ABILITIES):
        tokens += [f"only-{ability}:{ability}", f"without-{ability}:{','.join(ABILITIES - {ability})}"]
    with Emulator(tokens=tokens, rate_limit=0, parse_seconds=0, extract_seconds=0) as emulator:
        yield emulator


def filled_in(path: str) -> str:
    for name, value in {"workspaceId": "999", "format": "json"}.items():
        path = path.replace("{" + name + "}", value)
    while "{" in path:
        start, _, rest = path.partition("{")
        path = start + str(uuid.uuid4()) + rest.partition("}")[2]
    return path


@pytest.mark.parametrize(("method", "path", "abilities"), operations(), ids=lambda value: str(value))
def test_an_operation_needs_a_token_with_its_abilities(everything, method, path, abilities):
    path = filled_in(path)

    def status(token: str) -> int:
        return Client(everything, token).call(method, path, {}).status_code

    assert requests.request(method, everything.url + path, json={}, timeout=30).status_code == 401
    assert status("nobody's") == 401
    # 404 for the made-up ids, 422 for the empty body, or done: in each case past the ability check.
    assert status("rd_test_token") in (200, 404, 422)
    assert status("none") == (403 if abilities else 200)
    for ability in abilities:
        refused = Client(everything, f"without-{ability}").call(method, path, {})
        assert refused.status_code == 403
        assert ability in refused.json()["message"]
    if len(abilities) == 1:
        assert status(f"only-{abilities[0]}") in (200, 404, 422)


def test_a_refused_token_is_answered_in_json(everything):
    answer = Client(everything, "nobody's").call("GET", "/workspaces")
    assert answer.json() == {"message": "Unauthenticated."}


def test_two_tokens_are_two_users_who_see_nothing_of_each_other(make_emulator):
    emulator = make_emulator(tokens=["one", "two"], generation="seed")
    one, two = Client(emulator, "one"), Client(emulator, "two")
    workspace = one.workspace()
    template = one.template(workspace)
    (session,) = one.batch(template)
    view = one.wait(session)
    document, run = view["documents"][0]["id"], view["results"][0]["id"]

    assert two.get("/workspaces") == {"data": []}
    theirs = [
        ("PUT", f"/workspaces/{workspace}"),
        ("DELETE", f"/workspaces/{workspace}"),
        ("GET", f"/workspaces/{workspace}/extractions/templates"),
        ("GET", f"/workspaces/{workspace}/documents"),
        ("GET", f"/workspaces/{workspace}/documents/{document}"),
        ("GET", f"/extractions/templates/{template}"),
        ("DELETE", f"/extractions/templates/{template}"),
        ("POST", f"/extractions/templates/{template}/sessions/batch/execute"),
        ("GET", f"/extractions/sessions/{session}"),
        ("GET", f"/extractions/sessions/{session}/results"),
        ("POST", f"/extractions/sessions/{session}/results"),
        ("DELETE", f"/extractions/sessions/{session}"),
        ("GET", f"/extractions/documents/{document}/url"),
        ("DELETE", f"/extractions/documents/{document}"),
        ("GET", f"/extractions/results/{run}"),
        ("DELETE", f"/extractions/results/{run}"),
    ]
    for method, path in theirs:
        assert two.call(method, path, {"session_ids": []}).status_code == 404, (method, path)
    assert one.look(session) == view


def test_the_keys_templates_and_sessions_of_others_are_refused_in_a_body(make_emulator):
    emulator = make_emulator(tokens=["one", "two"])
    one, two = Client(emulator, "one"), Client(emulator, "two")
    mine, theirs = two.template(), one.template()
    (session,) = one.batch(theirs)
    batch = f"/extractions/templates/{mine}/sessions/batch"
    for path, body in (
        (batch, {"files": [one.upload()]}),
        (f"{batch}/execute", {"session_ids": [session]}),
        (f"{batch}/delete", {"session_ids": [session]}),
        (f"{batch}/export", {"session_ids": [session]}),
        ("/extractions/sessions", {"extraction_template_id": theirs}),
    ):
        assert two.call("POST", path, body).status_code == 422, path


def test_errors_of_routing_are_json_too(emulator):
    client = Client(emulator)
    for method, path, status in (("GET", "/nowhere", 404), ("PATCH", "/workspaces", 405), ("GET", "/docs", 404)):
        answer = client.call(method, path)
        assert (answer.status_code, list(answer.json())) == (status, ["message"])


def test_a_body_that_makes_no_sense_is_refused_field_by_field(emulator):
    client = Client(emulator)
    template = client.template()
    batch = f"/extractions/templates/{template}/sessions/batch"

    def refused(path: str, body: object) -> dict[str, list[str]]:
        answer = client.call("POST", path, body)
        assert answer.status_code == 422
        return answer.json()["errors"]

    assert refused("/workspaces/create", {}) == {"name": ["The name field is required."]}
    assert refused(batch, {"files": "tmp/a"}) == {"files": ["The files field must be an array."]}
    assert refused(batch, {"files": [7]}) == {"files.0": ["The files.0 field must be a string."]}
    assert "settings.auto_extract" in refused(batch, {"files": [], "settings": {"auto_extract": "maybe"}})
    new = {"name": "T", "workspace_id": client.workspace()}
    assert "schema_json.groups" in refused("/extractions/templates", {**new, "schema_json": {}})
    odd = {"groups": {"g": {"fields": {"f": {"type": 7}}}}}
    assert "schema_json.groups.g.fields.f.type" in refused("/extractions/templates", {**new, "schema_json": odd})
    assert refused("/extractions/templates", {"name": "T", "workspace_id": 999, "schema_json": {"groups": {}}}) == {
        "workspace_id": ["The selected workspace id is invalid."]
    }
    broken = client.session.post(
        client.url + "/workspaces/create", data="{", headers={"Content-Type": "application/json"}, timeout=30
    )
    assert broken.status_code == 422
    assert broken.json()["message"] == "The request body is not valid JSON."
