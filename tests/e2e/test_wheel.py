"""The wheel, built from the tree and installed as a user would: into an empty environment, next to Airflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
WWW = ROOT / "raydocs_provider" / "plugins" / "www"
BUNDLE = WWW / "dist" / "main.umd.cjs"
UV = Path(sys.executable).with_name("uv")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(UV, "build", "--quiet", "--wheel", "--out-dir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"raydocs_provider", next(top for top in tops if top.endswith(".dist-info"))}
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "raydocs_provider").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and WWW not in path.parents
    }
    sources.add(BUNDLE.relative_to(ROOT).as_posix())
    assert {name for name in names if name.startswith("raydocs_provider/")} == sources
    assert "raydocs_provider/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert zipfile.ZipFile(wheel).read(BUNDLE.relative_to(ROOT).as_posix()) == BUNDLE.read_bytes()


def test_airflow_lists_the_provider_after_installing_the_wheel(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    run(UV, "venv", "--quiet", "--python", sys.executable, environment)
    python = environment / "bin" / "python"
    run(UV, "pip", "install", "--quiet", "--python", python, "-c", ROOT / "requirements-dev.lock", wheel)
    airflow = environment / "bin" / "airflow"
    home = {"AIRFLOW_HOME": str(tmp_path / "airflow")}

    listed = run(airflow, "providers", "get", "airflow-provider-raydocs", "--output", "json", **home)
    hooks = run(airflow, "providers", "hooks", "--output", "json", **home)
    plugins = run(airflow, "plugins", "--output", "json", **home)

    version = wheel.name.split("-")[1]
    assert json.loads(listed) == [{"Provider": "airflow-provider-raydocs", "Version": version}]
    classes = {hook["connection_type"]: hook["class"] for hook in json.loads(hooks)}
    assert "raydocs" in {plugin["name"] for plugin in json.loads(plugins)}
    assert classes["raydocs"] == "raydocs_provider.hooks.raydocs.RaydocsHook"


def run(*command: str | Path, **environment: str) -> str:
    """Run a command and return what it printed; fail with its own words."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "VIRTUAL_ENV"))}
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        env={**inherited, **environment},
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout
