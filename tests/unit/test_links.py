"""Links of a task instance: the same after every resume, and safe for any id."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from raydocs_provider.links import raydocs as links
from raydocs_provider.links.raydocs import (
    DASHBOARD_KEY,
    RaydocsDashboardLink,
    RaydocsDocumentsLink,
    push_links,
    task_page,
)


@pytest.fixture
def base_url(monkeypatch: pytest.MonkeyPatch):
    def set_to(url: str) -> None:
        monkeypatch.setattr(links.conf, "get", lambda *_, **__: url)

    set_to("https://airflow.example.com/team")
    return set_to


@pytest.fixture(autouse=True)
def newest_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "airflow_version", "3.4.0b2")


class Ti(SimpleNamespace):
    def xcom_push(self, key, value):
        self.pushed[key] = value


def ti(**changes):
    return Ti(**{"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1, "pushed": {}, **changes})


@pytest.mark.parametrize("base", ["https://airflow.example.com/team", "https://airflow.example.com/team/"])
def test_the_tab_of_a_task_is_below_the_base_url(base_url, base):
    base_url(base)
    assert task_page("d", "r", "t") == "https://airflow.example.com/team/dags/d/runs/r/tasks/t/plugin/raydocs-documents"
    assert task_page("d", "r", "t", 3).endswith("/tasks/t/mapped/3/plugin/raydocs-documents")


def test_without_a_base_url_the_link_is_relative_to_the_host(base_url):
    base_url("")
    assert task_page("d", "r", "t").startswith("/dags/d/")


def test_ids_are_quoted(base_url):
    page = task_page("d", "scheduled__2026-03-01T00:00:00+00:00", "group.a/b?c#d")
    assert page.endswith(
        "/runs/scheduled__2026-03-01T00:00:00+00:00/tasks/group.a%2Fb%3Fc%23d/plugin/raydocs-documents"
    )


@pytest.mark.parametrize("version", ["3.0.6", "3.1.8"])
def test_before_3_2_there_is_no_tab_to_lead_to(monkeypatch, base_url, version):
    """Airflow shows no link for an empty address; a message from outside leads to the task itself."""
    monkeypatch.setattr(links, "airflow_version", version)
    task = ti(map_index=3)
    push_links({"ti": task}, None)
    assert task.pushed[RaydocsDocumentsLink().xcom_key] == ""
    assert RaydocsDocumentsLink().get_link(None, ti_key=task) == ""
    assert task_page("d", "r", "t", 3) == "https://airflow.example.com/team/dags/d/runs/r/tasks/t/mapped/3"


@pytest.mark.parametrize("map_index", [None, -1, 0, 7])
def test_what_is_pushed_early_is_what_airflow_makes_of_the_key_later(base_url, map_index):
    task = ti(map_index=map_index)
    push_links({"ti": task}, None)
    link = RaydocsDocumentsLink()
    key = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=map_index)
    assert task.pushed == {link.xcom_key: link.get_link(None, ti_key=key), DASHBOARD_KEY: ""}


def test_a_dashboard_is_linked_where_the_connection_names_one(base_url):
    task = ti()
    push_links({"ti": task}, "https://raydocs.example.com/t/1")
    assert task.pushed[DASHBOARD_KEY] == "https://raydocs.example.com/t/1"
    assert RaydocsDashboardLink().xcom_key == DASHBOARD_KEY


@pytest.mark.parametrize(
    ("kept", "link"), [("https://raydocs.example.com/t/1", "https://raydocs.example.com/t/1"), (None, ""), ({}, "")]
)
def test_the_dashboard_link_survives_on_a_new_operator(monkeypatch, kept, link):
    from airflow.sdk.execution_time import xcom

    monkeypatch.setattr(xcom, "XCom", SimpleNamespace(get_value=lambda **_: kept))
    assert RaydocsDashboardLink().get_link(None, ti_key=SimpleNamespace()) == link
