"""A connection, read and checked: what clients get to know, and what a person is told when it cannot work."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.hooks.connection import DEFAULT_BASE_URL, ConnectionSettings, build_base_url, read_settings

TOKEN = "rd_live_abc123"


@dataclass
class Connection:
    """The fields of an Airflow connection."""

    conn_id: str = "raydocs_prod"
    host: str | None = None
    schema: str | None = None
    port: int | None = None
    password: str | None = TOKEN


def settings(extra: dict[str, Any] | None = None, **fields: Any) -> ConnectionSettings:
    return read_settings(Connection(**fields), extra or {})


# host, schema, port -> base URL
BASE_URLS = [
    (None, None, None, DEFAULT_BASE_URL),
    ("", "", None, DEFAULT_BASE_URL),
    ("  ", None, None, DEFAULT_BASE_URL),
    ("api.raydocs.com", None, None, "https://api.raydocs.com"),
    ("api.raydocs.com", "", None, "https://api.raydocs.com"),
    ("api.raydocs.com", "https", None, "https://api.raydocs.com"),
    ("api.raydocs.com", "https", 8443, "https://api.raydocs.com:8443"),
    ("127.0.0.1", "http", 8765, "http://127.0.0.1:8765"),
    ("127.0.0.1:8765", "http", None, "http://127.0.0.1:8765"),
    ("https://api.raydocs.com", None, None, "https://api.raydocs.com"),
    ("https://api.raydocs.com/", None, None, "https://api.raydocs.com"),
    (" https://api.raydocs.com/ ", None, None, "https://api.raydocs.com"),
    ("HTTPS://api.raydocs.com", None, None, "https://api.raydocs.com"),
    ("https://api.raydocs.com", "http", None, "https://api.raydocs.com"),
    ("https://api.raydocs.com", None, 8443, "https://api.raydocs.com:8443"),
    ("https://api.raydocs.com:443", None, 8443, "https://api.raydocs.com:443"),
    ("http://127.0.0.1:8765", None, None, "http://127.0.0.1:8765"),
    ("https://gateway.example.com/raydocs", None, None, "https://gateway.example.com/raydocs"),
    ("https://gateway.example.com/raydocs/", None, 8443, "https://gateway.example.com:8443/raydocs"),
    ("gateway.example.com/raydocs", "https", None, "https://gateway.example.com/raydocs"),
    ("http://[::1]:8765", None, None, "http://[::1]:8765"),
    ("http://[::1]", None, 8765, "http://[::1]:8765"),
    ("[::1]", "http", 8765, "http://[::1]:8765"),
    ("::1", "http", 8765, "http://[::1]:8765"),
    ("fe80::1", None, None, "https://[fe80::1]"),
]
NO_BASE_URLS = [
    ("ftp://api.raydocs.com", None, None),
    ("api.raydocs.com", "postgres", None),
    ("file:///etc/passwd", None, None),
    ("https://", None, None),
    ("https:///path", None, None),
    ("://api.raydocs.com", None, None),
    ("https://user:pass@api.raydocs.com", None, None),
    ("user@api.raydocs.com", None, None),
    ("https://api.raydocs.com?token=abc", None, None),
    ("https://api.raydocs.com#part", None, None),
    ("https://api.raydocs.com:port", None, None),
    ("https://api.raydocs.com:99999", None, None),
    ("https://[::1", None, None),
    ("https://api.raydocs.com /v1", None, None),
    ("https://api.ray\ndocs.com", None, None),
    ("https://https://api.raydocs.com", None, None),
]


@pytest.mark.parametrize(("host", "schema", "port", "base_url"), BASE_URLS)
def test_a_base_url_is_put_together_from_the_fields(
    host: str | None, schema: str | None, port: int | None, base_url: str
) -> None:
    assert build_base_url(host, schema, port, "raydocs_prod") == base_url


@pytest.mark.parametrize(("host", "schema", "port"), NO_BASE_URLS)
def test_what_is_no_base_url_is_refused_without_being_quoted(
    host: str | None, schema: str | None, port: int | None
) -> None:
    with pytest.raises(RaydocsInputError, match="base URL of connection 'raydocs_prod' is no http") as raised:
        build_base_url(host, schema, port, "raydocs_prod")
    assert "pass" not in str(raised.value)
    assert "abc" not in str(raised.value)


@given(host=st.text(), schema=st.none() | st.text(), port=st.none() | st.integers(0, 70_000))
def test_every_host_is_a_base_url_or_an_input_error(host: str, schema: str | None, port: int | None) -> None:
    try:
        base_url = build_base_url(host, schema, port, "c")
    except RaydocsInputError:
        return
    assert base_url.startswith(("http://", "https://"))
    assert not base_url.endswith("/")
    assert not any(letter.isspace() for letter in base_url)


@pytest.mark.parametrize(("host", "schema", "port", "base_url"), BASE_URLS)
def test_a_connection_means_the_same_after_it_was_an_airflow_uri(
    host: str | None, schema: str | None, port: int | None, base_url: str
) -> None:
    from airflow.models import Connection as AirflowConnection

    written = AirflowConnection(
        conn_id="raydocs_prod",
        conn_type="raydocs",
        host=host,
        schema=schema,
        port=port,
        password="rd_live/a+b=c%20:@",
        extra='{"requests_per_minute": 50, "verify": false, "workspace_id": 12}',
    )
    read = AirflowConnection(conn_id="raydocs_prod", uri=written.get_uri())
    for connection in (written, read):
        found = read_settings(connection, connection.extra_dejson)
        assert found.base_url == base_url
        assert found.token == "rd_live/a+b=c%20:@"
        assert (found.requests_per_minute, found.verify, found.workspace_id) == (50, False, "12")


@pytest.mark.parametrize(
    ("uri", "base_url"),
    [
        ("raydocs://:rd_live@127.0.0.1:8765/http", "http://127.0.0.1:8765"),
        ("raydocs://:rd_live@[::1]:8765/http", "http://[::1]:8765"),
        ("raydocs://:rd_live@api.raydocs.com", "https://api.raydocs.com"),
        ("raydocs://http://:rd_live@127.0.0.1:8765", "http://127.0.0.1:8765"),
        ("raydocs://:rd_live@", DEFAULT_BASE_URL),
    ],
)
def test_a_uri_written_by_hand_works(uri: str, base_url: str) -> None:
    from airflow.models import Connection as AirflowConnection

    assert read_settings(AirflowConnection(conn_id="c", uri=uri), {}).base_url == base_url


@pytest.mark.parametrize(
    "password",
    ["two words", "line\nbreak", "Bearer rd_live_abc", "tab\tbed", "Schlüssel", "nul\x00", "rd_live\u200b", "\ud800"],
)
def test_a_token_that_cannot_be_one_is_refused_and_never_quoted(password: str) -> None:
    with pytest.raises(RaydocsInputError, match="API token of connection 'raydocs_prod'") as raised:
        settings(password=password)
    assert password not in str(raised.value)
    assert "rd_live" not in str(raised.value)


@pytest.mark.parametrize("password", [None, "", "  \n"])
def test_a_connection_without_a_token_says_where_to_make_one(password: str | None) -> None:
    with pytest.raises(RaydocsInputError, match=r"'raydocs_prod' has no API token\. Make one in the Raydocs dashboard"):
        settings(password=password)


def test_spaces_around_a_token_are_no_part_of_it() -> None:
    assert settings(password=f" {TOKEN}\n").token == TOKEN


def test_the_token_goes_into_one_header_and_is_never_shown() -> None:
    found = settings({"proxies": {"https": "http://user:pr0xy@proxy:3128"}})
    assert found.headers["Authorization"] == f"Bearer {TOKEN}"
    assert found.headers["Accept"] == "application/json"
    assert TOKEN not in repr(found)
    assert "pr0xy" not in repr(found)


def test_without_extras_the_defaults_hold() -> None:
    found = settings()
    assert (found.requests_per_minute, found.timeout, found.workspace_id) == (100, 60.0, None)
    assert (found.proxies, found.verify, found.cert) == ((), True, None)


@pytest.mark.parametrize("empty", [None, ""])
def test_a_field_left_empty_in_the_form_is_the_default(empty: Any) -> None:
    names = ("workspace_id", "requests_per_minute", "timeout", "proxies", "cert", "verify")
    assert settings(dict.fromkeys(names, empty)) == settings()


@pytest.mark.parametrize(("value", "number"), [(50, 50), ("50", 50), (" 50 ", 50), (99.9, 99), ("1", 1)])
def test_numbers_may_be_text(value: Any, number: int) -> None:
    assert settings({"requests_per_minute": value}).requests_per_minute == number
    assert settings({"timeout": value}).timeout == float(value)


@pytest.mark.parametrize("name", ["requests_per_minute", "timeout"])
@pytest.mark.parametrize(
    "value", [0, -1, "many", True, [], {}, "nan", float("inf"), "1e400", 10**400], ids=lambda value: str(value)[:9]
)
def test_a_bad_number_is_refused_with_the_name_of_its_field(name: str, value: Any) -> None:
    with pytest.raises(RaydocsInputError, match=f"'{name}' in the extra of connection 'raydocs_prod'"):
        settings({name: value})


def test_less_than_one_request_a_minute_is_none() -> None:
    with pytest.raises(RaydocsInputError, match="requests_per_minute"):
        settings({"requests_per_minute": 0.5})


@pytest.mark.parametrize(("value", "kept"), [(12, "12"), ("12", "12"), (" 12 ", "12"), ("", None), (None, None)])
def test_a_workspace_id_is_text(value: Any, kept: str | None) -> None:
    assert settings({"workspace_id": value}).workspace_id == kept


@pytest.mark.parametrize(
    ("extra", "proxies"),
    [
        ({"proxies": {"https": "http://p:1", "http": "http://p:2"}}, (("http", "http://p:2"), ("https", "http://p:1"))),
        ({"proxies": "http://p:1"}, (("http", "http://p:1"), ("https", "http://p:1"))),
        ({"proxy": "http://p:1"}, (("http", "http://p:1"), ("https", "http://p:1"))),
        ({"proxies": {}}, ()),
    ],
)
def test_proxies_are_one_for_all_or_one_each(extra: dict[str, Any], proxies: tuple[tuple[str, str], ...]) -> None:
    assert settings(extra).proxies == proxies


@pytest.mark.parametrize("proxies", [["http://p:1"], 5, True])
def test_proxies_of_another_kind_are_refused(proxies: Any) -> None:
    with pytest.raises(RaydocsInputError, match="'proxies' in the extra of connection 'raydocs_prod'"):
        settings({"proxies": proxies})


@pytest.mark.parametrize(
    ("value", "verify"),
    [(False, False), (True, True), ("/etc/ca.pem", "/etc/ca.pem"), ("false", False), ("True", True), (0, True)],
)
def test_certificates_are_checked_unless_clearly_told_otherwise(value: Any, verify: Any) -> None:
    assert settings({"verify": value}).verify == verify


@pytest.mark.parametrize(("value", "cert"), [("/c.pem", "/c.pem"), (["/c.pem", "/k.pem"], ("/c.pem", "/k.pem"))])
def test_a_client_certificate_is_one_file_or_two(value: Any, cert: Any) -> None:
    assert settings({"cert": value}).cert == cert


def test_settings_can_be_compared_and_hashed() -> None:
    extra = {"proxies": {"https": "http://p:1"}, "cert": ["/c.pem", "/k.pem"]}
    assert len({settings(extra), settings(extra), settings()}) == 2


@pytest.mark.parametrize(
    ("host", "warned"),
    [
        ("http://raydocs.example.com", True),
        ("http://10.0.0.5:8765", True),
        ("http://127.0.0.1:8765", False),
        ("http://localhost:8765", False),
        ("http://[::1]:8765", False),
        ("https://raydocs.example.com", False),
        (None, False),
    ],
)
def test_a_token_that_would_travel_unencrypted_is_warned_about(
    host: str | None, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="raydocs_provider.hooks.connection"):
        settings(host=host)
    assert [("raydocs_prod" in text and "unencrypted" in text) for text in caplog.messages] == [True] * warned
    assert TOKEN not in caplog.text


@pytest.mark.parametrize(
    ("dashboard_url", "link"),
    [
        (None, None),
        ("", None),
        ("https://app.example.com", "https://app.example.com"),
        (" https://app.example.com/t/{template_id} ", "https://app.example.com/t/t%2F1"),
        ("https://app.example.com/{workspace_id}/{template_id}", "https://app.example.com/w1/t%2F1"),
        ("https://app.example.com/s/{session_id}", None),
    ],
)
def test_a_dashboard_link_is_made_of_the_ids_there_are(dashboard_url: str | None, link: str | None) -> None:
    made = settings({"dashboard_url": dashboard_url, "workspace_id": "w1"})
    assert made.dashboard_link("t/1") == link


def test_a_dashboard_link_may_be_about_a_session() -> None:
    made = settings({"dashboard_url": "https://app.example.com/s/{session_id}?t={template_id}"})
    assert made.dashboard_link("t1", "s 1") == "https://app.example.com/s/s%201?t=t1"
    assert made.dashboard_link(None, "s1") is None


@pytest.mark.parametrize(
    "dashboard_url",
    [
        "javascript:alert(1)",
        "app.example.com",
        "https://app.example.com/{tenant}",
        "https://app.example.com/{",
        "https://a\nb",
    ],
)
def test_a_dashboard_url_that_is_no_web_address_is_refused_without_repeating_it(dashboard_url: str) -> None:
    with pytest.raises(RaydocsInputError, match="dashboard_url") as refused:
        settings({"dashboard_url": dashboard_url})
    assert dashboard_url not in str(refused.value)
