"""
The emulator against the API's OpenAPI document, by generated requests.

Made-up ids only ever find 404, so each request is aimed at things that exist, and bodies name uploads, templates and
sessions that exist. What remains generated is everything else, well-formed and not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS, load_all_checks

from raydocs_provider.emulator import Emulator
from tests.integration.emulator.client import Client
from tests.integration.emulator.openapi import served

load_all_checks()

schema = schemathesis.openapi.from_dict(served())
CHECKED = CHECKS.get_by_names(
    ["not_a_server_error", "response_schema_conformance", "content_type_conformance", "status_code_conformance"]
)


class World:
    """Things to aim at, made anew when a request has taken one away."""

    def __init__(self, emulator: Emulator) -> None:
        self.client = Client(emulator)
        self._things: dict[str, Any] = {}

    def things(self) -> dict[str, Any]:
        kept = self._things
        if not kept or self.client.call("GET", f"/extractions/results/{kept['resultId']}").status_code != 200:
            workspace = self.client.workspace()
            template = self.client.template(workspace)
            key = self.client.upload()
            (session,) = self.client.batch(template)
            view = self.client.wait(session)
            self._things = {
                "workspaceId": workspace,
                "templateId": template,
                "sessionId": session,
                "documentId": view["documents"][0]["id"],
                "resultId": view["results"][0]["id"],
                "key": key,
            }
        return self._things

    def aim(self, case: schemathesis.Case) -> None:
        things = self.things()
        for name in case.path_parameters or {}:
            if name in things:
                case.path_parameters[name] = things[name]
        if isinstance(case.body, dict):
            existing = {
                "workspace_id": things["workspaceId"],
                "extraction_template_id": things["templateId"],
                "key": things["key"],
                "keys": [things["key"]],
                "files": [things["key"]],
                "session_ids": [things["sessionId"]],
                "document_ids": [things["documentId"]],
            }
            # Only where the generator put something of the right type: what is wrong stays wrong.
            for name, value in existing.items():
                if type(case.body.get(name)) is type(value):
                    case.body[name] = value


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Emulator(rate_limit=0, parse_seconds=0, extract_seconds=0) as emulator:
        yield World(emulator)


@schema.parametrize()
@settings(max_examples=6, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_answers_are_as_the_document_says(case: schemathesis.Case, world: World) -> None:
    world.aim(case)
    case.call_and_validate(base_url=world.client.url, session=world.client.session, checks=CHECKED)


@pytest.mark.parametrize("generation", ["seed", "new", "old"])
def test_each_generation_answers_as_the_document_says(generation: str) -> None:
    with Emulator(generation=generation, rate_limit=0, parse_seconds=0, extract_seconds=0) as emulator:
        things = World(emulator).things()
        client = Client(emulator)
        sessions = {"session_ids": [things["sessionId"]]}
        calls: list[tuple[str, str, Any]] = [
            ("GET", "/workspaces", None),
            ("GET", "/workspaces/{workspaceId}/extractions/templates", None),
            ("POST", "/vapor/signed-storage-url", {}),
            ("POST", "/extractions/templates/{templateId}/sessions/batch", {"files": [things["key"]]}),
            ("POST", "/extractions/templates/{templateId}/sessions/batch/export", sessions),
            ("GET", "/extractions/sessions/{sessionId}", None),
            ("GET", "/extractions/sessions/{sessionId}/documents", None),
            ("GET", "/extractions/sessions/{sessionId}/results", None),
            ("POST", "/extractions/sessions/{sessionId}/results", None),
            ("GET", "/extractions/results/{resultId}", None),
            ("GET", "/extractions/documents/{documentId}", None),
            ("GET", "/extractions/documents/{documentId}/chunks", None),
            ("GET", "/extractions/documents/{documentId}/url", None),
        ]
        for method, path, body in calls:
            answer = client.call(method, path.format(**things), body)
            assert answer.ok, (method, path, answer.text)
            schema[path][method].validate_response(answer)
