"""
What docs/production.md hands out can be used as it stands, and its figures are those that were measured.

The values for the Helm chart were rendered by hand, as the page says: neither Helm nor the chart is on a package index
that the tests can rely on. Here they are read, and held against the rest of the page.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

from raydocs_provider.extraction.manifest import MAX_INLINE_DOCUMENTS
from raydocs_provider.operators.extract import MAX_DOCUMENTS_PER_TASK
from scripts.compat.releases import RELEASES

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "production.md").read_text(encoding="utf-8")
VALUES = yaml.safe_load((DOCS / "kubernetes" / "values.yaml").read_text(encoding="utf-8"))
PAGES = sorted(DOCS.glob("*.md"))


def test_the_secret_has_the_connections_that_the_values_take_from_it() -> None:
    (command,) = re.findall(r"```console\n(kubectl .*?)```", PAGE, re.DOTALL)
    _, _, _, _, name, *literals = shlex.split(command)
    made = dict(literal.removeprefix("--from-literal=").split("=", 1) for literal in literals if literal.strip())
    assert {(entry["secretName"], entry["secretKey"]) for entry in VALUES["secret"]} == {(name, key) for key in made}
    assert {entry["envName"] for entry in VALUES["secret"]} == {f"AIRFLOW_CONN_{key.upper()}" for key in made}
    assert {json.loads(value)["conn_type"] for value in made.values()} == {"raydocs", "postgres"}


def test_image_values_and_constraints_are_of_one_release_that_we_run_on() -> None:
    (block,) = re.findall(r"```dockerfile\n(.*?)```", PAGE, re.DOTALL)
    (version, python), *_ = re.findall(r"FROM apache/airflow:([\d.]+)-python([\d.]+)", block)
    assert python in next(release for release in RELEASES if release.version == version).pythons
    assert set(re.findall(r"apache-airflow==([\d.]+)|constraints-([\d.]+)/", block)) == {(version, ""), ("", version)}
    assert f"constraints-{python}.txt" in block
    assert VALUES["airflowVersion"] == version
    assert VALUES["defaultAirflowTag"].startswith(f"{version}-")


def test_results_lie_where_workers_and_triggerer_both_can_write() -> None:
    (variable,) = VALUES["env"]
    assert variable["name"] == "AIRFLOW_VAR_RAYDOCS_RESULTS"
    assert variable["value"].startswith("s3://")
    assert VALUES["triggerer"]["replicas"] > 1


def test_limits_are_those_of_the_code() -> None:
    assert f"at most {MAX_DOCUMENTS_PER_TASK:,}; a task" in PAGE
    assert f"lists of more than {MAX_INLINE_DOCUMENTS} documents" in PAGE


@pytest.mark.parametrize("figure", ["26 kB", "0.01 MB", "2.4 s", "14 MB", "243 MB", "17 ms"])
def test_figures_are_those_of_the_benchmarks(figure: str) -> None:
    assert figure in PAGE
    assert figure in (DOCS / "benchmarks.md").read_text(encoding="utf-8")


def test_bytes_of_metadata_are_those_of_the_distributed_run() -> None:
    (said,) = re.findall(r"metadata database \| (\d+) bytes a document", PAGE)
    measured = (DOCS / "distributed.md").read_text(encoding="utf-8")
    assert re.findall(r"bytes of metadata a document \| (\d+) \|", measured) == [said]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_links_to_is_there(page: Path) -> None:
    for link in re.findall(r"\]\(((?!https?:)[^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    site = (DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^  - [^:]+: (\S+\.md)$", site, re.MULTILINE)) == [page.name for page in PAGES]
