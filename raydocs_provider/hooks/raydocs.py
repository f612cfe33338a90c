"""
Talk to Raydocs from a task; :mod:`raydocs_provider.hooks.raydocs_async` does it from an event loop.

``providers-http`` turns the connection into a session, tenacity repeats, ``raydocs_provider.api`` says what to send,
what an answer means and whether to repeat. What is left here is the sending itself. The ``run()`` of the parent hooks
is not used: it has no timeout, logs bodies and does not honour 429.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

import requests
import tenacity
from airflow.providers.http.hooks.http import HttpHook

from raydocs_provider.api import requests as endpoints
from raydocs_provider.api.responses import no_answer, read_answer
from raydocs_provider.exceptions import (
    RaydocsAuthenticationError,
    RaydocsError,
    RaydocsNotFoundError,
    RaydocsPermissionError,
    RaydocsRateLimitError,
    RaydocsUnexpectedResponseError,
)
from raydocs_provider.extraction.budget import Urgency
from raydocs_provider.extraction.progress import Usage
from raydocs_provider.get_provider_info import CONNECTION_FIELDS, CONNECTION_UI_BEHAVIOUR
from raydocs_provider.hooks.connection import (
    CONNECT_TIMEOUT_SECONDS,
    ConnectionSettings,
    missing_connection_explained,
    read_settings,
)
from raydocs_provider.hooks.metrics import count_answer
from raydocs_provider.hooks.pacing import Waiter, pacer_for, urgency_of
from raydocs_provider.hooks.retrying import retry_options
from raydocs_provider.hooks.uploading import UploadedFile, upload_file
from raydocs_provider.wording import say_count

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from raydocs_provider.api.models import JSON, Result, Session, SignedUpload, Template, Workspace
    from raydocs_provider.extraction.documents import StoragePath

T = TypeVar("T")


class RaydocsHook(HttpHook):
    """
    Talk to the Raydocs API through an Airflow connection of type ``raydocs``.

    One hook keeps one HTTP session for the API and one for uploads. Every method raises a child of
    :class:`~raydocs_provider.exceptions.RaydocsApiError`; requests that may be repeated safely are.

    :param raydocs_conn_id: the connection; its password is the API token, its host the base URL.
    """

    conn_name_attr = "raydocs_conn_id"
    default_conn_name = "raydocs_default"
    conn_type = "raydocs"
    hook_name = "Raydocs"

    def __init__(self, raydocs_conn_id: str = default_conn_name) -> None:
        super().__init__(http_conn_id=raydocs_conn_id)
        self.raydocs_conn_id = raydocs_conn_id
        #: What this hook has asked of Raydocs.
        self.usage = Usage()
        self._waiter = Waiter()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Labels of the connection form, for Airflow before 3.2 (newer ones read the provider's metadata)."""
        behaviour = CONNECTION_UI_BEHAVIOUR
        return {
            "hidden_fields": behaviour["hidden-fields"],
            "relabeling": behaviour["relabeling"],
            "placeholders": behaviour["placeholders"],
        }

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Extra fields of the connection form, for Airflow before 3.2."""
        from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
        from flask_babel import lazy_gettext
        from wtforms import IntegerField, PasswordField, StringField
        from wtforms.validators import Optional

        kinds = {"password": (PasswordField, BS3PasswordFieldWidget), "integer": (IntegerField, BS3TextFieldWidget)}

        def kind_of(schema: Mapping[str, Any]) -> tuple[Any, Any]:
            return kinds.get(schema.get("format") or schema["type"][0], (StringField, BS3TextFieldWidget))

        return {
            name: kind_of(field["schema"])[0](
                lazy_gettext(field["label"]),
                widget=kind_of(field["schema"])[1](),
                description=field["description"],
                default=field["schema"].get("default"),
                validators=[Optional()],
            )
            for name, field in CONNECTION_FIELDS.items()
        }

    @cached_property
    def settings(self) -> ConnectionSettings:
        """
        The connection, read and checked once.

        :raises RaydocsInputError: for a connection that is missing or cannot work (no token, no URL).
        """
        with missing_connection_explained(self.raydocs_conn_id):
            connection = self.get_connection(self.raydocs_conn_id)
        return read_settings(connection, connection.extra_dejson)

    def get_conn(
        self, headers: dict[Any, Any] | None = None, extra_options: dict[str, Any] | None = None
    ) -> requests.Session:
        """
        Make a session for the API host, configured by the connection (proxies, verify, cert, keep-alive).

        :param headers: more headers.
        :param extra_options: as for ``HttpHook.get_conn``.
        """
        # The settings are read before the parent's code meets a base URL or proxies that it cannot handle.
        options = {"proxies": dict(self.settings.proxies), **(extra_options or {})}
        session: requests.Session = super().get_conn(extra_options=options)
        # HttpHook sends every extra it does not know as a header; ours are settings.
        session.headers = requests.structures.CaseInsensitiveDict(self.settings.headers | (headers or {}))
        # Without this, a matching entry in ~/.netrc would replace the token.
        session.auth = _keep_headers
        self.base_url = self.settings.base_url
        return session

    def get_storage_conn(self) -> requests.Session:
        """Make a session for signed storage URLs: the connection's proxies and trust, no token, no API headers."""
        session = self.get_conn()
        session.headers = requests.structures.CaseInsensitiveDict()
        session.cert = None
        return session

    @cached_property
    def _session(self) -> requests.Session:
        return self.get_conn()

    @cached_property
    def _storage_session(self) -> requests.Session:
        return self.get_storage_conn()

    def open(self) -> None:
        """Make the sessions now. Afterwards threads may share this hook for requests that can be repeated."""
        _ = self._session, self._storage_session

    def close(self) -> None:
        """Close the sessions this hook opened."""
        for name in ("_session", "_storage_session"):
            session = self.__dict__.pop(name, None)
            if session is not None:
                session.close()

    def __enter__(self) -> RaydocsHook:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, request: endpoints.ApiRequest[T], before_sending: Callable[[], None] | None = None) -> T:
        """
        Send a request of :mod:`raydocs_provider.api.requests` until it is answered or repeating is of no use.

        :param before_sending: called when the budget has let the request pass, each time right before it leaves.
        :raises RaydocsAmbiguousSubmitError: when the answer to a paid request was lost.
        :raises RaydocsApiError: the child that fits the refusal.
        """
        attempts = tenacity.Retrying(**retry_options(self.log))
        return cast("T", attempts(self._send, request, before_sending))

    def _send(
        self,
        request: endpoints.ApiRequest[T],
        before_sending: Callable[[], None] | None = None,
        *,
        paced: bool = True,
    ) -> T:
        # A server may close an idle connection just as a request leaves on it, and then nobody knows whether the
        # request arrived. Paid requests therefore travel on a connection of their own.
        session = self._session if request.repeatable else self.get_conn()
        pacer = pacer_for(self.settings)
        if paced:
            self.usage.wait(pacer.wait(urgency_of(request), self._waiter))
        if before_sending is not None:
            before_sending()
        sent_at = datetime.now(UTC)
        try:
            response = session.request(
                request.method,
                f"{self.settings.base_url}{request.path}",
                params=dict(request.params) if request.params else None,
                json=request.json,
                timeout=(CONNECT_TIMEOUT_SECONDS, self.settings.timeout),
                # The token must not follow a redirect to another host.
                allow_redirects=False,
            )
            status, headers, body = response.status_code, response.headers, response.content
        except requests.RequestException as lost:
            count_answer(self.usage, None)
            error = no_answer(
                request, type(lost).__name__, self.settings.base_url, left=_may_have_left(lost), sent_at=sent_at
            )
        else:
            now = datetime.now(UTC)
            count_answer(self.usage, status)
            pacer.note(status, headers, now)
            return read_answer(request, status, headers, body, now=now, sent_at=sent_at)
        finally:
            if not request.repeatable:
                session.close()
        # Raised here, not in the except block: the library's exception quotes URLs and would be logged as its context.
        raise error

    def test_connection(self) -> tuple[bool, str]:
        """Check token and base URL with one free request; says what to change when something is wrong."""
        try:
            # Not paced: somebody waits at a button, and a refusal by the budget is an answer too.
            workspaces = self._send(endpoints.list_workspaces(), paced=False)
        except RaydocsPermissionError:
            return True, (
                "The token is valid. It lacks the ability 'workspaces-read', so workspaces cannot be listed; tasks "
                "that are given a template id do not need it."
            )
        except RaydocsAuthenticationError as refused:
            return False, str(refused)
        except (RaydocsUnexpectedResponseError, RaydocsNotFoundError):
            return False, f"{self.settings.base_url} answers, but not as a Raydocs API. Check the base URL."
        except RaydocsError as problem:
            return False, str(problem)
        return True, f"Connected to {self.settings.base_url}; the token sees {say_count(len(workspaces), 'workspace')}."

    def list_workspaces(self) -> list[Workspace]:
        """Workspaces of the token's owner."""
        return self.call(endpoints.list_workspaces())

    def create_workspace(self, name: str) -> Workspace:
        """Create a workspace; a second call with the same name makes a second one."""
        return self.call(endpoints.create_workspace(name))

    def list_templates(self, workspace_id: str | int) -> list[Template]:
        """All templates of a workspace, over all pages. Rows may come without their schema."""
        templates: list[Template] = []
        page_number = 1
        while True:
            page = self.call(endpoints.list_templates(workspace_id, page_number))
            templates.extend(page.items)
            if page.last or not page.items:
                return templates
            page_number += 1

    def get_template(self, template_id: str) -> Template:
        """A template with its schema."""
        return self.call(endpoints.get_template(template_id))

    def create_template(
        self,
        workspace_id: str | int,
        name: str,
        schema_json: Mapping[str, JSON],
        *,
        description: str | None = None,
        settings: Mapping[str, JSON] | None = None,
    ) -> Template:
        """Create a template; a second call with the same name makes a second one."""
        request = endpoints.create_template(workspace_id, name, schema_json, description=description, settings=settings)
        return self.call(request)

    def update_template(self, template_id: str, **changes: JSON) -> Template:
        """Replace any of ``name``, ``description``, ``schema_json`` and ``settings`` of a template."""
        return self.call(endpoints.update_template(template_id, changes))

    def sign_upload(self, content_type: str) -> SignedUpload:
        """Ask for a signed URL for one file; its URL is a secret."""
        return self.call(endpoints.sign_upload(content_type))

    def upload(self, source: StoragePath) -> UploadedFile:
        """
        Upload one file by a signed URL, streamed: memory does not grow with its size.

        :param source: where the file lies; anything with ``name``, ``stat()`` and ``open("rb")``.
        :raises RaydocsUploadError: when the storage refuses it or the file cannot be read.
        """
        return upload_file(source, self.sign_upload, self._storage_session, self.settings.timeout)

    def create_sessions(self, template_id: str, keys: Sequence[str]) -> list[Session]:
        """
        Create one extracting session per upload key, in batches of 50. **Paid.**

        :raises RaydocsAmbiguousSubmitError: when the answer to a batch was lost; batches before it did take effect.
        """
        sessions: list[Session] = []
        for start in range(0, len(keys), endpoints.MAX_FILES_PER_BATCH):
            batch = keys[start : start + endpoints.MAX_FILES_PER_BATCH]
            created = self.call(endpoints.create_sessions(template_id, batch))
            sessions.extend(created)
        return sessions

    def get_session(self, session_id: str) -> Session:
        """A session with its documents and runs."""
        return self.call(endpoints.get_session(session_id))

    def glance_at_session(self, session_id: str) -> Session:
        """
        As :meth:`get_session`, by one request, now or not at all: somebody waits at a button.

        :raises RaydocsRateLimitError: the request budget of this process has no room for it at the moment; nothing was
            sent. Or Raydocs says so.
        """
        # After those of tasks, which have more need of the budget.
        if seconds := pacer_for(self.settings).try_now(Urgency.UPLOAD):
            raise RaydocsRateLimitError("The request budget is used up.", retry_after=seconds)
        return self._send(endpoints.get_session(session_id), paced=False)

    def list_results(self, session_id: str) -> list[Result]:
        """The runs of a session; rows may be summaries without data."""
        return self.call(endpoints.list_results(session_id))

    def get_result(self, result_id: str) -> Result:
        """One run with its data and audit trail."""
        return self.call(endpoints.get_result(result_id))

    def run_extraction(self, session_id: str) -> Result | None:
        """Start one more run of a session. **Paid.** None where the server names no run."""
        return self.call(endpoints.run_extraction(session_id))

    def execute_sessions(self, template_id: str, session_ids: Sequence[str]) -> int:
        """Start one run for each session. **Paid.** Never for sessions that extract by themselves."""
        return self.call(endpoints.execute_sessions(template_id, session_ids))

    def export_sessions(self, template_id: str, session_ids: Sequence[str]) -> dict[str, Mapping[str, Any] | None]:
        """The data of many finished sessions, by session id."""
        try:
            return self.call(endpoints.export_sessions(template_id, session_ids))
        except RaydocsNotFoundError:
            return self.call(endpoints.export_sessions(template_id, session_ids, format_in_path=False))


def _keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Stand in for authentication, so that requests does not look for credentials of its own (netrc)."""
    return request


def _may_have_left(lost: requests.RequestException) -> bool:
    """Whether any byte of the request may have reached the server. When in doubt, it has."""
    if isinstance(lost, (requests.ConnectTimeout, requests.exceptions.ProxyError)):
        return False
    cause = lost.args[0] if lost.args else None
    reason = type(getattr(cause, "reason", cause)).__name__
    return reason not in {
        "NewConnectionError",
        "NameResolutionError",
        "ConnectTimeoutError",
        "SSLCertVerificationError",
    }
