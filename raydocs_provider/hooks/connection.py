"""
An Airflow connection of type ``raydocs``, read and checked once, for the synchronous and the asynchronous hook.

Both hooks build their HTTP client from :class:`ConnectionSettings`, so the two cannot drift apart.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from raydocs_provider import __version__
from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.version_compat import AirflowNotFoundException

log = logging.getLogger(__name__)

DEFAULT_BASE_URL = "https://api.raydocs.com"
DEFAULT_TIMEOUT_SECONDS = 60.0
DEFAULT_REQUESTS_PER_MINUTE = 100
CONNECT_TIMEOUT_SECONDS = 10.0
_LOOPBACK_HOSTS = {"localhost", "127.0.0.1", "::1"}


class ConnectionLike(Protocol):
    """What is used of an Airflow connection; every supported Airflow has its own class for it."""

    conn_id: str
    host: str | None
    schema: str | None
    port: int | None
    password: str | None


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """
    What a client needs to know to talk to Raydocs.

    :param base_url: scheme, host and optional path prefix, without a slash at the end.
    :param token: the API token; it goes to ``base_url`` and nowhere else.
    :param timeout: seconds one request may wait for its answer.
    :param requests_per_minute: what the address of this machine may send.
    :param budget_url: a Redis that counts the requests of all processes behind the address; None: each process keeps
        a fair share of its own.
    :param dashboard_url: address of a web page about a session or a template, with ``{session_id}``,
        ``{template_id}`` and ``{workspace_id}`` in it; None: nothing is linked.
    """

    base_url: str
    token: str = field(repr=False)
    workspace_id: str | None = None
    requests_per_minute: int = DEFAULT_REQUESTS_PER_MINUTE
    timeout: float = DEFAULT_TIMEOUT_SECONDS
    budget_url: str | None = field(default=None, repr=False)
    proxies: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    verify: bool | str = True
    cert: str | tuple[str, ...] | None = None
    dashboard_url: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Headers of every API request; storage requests carry none of them."""
        return {
            "Authorization": f"Bearer {self.token}",
            # Without it, stock Laravel may answer errors as a web page or a redirect.
            "Accept": "application/json",
            "User-Agent": f"airflow-provider-raydocs/{__version__}",
        }

    def dashboard_link(self, template_id: str | None, session_id: str | None = None) -> str | None:
        """The dashboard's address for a template or a session; None where it needs an id that is not there."""
        ids = {"workspace_id": self.workspace_id, "template_id": template_id, "session_id": session_id}
        link = self.dashboard_url
        for name, value in ids.items():
            if link is not None and f"{{{name}}}" in link:
                link = link.replace(f"{{{name}}}", quote(value, safe="")) if value else None
        return link


@contextmanager
def missing_connection_explained(conn_id: str) -> Iterator[None]:
    """
    Around a look-up of a connection.

    :raises RaydocsInputError: there is none, with where it can be set. A retry may find it: secrets backends that are
        away for a moment say the same as those that have none.
    """
    try:
        yield
    except AirflowNotFoundException:
        raise RaydocsInputError(
            f"Connection '{conn_id}' is not defined where this runs. Create it (Admin > Connections), "
            f"or set AIRFLOW_CONN_{conn_id.upper()}. If that is set, Airflow could not use it: as JSON it may have the "
            "keys conn_type, host, login, password, schema, port, description and extra; all else belongs into extra.",
            retryable=True,
        ) from None


def read_settings(connection: ConnectionLike, extra: Mapping[str, Any]) -> ConnectionSettings:
    """
    Check a connection and turn it into settings.

    :param extra: the connection's decoded ``extra``; keys of ours are ``workspace_id``, ``requests_per_minute``,
        ``budget_url``, ``dashboard_url`` and ``timeout``, keys of the HTTP provider ``proxies`` (or ``proxy``),
        ``verify`` and ``cert``.
    :raises RaydocsInputError: with the connection id and the field at fault, never with its value if it is secret.
    """
    name = connection.conn_id
    token = (connection.password or "").strip()
    if not token:
        raise RaydocsInputError(
            f"Connection '{name}' has no API token. Make one in the Raydocs dashboard under Settings > API Keys and "
            "put it into the connection's API token field."
        )
    if not token.isascii() or not token.isprintable() or " " in token:
        # An HTTP library would quote the whole header, token and all, in its own complaint.
        raise RaydocsInputError(
            f"The API token of connection '{name}' holds spaces, line breaks or other characters that no token has. "
            "Copy it again."
        )
    base_url = build_base_url(connection.host, connection.schema, connection.port, name)
    if base_url.startswith("http://") and urlsplit(base_url).hostname not in _LOOPBACK_HOSTS:
        log.warning("Connection '%s' sends its API token unencrypted: its base URL begins with http://.", name)
    workspace_id = extra.get("workspace_id")
    proxies = extra.get("proxies") or extra.get("proxy") or {}
    if isinstance(proxies, str):
        proxies = {"http": proxies, "https": proxies}
    if not isinstance(proxies, Mapping):
        raise RaydocsInputError(
            f"'proxies' in the extra of connection '{name}' has to be a URL, or an object of scheme to URL."
        )
    cert = extra.get("cert")
    return ConnectionSettings(
        base_url=base_url,
        token=token,
        workspace_id=str(workspace_id).strip() or None if workspace_id is not None else None,
        requests_per_minute=int(_number(extra, "requests_per_minute", DEFAULT_REQUESTS_PER_MINUTE, 1, name)),
        timeout=_number(extra, "timeout", DEFAULT_TIMEOUT_SECONDS, 0.1, name),
        budget_url=str(extra.get("budget_url") or "").strip() or None,
        proxies=tuple(sorted((str(scheme), str(url)) for scheme, url in proxies.items())),
        verify=_read_verify(extra.get("verify")),
        cert=tuple(cert) if isinstance(cert, list) else cert or None,
        dashboard_url=_read_dashboard_url(extra.get("dashboard_url"), name),
    )


def _read_dashboard_url(value: object, name: str) -> str | None:
    """A link that people click: a web address, and no placeholder that stays one."""
    link = value.strip() if isinstance(value, str) else ""
    if not link:
        return None
    bare = re.sub(r"\{(workspace_id|template_id|session_id)\}", "", link)
    if not link.startswith(("https://", "http://")) or "{" in bare or "}" in bare or not link.isprintable():
        raise RaydocsInputError(
            f"'dashboard_url' in the extra of connection '{name}' has to be a web address, which may have "
            "{session_id}, {template_id} and {workspace_id} in it."
        )
    return link


def _read_verify(value: object) -> bool | str:
    """Whether certificates are checked: yes, no, or with this CA file; environment variables bring words."""
    words = {"false": False, "true": True, "": True}
    if isinstance(value, str):
        return words.get(value.strip().lower(), value)
    return value if isinstance(value, bool) else True


def build_base_url(host: str | None, schema: str | None, port: int | None, name: str) -> str:
    """
    Put the base URL together from the fields of a connection.

    :param host: a whole URL, a host name, or nothing for the public API.
    :raises RaydocsInputError: for anything that is no http(s) URL.
    """
    text = (host or "").strip()
    if not text:
        return DEFAULT_BASE_URL
    if "://" not in text:
        if text.count(":") > 1 and not text.startswith("["):
            text = f"[{text}]"  # Airflow takes the brackets of an IPv6 address off when it reads a connection URI
        text = f"{schema or 'https'}://{text}"
    try:
        parts = urlsplit(text)
        netloc = parts.netloc if parts.port or not port else f"{parts.netloc}:{port}"
    except ValueError:
        parts = None
    if (
        parts is None
        or not text.isprintable()
        or " " in text
        or parts.scheme not in {"http", "https"}
        or not parts.hostname
        or "@" in parts.netloc
        or "//" in parts.path.rstrip("/")
        or parts.query
        or parts.fragment
    ):
        raise RaydocsInputError(
            f"The base URL of connection '{name}' is no http(s) URL. Leave the field empty for {DEFAULT_BASE_URL}, or "
            "write scheme and host only, for example http://127.0.0.1:8765 for a local emulator."
        )
    return f"{parts.scheme}://{netloc}{parts.path.rstrip('/')}"


def _number(extra: Mapping[str, Any], key: str, default: float, least: float, name: str) -> float:
    value = extra.get(key)
    if value is None or value == "":
        return default
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = 0.0
    if isinstance(value, bool) or not least <= number < 1e9:
        raise RaydocsInputError(f"'{key}' in the extra of connection '{name}' has to be a number of at least {least}.")
    return number
