"""What the README shows works as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_dag_of_the_readme_is_a_dag():
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "with DAG(" in block]
    namespace: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), namespace)
    load = namespace["load"]
    assert load.upstream_task_ids == {"extract"}
    assert [asset.uri for asset in load.outlets] == ["postgres://warehouse:5432/dwh/finance/invoices"]


@pytest.mark.parametrize("page", sorted(set(re.findall(r"\]\(((?!http)[^)#]+)\)", README))))
def test_what_the_readme_links_to_is_there(page):
    assert (ROOT / page).exists()
