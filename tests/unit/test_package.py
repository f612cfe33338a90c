"""What the source tree promises about the package as a whole."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements-dev.lock").read_text()
OURSELVES = "airflow-provider-raydocs"


def test_the_lock_names_everything_that_the_package_and_its_tests_need() -> None:
    needed = {requirement.name for requirement in map(Requirement, requires(OURSELVES) or ()) if is_tested(requirement)}
    locked = {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)==", LOCK, re.MULTILINE)}
    assert {canonicalize_name(name) for name in needed} - {OURSELVES} <= locked, "run `make lock`"


def test_the_lock_works_with_any_index() -> None:
    assert "://" not in LOCK


def test_importing_the_package_and_its_metadata_loads_nothing_else() -> None:
    program = (
        "import sys; before = set(sys.modules); import raydocs_provider.get_provider_info\n"
        "tops = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(*sorted(tops - set(sys.stdlib_module_names)))"
    )
    output = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert output.split() == ["raydocs_provider"]


def is_tested(requirement: Requirement) -> bool:
    """Whether the test environment has to hold it: all but what only building the documentation takes."""
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", "test"))
