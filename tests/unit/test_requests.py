"""The requests we send, against the description of the API and against each other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest
import requests
import yaml
import yarl
from hypothesis import given
from hypothesis import strategies as st

from raydocs_provider.api import requests as endpoints
from raydocs_provider.api.parsing import UnexpectedShapeError
from raydocs_provider.api.requests import ApiRequest
from raydocs_provider.exceptions import RaydocsInputError

OPENAPI = yaml.safe_load((Path(__file__).parents[1] / "data" / "raydocs-openapi.yaml").read_text())

# One request of each kind, and whether sending it twice would cost or create something twice.
REQUESTS: dict[str, tuple[ApiRequest[Any], bool]] = {
    "list_workspaces": (endpoints.list_workspaces(), True),
    "create_workspace": (endpoints.create_workspace("Finance"), False),
    "list_templates": (endpoints.list_templates(12, page=2), True),
    "get_template": (endpoints.get_template("t-1"), True),
    "create_template": (endpoints.create_template(12, "Invoices", {"groups": {}}), False),
    "update_template": (endpoints.update_template("t-1", {"name": "Invoices"}), True),
    "sign_upload": (endpoints.sign_upload("application/pdf"), True),
    "create_sessions": (endpoints.create_sessions("t-1", ["tmp/1"]), False),
    "get_session": (endpoints.get_session("s-1"), True),
    "list_results": (endpoints.list_results("s-1"), True),
    "get_result": (endpoints.get_result("r-1"), True),
    "run_extraction": (endpoints.run_extraction("s-1"), False),
    "execute_sessions": (endpoints.execute_sessions("t-1", ["s-1"]), False),
    "export_sessions": (endpoints.export_sessions("t-1", ["s-1"]), True),
    "export_sessions, old form": (endpoints.export_sessions("t-1", ["s-1"], format_in_path=False), True),
}
EVERY_REQUEST = pytest.mark.parametrize("request_", [kind for kind, _ in REQUESTS.values()], ids=list(REQUESTS))

IDS = st.text(min_size=1) | st.sampled_from(
    ["../workspaces", "a/../b", "a/b", "a?page=2", "a#b", "%2e%2e", "a%2Fb", "a\\..", "a;b", "a+b", "~a", "\ud800"]
)

# Every function that puts an id into a path.
WITH_ID = {
    "list_templates": endpoints.list_templates,
    "get_template": endpoints.get_template,
    "update_template": lambda id_: endpoints.update_template(id_, {}),
    "create_sessions": lambda id_: endpoints.create_sessions(id_, ["tmp/1"]),
    "get_session": endpoints.get_session,
    "list_results": endpoints.list_results,
    "get_result": endpoints.get_result,
    "run_extraction": endpoints.run_extraction,
    "execute_sessions": lambda id_: endpoints.execute_sessions(id_, ["s-1"]),
    "export_sessions": lambda id_: endpoints.export_sessions(id_, ["s-1"]),
}


def described(request: ApiRequest[Any]) -> dict[str, Any]:
    """The operation of the API description that a request calls; literal paths win over placeholders."""
    for path in sorted(OPENAPI["paths"], key=lambda path: path.count("{")):
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))
        if re.fullmatch(pattern, request.path):
            operation: dict[str, Any] = OPENAPI["paths"][path][request.method.lower()]
            return operation
    raise AssertionError(f"no path of the description is {request.path}")


def test_every_function_that_makes_a_request_is_tested_here() -> None:
    public = {
        name
        for name, made in vars(endpoints).items()
        if callable(made) and not isinstance(made, type) and getattr(made, "__module__", "") == endpoints.__name__
    }
    assert {name for name in public if not name.startswith("_")} == {name.partition(",")[0] for name in REQUESTS}


@EVERY_REQUEST
def test_a_request_names_the_ability_that_the_api_asks_for(request_: ApiRequest[Any]) -> None:
    assert described(request_)["x-ability"] == ([request_.ability] if request_.ability else [])


@EVERY_REQUEST
def test_a_body_has_the_keys_the_api_describes(request_: ApiRequest[Any]) -> None:
    content = described(request_).get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    while "$ref" in schema:
        schema = OPENAPI["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    sent = set(request_.json or {})
    assert sent <= set(schema.get("properties", {}))
    assert set(schema.get("required", [])) <= sent


@pytest.mark.parametrize(("request_", "repeatable"), REQUESTS.values(), ids=list(REQUESTS))
def test_only_what_pays_or_creates_is_not_repeatable(request_: ApiRequest[Any], repeatable: bool) -> None:
    assert request_.repeatable is repeatable


def test_an_operation_names_method_and_path_and_no_body() -> None:
    request = endpoints.create_sessions("t-1", ["tmp/secret-key"])
    assert request.operation == "POST /extractions/templates/t-1/sessions/batch"
    assert "secret-key" not in repr(request)


@pytest.mark.parametrize("make", WITH_ID.values(), ids=list(WITH_ID))
@given(id_=IDS)
def test_no_id_can_name_another_endpoint(make: Any, id_: str) -> None:
    try:
        path = make(id_).path
    except RaydocsInputError:
        assert id_.strip() in ("", ".", "..", "None")
        return
    # What an HTTP client makes of it: nothing of the id ends up outside its own segment.
    segments = urlsplit(f"https://api.example.com{path}").path.split("/")
    id_segment = unquote(segments[make("ID").path.split("/").index("ID")])
    assert id_segment == id_.strip().encode("utf-8", "backslashreplace").decode()
    assert "/".join(segments) == make("ID").path.replace("ID", quote(id_segment, safe=""))


@given(id_=IDS)
def test_neither_http_client_undoes_the_quoting_of_an_id(id_: str) -> None:
    try:
        url = f"https://api.example.com{endpoints.get_session(id_).path}"
    except RaydocsInputError:
        return
    for sent in (str(requests.Request("GET", url).prepare().url), str(yarl.URL(url))):
        parts = urlsplit(sent)
        assert (parts.query, parts.fragment) == ("", "")
        assert [unquote(segment) for segment in parts.path.split("/")] == [
            unquote(segment) for segment in urlsplit(url).path.split("/")
        ]


@pytest.mark.parametrize("make", WITH_ID.values(), ids=list(WITH_ID))
@pytest.mark.parametrize("id_", ["", "  ", None, "None", ".", ".."])
def test_an_id_that_is_none_is_refused_before_anything_is_sent(make: Any, id_: Any) -> None:
    with pytest.raises(RaydocsInputError, match="id"):
        make(id_)


@pytest.mark.parametrize("workspace_id", ["", " ", None, "None"])
def test_a_template_is_not_created_in_no_workspace(workspace_id: Any) -> None:
    with pytest.raises(RaydocsInputError, match="workspace id"):
        endpoints.create_template(workspace_id, "Invoices", {})


@pytest.mark.parametrize(
    ("given_", "sent"), [(12, 12), ("12", 12), (" 12 ", 12), ("660e8400-e29b", "660e8400-e29b"), ("²", "²")]
)
def test_a_workspace_id_is_sent_as_a_number_where_it_is_one(given_: Any, sent: Any) -> None:
    body = endpoints.create_template(given_, "Invoices", {}).json
    assert body is not None
    assert body["workspace_id"] == sent


def test_what_was_not_given_is_not_sent() -> None:
    body = endpoints.create_template(12, "Invoices", {"groups": {}}, settings={}).json
    assert body == {"name": "Invoices", "workspace_id": 12, "schema_json": {"groups": {}}, "settings": {}}


@pytest.mark.parametrize("count", [0, 51])
def test_a_batch_of_none_or_too_many_files_is_refused(count: int) -> None:
    with pytest.raises(RaydocsInputError, match=f"1 to 50 files, not {count}"):
        endpoints.create_sessions("t-1", [f"tmp/{number}" for number in range(count)])


@pytest.mark.parametrize("count", [1, 50])
def test_a_batch_extracts_by_itself(count: int) -> None:
    keys = [f"tmp/{number}" for number in range(count)]
    assert endpoints.create_sessions("t-1", keys).json == {"files": keys, "settings": {"auto_extract": True}}


@pytest.mark.parametrize("make", [endpoints.execute_sessions, endpoints.export_sessions])
def test_an_operation_on_no_sessions_is_refused(make: Any) -> None:
    with pytest.raises(RaydocsInputError, match="session"):
        make("t-1", [])


@pytest.mark.parametrize(
    "ids", [[], ["s-1"], ["s-1", "s-2", "s-3"], ["s-1", "s-1"], ["s-1", "s-1", "s-2"]], ids=lambda ids: ",".join(ids)
)
def test_a_batch_that_is_answered_with_another_number_of_sessions_is_unreadable(ids: list[str]) -> None:
    with pytest.raises(UnexpectedShapeError, match="different sessions for 2 files"):
        endpoints.create_sessions("t-1", ["tmp/1", "tmp/2"]).parse([{"id": id_} for id_ in ids])


def test_the_sessions_of_a_batch_come_in_the_order_of_the_answer() -> None:
    parse = endpoints.create_sessions("t-1", ["tmp/1", "tmp/2"]).parse
    assert [session.id for session in parse([{"id": "s-2", "name": "Pending..."}, {"id": "s-1"}])] == ["s-2", "s-1"]


def test_a_list_of_templates_is_read_page_by_page() -> None:
    request = endpoints.list_templates(12, page=2)
    assert request.params == {"page": 2}
    page = request.parse({"data": [{"id": "t-1"}], "meta": {"current_page": 2, "last_page": 3}})
    assert [template.id for template in page.items] == ["t-1"]
    assert not page.last


def test_an_export_has_two_forms() -> None:
    new = endpoints.export_sessions("t-1", ["s-1"])
    old = endpoints.export_sessions("t-1", ["s-1"], format_in_path=False)
    assert (new.path.rpartition("/")[2], new.json) == ("json", {"session_ids": ["s-1"]})
    assert (old.path.rpartition("/")[2], old.json) == ("export", {"session_ids": ["s-1"], "format": "json"})
