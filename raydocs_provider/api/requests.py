"""
One function per endpoint, each returning a description of the request and of how to read its answer.

Nothing is sent here: the hooks send, synchronously or not, and hand the answer to
:func:`raydocs_provider.api.responses.read_answer`. Paths and abilities follow the API reference at
https://docs.raydocs.com/api-reference/introduction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from raydocs_provider.api import parsing
from raydocs_provider.api.models import JSON, Result, Session, SignedUpload, Template, Workspace
from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.wording import say_count

T = TypeVar("T")

MAX_FILES_PER_BATCH = 50


@dataclass(frozen=True, slots=True)
class ApiRequest(Generic[T]):
    """
    A request to the API, as data.

    :param parse: turns the decoded JSON of a 2xx answer into ``T``.
    :param ability: the token ability the endpoint asks for, named in the error when it is missing.
    :param repeatable: whether sending it twice does no more than sending it once. A lost answer to a request that
        is not repeatable is ambiguous and is never sent again by itself.
    :param subject: what it is about, by which a person finds in the dashboard whether it took effect.
    """

    method: str
    path: str
    parse: Callable[[JSON], T] = field(repr=False)
    ability: str | None = None
    json: Mapping[str, JSON] | None = field(default=None, repr=False)
    params: Mapping[str, str | int] | None = None
    repeatable: bool = True
    subject: str = ""

    @property
    def operation(self) -> str:
        """Method and path, as errors and logs name it."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list; ``last`` is False while ``page + 1`` exists."""

    items: Sequence[T]
    last: bool


def _id(value: str | int, what: str) -> str:
    text = str(value).strip()
    if not text or text in {".", "..", "None"}:
        raise RaydocsInputError(f"The {what} is empty ({text!r}). Pass the id that the Raydocs dashboard shows.")
    return text


def _segment(value: str | int, what: str) -> str:
    """Quote an id for use in a path, so that no id can name another endpoint."""
    return quote(_id(value, what), safe="", errors="backslashreplace")


def _require_sessions(session_ids: Sequence[str]) -> list[str]:
    if not session_ids:
        raise RaydocsInputError("No session ids were given. Pass at least one.")
    return list(session_ids)


def list_workspaces() -> ApiRequest[list[Workspace]]:
    """Workspaces of the token's owner; free, not paginated, and the lightest way to check a token."""
    return ApiRequest("GET", "/workspaces", parsing.workspaces, "workspaces-read")


def create_workspace(name: str) -> ApiRequest[Workspace]:
    """Create a workspace. Not repeatable: names are not unique, a second call makes a second workspace."""
    return ApiRequest(
        "POST", "/workspaces/create", parsing.workspace, "workspaces-write", {"name": name}, repeatable=False
    )


def list_templates(workspace_id: str | int, page: int = 1) -> ApiRequest[Page[Template]]:
    """One page of a workspace's templates. Rows may come without their schema."""
    path = f"/workspaces/{_segment(workspace_id, 'workspace id')}/extractions/templates"
    return ApiRequest(
        "GET",
        path,
        lambda body: Page([parsing.template(row) for row in parsing.rows(body)], parsing.is_last_page(body)),
        "templates-read",
        params={"page": page},
    )


def get_template(template_id: str) -> ApiRequest[Template]:
    """A template with its schema."""
    path = f"/extractions/templates/{_segment(template_id, 'template id')}"
    return ApiRequest("GET", path, parsing.template, "templates-read")


def create_template(
    workspace_id: str | int,
    name: str,
    schema_json: Mapping[str, JSON],
    *,
    description: str | None = None,
    settings: Mapping[str, JSON] | None = None,
) -> ApiRequest[Template]:
    """Create a template. Not repeatable: a second call makes a second template of the same name."""
    workspace = _id(workspace_id, "workspace id")
    body: dict[str, JSON] = {
        "name": name,
        # The reference asks for an integer; ids that are no number are sent as they came.
        "workspace_id": int(workspace) if workspace.isdecimal() else workspace,
        "schema_json": dict(schema_json),
        "description": description,
        "settings": dict(settings) if settings is not None else None,
    }
    body = {key: value for key, value in body.items() if value is not None}
    return ApiRequest("POST", "/extractions/templates", parsing.template, "templates-write", body, repeatable=False)


def update_template(template_id: str, changes: Mapping[str, JSON]) -> ApiRequest[Template]:
    """
    Replace parts of a template.

    :param changes: any of ``name``, ``description``, ``schema_json``, ``settings``.
    """
    path = f"/extractions/templates/{_segment(template_id, 'template id')}"
    return ApiRequest("PUT", path, parsing.template, "templates-write", dict(changes))


def sign_upload(content_type: str) -> ApiRequest[SignedUpload]:
    """
    Ask for a URL to PUT one file to, good for about five minutes.

    Repeatable: an unused key is only an unused key. Needs a valid token, but no particular ability.
    """
    body = {"content_type": content_type, "visibility": "private"}
    return ApiRequest("POST", "/vapor/signed-storage-url", parsing.signed_upload, None, body)


def create_sessions(template_id: str, keys: Sequence[str]) -> ApiRequest[list[Session]]:
    """
    One session per uploaded file, each of which extracts by itself. **This is the call that is paid for.**

    Not repeatable: every call makes new sessions, and the API can list none of them afterwards.

    :param keys: 1 to 50 upload keys. The order of the answer is not promised to be theirs.
    """
    if not 1 <= len(keys) <= MAX_FILES_PER_BATCH:
        raise RaydocsInputError(f"A batch takes 1 to {MAX_FILES_PER_BATCH} files, not {len(keys)}.")
    path = f"/extractions/templates/{_segment(template_id, 'template id')}/sessions/batch"
    body = {"files": list(keys), "settings": {"auto_extract": True}}

    def parse(answer: JSON) -> list[Session]:
        sessions = [parsing.session(row) for row in parsing.rows(answer)]
        different = {session.id for session in sessions}
        if not len(different) == len(sessions) == len(keys):
            raise parsing.UnexpectedShapeError(f"{len(different)} different sessions for {len(keys)} files")
        return sessions

    subject = f"{say_count(len(keys), 'document')}, template {template_id}"
    return ApiRequest("POST", path, parse, "sessions-write", body, repeatable=False, subject=subject)


def get_session(session_id: str) -> ApiRequest[Session]:
    """A session with its documents and runs: all that is needed to know whether it is finished, in one request."""
    path = f"/extractions/sessions/{_segment(session_id, 'session id')}"
    return ApiRequest("GET", path, parsing.session, "sessions-read")


def list_results(session_id: str) -> ApiRequest[list[Result]]:
    """The runs of a session. Rows may be summaries without data."""
    path = f"/extractions/sessions/{_segment(session_id, 'session id')}/results"
    return ApiRequest("GET", path, lambda body: [parsing.result(row) for row in parsing.rows(body)], "sessions-read")


def get_result(result_id: str) -> ApiRequest[Result]:
    """One run with its data and audit trail."""
    path = f"/extractions/results/{_segment(result_id, 'result id')}"
    return ApiRequest("GET", path, parsing.result, "sessions-read")


def run_extraction(session_id: str) -> ApiRequest[Result | None]:
    """
    Start one more run over the documents of a session. Paid, and not repeatable.

    :returns: the run, or None from servers of the old generation, which answer with a job id only: look for the
        run in the session's results.
    """
    path = f"/extractions/sessions/{_segment(session_id, 'session id')}/results"
    return ApiRequest("POST", path, parsing.accepted_run, "sessions-write", repeatable=False)


def execute_sessions(template_id: str, session_ids: Sequence[str]) -> ApiRequest[int]:
    """
    Start a run for each of many sessions. Paid, and not repeatable.

    Never for sessions made by :func:`create_sessions`: those extract by themselves and would be paid for twice.

    :returns: how many runs were queued.
    """
    path = f"/extractions/templates/{_segment(template_id, 'template id')}/sessions/batch/execute"
    body = {"session_ids": _require_sessions(session_ids)}
    return ApiRequest("POST", path, parsing.queued_count, "sessions-write", body, repeatable=False)


def export_sessions(
    template_id: str, session_ids: Sequence[str], *, format_in_path: bool = True
) -> ApiRequest[dict[str, Mapping[str, Any] | None]]:
    """
    The data of many **finished** sessions at once, by session id; rows carry no status.

    :param format_in_path: the API's pages show two forms of this endpoint; try True first and, on 404 or 405, False.
    """
    path = f"/extractions/templates/{_segment(template_id, 'template id')}/sessions/batch/export"
    body: dict[str, JSON] = {"session_ids": _require_sessions(session_ids)}
    if format_in_path:
        path += "/json"
    else:
        body["format"] = "json"
    return ApiRequest("POST", path, parsing.exported_data, "sessions-read", body)
