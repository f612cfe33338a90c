"""RaydocsHook over real HTTP: what the Test button says, every method, every way an answer can go wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from raydocs_provider.api.models import Template
from raydocs_provider.emulator import Emulator
from raydocs_provider.exceptions import (
    RaydocsAmbiguousSubmitError,
    RaydocsAuthenticationError,
    RaydocsConnectionError,
    RaydocsInputError,
    RaydocsNoAnswerError,
    RaydocsNotFoundError,
    RaydocsPermissionError,
    RaydocsRateLimitError,
    RaydocsServerError,
    RaydocsUnexpectedResponseError,
    RaydocsValidationError,
)
from raydocs_provider.hooks.raydocs import RaydocsHook
from raydocs_provider.hooks.storage import open_path
from raydocs_provider.hooks.templates import load_schema
from tests.integration.conftest import GOOD, SCHEMA, billed, count, make_template, requests_to

pytestmark = pytest.mark.usefixtures("no_pauses")

MakeEmulator = Callable[..., Emulator]
Connect = Callable[..., str]


# --- the Test button


def test_a_good_connection_says_what_the_token_sees(hook: RaydocsHook) -> None:
    hook.create_workspace("One")
    assert hook.test_connection() == (
        True,
        f"Connected to {hook.settings.base_url}; the token sees 1 workspace.",
    )


def test_a_refused_token_is_told_from_an_unreachable_host(emulator: Emulator, connect: Connect) -> None:
    ok, message = RaydocsHook(connect(host=emulator.url, password="rd_wrong")).test_connection()
    assert not ok
    assert "refused the token (401)" in message
    assert "rd_wrong" not in message


def test_a_good_token_without_the_ability_passes_with_a_note(make_emulator: MakeEmulator, connect: Connect) -> None:
    emulator = make_emulator(tokens=["rd_narrow:sessions-read,sessions-write,templates-read"])
    ok, message = RaydocsHook(connect(host=emulator.url, password="rd_narrow")).test_connection()
    assert ok
    assert "'workspaces-read'" in message


def test_an_unreachable_host_is_named(connect: Connect) -> None:
    with listening_at_nothing() as url:
        ok, message = RaydocsHook(connect(host=url, password="rd_token")).test_connection()
    assert not ok
    assert f"{url} could not be reached" in message


def test_a_web_server_is_not_taken_for_raydocs(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "workspaces").write_text("<html>Hello</html>")
    handler = lambda *args: SimpleHTTPRequestHandler(*args, directory=str(tmp_path))  # noqa: E731
    with serving(handler) as url:
        ok, message = RaydocsHook(connect(host=url, password="rd_token")).test_connection()
        assert not ok
        assert message == f"{url} answers, but not as a Raydocs API. Check the base URL."
        ok, message = RaydocsHook(connect(host=f"{url}/elsewhere", password="rd_token")).test_connection()
    assert not ok
    assert "not as a Raydocs API" in message


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"host": "http://127.0.0.1:1"}, "has no API token"),
        ({"host": "http://127.0.0.1:1", "password": "two words"}, "Copy it again"),
        ({"host": "://", "password": "rd_token"}, "is no http(s) URL"),
        ({"host": "ftp://example.com", "password": "rd_token"}, "is no http(s) URL"),
        ({"host": "http://127.0.0.1:1", "password": "rd_token", "extra": {"timeout": -1}}, "'timeout'"),
    ],
)
def test_a_connection_that_cannot_work_says_which_field(connect: Connect, fields: dict[str, Any], said: str) -> None:
    ok, message = RaydocsHook(connect(**fields)).test_connection()
    assert not ok
    assert said in message


def test_a_connection_given_as_a_uri_works_the_same(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    from urllib.parse import quote

    address = quote(emulator.url, safe="")
    monkeypatch.setenv("AIRFLOW_CONN_RAYDOCS_URI", f"raydocs://:{emulator.token}@{address}/?workspace_id=7&timeout=5")
    hook = RaydocsHook("raydocs_uri")
    assert hook.test_connection()[0]
    assert (hook.settings.workspace_id, hook.settings.timeout) == ("7", 5.0)


def test_a_connection_survives_being_turned_into_a_uri_and_back(
    emulator: Emulator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the API server does before it tests a connection.
    original = RaydocsHook.get_connection(connect(host=emulator.url, password=emulator.token, extra={"timeout": 5}))
    monkeypatch.setenv("AIRFLOW_CONN_ROUND_TRIP", original.get_uri())
    assert RaydocsHook("round_trip").test_connection()[0]


# --- every method, against every generation


@pytest.mark.parametrize(
    "settings",
    [
        {"generation": "seed"},
        {"generation": "new"},
        {"generation": "old"},
        {"vapor_real": True},
        {"generation": "new", "summaries": True, "workspace_uuids": True},
    ],
    ids=["seed", "new", "old", "vapor-real", "new-with-summaries"],
)
def test_every_method_works_with_every_generation(
    make_emulator: MakeEmulator, connect: Connect, settings: dict[str, Any]
) -> None:
    emulator = make_emulator(**settings)
    with RaydocsHook(connect(host=emulator.url, password=emulator.token)) as hook:
        workspace = hook.create_workspace("Invoices")
        assert [found.name for found in hook.list_workspaces()] == ["Invoices"]
        created = hook.create_template(workspace.id, "Invoice", load_schema(str(SCHEMA)), description="first")
        hook.update_template(created.id, description="second")
        template = hook.get_template(created.id)
        assert (template.description, template.schema_json) == ("second", load_schema(str(SCHEMA)))
        assert [found.id for found in hook.list_templates(workspace.id)] == [template.id]

        uploaded = hook.upload(open_path(GOOD[0].as_uri()))
        (session,) = hook.create_sessions(template.id, [uploaded.key])
        seen = eventually(lambda: hook.get_session(session.id), lambda it: any(run.finished for run in it.results))
        (run,) = hook.list_results(session.id)
        result = hook.get_result(run.id)
        assert result.status == "completed"
        assert result.data is not None
        assert result.data["invoice_header"]["invoice_number"] == "KV-2026-5587"
        assert hook.export_sessions(template.id, [session.id])[session.id] == result.data
        assert seen.documents[0].sha256 in (uploaded.sha256, None)

        hook.run_extraction(session.id)
        assert hook.execute_sessions(template.id, [session.id]) == 1
        assert len(hook.list_results(session.id)) == 3


def test_all_pages_of_templates_are_listed(hook: RaydocsHook, emulator: Emulator) -> None:
    workspace = hook.create_workspace("Many")
    names = [f"Template {number:02}" for number in range(40)]
    for name in names:
        hook.create_template(workspace.id, name, load_schema(str(SCHEMA)))
    assert sorted(template.name for template in hook.list_templates(workspace.id)) == names
    assert count(emulator, "GET", "/extractions/templates") > 1


def test_sessions_are_created_fifty_at_a_time(hook: RaydocsHook, emulator: Emulator, tmp_path: Path) -> None:
    template = make_template(hook)
    keys = [hook.upload(tiny_file(tmp_path, number)).key for number in range(51)]
    sessions = hook.create_sessions(template.id, keys)
    assert len({session.id for session in sessions}) == 51
    assert count(emulator, "POST", "/sessions/batch") == 2


# --- refusals


def test_a_missing_ability_is_named(make_emulator: MakeEmulator, connect: Connect) -> None:
    emulator = make_emulator(tokens=["rd_narrow:workspaces-read"])
    hook = RaydocsHook(connect(host=emulator.url, password="rd_narrow"))
    with pytest.raises(RaydocsPermissionError, match="'sessions-write'") as caught:
        hook.run_extraction("00000000-0000-4000-8000-000000000000")
    assert caught.value.ability == "sessions-write"
    assert len(requests_to(emulator)) == 1


def test_unknown_ids_and_bad_values_are_told_apart_and_not_repeated(
    hook: RaydocsHook, emulator: Emulator, template: Template
) -> None:
    with pytest.raises(RaydocsNotFoundError):
        hook.get_session("00000000-0000-4000-8000-000000000000")
    with pytest.raises(RaydocsValidationError) as caught:
        hook.create_sessions(template.id, ["tmp/never-signed"])
    assert caught.value.errors
    assert count(emulator, "POST", "/sessions/batch") == 1


# --- answers that go wrong


def retry_after_date() -> dict[str, str]:
    return {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)}


FAULTS: dict[str, dict[str, Any]] = {
    "500 before the effect": {"kind": "answer", "status": 500},
    "503 after the effect": {"kind": "answer", "status": 503, "after": True},
    "cut off before the effect": {"kind": "drop"},
    "cut off after the effect": {"kind": "drop", "after": True},
    "half an answer": {"kind": "truncate"},
    "a gateway's page": {"kind": "html"},
    "a gateway's page after the effect": {"kind": "html", "after": True},
    "too late": {"kind": "delay", "delay": 2},
}
# Answers that no later attempt would better, and that say nothing about whether a paid request took effect.
UNREADABLE: dict[str, dict[str, Any]] = {
    "a page": {"body": "<html>Welcome</html>", "headers": {"Content-Type": "text/html"}},
    "another shape": {"body": {"data": {"sessions": []}}},
    "a list that is short of one": {"body": []},
    "nothing": {"body": ""},
}
LIMITS: dict[str, dict[str, str]] = {
    "seconds": {"Retry-After": "1"},
    "a date": retry_after_date(),
    "nothing": {},
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_free_request_is_repeated_after(emulator: Emulator, connect: Connect, fault: dict[str, Any]) -> None:
    hook = RaydocsHook(connect(host=emulator.url, password=emulator.token, extra={"timeout": 1}))
    emulator.add_fault(**fault, path="/workspaces$")
    assert hook.list_workspaces() == []
    emulator.stop()  # then late requests are on record too
    assert [logged.path for logged in emulator.requests()] == ["/workspaces"] * 2


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_paid_request_is_sent_once_and_ambiguous_after(
    emulator: Emulator, connect: Connect, tmp_path: Path, fault: dict[str, Any]
) -> None:
    hook = RaydocsHook(connect(host=emulator.url, password=emulator.token, extra={"timeout": 1}))
    template = make_template(hook)
    key = hook.upload(tiny_file(tmp_path)).key
    emulator.add_fault(**fault, path="/sessions/batch$", count=0)
    with pytest.raises(RaydocsAmbiguousSubmitError, match="Look in the Raydocs dashboard") as caught:
        hook.create_sessions(template.id, [key])
    assert not caught.value.repeatable
    emulator.stop()  # then late requests are on record too
    assert [logged.path for logged in emulator.requests()].count(
        f"/extractions/templates/{template.id}/sessions/batch"
    ) == 1


@pytest.mark.parametrize("answer", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_paid_request_that_is_answered_unreadably_is_ambiguous_too(
    emulator: Emulator, hook: RaydocsHook, template: Template, tmp_path: Path, answer: dict[str, Any]
) -> None:
    key = hook.upload(tiny_file(tmp_path)).key
    emulator.add_fault("answer", status=201, after=True, path="/sessions/batch$", **answer)
    with pytest.raises(RaydocsAmbiguousSubmitError):
        hook.create_sessions(template.id, [key])
    assert billed(emulator) == 1


@pytest.mark.parametrize("headers", LIMITS.values(), ids=LIMITS.keys())
def test_both_are_repeated_over_the_limit_with_retry_after_as(
    hook: RaydocsHook, emulator: Emulator, tmp_path: Path, headers: dict[str, str]
) -> None:
    template = make_template(hook)
    key = hook.upload(tiny_file(tmp_path)).key
    emulator.add_fault("answer", status=429, headers=headers, method="GET", path="/workspaces$")
    emulator.add_fault("answer", status=429, headers=headers, path="/sessions/batch$")
    assert len(hook.list_workspaces()) == 1
    assert len(hook.create_sessions(template.id, [key])) == 1
    assert count(emulator, "POST", "/sessions/batch") == 2
    assert billed(emulator) == 1


def test_a_retry_after_of_an_hour_ends_the_attempts(hook: RaydocsHook, emulator: Emulator) -> None:
    emulator.add_fault("answer", status=429, headers={"Retry-After": "3600"}, count=0)
    with pytest.raises(RaydocsRateLimitError, match="3600 s"):
        hook.list_workspaces()
    assert len(requests_to(emulator)) == 1


def test_a_lasting_outage_ends_after_a_few_attempts(hook: RaydocsHook, emulator: Emulator) -> None:
    emulator.add_fault("answer", status=502, count=0)
    with pytest.raises(RaydocsServerError, match="502"):
        hook.list_workspaces()
    assert len(requests_to(emulator)) == 5


def test_a_refused_connection_is_repeated_even_for_a_paid_request(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, make_emulator: MakeEmulator
) -> None:
    with listening_at_nothing() as url:
        pass
    started: list[Emulator] = []

    def start_the_server() -> float:
        # Stands in for the jitter, which is drawn before each repetition.
        if not started:
            started.append(make_emulator(port=int(url.rpartition(":")[2])))
        return 0.0

    monkeypatch.setattr("raydocs_provider.hooks.retrying.random.random", start_the_server)
    hook = RaydocsHook(connect(host=url, password="rd_test_token"))
    with pytest.raises(RaydocsNotFoundError):
        hook.run_extraction("00000000-0000-4000-8000-000000000000")
    assert count(started[0], "POST", "/results") == 1


def test_a_host_that_stays_away_is_a_connection_error(connect: Connect) -> None:
    with listening_at_nothing() as url:
        hook = RaydocsHook(connect(host=url, password="rd_token"))
        with pytest.raises(RaydocsConnectionError, match="Nothing was processed"):
            hook.run_extraction("00000000-0000-4000-8000-000000000000")


def test_a_lost_answer_to_a_free_request_is_no_ambiguity(emulator: Emulator, hook: RaydocsHook) -> None:
    emulator.add_fault("drop", count=0)
    with pytest.raises(RaydocsNoAnswerError) as caught:
        hook.list_workspaces()
    assert not isinstance(caught.value, RaydocsAmbiguousSubmitError)


# --- what leaves, and to where


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(emulator: Emulator, hook: RaydocsHook, status: int) -> None:
    with recording() as (url, received):
        emulator.add_fault("answer", status=status, headers={"Location": f"{url}/workspaces"}, body="")
        with pytest.raises(RaydocsUnexpectedResponseError, match="redirects elsewhere"):
            hook.list_workspaces()
    assert received == []


def test_settings_of_the_connection_are_not_sent_as_headers(connect: Connect) -> None:
    extra = {"workspace_id": "ws_1", "requests_per_minute": 50, "timeout": 5, "my_own": "kept", "verify": False}
    with recording() as (url, received):
        RaydocsHook(connect(host=url, password="rd_token", extra=extra)).list_workspaces()
    ((_, headers),) = received
    assert headers["authorization"] == "Bearer rd_token"
    assert headers["user-agent"].startswith("airflow-provider-raydocs/")
    assert set(headers) <= {"authorization", "accept", "user-agent", "host", "connection", "accept-encoding"}


def test_proxies_may_be_given_as_one_address(connect: Connect) -> None:
    with recording() as (proxy, received):
        extra = {"proxies": proxy}
        RaydocsHook(connect(host="http://raydocs.invalid", password="rd_token", extra=extra)).list_workspaces()
    assert [line for line, _ in received] == ["GET http://raydocs.invalid/workspaces"]


def test_a_netrc_entry_replaces_no_token_and_reaches_no_storage(
    emulator: Emulator, hook: RaydocsHook, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert hook.list_workspaces() == []
    hook.upload(tiny_file(tmp_path))  # the emulator's storage refuses any Authorization header
    assert [logged.status for logged in requests_to(emulator)] == [200, 200, 200]


def test_a_token_goes_to_the_api_and_never_to_the_storage(
    emulator: Emulator, hook: RaydocsHook, tmp_path: Path
) -> None:
    with recording() as (url, received):
        body = {"uuid": "u", "key": "tmp/k", "url": f"{url}/put?X-Amz-Signature=s", "headers": {"x-amz-acl": "private"}}
        emulator.add_fault("answer", status=201, body=body, path="signed-storage-url")
        hook.upload(tiny_file(tmp_path))
    ((line, headers),) = received
    assert line == "PUT /put?X-Amz-Signature=s"
    assert "authorization" not in headers
    assert headers["x-amz-acl"] == "private"
    assert headers["content-type"] == "application/pdf"


def test_a_wrong_token_is_neither_repeated_nor_shown(emulator: Emulator, connect: Connect) -> None:
    hook = RaydocsHook(connect(host=emulator.url, password="rd_wrong"))
    with pytest.raises(RaydocsAuthenticationError) as caught:
        hook.list_workspaces()
    assert "rd_wrong" not in str(caught.value)
    assert caught.value.__context__ is None
    assert len(requests_to(emulator)) == 1


def test_a_hook_without_a_token_asks_nothing(emulator: Emulator, connect: Connect) -> None:
    with pytest.raises(RaydocsInputError, match="has no API token"):
        RaydocsHook(connect(host=emulator.url)).list_workspaces()
    assert requests_to(emulator) == []


# --- helpers


def tiny_file(folder: Path, number: int = 0) -> Any:
    file = folder / f"{number}.pdf"
    file.write_bytes(b"%PDF-1.4 " + str(number).encode())
    return open_path(file.as_uri())


def eventually(look: Callable[[], Any], holds: Callable[[Any], bool]) -> Any:
    """What ``look`` sees once it is as wanted; the emulator reads documents beside its answers."""
    for _ in range(600):
        if holds(seen := look()):
            return seen
        threading.Event().wait(0.05)
    raise AssertionError("it did not happen within half a minute")


@contextmanager
def serving(handler: Any) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def recording() -> Iterator[tuple[str, list[tuple[str, dict[str, str]]]]]:
    """A server that answers ``[]`` to everything, and what it received: request line, headers in lower case."""
    received: list[tuple[str, dict[str, str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            received.append((f"{self.command} {self.path}", headers))
            body = json.dumps([]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = answer

        def log_message(self, *_: object) -> None:
            pass

    with serving(Handler) as url:
        yield url, received


@contextmanager
def listening_at_nothing() -> Iterator[str]:
    """A URL whose port is free, so that connections to it are refused."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    yield f"http://127.0.0.1:{port}"
