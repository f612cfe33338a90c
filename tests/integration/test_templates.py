"""RaydocsTemplateOperator: the template is there and says what the file says, and only what is needed is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raydocs_provider.emulator import Emulator
from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.hooks.raydocs import RaydocsHook
from raydocs_provider.operators.raydocs import RaydocsTemplateOperator
from tests.integration.conftest import SCHEMA, Task, requests_to

FIELDS = {"groups": {"head": {"fields": {"number": {"type": "string"}}}}}
OTHER = {"groups": {"head": {"fields": {"total": {"type": "number"}}}}}


@pytest.fixture
def ensure(connection: str, ti: Task) -> Callable[..., str]:
    """Runs the operator; returns the template's id."""

    def run(**arguments: Any) -> str:
        usual = {"name": "Invoices", "schema": FIELDS, "workspace": "Finance"}
        return RaydocsTemplateOperator(task_id="template", **{**usual, **arguments}).execute(ti.context)

    return run


def writes(emulator: Emulator) -> list[str]:
    return [f"{logged.method} {logged.path}" for logged in requests_to(emulator) if logged.method != "GET"]


def test_workspace_and_template_are_made_once(ensure: Callable[..., str], emulator: Emulator) -> None:
    assert ensure() == ensure()
    assert writes(emulator) == ["POST /workspaces/create", "POST /extractions/templates"]


def test_what_differs_is_updated_and_nothing_else(
    ensure: Callable[..., str], emulator: Emulator, hook: RaydocsHook
) -> None:
    template_id = ensure(description="first", settings={"parsing": {"mode": "text"}})
    assert ensure(schema=OTHER) == template_id
    template = hook.get_template(template_id)
    assert (template.schema_json, template.description) == (OTHER, "first")
    assert ensure(schema=OTHER, description="second") == template_id
    template = hook.get_template(template_id)
    assert (template.description, template.settings) == ("second", {"parsing": {"mode": "text"}})
    assert writes(emulator)[2:] == [f"PUT /extractions/templates/{template_id}"] * 2


@pytest.mark.parametrize("generation", ["seed", "new", "old"])
def test_every_generation_is_left_alone_the_second_time(
    make_emulator: Callable[..., Emulator], connect: Callable[..., str], ti: Task, generation: str
) -> None:
    emulator = make_emulator(generation=generation)
    connect(host=emulator.url, password=emulator.token)
    for _ in range(2):
        RaydocsTemplateOperator(
            task_id="template", name="Invoices", schema=str(SCHEMA), workspace="Finance", settings={"parsing": {}}
        ).execute(ti.context)
    assert len(writes(emulator)) == 2


def test_the_template_of_that_name_is_found_on_a_later_page(ensure: Callable[..., str], hook: RaydocsHook) -> None:
    template_id = ensure()
    (workspace,) = hook.list_workspaces()
    for number in range(40):
        hook.create_template(workspace.id, f"Other {number}", FIELDS)
    assert ensure() == template_id


def test_two_of_one_name_are_not_guessed_between(ensure: Callable[..., str], hook: RaydocsHook) -> None:
    ensure()
    (workspace,) = hook.list_workspaces()
    twin = hook.create_template(workspace.id, "Invoices", FIELDS)
    with pytest.raises(RaydocsInputError, match=twin.id):
        ensure()
    hook.create_workspace("Finance")
    with pytest.raises(RaydocsInputError, match="Set workspace_id instead"):
        ensure()


def test_the_workspace_may_be_given_by_id_or_by_the_connection(
    ensure: Callable[..., str], emulator: Emulator, hook: RaydocsHook, connect: Callable[..., str]
) -> None:
    with pytest.raises(RaydocsInputError, match="No workspace is given"):
        ensure(workspace=None)
    workspace = hook.create_workspace("Elsewhere")
    template_id = ensure(workspace=None, workspace_id=workspace.id)
    connect(host=emulator.url, password=emulator.token, extra={"workspace_id": workspace.id})
    assert ensure(workspace=None) == template_id
    assert hook.get_template(template_id).workspace_id == workspace.id


@pytest.mark.parametrize("form", ["dict", "text", "path", "uri"])
def test_a_schema_may_come_as(ensure: Callable[..., str], hook: RaydocsHook, tmp_path: Path, form: str) -> None:
    file = tmp_path / "schema.json"
    file.write_text(json.dumps(FIELDS), encoding="utf-8")
    schema = {"dict": FIELDS, "text": json.dumps(FIELDS), "path": str(file), "uri": file.as_uri()}[form]
    assert hook.get_template(ensure(schema=schema)).schema_json == FIELDS


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({}, "groups is missing"),
        ({"groups": {"head": {"fields": {"number": "string"}}}}, "groups.head.fields.number"),
        ("{not json", "is no JSON"),
        ("[]", "cannot be read"),
        ("/nowhere/schema.json", "cannot be read"),
        ("nosuch://bucket/schema.json", "nosuch://"),
        (None, "JSON object"),
        ("", "schema"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_before_anything_is_sent(
    ensure: Callable[..., str], emulator: Emulator, schema: Any, said: str
) -> None:
    with pytest.raises(RaydocsInputError, match=said):
        ensure(schema=schema)
    assert requests_to(emulator) == []


@pytest.mark.parametrize("name", ["", None, "None"])
def test_a_template_needs_a_name(ensure: Callable[..., str], name: Any) -> None:
    with pytest.raises(RaydocsInputError, match="name is empty"):
        ensure(name=name)
