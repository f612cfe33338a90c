"""What docs/monitoring.md says is measured is what is measured, and the files beside it go with that."""

from __future__ import annotations

import ast
import json
import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import yaml

import raydocs_provider
from raydocs_provider.extraction.manifest import EXTRACTED, FAILED, SKIPPED, STATES, DocumentRecord
from raydocs_provider.extraction.progress import Usage
from raydocs_provider.extraction.retry_outlook import GOES_ON, KEPT, PAID_AGAIN, STAYS_FAILED, TRIED_AGAIN
from raydocs_provider.hooks import metrics
from raydocs_provider.plugins.api.app import MAX_CHECKED

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
MAPPINGS = yaml.safe_load((ROOT / "docs" / "monitoring" / "statsd-mapping.yml").read_text())["mappings"]
DASHBOARD = (ROOT / "docs" / "monitoring" / "grafana.json").read_text()
DOCUMENTED = dict(re.findall(r"^\| `(raydocs\.[\w.]+)` \| (counter|timer)", PAGE, re.MULTILINE))


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Names and kinds of all that any function of the module sends."""
    sent: dict[str, str] = {}

    class Stats:
        @staticmethod
        def incr(name: str, count: int = 1) -> None:
            sent[name] = "counter"

        @staticmethod
        def timing(name: str, milliseconds: float) -> None:
            sent[name] = "timer"

    monkeypatch.setattr(metrics, "Stats", Stats)
    for status in (200, 201, 302, 404, 422, 429, 500, 503, None):
        metrics.count_answer(Usage(), status)
    metrics.time_budget_wait(0.1)
    metrics.time_extraction(10.0, 1.0)
    metrics.count_documents(DocumentRecord("a", state) for state in STATES)
    metrics.count_rows({"invoices": 3})
    return sent


def test_the_page_names_all_that_is_measured_and_nothing_else(sent: dict[str, str]) -> None:
    assert sent == DOCUMENTED
    assert {f"raydocs.documents.{state}" for state in (EXTRACTED, FAILED, SKIPPED)} <= sent.keys()


def test_nothing_is_measured_elsewhere() -> None:
    """Whoever adds a metric does so where the page is kept true."""
    others = [
        path.name
        for path in Path(raydocs_provider.__file__).parent.rglob("*.py")
        if path.name != "metrics.py"
        and any(isinstance(node, ast.Name) and node.id == "Stats" for node in ast.walk(ast.parse(path.read_text())))
    ]
    assert others == []


@pytest.mark.parametrize("name", sorted(DOCUMENTED))
def test_each_metric_has_one_place_in_the_mapping(name: str) -> None:
    fitting = [
        mapping
        for mapping in MAPPINGS
        if fnmatchcase(f"airflow.{name}", mapping["match"]) and mapping["match"].count(".") == name.count(".") + 1
    ]
    (mapping,) = fitting
    assert mapping["match_metric_type"] == {"counter": "counter", "timer": "observer"}[DOCUMENTED[name]]
    assert mapping["name"].endswith({"counter": "_total", "timer": "_seconds"}[DOCUMENTED[name]])


def test_no_mapping_is_left_over() -> None:
    for mapping in MAPPINGS:
        assert [name for name in DOCUMENTED if fnmatchcase(f"airflow.{name}", mapping["match"])], mapping["match"]


def test_the_dashboard_and_the_alarms_ask_for_what_the_mapping_makes() -> None:
    made = {mapping["name"] for mapping in MAPPINGS}
    panels = json.loads(DASHBOARD)["panels"]
    asked = set(re.findall(r"raydocs_\w+", " ".join(target["expr"] for panel in panels for target in panel["targets"])))
    assert {name.removesuffix("_bucket") for name in asked} == made
    assert set(re.findall(r"raydocs_\w+", PAGE)) <= made
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_the_page_explains_each_word_of_the_tab() -> None:
    assert set(re.findall(r"^\| `([a-z ]+)` \|", PAGE, re.MULTILINE)) == {
        KEPT,
        GOES_ON,
        TRIED_AGAIN,
        STAYS_FAILED,
        PAID_AGAIN,
    }
    assert f"at most {MAX_CHECKED} at a time" in PAGE
